"""Normalised events: what one stream of any dialect said, each with the bytes it came from.

Every event has `choice` (0 where the dialect has one answer) and `span`, the half-open byte range
`(from, to)` of the response body. Library providers, which see no bytes, leave the span at (0, 0).
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

Span: TypeAlias = tuple[int, int]
Ended: TypeAlias = Literal["complete", "truncated", "error", "malformed"]
NO_SPAN: Span = (0, 0)


class _Event(msgspec.Struct, frozen=True, gc=False, tag_field="type"):
    """Common shape; `gc=False` because events hold no cycles and there are many of them."""


class Start(_Event, frozen=True, gc=False, tag="start"):
    """The first thing that carries the answer's identity."""

    id: str = ""
    model: str = ""
    choice: int = 0
    span: Span = NO_SPAN


class TextDelta(_Event, frozen=True, gc=False, tag="text"):
    """Visible text, never empty."""

    text: str
    choice: int = 0
    span: Span = NO_SPAN


class ReasoningDelta(_Event, frozen=True, gc=False, tag="reasoning"):
    """Reasoning ("thinking") text, never empty."""

    text: str
    choice: int = 0
    span: Span = NO_SPAN


class RefusalDelta(_Event, frozen=True, gc=False, tag="refusal"):
    """Text of a refusal, never empty."""

    text: str
    choice: int = 0
    span: Span = NO_SPAN


class ToolCallDelta(_Event, frozen=True, gc=False, tag="tool_call"):
    """A piece of a tool call.

    `index` counts the calls of this choice in order of first appearance, however the dialect names them.
    `id` and `name` are "" where this piece does not state them; `arguments` is a fragment, as sent.
    `server` marks a call that the vendor runs itself; `output` is what such a call gave back.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    server: bool = False
    output: str = ""
    choice: int = 0
    span: Span = NO_SPAN


class Finish(_Event, frozen=True, gc=False, tag="finish"):
    """Why one choice ended, in the dialect's own word, or the number that a server sent for it."""

    reason: str | int
    choice: int = 0
    span: Span = NO_SPAN


class Usage(_Event, frozen=True, gc=False, tag="usage"):
    """Token counts; None where this event does not state one. `source` is the member they came from."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    source: str = "usage"
    choice: int = 0
    span: Span = NO_SPAN


class StreamError(_Event, frozen=True, gc=False, tag="error"):
    """An error that the stream itself reported."""

    message: str
    code: str = ""
    error_type: str = ""
    choice: int = 0
    span: Span = NO_SPAN


class Malformed(_Event, frozen=True, gc=False, tag="malformed"):
    """Bytes that the dialect gives no meaning to: `reason` says why, `excerpt` shows at most 200 characters."""

    reason: str
    excerpt: str = ""
    choice: int = 0
    span: Span = NO_SPAN


class KeepAlive(_Event, frozen=True, gc=False, tag="keepalive"):
    """A comment, a ping, or an event that says nothing."""

    text: str = ""
    choice: int = 0
    span: Span = NO_SPAN


class End(_Event, frozen=True, gc=False, tag="end"):
    """The end of the stream, exactly once: at the dialect's terminator, else at the end of the bytes."""

    ended: Ended
    reason: str = ""
    choice: int = 0
    span: Span = NO_SPAN


Event: TypeAlias = (
    Start
    | TextDelta
    | ReasoningDelta
    | RefusalDelta
    | ToolCallDelta
    | Finish
    | Usage
    | StreamError
    | Malformed
    | KeepAlive
    | End
)

OUTPUT = (TextDelta, ReasoningDelta, RefusalDelta, ToolCallDelta)
"""Events that carry output: what a first token is measured by. A role-only or empty chunk is none of them."""

EXCERPT = 200


def excerpt(text: str) -> str:
    """At most 200 characters of a text, for showing."""
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"


def unlocated(event: Event) -> Event:
    """The same event without its span: what two streams that say the same thing have in common."""
    return msgspec.structs.replace(event, span=NO_SPAN)


def to_json(value: Any) -> str:
    """One line of JSON; lone surrogates, which UTF-8 can't carry, come out as `\\ud83d` escapes.

    Numbers beyond 64 bits come out whole.
    """
    try:
        return msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, OverflowError):
        import json

        return json.dumps(msgspec.to_builtins(value), separators=(",", ":"))


def from_json(line: str | bytes) -> Event:
    """The event of one line that `to_json` wrote.

    Raises msgspec.ValidationError for anything else.
    """
    event: Event = msgspec.json.decode(line, type=Event)
    return event
