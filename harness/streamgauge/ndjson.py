"""Newline-delimited JSON: one value a line, no I/O.

Source: ndjson-spec (https://github.com/ndjson/ndjson-spec): each text is followed by a newline (LF), which may be
preceded by CR; empty lines may be ignored.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import msgspec

from streamgauge.events import NO_SPAN, Malformed, Span, excerpt
from streamgauge.sse import DEFAULT_LIMIT, Unfinished
from streamgauge.wire import Undecodable, parse

_BOM = b"\xef\xbb\xbf"  # RFC 8259 8.1: not to be sent, but a reader may ignore it


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line that is not empty, without its line end."""

    delivered: ClassVar[bool] = True
    data: str
    type: str = ""
    span: Span = NO_SPAN


Frame: TypeAlias = Line | Unfinished | Malformed


class NDJSONDecoder:
    """Feed it bytes as they come, cut anywhere; call `eof()` when they end."""

    __slots__ = ("_dropping", "_limit", "_offset", "_tail", "_tail_size")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._offset = 0  # of the first byte that no line has used yet
        self._tail: list[bytes] = []  # an unfinished line, in pieces: joining at each feed is quadratic
        self._tail_size = 0
        self._dropping = False

    def feed(self, chunk: bytes) -> list[Frame]:
        """The lines that these bytes complete."""
        out: list[Frame] = []
        *lines, rest = chunk.split(b"\n")
        if lines:
            if self._dropping:
                self._offset += len(lines.pop(0)) + 1
                self._dropping = False
            elif self._tail:
                lines[0] = b"".join([*self._tail, lines[0]])
                self._tail, self._tail_size = [], 0
            for line in lines:
                self._line(line, len(line) + 1, out)
        if rest:
            self._keep(rest, out)
        return out

    def eof(self) -> list[Frame]:
        """End of the bytes: a last line without its LF counts if it is whole JSON, else it was cut."""
        out: list[Frame] = []
        line = b"".join(self._tail)
        self._tail, self._tail_size = [], 0
        if line.strip() and not self._dropping:
            span = (self._offset, self._offset + len(line))
            text = (line.removeprefix(_BOM) if span[0] == 0 else line).decode("utf-8", "replace")
            whole = not isinstance(parse(text), Undecodable)
            out.append(Line(text, span=span) if whole else Unfinished(text, span=span))
        return out

    def _line(self, line: bytes, size: int, out: list[Frame]) -> None:
        start = self._offset
        self._offset += size
        if len(line) > self._limit:
            self._too_long(line, start, out)
        elif line and line != b"\r":
            if start == 0:
                line = line.removeprefix(_BOM)
            text = line.removesuffix(b"\r").decode("utf-8", "replace")
            out.append(Line(text, span=(start, self._offset)))

    def _keep(self, piece: bytes, out: list[Frame]) -> None:
        if self._dropping:
            self._offset += len(piece)
            return
        self._tail.append(piece)
        self._tail_size += len(piece)
        if self._tail_size > self._limit:
            line = b"".join(self._tail)
            self._tail, self._tail_size = [], 0
            start = self._offset
            self._offset += len(line)
            self._dropping = True
            self._too_long(line, start, out)

    def _too_long(self, line: bytes, start: int, out: list[Frame]) -> None:
        shown = excerpt(line[: min(400, self._limit + 1)].decode("utf-8", "replace"))
        out.append(Malformed(f"line longer than {self._limit} bytes", shown, span=(start, start + self._limit + 1)))
