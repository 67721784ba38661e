"""What measuring costs: the wire probe's CPU per event beside a raw protocol with httptools, in the same run.

Sixty-four streams of one event a write, from a server in another process, at 10,000 events a second together; the
floor stamps each read and parses HTTP, and knows nothing of events. `x_floor` is the probe's cost as a multiple of the
floor's, both with the decoding that the probe puts off; `share_of_a_core` is what 10,000 events a second take.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from streamgauge.chat import ChatRequest
from streamgauge.instrument.backend import ReplayProcess, Stage
from streamgauge.instrument.exchange import Timeouts
from streamgauge.instrument.load import wire_runner
from streamgauge.instrument.wire import Prepared, WireProbe
from streamgauge.registry import get_dialect

httptools = pytest.importorskip("httptools", reason="pip install 'streamgauge[bench]'")

CHAT = get_dialect("openai-chat")
STREAMS = 64
EVENTS = 150
RATE = 10_000
ROUNDS = 9
PACES = {"10,000 events a second": STREAMS / RATE, "as fast as they come": 0.0}


@pytest.fixture(scope="module")
def backend() -> Iterator[ReplayProcess]:
    with ReplayProcess() as found:
        yield found


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """The probe's event loop: uvloop's where it is installed."""
    with wire_runner() as found:
        yield found


class Floor(asyncio.Protocol):
    """A connection that stamps reads and parses HTTP: what no instrument can do without."""

    def __init__(self, done: asyncio.Future[None]) -> None:
        self._done = done
        self._pieces: list[bytes] = []
        self.reads: list[tuple[int, bytes]] = []

    def ask(self, message: bytes) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(message)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        at = time.monotonic_ns()
        self._parser.feed_data(data)
        self.reads += [(at, piece) for piece in self._pieces]
        self._pieces.clear()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._done.set_result(None)


async def connect(stage: Stage) -> list[tuple[Floor, asyncio.Future[None], asyncio.BaseTransport]]:
    host, port = stage.base_url.removeprefix("http://").partition("/")[0].split(":")
    loop = asyncio.get_running_loop()
    out = []
    for _ in range(STREAMS):
        done = loop.create_future()
        transport, protocol = await loop.create_connection(lambda done=done: Floor(done), host, int(port))
        out.append((protocol, done, transport))
    return out


def floor(stage: Stage, message: bytes, runner: asyncio.Runner) -> Callable[[], int]:
    """Sixty-four raw streams; connections are made outside of the time that counts."""

    async def stream(links: list[tuple[Floor, asyncio.Future[None], asyncio.BaseTransport]]) -> int:
        for protocol, _, _ in links:
            protocol.ask(message)
        await asyncio.gather(*(done for _, done, _ in links))
        for _, _, transport in links:
            transport.close()
        return sum(len(protocol.reads) for protocol, _, _ in links)

    def run() -> int:
        links = runner.run(connect(stage))
        return timed(lambda: runner.run(stream(links)))

    return run


CPU: list[float] = []


def timed(work: Callable[[], int]) -> int:
    """The result; the CPU seconds are kept."""
    before = time.process_time()
    found = work()
    CPU.append(time.process_time() - before)
    return found


def probing(probe: WireProbe, requests: list[Prepared], runner: asyncio.Runner) -> Callable[[], int]:
    """Sixty-four streams of the probe, decoded."""

    async def stream() -> int:
        found = await asyncio.gather(*(probe.ask(request) for request in requests))
        return sum(len(probe.timeline(one).events) for one in found)

    return lambda: timed(lambda: runner.run(stream()))


@pytest.mark.parametrize("pace", PACES)
def test_cost_of_measuring(
    benchmark: BenchmarkFixture, backend: ReplayProcess, runner: asyncio.Runner, pace: str
) -> None:
    """The probe and the floor in turn, on the same script."""
    benchmark.group = f"cost of measuring, {STREAMS} streams, {pace}"
    stage = backend.stage("openai-chat", [PACES[pace]] * EVENTS)

    async def opened() -> WireProbe:
        return WireProbe(CHAT, stage.base_url, timeouts=Timeouts())

    probe = runner.run(opened())
    requests = [probe.prepare(ChatRequest.of("Say something")) for _ in range(STREAMS)]
    probed, raw = probing(probe, requests, runner), floor(stage, requests[0].message, runner)
    probed(), raw()  # connections, caches
    ours: list[float] = []
    theirs: list[float] = []
    began = time.monotonic()

    def beside() -> None:
        assert raw() > 0
        theirs.append(CPU[-1])

    def once() -> None:
        assert probed() >= STREAMS * EVENTS
        ours.append(CPU[-1])

    benchmark.pedantic(once, setup=beside, rounds=ROUNDS)
    runner.run(probe.aclose())
    events = STREAMS * EVENTS
    cost, least = statistics.median(ours) / events, statistics.median(theirs) / events
    benchmark.extra_info |= {
        "us_per_event": round(cost * 1e6, 2),
        "us_per_event_floor": round(least * 1e6, 2),
        "x_floor": round(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), 2),
        "share_of_a_core_at_10000_events_per_second": round(cost * RATE, 3),
        "events_per_second": round(events / benchmark.stats.stats.median),
        "seconds": round(time.monotonic() - began, 1),
    }
