"""`streamgauge shrink`: looks for the smallest stream in which a client departs from a rule, and keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from streamgauge.cli import INTERRUPTED
from streamgauge.cli._output import details

DRAWN = "random-cuts"


@click.command("shrink")
@click.argument("provider")
@click.option("--rule", required=True, metavar="ID", help="The rule for clients that it departs from.")
@click.option("--case", default="plain-text", show_default=True, metavar="CASE", help="The recording to begin with.")
@click.option("--fault", default="", metavar="SPEC", help="The fault under which it departs; '' is none.")
@click.option("--path", type=click.Choice(["sync", "async"]), default="sync", show_default=True, help="The path.")
@click.option("--seeds", type=click.IntRange(1), metavar="N", help=f"Look for it: N seeds of --fault, or of {DRAWN}.")
@click.option("--contents", type=click.IntRange(1), metavar="N", help="Look for it: N drawn answers, not --case.")
@click.option("--runs", type=click.IntRange(1), default=300, show_default=True, help="Runs of the client at most.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where to keep it.")
def command(
    provider: str,
    rule: str,
    case: str,
    fault: str,
    path: Any,
    seeds: int | None,
    contents: int | None,
    runs: int,
    out: Path,
) -> int:
    """Find the smallest stream in which PROVIDER departs from a rule, and keep it as a recording.

    Frames are left out, then what is in them, then cuts, as long as the client departs in the same way and the stream
    stays one that no rule for servers objects to. The recording names rule, fault and seed: `streamgauge client
    --recordings OUT` judges it from then on, for every client of the dialect. Ctrl-C keeps the smallest so far.
    """
    from streamgauge.recordings import save
    from streamgauge.shrinking import Trial, drawn_answers, seeded

    with Trial(provider, path, rule) as trial:
        if contents:
            cases = drawn_answers(trial.dialect, fault, contents)
        else:
            specs = seeded(fault or DRAWN, seeds) if seeds else [fault]
            cases = trial.cases(case, specs)
        found = trial.first(cases)
        small = trial.shrink(found, runs)
        recording = trial.kept(small, found)
        place = save(recording, out)
    details(
        [
            ("kept", str(place)),
            ("stream", f"{len(found.body)} bytes -> {len(small.body)} bytes"),
            ("fault", f"{found.fault or 'none'} -> {small.fault or 'none'}"),
            ("runs", str(trial.runs)),
            ("judge", f"streamgauge client {provider} --recordings {out} --case {recording.name}"),
        ]
    )
    return INTERRUPTED if trial.interrupted else 0
