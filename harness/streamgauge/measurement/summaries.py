"""What a result amounts to: metrics of many streams, rates of runs, how streams went. Functions of the file alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from statistics import fmean

import msgspec

from streamgauge.measurement.metrics import STALL, Quantile, quantile
from streamgauge.measurement.results import OUTCOMES, Stream, Target


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one target. Streams that failed count as +inf; a quantile is None where there are too few.

    mean: of the values that there are, failures left out, None without any.
    """

    count: int
    failures: int
    mean: float | None
    p50: Quantile | None
    p90: Quantile | None
    p99: Quantile | None


_ONE: dict[str, Callable[[Stream], float | None]] = {
    "ttfb": lambda s: s.ttfb,
    "ttfe": lambda s: s.ttfe,
    "ttft": lambda s: s.ttft,
    "ttft_answer": lambda s: s.ttft_answer,
    "tpot": lambda s: s.tpot,
    "e2e": lambda s: s.e2e,
    "schedule_delay": lambda s: s.schedule_delay,
    "connect": lambda s: s.connect,
    "client_lag": lambda s: s.client_lag,
}
_MANY: dict[str, Callable[[Stream], Sequence[float] | None]] = {
    "gap": lambda s: s.gaps,
    "delivery_delay": lambda s: s.delivery_delay,
}
_OURS = ("schedule_delay", "connect", "client_lag", "delivery_delay")
"""What is said of the client: a stream that failed later still had it, so that it is no +inf here."""
METRICS = (*_ONE, *_MANY)


def values(streams: Iterable[Stream], metric: str) -> tuple[list[float], int]:
    """The values of a metric, and how many of the streams failed, which are +inf beside them.

    Every gap of every stream counts, those of a stream that failed later too: what is infinite is its last one.
    A single value of a stream that failed is left out: it is one of the +inf.
    """
    chosen = list(streams)
    failures = 0 if metric in _OURS else sum(not s.succeeded for s in chosen)
    if metric in _MANY:
        return list(chain.from_iterable(_MANY[metric](s) or () for s in chosen)), failures
    counted = chosen if metric in _OURS else [s for s in chosen if s.succeeded]
    return [v for s in counted if (v := _ONE[metric](s)) is not None], failures


def summary(found: Sequence[float], failures: int = 0) -> Summary:
    """The summary of a sample; its intervals take the values for independent, which gaps of one stream are not."""
    p50, p90, p99 = (quantile(found, q, failures=failures) for q in (0.5, 0.9, 0.99))
    mean = fmean(found) if found else None
    return Summary(count=len(found), failures=failures, mean=mean, p50=p50, p90=p90, p99=p99)


def summarise(target: Target) -> dict[str, Summary]:
    """Each metric that some stream of the target has, or that all of them lack because they failed."""
    streams = target.streams
    out = {}
    for metric in METRICS:
        found, failures = values(streams, metric)
        if found or (failures and metric in ("ttft", "gap", "e2e")):
            out[metric] = summary(found, failures)
    return out


def outcomes(streams: Iterable[Stream]) -> dict[str, int]:
    """How many streams went how; every class is there."""
    counts: dict[str, int] = dict.fromkeys(OUTCOMES, 0)
    for stream in streams:
        counts[stream.outcome] += 1
    return counts


def rates(target: Target) -> dict[str, list[float]]:
    """What a whole run has one value of, run by run: the run is the unit of comparison.

    events_per_second, bytes_per_second: of the run's wall time. cpu_per_event: seconds of the client's CPU time.
    streams_per_second: successes only. peak_rss: bytes. loop_lag_p99: seconds. stalls: gaps of a second and more, and
    streams given up in silence. Absent where no run has a value.
    """
    out: dict[str, list[float]] = {}

    def add(name: str, value: float | None) -> None:
        if value is not None:
            out.setdefault(name, []).append(value)

    for run in target.runs:
        wall, events = run.wall_seconds, run.events
        add("events_per_second", events / wall if wall else None)
        add("bytes_per_second", run.received_bytes / wall if wall and run.received_bytes else None)
        add("streams_per_second", sum(s.succeeded for s in run.streams) / wall if wall else None)
        add("cpu_per_event", run.cpu_seconds / events if events else None)
        add("peak_rss", None if run.peak_rss_bytes is None else float(run.peak_rss_bytes))
        add("loop_lag_p99", run.loop_lag_p99)
        add("stalls", float(sum(_stalls(stream) for stream in run.streams)))
    return out


def _stalls(stream: Stream) -> int:
    return sum(gap >= STALL for gap in stream.gaps) + (stream.outcome == "stalled")
