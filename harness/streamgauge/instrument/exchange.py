"""One request of the wire probe as it is received: reads with their stamps, until the message or patience ends.

What happens at each read is kept to a few lines: parse HTTP, keep the bytes. Moments are worked out and events are
decoded when the stream is over, so that neither delays what arrives meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streamgauge.dialect import Dialect
from streamgauge.events import End
from streamgauge.instrument.clocks import STEP, Ancillary, stamp_of, wall_offset
from streamgauge.instrument.response import parser
from streamgauge.measurement.calibrations import Clock
from streamgauge.trace import Arrival, Trace, TraceEnd

BODY_LIMIT = 256 * 1024 * 1024
"""Bytes of a body after which the probe disconnects: a backend that never stops must not fill the memory."""
QUIET = 1.0
"""Seconds of silence after which the probe looks whether the dialect's end has come: some servers never end the HTTP
message, and nothing more is to be waited for."""
GLANCE = 0.25
"""Seconds of silence after which it looks whether the connection is still there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds. connect: for TCP, proxy and TLS; first_event: from sending to the first bytes of the body;
    idle: between reads, and while the server takes nothing of a large request; total: from sending to the end. Past
    one of the last three a stream is `stalled`.
    """

    connect: float = 10.0
    first_event: float = 60.0
    idle: float = 30.0
    total: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What one request gave.

    sent: when its last bytes were handed to the kernel, on the clock of `time.monotonic`; the trace's times count
    from there. connect: seconds that the connection took, None for one that was kept. reconnected: a kept connection
    was closed under the request, which was sent again. lags: for each read of the body that the kernel stamped, how
    much later our process saw it, in seconds.
    """

    trace: Trace
    sent: float
    connect: float | None
    lags: tuple[float, ...]
    clock: Clock
    reconnected: bool = False


class Exchange:
    """Takes reads from a link and says when it is over.

    finished: called once. look: asks the link, in silence, whether the connection is still there.
    """

    def __init__(
        self, dialect: Dialect, timeouts: Timeouts, finished: Callable[[], None], look: Callable[[], None]
    ) -> None:
        self._dialect = dialect
        self._timeouts = timeouts
        self._finished = finished
        self._look = look
        self._parser = parser()
        self._reads: list[tuple[int, Ancillary, bytes]] = []
        self._head: tuple[int, Ancillary] | None = None
        self._offset = wall_offset()
        self._last = 0
        self._looked_at = 0
        self._size = 0
        self._touched = False
        self._timer: asyncio.TimerHandle | None = None
        self._ended_at: tuple[int, Ancillary] = (0, ())
        self.sent = 0
        self.ended: TraceEnd | None = None
        self.note = ""

    @property
    def untouched(self) -> bool:
        """Whether the connection ended before a single byte of an answer."""
        return self.ended in ("incomplete", "reset") and not self._touched

    @property
    def reusable(self) -> bool:
        """Whether the connection can carry another request."""
        return self.ended == "eof" and self._parser.reusable

    def start(self, sent: int) -> None:
        """The request was handed to the kernel at this moment (nanoseconds of `time.monotonic`)."""
        self.sent = self._last = sent
        if self.ended is None:
            self._watch()

    def read(self, data: bytes, seen: int, ancillary: Ancillary) -> None:
        """Some bytes of the message, seen at this moment."""
        pieces = self._parser.feed(data)
        self._last = seen
        self._touched = True
        if self._head is None and self._parser.status is not None:
            self._head = (seen, ancillary)
        if pieces:
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self._size += len(body)
            self._reads.append((seen, ancillary, body))
        if self._parser.complete:
            self.end("eof", seen, ancillary)
        elif self._parser.broken:
            self.end("incomplete", seen, ancillary, self._parser.broken)
        elif self._size > BODY_LIMIT:
            self.end("closed", seen, ancillary, f"disconnected after {self._size} bytes")

    def eof(self) -> None:
        """The server closed its side."""
        if self._parser.eof():
            self.end("eof", time.monotonic_ns())
        else:
            self.end("incomplete", time.monotonic_ns(), (), "the connection ended before the message did")

    def lost(self, error: OSError | None) -> None:
        """The connection broke."""
        self.end("reset", time.monotonic_ns(), (), str(error) if error else "the connection was lost")

    def end(self, how: TraceEnd, seen: int, ancillary: Ancillary = (), note: str = "") -> None:
        """Nothing more is expected; the first to say so counts."""
        if self.ended is not None:
            return
        self.ended, self.note, self._ended_at = how, note, (seen, ancillary)
        if self._timer is not None:
            self._timer.cancel()
        self._finished()

    def _watch(self) -> None:
        """Look again when patience may have ended: one timer a stream, which reads don't touch."""
        now, limits = time.monotonic_ns(), self._timeouts
        silence = limits.idle if self._reads else limits.first_event
        due = min(self._last + _ns(silence), self.sent + _ns(limits.total))
        if now >= due:
            within = self.sent + _ns(limits.total) > now
            note = f"nothing came for {silence:g} s" if within else f"not at its end after {limits.total:g} s"
            self.end("timeout", now, (), note)
            return
        if now >= self._last + _ns(GLANCE):
            self._look()
        if self._reads and now >= self._last + _ns(QUIET) and self._looked_at != self._last:
            self._looked_at = self._last
            if self._says_end():
                self.end("closed", self._last, (), "the dialect's end came, the end of the message did not")
        if self.ended is not None:
            return
        wait = min(due - now, _ns(min(GLANCE, QUIET)))
        self._timer = asyncio.get_running_loop().call_later(wait / 1e9, self._watch)

    def _says_end(self) -> bool:
        decoder = self._dialect.decoder()
        return any(isinstance(event, End) for _, _, data in self._reads for event in decoder.feed(data))

    def probed(self, request: dict[str, Any], connect: float | None, *, stamped: bool) -> Probed:
        """What was received, on one clock."""
        # A wall clock that was set meanwhile moved the stamps: what our process saw is what is left then.
        stepped = abs(wall_offset() - self._offset) > STEP * 1e9
        moments = [self._moment(seen, () if stepped else ancillary) for seen, ancillary, _ in self._reads]
        lags = [(seen - at) / 1e9 for (seen, _, _), (at, known) in zip(self._reads, moments, strict=True) if known]
        head = None if self._head is None else self._moment(*self._head)[0]
        trace = Trace(
            arrivals=tuple(
                Arrival(self._since(at), data) for (at, _), (_, _, data) in zip(moments, self._reads, strict=True)
            ),
            status=self._parser.status,
            headers=self._parser.headers if self._head else None,
            headers_at=None if head is None else self._since(head),
            ended=self.ended or "closed",
            ended_at=self._since(self._moment(*self._ended_at)[0]),
            request=request,
            timed=True,
            note=self.note,
        )
        clock: Clock = "kernel receive timestamps" if stamped and not stepped else "monotonic at read"
        return Probed(trace=trace, sent=self.sent / 1e9, connect=connect, lags=tuple(lags), clock=clock)

    def _moment(self, seen: int, ancillary: Ancillary) -> tuple[int, bool]:
        """When a read arrived, in nanoseconds of `time.monotonic`, and whether the kernel says so."""
        stamp = stamp_of(ancillary)
        if stamp is None:
            return seen, False
        return min(stamp - self._offset, seen), True

    def _since(self, at: int) -> float:
        return (at - self.sent) / 1e9


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
