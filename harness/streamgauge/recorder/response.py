"""An HTTP/1.1 response out of a connection's bytes: head, body without its transfer coding, and where it ends. No I/O.

The recorder passes the bytes on as they are and keeps what this reader makes of them. Source: RFC 9112. What can't
be read is `broken`, never an exception: it is the server's doing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from streamgauge.trace import Headers

HEAD_LIMIT = 64 * 1024
LINE_LIMIT = 8 * 1024
"""Bytes of a head and of a line of the chunked coding; past them a response is broken."""

Framing = Literal["none", "length", "chunked", "close"]


class BodyReader:
    """Body bytes out of message bytes: `feed` gives the pieces of one read, cut where chunks end.

    complete: the message has ended, nothing behind it is read. broken: why the bytes are no message.
    """

    def __init__(self, framing: Framing, length: int = 0) -> None:
        self._framing = framing
        self._left = length
        self._line = b""
        self._state: Literal["size", "data", "data-end", "trailer"] = "size"
        self.complete = framing == "none" or (framing == "length" and length == 0)
        self.broken = ""

    def feed(self, data: bytes) -> list[bytes]:
        if self.complete or self.broken:
            return []
        match self._framing:
            case "chunked":
                return list(self._chunks(data))
            case "length":
                piece = data[: self._left]
                self._left -= len(piece)
                self.complete = self._left == 0
                return [piece]
            case _:
                return [data]

    def eof(self) -> bool:
        """Whether the message may end where the connection does."""
        self.complete = self.complete or (self._framing == "close" and not self.broken)
        return self.complete

    def _chunks(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data) and not (self.complete or self.broken):
            if self._state == "data":
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = "data-end"
                yield piece
                continue
            end = data.find(b"\n", at)
            stop = len(data) if end < 0 else end + 1
            self._line += data[at:stop]
            at = stop
            if len(self._line) > LINE_LIMIT:
                self.broken = f"a line of the chunked coding is longer than {LINE_LIMIT} bytes"
            elif end >= 0:
                line, self._line = self._line.rstrip(b"\r\n"), b""
                self._control(line)

    def _control(self, line: bytes) -> None:
        match self._state:
            case "size":
                self._size(line.partition(b";")[0].strip())
            case "data-end" if line:
                self.broken = f"no line end behind a chunk: {line[:40]!r}"
            case "data-end":
                self._state = "size"
            case _:
                self.complete = not line

    def _size(self, digits: bytes) -> None:
        if not digits or digits.strip(b"0123456789abcdefABCDEF") or len(digits) > 16:
            self.broken = f"no chunk size: {digits[:40]!r}"
            return
        self._left = int(digits, 16)
        self._state = "data" if self._left else "trailer"


class ResponseReader:
    """The final response to one request, interim (1xx) ones skipped; `status` is None until its head has come."""

    def __init__(self, method: str = "POST") -> None:
        self._method = method
        self._buffer = b""
        self._body: BodyReader | None = None
        self._broken = ""
        self._version = ""
        self.status: int | None = None
        self.headers: Headers = ()

    @property
    def complete(self) -> bool:
        return self._body is not None and self._body.complete

    @property
    def broken(self) -> str:
        return self._broken or (self._body.broken if self._body else "")

    @property
    def reusable(self) -> bool:
        """Whether another response can follow on the connection (RFC 9112 9.3)."""
        if not self.complete or self._delimited_by_end():
            return False
        options = {option.strip().lower() for option in self.header("connection").split(",")}
        return "close" not in options and (self._version != "HTTP/1.0" or "keep-alive" in options)

    def header(self, name: str) -> str:
        """The values of a field joined with ", "; "" where there is none."""
        return ", ".join(value for field, value in self.headers if field.lower() == name)

    def feed(self, data: bytes) -> list[bytes]:
        """The body pieces of one read."""
        while self._body is None and not self._broken:
            self._buffer += data
            raw, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                if len(self._buffer) > HEAD_LIMIT:
                    self._broken = f"the head is longer than {HEAD_LIMIT} bytes"
                return []
            self._buffer, data = b"", rest
            try:
                self._head(raw)
            except ValueError as error:
                self._broken = str(error)
        return [piece for piece in self._body.feed(data) if piece] if self._body else []

    def eof(self) -> bool:
        """Whether the response may end where the connection does."""
        return self._body is not None and self._body.eof()

    def _head(self, raw: bytes) -> None:
        first, *lines = raw.decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        code = rest[:3]
        if not version.startswith("HTTP/1.") or not (len(code) == 3 and code.isascii() and code.isdigit()):
            raise ValueError(f"no HTTP/1 status line: {first[:80]!r}")
        if 100 <= int(code) < 200 and int(code) != 101:
            return
        fields = [line.partition(":") for line in lines]
        if any(not colon for _, colon, _ in fields):
            raise ValueError("a header line without a colon")
        self._version = version
        self.headers = tuple((name.strip(), value.strip(" \t")) for name, _, value in fields)
        self.status = int(code)
        self._body = BodyReader(*self._framing())

    def _framing(self) -> tuple[Framing, int]:
        """How the body is delimited (RFC 9112 6.3)."""
        if self._method == "HEAD" or self.status in (101, 204, 304):
            return "none", 0
        coding = self.header("transfer-encoding").lower()
        if coding.rpartition(",")[2].strip() == "chunked":
            return "chunked", 0
        lengths = {part.strip() for part in self.header("content-length").split(",") if part.strip()}
        if coding or not lengths:
            return "close", 0
        length = lengths.pop()
        if lengths or not (length.isascii() and length.isdigit() and len(length) < 19):
            raise ValueError(f"a Content-Length of {self.header('content-length')[:40]!r}")
        return "length", int(length)

    def _delimited_by_end(self) -> bool:
        try:
            return self.status == 101 or self._framing()[0] == "close"
        except ValueError:
            return True
