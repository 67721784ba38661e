"""Server-sent events by the WHATWG rules: bytes in, dispatched events and comments out, no I/O.

Source: WHATWG HTML 9.2.5 "Parsing an event stream" and 9.2.6 "Interpreting an event stream"
(https://html.spec.whatwg.org/multipage/server-sent-events.html).
"""

from __future__ import annotations

import re
from typing import TypeAlias

import msgspec

from streamgauge.events import NO_SPAN, Malformed, Span, excerpt

DEFAULT_LIMIT = 16 * 1024 * 1024
"""Bytes that one line's value, and one event's data, may have. A security limit: more is never kept."""

_FIELD_ROOM = 16  # the longest field name, its colon and space: the limit counts the value
_BOM = b"\xef\xbb\xbf"
_LF, _CR, _SPACE = 10, 13, 32  # as numbers: `13 in chunk` is ten times as fast as `b"\r" in chunk`
# "Lines must be separated by either a U+000D U+000A (CRLF) pair, a single U+000A (LF), or a single U+000D (CR)".
# One expression: two find() calls a line are quadratic when one of the two characters is absent.
_LINE_END = re.compile(rb"\r\n?|\n")
_BLANK = re.compile(rb"[\r\n]+")  # between two events blank lines say nothing, however many, wherever they are cut


class ServerSentEvent(msgspec.Struct, frozen=True, gc=False):
    """One dispatched event; `id` is the last event ID in force, `span` covers its lines and its blank line."""

    data: str
    type: str = "message"
    id: str = ""
    span: Span = NO_SPAN


class Comment(msgspec.Struct, frozen=True, gc=False):
    """A line that starts with a colon: ignored by the standard, kept here to be judged."""

    text: str
    span: Span = NO_SPAN


class Unfinished(msgspec.Struct, frozen=True, gc=False):
    """Data that was pending at the end of the bytes.

    "Once the end of the file is reached, any pending data must be discarded": nothing may deliver it, but it
    shows what was cut.
    """

    data: str
    type: str = "message"
    span: Span = NO_SPAN


Frame: TypeAlias = ServerSentEvent | Comment | Unfinished | Malformed


class SSEDecoder:
    """Feed it bytes as they come, cut anywhere; call `eof()` when they end.

    `reconnection_time` is in milliseconds, None until a valid `retry` field came.
    """

    __slots__ = (
        "_begun",
        "_data",
        "_dropping",
        "_head",
        "_id_buffer",
        "_limit",
        "_offset",
        "_plain",
        "_poisoned",
        "_skip_lf",
        "_start",
        "_tail",
        "_type",
        "last_event_id",
        "reconnection_time",
    )

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self.last_event_id = ""
        self.reconnection_time: int | None = None
        self._limit = limit
        self._offset = 0  # of the first byte that no line has used yet
        self._begun = False
        self._plain = False  # between two events, with nothing kept
        self._head = b""  # what may become a BOM
        self._tail = bytearray()  # an unfinished line; grows in place: joining bytes at each feed is quadratic
        self._skip_lf = False
        self._dropping = False  # inside a line that is over the limit
        self._poisoned = False  # inside an event that is over the limit
        self._data = bytearray()  # "append a single U+000A LINE FEED (LF) character" to each value
        self._type = b""
        self._id_buffer = ""
        self._start = -1  # offset of the first field line of the event in progress

    def feed(self, chunk: bytes) -> list[Frame]:
        """What these bytes complete, at once: an event is handed out with its blank line, not one read later."""
        if self._plain and _CR not in chunk and len(chunk) <= self._limit:
            # One event in one read: what a model server sends.
            at, end, name = 0, chunk.find(_LF), "message"
            if chunk[:6] == b"event:" and end > 0:
                name = chunk[7 if chunk[6] == _SPACE else 6 : end].decode("utf-8", "replace") or name
                at = end + 1
                end = chunk.find(_LF, at)
            if end == len(chunk) - 2 and chunk[-1] == _LF and chunk[at : at + 6] == b"data: ":
                span = (self._offset, self._offset + len(chunk))
                self._offset = span[1]
                return [ServerSentEvent(chunk[at + 6 : -2].decode("utf-8", "replace"), name, self.last_event_id, span)]
        out: list[Frame] = []
        if self._plain:
            taken = self._events(chunk, 0, out)
            if taken == len(chunk):
                return out
            chunk = chunk[taken:]
        self._feed(chunk, out)
        self._plain = self._begun and not (
            self._tail or self._start >= 0 or self._skip_lf or self._dropping or self._poisoned
        )
        return out

    def _feed(self, chunk: bytes, out: list[Frame]) -> None:
        if not self._begun:
            chunk = self._after_bom(chunk)
        if self._skip_lf and chunk:
            self._skip_lf = False
            if chunk[0] == 10:
                chunk = chunk[1:]
                self._offset += 1
        if not chunk:
            return
        if self._tail or self._dropping:
            if _LF not in chunk and _CR not in chunk:
                self._keep(chunk, out)
                return
            chunk = self._take_tail() + chunk
        pos = 0
        if self._start >= 0 or self._dropping:
            pos = self._lines(chunk, 0, out, until_idle=True)
        if pos < len(chunk):  # then nothing is kept
            pos = self._events(chunk, pos, out)
        if pos < len(chunk) and (blank := _BLANK.match(chunk, pos)):
            self._offset += blank.end() - pos
            pos = blank.end()
        if pos < len(chunk):
            self._lines(chunk, pos, out, until_idle=False)

    def eof(self) -> list[Frame]:
        """End of the bytes: at most one `Unfinished`."""
        out: list[Frame] = []
        if not self._begun and self._head:
            head, self._head, self._begun = self._head, b"", True
            self._keep(head, out)
        end = self._offset + len(self._tail)
        retry = self.reconnection_time
        if self._tail:
            line = self._take_tail()
            self._line(line, end - len(line), end, out)
        self.reconnection_time = retry  # a line without its end is discarded: "retry: 10" may be all of "1000"
        if self._data:
            out.append(Unfinished(_text(self._data[:-1]), _text(self._type) or "message", (self._start, end)))
        self._reset()
        return out

    def _after_bom(self, chunk: bytes) -> bytes:
        # "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM), if any."
        head = self._head + chunk
        if len(head) < 3 and _BOM.startswith(head):
            self._head = head
            return b""
        self._begun, self._head = True, b""
        if head.startswith(_BOM):
            self._offset += 3
            return head[3:]
        return head

    def _keep(self, piece: bytes, out: list[Frame]) -> None:
        if self._dropping:
            self._offset += len(piece)
            return
        self._tail += piece
        if len(self._tail) > self._limit + _FIELD_ROOM:
            start = self._offset
            line = self._take_tail()
            self._offset += len(line)
            self._dropping = True
            self._too_long(line, start, out)

    def _take_tail(self) -> bytes:
        tail = bytes(self._tail)
        self._tail = bytearray()
        return tail

    def _too_long(self, line: bytes, start: int, out: list[Frame]) -> None:
        # Span and excerpt end where the limit was passed, wherever the reads were cut.
        line = line[: self._limit + _FIELD_ROOM + 1]
        reason = f"line longer than {self._limit} bytes"
        out.append(Malformed(reason, excerpt(_text(line[:400])), span=(start, start + len(line))))
        if line[0] != 58:  # without a comment the event is whole
            self._poison(start)

    def _poison(self, start: int) -> None:
        self._poisoned = True
        self._data = bytearray()
        if self._start < 0:
            self._start = start

    def _reset(self) -> None:
        self._data, self._type = bytearray(), b""
        self._start, self._poisoned = -1, False

    def _events(self, chunk: bytes, pos: int, out: list[Frame]) -> int:
        """Take events of the plainest kinds, each in one step: one `data` line, perhaps an `event` line before it.

        Needs the state between two events. Returns the position of the first thing that is anything else.
        """
        if len(chunk) > self._limit:
            return pos
        eol = b"\n"
        if _CR in chunk:
            eol = b"\r\n"
            lines = chunk.count(eol)
            if chunk.count(b"\r") != lines or chunk.count(b"\n") != lines:
                return pos
        first, width, blank = eol[0], len(eol), eol + eol
        base, last_id, find, append = self._offset - pos, self.last_event_id, chunk.find, out.append
        while True:
            start = pos
            name = "message"
            field = chunk[pos : pos + 6]
            if field == b"event:":
                end = find(first, pos)
                if end < 0:
                    break
                name = chunk[pos + 7 if chunk[pos + 6] == _SPACE else pos + 6 : end].decode("utf-8", "replace") or name
                pos = end + width
                field = chunk[pos : pos + 6]
            if field == b"data: ":
                pos += 6
            elif field[:5] == b"data:":
                pos += 5
            elif pos == start and (run := _BLANK.match(chunk, pos)):
                pos = run.end()
                continue
            else:
                break
            end = find(first, pos)
            after = end + width + width
            if end < 0 or chunk[end:after] != blank:
                break
            # A span ends behind the first byte of the line end, so that it doesn't depend on the cut of a CRLF.
            span = (base + start, base + end + width + 1)
            append(ServerSentEvent(chunk[pos:end].decode("utf-8", "replace"), name, last_id, span))
            pos = after
        self._offset = base + start
        return start

    def _lines(self, chunk: bytes, pos: int, out: list[Frame], *, until_idle: bool) -> int:
        """Take lines one by one, any of the standard's forms; what is left of the last one is kept."""
        for match in _LINE_END.finditer(chunk, pos):
            line = chunk[pos : match.start()]
            start = self._offset
            end = start + match.start() - pos + 1  # behind the first byte of the line end, as in _events
            self._offset += match.end() - pos
            pos = match.end()
            if match.end() == len(chunk) and chunk[-1] == 13:
                self._skip_lf = True  # the LF of a CRLF may come with the next read
            if self._dropping:
                self._dropping = False
            elif len(line) > self._limit + _FIELD_ROOM:
                self._too_long(line, start, out)
            else:
                self._line(line, start, end, out)
            if until_idle and self._start < 0:
                return pos
        if pos < len(chunk):
            self._keep(chunk[pos:], out)
        return len(chunk)

    def _line(self, line: bytes, start: int, end: int, out: list[Frame]) -> None:
        if not line:
            self._dispatch(end, out)
            return
        if line[0] == 58:  # "If the line starts with a U+003A COLON character (:): Ignore the line."
            out.append(Comment(_text(line[1:]), (start, end)))
            return
        if self._start < 0:
            self._start = start
        # "If value starts with a U+0020 SPACE character, remove it from value."
        name, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        # "Field names must be compared literally, with no case folding performed."
        if name == b"data":
            self._add(value, start, end, out)
        elif name == b"event":
            self._type = value
        elif name == b"id":
            if b"\0" not in value:
                self._id_buffer = _text(value)
        elif name == b"retry" and value.isdigit() and len(value) < 4000:
            self.reconnection_time = int(value)

    def _add(self, value: bytes, start: int, end: int, out: list[Frame]) -> None:
        if self._poisoned:
            return
        self._data += value
        self._data += b"\n"
        if len(self._data) > self._limit + 1:
            reason = f"event longer than {self._limit} bytes"
            out.append(Malformed(reason, excerpt(_text(self._data[:400])), span=(self._start, end)))
            self._poison(start)

    def _dispatch(self, end: int, out: list[Frame]) -> None:
        # "Set the last event ID string of the event source to the value of the last event ID buffer", then
        # "If the data buffer is an empty string, set the data buffer and the event type buffer to the empty
        # string and return." A lone `data` line leaves an LF in the buffer, so that one does dispatch.
        self.last_event_id = self._id_buffer
        if self._data:
            # "If the data buffer's last character is a U+000A LINE FEED (LF) character, then remove" it.
            data = _text(self._data[:-1])
            out.append(ServerSentEvent(data, _text(self._type) or "message", self.last_event_id, (self._start, end)))
        self._reset()


def _text(data: bytes | bytearray) -> str:
    # "Streams must be decoded using the UTF-8 decode algorithm": ill-formed bytes become U+FFFD.
    return data.decode("utf-8", "replace")
