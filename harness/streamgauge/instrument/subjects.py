"""What a load is put on: a client library on its sync or its async path, or the wire probe."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal, Protocol

from streamgauge.chat import ChatRequest
from streamgauge.dialect import Dialect
from streamgauge.instrument.drivers import Landed, fly_in_loop, fly_in_threads, fly_on_wire
from streamgauge.instrument.exchange import Timeouts
from streamgauge.instrument.flight import Flight, library_timeline
from streamgauge.instrument.load import Load
from streamgauge.instrument.monitor import Watched, watch_loop, watch_threads
from streamgauge.instrument.wire import WireProbe
from streamgauge.loops import Runner
from streamgauge.measurement.calibrations import Clock, PathName
from streamgauge.measurement.metrics import Timeline
from streamgauge.provider import Connection, ProviderSpec
from streamgauge.registry import get_dialect


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
        try:
            self._provider.close()
        finally:  # whatever a library makes of the one
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


def wire_runner() -> asyncio.Runner:
    """The event loop of the wire probe: uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return Runner()
    return Runner(loop_factory=uvloop.new_event_loop)


def closed_quietly(subject: Subject) -> None:
    """Close it; what a library makes of being closed is not what is measured here."""
    with suppress(Exception):
        subject.close()
