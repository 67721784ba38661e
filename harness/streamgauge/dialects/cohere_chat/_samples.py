"""Builds the example streams of rules: a correct stream, and single events to make incorrect ones of."""

from __future__ import annotations

import json
from typing import Any


def event(kind: str, /, **members: Any) -> str:
    """One event as the reference shows it: its type is its name too; a member given as `...` is left out."""
    value = {"type": kind, **{name: member for name, member in members.items() if member is not ...}}
    return f"event: {kind}\ndata: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n"


def says(kind: str, index: Any = ..., /, **message: Any) -> str:
    """One event with a piece of the message."""
    return event(kind, index=index, delta={"message": message})


def opened(index: Any = 0, kind: str = "text") -> str:
    """The start of a block of content."""
    return says("content-start", index, content={"type": kind, kind: ""})


def said(index: Any, *pieces: Any) -> str:
    """Text deltas."""
    return "".join(says("content-delta", index, content={"text": piece}) for piece in pieces)


def closed(index: Any = 0) -> str:
    """The end of a block of content."""
    return event("content-end", index=index)


def text(*pieces: str, index: int = 0) -> str:
    """A whole block of text."""
    return opened(index) + said(index, *pieces) + closed(index)


def call(*pieces: Any, index: Any = 0, **entry: Any) -> str:
    """A whole tool call; members of its start given as `...` are left out."""
    opening = {"id": f"f_{index}", "type": "function", "function": {"name": "f", "arguments": ""}, **entry}
    opening = {name: member for name, member in opening.items() if member is not ...}
    deltas = (says("tool-call-delta", index, tool_calls={"function": {"arguments": piece}}) for piece in pieces)
    return says("tool-call-start", index, tool_calls=opening) + "".join(deltas) + event("tool-call-end", index=index)


START = event("message-start", id="c1", delta={"message": {"role": "assistant", "content": [], "tool_calls": []}})
COUNTS = {"input_tokens": 3, "output_tokens": 2}
USAGE = {"billed_units": COUNTS, "tokens": COUNTS}


def ended(reason: Any = "COMPLETE", **members: Any) -> str:
    """message-end; a member given as `...` is left out."""
    delta = {"finish_reason": reason, "usage": USAGE, **members}
    return event("message-end", delta={name: member for name, member in delta.items() if member is not ...})


def stream(*middle: str, tail: str | None = None) -> str:
    """A correct stream around some blocks."""
    return START + "".join(middle) + (ended() if tail is None else tail)


HELLO = stream(text("Hello", " there"))
CALLS = stream(
    says("tool-plan-delta", tool_plan="I look."),
    call('{"a":', "1}"),
    call(index=1),
    tail=ended("TOOL_CALL"),
)
