"""Gemini's streamGenerateContent, on the Gemini API and on Vertex; server-sent events or one JSON array."""

from __future__ import annotations

import re

from streamgauge.dialect import Auth, Dialect
from streamgauge.dialects.gemini_generate.decoder import GenerateFramer, GenerateInterpreter, read_response
from streamgauge.dialects.gemini_generate.encoder import (
    encode,
    encode_error_body,
    encode_error_frame,
    encode_models,
    encode_request,
)

_MEMBER = re.compile(rb'"(candidates|promptFeedback)"\s*:\s*[\[{]|"(usageMetadata)"\s*:\s*\{')


def _detect(head: bytes) -> str | None:
    # Gateways that translate Gemini's answers keep its metadata in chat chunks, which have choices.
    found = _MEMBER.search(head) if b'"choices"' not in head else None
    if not found or head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"d", b":", b"["):
        return None
    return f'a response has "{(found[1] or found[2]).decode()}"'


DIALECTS = (
    Dialect(
        name="gemini-generate",
        title="Gemini streamGenerateContent",
        framing="sse",
        media_type="text/event-stream",
        framer=GenerateFramer,
        interpreter=GenerateInterpreter,
        encode=encode,
        request=encode_request,
        message=read_response,
        error_frame=encode_error_frame,
        error_body=encode_error_body,
        detect=_detect,
        paths=(r":streamGenerateContent(\?|$)",),
        keepalive=b": keep-alive\n\n",
        base_path="/v1beta",
        models_path="/models",
        models=encode_models,
        auth=Auth("x-goog-api-key", "", "GEMINI_API_KEY"),
        other_framings=("json-array",),
        other_media_types=("application/json",),
        finish_reasons=("STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "MALFORMED_FUNCTION_CALL"),
    ),
)
