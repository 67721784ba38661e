"""Shows a comparison of two results: the rows by target, how they were judged, and what to know about them."""

from __future__ import annotations

import click
import msgspec

from streamgauge.cli import INTERRUPTED
from streamgauge.cli._output import note, write
from streamgauge.errors import StreamgaugeError
from streamgauge.measurement.compare import Comparison, Row
from streamgauge.measurement.figures import shown
from streamgauge.report.text import counted, one_line

_COLOURS = {"worse": "red", "better": "green", "equal": "", "can't tell": "yellow"}


def finish(comparison: Comparison, json_file: str | None, *, interrupted: bool = False) -> int:
    """Show the comparison, write its JSON where that is wanted, and return the exit code.

    interrupted: not all runs were made, and "nothing is worse" is not what they were to find.
    """
    encoded = msgspec.json.format(msgspec.json.encode(comparison), indent=1).decode() + "\n"
    if json_file == "-":
        write(json_file, encoded)
        return INTERRUPTED if interrupted else comparison.exit_code
    show(comparison)
    if json_file:
        write(json_file, encoded)
    if interrupted:
        return INTERRUPTED
    if comparison.exit_code == 2:
        raise StreamgaugeError("nothing could be told: see the reasons above")
    return comparison.exit_code


def show(comparison: Comparison) -> None:
    """Print the rows by target, then how they were judged and what to know about the two results."""
    click.echo(f"base: {one_line(comparison.base)}   new: {one_line(comparison.new)}")
    width = max((len(row.figure) for row in comparison.rows), default=0)
    for target in dict.fromkeys(row.target for row in comparison.rows):
        rows = [row for row in comparison.rows if row.target == target]
        click.secho(f"\n{one_line(target)}", bold=True)
        common = rows[0].reason if len({row.reason for row in rows}) == 1 else ""
        for row in rows:
            _row(row, width, "" if common else row.reason)
        if common:
            click.echo(f"  {common}")
    click.echo()
    for line in comparison.notes:
        note(f"note: {line}")
    click.echo(_method(comparison))
    click.secho(_headline(comparison), bold=True, fg=("green", "red", "yellow")[comparison.exit_code])


def _row(row: Row, width: int, reason: str) -> None:
    verdict = click.style(f"{row.verdict:<10}", fg=_COLOURS[row.verdict] or None, bold=row.verdict != "equal")
    line = f"  {verdict}  {row.figure:<{width}}  {_worth(row, row.base):>9} -> {_worth(row, row.new):<9}"
    if row.ratio is not None:
        line += f"  {_change(row.ratio):>7} [{_change(row.low)}, {_change(row.high)}]"
        line += " in attempts per success" if row.unit == "share of streams" and row.ratio != 1 else ""
    click.echo(f"{line}  {reason}".rstrip())


def _worth(row: Row, value: float | None) -> str:
    if value is None:
        return "infinite" if any(row.failed_runs) else "-"
    return shown(value, row.unit)


def _change(ratio: float | None) -> str:
    """A ratio as what it adds: +12.3%, x2.50 where that is more easily read."""
    if ratio is None:
        return "inf"
    return f"x{ratio:.2f}" if ratio >= 2 else f"{ratio - 1:+.1%}"


def _method(comparison: Comparison) -> str:
    kind = "pairs of neighbouring runs" if comparison.paired else "runs"
    told = sum(row.ratio is not None or row.verdict != "can't tell" for row in comparison.rows)
    chance = 1 - (1 - (1 - comparison.confidence) / 2) ** told
    erring = (
        f"\nof {counted(told, 'figure')} that are all worse by just that effect one is called worse in up to "
        f"{chance:.0%} of comparisons; of equal ones far more rarely"
    )
    return (
        f"smallest effect of interest {comparison.smallest * 100:g}%; {comparison.confidence * 100:g}% intervals of "
        f"new / base by bootstrap over {kind}, {comparison.resamples:,} resamples"
        f"{erring if told else ''}"
    )


def _headline(comparison: Comparison) -> str:
    counts = {v: sum(row.verdict == v for row in comparison.rows) for v in _COLOURS}
    found = ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n)
    return f"{counted(len(comparison.rows), 'figure')}: {found or 'none'}."
