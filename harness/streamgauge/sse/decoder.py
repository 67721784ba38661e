"""Bytes to lines: WHATWG HTML 9.2.5 "Parsing an event stream", cut anywhere; plain events in one step each."""

from __future__ import annotations

import re

from streamgauge.events import Malformed, excerpt
from streamgauge.sse.fields import Fields
from streamgauge.sse.frames import DEFAULT_LIMIT, Frame, ServerSentEvent, decoded
from streamgauge.sse.lead import Lead, latin_as_utf8

_PIECE = 64 * 1024  # bytes of a read that are looked at together: what is made of more of them leaves the cache
_FIELD_ROOM = 16  # the longest field name, its colon and space: the limit counts the value
_BOM = b"\xef\xbb\xbf"
_LF, _CR = 10, 13  # as numbers: `13 in chunk` is ten times as fast as `b"\r" in chunk`
# "Lines must be separated by either a U+000D U+000A (CRLF) pair, a single U+000A (LF), or a single U+000D (CR)".
# One expression: two find() calls a line are quadratic when one of the two characters is absent.
_LINE_END = re.compile(rb"\r\n?|\n")


class SSEDecoder:
    """Feed it bytes as they come, cut anywhere; call `eof()` when they end."""

    __slots__ = ("_begun", "_dropping", "_fields", "_head", "_idle", "_lead", "_limit", "_offset", "_skip_lf", "_tail")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._fields = Fields(limit)
        self._lead = Lead()
        self._offset = 0  # of the first byte that no line has used yet
        self._begun = False
        self._idle = False  # between two events, with nothing kept
        self._head = b""  # what may become a BOM
        self._tail = bytearray()  # an unfinished line; grows in place: joining bytes at each feed is quadratic
        self._skip_lf = False
        self._dropping = False  # inside a line that is over the limit

    @property
    def last_event_id(self) -> str:
        """The last event ID string, "" until an `id` field was in force."""
        return self._fields.last_event_id

    @property
    def reconnection_time(self) -> int | None:
        """The reconnection time in milliseconds, None until a valid `retry` field came."""
        return self._fields.reconnection_time

    def feed(self, chunk: bytes) -> list[Frame]:
        """What these bytes complete, at once: an event is handed out with its blank line, not one read later."""
        if self._idle and len(chunk) <= self._limit and (event := self._single(chunk)):
            return [event]
        out: list[Frame] = []
        for at in range(0, len(chunk), _PIECE):
            self._feed(chunk[at : at + _PIECE], out)
        self._idle = self._begun and not (self._tail or self._fields.start >= 0 or self._skip_lf or self._dropping)
        return out

    def eof(self) -> list[Frame]:
        """End of the bytes: at most one `Unfinished`."""
        out: list[Frame] = []
        if not self._begun and self._head:
            head, self._head, self._begun = self._head, b"", True
            self._keep(head, out)
        end = self._offset + len(self._tail)
        line = self._take_tail()
        self._fields.eof(line, end - len(line), end, out)
        return out

    def _single(self, chunk: bytes) -> ServerSentEvent | None:
        """The event that these bytes are, where they are a plain one and nothing else.

        That is what a model server sends with one write. Needs the state between two events.
        """
        lead = self._lead
        if chunk[: lead.seen] != lead.head and not lead.learn(chunk.decode("latin-1")):
            return None
        if chunk[-2:] == b"\n\n":
            data, behind = chunk[lead.at : -2], 0
        elif chunk[-4:] == b"\r\n\r\n":
            data, behind = chunk[lead.at : -4], 1  # a span ends behind the first byte of the line end, as in _lines
        else:
            return None
        if _LF in data or _CR in data:
            return None
        start = self._offset
        self._offset = end = start + len(chunk)
        text = data.decode("utf-8", "replace")
        return ServerSentEvent(text, lead.name, self._fields.last_event_id, (start, end - behind))

    def _feed(self, chunk: bytes, out: list[Frame]) -> None:
        if not self._begun:
            chunk = self._after_bom(chunk)
        if self._skip_lf and chunk:
            self._skip_lf = False
            if chunk[0] == _LF:
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
        if self._fields.start >= 0 or self._dropping:
            pos = self._lines(chunk, 0, out, until_idle=True)
        if pos < len(chunk) <= self._limit:  # then nothing is kept
            pos = self._events(chunk, pos, out)
        if rest := chunk[pos:]:
            if _LF in rest or _CR in rest:
                self._lines(rest, 0, out)
            else:
                self._keep(rest, out)

    def _events(self, chunk: bytes, pos: int, out: list[Frame]) -> int:
        """Take events up to the last blank line, those of the plain kind in one step each.

        Needs the state between two events. Returns the position behind the last blank line.
        """
        crlf, ascii_only = _CR in chunk, chunk.isascii()
        eol = "\r\n" if crlf else "\n"
        gap = 2 * len(eol)
        behind = len(eol) + 1  # a span ends behind the first byte of the line end: no cut of a CRLF changes it
        base = start = self._offset
        lead, last_id, append = self._lead, self._fields.last_event_id, out.append
        # A block ends at a blank line; with no other line end in its lines it is what it looks like. Nothing has to be
        # decoded in ASCII, as most is, that is read as text at once.
        *blocks, _ = chunk[pos:].decode("latin-1").split(eol + eol)
        for block in blocks:
            plain = block[: lead.seen] == lead.text or lead.learn(block)
            if plain and "\n" not in (data := block[lead.at :]) and not (crlf and "\r" in data):
                if not ascii_only:
                    data = latin_as_utf8(data)
                end = start + len(block)
                append(ServerSentEvent(data, lead.name, last_id, (start, end + behind)))
                start = end + gap
            else:
                self._offset = start
                self._block((block + eol + eol).encode("latin-1"), out)
                start, last_id = self._offset, self._fields.last_event_id
        self._offset = start
        return pos + start - base

    def _block(self, block: bytes, out: list[Frame]) -> None:
        """Take bytes up to a blank line that are not one plain event. Needs the state between two events."""
        bare = block.lstrip(b"\r\n")  # more blank lines say nothing
        self._offset += len(block) - len(bare)
        if len(bare) < len(block) and (event := self._single(bare)):
            out.append(event)
        elif bare:
            self._lines(bare, 0, out)

    def _lines(self, chunk: bytes, pos: int, out: list[Frame], *, until_idle: bool = False) -> int:
        """Take lines one by one, any of the standard's forms; what is left of the last one is kept."""
        for match in _LINE_END.finditer(chunk, pos):
            line = chunk[pos : match.start()]
            start = self._offset
            end = start + match.start() - pos + 1  # behind the first byte of the line end: no cut of a CRLF changes it
            self._offset += match.end() - pos
            pos = match.end()
            if pos == len(chunk) and chunk[-1] == _CR:
                self._skip_lf = True  # the LF of a CRLF may come with the next read
            if self._dropping:
                self._dropping = False
            elif len(line) > self._limit + _FIELD_ROOM:
                self._too_long(line, start, out)
            else:
                self._fields.line(line, start, end, out)
            if until_idle and self._fields.start < 0:
                return pos
        if rest := chunk[pos:]:
            self._keep(rest, out)
        return len(chunk)

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
        out.append(Malformed(reason, excerpt(decoded(line[:400])), span=(start, start + len(line))))
        if line[0] != 58:  # without a comment the event is whole
            self._fields.poison(start)
