"""The instrument measured: the same scripts as in a benchmark, with times that are known, minus those times.

What is true is the replay server's send log: `time.monotonic` read immediately before an event is handed to the
kernel, in another process of the same machine, which shares that clock. What lies between that and the kernel's
stamp of its arrival (the system call, the loopback device) is charged to the instrument.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from streamgauge.instrument.backend import ReplayProcess, Stage
from streamgauge.instrument.load import Load
from streamgauge.instrument.monitor import order
from streamgauge.instrument.run import Measured, measure_run
from streamgauge.instrument.subjects import Subject
from streamgauge.measurement.calibrations import CalibrationRow, Errors

PROBED = "openai-chat"
"""The dialect that the probe is calibrated with: what it adds does not depend on the dialect, whose decoder runs when
the streams are over."""
FIRST = 0.02
"""Seconds before the first event."""
RHYTHM = (1.0, 0.5, 1.5, 0.8, 1.2, 1.7, 0.3)
"""Gaps as multiples of their mean: what is even could be right by chance."""
LEAST_GAP = 0.006
MOST_EVENTS = 3000
"""Events a second of all streams together: above, the server in the other process would need a core of its own."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How many streams a row is made of, at least."""

    streams: int


FULL = Depth(100)
QUICK = Depth(20)
"""For the row that a benchmark carries along: its TTFT has a p99 from 100 streams at a time on only."""


def delays(concurrency: int) -> list[float]:
    """Seconds before each event of a calibration script."""
    mean = max(LEAST_GAP, concurrency / MOST_EVENTS)
    return [FIRST, *(mean * factor for factor in RHYTHM)]


def calibrate(
    subject: Subject,
    backend: ReplayProcess,
    stage: Stage,
    concurrency: int,
    depth: Depth = FULL,
    warmed: Callable[[str, Measured], None] = lambda _, __: None,
) -> CalibrationRow:
    """One row. The subject must stream from that stage; a warm-up before it makes its connections, and is told.

    Raises KeyboardInterrupt where it was interrupted: half a row is none.
    """
    warm = Load(requests=concurrency, concurrency=concurrency)
    load = Load(requests=max(depth.streams, concurrency), concurrency=concurrency)
    warmed(f"{subject.name} {subject.path} x{concurrency}", _run(subject, warm, backend, stage))
    return row_of(subject, _run(subject, load, backend, stage), concurrency)


def _run(subject: Subject, load: Load, backend: ReplayProcess, stage: Stage) -> Measured:
    measured = measure_run(subject, load, backend=backend, stage=stage)
    if measured.interrupted:
        raise KeyboardInterrupt
    return measured


def row_of(subject: Subject, measured: Measured, concurrency: int) -> CalibrationRow:
    """What a run against a known script says of the instrument."""
    streams = measured.run.streams
    known = [s.delivery_delay for s in streams if s.succeeded and s.delivery_delay]
    return CalibrationRow(
        name=subject.name,
        path=subject.path,
        concurrency=concurrency,
        clock=subject.clock,
        streams=len(streams),
        failed=sum(not s.succeeded for s in streams),
        ttft=errors([late[0] for late in known]),
        gap=errors([b - a for late in known for a, b in pairwise(late)]),
        client_lag=errors(measured.lags),
        request_way=errors(measured.request_ways),
        cpu_share=round(measured.share, 4),
        events_per_second=round(measured.run.events / measured.run.wall_seconds, 1),
    )


def errors(values: Sequence[float]) -> Errors | None:
    """Order statistics of errors; None without any, and no p99 below 100 values."""
    p50 = order(values, 0.5)
    if p50 is None:
        return None
    p99 = order(values, 0.99) if len(values) >= 100 else None
    return Errors(count=len(values), p50=p50, p99=p99, max=max(values), min=min(values))
