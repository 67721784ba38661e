"""Figures as costs: positive, lower is better, +inf where a run failed; so that ratios of all of them mean the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from streamgauge.measurement.figures import HIGHER_IS_BETTER, RATES, Figure, run_reading
from streamgauge.measurement.resampling import RatioInterval
from streamgauge.measurement.results import Target

RESOLUTION = 1e-6
"""Seconds below which times are alike: events of one read are nanoseconds apart, and their ratio says nothing."""


@dataclass(frozen=True, slots=True)
class Side:
    """One target's costs of one figure, run by run; or why there are none."""

    costs: list[float]
    absent: str = ""

    @property
    def failed(self) -> int:
        return sum(map(math.isinf, self.costs))

    @property
    def typical(self) -> float | None:
        """The geometric mean, inf where a run failed."""
        return _geometric_mean(self.costs) if self.costs else None


def side_of(target: Target, figure: Figure) -> Side:
    """The costs of one figure in every run of a target; without those of one run there are none."""
    costs: list[float] = []
    for run in target.runs:
        read = run_reading(target, run, figure)
        if read.value is None:
            return Side([], read.reason)
        costs.append(_cost(read.value, len(run.streams), figure))
    return Side(costs)


def _cost(value: float, streams: int, figure: Figure) -> float:
    """What a figure costs: positive, lower is better, inf where the run failed."""
    if figure.metric == "errors":
        return streams / (streams - value) if streams > value else math.inf
    if figure.unit == "count":
        return 1 + value  # nothing counted is a cost of one: nothing is no part of any ratio
    if figure.name in HIGHER_IS_BETTER:
        return 1 / value if value > 0 else math.inf
    return max(value, RESOLUTION if figure.unit == "seconds" and figure.name not in RATES else 1e-12)


def worth(cost: float | None, figure: Figure) -> float | None:
    """The figure that a cost stands for; None where it is infinite."""
    if cost is None:
        return None
    if figure.metric == "errors":
        return 1 - 1 / cost
    if figure.unit == "count":
        return cost - 1
    if figure.name in HIGHER_IS_BETTER:
        return 1 / cost
    return cost if math.isfinite(cost) else None


def as_figure(interval: RatioInterval | None, figure: Figure) -> tuple[float | None, float | None, float | None]:
    """The ratio of figures, not of costs, with its ends in order; None for what is infinite."""
    if interval is None:
        return None, None, None
    ratio, low, high = interval.ratio, interval.low, interval.high
    if figure.name in HIGHER_IS_BETTER:
        ratio, low, high = _inverse(ratio), _inverse(high), _inverse(low)
    return _finite(ratio), _finite(low), _finite(high)


def _inverse(value: float) -> float:
    return 1 / value if value else math.inf


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _geometric_mean(values: Sequence[float]) -> float:
    return math.inf if math.inf in values else math.exp(fmean(map(math.log, values)))
