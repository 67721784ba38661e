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
Ending = Literal["complete", "fin", "reset", "hold", "rst-stream", "goaway"]
Certificate = Literal["", "valid", "expired", "wrong-host", "self-signed"]
Coding = Literal["", "gzip", "deflate", "br", "zstd"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """Below the messages: what a script needs of the listener that it is offered on.

    certificate: "" is cleartext, "valid" is TLS for the server's host, signed by the server's own CA; the others are
    certificates that a client must refuse. record_size: bytes of text in one TLS record, 0 as many as fit.
    close_notify: whether the end of the connection is announced (RFC 8446 6.1).

    http2: over TLS it is offered by ALPN; in cleartext a client that knows of it just begins. frame_size, padding:
    bytes of body and of padding in one DATA frame, 0 as many as fit and none. error: the code of `rst-stream` and
    `goaway` (RFC 9113 7). farewell: a GOAWAY without an error behind the first piece; the stream goes on.

    send_buffer: bytes that the kernel takes on ahead of the reader, 0 as many as it likes (megabytes).

    missing: nobody listens on the port, or there is no such host.
    """

    certificate: Certificate = ""
    record_size: int = 0
    close_notify: bool = True
    http2: bool = False
    frame_size: int = 0
    padding: int = 0
    error: int = 0
    farewell: bool = False
    send_buffer: int = 0
    missing: Literal["", "port", "host"] = ""

    @property
    def reachable(self) -> bool:
        """Whether a client that checks what it must gets as far as sending its request."""
        return not self.missing and self.certificate in ("", "valid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What the client's caller does: no server can play that, whoever runs the client has to.

    before: streams that it has asked for before, on the same client; each number is the output events after which it
    left that stream, 0 where it read to the end. leaves_after: the same for the stream that counts. pause: seconds
    for which it reads nothing, behind the first output event.
    """

    before: tuple[int, ...] = ()
    leaves_after: int = 0
    pause: float = 0.0


ELSEWHERE = "{elsewhere}"
"""As the value of a header: the URL that was asked for, on the same server under another host's name."""
ONLY_READS = Caller()
ANY = Transport()
"""Cleartext HTTP/1.1, or what the server speaks by itself."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Body bytes that are handed to the kernel in one write (and are one chunk); `delay` in seconds before it."""

    data: bytes
    delay: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One answer.

    framing: chunked coding, Content-Length, or the end of the connection. ending: the proper end of the
    message; FIN without the last chunk; RST; nothing at all (the connection is held open, silent); or, over HTTP/2,
    RST_STREAM or GOAWAY, which over HTTP/1.1 are `fin`.
    head_delay: seconds before the status line; None is never. declared_length: a Content-Length that is not the
    body's. interim: status codes of 1xx answers before the real one. chunk_extension, trailers: what RFC 9112 7.1
    allows beside chunks. split_framing: chunk-size lines and the line ends of chunks come in several writes.
    coding: a content coding for clients that accept it, flushed at each piece; coding_cut: its end is missing.
    then: what the same mount plays for its next request, this script where it is None.
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
    coding: Coding = ""
    coding_cut: bool = False
    transport: Transport = ANY
    caller: Caller = ONLY_READS
    then: Script | None = None

    @property
    def body(self) -> bytes:
        return b"".join(p.data for p in self.pieces)

    @property
    def delivered(self) -> bytes:
        """What a client that keeps to the rules gets of the body: no more than the declared Content-Length, and
        nothing at all from a host that does not prove who it is."""
        if not self.transport.reachable:
            return b""
        length = self.declared_length if self.framing == "length" else None
        return self.body if length is None else self.body[:length]

    @property
    def counted(self) -> Script:
        """The script of the stream that counts: the one that comes when the caller has asked as often before."""
        script = self
        for _ in self.caller.before:
            script = script.then or script
        return script

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

    def over(self, **changes: Any) -> Script:
        """The same answer on another transport."""
        return self.but(transport=replace(self.transport, **changes))


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
