"""The report as one self-contained page: nothing is loaded from elsewhere, and it works from `file://`.

The matrix is plain HTML; what a cell opens to is data in a script element, drawn when it is asked for, with each
text kept once. The page's content security policy admits only its own script and style, by their hashes, so that
even markup that slipped through would do nothing.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from streamgauge.report.files import save
from streamgauge.report.matrix import LABELS, MEANING, STATES, Cell, Group, Matrix, State, build, grouped
from streamgauge.report.summary import headline, paths_of, place, verdict_line, where
from streamgauge.report.text import one_line, visible
from streamgauge.rules import Verdict
from streamgauge.verdicts import RunReport

SYMBOLS: dict[State, str] = {
    "error": "!",
    "fail": "✗",
    "expected": "◇",
    "non-strict": "~",
    "info": "i",
    "pass": "✓",
    "skip": "–",
}
MOST_FAILURES = 100
_ROOMY = 14  # columns of cells that may be headed by whole words
_QUIET: tuple[State, ...] = ("pass", "skip")


def dumps(report: RunReport) -> str:
    """The text of the page."""
    matrix = build(report)
    anchors = _Anchors(matrix)
    style, script = _asset("verdicts.css"), _asset("verdicts.js")
    page: str = _template().render(
        matrix=matrix,
        report=report,
        anchors=anchors,
        headline=headline(report),
        verdict_line=verdict_line(report),
        outcomes=_outcomes(matrix),
        symbols=SYMBOLS,
        labels=LABELS,
        titles={row.id: row.title for row in matrix.rows},
        failures=matrix.select("error", "fail"),
        most=MOST_FAILURES,
        crowded=sum(len(column.paths) for column in matrix.columns) > _ROOMY,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        data=Markup(_json(_data(matrix, anchors))),
    )
    return page


def write(report: RunReport, path: str | Path) -> None:
    """Write the page; raises StreamgaugeError where that fails."""
    save(dumps(report), path)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One kind of cell with its number, as the legend and as a filter."""

    state: State
    symbol: str
    meaning: str
    cells: int


def _outcomes(matrix: Matrix) -> list[_Outcome]:
    counts = dict.fromkeys(STATES, 0)
    for cell in matrix.cells.values():
        counts[cell.state] += 1
    return [_Outcome(s, SYMBOLS[s], MEANING[s], counts[s]) for s in STATES if counts[s]]


class _Anchors:
    """The fragment of each cell, `cell-SSE-008-openai-sync`: stable, so that a link from a bug report holds."""

    def __init__(self, matrix: Matrix) -> None:
        self._slugs: dict[str, str] = {}
        for column in matrix.columns:
            slug = base = re.sub(r"[^A-Za-z0-9._]+", "-", column.subject.name).strip("-") or "subject"
            number = 1
            while slug in self._slugs.values():
                number += 1
                slug = f"{base}-{number}"
            self._slugs[column.subject.name] = slug

    def subject(self, name: str) -> str:
        return self._slugs[name]

    def cell(self, rule: str, subject: str, path: str) -> str:
        return "-".join(filter(None, ("cell", rule, self._slugs[subject], path)))

    def verdict(self, verdict: Verdict) -> str:
        return self.cell(verdict.rule, verdict.subject, verdict.path)


class _Texts:
    """Each text once: in 10,000 verdicts most texts recur."""

    def __init__(self) -> None:
        self.all: list[str] = [""]
        self._at = {"": 0}

    def __call__(self, text: str) -> int:
        text = visible(text)
        if text not in self._at:
            self._at[text] = len(self.all)
            self.all.append(text)
        return self._at[text]


def _data(matrix: Matrix, anchors: _Anchors) -> dict[str, Any]:
    """What the script draws from; texts are given by their index in `texts`.

    cells: by anchor, [rule, subject's slug, path, groups]; a group is [state, outcome, expected, got, reason, number
    of verdicts, cases], with the cases as [case, fault, command, excerpt, from, to], or as one text where they need
    no more than to be named.
    """
    texts = _Texts()
    cells = {
        anchors.cell(rule, subject, path): [rule, anchors.subject(subject), path, _groups(cell, texts)]
        for (rule, subject, path), cell in matrix.cells.items()
    }
    differences = {
        f"{rule} {anchors.subject(subject)}": [[texts(place(d.case, d.fault)), d.sync, d.asynchronous] for d in found]
        for (rule, subject), found in matrix.differences.items()
    }
    rules = {
        row.id: [row.rule.title, row.rule.group, row.rule.keyword, row.rule.basis, row.rule.source, row.rule.statement]
        for row in matrix.rows
        if row.rule
    }
    subjects = {
        anchors.subject(c.subject.name): [one_line(c.subject.name), one_line(c.subject.version)] for c in matrix.columns
    }
    return {
        "rules": rules,
        "subjects": subjects,
        "cells": cells,
        "differences": differences,
        "symbols": SYMBOLS,
        "labels": LABELS,
        "texts": texts.all,
    }


def _groups(cell: Cell, texts: _Texts) -> list[list[Any]]:
    return [_group(group, texts) for group in grouped(cell.verdicts)]


def _group(group: Group, texts: _Texts) -> list[Any]:
    first = group.first
    cases: Any = texts(_named(group.verdicts)) if group.state in _QUIET else [_case(v, texts) for v in group.verdicts]
    facts = [texts(first.expected), texts(first.got), texts(first.reason)]
    return [group.state, first.verdict, *facts, len(group.verdicts), cases]


def _case(verdict: Verdict, texts: _Texts) -> list[int]:
    named = (verdict.case, verdict.fault, verdict.reproduce, verdict.excerpt)
    return [*(texts(text) for text in named), *verdict.span]


def _named(verdicts: Sequence[Verdict]) -> str:
    """The cases with their faults, one case a line; of a server, which is under none, the cases alone."""
    if not any(v.path or v.fault for v in verdicts):
        return one_line(", ".join(dict.fromkeys(v.case or "the stream" for v in verdicts)))
    faults: dict[str, list[str]] = {}
    for v in verdicts:
        faults.setdefault(v.case, []).append(v.fault or "no fault")
    return "\n".join(one_line(f"{case or 'the stream'}: {', '.join(names)}") for case, names in faults.items())


def _breakable(text: str) -> Markup:
    """A name that may go on in the next line behind its punctuation."""
    return Markup("<wbr>").join(re.split(r"(?<=[-_./:])", one_line(text)))


def _json(value: Any) -> str:
    """JSON that can't end the script element that holds it, nor start a comment in it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


def _asset(name: str) -> str:
    return files("streamgauge.report").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(breakable=_breakable, one_line=one_line, place=place)
    environment.globals.update(paths_of=paths_of, where=where)
    return environment.from_string(_asset("verdicts.html.j2"))
