"""Expected failures: what is known to be wrong today, kept by the user in a TOML file, so that only news is red.

    [[expected]]
    subject = "openai"
    rule = "SSE-008"
    fault = "bom"            # path, case and fault are optional: without one, any
    reason = "the first event is lost behind a BOM"
    link = "https://github.com/openai/openai-python/issues/..."   # optional

An entry that no longer fails is *stale* and turns the run red: the file can only shrink by being edited.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from streamgauge.conformance import Selection
from streamgauge.errors import StreamgaugeError
from streamgauge.faults import parse_faults
from streamgauge.provider import get_provider
from streamgauge.rules import Verdict, get_rule
from streamgauge.verdicts import JUDGED, RunReport, for_want_of_packages

_ENTRY = re.compile(r"^\s*\[\[\s*expected\s*\]\]", re.MULTILINE)
_NEEDED = ("subject", "rule", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One entry; "" for path, case and fault stands for any. `place` is its file and line."""

    subject: str
    rule: str
    reason: str
    path: str = ""
    case: str = ""
    fault: str = ""
    link: str = ""
    place: str = ""

    def covers(self, verdict: Verdict) -> bool:
        return (self.subject, self.rule) == (verdict.subject, verdict.rule) and all(
            mine in ("", theirs)
            for mine, theirs in (
                (self.path, verdict.path),
                (self.case, verdict.case),
                (self.fault, verdict.fault),
            )
        )

    def in_scope(self, selection: Selection) -> bool:
        """Whether that run would have met the failure: an entry for any path can't be judged by one path alone."""
        return all(
            not chosen or mine in chosen
            for mine, chosen in (
                (self.subject, selection.providers),
                (self.rule, selection.rules),
                (self.path, selection.paths),
                (self.case, selection.cases),
                (self.fault, selection.faults),
            )
        )

    def __str__(self) -> str:
        where = " ".join(filter(None, (self.path, self.case, self.fault)))
        return f"{self.place}: {self.subject} {self.rule}{f' ({where})' if where else ''}"


def load(path: Path) -> tuple[Expectation, ...]:
    """The entries of a file.

    Raises StreamgaugeError, with file and line, for TOML that can't be read, a key, rule, subject or fault that is
    not there, and for an entry that says the same as another.
    """
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except OSError as error:
        raise StreamgaugeError(f"can't read the expected failures {path}: {error.strerror}") from error
    except ValueError as error:
        raise StreamgaugeError(f"{path} is not TOML: {error}") from error
    if unknown := sorted(set(table) - {"expected"}):
        raise StreamgaugeError(f"{path}: unknown table {unknown[0]!r}; entries are [[expected]]")
    entries = table.get("expected", [])
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise StreamgaugeError(f"{path}: 'expected' must be an array of tables: [[expected]]")
    lines = [text.count("\n", 0, match.end()) + 1 for match in _ENTRY.finditer(text)]
    places = [f"{path}:{line}" for line in lines] if len(lines) == len(entries) else [str(path)] * len(entries)
    return tuple(_distinct(_entry(e, place) for e, place in zip(entries, places, strict=True)))


def _entry(table: dict[str, Any], place: str) -> Expectation:
    keys = [f.name for f in fields(Expectation) if f.name != "place"]
    if unknown := [key for key in table if key not in keys]:
        raise StreamgaugeError(f"{place}: unknown key {unknown[0]!r}; known: {', '.join(keys)}")
    if missing := [key for key in _NEEDED if not table.get(key)]:
        raise StreamgaugeError(f"{place}: the entry has no {missing[0]!r}")
    if wrong := [key for key, value in table.items() if not isinstance(value, str)]:
        raise StreamgaugeError(f"{place}: {wrong[0]!r} must be a string")
    entry = Expectation(place=place, **table)
    if entry.path not in ("", "sync", "async"):
        raise StreamgaugeError(f"{place}: path is 'sync' or 'async', not {entry.path!r}")
    try:
        rule = get_rule(entry.rule)
        get_provider(entry.subject)
        parse_faults(entry.fault)
    except StreamgaugeError as error:
        raise StreamgaugeError(f"{place}: {error}") from error
    if rule.role != "client":
        raise StreamgaugeError(f"{place}: {entry.rule} is a rule for servers; only clients are expected to fail here")
    return entry


def _distinct(entries: Iterable[Expectation]) -> Iterator[Expectation]:
    places: dict[tuple[str, ...], str] = {}
    for entry in entries:
        key = (entry.subject, entry.rule, entry.path, entry.case, entry.fault)
        if key in places:
            raise StreamgaugeError(f"{entry.place}: says the same as {places[key]}")
        places[key] = entry.place
        yield entry


def apply(report: RunReport, entries: Iterable[Expectation], selection: Selection) -> RunReport:
    """The report with what was expected marked, and with the entries that say too much as `stale`.

    Only a departure is an expected failure; a skip is none, so that an entry whose rule was skipped is stale too. An
    entry without a path is stale, too, where only one of two paths fails. Not judged for staleness: entries outside
    of the selection, entries of a provider that is not installed, entries of which a fault could not be played for want
    of a package, and any entry in a run that was interrupted.
    """
    entries = tuple(entries)
    met: dict[Expectation, set[str]] = {}
    verdicts = []
    for verdict in report.verdicts:
        found = [e for e in entries if verdict.verdict in ("fail", "non-strict") and e.covers(verdict)]
        for entry in found:
            met.setdefault(entry, set()).add(verdict.path)
        verdicts.append(verdict.marked(expected_failure=True) if found else verdict)
    here = set() if report.partial else {s.name for s in report.subjects if s.available}
    stale = []
    for entry in (e for e in entries if e.subject in here and e.in_scope(selection)):
        paths = met.get(entry, set())
        covered = [v for v in report.verdicts if entry.covers(v)]
        if not paths and for_want_of_packages(covered):
            continue
        if not paths:
            stale.append(f"{entry} no longer fails: remove the entry")
        elif better := {v.path for v in covered if v.verdict in JUDGED} - paths:
            stale.append(f"{entry} does not fail on the {better.pop()} path: give the entry the other path")
    return replace(report, verdicts=tuple(verdicts), stale=tuple(stale))
