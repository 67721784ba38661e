"""What the replay server plays: one answer as pieces of bytes with delays, and how it ends. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from streamgauge.trace import Headers

if TYPE_CHECKING:
    from streamgauge.dialect import Dialect
    from streamgauge.recordings import Recording

Framing = Literal["chunked", "length", "close"]
Ending = Literal["complete", "fin", "reset", "hold"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Body bytes that are handed to the kernel in one write (and are one chunk); `delay` in seconds before it."""

    data: bytes
    delay: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One answer.

    framing: chunked coding, Content-Length, or the end of the connection. ending: the proper end of the
    message; FIN without the last chunk; RST; or nothing at all (the connection is held open, silent).
    head_delay: seconds before the status line; None is never. declared_length: a Content-Length that is not the
    body's. interim: status codes of 1xx answers before the real one. chunk_extension, trailers: what RFC 9112 7.1
    allows beside chunks. split_framing: chunk-size lines and the line ends of chunks come in several writes.
    coding: a content coding (gzip, deflate) for clients that accept it, flushed at each piece; coding_cut: its end is
    missing. then: what the same mount plays for its next request, this script where it is None.
    """

    dialect: Dialect
    pieces: tuple[Piece, ...]
    status: int = 200
    headers: Headers = ()
    framing: Framing = "chunked"
    ending: Ending = "complete"
    head_delay: float | None = 0.0
    keep_alive: bool = True
    declared_length: int | None = None
    interim: tuple[int, ...] = ()
    chunk_extension: str = ""
    trailers: Headers = ()
    split_framing: bool = False
    coding: str = ""
    coding_cut: bool = False
    then: Script | None = None

    @property
    def body(self) -> bytes:
        return b"".join(p.data for p in self.pieces)

    @property
    def delivered(self) -> bytes:
        """What a client that keeps to the framing gets of the body: no more than the declared Content-Length."""
        length = self.declared_length if self.framing == "length" else None
        return self.body if length is None else self.body[:length]

    def with_body(self, pieces: Iterable[bytes]) -> Script:
        """The same answer with other body pieces, sent without delays."""
        return replace(self, pieces=tuple(Piece(p) for p in pieces if p))

    def frames(self) -> list[bytes]:
        """The body cut into the dialect's frames; joined they are the body."""
        return self.dialect.cut(self.body)

    def edit(self, change: Callable[[list[bytes]], Iterable[bytes]]) -> Script:
        """The same answer with its frames changed: one frame a piece, without delays."""
        return self.with_body(change(self.frames()))

    def but(self, **changes: Any) -> Script:
        return replace(self, **changes)


def script_of(recording: Recording, *, speed: float | None = None) -> Script:
    """The script that plays a recording with its recorded cuts.

    speed: None sends as fast as possible; 1.0 keeps the recorded times, 2.0 halves them.
    """
    pieces = []
    last = 0.0
    for arrival in recording.trace.arrivals:
        delay = 0.0 if not speed else max(0.0, arrival.at - last) / speed
        pieces.append(Piece(arrival.data, delay))
        last = arrival.at
    dialect = recording.get_dialect()
    return Script(
        dialect=dialect,
        pieces=tuple(pieces),
        status=recording.trace.status or 200,
        headers=(("Content-Type", dialect.media_type), ("Cache-Control", "no-cache")),
    )
