"""Judges one measurement against another: equal, better, worse, or can't tell, figure by figure.

The method. Each run gives one value a figure; the ratio new / base of their geometric means gets a 95 % bootstrap
interval over runs (`streamgauge.measurement.resampling` names its sources). The verdict is where that interval lies
beside the smallest effect of interest, 5 % unless told otherwise, as in equivalence and minimum-effect testing
(Lakens, Equivalence Tests, Social Psychological and Personality Science 8(4), 2017; Kruschke, Rejecting or Accepting
Parameter Values, Advances in Methods and Practices in Psychological Science 1(2), 2018): wholly inside
(1/1.05, 1.05) is equal, wholly outside is better or worse, and whatever crosses a bound can't be told. So a verdict
"worse" on things that differ by less than the smallest effect is wrong in about 2.5 of 100 comparisons at most, on
identical things more rarely still; "can't tell" comes with the number of runs that would tell.

Every figure is turned into a cost first (lower is better; a rate becomes its inverse; failed streams become the
attempts that a success takes), with +inf where a run failed. Each row has its own 95 %: of many rows some err.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from streamgauge.measurement.comparable import NotComparableError, instrument_errors, matched, notes_of
from streamgauge.measurement.costs import Side, as_figure, side_of, worth
from streamgauge.measurement.figures import Figure, Unit, parse_figure, shown
from streamgauge.measurement.resampling import (
    CONFIDENCE,
    LEAST_PAIRS,
    LEAST_RUNS,
    RESAMPLES,
    RatioInterval,
    ratio_interval,
)
from streamgauge.measurement.results import BenchResult, Target

__all__ = ["Comparison", "Method", "NotComparableError", "Row", "Verdict", "compare", "compare_targets"]

SCHEMA = "streamgauge.comparison/1"
Verdict = Literal["equal", "better", "worse", "can't tell"]

SMALLEST = 0.05
SMALLEST_ERRORS = 0.01
"""The smallest effect on errors: 5 % more attempts for a success would let one stream in twenty fail unnoticed."""
DEFAULT_FIGURES = (
    *("ttft.p50", "ttft.p99", "gap.p50", "gap.p99", "e2e.p50", "delivery_delay.p50"),
    *("events_per_second", "cpu_per_event", "errors"),
)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one target. base, new: geometric means over runs, in the figure's unit; None: no such value.

    ratio, low, high: new / base with its interval, None where it can't be had or is infinite. runs: of each side.
    failed_runs: how many of them have an infinite value. reason: why it can't be told, and what would help.
    """

    target: str
    figure: str
    unit: Unit
    verdict: Verdict
    runs: tuple[int, int]
    failed_runs: tuple[int, int] = (0, 0)
    smallest: float
    base: float | None = None
    new: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All rows, what was left out and why, and what the reader should know about the two results."""

    schema: str = SCHEMA
    base: str
    new: str
    smallest: float
    confidence: float
    resamples: int
    paired: bool
    rows: list[Row]
    notes: list[str] = []

    @property
    def exit_code(self) -> int:
        """0: nothing is worse. 1: something is. 2: nothing could be decided."""
        verdicts = {row.verdict for row in self.rows}
        if "worse" in verdicts:
            return 1
        return 0 if verdicts - {"can't tell"} else 2


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """How to compare. paired: runs of the same number were neighbours in time."""

    smallest: float = SMALLEST
    confidence: float = CONFIDENCE
    resamples: int = RESAMPLES
    paired: bool = False
    seed: int = 0


def compare(
    base: BenchResult,
    new: BenchResult,
    *,
    names: tuple[str, str] = ("base", "new"),
    figures: Sequence[str] = (),
    method: Method | None = None,
) -> Comparison:
    """Compare two results target by target.

    figures: by name, those of DEFAULT_FIGURES that were measured where none is given. names: for messages.
    Raises NotComparableError where settings or targets differ, StreamgaugeError for a figure that is unknown.
    """
    pairs = matched(base, new, names)
    return compare_targets(
        pairs, names=names, figures=figures, method=method, notes=notes_of(base, new, names), calibrated=(base, new)
    )


def compare_targets(
    pairs: Sequence[tuple[Target, Target]],
    *,
    names: tuple[str, str],
    figures: Sequence[str] = (),
    method: Method | None = None,
    notes: Sequence[str] = (),
    calibrated: tuple[BenchResult, BenchResult] | None = None,
) -> Comparison:
    """Compare targets that the caller has paired: two providers, or the sync and the async path of one."""
    how = method or Method()
    wanted = [parse_figure(name) for name in figures or DEFAULT_FIGURES]
    rows: list[Row] = []
    left_out: dict[str, None] = {}
    for base, new in pairs:
        least = instrument_errors(calibrated, base, new) if calibrated else {}
        for figure in wanted:
            row = _row(base, new, figure, how, least.get(figure.metric, 0.0))
            if figures or row.base is not None or row.new is not None or row.failed_runs != (0, 0):
                rows.append(row)
            else:
                left_out[f"{row.figure} is left out: {row.reason}"] = None
    return Comparison(
        base=names[0],
        new=names[1],
        smallest=how.smallest,
        confidence=how.confidence,
        resamples=how.resamples,
        paired=how.paired,
        rows=rows,
        notes=[*notes, *left_out],
    )


def _row(base: Target, new: Target, figure: Figure, how: Method, least: float) -> Row:
    label = base.label if base.label == new.label else f"{base.label} -> {new.label}"
    smallest = min(SMALLEST_ERRORS, how.smallest) if figure.metric == "errors" else how.smallest
    sides = side_of(base, figure), side_of(new, figure)
    interval, reason = _interval(sides, how, f"{how.seed} {label} {figure.name}")
    verdict: Verdict = "can't tell"
    if interval:
        verdict, reason = _verdict(interval, sides, smallest, least)
    ratio, low, high = as_figure(interval, figure)
    return Row(
        target=label,
        figure=figure.name,
        unit="share of streams" if figure.metric == "errors" else figure.unit,
        verdict=verdict,
        runs=(len(base.runs), len(new.runs)),
        failed_runs=(sides[0].failed, sides[1].failed),
        smallest=smallest,
        base=worth(sides[0].typical, figure),
        new=worth(sides[1].typical, figure),
        ratio=ratio,
        low=low,
        high=high,
        reason=reason,
    )


def _interval(sides: tuple[Side, Side], how: Method, seed: str) -> tuple[RatioInterval | None, str]:
    """The interval of new / base, or the reason why there is none."""
    base, new = sides
    if base.absent or new.absent:
        return None, _absent(base.absent, new.absent)
    counts = len(base.costs), len(new.costs)
    least = LEAST_PAIRS if how.paired else LEAST_RUNS
    if min(counts) < least:
        return None, f"{counts[0]} and {counts[1]} runs are too few: it takes {least} of each"
    if base.failed and new.failed:
        return None, f"{base.failed} runs of the one and {new.failed} of the other failed"
    if how.paired and counts[0] != counts[1]:
        return None, f"{counts[0]} and {counts[1]} runs are no pairs"
    interval = ratio_interval(
        base.costs, new.costs, paired=how.paired, confidence=how.confidence, resamples=how.resamples, seed=seed
    )
    return interval, ""


def _absent(base: str, new: str) -> str:
    if base == new:
        return base
    return "; ".join(f"{side}: {reason}" for side, reason in (("base", base), ("new", new)) if reason)


def _verdict(interval: RatioInterval, sides: tuple[Side, Side], smallest: float, least: float) -> tuple[Verdict, str]:
    inside = 1 / (1 + smallest), 1 + smallest
    if inside[0] <= interval.low and interval.high <= inside[1]:
        return "equal", ""
    if inside[0] <= interval.high and interval.low <= inside[1]:
        return "can't tell", _more_runs(interval, smallest, sides)
    base, new = sides[0].typical or 0.0, sides[1].typical or 0.0
    if abs(new - base) < least:
        return "can't tell", f"they differ by less than the instrument's own error, {shown(least, 'seconds')}"
    return ("worse" if interval.low > inside[1] else "better"), ""


def _more_runs(interval: RatioInterval, smallest: float, sides: tuple[Side, Side]) -> str:
    """How many runs would bring the interval clear of the bound that it crosses, if they varied as these did."""
    if any(side.failed for side in sides):
        return f"{sides[0].failed} runs of the one and {sides[1].failed} of the other failed"
    bound, effect = math.log1p(smallest), abs(math.log(interval.ratio))
    # An effect that is nearly the smallest one would take for ever: a quarter of the bound is near enough.
    margin = max(abs(effect - bound), bound / 4)
    half = (math.log(interval.high) - math.log(interval.low)) / 2
    runs = max(len(side.costs) for side in sides)
    return f"about {max(runs + 1, math.ceil(runs * (half / margin) ** 2))} runs of each would tell"
