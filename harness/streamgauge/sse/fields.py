"""Lines to events: WHATWG HTML 9.2.6 "Interpreting an event stream", one line after the other."""

from __future__ import annotations

from streamgauge.events import Malformed, excerpt
from streamgauge.sse.frames import Comment, Frame, ServerSentEvent, Unfinished, decoded


class Fields:
    """What the lines so far come to: the event in progress, the last event ID, the reconnection time.

    `start` is the offset of the first field line of the event in progress, -1 between two events.
    """

    __slots__ = ("_data", "_id_buffer", "_limit", "_poisoned", "_type", "last_event_id", "reconnection_time", "start")

    def __init__(self, limit: int) -> None:
        self.last_event_id = ""
        self.reconnection_time: int | None = None
        self.start = -1
        self._limit = limit
        self._data = bytearray()  # "append a single U+000A LINE FEED (LF) character" to each value
        self._type = b""
        self._id_buffer = ""
        self._poisoned = False  # inside an event that is over the limit

    def line(self, line: bytes, start: int, end: int, out: list[Frame]) -> None:
        """Take one line, without its line end; start and end are those of its span."""
        if not line:
            self._dispatch(end, out)
            return
        if line[0] == 58:  # "If the line starts with a U+003A COLON character (:): Ignore the line."
            out.append(Comment(decoded(line[1:]), (start, end)))
            return
        if self.start < 0:
            self.start = start
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
                self._id_buffer = decoded(value)
        elif name == b"retry" and value.isdigit() and len(value) < 4000:
            self.reconnection_time = int(value)

    def poison(self, start: int) -> None:
        """Give up the event in progress, of which a part is over the limit: no event is made of the rest."""
        self._poisoned = True
        self._data = bytearray()
        if self.start < 0:
            self.start = start

    def eof(self, line: bytes, start: int, end: int, out: list[Frame]) -> None:
        """End of the bytes, in the middle of this line: what it leaves unfinished."""
        retry = self.reconnection_time
        if line:
            self.line(line, start, end, out)
        self.reconnection_time = retry  # a line without its end is discarded: "retry: 10" may be all of "1000"
        if self._data:
            out.append(Unfinished(decoded(self._data[:-1]), decoded(self._type) or "message", (self.start, end)))
        self._reset()

    def _add(self, value: bytes, start: int, end: int, out: list[Frame]) -> None:
        if self._poisoned:
            return
        self._data += value
        self._data += b"\n"
        if len(self._data) > self._limit + 1:
            reason = f"event longer than {self._limit} bytes"
            out.append(Malformed(reason, excerpt(decoded(self._data[:400])), span=(self.start, end)))
            self.poison(start)

    def _dispatch(self, end: int, out: list[Frame]) -> None:
        # "Set the last event ID string of the event source to the value of the last event ID buffer", then
        # "If the data buffer is an empty string, set the data buffer and the event type buffer to the empty
        # string and return." A lone `data` line leaves an LF in the buffer, so that one does dispatch.
        self.last_event_id = self._id_buffer
        if self._data:
            # "If the data buffer's last character is a U+000A LINE FEED (LF) character, then remove" it.
            data, name = decoded(self._data[:-1]), decoded(self._type) or "message"
            out.append(ServerSentEvent(data, name, self.last_event_id, (self.start, end)))
        self._reset()

    def _reset(self) -> None:
        self._data, self._type = bytearray(), b""
        self.start, self._poisoned = -1, False
