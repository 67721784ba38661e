"""OpenAI Responses, and what speaks it: Azure, vLLM, llama.cpp, and servers of the Open Responses specification."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

from streamgauge.dialect import Auth, Dialect
from streamgauge.dialects.openai_chat.encoder import encode_error_body, encode_models
from streamgauge.dialects.openai_responses.decoder import ResponsesInterpreter, read_response
from streamgauge.dialects.openai_responses.encoder import (
    encode,
    encode_error_frame,
    encode_open,
    encode_open_error_frame,
    encode_request,
)
from streamgauge.sse import SSEDecoder

_EVENT = re.compile(rb'"type"\s*:\s*"(response\.[a-z_.]+)"')


def _detect(head: bytes) -> str | None:
    found = _EVENT.search(head) if b"data:" in head else None
    return f'an event has "type": "{found[1].decode()}"' if found else None


_RESPONSES = Dialect(
    name="openai-responses",
    title="OpenAI Responses",
    framing="sse",
    media_type="text/event-stream",
    framer=SSEDecoder,
    interpreter=ResponsesInterpreter,
    encode=encode,
    request=encode_request,
    message=read_response,
    error_frame=encode_error_frame,
    error_body=encode_error_body,
    detect=_detect,
    paths=(r"/responses$",),
    keepalive=b": keep-alive\n\n",
    base_path="/v1",
    models_path="/models",
    models=encode_models,
    auth=Auth(env="OPENAI_API_KEY"),
    finish_reasons=("completed", "incomplete"),
)

DIALECTS = (
    _RESPONSES,
    replace(
        _RESPONSES,
        name="open-responses",
        title="Open Responses",
        profile_of="openai-responses",
        encode=encode_open,
        message=partial(read_response, dialect="open-responses"),
        error_frame=encode_open_error_frame,
    ),
)
