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
from streamgauge.server.coding import coder
from streamgauge.server.http1 import BODY_LIMIT, Request, bodiless, offered
from streamgauge.server.kernel import linger_not
from streamgauge.server.ledger import UNLOGGED, Ledger, Planner, Record
from streamgauge.server.log import Received, masked, masked_path, now
from streamgauge.server.pace import Pace
from streamgauge.server.tls import Alive, prepare

REFUSED_STREAM = 0x7
LINGER = 5.0
"""Seconds that a client has to close its side of a connection that we have closed."""
CONNECTION_FIELDS = ("connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection", "trailer")
"""What has no place in HTTP/2 (RFC 9113 8.2.2)."""


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
        self._drained = asyncio.Event()
        self._drained.set()
        self._window = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._socket: socket.socket = transport.get_extra_info("socket")
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport.set_write_buffer_limits(high=0)
        self._alive.add(self)
        self._state.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        from h2.exceptions import ProtocolError

        try:
            events = self._state.receive_data(data)
        except ProtocolError:
            self._flush()  # the GOAWAY that says so
            self._transport.close()
            return
        for event in events:
            self._take(event)
        self._flush()

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
                self._window.set()

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
        self._drained.clear()

    def resume_writing(self) -> None:
        self._drained.set()

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
            await self._hold()
        if script.head_delay:
            await asyncio.sleep(script.head_delay)
        empty = head_only or bodiless(script.status)
        # "Indicates that the stream was closed prior to any application processing" (RFC 9113 7): no headers either
        if not (script.ending == "rst-stream" and script.transport.error == REFUSED_STREAM):
            await self._send_head(script, stream.number, end=empty)
        if not empty:
            await self._send_pieces(script, stream)
            await self._end(script, stream.number)
        stream.record.ended()
        if script.ending in ("fin", "goaway") or script.transport.farewell or not script.keep_alive:
            self._close()

    def _close(self) -> None:
        """End what we send. A client acknowledges frames behind the last one that it needs: were the socket closed
        before it has done, the kernel would answer with an RST, which takes away what the client has not read yet."""
        self._ledger.closed = True
        if not self._transport.is_closing():
            self._transport.write_eof()
            asyncio.get_running_loop().call_later(LINGER, self._transport.abort)

    async def _send_head(self, script: Script, number: int, *, end: bool) -> None:
        await self._room()
        for code in script.interim:
            self._state.send_headers(number, [(":status", str(code))])
        self._state.send_headers(number, [(":status", str(script.status)), *_head(script)], end_stream=end)
        self._flush()

    async def _send_pieces(self, script: Script, stream: _Stream) -> None:
        compressor = coder(script)
        pace = Pace()
        for count, piece in enumerate(script.pieces):
            await pace.wait(piece.delay)
            await self._room()
            stream.record.sent(len(piece.data))
            await self._send(script, stream.number, piece.data if compressor is None else compressor.piece(piece.data))
            if count == 0 and script.transport.farewell:
                self._goaway(stream.number, 0)
        if compressor is not None and not script.coding_cut:
            await self._send(script, stream.number, compressor.end())

    async def _send(self, script: Script, number: int, data: bytes) -> None:
        """DATA frames, as large as the script, the client's windows and the limit of a frame let them be."""
        padding = script.transport.padding
        largest = script.transport.frame_size or len(data)
        while data:
            await self._room()
            window = min(self._state.local_flow_control_window(number), self._state.max_outbound_frame_size)
            size = min(largest, window - (padding + 1 if padding else 0))
            if size <= 0:
                self._window.clear()
                await self._window.wait()
                continue
            self._state.send_data(number, data[:size], pad_length=padding or None)
            self._flush()
            data = data[size:]

    async def _end(self, script: Script, number: int) -> None:
        await self._room()
        match script.ending:
            case "complete" if script.trailers:
                self._state.send_headers(number, [(n.lower(), v) for n, v in script.trailers], end_stream=True)
            case "complete":
                self._state.end_stream(number)
            case "rst-stream":
                self._state.reset_stream(number, script.transport.error)
            case "goaway":
                self._goaway(number, script.transport.error)
            case "reset":
                await linger_not(self._socket)
                self.abort()
            case "hold":
                await self._hold()
        self._flush()
        await self._drained.wait()

    def _goaway(self, last: int, code: int) -> None:
        """A GOAWAY that the library knows nothing of: it would end all streams at once, the protocol does not."""
        from hyperframe.frame import GoAwayFrame

        self._flush()
        self._transport.write(GoAwayFrame(0, last_stream_id=last, error_code=code).serialize())

    def _flush(self) -> None:
        data = self._state.data_to_send()
        if data and not self._ledger.closed and not self._transport.is_closing():
            self._transport.write(data)

    async def _room(self) -> None:
        """Wait until the kernel has taken everything; does not return where nobody is left to write to."""
        await self._drained.wait()
        if self._transport.is_closing():
            await self._hold()

    async def _hold(self) -> None:
        await asyncio.Event().wait()  # until the client closes, or the server is closed


def _fields(headers: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    """Header fields by name; what comes several times is joined, as in HTTP/1.1."""
    found: dict[str, str] = {}
    for name, value in headers:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _head(script: Script) -> list[tuple[str, str]]:
    """The answer's fields, with names in lower case (RFC 9113 8.2.1)."""
    fields = [(n.lower(), v) for n, v in script.headers if n.lower() not in CONNECTION_FIELDS]
    if script.coding:
        fields.append(("content-encoding", script.coding))
    elif script.framing == "length" and not bodiless(script.status):
        length = script.declared_length
        fields.append(("content-length", str(len(script.body) if length is None else length)))
    return fields
