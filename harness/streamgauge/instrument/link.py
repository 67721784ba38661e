"""Connections of the wire probe: plain TCP read with `recvmsg`, and TLS through the loop's own transport.

Plain reads carry the kernel's stamp where the platform has one. What comes out of TLS has lost it: it has the time at
which our process saw it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import select
import socket
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, cast

import httpx2

from streamgauge.instrument.clocks import ANCILLARY, stamping
from streamgauge.instrument.exchange import Exchange
from streamgauge.instrument.proxies import Proxy

READ = 64 * 1024
"""Bytes of one read at most."""


class Link(Protocol):
    """One connection. `exchange` is what takes its reads; None while it is kept for the next request."""

    exchange: Exchange | None
    stamped: bool
    alive: bool

    async def send(self, data: bytes, over: asyncio.Event, patience: float) -> int:
        """Hand everything to the kernel; the moment of the last hand-over, in nanoseconds of `time.monotonic`.

        over: set when the answer has come to its end, with which the rest of the request stays unsent and the
        connection is closed. Raises TimeoutError where the server takes nothing for `patience` seconds, OSError where
        the connection broke.
        """

    def look(self) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Endpoint:
    """Where to connect and how: the parts of a URL and the proxy on the way."""

    url: str
    proxy: Proxy | None = None

    @cached_property
    def _parsed(self) -> httpx2.URL:
        return httpx2.URL(self.url)

    @property
    def tls(self) -> bool:
        return self._parsed.scheme == "https"

    @property
    def host(self) -> str:
        return self._parsed.raw_host.decode("ascii")

    @property
    def port(self) -> int:
        return self._parsed.port or (443 if self.tls else 80)

    @property
    def authority(self) -> str:
        """What `Host` says: the port only where it is not the scheme's own."""
        return self._parsed.netloc.decode("ascii")

    @property
    def target(self) -> str:
        """The request target: absolute towards a proxy that is asked for an http URL (RFC 9112 3.2.2)."""
        path = self._parsed.raw_path.decode("ascii")
        return f"http://{self.authority}{path}" if self.proxy and not self.tls else path

    @property
    def login(self) -> str:
        """The value of Authorization where the URL names a user, else ""."""
        if not self._parsed.userinfo:
            return ""
        pair = f"{self._parsed.username}:{self._parsed.password}"
        return "Basic " + base64.b64encode(pair.encode()).decode()


class PlainLink:
    """TCP without TLS: a reader callback and `recvmsg`."""

    def __init__(self, sock: socket.socket) -> None:
        self.exchange: Exchange | None = None
        self.stamped = stamping(sock)
        self.alive = True
        self._socket = sock
        self._receive = sock.recvmsg
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._readable)

    async def send(self, data: bytes, over: asyncio.Event, patience: float) -> int:
        left = memoryview(data)
        while True:
            at = time.monotonic_ns()
            with contextlib.suppress(BlockingIOError):
                left = left[self._socket.send(left) :]
            if not left:
                return at
            await self._room(over, patience)
            if over.is_set():
                self.close()
                return at

    async def _room(self, over: asyncio.Event, patience: float) -> None:
        """Wait until the kernel takes more, or the exchange is over."""
        room, file = asyncio.Event(), self._socket.fileno()
        self._loop.add_writer(file, room.set)
        waits = [asyncio.ensure_future(event.wait()) for event in (room, over)]
        try:
            done, _ = await asyncio.wait(waits, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            if self.alive:
                self._loop.remove_writer(file)
        if not done:
            raise TimeoutError(f"the server took no more of the request for {patience:g} s")

    def look(self) -> None:
        """Read on where the connection broke: libuv stops polling at a reset, and uvloop tells nobody."""
        while self._broken():
            self._readable()  # what had come before is still there, and comes first

    def _broken(self) -> bool:
        if not self.alive:
            return False
        waiting = select.poll()
        waiting.register(self._socket, select.POLLERR | select.POLLHUP)
        return bool(waiting.poll(0))

    def close(self) -> None:
        if self.alive:
            self.alive = False
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()

    def _readable(self) -> None:
        try:
            data, ancillary, _, _ = self._receive(READ, ANCILLARY)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.close()
            if self.exchange is not None:
                self.exchange.lost(error)
            return
        exchange = self.exchange
        if data and exchange is not None:
            exchange.read(data, time.monotonic_ns(), ancillary)
            return
        self.close()  # its end, or bytes that nobody asked for
        if exchange is not None:
            exchange.eof()


class StreamLink(asyncio.Protocol):
    """A connection of the loop's own: TLS, and platforms without `recvmsg`."""

    def __init__(self) -> None:
        self.exchange: Exchange | None = None
        self.stamped = False
        self.alive = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.alive = True

    def data_received(self, data: bytes) -> None:
        seen = time.monotonic_ns()
        if self.exchange is not None:
            self.exchange.read(data, seen, ())
        else:
            self.close()

    def eof_received(self) -> None:
        self.alive = False
        if self.exchange is not None:
            self.exchange.eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self.alive = False
        if self.exchange is not None:
            self.exchange.lost(exc if isinstance(exc, OSError) else None)

    async def send(self, data: bytes, _over: asyncio.Event, _patience: float) -> int:
        """What the kernel does not take yet waits in the loop's buffer; the moment is that of the hand-over to it."""
        at = time.monotonic_ns()
        self._transport.write(data)
        return at

    def look(self) -> None:
        """The transport tells by itself."""

    def close(self) -> None:
        self.alive = False
        self._transport.abort()
