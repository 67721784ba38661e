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
        if self._plain and len(chunk) <= self._limit and (event := self._single(chunk)):
            return [event]
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

    def _single(self, chunk: bytes) -> ServerSentEvent | None:
        """The event that these bytes are, where they are one of the plainest kind and nothing else.

        That is what a model server sends with one write. Needs the state between two events.
        """
        at, name = 0, "message"
        if chunk[:6] == b"event:":
            at = chunk.find(_LF) + 1
            line = chunk[7 if chunk[6:7] == b" " else 6 : at].rstrip(b"\r\n")
            name = line.decode("utf-8", "replace") or name
        width, lines = 1, 2 if at else 1
        if _CR in chunk:
            width = 2
            if chunk.count(_CR) != lines + 1 or chunk[-4:] != b"\r\n\r\n" or (at and chunk[at - 2] != _CR):
                return None
        end = len(chunk) - 2 * width
        # The first line end behind `data` is that of the blank line: then nothing else is in these bytes.
        if chunk.find(_LF, at) != end + width - 1 or chunk[-1] != _LF or chunk[at : at + 6] != b"data: ":
            return None
        start = self._offset
        self._offset += len(chunk)
        data = chunk[at + 6 : end].decode("utf-8", "replace")
        return ServerSentEvent(data, name, self.last_event_id, (start, start + end + width + 1))

    def _events(self, chunk: bytes, pos: int, out: list[Frame]) -> int:
        """Take events of the plainest kinds, each in one step: one `data` line, perhaps an `event` line before it.

        Needs the state between two events. Returns the position of the first thing that is anything else.
        """
        if len(chunk) > self._limit:
            return pos
        crlf, ascii_only = _CR in chunk, chunk.isascii()
        eol = "\r\n" if crlf else "\n"
        gap = 2 * len(eol)
        behind = len(eol) + 1  # a span ends behind the first byte of the line end: no cut of a CRLF changes it
        base = start = self._offset
        last_id, append = self.last_event_id, out.append
        # A block ends at a blank line; with no other line end in its lines it is what it looks like. Nothing has to be
        # decoded in ASCII, as most is, that is read as text at once.
        *blocks, _ = chunk[pos:].decode("latin-1").split(eol + eol)
        for block in blocks:
            name = "message"
            if block[:6] == "data: ":
                data = block[6:]
            elif block[:6] == "event:":
                line, _, data = block.partition(eol)
                if data[:5] != "data:" or (crlf and ("\r" in line or "\n" in line)):
                    break
                name = line[7 if line[6:7] == " " else 6 :] or name
                data = data[6:] if data[5:6] == " " else data[5:]
            elif block[:5] == "data:":
                data = block[5:]
            elif block[:1] in ("", "\r", "\n"):  # more blank lines, which say nothing, perhaps before an event
                bare = block.lstrip("\r\n")
                self._offset = start + len(block) - len(bare) + (0 if bare else gap)
                if bare and not self._events((bare + eol + eol).encode("latin-1"), 0, out):
                    break
                start = self._offset
                continue
            else:
                break
            if "\n" in data or (crlf and "\r" in data):
                break
            if not ascii_only:
                name, data = _utf8(name), _utf8(data)
            end = start + len(block)
            append(ServerSentEvent(data, name, last_id, (start, end + behind)))
            start = end + gap
        self._offset = start
        return pos + start - base

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


def _utf8(text: str) -> str:
    """The text of bytes that were read as Latin-1, each a character."""
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "replace")


def _text(data: bytes | bytearray) -> str:
    # "Streams must be decoded using the UTF-8 decode algorithm": ill-formed bytes become U+FFFD.
    return data.decode("utf-8", "replace")
