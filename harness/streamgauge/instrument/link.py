"""Connections of the wire probe: plain TCP read with `recvmsg`, and TLS through the loop's own transport.

Plain reads carry the kernel's stamp where the platform has one. What comes out of TLS has lost it: it has the time at
which our process saw it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import select
import socket
import ssl
import time
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Protocol, cast

import httpx2

from streamgauge.instrument.clocks import ANCILLARY, stamping
from streamgauge.instrument.exchange import Exchange
from streamgauge.instrument.proxies import Proxy
from streamgauge.recorder.response import ResponseReader

READ = 64 * 1024
"""Bytes of one read at most."""


class Link(Protocol):
    """One connection. `exchange` is what takes its reads; None while it is kept for the next request."""

    exchange: Exchange | None
    stamped: bool
    alive: bool

    async def send(self, data: bytes) -> int: ...
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

    async def send(self, data: bytes) -> int:
        """Send everything; the moment at which the last bytes were handed to the kernel."""
        at = time.monotonic_ns()
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            at = time.monotonic_ns()
            await self._loop.sock_sendall(self._socket, data[sent:])
        return at

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

    async def send(self, data: bytes) -> int:
        """Send everything; the moment at which it was handed to the loop."""
        at = time.monotonic_ns()
        self._transport.write(data)
        return at

    def look(self) -> None:
        """The transport tells by itself."""

    def close(self) -> None:
        self.alive = False
        self._transport.abort()


async def connect(endpoint: Endpoint) -> Link:
    """A connection to where requests go, through the proxy and TLS where there are any.

    Raises OSError (ssl.SSLError is one) where it does not come about.
    """
    where = (endpoint.proxy.host, endpoint.proxy.port) if endpoint.proxy else (endpoint.host, endpoint.port)
    sock = await _tcp(*where)
    try:
        if endpoint.tls and endpoint.proxy:
            await _tunnel(sock, endpoint, endpoint.proxy)
        if not endpoint.tls and hasattr(sock, "recvmsg"):
            return PlainLink(sock)
        context = _context() if endpoint.tls else None
        _, link = await asyncio.get_running_loop().create_connection(
            StreamLink, sock=sock, ssl=context, server_hostname=endpoint.host if endpoint.tls else None
        )
    except BaseException:
        sock.close()
        raise
    return link


def _context() -> ssl.SSLContext:
    return _trusting(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _trusting(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Made once for what is trusted: to read the authorities takes tens of milliseconds, in which no stream is read."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _tcp(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    failure: OSError = OSError(f"no address for {host}")
    for family, kind, number, _, address in await _addresses(host, port):
        sock = socket.socket(family, kind, number)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stamping(sock)  # before the first packet of an answer can come
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


async def _addresses(host: str, port: int) -> list[tuple[int, int, int, str, tuple[object, ...]]]:
    with contextlib.suppress(OSError):  # no thread for an address that needs no resolver
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return cast("list[tuple[int, int, int, str, tuple[object, ...]]]", found)
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return cast("list[tuple[int, int, int, str, tuple[object, ...]]]", found)


async def _tunnel(sock: socket.socket, endpoint: Endpoint, proxy: Proxy) -> None:
    """Ask a proxy for a tunnel (RFC 9110 9.3.6); raises OSError where it refuses."""
    where = f"{endpoint.host}:{endpoint.port}"
    login = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
    loop, head = asyncio.get_running_loop(), ResponseReader("HEAD")
    await loop.sock_sendall(sock, f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n{login}\r\n".encode())
    while head.status is None and not head.broken:
        data = await loop.sock_recv(sock, 1)  # not a byte of what follows belongs to us
        if not data:
            break
        head.feed(data)
    if head.status is None or not 200 <= head.status < 300:
        said = f"status {head.status}" if head.status else "no answer"
        raise OSError(f"the proxy {proxy.host}:{proxy.port} opens no tunnel to {where}: {said}")
