"""What is compared in bench_providers.py: bare clients without decoding, the wire probe, and every provider.

Each reads the same answer from the same server and gives the times at which its output events were in the caller's
hands. Holds no benchmarks.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Protocol
from urllib.parse import urlsplit

from streamgauge.chat import ChatRequest
from streamgauge.events import OUTPUT
from streamgauge.instrument.backend import Stage
from streamgauge.instrument.exchange import Timeouts
from streamgauge.instrument.subjects import wire_runner
from streamgauge.instrument.wire import WireProbe
from streamgauge.provider import Connection, ProviderSpec
from streamgauge.registry import get_dialect
from streamgauge.tags import tagged
from streamgauge.transport import outgoing

now = time.monotonic
MARK = b" word"
"""What each output event of the replay server's answer has once, in every dialect; Responses repeat them behind."""
LAST_CHUNK = b"\r\n0\r\n\r\n"


class Client(Protocol):
    """A connected client; `run` streams once and gives the times of the outputs (`time.monotonic` seconds)."""

    def run(self, tag: int) -> list[float]: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A client that can be connected: `connect` takes what the server plays and the runner of its event loop."""

    name: str
    path: str
    dialect: str
    version: str
    connect: Callable[[Stage, asyncio.Runner], Client]


class Outputs:
    """Counts output events in bytes without decoding them, whatever the cuts; `over` at the end of a chunked body."""

    def __init__(self, most: int) -> None:
        self.times: list[float] = []
        self.over = False
        self._most = most
        self._tail = self._end = b""

    def feed(self, read: bytes) -> None:
        at = now()
        data = self._tail + read
        self.times += [at] * min(data.count(MARK), self._most - len(self.times))
        self._tail = data[-(len(MARK) - 1) :]
        self._end = (self._end + read)[-len(LAST_CHUNK) :]
        self.over = self._end == LAST_CHUNK


def asked(dialect: str, base_url: str, tag: int) -> Any:
    return outgoing(base_url, get_dialect(dialect), request(tag), api_key="none")


def request(tag: int) -> ChatRequest:
    return ChatRequest.of(tagged("Say something long", tag))


def message(dialect: str, base_url: str, tag: int) -> bytes:
    """The request as bytes."""
    out = asked(dialect, base_url, tag)
    parts = urlsplit(out.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = "".join(f"{name}: {value}\r\n" for name, value in out.headers)
    head = f"POST {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n{lines}Content-Length: {len(out.content)}\r\n\r\n"
    return head.encode() + out.content


def address(base_url: str) -> tuple[str, int]:
    parts = urlsplit(base_url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


class RawSocket:
    """The floor: a blocking socket and `recv`; no HTTP, no framing, no JSON."""

    def __init__(self, dialect: str, stage: Stage) -> None:
        self._dialect, self._stage = dialect, stage
        self._socket = socket.create_connection(address(stage.base_url))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self, tag: int) -> list[float]:
        self._socket.sendall(message(self._dialect, self._stage.base_url, tag))
        outputs = Outputs(len(self._stage.delays))
        while not outputs.over:
            read = self._socket.recv(65536)
            assert read, "the server closed the connection before the end"
            outputs.feed(read)
        return outputs.times

    def close(self) -> None:
        self._socket.close()


class RawProtocol(asyncio.Protocol):
    """The floor of asyncio: a protocol that counts."""

    def __init__(self, dialect: str, stage: Stage, runner: asyncio.Runner) -> None:
        self._dialect, self._stage, self._runner = dialect, stage, runner
        self._outputs, self._done = Outputs(0), asyncio.Event()
        self._transport: Any = None
        runner.run(self._connect())

    def data_received(self, data: bytes) -> None:
        self._outputs.feed(data)
        if self._outputs.over:
            self._done.set()

    def run(self, tag: int) -> list[float]:
        return self._runner.run(self._run(tag))

    def close(self) -> None:
        self._runner.run(self._close())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_connection(lambda: self, *address(self._stage.base_url))

    async def _run(self, tag: int) -> list[float]:
        self._outputs, self._done = Outputs(len(self._stage.delays)), asyncio.Event()
        self._transport.write(message(self._dialect, self._stage.base_url, tag))
        await self._done.wait()
        return self._outputs.times

    async def _close(self) -> None:
        self._transport.close()
        await asyncio.sleep(0)


class Probe:
    """The wire probe: the kernel's stamps; its events are decoded when the stream is over, which its CPU time has."""

    def __init__(self, dialect: str, stage: Stage, _runner: asyncio.Runner) -> None:
        self._runner = wire_runner()
        self._runner.__enter__()
        self._probe = WireProbe(get_dialect(dialect), stage.base_url, api_key="none", timeouts=Timeouts())

    def run(self, tag: int) -> list[float]:
        probed = self._runner.run(self._probe.ask(request(tag)))
        line = self._probe.timeline(probed)
        return [probed.sent + at for at, event in line.events if isinstance(event, OUTPUT)]

    def close(self) -> None:
        self._runner.run(self._probe.aclose())
        self._runner.__exit__(None, None, None)


class Httpx2Sync:
    """httpx2: the bytes of the body as they come."""

    def __init__(self, dialect: str, stage: Stage) -> None:
        import httpx2

        self._dialect, self._stage, self._client = dialect, stage, httpx2.Client()

    def run(self, tag: int) -> list[float]:
        out, outputs = asked(self._dialect, self._stage.base_url, tag), Outputs(len(self._stage.delays))
        with self._client.stream("POST", out.url, headers=dict(out.headers), content=out.content) as response:
            for read in response.iter_raw():
                outputs.feed(read)
        return outputs.times

    def close(self) -> None:
        self._client.close()


class Httpx2Async:
    """httpx2's async client: the bytes of the body as they come."""

    def __init__(self, dialect: str, stage: Stage, runner: asyncio.Runner) -> None:
        import httpx2

        self._dialect, self._stage, self._runner, self._client = dialect, stage, runner, httpx2.AsyncClient()

    def run(self, tag: int) -> list[float]:
        return self._runner.run(self._run(tag))

    def close(self) -> None:
        self._runner.run(self._client.aclose())

    async def _run(self, tag: int) -> list[float]:
        out, outputs = asked(self._dialect, self._stage.base_url, tag), Outputs(len(self._stage.delays))
        async with self._client.stream("POST", out.url, headers=dict(out.headers), content=out.content) as response:
            async for read in response.aiter_raw():
                outputs.feed(read)
        return outputs.times


class Aiohttp:
    """aiohttp: the bytes of the body as they come."""

    def __init__(self, dialect: str, stage: Stage, runner: asyncio.Runner) -> None:
        self._dialect, self._stage, self._runner = dialect, stage, runner
        self._session = runner.run(self._open())

    def run(self, tag: int) -> list[float]:
        return self._runner.run(self._run(tag))

    def close(self) -> None:
        self._runner.run(self._session.close())

    async def _open(self) -> Any:
        import aiohttp

        return aiohttp.ClientSession()

    async def _run(self, tag: int) -> list[float]:
        out, outputs = asked(self._dialect, self._stage.base_url, tag), Outputs(len(self._stage.delays))
        async with self._session.post(out.url, headers=dict(out.headers), data=out.content) as response:
            async for read in response.content.iter_any():
                outputs.feed(read)
        return outputs.times


class Library:
    """A provider on one path: its events as its caller gets them."""

    def __init__(self, spec: ProviderSpec, path: str, stage: Stage, runner: asyncio.Runner) -> None:
        self._path, self._runner = path, runner
        self._provider = spec.open(Connection(base_url=stage.base_url, api_key="none"))

    def run(self, tag: int) -> list[float]:
        asking = request(tag)
        if self._path == "async":
            return self._runner.run(self._astream(asking))
        return [now() for event in self._provider.stream(asking) if isinstance(event, OUTPUT)]

    def close(self) -> None:
        self._provider.close()
        self._runner.run(self._provider.aclose())

    async def _astream(self, asking: ChatRequest) -> list[float]:
        return [now() async for event in self._provider.astream(asking) if isinstance(event, OUTPUT)]


def bare(dialect: str) -> list[Entry]:
    """Clients that decode nothing, the floor first; and the probe."""
    ours, httpx2 = version("streamgauge"), version("httpx2")
    found = [
        Entry("raw socket", "sync", dialect, "", lambda stage, _: RawSocket(dialect, stage)),
        Entry("raw asyncio", "async", dialect, "", lambda stage, runner: RawProtocol(dialect, stage, runner)),
        Entry("probe", "wire", dialect, ours, lambda stage, runner: Probe(dialect, stage, runner)),
        Entry("httpx2 bytes", "sync", dialect, httpx2, lambda stage, _: Httpx2Sync(dialect, stage)),
        Entry("httpx2 bytes", "async", dialect, httpx2, lambda stage, runner: Httpx2Async(dialect, stage, runner)),
    ]
    try:
        aiohttp = version("aiohttp")
    except ImportError:
        return found
    return [
        *found,
        Entry("aiohttp bytes", "async", dialect, aiohttp, lambda stage, runner: Aiohttp(dialect, stage, runner)),
    ]


def library(spec: ProviderSpec, path: str) -> Entry:
    """A provider on one path."""
    return Entry(spec.name, path, spec.dialect, spec.version, lambda stage, runner: Library(spec, path, stage, runner))
