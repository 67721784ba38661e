"""Text Generation Inference's own API: POST /generate_stream, and / with `stream`."""

from __future__ import annotations

import re

from streamgauge.dialect import Auth, Dialect
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
        # "/": "Generate tokens if `stream == false` or a stream of token if `stream == true`" (docs/openapi.json);
        # Hugging Face's own library asks there.
        paths=(r"/generate_stream$", r"^/$"),
        keepalive=b": keep-alive\n\n",
        auth=Auth(env="HF_TOKEN"),
        finish_reasons=("eos_token", "length", "stop_sequence"),
    ),
)
