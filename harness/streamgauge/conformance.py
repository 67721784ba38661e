"""Client conformance: which runs the rules need, each made once against the replay server, and the verdicts on them.

A plan is providers x paths x cases x faults, as far as a rule of the provider's dialect names them; the plain
recording is always among them, because it is what the runs under faults are compared with.
"""

from __future__ import annotations

import asyncio
import queue
import shlex
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TypeAlias

from streamgauge.chat import ChatMessage, ChatRequest, Tool
from streamgauge.engine import judge, shown
from streamgauge.errors import StreamgaugeError, UnavailableError
from streamgauge.events import EXCERPT, NO_SPAN, Span
from streamgauge.faults import apply_faults, parse_faults
from streamgauge.observation import Observation, Path, Run
from streamgauge.provider import Connection, ProviderSpec, all_providers, get_provider
from streamgauge.recordings import Recording, shipped
from streamgauge.registry import get_dialect
from streamgauge.rules import Rule, Verdict, get_rule, rules_for
from streamgauge.runner import Watch, observe_async, observe_sync, raised
from streamgauge.script import Script, script_of
from streamgauge.server import Mount, ReplayServer
from streamgauge.surroundings import surroundings
from streamgauge.verdicts import RunReport, Subject, base_versions, now
from streamgauge.wire import elements, members, text

KEY = "streamgauge-conformance-key"
WORKERS = 3
"""Runs at a time, and as many more of those in which the server falls silent, which cost nothing but time."""
PATIENCE = 60.0
"""Seconds until a run that nothing disturbs counts as hung; the first one imports the client library."""
SILENCE = 1.0
"""Read timeout in seconds that clients are given where the server falls silent, or takes longer, on purpose."""
HANGS = 4.0
"""Seconds after which a client with that timeout counts as hung."""
STOP_AFTER = 3
"""Output events after which the caller of a `stop` rule has seen enough. The server is then watched for HANGS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What to run; an empty tuple is everything."""

    providers: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    cases: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()

    def checked(self, recordings: Iterable[Recording]) -> Selection:
        """The same; raises StreamgaugeError for a name that is not there, and for a rule that judges servers."""
        for name in self.providers:
            get_provider(name)
        for spec in self.faults:
            parse_faults(spec)
        known = {r.name for r in recordings}
        for case in self.cases:
            if case not in known:
                raise StreamgaugeError(f"unknown case {case!r}; known: {', '.join(sorted(known)) or 'none'}")
        for name in self.rules:
            if get_rule(name).role != "client":
                raise StreamgaugeError(f"{name} is a rule for servers: streamgauge check TARGET --rule {name}")
        return self


@dataclass(frozen=True, slots=True)
class Job:
    """One run: a provider's path on a recording under a fault; `stop` closes the iterator early."""

    provider: str
    path: Path
    case: str
    fault: str = ""
    stop: bool = False

    @property
    def baseline(self) -> Job:
        return Job(self.provider, self.path, self.case)

    def __str__(self) -> str:
        return " ".join(filter(None, (self.provider, self.path, self.case, self.fault)))


ATTEMPTS = 2
"""Runs in which a departure in time must show before it counts."""

Progress: TypeAlias = Callable[[int, int, Job, tuple[Verdict, ...]], None]
"""Called after each run: runs made, runs planned, the run, the verdicts that it decided."""


def quiet(_done: int, _total: int, _job: Job, _verdicts: tuple[Verdict, ...]) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Runs in order, the plain ones first, each with the rules that are judged by it (a baseline may have none).

    folder: where recordings come from that are not shipped, for the commands that reproduce a verdict.
    """

    subjects: tuple[Subject, ...]
    jobs: dict[Job, tuple[Rule, ...]]
    recordings: dict[tuple[str, str], Recording]
    notes: tuple[str, ...] = ()
    folder: str = ""

    @property
    def checks(self) -> int:
        return sum(map(len, self.jobs.values()))


def plan(selection: Selection, recordings: Iterable[Recording] | None = None, *, folder: str = "") -> Plan:
    """What a selection needs to be run; recordings: by default those that are shipped. folder: see `Plan`.

    A recording that was kept because a client departed from a rule with it (`streamgauge shrink`) is judged by that
    rule, under the fault that it names, and by no other.

    Raises StreamgaugeError for an unknown name.
    """
    kept = tuple(shipped().values() if recordings is None else recordings)
    selection.checked(kept)
    specs = [get_provider(n) for n in selection.providers]
    notes: tuple[str, ...] = ()
    if not specs:
        recorded = {r.dialect for r in kept}
        specs = [s for s in all_providers().values() if s.dialect in recorded]
        others = sorted({s.name for s in all_providers().values()} - {s.name for s in specs})
        notes = (f"not judged, for want of recordings of their dialects: {', '.join(others)}",) if others else ()
    found: dict[Job, list[Rule]] = {}
    for spec in specs:
        if not spec.missing:
            for job, rule in _checks(spec, selection, kept):
                found.setdefault(job.baseline, [])
                found.setdefault(job, []).append(rule)
    ordered = sorted(found, key=lambda job: job != job.baseline)
    return Plan(
        subjects=tuple(_subject(spec) for spec in specs),
        jobs={job: tuple(found[job]) for job in ordered},
        recordings={(r.dialect, r.name): r for r in kept},
        notes=notes,
        folder=folder,
    )


def _checks(spec: ProviderSpec, selection: Selection, recordings: tuple[Recording, ...]) -> Iterator[tuple[Job, Rule]]:
    dialect = get_dialect(spec.dialect)
    fitting = [r for r in recordings if r.dialect == spec.dialect and _can_show(spec, r)]
    fitting = [r for r in fitting if _chosen(r.name, selection.cases)]
    cases = [r.name for r in fitting if "rule" not in r.provenance]
    kept = [(r.name, r.provenance["rule"], r.provenance.get("fault", "")) for r in fitting if "rule" in r.provenance]
    paths: list[Path] = [p for p in ("sync", "async") if p in spec.capabilities and _chosen(p, selection.paths)]
    for rule in rules_for(dialect, "client"):
        if not _chosen(rule.id, selection.rules):
            continue
        stop = "stop" in rule.needs
        for fault in rule.faults:
            fits = all(found.fits(dialect) for found, _ in parse_faults(fault))
            if fits and _chosen(fault, selection.faults):
                for case in cases:
                    if _chosen(case, rule.cases):
                        for path in paths:
                            yield Job(spec.name, path, case, fault, stop), rule
        for case, judged_by, fault in kept:
            if judged_by == rule.id and _chosen(fault, selection.faults):
                for path in paths:
                    yield Job(spec.name, path, case, fault, stop), rule


def _can_show(spec: ProviderSpec, recording: Recording) -> bool:
    """Whether a client claims what a recording is about: one that declares no tool calls is not judged by them."""
    declared = "tools" not in recording.tags or "tools" in spec.capabilities
    return declared and not set(spec.not_for) & set(recording.tags)


def _chosen(name: str, names: tuple[str, ...]) -> bool:
    return not names or name in names


def _subject(spec: ProviderSpec) -> Subject:
    return Subject(
        name=spec.name,
        role="client",
        version=spec.version,
        dialect=spec.dialect,
        available=not spec.missing,
        install=spec.install if spec.missing else "",
    )


@dataclass(slots=True)
class Conformance:
    """One execution of a plan. server: one that runs already; by default one of its own."""

    plan: Plan
    on_progress: Progress = quiet
    workers: int = WORKERS
    server: ReplayServer | None = None
    _over: bool = False
    _observed: dict[Job, Run] = field(default_factory=dict)
    _verdicts: dict[Job, tuple[Verdict, ...]] = field(default_factory=dict)

    def run(self) -> RunReport:
        """Make the runs and judge them. Ctrl-C ends it early: the report then holds what was judged, as `partial`."""
        started = now()
        partial = False
        with nullcontext(self.server) if self.server else ReplayServer() as server, surroundings(server):
            try:
                jobs = list(self.plan.jobs)
                self._phase(server, [j for j in jobs if j == j.baseline])
                self._phase(server, [j for j in jobs if j != j.baseline])
            except KeyboardInterrupt:
                partial = self._over = True
        versions = {s.name: s.version for s in self.plan.subjects if s.version}
        return RunReport(
            started=started,
            versions={**base_versions(), **versions},
            subjects=self.plan.subjects,
            verdicts=tuple(v for job in self.plan.jobs for v in self._verdicts.get(job, ())),
            notes=tuple(self._notes(partial)),
            partial=partial,
        )

    @property
    def observed(self) -> Mapping[Job, Run]:
        """What was seen of each run that was made."""
        return self._observed

    def _notes(self, partial: bool) -> Iterator[str]:
        yield from self.plan.notes
        for subject in self.plan.subjects:
            if not subject.available:
                yield f"{subject.name} is not installed and was not judged: {subject.install}"
        if partial:
            yield f"interrupted after {len(self._verdicts)} of {len(self.plan.jobs)} runs"

    def _phase(self, server: ReplayServer, jobs: list[Job]) -> None:
        """Run jobs in daemon threads: a client that hangs must hold up neither the others nor Ctrl-C."""
        done: queue.SimpleQueue[tuple[Job, tuple[Verdict, ...]]] = queue.SimpleQueue()

        def work(todo: queue.SimpleQueue[Job]) -> None:
            while not self._over:
                try:
                    job = todo.get_nowait()
                except queue.Empty:
                    return
                done.put((job, self._verdicts_of(server, job)))

        for part in ([j for j in jobs if self._waits(j)], [j for j in jobs if not self._waits(j)]):
            todo: queue.SimpleQueue[Job] = queue.SimpleQueue()
            for job in part:
                todo.put(job)
            for _ in range(min(self.workers, len(part))):
                threading.Thread(target=work, args=(todo,), name="streamgauge-conformance", daemon=True).start()
        for _ in jobs:
            job, verdicts = done.get()
            self._verdicts[job] = verdicts
            self.on_progress(len(self._verdicts), len(self.plan.jobs), job, verdicts)

    def _waits(self, job: Job) -> bool:
        script = apply_faults(script_of(self._recording(job)), job.fault)
        return _falls_silent(script) or script.caller.pause > 0

    def _verdicts_of(self, server: ReplayServer, job: Job) -> tuple[Verdict, ...]:
        rules = self.plan.jobs[job]
        try:
            seen, judged = self._judged(server, job, rules)
        except UnavailableError as error:  # a fault takes a library that is not here
            return tuple(self._blank(job, rule).marked(verdict="skip", reason=str(error)) for rule in rules)
        except Exception as error:  # ours, not the client's: its exceptions are part of the run
            reason = f"the run could not be made: {type(error).__name__}: {error}"
            return tuple(self._blank(job, rule).marked(verdict="error", reason=reason) for rule in rules)
        self._observed[job] = seen.run
        where = disturbed(self._recording(job).trace.body, seen.body)
        return tuple(
            _located(verdict, seen.body, where).marked(
                path=job.path, fault=job.fault, reproduce=self._command(job, rule)
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
            reproduce=self._command(job, rule),
        )

    def _command(self, job: Job, rule: Rule) -> str:
        """The command that makes this run alone; the fault is named even where it is none, if the rule has several."""
        recording = self._recording(job)
        program = get_provider(job.provider).command
        words = ["streamgauge", "client", *(() if program else (job.provider,)), "--path", job.path, "--case", job.case]
        if rule.faults != ("",) or job.fault:
            words += ["--fault", job.fault]
        if self.plan.folder and shipped().get(f"{recording.dialect}/{recording.name}") is not recording:
            words += ["--recordings", self.plan.folder]
        return shlex.join([*words, "--rule", rule.id, *(("--", *program) if program else ())])

    def _judged(self, server: ReplayServer, job: Job, rules: tuple[Rule, ...]) -> tuple[Observation, list[Verdict]]:
        """Run and judge; what looks wrong in time is looked at again, since a busy machine is not the client's."""
        for _ in range(ATTEMPTS):
            seen = self._observe(server, job)
            judged = judge(seen, rules, subject=job.provider)
            timed = [v for r, v in zip(rules, judged, strict=True) if "timing" in r.needs]
            if seen.run.hung or all(v.verdict not in ("fail", "non-strict", "error") for v in timed):
                break
        return seen, judged

    def _recording(self, job: Job) -> Recording:
        return self.plan.recordings[get_provider(job.provider).dialect, job.case]

    def _observe(self, server: ReplayServer, job: Job) -> Observation:
        spec = get_provider(job.provider)
        recording = self._recording(job)
        script = apply_faults(script_of(recording), job.fault)
        with server.mount(script) as mount:
            run = _run(spec, job, mount, request_of(recording), script)
        ended = run.duration if run.stopped_at is None else run.stopped_at
        return Observation(
            subject=spec.name,
            path=job.path,
            dialect=recording.get_dialect(),
            case=job.case,
            fault=job.fault,
            expected=recording.message,
            run=run,
            body=script.counted.delivered,
            baseline=run if job == job.baseline else self._observed.get(job.baseline),
            served=mount.served(run.began + ended),
            capabilities=frozenset(spec.capabilities),
        )


def _run(spec: ProviderSpec, job: Job, mount: Mount, request: ChatRequest, script: Script) -> Run:
    """Make the run; a client that can't even be made is one that raised."""
    stop = job.stop or script.caller.leaves_after > 0
    silent = job.fault != "" and not stop and (_falls_silent(script) or _lasts(script) > SILENCE)
    connection = Connection(base_url=mount.base_url, api_key=KEY, timeout=SILENCE if silent else PATIENCE)
    watch = Watch(
        timeout=HANGS if _falls_silent(script) and silent else PATIENCE if job == job.baseline else PATIENCE / 2,
        stop_after=(script.caller.leaves_after or STOP_AFTER) if stop else None,
        caller=script.caller,
        on_stopped=lambda: mount.wait(HANGS),
        modules=spec.modules,
        secrets=(KEY,),
    )
    began = time.monotonic()
    try:
        if job.path == "sync":
            return observe_sync(spec.open(connection), request, watch)
        return asyncio.run(_run_async(spec, connection, request, watch))
    except StreamgaugeError:
        raise
    except Exception as error:
        return Run(raised=raised(error, watch), began=began, duration=time.monotonic() - began)


def _falls_silent(script: Script) -> bool:
    return script.ending == "hold" or script.head_delay is None


def _lasts(script: Script) -> float:
    """Seconds that the server, or the client's caller, takes on purpose."""
    return sum(piece.delay for piece in script.pieces) + script.caller.pause


async def _run_async(spec: ProviderSpec, connection: Connection, request: ChatRequest, watch: Watch) -> Run:
    return await observe_async(spec.open(connection), request, watch)


def disturbed(original: bytes, body: bytes) -> Span:
    """The bytes of a body in which it differs from the original; where it lacks some, what it ends with."""
    if body == original:
        return NO_SPAN
    start = next(
        (n for n, (a, b) in enumerate(zip(original, body, strict=False)) if a != b), min(len(original), len(body))
    )
    room = min(len(original), len(body)) - start
    tail = next((n for n in range(room) if original[-1 - n] != body[-1 - n]), room)
    end = len(body) - tail
    return (start, end) if end > start else (max(0, start - EXCERPT // 2), start)


def _located(verdict: Verdict, body: bytes, where: Span) -> Verdict:
    """A departure with its bytes: those that the rule named, else those that the fault changed."""
    if verdict.verdict not in ("fail", "non-strict", "info") or verdict.excerpt or where == NO_SPAN:
        return verdict
    return verdict.marked(span=where, excerpt=shown(body, where))


def request_of(recording: Recording) -> ChatRequest:
    """What a caller asks in order to get a recording's answer; read from the request that was recorded with it."""
    body = members(dict(recording.trace.request or {}))
    turns = [members(m) for m in elements(body.get("messages"))]
    said = tuple(
        ChatMessage("system" if m.get("role") == "system" else "user", text(m.get("content")))
        for m in turns
        if m.get("role") in ("system", "user") and text(m.get("content"))
    )
    functions = [members(members(t).get("function")) for t in elements(body.get("tools"))]
    tools = tuple(
        Tool(text(f.get("name")), text(f.get("description")), members(f.get("parameters"))) for f in functions
    )
    return ChatRequest(
        messages=said or (ChatMessage("user", recording.title or recording.name),),
        model=text(body.get("model")) or "gpt-4",
        n=body["n"] if isinstance(body.get("n"), int) else 1,
        tools=tools,
        include_usage=recording.message.usage is not None,
    )
