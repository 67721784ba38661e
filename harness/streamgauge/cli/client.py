"""`streamgauge client`: judges client libraries by the client rules, against the replay server and its faults."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import click

from streamgauge.cli import INTERRUPTED
from streamgauge.cli._report import report_options, write_report

FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
PROGRAM = "streamgauge.program"
"""Under this name the context keeps what stands behind `--`."""


class WithProgram(click.Command):
    """A command whose last arguments, behind `--`, are those of another program."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        ctx.meta[PROGRAM] = tuple(args[at + 1 :]) if at < len(args) else None
        return super().parse_args(ctx, args[:at])


@click.command("client", cls=WithProgram)
@click.argument("providers", nargs=-1, metavar="[PROVIDER]... [-- COMMAND...]")
@click.option("--path", "paths", multiple=True, type=click.Choice(["sync", "async"]), help="Only this path.")
@click.option("--case", "cases", multiple=True, metavar="CASE", help="Only this recording.")
@click.option("--fault", "faults", multiple=True, metavar="SPEC", help="Only this fault; '' is none.")
@click.option("--rule", "rules", multiple=True, metavar="ID", help="Only this rule.")
@click.option("--recordings", "folder", type=FOLDER, help="Recordings beside those that are shipped.")
@report_options
def command(
    providers: tuple[str, ...],
    paths: tuple[str, ...],
    cases: tuple[str, ...],
    faults: tuple[str, ...],
    rules: tuple[str, ...],
    folder: Path | None,
    expected_failures: Path | None,
    json_file: Path | None,
    **files: Path | None,
) -> int:
    """Judge client libraries: each PROVIDER (by default all) on its sync and its async path, or the one that COMMAND
    drives, in whatever language (docs/adapter-protocol.md).

    Every recording is streamed to the client from a replay server, plain and under faults that change nothing (the
    events must be the same) or something (the client must tell its caller). Needs no network and no key.
    """
    from streamgauge import expected
    from streamgauge.conformance import Selection, plan
    from streamgauge.recordings import beside_shipped
    from streamgauge.verdicts import for_want_of_packages

    with ExitStack() as stack:
        providers += _adapters(stack)
        selection = Selection(
            providers=providers,
            paths=cast("Any", paths),
            cases=cases,
            faults=faults,
            rules=rules,
        )
        recordings = beside_shipped(folder).values() if folder else None
        planned = plan(selection, recordings, folder=str(folder or ""))
        entries = expected.load(expected_failures) if expected_failures else ()
        report = _run(planned, selection)
        report = replace(report, notes=(*report.notes, *for_want_of_packages(report.verdicts)))
        report = expected.apply(report, entries, selection)
    write_report(report, json_file, files)
    return INTERRUPTED if report.partial else report.exit_code


def _adapters(stack: ExitStack) -> tuple[str, ...]:
    """The name of the provider that the program behind `--` is, which runs as long as the stack lasts."""
    program = click.get_current_context().meta[PROGRAM]
    if program is None:
        return ()
    if not program:
        raise click.UsageError("behind -- stands the command that runs an adapter")
    from streamgauge.adapter import adapter

    return (stack.enter_context(adapter(program)).name,)


def _run(planned: Any, selection: Any) -> Any:
    from streamgauge.conformance import Conformance, judge_in_processes, processes_for
    from streamgauge.report.terminal import Progress

    processes = processes_for(planned)
    with Progress("runs") as progress:
        if processes > 1:
            return judge_in_processes(planned, selection, processes, progress.update)
        return Conformance(planned, lambda done, total, job, _: progress.update(done, total, str(job))).run()
