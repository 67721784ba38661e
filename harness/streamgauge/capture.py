"""Reads the bytes of one HTTP/1.1 response as they were on the wire, as a socket dump or `curl -i` keeps them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from streamgauge.trace import Arrival, Headers, Trace, TraceEnd

_STATUS = re.compile(rb"HTTP/(\d(?:\.\d)?) (\d{3})[^\r\n]*\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r\n")


def is_capture(head: bytes) -> bool:
    """Whether these first bytes are the status line of an HTTP response."""
    return _STATUS.match(head) is not None


def may_be_capture(head: bytes) -> bool:
    """Whether more bytes could make it a status line."""
    return b"HTTP/".startswith(head[:5]) and b"\n" not in head


def read_capture(raw: bytes) -> Trace:
    """The response in these bytes: status, headers, and one arrival for each chunk (RFC 9112 7.1).

    Behind a head that another follows there was none of the body: an interim response, a proxy's answer to CONNECT, a
    redirect or a challenge that curl went on from. The last head counts.

    Raises ValueError where they are not an HTTP response with its header section.
    """
    status, version, headers, body = _split(raw)
    while is_capture(body):
        status, version, headers, body = _split(body)
    fields = {n.lower(): v for n, v in headers}
    # curl -i shows the header of the chunked coding with a body that is no longer chunked.
    if "chunked" in fields.get("transfer-encoding", "").lower() and (not body or _SIZE.match(body)):
        pieces, ended = _dechunk(body)
    else:
        length = fields.get("content-length", "")
        ended = "incomplete" if length.isdigit() and len(body) < int(length) else "eof"
        pieces = [body] if body else []
    return Trace(
        arrivals=tuple(Arrival(0.0, piece) for piece in pieces),
        status=status,
        headers=headers,
        ended=ended,
        http_version=f"HTTP/{version}",
    )


def _split(raw: bytes) -> tuple[int, str, Headers, bytes]:
    status = _STATUS.match(raw)
    end = _HEAD_END.search(raw)
    if not status or not end:
        raise ValueError("not an HTTP response with its header section")
    lines = raw[status.end() : end.start()].decode("latin-1").split("\n") if end.start() > status.end() else []
    return int(status[2]), status[1].decode(), tuple(_headers(lines)), raw[end.end() :]


def _headers(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            yield name.strip(), value.strip()


def _dechunk(body: bytes) -> tuple[list[bytes], TraceEnd]:
    """The data of each chunk, and whether the last chunk came: "eof" or "incomplete"."""
    pieces: list[bytes] = []
    at = 0
    while size := _SIZE.match(body, at):
        length = int(size[1], 16)
        if length == 0:
            return pieces, "eof"
        piece = body[size.end() : size.end() + length]
        if piece:
            pieces.append(piece)
        at = size.end() + length + 2
        if at > len(body):
            break
    return pieces, "incomplete"
