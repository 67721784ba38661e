"""The bytes that the reproducers of `tools/findings.py` serve: two events, "Hel" and "lo", in each dialect."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

BOM = b"\xef\xbb\xbf"


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def said(data: bytes, head: bytes = b"data: ") -> bytes:
    """One server-sent event."""
    return head + data + b"\n\n"


def named(kind: str, **members: Any) -> bytes:
    """One server-sent event with its type."""
    return f"event: {kind}\ndata: ".encode() + compact({"type": kind, **members}) + b"\n\n"


def chat(text: str, finish: str | None = None, index: int = 0, **delta: Any) -> bytes:
    """A chat completion chunk."""
    said = {"content": text} if text else {}
    choice = {"index": index, "delta": {**said, **delta}, "finish_reason": finish}
    return compact({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def calling(function: dict[str, str], **more: Any) -> bytes:
    """A fragment of the first tool call."""
    return said(chat("", tool_calls=[{"index": 0, **more, "function": function}]))


def gemini(text: str, **more: Any) -> bytes:
    """A GenerateContentResponse."""
    return compact({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, **more}]})


def ollama(text: str, **more: Any) -> bytes:
    """A line of Ollama's chat."""
    return compact({"model": "m", "message": {"role": "assistant", "content": text}, "done": False, **more}) + b"\n"


def piece(text: str) -> bytes:
    """A text delta of an Anthropic message."""
    return named("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def cohere(text: str) -> bytes:
    return named("content-delta", index=0, delta={"message": {"content": {"text": text}}})


def ill_formed(make: Callable[[str], bytes]) -> bytes:
    """An event whose text has a byte in it that is no UTF-8."""
    return make("@BAD@").replace(b"@BAD@", b"l\xffo")


TOOLS_END = said(chat("", "tool_calls")) + said(b"[DONE]")
CHAT_END = said(chat("", "stop")) + said(b"[DONE]")
GEMINI_LAST = gemini("lo", finishReason="STOP")
OLLAMA_LAST = ollama("", done=True, done_reason="stop")
COHERE_START = named("message-start", id="x", delta={"message": {"role": "assistant"}})
_MESSAGE = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": []}
_USAGE = {"input_tokens": 1, "output_tokens": 1}
START = named("message_start", message={**_MESSAGE, "stop_reason": None, "stop_sequence": None, "usage": _USAGE})
START += named("content_block_start", index=0, content_block={"type": "text", "text": ""})
STOP = (
    named("content_block_stop", index=0)
    + named("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 2})
    + named("message_stop")
)
