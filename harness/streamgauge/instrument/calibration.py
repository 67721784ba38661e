"""A whole calibration: the probe and each provider on each path, at each concurrency."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Literal

from streamgauge.instrument.backend import ReplayProcess, Stage
from streamgauge.instrument.bench import closed_quietly, stamp, versions
from streamgauge.instrument.calibrate import FULL, MOST_EVENTS, PROBED, QUICK, calibrate, delays
from streamgauge.instrument.exchange import Timeouts
from streamgauge.instrument.load import LibrarySubject, ProbeSubject, Subject, wire_runner
from streamgauge.measurement.results import Calibration, CalibrationRow
from streamgauge.provider import Connection, ProviderSpec
from streamgauge.registry import get_dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be calibrated."""

    specs: Sequence[ProviderSpec]
    modes: Sequence[str]
    concurrencies: Sequence[int]
    quick: bool = False


def run(wish: Wish, found: Callable[[CalibrationRow], None], begins: Callable[[str], None]) -> Calibration:
    """Calibrate everything; an interrupt gives the rows so far, marked partial."""
    started, rows, interrupted = datetime.now(UTC), [], False
    with ExitStack() as stack:
        try:
            for row in _rows(wish, stack, begins):
                rows.append(row)
                found(row)
        except KeyboardInterrupt:
            interrupted = True
    settings = {"depth": "quick" if wish.quick else "full", "most_events_per_second": MOST_EVENTS}
    return Calibration(started=stamp(started), versions=versions(), rows=rows, settings=settings, partial=interrupted)


def _rows(wish: Wish, stack: ExitStack, begins: Callable[[str], None]) -> Iterator[CalibrationRow]:
    backend = stack.enter_context(ReplayProcess())
    loop = stack.enter_context(asyncio.Runner())
    wire_loop = stack.enter_context(wire_runner())
    depth = QUICK if wish.quick else FULL
    for concurrency in wish.concurrencies:
        stages: dict[str, Stage] = {}
        for dialect in dict.fromkeys([PROBED, *(spec.dialect for spec in wish.specs)]):
            stages[dialect] = backend.stage(dialect, delays(concurrency))
        for open_subject in _subjects(wish, stages, loop, wire_loop):
            subject = open_subject()
            try:
                begins(f"{subject.name} {subject.path} x{concurrency}")
                yield calibrate(subject, backend, stages[subject.dialect.name], concurrency, depth)
            finally:
                closed_quietly(subject)


def _subjects(
    wish: Wish, stages: dict[str, Stage], loop: asyncio.Runner, wire_loop: asyncio.Runner
) -> Iterator[Callable[[], Subject]]:
    if "wire" in wish.modes:
        probed, url = get_dialect(PROBED), stages[PROBED].base_url
        yield lambda: ProbeSubject(probed, url, wire_loop, timeouts=Timeouts())
    paths: tuple[Literal["sync", "async"], ...] = ("sync", "async")
    for spec in wish.specs:
        connection = Connection(base_url=stages[spec.dialect].base_url, api_key="none")
        for path in paths:
            if path in wish.modes and path in spec.capabilities:
                yield partial(LibrarySubject, spec, connection, path, loop)
