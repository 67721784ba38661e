"""One stream as the rules of this dialect look at it, worked out once an exchange."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

import msgspec

from streamgauge.dialects.bedrock.decoder import AGENT_EVENTS, CONVERSE_EVENTS
from streamgauge.events import Malformed, Span
from streamgauge.eventstream import EventMessage
from streamgauge.evidence import brief, streamed
from streamgauge.rules import Exchange, NotApplicable
from streamgauge.sse import Unfinished
from streamgauge.wire import members, parse

STARTS, DELTAS, STOPS = "contentBlockStart", "contentBlockDelta", "contentBlockStop"
BLOCK_EVENTS = (STARTS, DELTAS, STOPS)


class Told(msgspec.Struct, frozen=True, gc=False):
    """One message of the kind event: its type, and the JSON object of its payload."""

    kind: str
    value: dict[str, Any]
    span: Span

    @property
    def key(self) -> Any:
        """The block's index, or how it is shown where it is no number."""
        index = self.value.get("contentBlockIndex")
        return index if type(index) is int else brief(index)


@dataclass(slots=True)
class View:
    """messages: all that could be read. told: its events. errors: the others, and exceptions that came as events.

    cut: the place of a message that the end of the bytes cut.
    """

    messages: list[EventMessage] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    errors: list[EventMessage] = field(default_factory=list)
    broken: list[Malformed] = field(default_factory=list)
    cut: list[Span] = field(default_factory=list)

    def of(self, kind: str) -> list[Told]:
        """The events of one type."""
        return [t for t in self.told if t.kind == kind]

    @property
    def complete(self) -> bool:
        """Whether the stream says that the message has stopped, and no error."""
        return bool(self.of("messageStop")) and not self.errors


def view(exchange: Exchange) -> View:
    """The view of a stream; raises NotApplicable where there is none."""
    streamed(exchange)
    return exchange.derived(_view)


def converse(exchange: Exchange) -> View:
    """The view of a ConverseStream: not what a model sends when it is invoked, nor an agent."""
    found = view(exchange)
    if found.broken:
        raise NotApplicable("the stream can't be read to its end (see BRK-001)")
    if not any(t.kind in CONVERSE_EVENTS for t in found.told):
        raise NotApplicable("the stream has no event of ConverseStream")
    return found


def complete(exchange: Exchange) -> View:
    """The view of a ConverseStream that has stopped, without an error."""
    found = converse(exchange)
    if not found.complete:
        raise NotApplicable("the stream has no messageStop, or an error")
    return found


def inside(exchange: Exchange) -> list[tuple[dict[str, Any], Span]]:
    """The payloads of a model's chunks that are JSON objects, with the places of their messages.

    An agent's chunks are text; raises NotApplicable for its stream.
    """
    found = view(exchange)
    if found.broken:
        raise NotApplicable("the stream can't be read to its end (see BRK-001)")
    if any(t.kind in AGENT_EVENTS for t in found.told):
        raise NotApplicable("an agent answers, whose chunks are text")
    return exchange.derived(_inside)[0]


def others_inside(exchange: Exchange) -> list[tuple[str, Span]]:
    """The payloads of a model's chunks that could be read, but are no JSON objects."""
    return exchange.derived(_inside)[1]


def _inside(exchange: Exchange) -> tuple[list[tuple[dict[str, Any], Span]], list[tuple[str, Span]]]:
    found: list[tuple[dict[str, Any], Span]] = []
    others: list[tuple[str, Span]] = []
    for told in view(exchange).of("chunk"):
        data = told.value.get("bytes")
        try:
            said = base64.b64decode(data if isinstance(data, str) else "%", validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            continue
        value = parse(said)
        if isinstance(value, dict):
            found.append((value, told.span))
        else:
            others.append((said, told.span))
    return found, others


def _view(exchange: Exchange) -> View:
    found = View()
    for frame in exchange.frames:
        if isinstance(frame, Malformed):
            found.broken.append(frame)
        elif isinstance(frame, Unfinished):
            found.cut.append(frame.span)
        elif isinstance(frame, EventMessage):
            found.messages.append(frame)
            if frame.kind != "event" or frame.type.endswith("Exception"):
                found.errors.append(frame)
            else:
                found.told.append(Told(frame.type, members(parse(frame.data)) if frame.data else {}, frame.span))
    return found


def tool_starts(found: View) -> list[tuple[Any, dict[str, Any], Span]]:
    """Each contentBlockStart of a tool call: its index, its toolUse, its place."""
    starts = [
        (t.value.get("contentBlockIndex"), members(t.value.get("start")).get("toolUse"), t.span)
        for t in found.of(STARTS)
    ]
    return [(index, members(tool), span) for index, tool, span in starts if isinstance(tool, dict)]
