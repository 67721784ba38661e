"""One answer while it comes: the bytes go on to whoever asked, and a reader keeps what they mean."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast
from urllib.parse import urlsplit

from streamgauge.errors import StreamgaugeError
from streamgauge.recorder.response import ResponseReader
from streamgauge.trace import Arrival, Headers, Trace, TraceEnd
from streamgauge.transport import is_loopback, join_url, unreachable

BACKLOG = 1024 * 1024
"""Bytes that may wait in a peer's inbox before it is read no further."""
CONNECT_TIMEOUT = 30.0
HAPPY_EYEBALLS = 0.25
"""Seconds until the next address of a host is tried beside the last: "Connection Attempt Delay" (RFC 8305 5)."""


class Peer(asyncio.Protocol):
    """One side of a connection: each read with its time, and how it ended.

    A stream reader would do, but it forgets what it has buffered when a reset comes.
    """

    def __init__(self, connected: Callable[[Peer], None] | None = None) -> None:
        self._connected = connected
        self._reads: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._wake = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self.ended: TraceEnd | None = None
        self.over = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Nothing waits in our own buffer: a reset would lose it, and a slow client would not slow the server down.
        self._transport.set_write_buffer_limits(high=0)
        if self._connected is not None:
            self._connected(self)

    def data_received(self, data: bytes) -> None:
        self._reads.append((perf_counter(), data))
        self._size += len(data)
        if self._size > BACKLOG:
            self._transport.pause_reading()
        self._wake.set()

    def eof_received(self) -> None:
        self._over("incomplete")

    def connection_lost(self, exc: Exception | None) -> None:
        self._over("reset" if isinstance(exc, ConnectionError) else "incomplete")

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _over(self, how: TraceEnd) -> None:
        self.ended = self.ended or how
        self.over.set()
        self._wake.set()
        self._writable.set()

    async def read(self) -> tuple[float, bytes] | None:
        """The next read with its time (`perf_counter` seconds); None when the peer has ended."""
        while not self._reads:
            if self.ended:
                return None
            self._wake.clear()
            await self._wake.wait()
        at, data = self._reads.popleft()
        before, self._size = self._size, self._size - len(data)
        if before > BACKLOG >= self._size:
            self._transport.resume_reading()
        return at, data

    async def send(self, data: bytes) -> None:
        """Hand bytes to the kernel; what a peer that has gone would get is dropped."""
        if not self._transport.is_closing():
            self._transport.write(data)
            await self._writable.wait()

    def close(self) -> None:
        """End the connection in order, behind what is still to be sent."""
        self._transport.close()

    def drop(self) -> None:
        """End the connection now, whatever is still to be sent."""
        self._transport.abort()

    def reset(self) -> None:
        """End the connection with RST."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._transport.abort()


@dataclass(frozen=True, slots=True)
class Upstream:
    """The server that is recorded, by its base URL."""

    base_url: str

    def __post_init__(self) -> None:
        join_url(self.base_url, "/")  # raises StreamgaugeError for what is no URL
        if urlsplit(self.base_url).query:
            raise StreamgaugeError("a base URL has no query: give keys with the requests, or as --api-key")

    @property
    def path(self) -> str:
        return urlsplit(self.base_url).path.rstrip("/")

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).hostname or ""

    @property
    def host_header(self) -> str:
        return urlsplit(self.base_url).netloc.rpartition("@")[2]

    async def connect(self) -> Peer:
        """A new connection; raises UnreachableError."""
        url = urlsplit(self.base_url)
        secure = ssl.create_default_context() if url.scheme == "https" else None
        port = url.port or (443 if secure else 80)
        loop = asyncio.get_running_loop()
        # Where there are several addresses to race for; asyncio forgets the winner's socket when a race is cancelled.
        delay = None if is_loopback(self.base_url) else HAPPY_EYEBALLS
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                _, peer = await loop.create_connection(Peer, self.host, port, ssl=secure, happy_eyeballs_delay=delay)
        except OSError as error:  # TimeoutError is one
            raise unreachable(self.base_url, error) from None
        return peer


class Tap:
    """What is known of one answer so far. Times are in seconds since the request was sent."""

    def __init__(self, method: str = "POST") -> None:
        self.reader = ResponseReader(method)
        self._start = perf_counter()
        self._arrivals: list[Arrival] = []
        self._headers_at: float | None = None
        self._ended: TraceEnd | None = None
        self._ended_at = 0.0

    def started(self) -> None:
        """The request has been handed to the kernel."""
        self._start = perf_counter()

    def feed(self, at: float, data: bytes) -> None:
        """One read; one arrival for each chunk in it, and for the part of a chunk that the read ends in."""
        seconds = round(at - self._start, 6)
        pieces = self.reader.feed(data)
        if self._headers_at is None and self.reader.status is not None:
            self._headers_at = seconds
        self._arrivals += (Arrival(seconds, piece) for piece in pieces)
        if self.reader.complete:
            self._end("eof", seconds)

    def finish(self, how: TraceEnd) -> None:
        """The connection ended, by FIN ("incomplete"), by RST or by us, unless the response did before."""
        if how == "incomplete" and self.reader.eof():
            how = "eof"
        self._end(how, round(perf_counter() - self._start, 6))

    def _end(self, how: TraceEnd, at: float) -> None:
        if self._ended is None:
            self._ended, self._ended_at = how, at

    @property
    def body(self) -> bytes:
        return b"".join(a.data for a in self._arrivals)

    def trace(self, body: bytes, headers: Headers, request: Any) -> Trace:
        """The trace, with what may be kept of body (of the same length), headers and request."""
        arrivals = []
        at = 0
        for arrival in self._arrivals:
            arrivals.append(Arrival(arrival.at, body[at : at + len(arrival.data)]))
            at += len(arrival.data)
        return Trace(
            arrivals=tuple(arrivals),
            status=self.reader.status,
            headers=headers,
            headers_at=self._headers_at,
            ended=self._ended or "closed",
            ended_at=self._ended_at,
            request=request if isinstance(request, dict) else None,
            timed=True,
        )


async def exchange(
    upstream: Upstream, request: bytes, tap: Tap, relay: Callable[[bytes], Awaitable[None]] | None = None
) -> Peer:
    """Send one request and tap its answer, each read passed to `relay` as it comes.

    Returns the upstream's side of the connection, which is closed. When it is cancelled the tap has ended as
    "closed". Raises UnreachableError where there is no connection.
    """
    peer = await upstream.connect()
    try:
        await peer.send(request)
        tap.started()
        while not tap.reader.complete:
            got = await peer.read()
            if got is None:
                tap.finish(peer.ended or "incomplete")
                break
            tap.feed(*got)
            if relay is not None:
                await relay(got[1])
    except asyncio.CancelledError:
        tap.finish("closed")
        raise
    finally:
        peer.drop()  # in order, it would wait until a server has read a request that it has answered, or never will
    return peer
