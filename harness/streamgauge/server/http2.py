"""One HTTP/2 connection of the replay server: a stream for each request, played side by side.

Source: RFC 9113. The library h2 keeps the state of the protocol; what it would refuse to send (a GOAWAY behind which
streams go on, in particular) is written as a frame of its own.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from streamgauge.script import Script
from streamgauge.server.http1 import BODY_LIMIT, Request, bodiless, offered
from streamgauge.server.http2_sending import Sending
from streamgauge.server.ledger import UNLOGGED, Ledger, Planner, Record
from streamgauge.server.log import Received, masked, masked_path, now
from streamgauge.server.tls import Alive, prepare

REFUSED_STREAM = 0x7


@dataclass(slots=True)
class _Stream:
    """One request and, once it is whole, the task that answers it."""

    number: int
    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)
    record: Record = UNLOGGED
    task: asyncio.Task[None] | None = None


class HTTP2Connection(asyncio.Protocol):
    """Answers the streams of one connection; the write buffer's limit is zero, as in HTTP/1.1."""

    def __init__(self, number: int, plan: Planner, alive: set[Alive]) -> None:
        from h2.config import H2Configuration
        from h2.connection import H2Connection

        self._number = number
        self._plan = plan
        self._alive = alive
        self._ledger = Ledger(number)
        self._streams: dict[int, _Stream] = {}
        self._state = H2Connection(
            H2Configuration(client_side=False, header_encoding="latin-1", validate_outbound_headers=False)
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport.set_write_buffer_limits(high=0)
        self._sending = Sending(self._state, self._transport, self._ledger)
        self._alive.add(self)
        self._state.initiate_connection()
        self._sending.flush()

    def data_received(self, data: bytes) -> None:
        from h2.exceptions import ProtocolError

        try:
            events = self._state.receive_data(data)
        except ProtocolError:
            self._sending.flush()  # the GOAWAY that says so
            self._transport.close()
            return
        for event in events:
            self._take(event)
        self._sending.flush()

    def _take(self, event: Any) -> None:
        from h2 import events as e

        match event:
            case e.RequestReceived():
                self._streams[event.stream_id] = _Stream(event.stream_id, _fields(event.headers))
            case e.DataReceived():
                self._state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                stream = self._streams.get(event.stream_id)
                if stream is not None:
                    stream.body += event.data
                    if len(stream.body) > BODY_LIMIT:
                        self.abort()
            case e.StreamEnded():
                stream = self._streams[event.stream_id]
                stream.task = asyncio.get_running_loop().create_task(self._respond(stream))
            case e.StreamReset():
                self._stream_left(event.stream_id, int(event.error_code))
            case e.ConnectionTerminated():
                self._client_left()
                self._transport.close()
            case e.WindowUpdated() | e.RemoteSettingsChanged():
                self._sending.window.set()

    def _stream_left(self, number: int, code: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            stream.record.left(now(), code)
            if stream.task is not None:
                stream.task.cancel()

    def eof_received(self) -> None:
        self._client_left()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._client_left()
        self._ledger.lost()
        self._alive.discard(self)
        self._cancel()

    def pause_writing(self) -> None:
        self._sending.drained.clear()

    def resume_writing(self) -> None:
        self._sending.drained.set()

    def abort(self) -> None:
        """Drop the connection without ceremony."""
        self._ledger.closed = True
        self._transport.abort()

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        return [s.task for s in self._streams.values() if s.task is not None]

    def _client_left(self) -> None:
        if self._ledger.left(*(s.record for s in self._streams.values())):
            self._cancel()

    def _cancel(self) -> None:
        for task in self.tasks:
            task.cancel()

    async def _respond(self, stream: _Stream) -> None:
        headers = stream.headers
        method, path = headers.pop(":method", ""), headers.pop(":path", "")
        headers.pop(":scheme", None)
        headers.setdefault("host", headers.pop(":authority", ""))
        received = Received(
            method, masked_path(path), masked(headers), bytes(stream.body), now(), self._number, "HTTP/2"
        )
        plan = self._plan(received)
        script = plan.script
        if script.coding and not offered(script.coding, Request(method, path, "HTTP/2", headers)):
            script = script.but(coding="")
        stream.record = self._ledger.begin(plan, received)
        try:
            await self._play(script, stream, head_only=method == "HEAD")
        finally:
            self._streams.pop(stream.number, None)

    async def _play(self, script: Script, stream: _Stream, *, head_only: bool) -> None:
        prepare(self._transport, script.transport)
        if script.head_delay is None:
            await self._sending.hold()
        if script.head_delay:
            await asyncio.sleep(script.head_delay)
        empty = head_only or bodiless(script.status)
        # "Indicates that the stream was closed prior to any application processing" (RFC 9113 7): no headers either
        if not (script.ending == "rst-stream" and script.transport.error == REFUSED_STREAM):
            await self._sending.head(script, stream.number, end=empty)
        if not empty:
            await self._sending.pieces(script, stream.number, stream.record)
            await self._sending.end(script, stream.number)
        stream.record.ended()
        if script.ending in ("fin", "goaway") or script.transport.farewell or not script.keep_alive:
            self._sending.close()


def _fields(headers: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    """Header fields by name; what comes several times is joined, as in HTTP/1.1."""
    found: dict[str, str] = {}
    for name, value in headers:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
