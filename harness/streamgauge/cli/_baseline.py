"""Shows benchmarks beside their accepted baseline, or accepts them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from streamgauge.cli._output import note, write
from streamgauge.errors import StreamgaugeError
from streamgauge.measurement.baseline import Findings, Judged, accept, judge, load, save
from streamgauge.report.text import counted

_COLOURS = {"worse": "red", "better": "green", "as accepted": None}

_SHOWN = 3
_NOTABLE = 1.25


def accepted(baseline: str, measured: str) -> int:
    """Accept what was measured as the baseline."""
    made = accept(Path(measured), datetime.now(UTC).date().isoformat())
    before = load(Path(baseline)).ratios if Path(baseline).exists() else {}
    save(made, Path(baseline))
    click.echo(f"{baseline}: {counted(len(made.ratios), 'ratio')} accepted")
    _name("no longer in it, because they were not measured", sorted(before.keys() - made.ratios.keys()))
    return 0


def judged(baseline: str, measured: str, json_file: str | None) -> int:
    """Judge what was measured, and return the exit code."""
    known = load(Path(baseline))
    found = judge(known, Path(measured))
    if json_file:
        write(json_file, msgspec.json.format(msgspec.json.encode(found), indent=1).decode() + "\n")
    if json_file != "-":
        _show(found, f"{baseline}, accepted {known.accepted} on {known.machine.get('cpu', 'an unknown machine')}")
    if found.exit_code == 2:
        raise StreamgaugeError(f"{measured} has none of the ratios of {baseline}")
    return found.exit_code


def _show(found: Findings, title: str) -> None:
    click.echo(f"baseline: {title}")
    changed = [j for j in found.judged if j.change != "as accepted"]
    for one in changed:
        click.secho(f"  {_line(one)}", fg=_COLOURS[one.change])
    _name("not measured", found.unmeasured)
    _name("not in the baseline", found.unaccepted)
    if found.widened > _NOTABLE:
        note(
            f"note: beside Python a system call costs {found.widened:.1f} times more or less here than where this was "
            "accepted: bounds of events that are read alone are that much wider"
        )
    worse = sum(j.change == "worse" for j in found.judged)
    counts = f"{counted(len(found.judged), 'ratio')} to the floor of the same run: {worse} worse than accepted"
    click.secho(f"{counts}, {len(changed) - worse} better.", bold=True, fg="red" if worse else "green")


def _name(title: str, keys: list[str]) -> None:
    if keys:
        more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
        note(f"note: {title}: {', '.join(keys[:_SHOWN])}{more}")


def _line(one: Judged) -> str:
    interval = f" [{one.found.low:.3g}, {one.found.high:.3g}]" if one.found.low != one.found.high else ""
    change = f"{one.found.ratio / one.accepted:.2f} times, bound {one.bound:.3g}"
    return f"{one.change:<7} {one.key}: {one.accepted:.3g} -> {one.found.ratio:.3g}{interval} ({change})"
