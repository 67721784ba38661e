"""Ollama's native API: /api/chat and /api/generate, newline-delimited JSON."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from streamgauge.dialect import Auth, Dialect, first_object
from streamgauge.dialects.ollama.decoder import OllamaInterpreter, read_answer
from streamgauge.dialects.ollama.encoder import (
    chat_shape,
    encode,
    encode_chat,
    encode_error_body,
    encode_error_frame,
    encode_generate,
    encode_models,
    generate_shape,
)
from streamgauge.ndjson import NDJSONDecoder
from streamgauge.wire import members, parse

_CHAT = re.compile(rb'\A\s*\{"model":[^\n]*"message"\s*:\s*\{')
_GENERATE = re.compile(rb'\A\s*\{"model":[^\n]*"response"\s*:\s*"')


def _first(head: bytes) -> dict[str, Any]:
    """The object of the first line, where it is whole."""
    line, end, _ = head.lstrip().partition(b"\n")
    value = members(parse(line.decode("utf-8", "replace"))) if end else {}
    return value if "done" in value else {}


def _detect_chat(head: bytes) -> str | None:
    found = _CHAT.search(head) or isinstance(_first(head).get("message"), dict)
    return 'the first line is an object with "model" and "message"' if found else None


def _detect_generate(head: bytes) -> str | None:
    found = _GENERATE.search(head) or isinstance(_first(head).get("response"), str)
    return 'the first line is an object with "model" and "response"' if found else None


def _detect_error(head: bytes, media_type: str) -> str | None:
    """Many services refuse a request with such an object, but they don't call it a stream of lines."""
    error = first_object(NDJSONDecoder(), head) if media_type == "application/x-ndjson" else {}
    if error.keys() != {"error"} or not isinstance(error["error"], str):
        return None
    return "application/x-ndjson with an error alone is Ollama's, where /api/generate says it in the same words"


_SHARED = {
    "framing": "ndjson",
    "media_type": "application/x-ndjson",
    "other_media_types": ("application/json",),  # Ollama's own cloud
    "framer": NDJSONDecoder,
    "interpreter": OllamaInterpreter,
    "error_frame": encode_error_frame,
    "error_body": encode_error_body,
    "models_path": "/api/tags",
    "models": encode_models,
    "auth": Auth(env="OLLAMA_API_KEY"),
    "finish_reasons": ("stop", "length"),
}

DIALECTS = (
    Dialect(
        name="ollama-chat",
        title="Ollama /api/chat",
        encode=partial(encode, shape=chat_shape),
        request=encode_chat,
        message=partial(read_answer, dialect="ollama-chat"),
        detect=_detect_chat,
        detect_error=_detect_error,
        paths=(r"/api/chat$",),
        **_SHARED,  # type: ignore[arg-type]
    ),
    Dialect(
        name="ollama-generate",
        title="Ollama /api/generate",
        encode=partial(encode, shape=generate_shape),
        request=encode_generate,
        message=partial(read_answer, dialect="ollama-generate"),
        detect=_detect_generate,
        paths=(r"/api/generate$",),
        **_SHARED,  # type: ignore[arg-type]
    ),
)
