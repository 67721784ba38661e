"""Headers that a caller adds to each request: how they are written, and which of their values are secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable

from streamgauge.errors import StreamgaugeError
from streamgauge.trace import Headers

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_OURS = frozenset(("accept-encoding", "connection", "content-length", "te", "trailer", "transfer-encoding", "upgrade"))
"""What a request is framed with; and a trace is of the bytes that the dialect speaks of, in no content coding."""

_OPEN = re.compile(r"accept(-\w+)?|cache-control|content-\w+|host|user-agent|.*-(version|beta)", re.IGNORECASE)
"""Fields that hold no secret. A correct answer repeats some of them: its Content-Type is what Accept asked for."""


def read_header(line: str) -> tuple[str, str]:
    """The name and the value of a header as `curl -H` takes it: `Name: value`.

    Raises StreamgaugeError for what is none, or is not the caller's to set; it never repeats a value.
    """
    name, colon, value = line.partition(":")
    value = value.strip(" \t")
    if not colon:
        raise StreamgaugeError("a header is written 'Name: value'; the one that was given has no colon")
    if not _TOKEN.fullmatch(name):
        raise StreamgaugeError("a header is written 'Name: value'; what stands before the colon is no header's name")
    if name.lower() in _OURS:
        raise StreamgaugeError(f"the header {name} is streamgauge's own to set: leave it out")
    if not value:
        raise StreamgaugeError(f"the header {name} has no value: write '{name}: value'")
    if not (value.isascii() and value.replace("\t", " ").isprintable()):
        raise StreamgaugeError(f"the value of the header {name} has characters that HTTP can't carry")
    return name, value


def read_headers(lines: Iterable[str]) -> Headers:
    """Several headers; raises StreamgaugeError as `read_header`, and where one is given twice."""
    found: dict[str, tuple[str, str]] = {}
    for name, value in map(read_header, lines):
        if name.lower() in found:
            raise StreamgaugeError(f"the header {name} is given twice: which one is it?")
        found[name.lower()] = (name, value)
    return tuple(found.values())


def merged(*groups: Iterable[tuple[str, str]]) -> Headers:
    """The headers of all groups; one of the same name, in whatever case, replaces those before it."""
    table = {name.lower(): (name, value) for group in groups for name, value in group}
    return tuple(table.values())


def secrets_in(headers: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """What must not be shown of headers that a caller added.

    Nobody knows what a gateway calls the header of its token: each value is a secret, and so is what stands behind
    its scheme, unless HTTP says that it is none.
    """
    found: set[str] = set()
    for name, value in headers:
        if _OPEN.fullmatch(name):
            continue
        found |= {value, value.rpartition(" ")[2]}
        if name.lower() == "cookie":
            found |= {part.partition("=")[2].strip() for part in value.split(";")}
    return tuple(sorted(found))
