"""Builds the example streams of rules: a correct stream, and single events to make incorrect ones of."""

from __future__ import annotations

import json
from typing import Any

HEAD: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 1},
}


def sse(value: Any, name: str) -> str:
    """One event with a name and a JSON value as its data."""
    return f"event: {name}\ndata: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n"


def event(kind: str, /, **members: Any) -> str:
    """One event as the reference shows it: its type is its name too."""
    return sse({"type": kind, **members}, kind)


def start(**members: Any) -> str:
    """message_start; a member of the message given as `...` is left out."""
    message = {name: value for name, value in {**HEAD, **members}.items() if value is not ...}
    return event("message_start", message=message)


def opened(index: int = 0, kind: str = "text", **members: Any) -> str:
    """The start of a block, with the members that its type requires."""
    required: dict[str, dict[str, Any]] = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"id": f"toolu_{index}", "name": "f", "input": {}},
    }
    block = {"type": kind, **required.get(kind, {}), **members}
    return event("content_block_start", index=index, content_block={k: v for k, v in block.items() if v is not ...})


def delta(index: int, kind: str, **members: Any) -> str:
    """One delta of a block."""
    return event("content_block_delta", index=index, delta={"type": kind, **members})


def said(index: int, *pieces: str) -> str:
    """Text deltas."""
    return "".join(delta(index, "text_delta", text=piece) for piece in pieces)


def closed(index: int = 0) -> str:
    """The end of a block."""
    return event("content_block_stop", index=index)


def text(*pieces: str, index: int = 0) -> str:
    """A whole text block."""
    return opened(index) + said(index, *pieces) + closed(index)


def arguments(index: int, *pieces: Any) -> str:
    """Deltas of a call's arguments."""
    return "".join(delta(index, "input_json_delta", partial_json=piece) for piece in pieces)


def call(*pieces: Any, index: int = 0, **members: Any) -> str:
    """A whole block of a tool call."""
    return opened(index, "tool_use", **members) + arguments(index, *pieces) + closed(index)


def thinking(*deltas: str, index: int = 0) -> str:
    """A whole thinking block around its deltas."""
    return opened(index, "thinking") + "".join(deltas) + closed(index)


def stopped(reason: str | None = "end_turn", made: int = 5, sequence: str | None = None, **members: Any) -> str:
    """message_delta with the stop reason and the usage."""
    value = {"delta": {"stop_reason": reason, "stop_sequence": sequence}, "usage": {"output_tokens": made}}
    return event("message_delta", **{**value, **members})


STOP = event("message_stop")
PING = event("ping")


def stream(*middle: str, tail: str | None = None) -> str:
    """A correct stream around some blocks."""
    return start() + "".join(middle) + (stopped() + STOP if tail is None else tail)


HELLO = stream(text("Hello", " there"))
CALLS = stream(
    call("", '{"a":', "1}"),
    call(index=1),
    tail=stopped("tool_use") + STOP,
)
THOUGHT = stream(
    thinking(delta(0, "thinking_delta", thinking="hm"), delta(0, "signature_delta", signature="c2ln")),
    text("Hello", index=1),
)
