"""One HTTP/1.1 connection of the replay server: reads requests, plays scripts, notices when the client goes."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import cast

from streamgauge.script import Script
from streamgauge.server.coding import coder
from streamgauge.server.http1 import (
    BadRequest,
    Continue,
    Preface,
    Request,
    RequestReader,
    accepted,
    bodiless,
    end_bytes,
    head_bytes,
    piece_writes,
)
from streamgauge.server.kernel import linger_not
from streamgauge.server.ledger import UNLOGGED, Ledger, Planner, Record, Refuser
from streamgauge.server.log import Received, masked, masked_path, now
from streamgauge.server.pace import Pace
from streamgauge.server.tls import Alive, prepare

PIPELINE_LIMIT = 64


class ServerConnection(asyncio.Protocol):
    """Answers the requests of one connection in order.

    The write buffer's limit is zero: the next piece waits until the kernel has taken the last one, so that a slow
    reader costs one piece of memory and the send log tells the truth.

    other: makes the connection that takes over from a client that speaks HTTP/2 unasked.
    """

    def __init__(
        self,
        number: int,
        plan: Planner,
        refuse: Refuser,
        alive: set[Alive],
        other: Callable[[], asyncio.Protocol] | None = None,
    ) -> None:
        self._number = number
        self._plan = plan
        self._refuse = refuse
        self._alive = alive
        self._other = other
        self._reader = RequestReader()
        self._waiting: deque[Request | BadRequest] = deque()
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._ledger = Ledger(number)
        self._record = UNLOGGED
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._socket: socket.socket = transport.get_extra_info("socket")
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport.set_write_buffer_limits(high=0)
        self._alive.add(self)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        for item in self._reader.feed(data):
            if isinstance(item, Continue):
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            elif isinstance(item, Preface):
                self._hand_over(item)
                return
            elif len(self._waiting) < PIPELINE_LIMIT:
                self._waiting.append(item)
            else:
                self.abort()
        self._wake.set()

    def _hand_over(self, preface: Preface) -> None:
        if self._other is None:
            self._waiting.append(BadRequest("HTTP/2 takes pip install 'streamgauge[http2]'"))
            self._wake.set()
            return
        if self._task is not None:
            self._task.cancel()
        self._alive.discard(self)
        other = self._other()
        self._transport.set_protocol(other)
        other.connection_made(self._transport)
        other.data_received(preface.data)

    def eof_received(self) -> None:
        self._client_left()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._client_left()
        self._ledger.lost()
        self._alive.discard(self)
        if self._task is not None:
            self._task.cancel()

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
        return [] if self._task is None else [self._task]

    def _client_left(self) -> None:
        if self._ledger.left(self._record) and self._task is not None:
            self._task.cancel()

    async def _serve(self) -> None:
        while not self._transport.is_closing():
            while not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            item = self._waiting.popleft()
            if isinstance(item, BadRequest):
                await self._play(self._refuse(item.reason), head_only=False, keep_alive=False)
            else:
                await self._respond(item)

    async def _respond(self, request: Request) -> None:
        received = Received(
            request.method,
            masked_path(request.target),
            masked(request.headers),
            request.body,
            now(),
            self._number,
            request.version,
        )
        plan = self._plan(received)
        script = accepted(plan.script, request)
        keep_alive = script.keep_alive and script.framing != "close" and not request.close
        keep_alive = keep_alive and script.declared_length is None  # nobody knows where the next answer begins
        self._record = self._ledger.begin(plan, received)
        await self._play(script, head_only=request.method == "HEAD", keep_alive=keep_alive)
        self._record = UNLOGGED

    async def _play(self, script: Script, *, head_only: bool, keep_alive: bool) -> None:
        prepare(self._transport, script.transport)
        if script.head_delay is None:
            await self._hold()
        if script.head_delay:
            await asyncio.sleep(script.head_delay)
        await self._write(head_bytes(script, keep_alive=keep_alive))
        if not head_only and not bodiless(script.status):
            await self._send_pieces(script, self._record)
            match script.ending:
                case "complete":
                    await self._write(end_bytes(script))
                case "reset":
                    await self._reset()
                case "hold":
                    await self._hold()
                case _:
                    keep_alive = False
        self._record.ended()
        if not keep_alive:
            self._ledger.closed = True
            self._transport.close()

    async def _send_pieces(self, script: Script, record: Record) -> None:
        compressor = coder(script)
        pace = Pace()
        for piece in script.pieces:
            # Made before it is due: what lies between the stamp of a send and the send is charged to whoever measures.
            body = piece.data if compressor is None else compressor.piece(piece.data)
            writes = tuple(piece_writes(script, body))
            await pace.wait(piece.delay)
            await self._room()
            record.sent(len(piece.data))
            for data in writes:
                self._transport.write(data)
        await self._drained.wait()
        if compressor is not None and not script.coding_cut:
            await self._write(b"".join(piece_writes(script, compressor.end())))

    async def _write(self, data: bytes) -> None:
        await self._room()
        if data:
            self._transport.write(data)
            await self._drained.wait()

    async def _room(self) -> None:
        """Wait until the kernel has taken everything; does not return where nobody is left to write to."""
        await self._drained.wait()
        if self._transport.is_closing():  # the loss is known, but not told yet: connection_lost() cancels this task
            await self._hold()

    async def _hold(self) -> None:
        await asyncio.Event().wait()  # until the client closes, or the server is closed

    async def _reset(self) -> None:
        await linger_not(self._socket)
        self.abort()
