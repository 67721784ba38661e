"""A benchmark on a terminal: a table for each concurrency, the async path beside the sync path, and the fine print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamgauge.measurement.calibrations import Calibration, CalibrationRow, Cost
from streamgauge.measurement.figures import parse_figure, reading, shown
from streamgauge.measurement.resampling import LEAST_PAIRS
from streamgauge.measurement.results import BenchResult, ServerTimings
from streamgauge.measurement.taints import folded
from streamgauge.report.bench_markdown import errors_text
from streamgauge.report.bench_table import BenchView, Cell, Line
from streamgauge.report.text import one_line

COLUMNS = {
    "ttft.p50": "TTFT p50",
    "ttft.p99": "p99",
    "gap.p50": "gap p50",
    "gap.p99": "p99",
    "tpot.p50": "TPOT",
    "delivery_delay.p50": "delivery",
    "events_per_second": "events/s",
    "bytes_per_second": "bytes/s",
    "cpu_per_event": "CPU/event",
    "peak_rss": "memory",
}
RATIOS = ("ttft.p50", "gap.p50", "events_per_second", "cpu_per_event", "peak_rss")
WIDTH = 150
"""Columns where the output is no terminal."""


def print_bench(result: BenchResult, console: Console | None = None) -> None:
    """Print the result on standard output."""
    out = console or _console()
    view = BenchView(result)
    for concurrency in dict.fromkeys(line.target.concurrency for line in view.lines):
        lines = [line for line in view.lines if line.target.concurrency == concurrency]
        out.print(_figures(lines, concurrency))
    if view.beside:
        out.print(_beside(view))
    if result.calibration:
        out.print(calibration_table(result.calibration))
    for text in _fine_print(result, view):
        out.print(Text(one_line(text)), soft_wrap=True)


def print_calibration(calibration: Calibration, console: Console | None = None) -> None:
    """Print a calibration on standard output."""
    out = console or _console()
    if calibration.rows:
        out.print(calibration_table(calibration))
    if calibration.cost:
        out.print(Text(cost_line(calibration.cost)), soft_wrap=True)


def _console() -> Console:
    out = Console()
    return out if out.is_terminal else Console(width=WIDTH)


def _table(title: str, *heads: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number < 2 else "right", no_wrap=True)
    return table


def _figures(lines: Iterable[Line], concurrency: int) -> Table:
    found = list(lines)
    read = {line.target.label: {n: reading(line.target, parse_figure(n)) for n in COLUMNS} for line in found}
    columns = [n for n in COLUMNS if any(cells[n].value is not None for cells in read.values())]
    title = f"{concurrency} stream{'s' if concurrency > 1 else ''} at a time"
    table = _table(title, "provider", "path", "complete", *(COLUMNS[n] for n in columns))
    for line in found:
        cells = []
        for name in columns:
            value = read[line.target.label][name].value
            cells.append("-" if value is None else shown(value, parse_figure(name).unit))
        complete = f"{line.streams - line.failures}/{line.streams}"
        table.add_row(line.target.name, line.target.path, complete, *cells)
    return table


def _beside(view: BenchView) -> Table:
    found = [(beside, [beside.cell(name) for name in RATIOS]) for beside in view.beside]
    told = any(_interval(cell) for _, cells in found for cell in cells)
    why = "95 % intervals in brackets" if told else f"no intervals: they take {LEAST_PAIRS} runs"
    table = _table(f"async / sync ({why})", "provider", "streams", *(COLUMNS[n] for n in RATIOS))
    for beside, cells in found:
        table.add_row(beside.name, f"x{beside.concurrency}", *(f"{cell.text}{_interval(cell)}" for cell in cells))
    return table


def _interval(cell: Cell) -> str:
    return "" if cell.absent or not cell.more or cell.more.startswith("no interval") else f" ({cell.more})"


def calibration_table(calibration: Calibration) -> Table:
    """The instrument's own error."""
    heads = "instrument", "path", "streams", "TTFT error p50, p99, max", "gap error p50, p99, max", "client lag p99"
    table = _table("calibration: measured minus true", *heads)
    for row in calibration.rows:
        late = row.client_lag.p99 if row.client_lag else None
        lag = "-" if late is None else shown(late, "seconds")
        streams = f"x{row.concurrency}{f', {row.failed} failed' if row.failed else ''}"
        table.add_row(row.name, row.path, streams, errors_text(row.ttft), errors_text(row.gap), lag)
    return table


def calibration_line(row: CalibrationRow) -> str:
    """One row in one line."""
    ttft, gap = errors_text(row.ttft), errors_text(row.gap)
    return f"{row.name} {row.path} x{row.concurrency}: TTFT error {ttft}; gap error {gap} (p50, p99, max)"


def cost_line(cost: Cost) -> str:
    """What measuring costs, in one line."""
    ours, floor = (shown(seconds, "seconds") for seconds in (cost.seconds_per_event, cost.floor_per_event))
    return (
        f"cost of measuring at {cost.streams} streams: {ours} of CPU an event, decoding included; asyncio and httptools"
        f" alone {floor}: x{cost.x_floor:.2f} ({cost.rounds} rounds in turn); 10,000 events a second take"
        f" {cost.share_of_a_core:.1%} of a core"
    )


def _fine_print(result: BenchResult, view: BenchView) -> Iterator[str]:
    for line in view.lines:
        if line.failures:
            first = next((s.error for s in line.target.streams if s.error), "")
            yield f"{line.target.label}: {line.outcomes}{f': {first}' if first else ''}"
        if again := sum(s.reconnected for s in line.target.streams):
            yield f"{line.target.label}: {again} sent again, because the server had closed the kept connection"
        for timing in line.target.server_timings:
            yield from server_lines(line.target.label, timing)
    yield from (f"not measured: {note}" for note in result.notes)
    if any(line.target.path == "wire" for line in view.lines):
        yield f"clock of the wire path: {result.clock}"
    yield "failed streams count as infinite; -: too few values, or none"
    yield from (f"tainted: {reason}" for reason in folded(result.tainted))
    if result.partial:
        yield "partial: interrupted; this is what had been measured by then"


def server_lines(label: str, timing: ServerTimings) -> Iterator[str]:
    """What the server says of its own streams, beside our figures."""
    yield f"{label}, beside the server's own figures ({timing.source}):"
    for name, figure in timing.figures.items():
        cells = ", ".join(f"{part} {_number(name, figure[part])}" for part in ("server", "ours", "difference"))
        yield f"    {name}: {cells}"


def _number(name: str, value: float) -> str:
    return f"{value:,.1f}" if "tokens" in name else f"{value * 1e3:,.3f} ms"
