"""Cohere's chat, version 2."""

from __future__ import annotations

import re

from streamgauge.dialect import Auth, Dialect
from streamgauge.dialects.cohere_chat.decoder import ChatInterpreter, read_answer
from streamgauge.dialects.cohere_chat.encoder import (
    encode,
    encode_error_body,
    encode_error_frame,
    encode_models,
    encode_request,
)
from streamgauge.sse import SSEDecoder

_EVENT = re.compile(rb'"type"\s*:\s*"((?:message|content|tool-call)-(?:start|delta|end)|tool-plan-delta)"')


def _detect(head: bytes) -> str | None:
    found = _EVENT.search(head) if b"data:" in head else None
    return f'an event has "type": "{found[1].decode()}"' if found else None


DIALECTS = (
    Dialect(
        name="cohere-chat",
        title="Cohere Chat v2",
        framing="sse",
        media_type="text/event-stream",
        framer=SSEDecoder,
        interpreter=ChatInterpreter,
        encode=encode,
        request=encode_request,
        message=read_answer,
        error_frame=encode_error_frame,
        error_body=encode_error_body,
        detect=_detect,
        paths=(r"/v2/chat$",),
        keepalive=b": keep-alive\n\n",
        base_path="/v2",
        models_path="/models",
        models=encode_models,
        auth=Auth(env="CO_API_KEY"),
        finish_reasons=("COMPLETE", "STOP_SEQUENCE", "MAX_TOKENS", "TOOL_CALL"),
    ),
)
