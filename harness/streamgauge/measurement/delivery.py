"""Whether a client delivers as data arrives, or holds it back: a pure question to two lists of times.

A client that collects a few kilobytes before it hands anything out shows sound text and a wrong clock: its TTFT and
its gaps are those of its buffer. No metric of the stream alone can tell; the send log can.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from statistics import median, median_low

from streamgauge.measurement.results import Stream

LEAST_GAP = 0.002
"""Seconds between sends below which nothing can be told: any client is late by that much now and then."""
LEAST_EVENTS = 4


def held_back(sends: Sequence[float], deliveries: Sequence[float]) -> int | None:
    """How many later events had been sent already when an event was delivered: the (lower) median over events.

    0 is delivered as it arrives. Both in seconds on one clock, one time for each event. None where it can't be told:
    too few events, events that were sent too close on each other, or another number of deliveries.
    """
    if len(sends) != len(deliveries) or len(sends) < LEAST_EVENTS:
        return None
    if median(b - a for a, b in pairwise(sends)) < LEAST_GAP:
        return None
    # The last event has no later one that could show that it was held.
    held = [bisect_right(sends, at) - 1 - n for n, at in enumerate(deliveries[:-1])]
    return max(0, median_low(held))


def held_back_of(streams: Iterable[Stream]) -> int | None:
    """The same over streams whose delivery is known; None where it can't be told of any."""
    found = [held for stream in streams if (held := _of(stream)) is not None]
    return median_low(found) if found else None


def _of(stream: Stream) -> int | None:
    if stream.ttft is None or not stream.delivery_delay:
        return None
    deliveries = list(accumulate(stream.gaps, initial=stream.ttft))
    if len(deliveries) != len(stream.delivery_delay):
        return None
    return held_back([at - late for at, late in zip(deliveries, stream.delivery_delay, strict=True)], deliveries)


def said(held: int | None) -> str:
    """In words: `as it arrives`, `holds back 7 events`, or nothing where it can't be told."""
    if held is None:
        return ""
    return "as it arrives" if held == 0 else f"holds back {held} event{'s' if held > 1 else ''}"
