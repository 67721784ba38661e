"""`streamgauge client`: judges client libraries by the client rules, against the replay server and its faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click

from streamgauge.cli import INTERRUPTED

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("client")
@click.argument("providers", nargs=-1, metavar="[PROVIDER]...")
@click.option("--path", "paths", multiple=True, type=click.Choice(["sync", "async"]), help="Only this path.")
@click.option("--case", "cases", multiple=True, metavar="CASE", help="Only this recording.")
@click.option("--fault", "faults", multiple=True, metavar="SPEC", help="Only this fault; '' is none.")
@click.option("--rule", "rules", multiple=True, metavar="ID", help="Only this rule.")
@click.option("--expected-failures", type=FILE, help="TOML file of what is known to fail; a stale entry is red.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, allow_dash=True), help="Report as JSON; - is stdout."
)
@click.option("--junit", type=FILE, help="Report as JUnit XML.")
@click.option("--html", type=FILE, help="Report as one HTML page.")
@click.option("--markdown", type=FILE, help="Report as Markdown.")
def command(
    providers: tuple[str, ...],
    paths: tuple[str, ...],
    cases: tuple[str, ...],
    faults: tuple[str, ...],
    rules: tuple[str, ...],
    expected_failures: Path | None,
    json_file: Path | None,
    **files: Path | None,
) -> int:
    """Judge client libraries: each PROVIDER (by default all) on its sync and its async path.

    Every recording is streamed to the client from a replay server, plain and under faults that change nothing (the
    events must be the same) or something (the client must tell its caller). Needs no network and no key.
    """
    from streamgauge import expected
    from streamgauge.conformance import Selection, plan

    selection = Selection(
        providers=providers,
        paths=cast("Any", paths),
        cases=cases,
        faults=faults,
        rules=rules,
    )
    planned = plan(selection)
    entries = expected.load(expected_failures) if expected_failures else ()
    report = expected.apply(_run(planned), entries, selection)
    _write(report, json_file, files)
    return INTERRUPTED if report.partial else report.exit_code


def _run(planned: Any) -> Any:
    from streamgauge.conformance import Conformance
    from streamgauge.report.terminal import Progress

    with Progress("runs") as progress:
        return Conformance(planned, lambda done, total, job, _: progress.update(done, total, str(job))).run()


def _write(report: Any, json_file: Path | None, files: dict[str, Path | None]) -> None:
    """The matrix on standard output, unless the JSON goes there; the files that were asked for."""
    from importlib import import_module

    from streamgauge.report import json_file as as_json
    from streamgauge.report.terminal import print_report

    if json_file and str(json_file) == "-":
        click.echo(as_json.dumps(report), nl=False)
    else:
        print_report(report)
        if json_file:
            as_json.write(report, json_file)
    for kind, path in files.items():
        if path:
            import_module(f"streamgauge.report.{kind}").write(report, path)
