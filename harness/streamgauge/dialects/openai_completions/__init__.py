"""OpenAI's legacy completions, and what speaks it: vLLM, llama.cpp."""

from __future__ import annotations

import re

from streamgauge.dialect import Auth, Dialect
from streamgauge.dialects.openai_chat.encoder import encode_error_body, encode_error_frame, encode_models
from streamgauge.dialects.openai_completions.decoder import CompletionInterpreter, read_text_completion
from streamgauge.dialects.openai_completions.encoder import encode, encode_request
from streamgauge.sse import SSEDecoder

_OBJECT = re.compile(rb'"object"\s*:\s*"text_completion"')
_TEXT = re.compile(rb'"choices"\s*:\s*\[.*"text"\s*:', re.DOTALL)


def _detect(head: bytes) -> str | None:
    # Text Generation Inference called its chat chunks text_completion too; those have a delta and no text.
    if b"data:" not in head or b'"delta"' in head or b'"message"' in head or not _TEXT.search(head):
        return None
    named = '"object": "text_completion" and ' if _OBJECT.search(head) else ""
    return f'an event has {named}"choices" with a "text"'


DIALECTS = (
    Dialect(
        name="openai-completions",
        title="OpenAI Completions (legacy)",
        framing="sse",
        media_type="text/event-stream",
        framer=SSEDecoder,
        interpreter=CompletionInterpreter,
        encode=encode,
        request=encode_request,
        message=read_text_completion,
        error_frame=encode_error_frame,
        error_body=encode_error_body,
        detect=_detect,
        paths=(r"(?<!/chat)/completions$",),
        terminator=b"data: [DONE]\n\n",
        keepalive=b": keep-alive\n\n",
        base_path="/v1",
        models_path="/models",
        models=encode_models,
        auth=Auth(env="OPENAI_API_KEY"),
        finish_reasons=("stop", "length", "content_filter"),
    ),
)
