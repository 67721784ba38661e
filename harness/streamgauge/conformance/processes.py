"""A run in several processes: client libraries are Python, of which one process runs one thread at a time.

Each process judges its providers by a `Conformance` of its own, with a replay server of its own, and tells its parent
of each run and, at the end, of the verdicts. Providers of one library stay together: importing it takes seconds.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import TypeAlias

from streamgauge.conformance.execution import Conformance, interrupted
from streamgauge.conformance.planning import Plan, Selection, plan
from streamgauge.provider import get_provider
from streamgauge.recordings import beside_shipped
from streamgauge.registry import modules
from streamgauge.rules import Verdict
from streamgauge.verdicts import RunReport, base_versions, now

GRACE = 10.0
"""Seconds that the processes have to hand over what they judged before Ctrl-C."""
STOP = "stop"

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called after each run: runs made, runs planned, the run in words."""


def processes_for(planned: Plan) -> int:
    """How many processes a plan is worth: one for each core, and no more than there are libraries to judge.

    An adapter is known to this process alone; so may be any provider that is not one of ours.
    """
    names = {job.provider for job in planned.jobs}
    ours = {spec.name for module in modules("streamgauge_providers") for spec in getattr(module, "PROVIDERS", ())}
    if not names <= ours:
        return 1
    return max(1, min(_cores(), len(set(map(_library, names)))))


def judge_in_processes(planned: Plan, selection: Selection, count: int, on_progress: Progress) -> RunReport:
    """Execute a plan, which is that of the selection, in so many processes.

    Ctrl-C ends it early: the report then holds what was judged, as `partial`. It is partial, too, and says so, where
    a process died of a client.
    """
    started, began = now(), time.monotonic()
    parts = shares(Counter(job.provider for job in planned.jobs), count)
    family = _Family(len(planned.jobs), on_progress)
    try:
        with _without_interrupts():
            for names in parts:
                family.start(replace(selection, providers=names), planned.folder)
        family.listen()
    except KeyboardInterrupt:
        family.stop()
    finally:
        family.end()
    verdicts: dict[str, list[Verdict]] = {s.name: [] for s in planned.subjects}
    for report in family.reports:
        for verdict in report.verdicts:
            verdicts[verdict.subject].append(verdict)
    return RunReport(
        started=started,
        seconds=time.monotonic() - began,
        versions={**base_versions(), **{s.name: s.version for s in planned.subjects if s.version}},
        subjects=planned.subjects,
        verdicts=tuple(v for found in verdicts.values() for v in found),
        notes=(*planned.notes, *family.notes),
        partial=bool(family.notes),
    )


def shares(runs: Counter[str], count: int) -> list[tuple[str, ...]]:
    """Providers, with how many runs each takes, in so many parts that take about the same."""
    libraries: dict[str, list[str]] = {}
    for name in runs:
        libraries.setdefault(_library(name), []).append(name)
    parts: list[list[str]] = [[] for _ in range(count)]
    for names in sorted(libraries.values(), key=lambda names: -sum(runs[n] for n in names)):
        min(parts, key=lambda part: sum(runs[n] for n in part)).extend(names)
    return [tuple(part) for part in parts if part]


def _library(provider: str) -> str:
    return get_provider(provider).extra or provider


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(slots=True)
class _Family:
    """The processes that are at work, and what they have told so far."""

    total: int
    on_progress: Progress
    done: int = 0
    reports: list[RunReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _at_work: dict[Connection, tuple[SpawnProcess, Selection]] = field(default_factory=dict)
    _children: list[SpawnProcess] = field(default_factory=list)

    def start(self, selection: Selection, folder: str) -> None:
        context = get_context("spawn")  # a fork would share this process's locks, and its servers
        ours, theirs = context.Pipe()
        child = context.Process(target=_work, args=(theirs, selection, folder), daemon=True)
        child.start()
        theirs.close()
        self._at_work[ours] = (child, selection)
        self._children.append(child)

    def listen(self, until: float = float("inf")) -> None:
        """Take what comes until everyone has handed in a report, or until that time of the monotonic clock."""
        while self._at_work and (left := until - time.monotonic()) > 0:
            for connection in wait(list(self._at_work), None if left == float("inf") else left):
                assert isinstance(connection, Connection)
                self._take(connection)

    def _take(self, connection: Connection) -> None:
        child, selection = self._at_work[connection]
        try:
            told: str | RunReport = connection.recv()
        except (EOFError, OSError):
            child.join(1.0)
            names = ", ".join(selection.providers)
            self.notes.append(f"the process that judged {names} ended with exit code {child.exitcode}")
            del self._at_work[connection]
            return
        if isinstance(told, RunReport):
            self.reports.append(told)
            del self._at_work[connection]
        else:
            self.done += 1
            self.on_progress(self.done, self.total, told)

    def stop(self) -> None:
        """Ask for what has been judged so far, and wait for it."""
        for connection in self._at_work:
            with suppress(OSError):
                connection.send(STOP)
        with _without_interrupts():
            self.listen(time.monotonic() + GRACE)
        self.notes.append(interrupted(self.done, self.total))

    def end(self) -> None:
        """Nobody stays behind, not even for a client that hangs."""
        for child in self._children:
            child.terminate()
        for child in self._children:
            child.join(GRACE)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C is not heard; processes that are started meanwhile never hear it: their parent tells them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(parent: Connection, selection: Selection, folder: str) -> None:
    """The process: judges, tells of each run, hands in the report."""
    recordings = beside_shipped(Path(folder)).values() if folder else None
    planned = plan(selection, recordings, folder=folder)
    conformance = Conformance(planned, lambda _done, _total, job, _verdicts: parent.send(str(job)))
    threading.Thread(target=_obey, args=(parent, conformance), daemon=True).start()
    parent.send(conformance.run())


def _obey(parent: Connection, conformance: Conformance) -> None:
    """Stop when the parent says so, or is no more."""
    with suppress(EOFError, OSError):
        parent.recv()
    conformance.stop()
