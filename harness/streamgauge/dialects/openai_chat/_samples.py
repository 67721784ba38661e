"""Builds the example streams of rules: a correct stream, and single chunks to make incorrect ones of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

CREATED = 1_700_000_000
DONE = "data: [DONE]\n\n"
ROLE = {"role": "assistant", "content": ""}
REQUEST: Mapping[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
WITH_USAGE: Mapping[str, Any] = {**REQUEST, "stream_options": {"include_usage": True}}


def sse(value: Any) -> str:
    """One event with a JSON value as its data."""
    return f"data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n"


def choice(delta: Any, finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    """One entry of `choices`."""
    return {"index": index, "delta": delta, "finish_reason": finish, **more}


def whole_chunk(choices: Sequence[Any], **members: Any) -> dict[str, Any]:
    """A chunk with all members that the reference requires; a member given as `...` is left out."""
    head = {"id": "c-1", "object": "chat.completion.chunk", "created": CREATED, "model": "m"}
    value = {**head, "choices": list(choices), **members}
    return {name: member for name, member in value.items() if member is not ...}


def chunk(delta: Any, finish: str | None = None, index: int = 0, **members: Any) -> str:
    """One event with one choice."""
    return sse(whole_chunk([choice(delta, finish, index)], **members))


def chat(*middle: str, finish: str | None = "stop", tail: str = DONE) -> str:
    """A correct stream around some events: role chunk, the events, finish chunk, terminator."""
    end = chunk({}, finish) if finish else ""
    return chunk(ROLE) + "".join(middle) + end + tail


def text(*pieces: str) -> str:
    """Content deltas."""
    return "".join(chunk({"content": piece}) for piece in pieces)


def call(index: int | None, arguments: Any = None, **members: Any) -> str:
    """One event with one tool call delta; `id`, `type` and `name` where they are given."""
    entry: dict[str, Any] = {} if index is None else {"index": index}
    function = {}
    if "name" in members:
        function["name"] = members.pop("name")
    if arguments is not None:
        function["arguments"] = arguments
    entry |= members
    if function:
        entry["function"] = function
    return chunk({"tool_calls": [entry]})


def first_call(index: int = 0, name: str = "f", arguments: str = "", call_id: str = "") -> str:
    """The first delta of a call, as OpenAI sends it."""
    return call(index, arguments, id=call_id or f"call_{index}", type="function", name=name)


def usage(prompt: int = 3, completion: int = 2, **members: Any) -> str:
    """The usage chunk that the reference describes: empty choices."""
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return sse(whole_chunk([], usage={**counts, **members}))


HELLO = chat(text("Hello", " there"))
CALLS = chat(
    first_call(0),
    call(0, '{"a":'),
    call(0, "1}"),
    first_call(1, "g"),
    call(1, "{}"),
    finish="tool_calls",
)
