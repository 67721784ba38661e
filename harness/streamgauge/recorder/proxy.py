"""The recording proxy: what a server streams goes on to the client unchanged, as it comes, and into a recording."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from weakref import WeakSet

from streamgauge.dialect import Dialect
from streamgauge.errors import StreamgaugeError
from streamgauge.recorder.keep import Asked, Keeper
from streamgauge.recorder.tap import Peer, Tap, Upstream, exchange
from streamgauge.recordings import Recording
from streamgauge.server.http1 import BadRequest, Continue, Preface, Request, RequestReader, status_line
from streamgauge.server.listeners import HOST, bound, stop_accepting
from streamgauge.server.routes import dialect_of

LINGER = 1.0
"""Seconds that a server may take to end its HTTP message after its terminator, once the client has left."""

# Hop-by-hop fields (RFC 9110 7.6.1) and those that are ours to state; Connection is the client's wish and goes on.
_OURS = frozenset(
    ("host", "content-length", "transfer-encoding", "te", "expect", "upgrade", "keep-alive", "accept-encoding")
)


@dataclass(frozen=True, slots=True)
class Kept:
    """One recording that was written."""

    recording: Recording
    file: Path


Report = Callable[[Kept | str], None]
"""Called with each recording, and with a line for each answer that was to be kept and was not."""


class RecordingProxy:
    """Listens on loopback while its `async with` block runs; ending it keeps what had arrived of running streams.

    dialect: what the server speaks; None finds it by the path of each request. A streamed answer is one whose
    request says `"stream": true`, or that has the dialect's media type; other answers pass through.
    Raises UnreachableError where the server does not answer, StreamgaugeError where the port is taken.
    """

    def __init__(
        self, upstream: Upstream, keeper: Keeper, report: Report, *, dialect: Dialect | None = None, port: int = 0
    ) -> None:
        self._upstream = upstream
        self._keeper = keeper
        self._report = report
        self._dialect = dialect
        self._port = port
        self._running: set[asyncio.Task[None]] = set()
        self._clients: WeakSet[Peer] = WeakSet()  # those whose connections are open: their transports hold them

    @property
    def base_url(self) -> str:
        """The URL that clients are to use in the server's place."""
        return f"http://{HOST}:{self._port}{self._upstream.path}"

    async def __aenter__(self) -> RecordingProxy:
        (await self._upstream.connect()).drop()
        try:
            self._server = await bound(lambda: Peer(self._connected), self._port)
        except OSError as error:
            raise StreamgaugeError(
                f"port {self._port} can't be listened on ({error.strerror}): give another --port"
            ) from None
        try:
            await self._server.start_serving()
        except asyncio.CancelledError:
            self._server.close()
            raise
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await stop_accepting(self._server)
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
        finally:
            for client in tuple(self._clients):
                client.drop()  # what one that does not read would still get is not waited for
        await asyncio.sleep(0)  # transports close in the loop's next turn

    def _connected(self, client: Peer) -> None:
        self._clients.add(client)
        task = asyncio.get_running_loop().create_task(self._serve(client))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _serve(self, client: Peer) -> None:
        """Forward the requests of one connection, one after the other."""
        requests = RequestReader()
        try:
            while (got := await client.read()) is not None:
                for item in requests.feed(got[1]):
                    match item:
                        case Continue():
                            await client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                        case BadRequest():
                            await client.send(_refusal(400, item.reason))
                            return
                        case Preface():
                            await client.send(_refusal(505, "the recorder speaks HTTP/1.1"))
                            return
                        case Request():
                            if not await self._forward(client, item):
                                return
        except asyncio.CancelledError:
            client.drop()
            raise
        finally:
            client.close()

    async def _forward(self, client: Peer, request: Request) -> bool:
        """Answer one request with what the server answers; False when the connection is over."""
        tap = Tap(request.method)
        outgoing = self._outgoing(request)
        asking = asyncio.create_task(exchange(self._upstream, outgoing, tap, client.send))
        try:
            await self._while_wanted(asking, client, tap)
        finally:
            asking.cancel()
            await asyncio.wait({asking})
            if asking.cancelled() or not asking.exception():
                self._keep(request, tap)
        if asking.cancelled():
            return False
        if error := asking.exception():
            self._report(str(error))
            await client.send(_refusal(502, str(error)))
            return False
        if asking.result().ended == "reset" and not tap.reader.complete:
            client.reset()
        return tap.reader.reusable and not request.close

    async def _while_wanted(self, asking: asyncio.Task[Peer], client: Peer, tap: Tap) -> None:
        """Wait until the answer has come or the client has left."""
        leaving = asyncio.create_task(client.over.wait())
        tasks: set[asyncio.Task[Any]] = {asking, leaving}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done() and self._terminated(tap):
                # Many clients leave at the terminator; how the server ends its message is still worth keeping.
                await asyncio.wait({asking}, timeout=LINGER)
        finally:
            leaving.cancel()

    def _terminated(self, tap: Tap) -> bool:
        terminator = self._dialect.terminator if self._dialect else b"data: [DONE]"
        return bool(terminator) and terminator.strip() in tap.body[-256:]

    def _keep(self, request: Request, tap: Tap) -> None:
        path = request.target.partition("?")[0]
        asked = Asked(request.target.removeprefix(self._upstream.path), request.headers, request.body)
        dialect = self._dialect or dialect_of(path)
        if dialect is None or not _streamed(dialect, asked, tap):
            return
        if tap.reader.status is None:
            self._report(
                f"not kept: the answer to {path} is no HTTP/1.1 response: {tap.reader.broken or 'it is empty'}"
            )
        elif coding := tap.reader.header("content-encoding"):
            self._report(f"not kept: the answer to {path} is compressed ({coding}) although identity was asked for")
        else:
            try:
                self._report(Kept(*self._keeper.keep(dialect, asked, tap)))
            except StreamgaugeError as error:
                self._report(f"not kept: {error}")

    def _outgoing(self, request: Request) -> bytes:
        """The request for the server: the client's, with our host, and with content coding turned off."""
        fields = {name: value for name, value in request.headers.items() if name not in _OURS}
        fields |= {"host": self._upstream.host_header, "accept-encoding": "identity"}
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            fields["content-length"] = str(len(request.body))
        return request_bytes(request.method, request.target, fields, request.body)


def request_bytes(method: str, target: str, fields: dict[str, str], body: bytes) -> bytes:
    """One HTTP/1.1 request."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _streamed(dialect: Dialect, asked: Asked, tap: Tap) -> bool:
    value = asked.json
    if isinstance(value, dict) and value.get("stream") is True:
        return True
    return tap.reader.header("content-type").partition(";")[0].strip().lower() == dialect.media_type


def _refusal(status: int, reason: str) -> bytes:
    body = f"streamgauge record: {reason}\n".encode()
    head = b"Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
    return status_line(status) + head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
