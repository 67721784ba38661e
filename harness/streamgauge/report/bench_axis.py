"""Axes of charts: logarithmic and linear scales with ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from streamgauge.measurement.figures import shown

_STEPS = ((1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0), (1.0, 2.0, 5.0), (1.0, 3.0), (1.0,))
_LINEAR = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_MOST_TICKS = 7
_FLOOR = 1e-6  # seconds: what is smaller is drawn here


@dataclass(frozen=True, slots=True)
class Axis:
    """From values to 0..1, with the values of its ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool

    def place(self, value: float) -> float:
        """Where a value stands, 0 to 1; values beyond the ends stand at the ends."""
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)


def log_axis(values: Iterable[float]) -> Axis:
    """A logarithmic axis of seconds around these values, with at most seven ticks at round numbers."""
    found = [max(v, _FLOOR) for v in values if math.isfinite(v)] or [1e-3, 1.0]
    low, high = min(found) / 1.1, max(found) * 1.1
    for steps in _STEPS:
        ticks = tuple(t for t in _round_numbers(low, high, steps) if low <= t <= high)
        if len(ticks) <= _MOST_TICKS:
            break
    if len(ticks) < 2:
        # Less than a step wide: the ends are widened to the next round numbers.
        every = _round_numbers(low, high, _STEPS[0])
        low, high = max(t for t in every if t <= low), min(t for t in every if t >= high)
        ticks = tuple(t for t in every if low <= t <= high)
    return Axis(low, high, ticks[:: -(-len(ticks) // _MOST_TICKS)], logarithmic=True)


def _round_numbers(low: float, high: float, steps: tuple[float, ...]) -> list[float]:
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    return [step * 10.0**decade for decade in decades for step in steps]


def linear_axis(high: float, parts: int = 5) -> Axis:
    """From 0 in so many equal round steps to at least `high`."""
    least = max(high, _FLOOR) / parts
    scale = 10.0 ** math.floor(math.log10(least))
    step = next(
        s * scale for s in (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0) if s * scale >= least * (1 - 1e-9)
    )
    return Axis(0.0, step * parts, tuple(step * n for n in range(parts + 1)), logarithmic=False)


def tick_text(seconds: float) -> str:
    """`20 ms`, `1.5 s`: no more digits than it has."""
    if seconds == 0:
        return "0"
    number, _, unit = shown(seconds, "seconds").partition(" ")
    trimmed = number.replace(",", "")
    return f"{float(trimmed):g} {unit}"
