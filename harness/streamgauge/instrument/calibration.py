"""A whole calibration: the probe and each provider on each path, at each concurrency; and what measuring costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from streamgauge.instrument import cost
from streamgauge.instrument.backend import ReplayProcess, Stage
from streamgauge.instrument.calibrate import FULL, MOST_EVENTS, PROBED, QUICK, calibrate, delays
from streamgauge.instrument.environment import stamp, versions
from streamgauge.instrument.exchange import Timeouts
from streamgauge.instrument.subjects import LibrarySubject, ProbeSubject, Subject, closed_quietly, wire_runner
from streamgauge.loops import Runner
from streamgauge.measurement.calibrations import Calibration, CalibrationRow, Cost, PathName
from streamgauge.provider import Connection, ProviderSpec
from streamgauge.registry import get_dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be calibrated. cost: also measure the probe's CPU time beside the floor."""

    specs: Sequence[ProviderSpec]
    modes: Sequence[PathName]
    concurrencies: Sequence[int]
    quick: bool = False
    cost: bool = False

    @property
    def names(self) -> list[tuple[ProviderSpec | None, PathName]]:
        """What is calibrated at each concurrency: a provider on a path, and None for the probe."""
        probe: list[tuple[ProviderSpec | None, PathName]] = [(None, "wire")] if "wire" in self.modes else []
        paths: tuple[PathName, ...] = ("sync", "async")
        return [
            *probe,
            *(
                (spec, path)
                for spec in self.specs
                for path in paths
                if path in self.modes and path in spec.capabilities
            ),
        ]


def run(wish: Wish, found: Callable[[CalibrationRow], None], begins: Callable[[str], None]) -> Calibration:
    """Calibrate everything; an interrupt gives the rows so far, marked partial.

    begins: told what comes next, with its number of how many. Raises UnavailableError, before anything is measured,
    where the cost is wanted and httptools is missing.
    """
    if wish.cost:
        cost.check()
    started, interrupted = datetime.now(UTC), False
    rows: list[CalibrationRow] = []
    price: Cost | None = None
    with ExitStack() as stack:
        try:
            backend = stack.enter_context(ReplayProcess())
            for row in _rows(wish, backend, stack, begins):
                rows.append(row)
                found(row)
            price = cost.measure(backend, begins) if wish.cost else None
        except KeyboardInterrupt:
            interrupted = True
    settings = {"depth": "quick" if wish.quick else "full", "most_events_per_second": MOST_EVENTS}
    return Calibration(
        started=stamp(started), versions=versions(), rows=rows, settings=settings, partial=interrupted, cost=price
    )


def _rows(
    wish: Wish, backend: ReplayProcess, stack: ExitStack, begins: Callable[[str], None]
) -> Iterator[CalibrationRow]:
    loop = stack.enter_context(Runner())
    wire_loop = stack.enter_context(wire_runner())
    depth = QUICK if wish.quick else FULL
    done, total = 0, len(wish.names) * len(wish.concurrencies)
    for concurrency in wish.concurrencies:
        stages: dict[str, Stage] = {}
        for dialect in dict.fromkeys([PROBED, *(spec.dialect for spec in wish.specs)]):
            stages[dialect] = backend.stage(dialect, delays(concurrency))
        for spec, path in wish.names:
            done += 1
            begins(f"{done}/{total}: {spec.name if spec else 'the probe'} {path} x{concurrency}")
            subject = _subject(spec, path, stages, loop, wire_loop)
            try:
                yield calibrate(subject, backend, stages[subject.dialect.name], concurrency, depth)
            finally:
                closed_quietly(subject)


def _subject(
    spec: ProviderSpec | None, path: PathName, stages: dict[str, Stage], loop: asyncio.Runner, wire_loop: asyncio.Runner
) -> Subject:
    if spec is None or path == "wire":
        return ProbeSubject(get_dialect(PROBED), stages[PROBED].base_url, wire_loop, timeouts=Timeouts())
    connection = Connection(base_url=stages[spec.dialect].base_url, api_key="none")
    return LibrarySubject(spec, connection, path, loop)
