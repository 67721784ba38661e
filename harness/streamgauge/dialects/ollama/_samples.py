"""Builds the example streams of rules."""

from __future__ import annotations

import json
from typing import Any

HEAD = {"model": "llama3", "created_at": "2026-01-01T00:00:00Z"}
COUNTS: dict[str, Any] = {
    "total_duration": 2_000_000,
    "load_duration": 1_000,
    "prompt_eval_count": 3,
    "prompt_eval_duration": 1_000_000,
    "eval_count": 2,
    "eval_duration": 900_000,
}
TYPE = (("Content-Type", "application/x-ndjson"), ("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no"))


def chat(content: str, **members: Any) -> dict[str, Any]:
    """One object of /api/chat; `members` go beside the message."""
    return {**HEAD, "message": {"role": "assistant", "content": content}, "done": False, **members}


def called(arguments: Any) -> dict[str, Any]:
    """An object with a tool call."""
    function = {"name": "f", "arguments": arguments}
    return {**chat(""), "message": {"role": "assistant", "content": "", "tool_calls": [{"function": function}]}}


def end(**members: Any) -> dict[str, Any]:
    """The last object; a member given as `...` is left out."""
    value = {**chat(""), "done": True, "done_reason": "stop", **COUNTS, **members}
    return {name: member for name, member in value.items() if member is not ...}


def lines(*values: dict[str, Any]) -> str:
    """One object a line."""
    return "".join(json.dumps(v, ensure_ascii=False, separators=(",", ":")) + "\n" for v in values)


HELLO = (chat("Hello"), chat(" there"), end())
