"""An endpoint that plays the same recording whatever it is asked: its answers can't be compared with the requests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from streamgauge.rules import Exchange

REPLAYED = (
    "it answers every request with the same bytes, as a replay server does: "
    "rules that compare an answer with its request were not judged"
)
FEWEST = 3
"""Different requests with the same answer that it takes: two may by chance be as good as one to a server."""


def plays_by_heart(exchanges: Iterable[Exchange]) -> bool:
    """Whether different requests all got the same stream, to the byte; a model's answers differ by prompt alone."""
    whole = [e for e in exchanges if e.streams and e.trace.ended == "eof" and e.trace.request is not None]
    asked = [e.trace.request for n, e in enumerate(whole) if all(e.trace.request != w.trace.request for w in whole[:n])]
    return len(asked) >= FEWEST and len({e.body for e in whole}) == 1 and bool(whole[0].body)


def without_requests(exchanges: Iterable[Exchange]) -> list[Exchange]:
    """The same exchanges, of which nobody knows any more what was asked."""
    return [replace(e, trace=replace(e.trace, request=None), asked="") for e in exchanges]
