"""What a figure is called, and what it is worth: `ttft.p99`, `gap.mean`, `events_per_second`, `errors.stalled`.

One vocabulary for thresholds and for comparisons. A figure of a sample is a metric and a statistic; a rate is of a
whole run; errors count the streams that are no success. Failures are +inf wherever a time is asked for.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from streamgauge.errors import StreamgaugeError
from streamgauge.measurement.metrics import quantile
from streamgauge.measurement.results import OUTCOMES, Run, Stream, Target
from streamgauge.measurement.summaries import METRICS, outcomes, rates, values

Unit = Literal["seconds", "per second", "bytes", "count", "streams", "share of streams"]

RATES: dict[str, Unit] = {
    "events_per_second": "per second",
    "bytes_per_second": "per second",
    "streams_per_second": "per second",
    "cpu_per_event": "seconds",
    "peak_rss": "bytes",
    "loop_lag_p99": "seconds",
    "stalls": "count",
}
HIGHER_IS_BETTER = frozenset(("events_per_second", "bytes_per_second", "streams_per_second"))
FAILED = tuple(outcome for outcome in OUTCOMES if outcome != "complete")
BEYOND = 5
"""Values of one run beyond a quantile of it: the 99th percentile of 200 values is the second largest, one accident."""
_STATISTIC = re.compile(r"p(\d{1,2}(?:\.\d+)?)|mean|min|max")
_SOME = "ttft.p50, gap.p99, e2e.mean, errors, errors.truncated"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure by its parts: a metric and its statistic ("p99", "mean", "min", "max"), a rate, or errors."""

    name: str
    metric: str
    statistic: str
    unit: Unit

    @property
    def q(self) -> float | None:
        """The quantile's number, between 0 and 1; None for other statistics."""
        return float(self.statistic[1:]) / 100 if self.statistic.startswith("p") else None


@dataclass(frozen=True, slots=True)
class Reading:
    """The worth of a figure, with its interval where it is a quantile; or the reason why there is none."""

    value: float | None
    reason: str = ""
    low: float | None = None
    high: float | None = None


def parse_figure(name: str) -> Figure:
    """The figure of that name; raises StreamgaugeError, which says what it may have meant."""
    metric, _, statistic = name.partition(".")
    if name in RATES:
        return Figure(name, name, "", RATES[name])
    if metric == "errors" and statistic in ("", *FAILED):
        return Figure(name, "errors", statistic, "streams")
    if metric in METRICS and (found := _STATISTIC.fullmatch(statistic)) and found[1] not in ("0", "00"):
        return Figure(name, metric, statistic, "seconds")
    raise StreamgaugeError(_unknown(name, metric, statistic))


def _unknown(name: str, metric: str, statistic: str) -> str:
    if metric in METRICS:
        said = f"has no {statistic!r}" if statistic else "needs a statistic"
        return f"figure {name!r}: {metric} {said}: take {metric}.p50, {metric}.p99, {metric}.mean or {metric}.max"
    if metric == "errors":
        return f"figure {name!r}: errors are told apart as {', '.join(FAILED)}"
    known = (*METRICS, *RATES, "errors")
    close = difflib.get_close_matches(metric, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
    return f"unknown figure {name!r} (like {_SOME}): {hint}"


def reading(target: Target, figure: Figure) -> Reading:
    """The figure over all runs of a target: quantiles with their interval, absent where the sample can't carry one."""
    if not target.streams:
        return Reading(None, "it has no streams")
    if figure.metric == "errors":
        return Reading(float(failed(target.streams, figure.statistic)))
    if figure.metric in RATES:
        found = rates(target).get(figure.metric, [])
        return Reading(fmean(found)) if found else Reading(None, f"no run has a {figure.metric}")
    sample, failures = values(target.streams, figure.metric)
    if not sample and not failures:
        return Reading(None, f"no stream has a {figure.metric}")
    if figure.q is None:
        return Reading(_plain(sample, failures, figure.statistic))
    carried = quantile(sample, figure.q, failures=failures)
    if carried is None:
        count = len(sample) + failures
        return Reading(None, f"{count} values can't carry {figure.statistic}: it takes {least_sample(figure.q)}")
    return Reading(carried.value, "", carried.low, carried.high)


def run_reading(target: Target, run: Run, figure: Figure) -> Reading:
    """The figure of one run, without an interval: how runs differ tells more than how the values of one run do.

    A quantile is there where BEYOND values lie on either side of it; a median where there is a value at all.
    """
    if figure.metric == "errors":
        return Reading(float(failed(run.streams, figure.statistic)))
    if figure.metric in RATES:
        found = rates(_with(target, run)).get(figure.metric, [])
        return Reading(found[0]) if found else Reading(None, f"no {figure.metric} was measured")
    sample, failures = values(run.streams, figure.metric)
    count = len(sample) + failures
    if not count:
        return Reading(None, f"no stream has a {figure.metric}")
    if figure.q is None:
        return Reading(_plain(sample, failures, figure.statistic))
    least = math.ceil(round(BEYOND / min(figure.q, 1 - figure.q), 6)) if figure.q != 0.5 else 1
    if count < least:
        return Reading(None, f"{count} values in a run can't carry {figure.statistic}: it takes {least}")
    return Reading(_ordered(sample, failures)[math.ceil(round(count * figure.q, 6)) - 1])


def failed(streams: Sequence[Stream], outcome: str = "") -> int:
    """How many streams are no success; of one class, where that is named."""
    counts = outcomes(streams)
    return counts.get(outcome, 0) if outcome else len(streams) - counts["complete"]


def least_sample(q: float, confidence: float = 0.95) -> int:
    """How many values carry that quantile with its interval: so many that each tail has an order statistic."""
    return math.ceil(math.log((1 - confidence) / 2) / math.log(max(q, 1 - q)))


def _plain(sample: Sequence[float], failures: int, statistic: str) -> float:
    if statistic == "min":
        return min(sample, default=math.inf)
    if failures:
        return math.inf
    return max(sample) if statistic == "max" else fmean(sample)


def _ordered(sample: Sequence[float], failures: int) -> list[float]:
    return [*sorted(sample), *[math.inf] * failures]


def _with(target: Target, run: Run) -> Target:
    return Target(
        name=target.name, path=target.path, concurrency=target.concurrency, dialect=target.dialect, runs=[run]
    )


def shown(value: float, unit: Unit) -> str:
    """A value with its unit, three digits that count: `12.3 ms`, `1,250/s`, `45.1 MB`, `2`."""
    if math.isinf(value):
        return "infinite"
    if unit == "seconds":
        if value < 5e-9:
            return "0 s"
        scale, name = (1.0, "s") if value >= 1 else (1e3, "ms") if value >= 1e-3 else (1e6, "µs")
        return f"{_digits(value * scale)} {name}"
    if unit == "share of streams":
        return f"{value:.2%}"
    if unit == "bytes":
        return f"{_digits(value / 1e6)} MB"
    return f"{_digits(value)}/s" if unit == "per second" else f"{value:g}"


def _digits(value: float) -> str:
    decimals = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:,.{decimals}f}"
