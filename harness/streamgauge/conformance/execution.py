"""The execution of a plan: each run once, in threads, against one replay server; the verdicts on what was seen."""

from __future__ import annotations

import gc
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TypeAlias

from streamgauge.conformance.planning import Job, Plan
from streamgauge.conformance.playing import HANGS, play
from streamgauge.conformance.quiet import quiet_libraries
from streamgauge.conformance.showing import command_of, disturbed, located
from streamgauge.engine import judge
from streamgauge.errors import UnavailableError
from streamgauge.faults import parse_faults
from streamgauge.loops import collect
from streamgauge.observation import Run
from streamgauge.rules import Rule, Verdict
from streamgauge.server import ReplayServer
from streamgauge.surroundings import surroundings
from streamgauge.verdicts import RunReport, base_versions, now

WORKERS = 3
"""Runs at a time that keep this process busy."""
WAITING = 3
"""For each of these, so many of those in which somebody waits on purpose: they cost nothing but time."""
ATTEMPTS = 3
"""Runs in which a departure must show that a busy machine, too, could have made: all but the first when nothing else
is run here."""
DEPARTED = ("fail", "non-strict", "error")
TIMED = {"timing", "stop"}
"""What rules need that a busy machine may spoil."""
LONG = 2 * HANGS
"""Seconds of a run that is not made again: no machine is that busy."""

Progress: TypeAlias = Callable[[int, int, Job, tuple[Verdict, ...]], None]
"""Called after each run: runs made, runs planned, the run, the verdicts that it decided."""
Done: TypeAlias = tuple[Job, tuple[Verdict, ...]]


def unseen(_done: int, _total: int, _job: Job, _verdicts: tuple[Verdict, ...]) -> None:
    """Progress that nobody looks at."""


@dataclass(slots=True)
class Conformance:
    """One execution of a plan. server: one that runs already; by default one of its own."""

    plan: Plan
    on_progress: Progress = unseen
    workers: int = WORKERS
    server: ReplayServer | None = None
    _over: bool = False
    _done: queue.SimpleQueue[Done | None] = field(default_factory=queue.SimpleQueue)
    _again: list[Job] = field(default_factory=list)
    _observed: dict[Job, Run] = field(default_factory=dict)
    _verdicts: dict[Job, tuple[Verdict, ...]] = field(default_factory=dict)

    def run(self) -> RunReport:
        """Make the runs and judge them. Ctrl-C ends it early: the report then holds what was judged, as `partial`."""
        started, began = now(), time.monotonic()
        partial = False
        with (
            nullcontext(self.server) if self.server else ReplayServer() as server,
            surroundings(server),
            quiet_libraries(),
        ):
            try:
                plain = [j for j in self.plan.jobs if j == j.baseline]
                # What a library imports for its first stream, two threads at a time may import half.
                first = list({(j.provider, j.path): j for j in reversed(plain)}.values())
                self._phase(server, first, workers=1)
                self._phase(server, [j for j in plain if j not in first], self.workers)
                left = [j for j in self.plan.jobs if j.stop]
                self._phase(server, [j for j in self.plan.jobs if j != j.baseline and not j.stop], self.workers)
                with _without_collection():
                    self._phase(server, left, self.workers)
                    for _ in range(1, ATTEMPTS):
                        again, self._again = self._again, []
                        self._phase(server, again, workers=1)
            except KeyboardInterrupt:
                partial = self._over = True
        versions = {s.name: s.version for s in self.plan.subjects if s.version}
        return RunReport(
            started=started,
            seconds=time.monotonic() - began,
            versions={**base_versions(), **versions},
            subjects=self.plan.subjects,
            verdicts=tuple(v for job in self.plan.jobs for v in self._verdicts.get(job, ())),
            notes=(*self.plan.notes, *([interrupted(len(self._verdicts), len(self.plan.jobs))] if partial else [])),
            partial=partial,
        )

    def stop(self) -> None:
        """From another thread, what Ctrl-C does."""
        self._done.put(None)

    @property
    def observed(self) -> Mapping[Job, Run]:
        """What was seen of each run that was made."""
        return self._observed

    def _phase(self, server: ReplayServer, jobs: list[Job], workers: int) -> None:
        """Run jobs in daemon threads: a client that hangs must hold up neither the others nor Ctrl-C."""

        def work(todo: queue.SimpleQueue[Job]) -> None:
            while not self._over:
                try:
                    job = todo.get_nowait()
                except queue.Empty:
                    return
                self._done.put((job, self._verdicts_of(server, job)))

        waiting, busy = [j for j in jobs if _waits(j)], [j for j in jobs if not _waits(j)]
        for part, most in ((waiting, workers * WAITING), (busy, workers)):
            todo: queue.SimpleQueue[Job] = queue.SimpleQueue()
            for job in part:
                todo.put(job)
            for _ in range(min(most, len(part))):
                threading.Thread(target=work, args=(todo,), name="streamgauge-conformance", daemon=True).start()
        for _ in jobs:
            done = self._done.get()
            if done is None:
                raise KeyboardInterrupt
            self._verdicts[done[0]] = done[1]
            self.on_progress(len(self._verdicts), len(self.plan.jobs), *done)

    def _verdicts_of(self, server: ReplayServer, job: Job) -> tuple[Verdict, ...]:
        rules = self.plan.jobs[job]
        try:
            seen = play(server, job, self.plan.recording(job), self._observed.get(job.baseline))
            judged = judge(seen, rules, subject=job.provider)
        except UnavailableError as error:  # a fault takes a library that is not here
            return tuple(self._blank(job, rule).marked(verdict="skip", reason=str(error)) for rule in rules)
        except Exception as error:  # ours, not the client's: its exceptions are part of the run
            reason = f"the run could not be made: {type(error).__name__}: {error}"
            return tuple(self._blank(job, rule).marked(verdict="error", reason=reason) for rule in rules)
        self._observed[job] = seen.run
        if _doubtful(job, seen.run, rules, judged):
            self._again.append(job)
        where = disturbed(self.plan.recording(job).trace.body, seen.body)
        return tuple(
            located(verdict, seen.body, where).marked(
                path=job.path, fault=job.fault, reproduce=command_of(self.plan, job, rule)
            )
            for rule, verdict in zip(rules, judged, strict=True)
        )

    def _blank(self, job: Job, rule: Rule) -> Verdict:
        return Verdict(
            rule=rule.id,
            subject=job.provider,
            verdict="error",
            path=job.path,
            case=job.case,
            fault=job.fault,
            reproduce=command_of(self.plan, job, rule),
        )


def _doubtful(job: Job, run: Run, rules: tuple[Rule, ...], judged: list[Verdict]) -> bool:
    """Whether a run may have come out as it did for want of time: the machine's, not the client's.

    Where the server paces what it sends, a client that is not let run falls behind, whatever is judged: what a reset
    takes from it (ERR-010) is then more than it would have left unread by itself.
    """
    if run.duration > LONG:
        return False
    ran_out = run.hung or (run.raised is not None and run.raised.timeout)
    departed = [r for r, v in zip(rules, judged, strict=True) if v.verdict in DEPARTED]
    late = departed if _waits(job) else [r for r in departed if not TIMED.isdisjoint(r.needs)]
    return bool(late) or (ran_out and any(v.verdict != "pass" for v in judged))


@contextmanager
def _without_collection() -> Iterator[None]:
    """No garbage collection while callers leave streams early: what a client closes by chance, it does not close."""
    before = gc.isenabled()
    collect()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def interrupted(done: int, total: int) -> str:
    """The note of a report that holds less than was planned."""
    return f"interrupted after {done:,} of {total:,} runs"


def _waits(job: Job) -> bool:
    """Whether somebody waits on purpose: the server, or the client's caller."""
    return any(fault.layer == "time" for fault, _ in parse_faults(job.fault))
