"""A benchmark as one self-contained page: figures, distributions, sync beside async, single streams, calibration.

No script and nothing from elsewhere: charts are SVG, what folds is `details`. Works from `file://`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from streamgauge.measurement.definitions import DEFINITIONS
from streamgauge.measurement.resampling import LEAST_PAIRS
from streamgauge.measurement.results import BenchResult, Stream, Target
from streamgauge.measurement.summaries import values
from streamgauge.report.bench_axis import Axis, linear_axis, log_axis, tick_text
from streamgauge.report.bench_charts import distribution, lane
from streamgauge.report.bench_markdown import errors_text
from streamgauge.report.bench_table import RATIOS, TITLES, BenchView, Line, facts
from streamgauge.report.files import save
from streamgauge.report.page import render

MOST = 8
"""Alarms that are shown at once."""
LANES = 5
"""Single streams shown of each target."""

DISTRIBUTIONS = {
    "ttft": "Time to first token",
    "gap": "Gaps between outputs",
    "delivery_delay": "Delivery delay: from the server's send to the caller",
}


@dataclass(frozen=True, slots=True)
class Panel:
    """The curves of one provider at one concurrency; `note` says of how many values."""

    title: str
    chart: Markup
    note: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One metric's distributions, all on one axis; `paths` is its legend."""

    title: str
    paths: tuple[str, ...]
    panels: list[Panel]


@dataclass(frozen=True, slots=True)
class Lanes:
    """Single streams of one provider at one concurrency on one axis."""

    title: str
    ticks: list[str]
    targets: list[tuple[str, list[tuple[str, str, Markup]]]]


def dumps(result: BenchResult) -> str:
    """The text of the page."""
    view = BenchView(result)
    return render(
        "bench",
        view=view,
        groups=list(view.groups()),
        most=MOST,
        titles=TITLES,
        ratios=RATIOS,
        least_runs=LEAST_PAIRS,
        facts=[(name, value) for name, value in facts(result) if value],
        charts=[chart for metric in DISTRIBUTIONS if (chart := _chart(view, metric))],
        lanes=list(_lanes(view)),
        failures=list(_failures(view)),
        calibration=result.calibration,
        errors_text=errors_text,
        definitions=DEFINITIONS.values(),
        servers=[(t, timings) for t in result.targets for timings in t.server_timings],
    )


def write(result: BenchResult, path: str | Path) -> None:
    """Write the page; raises StreamgaugeError where that fails."""
    save(dumps(result), path)


def _chart(view: BenchView, metric: str) -> Chart | None:
    every = [found for line in view.lines if (found := _sample(line.target, metric)[0])]
    if not every:
        return None
    axis = log_axis(value for sample in every for value in _ends(sample))
    panels = [panel for title, lines in _beside_the_wire(view) if (panel := _panel(title, lines, metric, axis))]
    paths = tuple(dict.fromkeys(line.target.path for line in view.lines))
    return Chart(DISTRIBUTIONS[metric], paths, panels)


def _beside_the_wire(view: BenchView) -> Iterator[tuple[str, list[Line]]]:
    """What stands in one panel: the paths of a provider, and what the probe saw of its dialect at that concurrency."""
    wires = [line for line in view.lines if line.target.path == "wire"]
    for name, concurrency, lines, _ in view.groups():
        alike = [w for w in wires if (w.target.dialect, w.target.concurrency) == (lines[0].target.dialect, concurrency)]
        if lines[0].target.path != "wire":
            yield f"{name}, {concurrency} at once", [*alike, *lines]
        elif len(wires) == len(view.lines):
            yield f"{name}, {concurrency} at once", lines


def _panel(title: str, lines: Sequence[Line], metric: str, axis: Axis) -> Panel | None:
    curves = [(line.target.path, *_sample(line.target, metric)) for line in lines]
    shown = [curve for curve in curves if curve[1]]
    if not shown:
        return None
    name = DISTRIBUTIONS[metric].partition(":")[0]
    note = "; ".join(f"{path} {len(sample):,}" + (f", {bad:,} failed" if bad else "") for path, sample, bad in curves)
    return Panel(title, distribution(shown, axis, name), note)


def _sample(target: Target, metric: str) -> tuple[list[float], int]:
    return values(target.streams, metric)


def _ends(sample: list[float]) -> tuple[float, float]:
    """The smallest and the largest, save that a twentieth (events that came in one read) doesn't stretch the axis."""
    ordered = sorted(sample)
    return ordered[len(ordered) // 20], ordered[-1]


def _lanes(view: BenchView) -> Iterator[Lanes]:
    for name, concurrency, lines, _ in view.groups():
        chosen = [(line.target, _chosen(line.target)) for line in lines]
        ends = [stream.e2e for _, found in chosen for _, stream in found]
        if not ends:
            continue
        axis = linear_axis(max(ends))
        targets: list[tuple[str, list[tuple[str, str, Markup]]]] = [
            (target.path, [(label, stream.outcome, lane(stream, axis)) for label, stream in found])
            for target, found in chosen
        ]
        yield Lanes(f"{name}, {concurrency} at once", [tick_text(t) for t in axis.ticks], targets)


def _chosen(target: Target) -> list[tuple[str, Stream]]:
    """Streams worth a look: some whose reads were kept, and some that failed, in order."""
    every = [(f"run {run.index}, stream {n}", stream) for run in target.runs for n, stream in enumerate(run.streams)]
    failed = [pair for pair in every if not pair[1].succeeded][:2]
    good = sorted((pair for pair in every if pair[1].succeeded), key=lambda pair: pair[1].arrivals is None)
    kept = {label for label, _ in [*failed, *good[: LANES - len(failed)]]}
    return [pair for pair in every if pair[0] in kept]


def _failures(view: BenchView) -> Iterator[tuple[str, str, str, int]]:
    """What failed: target, outcome, what it said, how often."""
    for line in view.lines:
        counts = Counter((s.outcome, s.error) for s in line.target.streams if not s.succeeded)
        for (outcome, error), number in counts.most_common(5):
            yield line.target.label, outcome, error, number
