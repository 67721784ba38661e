"""The figures of a benchmark as Markdown, for a pull request or a job summary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from streamgauge.measurement.calibrations import Calibration, Errors
from streamgauge.measurement.figures import shown
from streamgauge.measurement.results import BenchResult
from streamgauge.report.bench_table import RATIOS, TITLES, BenchView, Cell, facts
from streamgauge.report.files import save
from streamgauge.report.text import one_line

_MARKUP = re.compile(r"([\\`*_\[\]<>|~&$])")


def dumps(result: BenchResult) -> str:
    """The text of the file."""
    return "\n".join(_lines(BenchView(result))) + "\n"


def write(result: BenchResult, path: str | Path) -> None:
    """Write the file; raises StreamgaugeError where that fails."""
    save(dumps(result), path)


def _lines(view: BenchView) -> Iterator[str]:
    yield from ("# streamgauge benchmark", "", f"**{view.headline}.**")
    yield from _bullets(f"⚠️ {view.warning}", view.alarms)
    yield from _bullets("Don't deliver as data arrives", view.holding)
    yield from _figures(view)
    yield from _paths(view)
    yield from _calibration(view.result.calibration)
    yield from _server(view.result)
    yield from _bullets("Not measured", view.result.notes)
    yield from ("", _escaped("; ".join(f"{name} {value}" for name, value in facts(view.result) if value)))


def _figures(view: BenchView) -> Iterator[str]:
    if not view.lines:
        return
    yield from ("", "## Figures", "")
    yield from _head(["target", "streams", "failed", *(TITLES[c] for c in view.columns)])
    for line in view.lines:
        cells = [_shown(line.cells[column]) for column in view.columns]
        failures = f"{line.failures:,} ({line.outcomes})" if line.failures else "0"
        yield _row([_escaped(line.target.label), f"{line.streams:,}", failures, *cells])
    yield from (
        "",
        "In brackets: 95 % intervals. –: the sample is too small, or there is no such value. Failed streams are +inf.",
    )


def _paths(view: BenchView) -> Iterator[str]:
    if not view.beside:
        return
    columns = [c for c in view.columns if c in RATIOS]
    yield from ("", "## The async path as a multiple of the sync path", "")
    yield from _head(["provider", "concurrency", *(TITLES[c] for c in columns)])
    for beside in view.beside:
        yield _row([_escaped(beside.name), str(beside.concurrency), *(_shown(beside.cell(c)) for c in columns)])
    yield from ("", "Ratios of geometric means over runs, with 95 % bootstrap intervals over runs.")


def _calibration(calibration: Calibration | None) -> Iterator[str]:
    if not calibration:
        return
    yield from ("", "## Calibration: measured minus true", "")
    yield from _head(["instrument", "concurrency", "streams", "clock", "TTFT p50, p99, max", "gap p50, p99, max"])
    for row in calibration.rows:
        begin = [_escaped(f"{row.name} {row.path}"), str(row.concurrency), f"{row.streams:,}", row.clock]
        yield _row([*begin, errors_text(row.ttft), errors_text(row.gap)])


def errors_text(errors: Errors | None) -> str:
    """`120 µs, 300 µs, 1.20 ms`: the median, the 99th percentile and the largest; negative where it was early."""
    if errors is None:
        return "–"
    return ", ".join("–" if value is None else signed(value) for value in (errors.p50, errors.p99, errors.max))


def signed(seconds: float) -> str:
    """A time that may be negative."""
    return f"{'−' if seconds < 0 else ''}{shown(abs(seconds), 'seconds')}"


def _server(result: BenchResult) -> Iterator[str]:
    found = [(target, timings) for target in result.targets for timings in target.server_timings]
    if not found:
        return
    yield from ("", "## Beside the server's own timings", "")
    yield from _head(["target", "source", "figure", "server", "ours", "ours minus theirs"])
    for target, timings in found:
        for name, values in timings.figures.items():
            cells = [f"{values[key]:.6g}" if key in values else "–" for key in ("server", "ours", "difference")]
            yield _row([_escaped(target.label), _escaped(timings.source), _escaped(name), *cells])


def _shown(cell: Cell) -> str:
    bracketed = "" if cell.absent or not cell.more else f" ({cell.more})"
    return f"{cell.text}{bracketed}"


def _bullets(title: str, items: list[str]) -> Iterator[str]:
    if items:
        yield from ("", f"## {title}", "", *(f"- {_escaped(item)}" for item in items))


def _head(titles: list[str]) -> Iterator[str]:
    yield _row(titles)
    yield "|---|" + "---:|" * (len(titles) - 1)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", one_line(text))
