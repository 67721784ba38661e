"""What the commands share in printing: where `--json` goes, tables, and the one line that says what is wrong."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from streamgauge.cli._secrets import mask
from streamgauge.errors import StreamgaugeError
from streamgauge.report.text import visible

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def json_option(command: F) -> F:
    """`--json FILE|-`, the parameter `json_file`."""
    option = click.option(
        "--json",
        "json_file",
        metavar="FILE|-",
        callback=writable,
        help="Write the result as JSON; - is standard output.",
    )
    return option(command)


def writable(_context: click.Context, _option: click.Parameter, target: T) -> T:
    """For an option that names a file to write: it is looked at before the work whose result it is to hold.

    "-" is standard output, None no file; a folder that is missing will be made.
    Raises StreamgaugeError where it can't be written.
    """
    if target is None or str(target) == "-":
        return target
    path = Path(str(target))
    near = next((p for p in (path, *path.parents) if p.exists()), path)
    if path.is_dir():
        reason = "it is a directory"
    elif near != path and not near.is_dir():
        reason = f"{near} is no directory"
    elif not os.access(near, os.W_OK):
        reason = f"no permission to write {near}"
    else:
        return target
    raise StreamgaugeError(f"can't write {path}: {reason}")


def write(target: str, content: str) -> None:
    """Write to a file, making the folder where it is missing, or to standard output where the target is "-".

    Raises StreamgaugeError where the file can't be written.
    """
    if target == "-":
        click.echo(content, nl=False)
        return
    path = Path(target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise StreamgaugeError(f"can't write {target}: {error.strerror}") from error


def write_json(target: str, value: Any) -> None:
    """Write a JSON value, ASCII only, as `write` does."""
    write(target, json.dumps(value, indent=1) + "\n")


def complain(message: str) -> None:
    """One line on standard error, without ending the command."""
    click.echo(mask(f"Error: {line_of(message)}"), err=True)


def note(message: str) -> None:
    """What the reader should know but did not ask for, on standard error."""
    click.echo(mask(line_of(message)), err=True)


def line_of(message: str) -> str:
    """The message as one line that steers no terminal: it may quote what a server or a file said."""
    return visible(" ".join(message.split()))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere one line a row with tabs between, for other programs to cut."""
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(*head, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    Console().print(shown)


def details(pairs: Iterable[tuple[str, str]]) -> None:
    """Name and value, one a line; what has no value is left out."""
    shown = [(name, value) for name, value in pairs if value]
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        click.echo(f"{name:<{width}}  {value}")
