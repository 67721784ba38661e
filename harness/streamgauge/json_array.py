"""One JSON array that is streamed element by element (Gemini without `alt=sse`), no I/O."""

from __future__ import annotations

import re
from typing import ClassVar, TypeAlias

import msgspec

from streamgauge.events import NO_SPAN, Malformed, Span, excerpt
from streamgauge.sse import DEFAULT_LIMIT, Unfinished

# Outside strings only these characters change what is open; inside one only its end does.
_STRUCTURE = re.compile(rb'["\[\]{}]')
_STRING_END = re.compile(rb'["\\]')
_BETWEEN = re.compile(rb"[ \t\r\n,]*")
_BOM = b"\xef\xbb\xbf"


class Element(msgspec.Struct, frozen=True, gc=False):
    """One element of the array, as its JSON text."""

    delivered: ClassVar[bool] = True
    data: str
    type: str = ""
    span: Span = NO_SPAN


Frame: TypeAlias = Element | Unfinished | Malformed


class JSONArrayDecoder:
    """Feed it bytes as they come, cut anywhere; an element is handed out with its last brace.

    `closed` is True once the array's "]" has come. One object that is no array is an element too: it is how an error
    comes before the stream begins. An element beyond the limit, in bytes, is malformed and left out.
    """

    __slots__ = (
        "_alone",
        "_at",
        "_broken",
        "_buffer",
        "_depth",
        "_dropping",
        "_escaped",
        "_in_string",
        "_limit",
        "_offset",
        "_start",
        "closed",
    )

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self.closed = False
        self._limit = limit
        self._buffer = bytearray()
        self._offset = 0  # of the buffer's first byte in the stream
        self._start = 0  # in the buffer: of the element in progress, or of what was not looked at
        self._at = 0  # in the buffer: how far the element was looked at
        self._depth = 0  # 1 inside the array, 2 inside an element
        self._in_string = False
        self._escaped = False
        self._alone = False
        self._dropping = False
        self._broken = False

    def feed(self, chunk: bytes) -> list[Frame]:
        """The elements that these bytes complete."""
        out: list[Frame] = []
        if self._broken:
            return out
        self._buffer += chunk
        while self._step(out):
            pass
        if self._depth > 1:
            self._check_size(out)
        # Bytes go once a feed: a copy of the rest for each element would be quadratic.
        del self._buffer[: self._start]
        self._offset += self._start
        self._at -= self._start
        self._start = 0
        return out

    def eof(self) -> list[Frame]:
        """End of the bytes: what is left is an element that was cut."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        if self._depth < 2 or self._broken or self._dropping:
            return []
        return [Unfinished(rest.decode("utf-8", "replace"), span=(self._offset, self._offset + len(rest)))]

    def _step(self, out: list[Frame]) -> bool:
        """Take one structural character, or what stands between two elements; False where bytes are wanting."""
        if self._broken:
            return False
        if self._in_string:
            return self._string()
        if self._depth < 2:
            return self._between(out)
        found = _STRUCTURE.search(self._buffer, self._at)
        if not found:
            self._at = len(self._buffer)
            return False
        self._at = found.end()
        match found.group():
            case b'"':
                self._in_string = True
            case b"[" | b"{":
                self._depth += 1
            case _:
                self._depth -= 1
                if self._depth == 1:
                    self._emit(out)
        return True

    def _string(self) -> bool:
        if self._escaped:
            if self._at >= len(self._buffer):
                return False
            self._at += 1
            self._escaped = False
        found = _STRING_END.search(self._buffer, self._at)
        if not found:
            self._at = len(self._buffer)
            return False
        self._at = found.end()
        if found.group() == b"\\":
            self._escaped = True
        else:
            self._in_string = False
        return True

    def _between(self, out: list[Frame]) -> bool:
        if self._offset + self._start == 0 and self._bom():
            return self._start > 0
        gap = _BETWEEN.match(self._buffer, self._start)
        self._start = self._at = gap.end() if gap else self._start
        if self._start == len(self._buffer):
            return False
        head = self._buffer[self._start]
        opens = head in b"{["
        if self._depth == 0 and opens and not self.closed:
            self._alone = head == ord("{")
            self._depth = 2 if self._alone else 1
        elif self._depth == 1 and opens:
            self._depth = 2
        elif self._depth == 1 and head == ord("]"):
            self._depth, self.closed = 0, True
        else:
            self._break(head, out)
            return False
        self._at = self._start + 1
        if self._depth < 2:
            self._start = self._at
        return True

    def _bom(self) -> bool:
        """Skip a byte order mark (RFC 8259 8.1 lets a reader ignore it); False where there is none."""
        head = self._buffer[:3]
        if head == _BOM:
            self._start = self._at = 3
        return bool(head) and _BOM.startswith(head)

    def _break(self, head: int, out: list[Frame]) -> None:
        self._broken = True
        at = self._offset + self._start
        out.append(Malformed("not an array of objects", excerpt(chr(head)), span=(at, at + 1)))
        self._start = self._at = len(self._buffer)

    def _check_size(self, out: list[Frame]) -> None:
        if not self._dropping and self._at - self._start > self._limit:
            self._dropping = True
            head = bytes(self._buffer[self._start : self._start + min(400, self._limit + 1)])
            at = self._offset + self._start
            reason = f"element longer than {self._limit} bytes"
            out.append(Malformed(reason, excerpt(head.decode("utf-8", "replace")), span=(at, at + self._limit + 1)))
        if self._dropping:
            self._start = self._at

    def _emit(self, out: list[Frame]) -> None:
        self._check_size(out)
        if not self._dropping:
            data = bytes(self._buffer[self._start : self._at]).decode("utf-8", "replace")
            out.append(Element(data, span=(self._offset + self._start, self._offset + self._at)))
        self._dropping = False
        self._start = self._at
        if self._alone:
            self._depth, self.closed = 0, True
