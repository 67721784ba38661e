"""Makes mutants of good streams and has them judged. Pure, and the same for the same seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from streamgauge.engine import MOST_FINDINGS
from streamgauge.errors import StreamgaugeError
from streamgauge.mutants import Edit, Operator, all_operators, get_operator
from streamgauge.mutants.flow import own
from streamgauge.mutants.outcomes import BAD, Fate, Mutant, MutationReport, difference
from streamgauge.mutants.stream import Stream
from streamgauge.recordings import Recording, shipped
from streamgauge.registry import get_dialect
from streamgauge.rules import Finding, NotApplicable, Rule, rules_for

POSITIONS = 3
"""Places of one recording at which an operator is tried, the first and the last among them."""

Accusations = Counter[tuple[str, bool]]
"""Findings by what they expected, and whether they are mild: what came instead is quoted in many words."""


class RuleFailedError(Exception):
    """A rule raised: the harness's own failure."""


@dataclass(frozen=True)
class Subject:
    """One good stream with what rules say of it as it is."""

    stream: Stream

    @cached_property
    def rules(self) -> dict[str, Rule]:
        """The server rules of the dialect, by id; those for another framing than the body's have nothing to say."""
        return {rule.id: rule for rule in rules_for(self.stream.dialect, "server")}

    @cached_property
    def before(self) -> dict[str, Accusations]:
        """The findings of each rule on the undamaged stream."""
        return {name: accusations(rule, self.stream) for name, rule in self.rules.items()}

    @property
    def good(self) -> bool:
        """Whether no rule fails on the stream as it is."""
        accused = (self.rules[n].severity == "fail" and any(not mild for _, mild in f) for n, f in self.before.items())
        return not any(accused)

    @cached_property
    def twins(self) -> frozenset[str]:
        """The rules that compare with the non-streaming answer."""
        return frozenset(name for name, rule in self.rules.items() if "reference" in rule.needs)

    def noticed(self, after: Stream, names: Iterable[str]) -> Iterator[str]:
        """Those of the rules that have something to say of the mutant which they did not say before.

        What needs no twin is asked first.
        """
        for name in sorted(names, key=self.twins.__contains__):
            if name in self.rules and accusations(self.rules[name], after) - self.before[name]:
                yield name


def accusations(rule: Rule, stream: Stream) -> Accusations:
    """What a rule finds in a stream; raises RuleFailedError where it fails itself."""
    if not rule.fits(stream.dialect, stream.exchange.framing):
        return Counter()
    found: list[Finding] = []
    try:
        found.extend(islice(rule.judge(stream.exchange), MOST_FINDINGS))
    except NotApplicable:
        pass
    except Exception as error:
        raise RuleFailedError(f"{rule.id}: {type(error).__name__}: {error}") from error
    return Counter((f.expected, f.mild) for f in found)


def run(
    dialects: Iterable[str] = (),
    operators: Iterable[str] = (),
    *,
    recordings: Iterable[Recording] | None = None,
    positions: int = POSITIONS,
    seed: int = 0,
) -> MutationReport:
    """Every operator on every good recording; empty selections are everything.

    Raises StreamgaugeError for an unknown name.
    """
    wanted = {get_dialect(name).name for name in dialects}
    chosen = [get_operator(name) for name in operators] or list(all_operators().values())
    if positions < 1:
        raise StreamgaugeError("at least one position is needed")
    kept = shipped().values() if recordings is None else recordings
    subjects = [Subject(s) for r in kept if not wanted or r.dialect in wanted for s in streams_of(r)]
    good = [s for s in subjects if s.good]
    return MutationReport(
        mutants=tuple(m for s in good for o in chosen if o.fits(s.stream) for m in mutants(s, o, positions, seed)),
        recordings=tuple(_name(s) for s in good),
        unused=tuple(_name(s) for s in subjects if s not in good),
        positions=positions,
        seed=seed,
    )


def streams_of(recording: Recording) -> Iterator[Stream]:
    """A recording's answer, in each framing of its dialect."""
    stream = Stream.of(recording)
    yield stream
    if stream.framing == "sse" and "json-array" in stream.dialect.other_framings:
        yield stream.as_array()


def _name(subject: Subject) -> str:
    return f"{subject.stream.dialect.name}/{subject.stream.case}"


def mutants(subject: Subject, operator: Operator, positions: int = POSITIONS, seed: int = 0) -> Iterator[Mutant]:
    """What became of one operator's mutants of one stream."""
    edits = list(operator.edits(subject.stream))
    for edit in _sample(edits, positions, f"{seed} {_name(subject)} {operator.name}"):
        yield judge(subject, operator, edit)


def _sample(edits: list[Edit], positions: int, seed: str) -> list[Edit]:
    """So many of the edits, the first and the last among them, in order; those of each set of rules apart."""
    groups: dict[tuple[str, ...], list[Edit]] = {}
    for edit in edits:
        groups.setdefault((*edit.noticed_by, edit.group), []).append(edit)
    chosen: list[Edit] = []
    for found in groups.values():
        if len(found) <= positions:
            chosen += found
        else:
            inner = random.Random(seed).sample(found[1:-1], max(0, positions - 2))
            ends = [found[0], found[-1]][:positions]
            chosen += [e for e in found if e in inner or e in ends]
    return chosen


def judge(subject: Subject, operator: Operator, edit: Edit) -> Mutant:
    """Make one mutant, and say what became of it: the declared rules are asked first."""
    after = edit.make()
    named = (*(edit.noticed_by or operator.noticed_by), *own(subject.stream, operator.name))
    expected = tuple(n for n in dict.fromkeys(named) if n in subject.rules)
    reason = ""
    noticed: tuple[str, ...] = ()
    fate: Fate
    try:
        noticed = tuple(islice(subject.noticed(after, expected), 1))
        if noticed:
            fate = "right"
        elif operator.effect == "harmless":
            noticed = tuple(subject.noticed(after, subject.rules))
            fate = "accused" if noticed else "tolerated"
        else:
            noticed = tuple(subject.noticed(after, subject.rules))
            fate, reason = _unnoticed(subject.stream, after, operator, edit) if not noticed else ("other", "")
    except RuleFailedError as error:
        fate, reason = "error", str(error)
    return Mutant(
        operator=operator.name,
        dialect=subject.stream.dialect.name,
        case=subject.stream.case,
        what=edit.what,
        fate=fate,
        expected=expected,
        noticed=noticed,
        reason=reason,
        by_twin=fate in ("right", "other") and _by_twin(subject, after, noticed),
        diff=difference(subject.stream, after) if fate in BAD or fate == "other" else (),
    )


def _by_twin(subject: Subject, after: Stream, noticed: tuple[str, ...]) -> bool:
    """Whether only rules noticed that compare with the non-streaming answer."""
    if not subject.twins.issuperset(noticed):
        return False
    return next(subject.noticed(after, set(subject.rules) - subject.twins), None) is None


def _unnoticed(before: Stream, after: Stream, operator: Operator, edit: Edit) -> tuple[Fate, str]:
    if same_wire(before, after):
        return "equivalent", "the same answer on the wire"
    if operator.by_meaning and before.events == after.events:
        return "equivalent", "the same events"
    failed = before.exchange.message.ended == "error"
    reason = (failed and edit.excuse) or operator.equivalent(before, after)
    return ("named", reason) if reason else ("survived", "")


def same_wire(before: Stream, after: Stream) -> bool:
    """Whether two answers are the same but for how JSON is spelled, where frames are cut, and what says nothing."""
    known = ("status", "headers", "request", "ended", "headers_at", "over")
    if any(getattr(before, n) != getattr(after, n) for n in known) or before.times != after.times:
        return False
    return _frames(before) == _frames(after)


def _frames(stream: Stream) -> list[object]:
    exchange = stream.exchange
    return [
        (type(f).__name__, getattr(f, "type", ""), values[id(f)] if id(f) in values else getattr(f, "data", None))
        for values in [{id(p.frame): p.value for p in exchange.payloads}]
        for f in exchange.frames
        if type(f).__name__ != "Comment"
    ]
