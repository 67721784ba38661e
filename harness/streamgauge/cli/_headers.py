"""`--header`, for the commands that ask an endpoint themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from streamgauge.trace import Headers

F = TypeVar("F", bound=Callable[..., Any])


def header_option(command: F) -> F:
    """`--header 'Name: value'`, the parameter `headers`."""
    option = click.option(
        "--header",
        "headers",
        multiple=True,
        metavar="'NAME: VALUE'",
        callback=_read,
        help="A header of your own for each request, like 'api-key: ...'; may be repeated. Its value is shown nowhere.",
    )
    return option(command)


def _read(_context: click.Context, _option: click.Parameter, lines: tuple[str, ...]) -> Headers:
    # Imported where it is needed: it brings an HTTP client.
    if not lines:
        return ()
    from streamgauge.transport import read_headers

    return read_headers(lines)
