"""Shrinking over real runs: whether one client departs from one rule with a case, and where to look for such cases."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Self

from streamgauge.conformance import Conformance, Job, Selection, plan
from streamgauge.dialect import Dialect
from streamgauge.errors import StreamgaugeError, UnavailableError, UnknownNameError
from streamgauge.events import End, Event, Finish, Start, TextDelta, Usage
from streamgauge.faults import effect_of, parse_faults
from streamgauge.observation import Path
from streamgauge.provider import get_provider
from streamgauge.recordings import Recording, shipped
from streamgauge.registry import get_dialect
from streamgauge.rules import get_rule
from streamgauge.server import ReplayServer
from streamgauge.shrink import Case, Shrinker, kept, seed_of, with_body
from streamgauge.trace import Trace

DEPARTED = ("fail", "non-strict", "info")
WORDS = (
    *("Hello", " world", ".", " ", "\n", "\n\n", "\r\n", "\t", "\\", '"', "\\n", "{", "}", "null", "42"),
    *("Grüße", " Ελλάδα", " 東京", " مرحبا", "e\u0301", "👩\u200d🚀", "🇪🇺", "\U0001f600"),
    *("\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e", "\x00", "\x7f", "\ufeff", "\u200b"),
    *("data: [DONE]", "[DONE]", "data:", ": comment", "event: error", "<think>", "</think>"),
)
"""What answers are drawn from: scripts, line ends that are none, look-alikes of framing and of JSON."""


@dataclass(frozen=True, slots=True)
class Departure:
    """How a client departed: cases are only smaller ones of the same if this is the same."""

    verdict: str
    raised: str
    hung: bool


@dataclass(slots=True)
class Trial:
    """One client, one path, one rule, and a replay server as long as it is entered.

    runs: of the client, so far. interrupted: Ctrl-C ended the shrinking.
    """

    provider: str
    path: Path
    rule: str
    runs: int = 0
    interrupted: bool = False
    _stack: ExitStack = field(default_factory=ExitStack)
    _server: ReplayServer | None = None

    def __enter__(self) -> Self:
        if get_rule(self.rule).role != "client":
            raise StreamgaugeError(f"{self.rule} is a rule for servers: only what a client departs from is shrunk")
        spec = get_provider(self.provider)
        if spec.missing:
            raise UnavailableError(f"{self.provider} is not installed: {spec.install}")
        if self.path not in spec.capabilities:
            raise StreamgaugeError(f"{self.provider} has no {self.path} path")
        if not get_rule(self.rule).fits(self.dialect):
            raise StreamgaugeError(f"{self.rule} is not for {self.dialect.name}, which {self.provider} speaks")
        self._server = self._stack.enter_context(ReplayServer())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def dialect(self) -> Dialect:
        return get_dialect(get_provider(self.provider).dialect)

    def cases(self, name: str, specs: Iterable[str]) -> Iterator[Case]:
        """A shipped recording under each of these faults; raises UnknownNameError."""
        recording = shipped().get(f"{self.dialect.name}/{name}")
        if recording is None:
            known = sorted(r.name for r in shipped().values() if r.dialect == self.dialect.name)
            raise UnknownNameError("case", name, known)
        return (Case(recording, spec) for spec in specs)

    def first(self, cases: Iterable[Case]) -> Case:
        """The first case with which the client departs; raises StreamgaugeError where there is none, and where the rule
        says nothing about a fault: a whole stream is not incomplete because a rule for cut ones is asked about it.
        """
        last = None
        for last in cases:
            if not _about(self.rule, last.fault):
                faults = ", ".join(fault or "no fault" for fault in get_rule(self.rule).faults)
                raise StreamgaugeError(
                    f"{self.rule} is not judged under {last.fault or 'no fault'}: give a --fault like those that it is "
                    f"judged under: {faults}"
                )
            if self.departure(last):
                return last
        tried = f": {last.recording.name} under {last.fault or 'no fault'}" if last and self.runs == 1 else ""
        client = f"{self.provider} {self.path}"
        raise StreamgaugeError(
            f"nothing to shrink: {client} keeps {self.rule} in {self.runs} of {self.runs} runs{tried}"
        )

    def shrink(self, case: Case, limit: int) -> Case:
        """The smallest case with which it departs in the same way; the smallest so far after an interrupt."""
        shrinker = Shrinker(lambda smaller: self.departure(smaller) == how, limit)
        try:
            how = self.departure(case)
            return shrinker.shrink(case)
        except KeyboardInterrupt:
            self.interrupted = True
            return shrinker.best or case

    def kept(self, case: Case, original: Case) -> Recording:
        """The recording to keep."""
        spec = get_provider(self.provider)
        client = " ".join(filter(None, (self.provider, spec.version)))
        seed = original.recording.provenance.get("seed", seed_of(original.fault))
        recording = kept(case, original, self.rule, client=client, path=self.path, seed=seed)
        return replace(recording, name=f"{self.provider}-{recording.name}"[:80])

    def departure(self, case: Case) -> Departure | None:
        """How the client departs with a case; None where it does not, or where already the plain run fails."""
        self.runs += 1
        judged_by = {"kind": "written", "rule": self.rule, "fault": case.fault}
        recording = replace(case.recording, provenance=judged_by)
        chosen = Selection(providers=(self.provider,), paths=(self.path,), rules=(self.rule,))
        run = Conformance(plan(chosen, [recording]), workers=1, server=self._server)
        report = run.run()
        if report.partial:
            raise KeyboardInterrupt
        [verdict] = report.verdicts
        if verdict.verdict == "error":
            raise StreamgaugeError(verdict.reason)
        if verdict.verdict not in DEPARTED:
            return None
        plain = run.observed[Job(self.provider, self.path, recording.name)]
        if case.fault and not plain.succeeded:
            return None
        seen = next(r for job, r in run.observed.items() if job.fault == case.fault)
        return Departure(verdict.verdict, seen.raised.name if seen.raised else "", seen.hung)


def _about(rule: str, spec: str) -> bool:
    """Whether the rule is judged under that fault, or one that shares a name with it and does as much harm."""

    def names(spec: str) -> set[str]:
        return {found.name for found, _ in parse_faults(spec)}

    return any(
        names(spec) & names(known) if known else not spec
        for known in get_rule(rule).faults
        if effect_of(known) == effect_of(spec)
    )


def seeded(fault: str, count: int) -> Iterator[str]:
    """The fault with each of so many seeds; raises StreamgaugeError where its last one takes none."""
    found, argument = parse_faults(fault)[-1]
    if "seed" not in found.argument or argument:
        raise StreamgaugeError(f"{fault!r} takes no seed: --seeds is for faults like random-cuts")
    return (f"{fault}:{seed}" for seed in range(count))


def drawn_answers(dialect: Dialect, fault: str, count: int) -> Iterator[Case]:
    """So many answers of drawn texts, each with its seed."""
    return (Case(drawn_answer(dialect, seed), fault) for seed in range(count))


def drawn_answer(dialect: Dialect, seed: int) -> Recording:
    """An answer of up to a dozen pieces of text that parsers trip over; the same for the same seed."""
    draw = random.Random(seed)
    pieces = ["".join(draw.choices(WORDS, k=draw.randint(1, 3))) for _ in range(draw.randint(1, 12))]
    reason = next(iter(dialect.finish_reasons), "stop")
    events: list[Event] = [Start("drawn", "gpt-4"), *map(TextDelta, pieces)]
    events += [Finish(reason), Usage(10, len(pieces)), End("complete")]
    blank = Recording(
        name=f"drawn-{seed}",
        dialect=dialect.name,
        trace=Trace(arrivals=(), status=200),
        message=dialect.read(b""),
        provenance={"kind": "written", "seed": seed},
    )
    return with_body(blank, dialect.encode(events))
