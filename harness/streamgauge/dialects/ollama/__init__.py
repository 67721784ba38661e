"""Ollama's native API: /api/chat and /api/generate, newline-delimited JSON."""

from __future__ import annotations

import re
from functools import partial

from streamgauge.dialect import Auth, Dialect
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

_CHAT = re.compile(rb'\A\s*\{"model":[^\n]*"message"\s*:\s*\{')
_GENERATE = re.compile(rb'\A\s*\{"model":[^\n]*"response"\s*:\s*"')


def _detect_chat(head: bytes) -> str | None:
    return 'the first line is an object with "model" and "message"' if _CHAT.search(head) else None


def _detect_generate(head: bytes) -> str | None:
    return 'the first line is an object with "model" and "response"' if _GENERATE.search(head) else None


_SHARED = {
    "framing": "ndjson",
    "media_type": "application/x-ndjson",
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
