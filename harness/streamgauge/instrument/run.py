"""One run: a load put on a subject once, and what came of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from streamgauge.instrument.backend import ReplayProcess, Served, Stage
from streamgauge.instrument.flight import Flight, stream_of
from streamgauge.instrument.load import Load, intended_starts
from streamgauge.instrument.monitor import Watched, order
from streamgauge.instrument.subjects import Subject
from streamgauge.loops import collect
from streamgauge.measurement.metrics import Timeline, measure
from streamgauge.measurement.results import Run, Stream

KEPT_ARRIVALS = 3
"""Streams of a run whose reads are kept one by one: enough for a picture of single streams."""


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
    collect()
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
    return Measured(
        run=_run(index, watched, list(_streams(subject, zip(ended, lines, strict=True), watched.began, served))),
        flights=ended,
        lags=[lag for flight in ended if flight.probed for lag in flight.probed.lags],
        request_ways=[served[f.tag].received - f.start for f in ended if f.tag in served and f.due is None],
        share=share,
        interrupted=interrupted,
    )


def _streams(
    subject: Subject, measured: Iterable[tuple[Flight, Timeline]], run_began: float, served: dict[int, Served]
) -> Iterator[Stream]:
    """What is kept of each stream."""
    for number, (flight, line) in enumerate(measured):
        yield stream_of(
            flight,
            line,
            measure(line),
            run_began=run_began,
            served=served.get(flight.tag),
            keep_arrivals=number < KEPT_ARRIVALS,
            secret=subject.secret,
        )


def _run(index: int, watched: Watched, streams: list[Stream]) -> Run:
    return Run(
        index=index,
        wall_seconds=round(watched.wall, 7),
        cpu_seconds=round(watched.cpu, 7),
        events=sum(s.events for s in streams),
        received_bytes=sum(s.received for s in streams),
        peak_rss_bytes=watched.peak_rss,
        loop_lag_p99=watched.lag_p99,
        streams=streams,
    )
