"""Client rules for time: nothing is held back, silence ends, life is noticed, and closing closes.

None of them compares a delay with a number of milliseconds that a busy machine could miss: see `client_judging`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from streamgauge.observation import Observation
from streamgauge.rulebook.client_judging import (
    delivered_late,
    dies,
    hangs,
    holds_back,
    outcome,
    prerequisite,
    same_events,
)
from streamgauge.rules import Finding, client_rule

_rule = partial(client_rule, applies=("all",), basis="de-facto")
TEXT = ("plain-text",)
PROMPT = 2.0
"""Seconds in which a closed stream's connection has to be closed: many times what it takes, few of a caller's time."""


@_rule(
    "TIM-004",
    "no client-side re-buffering",
    keyword="SHOULD",
    group="timing",
    source="de facto: streaming is for the reader who waits",
    statement="A client adds no more than a stated delay (default 50 ms) between the arrival of an event's last byte "
    "and its delivery.",
    known=("https://github.com/karpetrosyan/hishel/issues/450", "measured: pyreqwest's default holds events back"),
    faults=("slow-drip:10",),
    cases=("length",),
    needs=("timing",),
    broken=holds_back,
)
def no_rebuffering(seen: Observation) -> Iterator[Finding]:
    """Events come 100 ms apart, in two writes: an event that is there only after the next write was held back."""
    yield from delivered_late(seen, "each event before the server sends further bytes, 50 ms later")


@_rule(
    "TIM-005",
    "the read timeout is between bytes, not total",
    keyword="SHOULD",
    group="timing",
    source="de facto: long answers take minutes",
    statement="A client's read timeout counts from the last byte; a long live stream is not cut by a total timeout "
    "unless asked.",
    known=("https://github.com/openclaw/openclaw/issues/152535",),
    faults=("slow-drip:20",),
    cases=TEXT,
    needs=("timing",),
    also_breaks=("CAN-003",),
    broken=dies,
)
def timeout_between_bytes(seen: Observation) -> Iterator[Finding]:
    """The stream lasts longer than the read timeout that the client was given; no pause in it comes near."""
    yield from same_events(seen)


@_rule(
    "TIM-006",
    "a stalled stream times out",
    keyword="SHOULD",
    group="timing",
    source="de facto: a caller who waits for ever has no answer either",
    statement="With no bytes for the read timeout the client raises a timeout and closes.",
    known=("measured: guidellm, evalscope, aiperf, vllm and sglang hang for hours or for ever",),
    faults=("stall:middle", "stall:headers", "stall:first", "stall:mid-event", "stall:end"),
    cases=TEXT,
    needs=("timing",),
    also_breaks=("CAN-003", "ERR-010"),
    broken=hangs,
)
def times_out(seen: Observation) -> Iterator[Finding]:
    """Behind the last event, where only the terminator is missing, a client may have returned already."""
    yield from prerequisite(seen)
    if seen.run.hung:
        yield Finding("a timeout after the read timeout", outcome(seen.run))
    elif seen.run.raised and not seen.run.raised.timeout:
        yield Finding("an error that is a timeout", outcome(seen.run))
    elif seen.run.succeeded and seen.fault != "stall:end":
        yield Finding("a timeout", outcome(seen.run))


@_rule(
    "CAN-003",
    "closing the iterator closes the connection",
    group="cancellation",
    keyword="MUST",
    source="de facto: a model that nobody listens to costs money",
    statement="Breaking out of iteration, close() or task cancellation closes the HTTP response promptly, no leaked "
    "connection or task.",
    known=("florimondmanca/httpx-sse CHANGELOG 0.4.1 (Pull 30)",),
    faults=("stall:middle", "slow-drip:20", "slow-drip:20+leave:1"),
    cases=TEXT,
    needs=("stop",),
    also_breaks=("ERR-010", "TIM-005", "TIM-006"),
    broken=lambda seen: replace(seen, served=replace(seen.served, closed_early=None)),
)
def closes(seen: Observation) -> Iterator[Finding]:
    """The caller closes the iterator after a few events; the client itself stays open while the server looks."""
    yield from prerequisite(seen)
    closed = seen.served.closed_early
    if seen.run.stopped_at is None:
        yield Finding("a few events to stop after", outcome(seen.run))
    elif closed is None:
        yield Finding("a closed connection", "the connection was still open when the client itself was closed")
    elif closed > PROMPT:
        yield Finding(f"a closed connection within {PROMPT:g} s", f"closed after {closed:.1f} s")
    if seen.run.left_tasks:
        yield Finding("no task left behind", f"still there: {', '.join(seen.run.left_tasks)}")
