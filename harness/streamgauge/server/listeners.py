"""Where the replay server listens: one port of its own, and one more for each other kind that a script needs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count

from streamgauge.script import Certificate, Transport
from streamgauge.server.certificates import server_context
from streamgauge.server.connection import ServerConnection
from streamgauge.server.http2 import HTTP2Connection
from streamgauge.server.ledger import Planner, Refuser
from streamgauge.server.tls import Alive, TLSProtocol

HOST = "127.0.0.1"
BACKLOG = 1024
NO_SUCH_HOST = "no-such-host.invalid"
"""A name that no resolver knows (RFC 6761 6.4)."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a listener speaks; http2: whether ALPN offers it. Cleartext HTTP/2 needs no listener of its own."""

    certificate: Certificate = ""
    http2: bool = False


@dataclass(slots=True)
class Listeners:
    """Opened when they are needed; all connections of all of them are in `alive`. `own` is the server's own kind."""

    plan: Planner
    refuse: Refuser
    own: Kind = Kind()
    alive: set[Alive] = field(default_factory=set)
    _ports: dict[Kind, int] = field(default_factory=dict)
    _servers: list[asyncio.Server] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _deaf: socket.socket | None = None

    async def open(self, kind: Kind, port: int = 0) -> int:
        """The port of a kind; listens there from now on. Raises OSError where that can't be had.

        A cancellation leaves nothing behind: what is open stands in the list before this waits for the first time.
        """
        if kind not in self._ports:
            server = await bound(self._maker(kind), port)
            self._servers.append(server)
            self._ports[kind] = server.sockets[0].getsockname()[1]
            await server.start_serving()
        return self._ports[kind]

    def _maker(self, kind: Kind) -> Callable[[], asyncio.Protocol]:
        if not kind.certificate:
            http2 = self._http2 if find_spec("h2") else None
            return lambda: ServerConnection(next(self._numbers), self.plan, self.refuse, self.alive, http2)
        context = server_context(kind.certificate, http2=kind.http2)
        return lambda: TLSProtocol(context, self._agreed, self.alive)

    def _agreed(self, http2: bool) -> asyncio.Protocol:
        if http2:
            return self._http2()
        return ServerConnection(next(self._numbers), self.plan, self.refuse, self.alive)

    def _http2(self) -> asyncio.Protocol:
        return HTTP2Connection(next(self._numbers), self.plan, self.alive)

    def kind_of(self, transport: Transport) -> Kind:
        """The kind of listener that a script needs; the server's own where it needs none."""
        if not transport.certificate:
            return self.own
        return Kind(transport.certificate, transport.http2)

    def origin(self, kind: Kind) -> str:
        """`http://127.0.0.1:PORT` of a listener that is open."""
        return f"http{'s' if kind.certificate else ''}://{HOST}:{self._ports[kind]}"

    def nowhere(self, what: str) -> str:
        """The origin of a port that refuses (and is nobody else's as long as the server runs), or of no host."""
        if what == "host":
            return f"http://{NO_SUCH_HOST}"
        if self._deaf is None:
            self._deaf = socket.socket()
            self._deaf.bind((HOST, 0))  # bound, so that nobody takes it, but not listening
        return f"http://{HOST}:{self._deaf.getsockname()[1]}"

    async def close(self) -> None:
        """Drop every connection; returns when their tasks have ended."""
        await stop_accepting(*self._servers)
        self._servers.clear()
        self._ports.clear()
        tasks = [task for connection in self.alive for task in connection.tasks]
        for connection in tuple(self.alive):
            connection.abort()
        await asyncio.gather(*tasks, asyncio.sleep(0), return_exceptions=True)
        if self._deaf is not None:
            with closing(self._deaf):
                self._deaf = None


async def bound(maker: Callable[[], asyncio.Protocol], port: int) -> asyncio.Server:
    """A listener that accepts nothing yet; raises OSError where the port can't be had.

    It does not wait for anything, so that no cancellation comes between: `loop.create_server` with an address forgets
    a socket that listens already.
    """
    listener = socket.create_server((HOST, port), backlog=BACKLOG)
    return await asyncio.get_running_loop().create_server(maker, sock=listener, backlog=BACKLOG, start_serving=False)


async def stop_accepting(*servers: asyncio.Server) -> None:
    """Close listeners; returns when every connection that they had accepted has been made, so that it can be closed."""
    loop = asyncio.get_running_loop()
    for listener in (sock for server in servers for sock in server.sockets):
        loop.remove_reader(listener)
    try:
        for _ in range(3):  # turns of the loop from accept() to connection_made(): a task, its transport, the callback
            await asyncio.sleep(0)
    finally:
        for server in servers:
            server.close()
