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
_BETWEEN = b" \t\r\n,"


class Element(msgspec.Struct, frozen=True, gc=False):
    """One element of the array, as its JSON text."""

    delivered: ClassVar[bool] = True
    data: str
    type: str = ""
    span: Span = NO_SPAN


Frame: TypeAlias = Element | Unfinished | Malformed


class JSONArrayDecoder:
    """Feed it bytes as they come, cut anywhere; an element is handed out with its last brace.

    `closed` is True once the array's "]" has come.
    """

    __slots__ = ("_at", "_broken", "_buffer", "_depth", "_escaped", "_in_string", "_limit", "_offset", "closed")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self.closed = False
        self._limit = limit
        self._buffer = bytearray()  # of the element in progress
        self._at = 0  # how much of it was looked at
        self._offset = 0  # of the buffer's first byte in the stream
        self._depth = 0  # 1 inside the array, 2 inside an element
        self._in_string = False
        self._escaped = False
        self._broken = False

    def feed(self, chunk: bytes) -> list[Frame]:
        """The elements that these bytes complete."""
        out: list[Frame] = []
        if self._broken:
            return out
        self._buffer += chunk
        while self._step(out):
            pass
        if len(self._buffer) > self._limit and not self._broken:
            self._break(f"element longer than {self._limit} bytes", out)
        return out

    def eof(self) -> list[Frame]:
        """End of the bytes: what is left is an element that was cut."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        if self._depth < 2 or self._broken or not rest.strip():
            return []
        return [Unfinished(rest.decode("utf-8", "replace"), span=(self._offset, self._offset + len(rest)))]

    def _break(self, reason: str, out: list[Frame]) -> None:
        self._broken = True
        shown = excerpt(bytes(self._buffer[:400]).decode("utf-8", "replace"))
        out.append(Malformed(reason, shown, span=(self._offset, self._offset + len(self._buffer))))
        self._buffer.clear()

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._offset += size
        self._at = 0

    def _step(self, out: list[Frame]) -> bool:
        """Take one structural character, or what stands between two elements; False where bytes are wanting."""
        if self._depth < 2 and not self._in_string:
            return self._between(out)
        if self._in_string:
            return self._string()
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
        skipped = len(self._buffer) - len(self._buffer.lstrip(_BETWEEN))
        if skipped:
            self._drop(skipped)
        if not self._buffer:
            return False
        head = self._buffer[0]
        if self._depth == 0 and head == 91 and not self.closed:  # [
            self._depth = 1
            self._drop(1)
        elif self._depth == 1 and head == 93:  # ]
            self._depth, self.closed = 0, True
            self._drop(1)
        elif self._depth == 1 and head in b"{[":
            self._depth = 2
            self._at = 1
        elif self._depth == 0 and head == 123 and not self.closed:
            # An error before the stream begins is one object and no array.
            self._depth, self._at = 2, 1
        else:
            self._break("not an array of objects", out)
        return not self._broken

    def _emit(self, out: list[Frame]) -> None:
        size = self._at
        text = bytes(self._buffer[:size]).decode("utf-8", "replace")
        out.append(Element(text, span=(self._offset, self._offset + size)))
        self._drop(size)
