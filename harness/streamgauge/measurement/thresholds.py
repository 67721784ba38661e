"""Thresholds: `ttft.p99 > 300ms` says when a measurement has failed.

The figure's name as in `streamgauge.measurement.figures`, a comparison (`>`, `>=`, `<`, `<=`), and a number with its
unit. What can't be told is a failure that says so: a threshold is never met by the absence of its figure.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from streamgauge.errors import StreamgaugeError
from streamgauge.measurement.figures import Figure, parse_figure, reading, shown
from streamgauge.measurement.results import BenchResult, Target

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_UNITS: dict[str, dict[str, float]] = {
    "seconds": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6},
    "per second": {"": 1.0, "/s": 1.0, "k/s": 1e3, "M/s": 1e6},
    "bytes": {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1024.0, "MiB": 1024.0**2, "GiB": 1024.0**3},
    "count": {"": 1.0},
    "streams": {"": 1.0, "%": 0.01},
}
_EXPRESSION = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(>=|<=|>|<)\s*(\d+(?:\.\d*)?|\.\d+)\s*(\S*)\s*")
_EXAMPLES = "'ttft.p99 > 300ms', 'gap.p50 >= 20 ms', 'errors > 0', 'errors > 1%', 'events_per_second < 1000'"


@dataclass(frozen=True, slots=True)
class Threshold:
    """When a measurement has failed. `bound` is in seconds, bytes, streams or per second; of streams with
    `share` it is a part of them, from 0 to 1."""

    text: str
    figure: Figure
    comparison: str
    bound: float
    share: bool = False

    def exceeded(self, value: float) -> bool:
        return _COMPARISONS[self.comparison](value, self.bound)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one threshold says of one target. `value`: the figure, None where it is absent, which is a failure."""

    threshold: Threshold
    target: str
    passed: bool
    value: float | None
    sentence: str


def parse(text: str) -> Threshold:
    """Read a threshold; raises StreamgaugeError, which says what it should look like."""
    found = _EXPRESSION.fullmatch(text)
    if not found:
        raise StreamgaugeError(f"can't read the threshold {text!r}: write it like {_EXAMPLES}")
    name, comparison, number, unit = found.groups()
    figure = parse_figure(name)
    units = _UNITS[figure.unit]
    if unit not in units:
        known = ", ".join(u for u in units if u and u != "μs")
        said = f"{unit!r} is no unit of it" if unit else "it needs a unit"
        raise StreamgaugeError(f"threshold {text!r}: {name} is in {figure.unit}, {said}: take one of {known}")
    return Threshold(
        " ".join(text.split()),
        figure,
        comparison,
        float(number) * units[unit],
        share=figure.unit == "streams" and unit == "%",
    )


def judge(thresholds: Iterable[Threshold], result: BenchResult) -> list[Judgement]:
    """Every threshold on every target; one that finds no target has failed."""
    return [judgement for threshold in thresholds for judgement in _judge(threshold, result.targets)]


def _judge(threshold: Threshold, targets: list[Target]) -> Iterator[Judgement]:
    if not targets:
        yield _untold(threshold, "", "no target was measured")
    for target in targets:
        yield _of(threshold, target)


def _of(threshold: Threshold, target: Target) -> Judgement:
    read = reading(target, threshold.figure)
    if read.value is None:
        return _untold(threshold, target.label, read.reason)
    value = read.value / len(target.streams) if threshold.share else read.value
    # What is infinite because streams failed has passed no bound, a lower one neither.
    passed = math.isfinite(value) and not threshold.exceeded(value)
    between = ""
    if read.low is not None and read.high is not None:
        between = f" (95 % interval {_shown(threshold, read.low)} to {_shown(threshold, read.high)})"
    comparison = threshold.text.removeprefix(threshold.figure.name).strip()
    sentence = (
        f"{target.label}: {threshold.figure.name} is {_shown(threshold, value)}{between}, "
        f"{'not ' if not threshold.exceeded(value) else ''}{comparison}"
    )
    return Judgement(threshold, target.label, passed, value, sentence)


def _untold(threshold: Threshold, label: str, reason: str) -> Judgement:
    begin = f"{label}: {threshold.text}" if label else threshold.text
    return Judgement(threshold, label, False, None, f"{begin}: can't be told, which is a failure: {reason}")


def _shown(threshold: Threshold, value: float) -> str:
    return shown(value, "share of streams" if threshold.share else threshold.figure.unit)
