"""TLS below HTTP: bytes of a connection in, text of requests out, and the reverse.

Not the event loop's TLS: that one announces every end, joins records as it likes, and buffers what was handed over,
while scripts say how large a record is, whether the end is announced, and when a byte was sent.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Protocol, cast

from streamgauge.script import Transport

READ = 64 * 1024


class Alive(Protocol):
    """A connection, as the server that ends it sees it; `tasks` are what has to end with it."""

    @property
    def tasks(self) -> Collection[asyncio.Task[None]]: ...
    def abort(self) -> None:
        """Drop the connection without ceremony."""


class TLSTransport(asyncio.Transport):
    """What an HTTP connection writes to. record_size, close_notify: see `streamgauge.script.Transport`."""

    def __init__(self, below: asyncio.Transport, tls: ssl.SSLObject, outgoing: ssl.MemoryBIO) -> None:
        super().__init__()
        self._below = below
        self._tls = tls
        self._outgoing = outgoing
        self.record_size = 0
        self.close_notify = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._below.is_closing():
            return
        size = self.record_size or len(data)
        for at in range(0, len(data), size or 1):
            self._tls.write(data[at : at + size])
        self._below.write(self._outgoing.read())

    def close(self) -> None:
        """End the connection, announced or not."""
        self._announce()
        self._below.close()

    def write_eof(self) -> None:
        """End what we send, announced or not; what the client sends is still read."""
        self._announce()
        self._below.write_eof()

    def can_write_eof(self) -> bool:
        return True

    def _announce(self) -> None:
        if self.close_notify and not self._below.is_closing():
            with suppress(ssl.SSLError):  # ours is written; the client's announcement is not waited for
                self._tls.unwrap()
            self._below.write(self._outgoing.read())

    def abort(self) -> None:
        self._below.abort()

    def is_closing(self) -> bool:
        return self._below.is_closing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._below.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._below.get_extra_info(name, default)


def prepare(transport: asyncio.Transport, wanted: Transport) -> None:
    """What a script says about the connection that it is played on."""
    if isinstance(transport, TLSTransport):
        transport.record_size = wanted.record_size
        transport.close_notify = wanted.close_notify
    if wanted.send_buffer:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, wanted.send_buffer)


class TLSProtocol(asyncio.Protocol):
    """The handshake, then a connection of the protocol that it agreed on: `choose` makes it, knowing whether that is
    HTTP/2. A client that breaks off, because it does not like the certificate, is not heard of again."""

    tasks: tuple[asyncio.Task[None], ...] = ()

    def __init__(self, context: ssl.SSLContext, choose: Callable[[bool], asyncio.Protocol], alive: set[Alive]) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._choose = choose
        self._above: asyncio.Protocol | None = None
        self._alive = alive

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._below = cast("asyncio.Transport", transport)
        self._alive.add(self)

    def abort(self) -> None:
        """Drop the connection without ceremony."""
        self._below.abort()

    def data_received(self, data: bytes) -> None:
        self._incoming.write(data)
        try:
            if self._above is None:
                self._shake_hands()
            if self._above is not None:
                self._read(self._above)
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError:  # an alert of the client's, or no TLS at all
            self._flush()
            self._below.close()

    def _shake_hands(self) -> None:
        self._tls.do_handshake()
        self._flush()
        self._alive.discard(self)  # from now on the connection that is chosen stands for it
        self._above = self._choose(self._tls.selected_alpn_protocol() == "h2")
        self._above.connection_made(TLSTransport(self._below, self._tls, self._outgoing))

    def _read(self, above: asyncio.Protocol) -> None:
        while data := self._tls.read(READ):
            above.data_received(data)
        above.eof_received()  # the client's close_notify
        self._below.close()

    def _flush(self) -> None:
        if not self._below.is_closing():
            self._below.write(self._outgoing.read())

    def eof_received(self) -> None:
        if self._above is not None:
            self._above.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self._alive.discard(self)
        if self._above is not None:
            self._above.connection_lost(error)

    def pause_writing(self) -> None:
        if self._above is not None:
            self._above.pause_writing()

    def resume_writing(self) -> None:
        if self._above is not None:
            self._above.resume_writing()
