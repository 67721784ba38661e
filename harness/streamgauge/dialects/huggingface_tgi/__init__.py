"""Text Generation Inference's own API: POST /generate_stream, and / with `stream`."""

from __future__ import annotations

import re

from streamgauge.dialect import Auth, Dialect, first_object
from streamgauge.dialects.huggingface_tgi.decoder import NAME, TokenInterpreter, read_answer
from streamgauge.dialects.huggingface_tgi.encoder import (
    encode,
    encode_error_body,
    encode_error_frame,
    encode_request,
)
from streamgauge.sse import SSEDecoder

_TOKEN = re.compile(rb'"token"\s*:\s*\{[^{}]*"text"\s*:')


def _detect(head: bytes) -> str | None:
    found = b"data:" in head and b'"choices"' not in head and _TOKEN.search(head)
    return 'an event has a "token" with a "text"' if found else None


def _detect_error(head: bytes, _media_type: str) -> str | None:
    # ErrorResponse in docs/openapi.json requires both.
    if b"data:" not in head or b'"error_type"' not in head:
        return None
    error = first_object(SSEDecoder(), head)
    known = error.keys() == {"error", "error_type"} and all(isinstance(value, str) for value in error.values())
    return 'the first event is an error with an "error_type"' if known else None


DIALECTS = (
    Dialect(
        name=NAME,
        title="Text Generation Inference /generate_stream",
        framing="sse",
        media_type="text/event-stream",
        framer=SSEDecoder,
        interpreter=TokenInterpreter,
        encode=encode,
        request=encode_request,
        message=read_answer,
        error_frame=encode_error_frame,
        error_body=encode_error_body,
        detect=_detect,
        detect_error=_detect_error,
        # "/": "Generate tokens if `stream == false` or a stream of token if `stream == true`" (docs/openapi.json);
        # Hugging Face's own library asks there.
        paths=(r"/generate_stream$", r"^/$"),
        keepalive=b": keep-alive\n\n",
        auth=Auth(env="HF_TOKEN"),
        finish_reasons=("eos_token", "length", "stop_sequence"),
    ),
)
