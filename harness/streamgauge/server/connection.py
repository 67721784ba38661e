"""One connection of the replay server: reads requests, plays scripts, notices when the client goes."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from streamgauge.script import Script
from streamgauge.server.http1 import (
    BadRequest,
    Continue,
    Request,
    RequestReader,
    accepted,
    bodiless,
    coder,
    end_bytes,
    head_bytes,
    piece_writes,
)
from streamgauge.server.log import Answer, Log, Received, Sent, masked, masked_path, now

PIPELINE_LIMIT = 64
TURN = 0.001
"""Seconds for which one stream may send without letting the others have their turn."""

_SIOCOUTQNSD = 0x894B  # bytes that the kernel has not sent yet (linux/sockios.h)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one request gets. `log` is None for what nobody looks at afterwards."""

    script: Script
    log: Log | None = None
    look_up: bool = False


Planner = Callable[[Received], Plan]


class ServerConnection(asyncio.Protocol):
    """Answers the requests of one connection in order.

    The write buffer's limit is zero: the next piece waits until the kernel has taken the last one, so that a slow
    reader costs one piece of memory and the send log tells the truth.
    """

    def __init__(
        self, number: int, plan: Planner, refuse: Callable[[str], Script], alive: set[ServerConnection]
    ) -> None:
        self._number = number
        self._plan = plan
        self._refuse = refuse
        self._alive = alive
        self._reader = RequestReader()
        self._waiting: deque[Request | BadRequest] = deque()
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._logs: list[Log] = []
        self._answer: tuple[Log, Answer] | None = None
        self._task: asyncio.Task[None] | None = None
        self._we_closed = False

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
            elif len(self._waiting) < PIPELINE_LIMIT:
                self._waiting.append(item)
            else:
                self.abort()
        self._wake.set()

    def eof_received(self) -> None:
        self._client_left()

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self._we_closed:
            self._client_left()
        for log in self._logs:
            log.close(self._number, None)
        self._alive.discard(self)
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._drained.clear()

    def resume_writing(self) -> None:
        self._drained.set()

    def abort(self) -> None:
        """Drop the connection without ceremony."""
        self._we_closed = True
        self._transport.abort()

    @property
    def task(self) -> asyncio.Task[None] | None:
        return self._task

    def _client_left(self) -> None:
        if self._we_closed:
            return
        self._we_closed = True  # whatever follows, the client was first
        at = now()
        if self._answer is not None:
            log, answer = self._answer
            log.end(answer, "client", at)
        for log in self._logs:
            log.close(self._number, at)
        if self._task is not None:
            self._task.cancel()

    async def _serve(self) -> None:
        while not self._transport.is_closing():
            while not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            item = self._waiting.popleft()
            if isinstance(item, BadRequest):
                await self._play(self._refuse(item.reason), None, head_only=False, keep_alive=False)
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
        )
        plan = self._plan(received)
        script = accepted(plan.script, request)
        keep_alive = script.keep_alive and script.framing != "close" and not request.close
        keep_alive = keep_alive and script.declared_length is None  # nobody knows where the next answer begins
        record = None
        if plan.log is not None:
            record = (plan.log, plan.log.begin(received, look_up=plan.look_up))
            self._answer = record
            if plan.log not in self._logs:
                self._logs.append(plan.log)
        await self._play(script, record, head_only=request.method == "HEAD", keep_alive=keep_alive)
        self._answer = None

    async def _play(
        self, script: Script, record: tuple[Log, Answer] | None, *, head_only: bool, keep_alive: bool
    ) -> None:
        if script.head_delay is None:
            await self._hold()
        if script.head_delay:
            await asyncio.sleep(script.head_delay)
        await self._write(head_bytes(script, keep_alive=keep_alive))
        if not head_only and not bodiless(script.status):
            await self._send_pieces(script, record)
            match script.ending:
                case "complete":
                    await self._write(end_bytes(script))
                case "fin":
                    keep_alive = False
                case "reset":
                    await self._reset()
                case "hold":
                    await self._hold()
        if record is not None:
            log, answer = record
            log.end(answer, "server", now())
        if not keep_alive:
            self._we_closed = True
            self._transport.close()

    async def _send_pieces(self, script: Script, record: tuple[Log, Answer] | None) -> None:
        loop = asyncio.get_running_loop()
        compressor = coder(script)
        due = turn = loop.time()
        for piece in script.pieces:
            if piece.delay:
                # A schedule, not a chain of sleeps, whose errors would add up.
                due += piece.delay
                await asyncio.sleep(max(0.0, due - loop.time()))
                turn = loop.time()
            elif loop.time() - turn > TURN:
                await asyncio.sleep(0)
                turn = loop.time()
            await self._room()
            if record is not None:  # before the write: whoever has received a piece finds it in the log
                log, answer = record
                log.sends.append(Sent(now(), len(piece.data), answer.request))
            body = piece.data
            if compressor is not None:
                body = compressor.compress(body) + compressor.flush(zlib.Z_SYNC_FLUSH)
            for data in piece_writes(script, body):
                self._transport.write(data)
        await self._drained.wait()
        if compressor is not None and not script.coding_cut:
            await self._write(b"".join(piece_writes(script, compressor.flush())))

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
        """RST: a close with SO_LINGER 0, once the kernel has sent what it has, which the RST would discard."""
        for _ in range(1000):
            if not _unsent(self._socket):
                break
            await asyncio.sleep(0.001)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._we_closed = True
        self._transport.abort()


def _unsent(sock: socket.socket) -> int:
    if sys.platform != "linux":
        return 0
    return int.from_bytes(fcntl.ioctl(sock.fileno(), _SIOCOUTQNSD, b"\0" * 4), sys.byteorder)
