"""What became of mutants: counted by dialect and operator, and each survivor shown with what was changed."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from streamgauge.mutants.stream import Stream

Fate = Literal["right", "other", "survived", "equivalent", "named", "tolerated", "accused", "error"]
"""right: a declared rule noticed; other: only another one did; equivalent: nothing changed for a reader; named: the
operator says why it is no damage; tolerated: a harmless change that no rule noticed; accused: one that a rule did;
error: a rule failed itself."""

SCHEMA = "streamgauge.mutants/1"
BAD = ("survived", "accused", "error")
WIDTH, MOST_LINES, CONTEXT = 160, 12, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One changed stream: what was done to which recording, and which rules noticed: the first of the declared ones, or
    all of the others.

    by_twin: only rules that know the non-streaming answer noticed. diff: for those that came out badly.
    """

    operator: str
    dialect: str
    case: str
    what: str
    fate: Fate
    expected: tuple[str, ...] = ()
    noticed: tuple[str, ...] = ()
    reason: str = ""
    by_twin: bool = False
    diff: tuple[str, ...] = ()


@dataclass(slots=True)
class Tally:
    """Mutants of one group by fate."""

    fates: Counter[str] = field(default_factory=Counter)
    by_twin: int = 0

    def add(self, mutant: Mutant) -> None:
        self.fates[mutant.fate] += 1
        self.by_twin += mutant.by_twin

    @property
    def made(self) -> int:
        return self.fates.total()

    @property
    def damaging(self) -> int:
        """Mutants that a rule had to notice."""
        return sum(self.fates[f] for f in ("right", "other", "survived", "error"))

    @property
    def share(self) -> float | None:
        """The share of the damaging ones that the right rule noticed, None where there are none."""
        return self.fates["right"] / self.damaging if self.damaging else None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"made": self.made, "damaging": self.damaging, "share": self.share} | {
            **{name: self.fates[name] for name in Fate.__args__},  # type: ignore[attr-defined]
            "by_twin": self.by_twin,
        }


@dataclass(frozen=True, kw_only=True)
class MutationReport:
    """One run. unused: recordings that were left out because a rule fails on them as they are."""

    mutants: tuple[Mutant, ...]
    recordings: tuple[str, ...]
    unused: tuple[str, ...] = ()
    positions: int = 0
    seed: int = 0

    @cached_property
    def total(self) -> Tally:
        return _tally(self.mutants)

    @cached_property
    def by_dialect(self) -> dict[str, Tally]:
        return {name: _tally(found) for (name,), found in self._grouped("dialect")}

    @cached_property
    def by_operator(self) -> dict[tuple[str, str], Tally]:
        """By dialect and operator."""
        return {(d, o): _tally(found) for (d, o), found in self._grouped("dialect", "operator")}

    @cached_property
    def bad(self) -> tuple[Mutant, ...]:
        """Survivors without a reason, and harmless changes that were accused."""
        return tuple(m for m in self.mutants if m.fate in BAD)

    @property
    def exit_code(self) -> int:
        """0 every damaging mutant was noticed; 1 one was not; 2 nothing was made, or a rule failed itself."""
        if not self.mutants or self.total.fates["error"]:
            return 2
        return 1 if self.bad else 0

    def _grouped(self, *names: str) -> Iterator[tuple[tuple[str, ...], list[Mutant]]]:
        groups: dict[tuple[str, ...], list[Mutant]] = {}
        for mutant in self.mutants:
            groups.setdefault(tuple(getattr(mutant, n) for n in names), []).append(mutant)
        yield from groups.items()

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values, in the shape that the schema names."""
        return {
            "schema": SCHEMA,
            "positions": self.positions,
            "seed": self.seed,
            "recordings": list(self.recordings),
            "unused": list(self.unused),
            "total": self.total.to_dict(),
            "dialects": {name: tally.to_dict() for name, tally in self.by_dialect.items()},
            "operators": [{"dialect": d, "operator": o, **t.to_dict()} for (d, o), t in self.by_operator.items()],
            "notable": [_value(m) for m in self.mutants if m.fate not in ("right", "equivalent", "tolerated")],
        }


def _value(mutant: Mutant) -> dict[str, Any]:
    names = ("operator", "dialect", "case", "what", "fate", "expected", "noticed", "reason", "diff")
    return {n: list(v) if isinstance(v := getattr(mutant, n), tuple) else v for n in names}


def _tally(mutants: Iterable[Mutant]) -> Tally:
    tally = Tally()
    for mutant in mutants:
        tally.add(mutant)
    return tally


def difference(before: Stream, after: Stream) -> tuple[str, ...]:
    """The lines of the two answers in which they differ, short and in ASCII."""
    old, new = list(_lines(before)), list(_lines(after))
    found: list[str] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            ours, theirs = old[a:b], new[c:d]
            at = _common(ours[0], theirs[0]) if ours and theirs else 0
            found += [f"- {_window(line, at)}" for line in ours] + [f"+ {_window(line, at)}" for line in theirs]
    more = len(found) - MOST_LINES
    return (*found[:MOST_LINES], *([f"... {more} more lines"] if more > 0 else []))


def _lines(stream: Stream) -> Iterator[str]:
    yield f"HTTP {stream.status}"
    yield from (f"{name}: {value}" for name, value in stream.headers)
    if stream.request is not None:
        yield f"stream asked: {stream.request.get('stream')}"
    yield from (repr(arrival.data)[2:-1] for arrival in stream.exchange.trace.arrivals)
    yield f"{stream.ended} at {stream.exchange.trace.ended_at:.2f} s"


def _common(one: str, other: str) -> int:
    """Where two lines begin to differ."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _window(line: str, at: int) -> str:
    start = max(0, at - CONTEXT) if len(line) > WIDTH else 0
    shown = line[start : start + WIDTH]
    return f"{'...' if start else ''}{shown}{'...' if start + WIDTH < len(line) else ''}"
