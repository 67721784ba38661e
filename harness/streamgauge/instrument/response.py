"""The response parser of the wire probe: httptools (llhttp, in C) where it is installed, else the recorder's reader.

Both read the same and end the same; what they can't read is `broken`, never an exception. No I/O.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Protocol

from streamgauge.recorder.response import ResponseReader
from streamgauge.trace import Headers

INSTALL = "pip install 'streamgauge[bench]'"
"""What brings httptools and uvloop."""


class Parser(Protocol):
    """Message bytes in, body pieces out: one response, interim (1xx) ones skipped."""

    status: int | None
    headers: Headers

    @property
    def complete(self) -> bool: ...
    @property
    def broken(self) -> str: ...
    @property
    def reusable(self) -> bool: ...
    def feed(self, data: bytes, /) -> list[bytes]: ...
    def eof(self) -> bool: ...


@cache
def fast() -> bool:
    """Whether httptools is installed."""
    return find_spec("httptools") is not None


def parser() -> Parser:
    """A parser for one response."""
    return HttptoolsParser() if fast() else ResponseReader()


class HttptoolsParser:
    """One response by httptools. Nothing is asked to be called at each chunk but the body's own callback."""

    def __init__(self) -> None:
        from httptools import HttpParserError, HttpResponseParser

        self._parser = HttpResponseParser(self)
        self._error = HttpParserError
        self._pieces: list[bytes] = []
        self._found: list[tuple[str, str]] = []
        self.status: int | None = None
        self.headers: Headers = ()
        self.broken = ""
        self.complete = False
        self.reusable = False

    def feed(self, data: bytes) -> list[bytes]:
        """The body pieces of one read."""
        if self.complete or self.broken:
            return []
        try:
            self._parser.feed_data(data)
        except self._error as error:
            if not self.complete:  # bytes behind the end of a message are no part of it
                self.broken = str(error) or type(error).__name__
            self.reusable = False
        pieces = self._pieces
        self._pieces = []
        return pieces

    def eof(self) -> bool:
        """Whether the response may end where the connection does: a body without a length and without chunks."""
        named = {name.lower() for name, _ in self.headers}
        if self.status is not None and not named & {"content-length", "transfer-encoding"} and not self.broken:
            self.complete = True
        return self.complete

    # What httptools calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._found.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 or status == 101:
            self.status, self.headers = status, tuple(self._found)
        self._found = []

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        if self.status is not None and not self.complete:
            self.complete = True
            self.reusable = self._parser.should_keep_alive()
