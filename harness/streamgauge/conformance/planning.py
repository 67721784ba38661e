"""Which runs the rules need: providers x paths x cases x faults, as far as a rule of the provider's dialect names them.

The plain recording is always among them, because it is what the runs under faults are compared with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from streamgauge.errors import StreamgaugeError, UnknownNameError
from streamgauge.faults import parse_faults
from streamgauge.observation import Path
from streamgauge.provider import ProviderSpec, all_providers, get_provider
from streamgauge.recordings import Recording, shipped
from streamgauge.registry import get_dialect
from streamgauge.rules import Rule, get_rule, rules_for
from streamgauge.verdicts import Subject


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
                raise UnknownNameError("case", case, sorted(known))
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

    def recording(self, job: Job) -> Recording:
        return self.recordings[get_provider(job.provider).dialect, job.case]


def plan(selection: Selection, recordings: Iterable[Recording] | None = None, *, folder: str = "") -> Plan:
    """What a selection needs to be run; recordings: by default those that are shipped. folder: see `Plan`.

    A recording that was kept because a client departed from a rule with it (`streamgauge shrink`) is judged by that
    rule, under the fault that it names, and by no other.

    Raises StreamgaugeError for an unknown name.
    """
    kept = tuple(shipped().values() if recordings is None else recordings)
    selection.checked(kept)
    specs = [get_provider(n) for n in selection.providers]
    notes = []
    if not specs:
        recorded = {r.dialect for r in kept}
        specs = [s for s in all_providers().values() if s.dialect in recorded]
        if others := sorted({s.name for s in all_providers().values()} - {s.name for s in specs}):
            notes.append(f"not judged, for want of recordings of their dialects: {', '.join(others)}")
    notes += [f"{s.name} is not installed and was not judged: {s.install}" for s in specs if s.missing]
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
        notes=tuple(notes),
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
    about = {*recording.tags, *(choice.finish_reason for choice in recording.message.choices)}
    return declared and about.isdisjoint(spec.not_for)


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
