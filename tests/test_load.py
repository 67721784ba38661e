"""The load generator: many streams at a time on three paths, closed and open loop, and what is kept of each."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import httpx2
import pytest

from streamgauge.chat import ChatRequest
from streamgauge.events import End, Event, Finish, Malformed, StreamError, TextDelta, Usage
from streamgauge.http_provider import BrokenStreamError, SilenceError, StatusError
from streamgauge.instrument.backend import ReplayProcess, Served, Stage
from streamgauge.instrument.drivers import fly_in_loop, fly_in_threads
from streamgauge.instrument.exchange import Timeouts
from streamgauge.instrument.flight import Flight, library_outcome, library_timeline, stream_of
from streamgauge.instrument.load import Load, intended_starts
from streamgauge.instrument.monitor import Watched, order, resident
from streamgauge.instrument.run import measure_run
from streamgauge.instrument.subjects import LibrarySubject, ProbeSubject, Subject, wire_runner
from streamgauge.instrument.taint import CLIENT_LAG, CPU_SHARE, LOOP_LAG, reasons
from streamgauge.measurement.metrics import measure
from streamgauge.provider import Connection, Provider, get_provider
from streamgauge.registry import get_dialect
from streamgauge.transport import UnreachableError

CHAT = get_dialect("openai-chat")
SAY = ChatRequest.of("Say something")
WHOLE: tuple[Event, ...] = (TextDelta("a"), TextDelta("b"), Finish("stop"), Usage(1, 2), End("complete"))
KEY = "sk-load-0123456789abcdef"
NEVER = Timeouts(connect=60, first_event=60, idle=60, total=60)


@dataclass
class Client:
    """A client library that is no library. hang: after so many events it says nothing, for ever."""

    events: tuple[Event, ...] = WHOLE
    error: Exception | None = None
    hang: int | None = None
    deaf: bool = False
    """It keeps a cancellation to itself."""
    aloft: int = 0
    most: int = 0
    served: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    never: threading.Event = field(default_factory=threading.Event)

    def _enter(self, step: int) -> None:
        with self.lock:
            self.aloft += step
            self.most = max(self.most, self.aloft)
            self.served += step > 0

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        self._enter(1)
        try:
            for n, event in enumerate(self.events):
                if n == self.hang:
                    self.never.wait(30)
                time.sleep(0.005)
                yield event
            if self.error:
                raise self.error
        finally:
            self._enter(-1)

    async def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        self._enter(1)
        try:
            for n, event in enumerate(self.events):
                if n == self.hang:
                    await self._hang()
                await asyncio.sleep(0.005)
                yield event
            if self.error:
                raise self.error
        finally:
            self._enter(-1)

    async def _hang(self) -> None:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            try:
                await asyncio.sleep(3)
            except asyncio.CancelledError:
                if not self.deaf:
                    raise

    def close(self) -> None:
        """Nothing to close."""

    async def aclose(self) -> None:
        """Nothing to close."""


Fly = Callable[[Provider, list[Flight], int, Timeouts, Callable[[Flight], None]], None]


def in_loop(client: Provider, flights: list[Flight], concurrency: int, limits: Timeouts, landed: Any) -> None:
    asyncio.run(fly_in_loop(client, flights, concurrency, limits, landed))


both = pytest.mark.parametrize("fly", [fly_in_threads, in_loop], ids=["threads", "loop"])


def planned(number: int, **more: Any) -> list[Flight]:
    return [Flight(tag=n, request=SAY, **more) for n in range(number)]


@pytest.fixture(scope="module")
def backend() -> Iterator[ReplayProcess]:
    with ReplayProcess() as found:
        yield found


@pytest.fixture(scope="module")
def stage(backend: ReplayProcess) -> Stage:
    return backend.stage("openai-chat", [0.01] * 6)


@pytest.fixture
def subject(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Subject]:
    """The HTTP provider on the path that the test names, or the probe."""
    with asyncio.Runner() as loop, wire_runner() as wire_loop:
        found: Subject
        if request.param == "wire":
            found = ProbeSubject(CHAT, stage.base_url, wire_loop, api_key=KEY, timeouts=NEVER)
        else:
            connection = Connection(base_url=stage.base_url, api_key=KEY)
            found = LibrarySubject(get_provider("openai-chat"), connection, request.param, loop)
        yield found
        found.close()


every_path = pytest.mark.parametrize("subject", ["sync", "async", "wire"], indirect=True)


# Drivers


@both
@pytest.mark.parametrize("concurrency", [1, 3, 50])
def test_no_more_are_in_the_air_than_asked_for(fly: Fly, concurrency: int) -> None:
    """A closed loop fills its places and never more; every flight lands once, with its events."""
    client, landed = Client(), []
    flights = planned(12)
    fly(client, flights, concurrency, NEVER, landed.append)
    assert client.most == min(concurrency, 12)
    assert sorted(f.tag for f in landed) == list(range(12))
    for flight in flights:
        assert tuple(event for _, event in flight.events) == WHOLE
        times = [at for at, _ in flight.events]
        assert flight.began <= times[0] <= times[-1] <= flight.ended


@both
def test_a_client_that_hangs_does_not_stop_the_others(fly: Fly) -> None:
    """A stream past its patience is stalled, what it had said is kept, and the flights behind it fly."""
    client = Client(hang=2)
    flights = planned(4)
    fly(client, flights, 2, Timeouts(connect=0, first_event=60, idle=0.3, total=60), lambda _: None)
    client.never.set()
    assert [library_outcome(f, claims_finish=True) for f in flights] == ["stalled"] * 4
    assert [len(f.events) for f in flights] == [2] * 4
    assert all("nothing came for 0.3 s" in f.stalled for f in flights)


@both
@pytest.mark.parametrize(
    "limits",
    [Timeouts(connect=0.1, first_event=0.2, idle=60, total=60), Timeouts(first_event=60, idle=60, total=0.3)],
    ids=["first event", "total"],
)
def test_each_patience_ends(fly: Fly, limits: Timeouts) -> None:
    """So do the patience for the first event and the one for the whole stream."""
    client = Client(hang=0)
    flights = planned(1)
    fly(client, flights, 1, limits, lambda _: None)
    client.never.set()
    assert flights[0].stalled


def test_a_library_that_ignores_its_cancellation_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the async path a stream that won't be cancelled is not waited for."""
    monkeypatch.setattr("streamgauge.instrument.drivers.GRACE", 0.1)
    client = Client(hang=1, deaf=True)
    flights = planned(2)

    async def run() -> int:
        await fly_in_loop(client, flights, 1, Timeouts(idle=0.2, first_event=60, total=60), lambda _: None)
        return client.aloft

    assert asyncio.run(run()) == 2
    assert [bool(f.stalled) for f in flights] == [True, True]


@both
def test_what_a_client_raises_is_kept(fly: Fly) -> None:
    """An exception ends its own flight only, and is kept as it is."""
    flights = planned(3)
    fly(Client(error=ValueError("bad chunk")), flights, 2, NEVER, lambda _: None)
    assert [str(f.error) for f in flights] == ["bad chunk"] * 3


@both
def test_flights_wait_for_their_intended_start(fly: Fly) -> None:
    """In an open loop nothing starts before it is meant to; what starts late counts from when it was meant."""
    now = time.monotonic()
    flights = planned(4)
    for n, flight in enumerate(flights):
        flight.due = now + 0.1 + n * 0.001
    fly(Client(), flights, 1, NEVER, lambda _: None)
    for flight in flights:
        assert flight.due is not None
        assert flight.began >= flight.due
        found = measure(library_timeline(flight, claims_finish=True))
        assert found.schedule_delay == pytest.approx(flight.began - flight.due)
        assert found.ttft == pytest.approx(flight.events[0][0] - flight.due)
    late = [measure(library_timeline(f, claims_finish=True)).schedule_delay for f in flights]
    assert late == sorted(late)
    assert late[-1] > 3 * 4 * 0.005  # three streams before it, of four pauses at least


# How a stream went


@pytest.mark.parametrize(
    ("events", "error", "how"),
    [
        (WHOLE, None, "complete"),
        (WHOLE[:2], None, "truncated"),
        ((*WHOLE[:2], End("complete")), None, "truncated"),
        ((*WHOLE[:2], End("truncated")), None, "truncated"),
        ((TextDelta("a"), StreamError("overloaded"), End("error")), None, "error"),
        ((TextDelta("a"), Malformed("no JSON"), Finish("stop"), End("complete")), None, "error"),
        ((), UnreachableError("nobody"), "refused"),
        ((), StatusError("429", 429, ""), "refused"),
        ((), ValueError("what the library makes of it"), "refused"),
        (WHOLE[:1], SilenceError("nothing came"), "stalled"),
        (WHOLE[:1], TimeoutError(), "stalled"),
        (WHOLE[:1], httpx2.ReadTimeout("slow"), "stalled"),
        (WHOLE[:1], BrokenStreamError("broke"), "cut"),
        (WHOLE[:1], ConnectionResetError(104, "reset"), "cut"),
        (WHOLE[:1], httpx2.RemoteProtocolError("incomplete chunked read"), "cut"),
        (WHOLE[:1], RuntimeError("an error event"), "error"),
    ],
)
def test_outcomes_of_libraries(events: tuple[Event, ...], error: Exception | None, how: str) -> None:
    """Only a whole answer with its finish reason is complete; exceptions are told apart by what they say."""
    flight = Flight(tag=1, request=SAY, events=[(0.0, e) for e in events], error=error)
    assert library_outcome(flight, claims_finish=True) == how


def test_a_cause_tells_what_a_library_s_own_exception_hides() -> None:
    """A library's exception around a transport's is a cut."""
    wrapped = RuntimeError("APIConnectionError")
    wrapped.__cause__ = httpx2.ReadError("reset")
    flight = Flight(tag=1, request=SAY, events=[(0.0, TextDelta("a"))], error=wrapped)
    assert library_outcome(flight, claims_finish=True) == "cut"


def test_a_library_without_finish_reasons_is_believed() -> None:
    """Where a provider can't show finish reasons its end of iteration is all there is."""
    flight = Flight(tag=1, request=SAY, events=[(0.0, TextDelta("a")), (0.1, End("complete"))])
    assert library_outcome(flight, claims_finish=False) == "complete"


def test_what_is_kept_of_a_stream() -> None:
    """Times count from the start, delays from the server's sends; the key is in no error."""
    flight = Flight(tag=1, request=SAY, began=100.0, ended=100.5)
    flight.events = [(100.1 + n / 10, event) for n, event in enumerate(WHOLE[:2])]
    flight.error = ValueError(f"Incorrect API key provided: {KEY}")
    line = library_timeline(flight, claims_finish=True)
    served = Served(received=100.01, sends=(100.08, 100.19))
    kept = stream_of(flight, line, measure(line), run_began=99.0, served=served, secret=KEY)
    assert (kept.began, kept.ttft, kept.gaps) == (1.0, 0.1, [0.1])
    assert kept.delivery_delay == pytest.approx([0.02, 0.01])
    assert KEY not in kept.error
    assert kept.error.startswith("ValueError: Incorrect API key provided: *")
    other = stream_of(flight, line, measure(line), run_began=99.0, served=Served(100.0, (100.0,)))
    assert other.delivery_delay is None


# Runs


@every_path
def test_a_run_is_measured(subject: Subject, backend: ReplayProcess, stage: Stage) -> None:
    """Eight streams, three at a time, against the other process: all whole, each beside its own sends."""
    measured = measure_run(subject, Load(requests=8, concurrency=3), backend=backend, stage=stage)
    run = measured.run
    assert [s.outcome for s in run.streams] == ["complete"] * 8
    for stream in run.streams:
        assert stream.output_events == 6
        assert (stream.output_tokens, stream.token_source) == (6, "usage")
        assert len(stream.gaps) == 5
        assert stream.delivery_delay is not None
        assert (
            min(stream.delivery_delay) > -200e-6
        )  # before it was sent nothing comes; two clocks' distance is measured
        assert stream.ttft is not None
        assert stream.ttft <= stream.e2e
        assert stream.began >= 0
    assert run.wall_seconds > 3 * 6 * 0.01 - 0.01  # three streams one after the other, of six pauses each
    assert run.cpu_seconds > 0
    assert run.events == sum(s.events for s in run.streams)
    assert len(measured.request_ways) == 8
    if subject.path == "wire":
        assert run.received_bytes > 0
        assert sum(s.arrivals is not None for s in run.streams) == 3
        assert sum(s.connect is not None for s in run.streams) == 3


@every_path
def test_tags_keep_runs_apart(subject: Subject, backend: ReplayProcess, stage: Stage) -> None:
    """A second run has its own sends, and its connections from the first."""
    load = Load(requests=2, concurrency=2)
    runs = [measure_run(subject, load, index=n, backend=backend, stage=stage).run for n in range(2)]
    delays = [s.delivery_delay for run in runs for s in run.streams]
    assert all(d is not None and max(d) < 30 for d in delays)
    assert all(s.connect is None for s in runs[1].streams)


@every_path
def test_an_open_loop_is_measured_from_intended_starts(subject: Subject, backend: ReplayProcess, stage: Stage) -> None:
    """With one place and a high rate, streams wait, and their latencies hold the waiting."""
    measured = measure_run(subject, Load(requests=4, concurrency=1, rate=1000.0), backend=backend, stage=stage)
    streams = sorted(measured.run.streams, key=lambda s: s.began)
    wanted = list(islice(intended_starts(1000.0, seed=0), 4))
    assert [s.began for s in streams] == pytest.approx(wanted, abs=1e-6)
    for before, stream in itertools.pairwise(streams):
        assert stream.ttft is not None
        assert stream.ttft > stream.schedule_delay > before.schedule_delay
        assert stream.schedule_delay > 5 * 0.01  # the pauses of the stream before


def test_intended_starts_are_a_poisson_process_that_repeats() -> None:
    """The same seed gives the same moments; their mean distance is that of the rate."""
    first, again, other = (list(islice(intended_starts(50.0, seed=s), 4000)) for s in (1, 1, 2))
    assert first == again != other
    assert first[0] == 0.0
    assert first == sorted(first)
    assert first[-1] / 3999 == pytest.approx(1 / 50, rel=0.1)


@every_path
def test_an_interrupt_keeps_what_was_measured(subject: Subject, backend: ReplayProcess, stage: Stage) -> None:
    """Ctrl-C in the middle of a run: the streams that had ended are there, those in the air are not."""
    count = itertools.count(1)

    def landed(_: Flight) -> None:
        if next(count) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    load = Load(requests=200, concurrency=2)
    measured = measure_run(subject, load, backend=backend, stage=stage, landed=landed)
    assert measured.interrupted
    assert 3 <= len(measured.run.streams) < 200
    assert all(s.succeeded for s in measured.run.streams)
    again = measure_run(subject, Load(requests=2, concurrency=2), backend=backend, stage=stage)
    assert [s.outcome for s in again.run.streams] == ["complete"] * 2


def test_nobody_there_is_refused() -> None:
    """Streams to a dead port are measured as refused, on every path, with a reason."""
    with asyncio.Runner() as loop, wire_runner() as wire_loop:
        connection = Connection(base_url="http://127.0.0.1:9/v1", api_key=KEY)
        spec = get_provider("openai-chat")
        subjects: list[Subject] = [LibrarySubject(spec, connection, path, loop) for path in ("sync", "async")]
        subjects.append(ProbeSubject(CHAT, connection.base_url, wire_loop, timeouts=NEVER))
        for subject in subjects:
            run = measure_run(subject, Load(requests=2, concurrency=2)).run
            assert [s.outcome for s in run.streams] == ["refused"] * 2
            assert all("nothing answers" in s.error for s in run.streams)
            subject.close()


# Monitoring


def test_order_statistics_are_values_of_the_sample() -> None:
    """No interpolation: the ceil(n q)-th smallest."""
    assert order([], 0.5) is None
    assert order([3.0, 1.0, 2.0], 0.5) == 2.0
    assert order(list(range(1, 101)), 0.99) == 99
    assert order([5.0], 0.99) == 5.0


def test_memory_is_this_process_s() -> None:
    """The resident set is more than ten megabytes of it, where the platform tells."""
    found = resident()
    assert found is None or 10_000_000 < found < 10**11


def test_taint_names_what_passed_its_bound(subject_run: Any) -> None:
    """Each bound that was passed gives a reason with the figure and the bound; what is within gives none."""
    assert list(reasons("x", subject_run())) == []
    (lag,) = reasons("x", subject_run(lags=[CLIENT_LAG * 2] * 10))
    assert "client lag p99 10.0 ms is over 5 ms" in lag
    (loop,) = reasons("x", subject_run(loop=LOOP_LAG * 2))
    assert "loop lag" in loop
    (share,) = reasons("x", subject_run(share=CPU_SHARE + 0.05))
    assert "95% of a core" in share


@pytest.fixture
def subject_run() -> Callable[..., Any]:
    from streamgauge.instrument.run import Measured
    from streamgauge.measurement.results import Run

    def made(lags: list[float] | None = None, loop: float = 0.001, share: float = 0.2) -> Measured:
        run = Run(index=0, wall_seconds=1.0, cpu_seconds=0.1, events=1, received_bytes=1, streams=[], loop_lag_p99=loop)
        return Measured(run=run, flights=[], lags=lags or [0.0], request_ways=[], share=share)

    return made


def test_a_held_loop_is_seen() -> None:
    """A look that comes late is counted as late."""
    watched = Watched()
    watched.look(time.monotonic() - 0.5)
    assert watched.lag_p99 is not None
    assert watched.lag_p99 >= 0.5
