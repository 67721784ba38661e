"""Builds the example streams of rules."""

from __future__ import annotations

import json
from typing import Any

EOS = "</s>"


def token(index: Any, said: Any, **members: Any) -> dict[str, Any]:
    """One event; a member given as `...` is left out."""
    scored = {"id": 29_871, "text": said, "logprob": -0.5, "special": said == EOS}
    value = {"index": index, "token": scored, "generated_text": None, "details": None, **members}
    return {name: member for name, member in value.items() if member is not ...}


def details(made: Any, **members: Any) -> dict[str, Any]:
    """What the last event tells of the answer; a member given as `...` is left out."""
    value = {"finish_reason": "eos_token", "generated_tokens": made, "seed": None, "input_length": 3, **members}
    return {name: member for name, member in value.items() if member is not ...}


def last(index: Any, whole: Any, said: Any = EOS, **members: Any) -> dict[str, Any]:
    """The last event."""
    return token(index, said, **{"generated_text": whole, "details": details(index), **members})


def sse(*values: Any) -> str:
    """One event a value."""
    return "".join(f"data: {json.dumps(v, ensure_ascii=False, separators=(',', ':'))}\n\n" for v in values)


FIRST = (token(1, "Hello"), token(2, " there"))
HELLO = (*FIRST, last(3, "Hello there"))
ERROR = {"error": "Request failed during generation: out of memory", "error_type": "generation"}
