"""Anthropic Messages, and what speaks it: Vertex, llama.cpp, vLLM, Ollama, LiteLLM."""

from __future__ import annotations

import re

from streamgauge.dialect import Auth, Dialect
from streamgauge.dialects.anthropic_messages.decoder import MessagesInterpreter, read_message
from streamgauge.dialects.anthropic_messages.encoder import (
    encode,
    encode_error_body,
    encode_error_frame,
    encode_models,
    encode_request,
)
from streamgauge.sse import SSEDecoder

_EVENT = re.compile(rb'"type"\s*:\s*"(message_start|content_block_(?:start|delta|stop)|message_delta|completion)"')
_ERROR = re.compile(rb'"type"\s*:\s*"error"\s*,\s*"error"\s*:\s*\{[^{}]*"type"\s*:\s*"(overloaded_error|api_error)"')
"""What the reference shows in place of a message; other types of errors have the same names elsewhere."""

STOP_REASONS = (
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
)


def _detect(head: bytes) -> str | None:
    found = (_EVENT.search(head) or _ERROR.search(head)) if b"data:" in head else None
    return f'an event has "type": "{found[1].decode()}"' if found else None


DIALECTS = (
    Dialect(
        name="anthropic-messages",
        title="Anthropic Messages",
        framing="sse",
        media_type="text/event-stream",
        framer=SSEDecoder,
        interpreter=MessagesInterpreter,
        encode=encode,
        request=encode_request,
        message=read_message,
        error_frame=encode_error_frame,
        error_body=encode_error_body,
        detect=_detect,
        paths=(r"/messages$",),
        terminator=b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
        keepalive=b'event: ping\ndata: {"type":"ping"}\n\n',
        base_path="/v1",
        models_path="/models",
        models=encode_models,
        auth=Auth("x-api-key", "", "ANTHROPIC_API_KEY"),
        finish_reasons=STOP_REASONS,
    ),
)
