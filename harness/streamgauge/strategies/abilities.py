"""What a dialect can say, found out by asking it: encode a probe, decode it, and see what is left."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Literal, TypeAlias, get_args

from streamgauge.dialect import Dialect
from streamgauge.engine import judge
from streamgauge.errors import StreamgaugeError, UnknownNameError
from streamgauge.events import (
    End,
    Event,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Start,
    StreamError,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from streamgauge.message import Message, assemble
from streamgauge.registry import get_dialect
from streamgauge.rules import Exchange
from streamgauge.trace import Arrival, Trace

Ability: TypeAlias = Literal[
    "id",
    "model",
    "text",
    "reasoning",
    "refusal",
    "tools",
    "parallel tools",
    "interleaved tools",
    "call ids",
    "verbatim arguments",
    "server tools",
    "choices",
    "mixed choices",
    "usage",
    "errors",
    "error codes",
    "error types",
    "split surrogates",
    "truncated",
]

_START = Start("probe-1", "probe-model")
_CALL = ToolCallDelta(0, "call_1", "look", '{"a":1}')
_TEXT = TextDelta("a")

_PROBES: dict[Ability, tuple[Event, ...]] = {
    "text": (TextDelta("a"), TextDelta(" b")),
    "reasoning": (ReasoningDelta("r"), _TEXT),
    "refusal": (RefusalDelta("no"),),
    "tools": (_CALL,),
    "parallel tools": (_CALL, ToolCallDelta(1, "call_2", "look", '{"b":2}')),
    "interleaved tools": (
        ToolCallDelta(0, "call_1", "look", '{"a"'),
        ToolCallDelta(1, "call_2", "look", '{"b"'),
        ToolCallDelta(0, arguments=":1}"),
        ToolCallDelta(1, arguments=":2}"),
    ),
    "call ids": (ToolCallDelta(0, "an-unusual-id", "look", "{}"),),
    "verbatim arguments": (ToolCallDelta(0, "call_1", "look", ' {"a" : 1,'),),
    "server tools": (
        ToolCallDelta(0, "srv_1", "search", '{"q":"x"}', server=True),
        ToolCallDelta(0, output="found", server=True),
        _TEXT,
    ),
    "choices": (_TEXT, TextDelta("b", choice=1)),
    "mixed choices": (
        ToolCallDelta(0, "call_1", "look", '{"a"'),
        ToolCallDelta(0, "call_2", "look", '{"b"', choice=1),
        ToolCallDelta(0, arguments=":1}"),
        ToolCallDelta(0, arguments=":2}", choice=1),
    ),
    "usage": (_TEXT, Usage(3, 5)),
    "errors": (_TEXT, StreamError("it broke")),
    "error codes": (_TEXT, StreamError("it broke", code="boom")),
    "error types": (_TEXT, StreamError("it broke", error_type="server_error")),
    "split surrogates": (TextDelta("\ud83d"), TextDelta("\ude00")),
}


@cache
def abilities(dialect: str) -> frozenset[Ability]:
    """What survives encoding and decoding in this dialect.

    Raises UnknownNameError for a dialect that is not there.
    """
    found = get_dialect(dialect)
    ended = _with_end(found, (_TEXT,))
    alone = found.read(b"".join(found.encode(ended)))
    identity: dict[Ability, bool] = {"id": alone.id == _START.id, "model": alone.model == _START.model}
    cut: dict[Ability, bool] = {"truncated": _survives(found, (_START, _TEXT, End("truncated")))}
    probed: dict[Ability, bool] = {name: _survives(found, _with_end(found, said)) for name, said in _PROBES.items()}
    probed["errors"] = probed["errors"] or probed["error types"]  # in some dialects an error always has a type
    known = identity | cut | probed
    if missing := set(get_args(Ability)) - set(known):
        raise AssertionError(f"no probe for {missing}")
    return frozenset(name for name, survives in known.items() if survives)


def remaining(dialect: str, without: Iterable[Ability]) -> frozenset[Ability]:
    """The dialect's abilities less these. Raises UnknownNameError for a name that no dialect's ability has."""
    for name in without:
        if name not in get_args(Ability):
            raise UnknownNameError("ability", name, list(get_args(Ability)))
    return abilities(dialect) - set(without)


@cache
def finish_reasons(dialect: str) -> tuple[str, ...]:
    """The dialect's documented finish reasons that come back as they are."""
    found = get_dialect(dialect)
    words = found.finish_reasons or ("stop",)
    return tuple(r for r in words if _survives(found, (_START, _TEXT, Finish(r), End("complete"))))


@cache
def needs_usage(dialect: str) -> bool:
    """Whether a whole answer of this dialect has to state its usage: a rule for servers fails without it."""
    found = get_dialect(dialect)

    def broken(*said: Event) -> bool:
        body = b"".join(found.encode(_with_end(found, (_TEXT, *said))))
        exchange = Exchange(found, Trace(arrivals=(Arrival(0.0, body),), status=200))
        return any(verdict.verdict == "fail" for verdict in judge(exchange))

    return "usage" in abilities(dialect) and broken() and not broken(Usage(3, 5))


def _with_end(dialect: Dialect, said: tuple[Event, ...]) -> tuple[Event, ...]:
    reason = next(iter(finish_reasons(dialect.name)), "stop")
    if any(isinstance(event, StreamError) for event in said):
        return (_START, *said, End("error"))
    choices = dict.fromkeys(event.choice for event in said)
    finishes = tuple(Finish(reason, choice) for choice in choices)
    usage = tuple(event for event in said if isinstance(event, Usage))
    rest = tuple(event for event in said if not isinstance(event, Usage))
    return (_START, *rest, *finishes, *usage, End("complete"))


def _survives(dialect: Dialect, events: tuple[Event, ...]) -> bool:
    try:
        read = dialect.read(b"".join(dialect.encode(events)))
    except StreamgaugeError:
        return False
    return _said(read) == _said(assemble(dialect.name, events))


def _said(message: Message) -> tuple[object, ...]:
    return message.ended, message.choices, message.usage, message.errors, message.malformed
