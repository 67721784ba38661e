"""The recorder, ended at whatever moment: no socket stays open, of which Python would warn."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from streamgauge.chat import ChatRequest
from streamgauge.recorder import Keeper, RecordingProxy, Upstream, record_once
from streamgauge.registry import get_dialect

CHAT = get_dialect("openai-chat")
ASKED = b'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n{"stream":true}'


@pytest.fixture
def silent() -> Iterator[Upstream]:
    """A server to which connections come about, and which reads nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield Upstream(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")


def cancelled_at_each_turn(work: Callable[[], Awaitable[object]], turns: int = 40) -> None:
    """Begin, in a loop of its own each, and cancel after so many turns of it."""

    async def main(after: int) -> None:
        task = asyncio.ensure_future(work())
        for _ in range(after):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    for after in range(turns):
        asyncio.run(main(after))
    gc.collect()


def test_proxy_cancelled_while_it_starts(silent: Upstream, tmp_path: Path) -> None:
    """Neither the connection with which it tries the server nor its listener outlives a Ctrl-C."""

    async def proxy() -> None:
        async with RecordingProxy(silent, Keeper(tmp_path), lambda _: None):
            await asyncio.sleep(0)

    cancelled_at_each_turn(proxy)


def test_request_that_nobody_reads(silent: Upstream, tmp_path: Path) -> None:
    """The connection ends with the recorder, also where the server has not taken the request yet."""
    asked = ChatRequest.of("x" * 20_000_000)
    cancelled_at_each_turn(lambda: record_once(silent, CHAT, asked, Keeper(tmp_path)), 20)


def test_client_that_does_not_read(tmp_path: Path) -> None:
    """A client that has said its last word and reads nothing is let go when the proxy ends."""

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError), closing(writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            while True:
                writer.write(b"data: " + b"x" * 65_536 + b"\n\n")
                await writer.drain()

    async def main(client: socket.socket) -> None:
        async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
            upstream = Upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
            async with RecordingProxy(upstream, Keeper(tmp_path), lambda _: None) as proxy:
                client.connect(("127.0.0.1", int(proxy.base_url.rpartition(":")[2].partition("/")[0])))
                client.sendall(ASKED)
                while all(peer._writable.is_set() for peer in proxy._clients):
                    await asyncio.sleep(0.001)
                client.shutdown(socket.SHUT_WR)
                while proxy._running:
                    await asyncio.sleep(0.001)

    with closing(socket.socket()) as client:
        asyncio.run(main(client))
    gc.collect()
