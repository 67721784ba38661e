"""Which rules must notice that an event is lost, doubled or moved: those that speak of this kind of event, of no other.

Each dialect's module declares a `Flow`; what is not in it has no rule that must notice, and survives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from streamgauge.events import OUTPUT, End, Event, Finish, Start, StreamError, Usage
from streamgauge.mutants.members import event_name
from streamgauge.mutants.stream import Stream
from streamgauge.registry import defined

DONE = "[DONE]"
SAID = ("AGG-001", "AGG-002")
"""Output that is lost, doubled or moved is an answer like any other: only the non-streaming one tells."""
KINDS: tuple[tuple[str, tuple[type[Event], ...]], ...] = (
    ("error", (StreamError,)),
    ("finish", (Finish,)),
    ("usage", (Usage,)),
    ("output", OUTPUT),
    ("end", (End,)),
    ("start", (Start,)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The rules of sequence of a dialect.

    kinds: by an event's type; where events have none, by what they say (the names in KINDS), by `[DONE]`, and "" for
    what says nothing. behind: of any event behind the last one. cut: of a stream that ends too early. stray: of an
    empty JSON object as an event. done: of `[DONE]` behind the last event, in a dialect that forbids it. numbered: of
    any event, in a dialect that numbers them. notices: by an operator of every dialect, the rules of this one of which
    one must notice what it does, beside those that the operator names itself.
    """

    applies: tuple[str, ...]
    kinds: Mapping[str, tuple[str, ...]]
    behind: tuple[str, ...]
    cut: tuple[str, ...]
    stray: tuple[str, ...] = field(default=())
    done: tuple[str, ...] = field(default=())
    numbered: tuple[str, ...] = field(default=())
    notices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@cache
def _flows() -> tuple[Flow, ...]:
    found = [*defined("streamgauge.mutants", Flow), *defined("streamgauge.dialects", Flow)]
    return tuple(flow for _, flow in found)


def flows_of(stream: Stream) -> tuple[Flow, ...]:
    """The flows of this stream's dialect: a profile has those of what it is a profile of, too."""
    return tuple(flow for flow in _flows() if not stream.dialect.names.isdisjoint(flow.applies))


def kinds_of(stream: Stream, number: int) -> tuple[str, ...]:
    """What kind of event a piece is, as a flow names it."""
    if DONE.encode() in stream.pieces[number].raw and stream.pieces[number].value is None:
        return (DONE,)
    if name := event_name(stream, number):
        return (name,)
    said = stream.spoken[number]
    return tuple(kind for kind, classes in KINDS if any(isinstance(e, classes) for e in said)) or ("",)


def right(stream: Stream, *numbers: int) -> tuple[str, ...]:
    """The rules of which one must notice what was done to these pieces."""
    found: dict[str, None] = {}
    for flow in flows_of(stream):
        for number in numbers:
            for kind in kinds_of(stream, number):
                found |= dict.fromkeys((*flow.kinds.get(kind, ()), *flow.numbered))
    return tuple(found)


def own(stream: Stream, operator: str) -> tuple[str, ...]:
    """The rules of this stream's dialect that must notice what an operator of every dialect does."""
    return tuple(rule for flow in flows_of(stream) for rule in flow.notices.get(operator, ()))


def behind(stream: Stream) -> tuple[str, ...]:
    """The rules of which one must notice an event behind the last one."""
    return tuple(rule for flow in flows_of(stream) for rule in flow.behind)


def cut(stream: Stream) -> tuple[str, ...]:
    """The rules of which one must notice that a stream ends too early."""
    return tuple(rule for flow in flows_of(stream) for rule in flow.cut)


def stray(stream: Stream) -> tuple[str, ...]:
    """The rules of which one must notice an empty JSON object as an event."""
    return tuple(rule for flow in flows_of(stream) for rule in flow.stray)


def done(stream: Stream) -> tuple[str, ...]:
    """The rules of which one must notice a stray `[DONE]`; none where the dialect does not forbid it."""
    return tuple(rule for flow in flows_of(stream) for rule in flow.done)
