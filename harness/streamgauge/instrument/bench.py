"""One benchmark from its plan to its result: subjects, warm-up, interleaved runs, calibration, taint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

from streamgauge.errors import StreamgaugeError, UnavailableError
from streamgauge.instrument import calibrate, taint, timings
from streamgauge.instrument.backend import ReplayProcess, Stage
from streamgauge.instrument.environment import stamp, versions
from streamgauge.instrument.exchange import Timeouts
from streamgauge.instrument.flight import Flight
from streamgauge.instrument.plan import Plan
from streamgauge.instrument.run import Measured, measure_run
from streamgauge.instrument.subjects import LibrarySubject, ProbeSubject, Subject, closed_quietly, wire_runner
from streamgauge.loops import Runner
from streamgauge.measurement.calibrations import Calibration, CalibrationRow, Clock
from streamgauge.measurement.metrics import StreamMetrics, measure
from streamgauge.measurement.results import BenchResult, Run, Target
from streamgauge.provider import Connection, ProviderSpec
from streamgauge.registry import get_dialect
from streamgauge.transport import diagnose


class Watcher(Protocol):
    """Who is told how far a benchmark is; each call must be quick."""

    def calibrated(self, row: CalibrationRow) -> None: ...
    def noted(self, note: str) -> None: ...
    def warmed(self, label: str, measured: Measured) -> None: ...
    def landed(self, flight: Flight) -> None: ...
    def ran(self, label: str, measured: Measured, done: int, total: int) -> None: ...


def bench(plan: Plan, watcher: Watcher, backend: ReplayProcess) -> BenchResult:
    """Measure everything that was asked for. An interrupt gives the result so far, marked partial.

    backend: the replay server, which the calibration needs whatever is measured.
    Raises UnreachableError where nothing answers at the base URL, UnavailableError where no provider is installed,
    and StreamgaugeError where the call was wrong.
    """
    return _Bench(plan, watcher, backend).run()


@dataclass(slots=True)
class _Entry:
    """A subject at one concurrency and what was measured of it."""

    subject: Subject
    concurrency: int
    stage: Stage | None
    runs: list[Run] = field(default_factory=list)
    found: list[StreamMetrics] = field(default_factory=list)
    flights: list[Flight] = field(default_factory=list)
    counters: list[tuple[timings.Counters, timings.Counters]] = field(default_factory=list)

    @property
    def label(self) -> str:
        return f"{self.subject.name} {self.subject.path} x{self.concurrency}"


class _Bench:
    def __init__(self, plan: Plan, watcher: Watcher, backend: ReplayProcess) -> None:
        self._plan = plan
        self._backend = backend
        self._watcher = watcher
        self._entries: list[_Entry] = []
        self._rows: list[CalibrationRow] = []
        self._tainted: list[str] = []
        self._notes: list[str] = []
        self._partial = False
        self._started = datetime.now(UTC)

    def run(self) -> BenchResult:
        with ExitStack() as stack:
            try:
                self._loop = stack.enter_context(Runner())
                self._wire_loop = stack.enter_context(wire_runner())
                self._measure(stack)
            except KeyboardInterrupt:
                self._partial = True
            return self._result()

    def _measure(self, stack: ExitStack) -> None:
        specs = self._installed()
        stages: dict[str, Stage] = {}
        for concurrency in self._plan.concurrencies:
            self._calibrate(concurrency)
        subjects = list(self._open(specs, stages, stack))
        if sum(spec.kind == "library" for spec in specs) > 1:
            self._note("memory apart: one process holds all libraries here; name one provider to see what it takes")
        if not subjects:
            raise StreamgaugeError("; ".join(["nothing can be measured", *self._notes]))
        for concurrency in self._plan.concurrencies:
            entries = [_Entry(s, concurrency, stages.get(s.dialect.name)) for s in subjects]
            self._entries += entries
            for entry in entries:
                self._warm_up(entry)
            for index in range(self._plan.runs):
                for entry in entries:
                    self._once(entry, index)

    def _installed(self) -> list[ProviderSpec]:
        missing = [spec for spec in self._plan.specs if spec.missing]
        told = [f"{spec.name} needs {', '.join(spec.missing)}, not installed: {spec.install}" for spec in missing]
        found = [spec for spec in self._plan.specs if not spec.missing]
        if not found:  # said once: as the error
            raise UnavailableError("; ".join(told) or "no provider was named")
        for text in told:
            self._note(text)
        return found

    def _open(self, specs: Sequence[ProviderSpec], stages: dict[str, Stage], stack: ExitStack) -> Iterator[Subject]:
        """Connected subjects: the probe of each dialect first, then every provider on each of its paths."""
        for spec in specs:
            if self._plan.base_url is None and spec.dialect not in stages:
                delays = [self._plan.first, *[self._plan.pace] * (self._plan.events - 1)]
                stages[spec.dialect] = self._backend.stage(spec.dialect, delays)
        probed: set[str] = set()
        for spec in specs if "wire" in self._plan.modes else ():
            if spec.dialect not in probed:
                probed.add(spec.dialect)
                url, key = self._where(spec, stages)
                dialect, patience = get_dialect(spec.dialect), self._plan.timeouts
                probe = ProbeSubject(dialect, url, self._wire_loop, api_key=key, timeouts=patience)
                stack.callback(closed_quietly, probe)
                yield probe
        for spec in specs:
            for path in ("sync", "async"):
                if path in self._plan.modes and (subject := self._library(spec, path, stages)):
                    stack.callback(closed_quietly, subject)
                    yield subject

    def _library(
        self, spec: ProviderSpec, path: Literal["sync", "async"], stages: dict[str, Stage]
    ) -> LibrarySubject | None:
        if path not in spec.capabilities:
            self._note(f"{spec.name} has no {path} path")
            return None
        url, key = self._where(spec, stages)
        connection = Connection(base_url=url, api_key=key, timeout=self._plan.timeouts.idle)
        return LibrarySubject(spec, connection, path, self._loop)

    def _where(self, spec: ProviderSpec, stages: dict[str, Stage]) -> tuple[str, str]:
        if self._plan.base_url is None:
            return stages[spec.dialect].base_url, "none"
        return self._plan.base_url, self._plan.api_key(spec)

    def _note(self, text: str) -> None:
        self._notes.append(text)
        self._watcher.noted(text)

    def _calibrate(self, concurrency: int) -> None:
        """The calibration at this concurrency: the file's where it has one, else a quick one."""
        given = self._plan.calibration
        if given is not None and (row := given.at("wire", concurrency)) is not None:
            self._rows.append(row)
            return
        stage = self._backend.stage(calibrate.PROBED, calibrate.delays(concurrency))
        dialect = get_dialect(calibrate.PROBED)
        probe = ProbeSubject(dialect, stage.base_url, self._wire_loop, timeouts=Timeouts())
        try:
            row = calibrate.calibrate(
                probe, self._backend, stage, concurrency, calibrate.QUICK, warmed=self._watcher.warmed
            )
        finally:
            closed_quietly(probe)
        self._rows.append(row)
        self._tainted += taint.calibration_reasons(row)
        self._watcher.calibrated(row)

    def _warm_up(self, entry: _Entry) -> None:
        """Streams that don't count: imports, connections, caches. Says early where nothing answers."""
        wanted = self._plan.warmup if self._plan.warmup is not None else entry.concurrency
        if not wanted:
            return
        load = self._plan.load(entry.concurrency, wanted)
        measured = measure_run(entry.subject, load, index=-1, backend=self._backend, stage=entry.stage)
        if measured.interrupted:
            raise KeyboardInterrupt
        streams = measured.run.streams
        url = self._plan.base_url if all(s.outcome == "refused" for s in streams) else None
        if url is not None and (wrong := diagnose(url, entry.subject.dialect)):
            raise wrong
        self._watcher.warmed(entry.label, measured)

    def _once(self, entry: _Entry, index: int) -> None:
        plan, subject = self._plan, entry.subject
        before = self._scraped(entry)
        load = plan.load(entry.concurrency, plan.requests)
        measured = measure_run(
            subject, load, index=index, backend=self._backend, stage=entry.stage, landed=self._watcher.landed
        )
        if measured.run.streams:
            entry.runs.append(measured.run)
            self._tainted += taint.reasons(f"{entry.label} run {index}", measured)
        if plan.base_url is not None:
            entry.counters.append((before, self._scraped(entry)))
            entry.found += [measure(subject.timeline(flight)) for flight in measured.flights]
            entry.flights += measured.flights
        done = sum(len(e.runs) for e in self._entries)
        total = (
            len(self._plan.concurrencies) * plan.runs * sum(e.concurrency == entry.concurrency for e in self._entries)
        )
        self._watcher.ran(entry.label, measured, done, total)
        if measured.interrupted:
            raise KeyboardInterrupt

    def _scraped(self, entry: _Entry) -> dict[str, float]:
        if self._plan.base_url is None:
            return {}
        return timings.scrape(self._plan.base_url, entry.subject.dialect, entry.subject.secret)

    def _result(self) -> BenchResult:
        clocks: list[Clock] = [e.subject.clock for e in self._entries if e.subject.path == "wire"]
        calibration = self._plan.calibration or Calibration(
            started=stamp(self._started), versions=versions(), rows=self._rows, settings={"depth": "quick"}
        )
        return BenchResult(
            started=stamp(self._started),
            versions=versions(),
            settings=self._plan.settings(),
            clock=clocks[0] if clocks else "monotonic at read",
            targets=[self._target(entry) for entry in self._entries if entry.runs],
            partial=self._partial,
            tainted=list(dict.fromkeys(self._tainted)),
            notes=self._notes,
            calibration=calibration if calibration.rows else None,
        )

    def _target(self, entry: _Entry) -> Target:
        subject = entry.subject
        return Target(
            name=subject.name,
            path=subject.path,
            concurrency=entry.concurrency,
            dialect=subject.dialect.name,
            version=subject.version,
            base_url_kind="built-in" if self._plan.base_url is None else "given",
            runs=entry.runs,
            server_timings=timings.all_said(entry.flights, entry.found, entry.counters),
        )
