"""The matrix that every report shows: rules by subjects, sync beside async, and where the two paths differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Literal

from streamgauge.rules import Outcome, Rule, Verdict, rulebook
from streamgauge.verdicts import JUDGED, RunReport, Subject

State = Literal["error", "fail", "expected", "non-strict", "info", "pass", "skip"]

STATES: tuple[State, ...] = ("error", "fail", "expected", "non-strict", "info", "pass", "skip")
"""What a cell can be, worst first. `expected`: it fails, and the expected-failures file says so."""

MEANING: dict[State, str] = {
    "error": "the harness itself failed, not the subject",
    "fail": "a MUST of a standard or vendor document is broken",
    "expected": "fails, and the expected-failures file lists it",
    "non-strict": "a SHOULD is not followed, or the basis is only de-facto",
    "info": "worth knowing, nothing is broken",
    "pass": "the rule is satisfied",
    "skip": "nothing to judge: not declared, or not applicable",
}

LABELS: dict[State, str] = {**{state: state for state in STATES}, "expected": "expected failure"}
"""What a state is called where there is room for it."""

_PATHS = ("", "sync", "async")


def state_of(verdict: Verdict) -> State:
    """The outcome, or `expected` for a failure that the expected-failures file lists."""
    return "expected" if verdict.expected_failure else verdict.verdict


def worst(states: Iterable[State]) -> State:
    """The state that a cell shows for all of its verdicts; a pass outweighs a skip."""
    return min(states, key=STATES.index)


@dataclass(frozen=True, slots=True)
class Group:
    """Verdicts of one cell (or of several) that say the same thing, with the cases in which they say it."""

    state: State
    verdicts: tuple[Verdict, ...]

    @property
    def first(self) -> Verdict:
        return self.verdicts[0]


def grouped(verdicts: Iterable[Verdict]) -> list[Group]:
    """Verdicts of the same rule, subject and state that expected and got the same, worst first."""
    table: dict[tuple[object, ...], list[Verdict]] = {}
    for v in verdicts:
        # How often a rule was broken differs from answer to answer, and makes no other failure of it.
        reason = "" if v.reason.endswith(" findings") else v.reason
        key = (v.rule, v.subject, state_of(v), v.verdict, v.expected, v.got, reason)
        table.setdefault(key, []).append(v)
    groups = [Group(state_of(found[0]), tuple(found)) for found in table.values()]
    return sorted(groups, key=lambda g: STATES.index(g.state))


@dataclass(frozen=True)
class Cell:
    """All verdicts on one rule, for one subject on one path."""

    verdicts: tuple[Verdict, ...]

    @cached_property
    def state(self) -> State:
        return worst(map(state_of, self.verdicts))


@dataclass(frozen=True, slots=True)
class Difference:
    """One case in which a subject's sync path and its async path came out differently."""

    rule: str
    subject: str
    case: str
    fault: str
    sync: Outcome
    asynchronous: Outcome


@dataclass(frozen=True, slots=True)
class Column:
    """One subject with the paths that it was judged on."""

    subject: Subject
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One rule; `rule` is None where the rulebook does not have it (a report of another version)."""

    id: str
    group: str
    rule: Rule | None

    @property
    def title(self) -> str:
        return self.rule.title if self.rule else ""


@dataclass(frozen=True)
class Matrix:
    """Rows by columns; a cell that is not there was not judged."""

    report: RunReport
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    cells: dict[tuple[str, str, str], Cell]

    def cell(self, rule: str, subject: str, path: str) -> Cell | None:
        return self.cells.get((rule, subject, path))

    def groups(self) -> Iterator[tuple[str, list[Row]]]:
        """The rows by the group of their rules."""
        for name, rows in groupby(self.rows, key=lambda row: row.group):
            yield name, list(rows)

    def select(self, *states: State) -> list[Group]:
        """The verdicts in these states, grouped; both paths of a subject together."""
        return grouped(v for v in self.report.verdicts if state_of(v) in states)

    @cached_property
    def differences(self) -> dict[tuple[str, str], tuple[Difference, ...]]:
        """By (rule, subject): the cases that came out differently on the two paths."""
        return {key: found for key in self._pairs() if (found := tuple(self._differences(*key)))}

    @property
    def named(self) -> set[str]:
        """The subjects whose version stands at the head of a column."""
        return {column.subject.name for column in self.columns}

    @property
    def unavailable(self) -> list[Subject]:
        return [s for s in self.report.subjects if not s.available]

    @property
    def unjudged(self) -> list[Subject]:
        """Subjects that are there and have no verdict at all: a reader must not take them for good."""
        seen = {c.subject.name for c in self.columns}
        return [s for s in self.report.subjects if s.available and s.name not in seen]

    def _pairs(self) -> Iterator[tuple[str, str]]:
        for rule, subject, path in self.cells:
            if path == "sync" and (rule, subject, "async") in self.cells:
                yield rule, subject

    def _differences(self, rule: str, subject: str) -> Iterator[Difference]:
        sync = _outcomes(self.cells[rule, subject, "sync"])
        asynchronous = _outcomes(self.cells[rule, subject, "async"])
        for (case, fault), one in sync.items():
            other = asynchronous.get((case, fault))
            if other and one != other:
                yield Difference(rule, subject, case, fault, one, other)


def build(report: RunReport) -> Matrix:
    """The matrix of a report: rules by group in order of their ids, subjects in the report's order."""
    cells: dict[tuple[str, str, str], list[Verdict]] = {}
    for v in report.verdicts:
        cells.setdefault((v.rule, v.subject, v.path), []).append(v)
    return Matrix(
        report,
        rows=tuple(_rows({rule for rule, _, _ in cells})),
        columns=tuple(_columns(report, cells)),
        cells={key: Cell(tuple(found)) for key, found in cells.items()},
    )


def _rows(ids: set[str]) -> Iterator[Row]:
    book = rulebook()
    groups: dict[str, list[Row]] = {}
    for rule_id in sorted(ids):
        rule = book.get(rule_id)
        group = rule.group if rule else "not in this rulebook"
        groups.setdefault(group, []).append(Row(rule_id, group, rule))
    for rows in groups.values():
        yield from rows


def _columns(report: RunReport, cells: Iterable[tuple[str, str, str]]) -> Iterator[Column]:
    paths: dict[str, set[str]] = {}
    for _, subject, path in cells:
        paths.setdefault(subject, set()).add(path)
    known = {s.name: s for s in report.subjects}
    order = [*(name for name in known if name in paths), *(name for name in paths if name not in known)]
    for name in order:
        who = known.get(name) or Subject(name=name, role="client" if "sync" in paths[name] else "server")
        yield Column(who, tuple(sorted(paths[name], key=_path_order)))


def _path_order(path: str) -> tuple[int, str]:
    return (_PATHS.index(path) if path in _PATHS else len(_PATHS), path)


def _outcomes(cell: Cell) -> dict[tuple[str, str], Outcome]:
    """By (case, fault): the worst outcome that says something about the subject."""
    table: dict[tuple[str, str], Outcome] = {}
    for v in cell.verdicts:
        if v.verdict in JUDGED:
            before = table.get((v.case, v.fault), v.verdict)
            table[v.case, v.fault] = min(before, v.verdict, key=STATES.index)
    return table
