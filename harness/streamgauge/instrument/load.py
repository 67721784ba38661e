"""The load generator: requests to one subject at one concurrency, and what came of them as a `Run`."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from streamgauge.chat import ChatMessage, ChatRequest
from streamgauge.dialect import Dialect
from streamgauge.instrument.backend import ReplayProcess, Stage
from streamgauge.instrument.drivers import Landed, fly_in_loop, fly_in_threads, fly_on_wire
from streamgauge.instrument.exchange import Timeouts
from streamgauge.instrument.flight import Flight, library_timeline, stream_of
from streamgauge.instrument.monitor import Watched, order, watch_loop, watch_threads
from streamgauge.instrument.wire import WireProbe
from streamgauge.measurement.calibrations import Clock, PathName
from streamgauge.measurement.metrics import Timeline, measure
from streamgauge.measurement.results import Run
from streamgauge.provider import Connection, ProviderSpec
from streamgauge.registry import get_dialect
from streamgauge.tags import tagged

KEPT_ARRIVALS = 3
"""Streams of a run whose reads are kept one by one: enough for a picture of single streams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a run asks for. rate: requests a second in an open loop, None for a closed one, in which each place that
    becomes free starts the next stream. prompt, model, max_tokens: what is asked.
    """

    requests: int
    concurrency: int
    rate: float | None = None
    prompt: str = "Say something long"
    model: str = "gpt-4"
    max_tokens: int | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)

    def request(self, tag: int, stage: Stage | None) -> ChatRequest:
        """The request of one stream; only the built-in server needs to tell streams apart."""
        prompt = self.prompt if stage is None else tagged(self.prompt, tag)
        messages = (ChatMessage("user", prompt),)
        return ChatRequest(messages=messages, model=self.model, max_tokens=self.max_tokens)


class Subject(Protocol):
    """What a load is put on: a provider on one path, or the wire probe."""

    name: str
    path: PathName
    dialect: Dialect
    version: str
    clock: Clock
    secret: str

    def prepare(self, flights: Sequence[Flight]) -> None: ...
    def fly(self, flights: Sequence[Flight], load: Load, watched: Watched, landed: Landed) -> None: ...
    def timeline(self, flight: Flight) -> Timeline: ...
    def close(self) -> None: ...


class LibrarySubject:
    """A provider on its sync or its async path; it is connected once, and keeps its connections from run to run.

    runner: the event loop of the async path, which outlives the subject.
    Raises UnavailableError where the library is missing.
    """

    clock: Clock = "monotonic at read"

    def __init__(
        self, spec: ProviderSpec, connection: Connection, path: Literal["sync", "async"], runner: asyncio.Runner
    ) -> None:
        self.name, self.version = spec.name, spec.version
        self.path: PathName = path
        self.dialect = get_dialect(spec.dialect)
        self.secret = connection.api_key
        self._claims_finish = spec.kind == "library" and "finish" in spec.capabilities
        self._runner = runner
        self._provider = spec.open(connection)

    def prepare(self, flights: Sequence[Flight]) -> None:
        """A library makes its requests itself."""

    def fly(self, flights: Sequence[Flight], load: Load, watched: Watched, landed: Landed) -> None:
        if self.path == "sync":
            with watch_threads(watched):
                fly_in_threads(self._provider, flights, load.concurrency, load.timeouts, landed)
            return

        async def run() -> None:
            async with watch_loop(watched):
                await fly_in_loop(self._provider, flights, load.concurrency, load.timeouts, landed)

        self._runner.run(run())

    def timeline(self, flight: Flight) -> Timeline:
        return library_timeline(flight, claims_finish=self._claims_finish)

    def close(self) -> None:
        self._provider.close()
        self._runner.run(self._provider.aclose())


class ProbeSubject:
    """The wire probe on a dialect's endpoint; runner: its event loop, which outlives it."""

    path: PathName = "wire"
    version = ""

    def __init__(
        self, dialect: Dialect, base_url: str, runner: asyncio.Runner, *, api_key: str = "", timeouts: Timeouts
    ) -> None:
        self.name, self.dialect, self.secret = f"probe:{dialect.name}", dialect, api_key
        self._runner = runner
        self._probe = WireProbe(dialect, base_url, api_key=api_key, timeouts=timeouts)
        self.clock: Clock = "kernel receive timestamps" if self._probe.stamps else "monotonic at read"

    def prepare(self, flights: Sequence[Flight]) -> None:
        for flight in flights:
            assert isinstance(flight.request, ChatRequest)
            flight.request = self._probe.prepare(flight.request)

    def fly(self, flights: Sequence[Flight], load: Load, watched: Watched, landed: Landed) -> None:
        async def run() -> None:
            async with watch_loop(watched):
                await fly_on_wire(self._probe, flights, load.concurrency, landed)

        self._runner.run(run())

    def timeline(self, flight: Flight) -> Timeline:
        if flight.probed is None:
            return Timeline(events=(), outcome="refused", ended_at=flight.ended - flight.start)
        return self._probe.timeline(flight.probed, due=flight.due)

    def close(self) -> None:
        self._runner.run(self._probe.aclose())


@dataclass(slots=True, kw_only=True)
class Measured:
    """One run with what is not kept of it.

    lags: of each read of the probe's. request_ways: seconds from each start to the replay server having the request.
    share: CPU time as a share of one core, while streams came. interrupted: it was ended early.
    """

    run: Run
    flights: list[Flight]
    lags: list[float]
    request_ways: list[float]
    share: float
    interrupted: bool = False

    @property
    def client_lag_p99(self) -> float | None:
        return order(self.lags, 0.99)


_TAGS = itertools.count(1)


def measure_run(
    subject: Subject,
    load: Load,
    *,
    index: int = 0,
    backend: ReplayProcess | None = None,
    stage: Stage | None = None,
    landed: Callable[[Flight], None] = lambda _: None,
) -> Measured:
    """Put the load on the subject once. stage: the replay server's script that it streams from, for the send log.

    An interrupt ends the run early: what had come to its end is in it, and `interrupted` says so.
    """
    flights = [Flight(tag=(tag := next(_TAGS)), request=load.request(tag, stage)) for _ in range(load.requests)]
    subject.prepare(flights)
    gc.collect()
    watched, interrupted = Watched(), False
    if load.rate is not None:
        for flight, due in zip(flights, intended_starts(load.rate, seed=index), strict=False):
            flight.due = watched.began + due
    try:
        subject.fly(flights, load, watched, landed)
    except KeyboardInterrupt:
        interrupted = True
    watched.received()
    share = watched.share
    ended = [flight for flight in flights if flight.ended]
    lines = [subject.timeline(flight) for flight in ended]
    if subject.path == "wire":
        watched.decoded()
    served = backend.log(stage) if backend is not None and stage is not None else {}
    found = [measure(line) for line in lines]
    streams = [
        stream_of(
            flight,
            line,
            metrics,
            run_began=watched.began,
            served=served.get(flight.tag),
            keep_arrivals=number < KEPT_ARRIVALS,
            secret=subject.secret,
        )
        for number, (flight, line, metrics) in enumerate(zip(ended, lines, found, strict=True))
    ]
    run = Run(
        index=index,
        wall_seconds=round(watched.wall, 7),
        cpu_seconds=round(watched.cpu, 7),
        events=sum(s.events for s in streams),
        received_bytes=sum(s.received for s in streams),
        peak_rss_bytes=watched.peak_rss,
        loop_lag_p99=watched.lag_p99,
        streams=streams,
    )
    return Measured(
        run=run,
        flights=ended,
        lags=[lag for flight in ended if flight.probed for lag in flight.probed.lags],
        request_ways=[served[f.tag].received - f.start for f in ended if f.tag in served and f.due is None],
        share=share,
        interrupted=interrupted,
    )


def intended_starts(rate: float, *, seed: int) -> Iterator[float]:
    """Seconds after the run's start at which requests are meant to be sent: a Poisson process of that rate.

    The same seed gives the same moments, so that all subjects of a round get the same load.
    """
    draw = random.Random(seed)
    at = 0.0
    while True:
        yield at
        at += draw.expovariate(rate)


def wire_runner() -> asyncio.Runner:
    """The event loop of the wire probe: uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


def pause() -> None:
    """A moment between runs, for what a client leaves behind to end."""
    time.sleep(0.02)
