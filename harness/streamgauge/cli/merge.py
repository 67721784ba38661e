"""`streamgauge merge`: several reports of `streamgauge client` as one matrix."""

from __future__ import annotations

from pathlib import Path

import click

from streamgauge.cli._report import FILE, report_options, write_report


@click.command("merge")
@click.argument("reports", nargs=-1, required=True, type=FILE, metavar="REPORT...")
@report_options
def command(
    reports: tuple[Path, ...], expected_failures: Path | None, json_file: Path | None, **files: Path | None
) -> int:
    """Merge what `streamgauge client --json` wrote in several environments: some libraries can't live together.

    Expected failures are judged over all of it; the exit code is that of one run that had judged everything.
    """
    from streamgauge import expected
    from streamgauge.conformance import Selection
    from streamgauge.merge import load, merge

    report = merge(load(path) for path in reports)
    if expected_failures:
        report = expected.apply(report, expected.load(expected_failures), Selection())
    write_report(report, json_file, files)
    return report.exit_code
