"""Gemini's streamGenerateContent, on the Gemini API and on Vertex; server-sent events or one JSON array."""

from __future__ import annotations

import re

from streamgauge.dialect import Auth, Dialect, first_object
from streamgauge.dialects.gemini_generate.decoder import GenerateFramer, GenerateInterpreter, read_response
from streamgauge.dialects.gemini_generate.encoder import (
    encode,
    encode_error_body,
    encode_error_frame,
    encode_models,
    encode_request,
)
from streamgauge.wire import members, text

_MEMBER = re.compile(rb'"(candidates|promptFeedback)"\s*:\s*[\[{]|"(usageMetadata)"\s*:\s*\{')
_WRAPPED = re.compile(rb'(?:^data:|\A\s*\[)\s*\{[^{}]*"response"\s*:\s*\{', re.MULTILINE)
_CODES = (
    "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
)  # fmt: skip
"""google.rpc.Code, as the `status` of an error spells it (https://google.aip.dev/193)."""


def _detect(head: bytes) -> str | None:
    # Gateways that translate Gemini's answers keep its metadata in chat chunks, which have choices.
    found = _MEMBER.search(head) if b'"choices"' not in head else None
    if not found or head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"d", b":", b"["):
        return None
    around = ' in the "response" that Code Assist puts around it' if _WRAPPED.search(head) else ""
    return f'a response{around} has "{(found[1] or found[2]).decode()}"'


def _detect_error(head: bytes, _media_type: str) -> str | None:
    # An object alone is how any of Google's APIs refuses; events and an array are how this method answers.
    if b'"status"' not in head or head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"d", b":", b"["):
        return None
    error = members(first_object(GenerateFramer(), head).get("error"))
    status = text(error.get("status"))
    if status not in _CODES or type(error.get("code")) is not int or not isinstance(error.get("message"), str):
        return None
    return f'the first response is an error with a "status" of google.rpc, {status}'


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
        detect_error=_detect_error,
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
