"""What the commands that make a matrix share: where it is written, and in which forms."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import click

from streamgauge.cli._output import writable

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(path_type=Path, dir_okay=False)
DASH = click.Path(path_type=Path, allow_dash=True)


def report_options(command: F) -> F:
    """`--expected-failures`, `--json` (the parameter `json_file`), `--junit`, `--html` and `--markdown`."""
    options = (
        click.option(
            "--expected-failures", type=FILE, help="TOML file of what is known to fail; a stale entry is red."
        ),
        click.option("--json", "json_file", type=DASH, callback=writable, help="Report as JSON; - is stdout."),
        click.option("--junit", type=FILE, callback=writable, help="Report as JUnit XML."),
        click.option("--html", type=FILE, callback=writable, help="Report as one HTML page."),
        click.option("--markdown", type=FILE, callback=writable, help="Report as Markdown."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def write_report(report: Any, json_file: Path | None, files: dict[str, Path | None]) -> None:
    """The matrix on standard output, unless the JSON goes there; the files that were asked for."""
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
