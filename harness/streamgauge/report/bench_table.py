"""What every report of a benchmark shows: its figures by target, and the async path beside the sync path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from streamgauge.measurement.compare import Method, Row, compare_targets
from streamgauge.measurement.delivery import held_back_of, said
from streamgauge.measurement.figures import Reading, Unit, failed, parse_figure, reading, shown
from streamgauge.measurement.results import BenchResult, Target
from streamgauge.measurement.summaries import outcomes
from streamgauge.measurement.taints import folded
from streamgauge.report.text import counted

TITLES = {
    "ttft.p50": "TTFT p50",
    "ttft.p90": "TTFT p90",
    "ttft.p99": "TTFT p99",
    "gap.p50": "gap p50",
    "gap.p90": "gap p90",
    "gap.p99": "gap p99",
    "e2e.p50": "E2E p50",
    "tpot.p50": "TPOT p50",
    "delivery_delay.p50": "delivery p50",
    "schedule_delay.p99": "schedule p99",
    "events_per_second": "events/s",
    "cpu_per_event": "CPU/event",
    "peak_rss": "memory",
}
"""The columns, in order; those that no target has are left out."""
RATIOS = (
    "ttft.p50",
    "gap.p50",
    "e2e.p50",
    "tpot.p50",
    "delivery_delay.p50",
    "events_per_second",
    "cpu_per_event",
    "peak_rss",
)
"""The columns that have one value a run, so that two paths can be compared."""


HELD_SAMPLE = 60
"""Streams of a target that are looked at for whether they were held back."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of one target: its text, and its interval or the reason why it is absent."""

    text: str
    more: str = ""

    @property
    def absent(self) -> bool:
        return self.text == "–"


@dataclass(frozen=True, slots=True)
class Line:
    """One target in the table."""

    target: Target
    cells: dict[str, Cell]
    streams: int
    failures: int

    @property
    def outcomes(self) -> str:
        """`3 truncated, 1 stalled`; "" where all are complete."""
        found = {name: n for name, n in outcomes(self.target.streams).items() if n and name != "complete"}
        return ", ".join(f"{n:,} {name}" for name, n in found.items())


@dataclass(frozen=True, slots=True)
class Beside:
    """The async path of a provider as a multiple of its sync path, figure by figure, run by run."""

    name: str
    concurrency: int
    rows: dict[str, Row]

    def cell(self, figure: str) -> Cell:
        """`x1.31` and its interval, or why there is none."""
        row = self.rows.get(figure)
        if row is None or row.base is None or row.new is None or not row.base:
            return Cell("–", row.reason if row else "")
        if row.ratio is None or row.low is None or row.high is None:
            return Cell(f"x{_times(row.new / row.base)}", f"no interval: {row.reason}")
        return Cell(f"x{_times(row.ratio)}", f"{_times(row.low)} to {_times(row.high)}")


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if 0.095 <= ratio < 99.5 else f"{ratio:.2g}" if ratio < 1 else f"{ratio:,.0f}"


class BenchView:
    """A result as the reports show it."""

    def __init__(self, result: BenchResult) -> None:
        self.result = result

    @cached_property
    def lines(self) -> list[Line]:
        """The targets: those of one provider and concurrency beside each other."""
        ordered = sorted(self.result.targets, key=lambda t: (self._names.index(t.name), t.concurrency, _ORDER[t.path]))
        return [_line(target) for target in ordered]

    @cached_property
    def columns(self) -> list[str]:
        """The figures that some target has; in a closed loop nothing is ever behind its schedule."""
        closed = self.result.settings.get("loop") == "closed"
        known = [f for f in TITLES if not (closed and f.startswith("schedule_delay"))]
        return [f for f in known if any(not line.cells[f].absent for line in self.lines)]

    @cached_property
    def beside(self) -> list[Beside]:
        """The async path beside the sync path, for each provider and concurrency that has both."""
        return list(self._beside())

    @cached_property
    def _names(self) -> list[str]:
        return list(dict.fromkeys(t.name for t in self.result.targets))

    def groups(self) -> Iterator[tuple[str, int, list[Line], Beside | None]]:
        """Provider, concurrency, its paths, and how they compare."""
        for name, concurrency in dict.fromkeys((line.target.name, line.target.concurrency) for line in self.lines):
            lines = [x for x in self.lines if (x.target.name, x.target.concurrency) == (name, concurrency)]
            found = (b for b in self.beside if (b.name, b.concurrency) == (name, concurrency))
            yield name, concurrency, lines, next(found, None)

    @property
    def headline(self) -> str:
        """How much was measured, and how much of it failed."""
        streams = sum(line.streams for line in self.lines)
        failures = sum(line.failures for line in self.lines)
        if not streams:
            return "Nothing was measured"
        measured = dict.fromkeys(t.name for t in self.result.targets if t.path != "wire")
        what = [counted(len(measured), "provider")] if measured else []
        what += ["the wire probe"] if any(t.path == "wire" for t in self.result.targets) else []
        how = f"{failures:,} of them failed" if failures else "all of them complete"
        return f"{' and '.join(what)}: {counted(streams, 'stream')}, {how}"

    @property
    def warning(self) -> str:
        """The heading above the alarms."""
        if self.result.tainted:
            return "Tainted: do not trust these figures as they are"
        return "To know before trusting these figures"

    @property
    def alarms(self) -> list[str]:
        """Why the figures should not be trusted as they are."""
        alarms = folded(self.result.tainted)
        if self.result.partial:
            alarms.insert(0, "The run was interrupted: what had been measured by then is here.")
        if self.result.calibration is None:
            alarms.append("The instrument was not calibrated on this machine: its own error is unknown.")
        return alarms

    @property
    def holding(self) -> list[str]:
        """Clients that don't deliver as data arrives: their TTFT and gaps are those of their buffer.

        Told of one stream at a time: among many an event may wait for its turn, which looks the same.
        """
        alone = (line.target for line in self.lines if line.target.concurrency == 1)
        found = ((target.label, held_back_of(target.streams[:HELD_SAMPLE])) for target in alone)
        return [f"{label} {said(held)}" for label, held in found if held]

    def _beside(self) -> Iterator[Beside]:
        by_path = {(t.name, t.concurrency, t.path): t for t in self.result.targets}
        for name, concurrency in dict.fromkeys((t.name, t.concurrency) for t in self.result.targets):
            sync, other = (by_path.get((name, concurrency, path)) for path in ("sync", "async"))
            if sync and other:
                yield Beside(name, concurrency, _compared(sync, other))


_ORDER = {"wire": 0, "sync": 1, "async": 2}


def _compared(sync: Target, other: Target) -> dict[str, Row]:
    # Runs of one number are neighbours in time: the load generator interleaves its targets.
    paired = [r.index for r in sync.runs] == [r.index for r in other.runs]
    method = Method(paired=paired)
    comparison = compare_targets([(sync, other)], names=("sync", "async"), figures=RATIOS, method=method)
    return {row.figure: row for row in comparison.rows}


def _line(target: Target) -> Line:
    cells = {name: _cell(reading(target, figure), figure.unit) for name, figure in _FIGURES.items()}
    return Line(target, cells, len(target.streams), failed(target.streams))


_FIGURES = {name: parse_figure(name) for name in TITLES}


def _cell(read: Reading, unit: Unit) -> Cell:
    if read.value is None:
        return Cell("–", read.reason)
    if read.low is None or read.high is None:
        return Cell(shown(read.value, unit))
    return Cell(shown(read.value, unit), span(shown(read.low, unit), shown(read.high, unit)))


def span(low: str, high: str) -> str:
    """`48.9 to 51.2 ms`: the unit once where both have the same."""
    number, _, unit = low.rpartition(" ")
    return f"{number if number and high.endswith(f' {unit}') else low} to {high}"


def facts(result: BenchResult) -> Sequence[tuple[str, str]]:
    """What was measured with what: start, versions, settings, clock."""
    settings = [(key.replace("_", " "), _worded(value)) for key, value in result.settings.items()]
    return [("started", result.started), *result.versions.items(), *settings, ("clock", result.clock)]


def _worded(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_worded, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {_worded(inner)}" for key, inner in value.items())
    return "" if value is None else str(value)
