"""What measuring costs: the wire probe's CPU time beside that of a raw protocol with httptools, in turn, in one run.

The floor stamps each read and parses HTTP, which no instrument can do without, and knows nothing of events. The probe's
side includes the decoding, which it puts off until the streams are over. CPU time is that of this process (all
threads); the server is another.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, cast

from streamgauge.chat import ChatRequest
from streamgauge.errors import StreamgaugeError, UnavailableError
from streamgauge.instrument.backend import ReplayProcess, Stage
from streamgauge.instrument.exchange import Timeouts
from streamgauge.instrument.response import INSTALL, fast
from streamgauge.instrument.subjects import wire_runner
from streamgauge.instrument.wire import Prepared, WireProbe
from streamgauge.measurement.calibrations import Cost
from streamgauge.registry import get_dialect

STREAMS = 64
EVENTS = 150
"""Of each stream."""
RATE = 10_000
"""Events a second of all streams together."""
ROUNDS = 9


@dataclass(slots=True)
class Costs:
    """CPU seconds of each round for `events` events: ours and the floor's side by side. wall: ours, in seconds."""

    events: int
    ours: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    @property
    def found(self) -> Cost:
        """Medians over the rounds; the multiple is that of paired rounds."""
        cost, least = (statistics.median(side) / self.events for side in (self.ours, self.floor))
        return Cost(
            streams=STREAMS,
            rounds=len(self.ours),
            seconds_per_event=cost,
            floor_per_event=least,
            x_floor=statistics.median(a / b for a, b in zip(self.ours, self.floor, strict=True)),
            share_of_a_core=cost * RATE,
            events_per_second=self.events / statistics.median(self.wall),
        )


class Alternating:
    """The probe and the floor on one script; a context manager.

    pace: seconds between the events of a stream. Raises UnavailableError without httptools.
    """

    def __init__(self, backend: ReplayProcess, pace: float = STREAMS / RATE) -> None:
        check()
        self._stage = backend.stage("openai-chat", [pace] * EVENTS)
        self.costs = Costs(STREAMS * EVENTS)

    def __enter__(self) -> Alternating:
        with ExitStack() as stack:
            self._runner = stack.enter_context(wire_runner())
            self._probe = WireProbe(get_dialect("openai-chat"), self._stage.base_url, timeouts=Timeouts())
            stack.callback(lambda: self._runner.run(self._probe.aclose()))
            self._requests = [self._probe.prepare(ChatRequest.of("Say something")) for _ in range(STREAMS)]
            self._probed(), self._raw()  # connections, caches
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def floor(self) -> None:
        """One round of the raw side."""
        self.costs.floor.append(self._raw())

    def probe(self) -> None:
        """One round of the probe's side."""
        began = time.monotonic()
        self.costs.ours.append(self._probed())
        self.costs.wall.append(time.monotonic() - began)

    def _probed(self) -> float:
        return _cpu(lambda: self._runner.run(_streamed(self._probe, self._requests)))

    def _raw(self) -> float:
        links: list[_Floor] = []
        try:
            self._runner.run(_connect(self._stage, links))
            return _cpu(lambda: self._runner.run(_received(links, self._requests[0].message)))
        finally:
            self._runner.run(_closed(links))  # those that an interrupt has left


def check() -> None:
    """Raises UnavailableError without httptools: to be asked before the minutes of work that come before a cost."""
    if not fast():
        raise UnavailableError(f"the floor of --cost is measured with httptools, not installed: {INSTALL}")


def measure(backend: ReplayProcess, told: Callable[[str], None] = lambda _: None) -> Cost:
    """The cost at 64 streams and 10,000 events a second."""
    with Alternating(backend) as both:
        for number in range(ROUNDS):
            told(f"cost of measuring, round {number + 1}/{ROUNDS}")
            both.floor()
            both.probe()
        return both.costs.found


def _cpu(work: Callable[[], int]) -> float:
    """CPU seconds; raises RuntimeError where events are missing: another amount of work would be compared."""
    before = time.process_time()
    seen = work()
    took = time.process_time() - before
    if seen < STREAMS:
        raise RuntimeError(f"only {seen} reads or events came")
    return took


async def _streamed(probe: WireProbe, requests: list[Prepared]) -> int:
    found = await asyncio.gather(*(probe.ask(request) for request in requests))
    return sum(len(probe.timeline(one).events) for one in found)


class _Floor(asyncio.Protocol):
    """A connection that stamps reads and parses HTTP."""

    def __init__(self, done: asyncio.Future[None]) -> None:
        self.done = done
        self.reads: list[tuple[int, bytes]] = []
        self._pieces: list[bytes] = []

    def ask(self, message: bytes) -> None:
        import httptools

        self._parser: Any = httptools.HttpResponseParser(self)
        self.transport.write(message)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        at = time.monotonic_ns()
        self._parser.feed_data(data)
        self.reads += [(at, piece) for piece in self._pieces]
        self._pieces.clear()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._over(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._over(StreamgaugeError(f"the replay server's process broke off ({exc or 'it ended'})"))

    def _over(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


async def _connect(stage: Stage, links: list[_Floor]) -> None:
    host, port = stage.base_url.removeprefix("http://").partition("/")[0].split(":")
    loop = asyncio.get_running_loop()
    for _ in range(STREAMS):
        _, link = await loop.create_connection(lambda: _Floor(loop.create_future()), host, int(port))
        links.append(link)


async def _received(links: list[_Floor], message: bytes) -> int:
    for link in links:
        link.ask(message)
    await asyncio.gather(*(link.done for link in links))
    await _closed(links)
    return sum(len(link.reads) for link in links)


async def _closed(links: list[_Floor]) -> None:
    for link in links:
        link.done.cancel()
        link.transport.close()
