"""Faults of time: the same bytes late, slowly, in a burst, or never."""

from __future__ import annotations

import random

from streamgauge.faults import fault
from streamgauge.faults._edit import halfway, number, one_of, seconds
from streamgauge.script import Piece, Script


@fault(
    "F-B01",
    "slow-drip",
    "Events at a slow, even pace, each in two writes",
    layer="time",
    effect="lossless",
    argument="events a second",
    expected="events are delivered as they come; no timeout for the whole answer",
)
def slow_drip(script: Script, argument: str) -> Script:
    """By default 100 events a second."""
    rate = float(argument or 100)
    if not 0 < rate < float("inf"):
        raise ValueError("not a rate")
    delay = 0.5 / rate
    halves = [half for f in script.frames() for half in (f[: len(f) // 2], f[len(f) // 2 :]) if half]
    return script.but(pieces=tuple(Piece(half, delay) for half in halves))


@fault(
    "F-B02",
    "stall",
    "Silence for ever",
    layer="time",
    effect="stalled",
    argument="middle, headers, first, mid-event or end",
    variants=("middle", "headers", "first", "mid-event", "end"),
    expected="the library's own timeout error after the read timeout; what had come is kept; the connection is closed",
)
def stall(script: Script, argument: str) -> Script:
    """`end` is behind the last event, where only the terminator is missing; the connection stays open."""
    where = one_of(argument, "middle", "headers", "first", "mid-event", "end")
    if where == "headers":
        return script.but(head_delay=None)
    frames = script.frames()
    kept = halfway(script)
    pieces: list[bytes]
    match where:
        case "first":
            pieces = []
        case "middle":
            pieces = frames[:kept]
        case "mid-event":
            pieces = [*frames[:kept], frames[kept][: len(frames[kept]) // 2]] if kept < len(frames) else frames
        case _:
            pieces = [f for f in frames if f != script.dialect.terminator] if script.dialect.terminator else frames[:-1]
    return script.with_body(pieces).but(ending="hold")


@fault(
    "F-B03",
    "keepalive-stall",
    "A long pause filled with keep-alives",
    layer="time",
    effect="lossless",
    argument="seconds between the five keep-alives",
    expected="no timeout while keep-alives come",
)
def keepalive_stall(script: Script, argument: str) -> Script:
    """Where the dialect has keep-alives; a plain pause of one period where it has none."""
    period = seconds(argument, 0.1)
    kept = halfway(script)
    pieces = [Piece(f) for f in script.frames()]
    quiet = [Piece(script.dialect.keepalive, period)] * 5 if script.dialect.keepalive else []
    if not quiet and kept < len(pieces):
        pieces[kept] = Piece(pieces[kept].data, period)
    return script.but(pieces=(*pieces[:kept], *quiet, *pieces[kept:]))


@fault(
    "F-B04",
    "burst",
    "Everything held back, then all at once, as a buffering proxy does",
    layer="time",
    effect="lossless",
    argument="seconds to hold back",
    expected="the same events",
)
def burst(script: Script, argument: str) -> Script:
    """The headers come at once."""
    return script.but(pieces=(Piece(script.body, seconds(argument, 0.2)),) if script.body else ())


@fault(
    "F-B05",
    "jitter",
    "Pauses of drawn lengths between the writes",
    layer="time",
    effect="lossless",
    argument="a seed",
    expected="the same events",
)
def jitter(script: Script, argument: str) -> Script:
    """Most pauses are short and a few are long; together about half a second."""
    draw = random.Random(number(argument, 0))
    weights = [draw.expovariate(1.0) for _ in script.pieces]
    total = sum(weights) or 1.0
    pieces = zip(script.pieces, weights, strict=True)
    return script.but(pieces=tuple(Piece(p.data, p.delay + 0.5 * w / total) for p, w in pieces))


@fault(
    "F-B06",
    "keep-open",
    "The connection stays open, silent, behind the terminator",
    layer="time",
    effect="lossless",
    expected="the client returns at the terminator",
)
def keep_open(script: Script, _: str) -> Script:
    """A client that waits for the end of the message hangs."""
    return script.but(ending="hold")
