"""The report as Markdown for a pull request or a job summary: the matrix as a table, then the failures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from streamgauge.report.files import save
from streamgauge.report.matrix import LABELS, MEANING, STATES, Column, Group, Matrix, Row, State, build
from streamgauge.report.summary import headline, paths_of, place, verdict_line, where
from streamgauge.report.text import one_line, shortened
from streamgauge.verdicts import RunReport

SYMBOLS: dict[State, str] = {
    "error": "💥",
    "fail": "❌",
    "expected": "🔶",
    "non-strict": "⚠️",
    "info": "ℹ️",
    "pass": "✅",
    "skip": "➖",
}
MOST_FAILURES = 200
_LONGEST = 500
_MARKUP = re.compile(r"([\\`*_\[\]<>|~&$])")


def dumps(report: RunReport) -> str:
    """The text of the file."""
    return "\n".join(_lines(build(report))) + "\n"


def write(report: RunReport, path: str | Path) -> None:
    """Write the file; raises StreamgaugeError where that fails."""
    save(dumps(report), path)


def _lines(matrix: Matrix) -> Iterator[str]:
    report = matrix.report
    versions = ", ".join(f"{name} {value}" for name, value in report.versions.items() if name not in matrix.named)
    yield "# streamgauge conformance"
    yield ""
    yield f"**{headline(report)}.** {verdict_line(report)}."
    yield ""
    yield _escaped(f"Started {report.started}; {versions}")
    yield from _table(matrix)
    yield from _failures("Unexpected failures", matrix, matrix.select("fail"))
    yield from _failures("Errors of the harness", matrix, matrix.select("error"))
    yield from _bullets("Stale expectations: delete these entries", (_code(entry) for entry in report.stale))
    yield from _bullets("Sync and async differ", _differences(matrix))
    missing = (f"{_escaped(s.name)}: {_code(s.install)}" for s in matrix.unavailable)
    yield from _bullets("Not installed, not judged", missing)
    yield from _bullets("Installed, nothing judged", (_escaped(s.name) for s in matrix.unjudged))
    yield from _bullets("Notes", map(_escaped, report.notes))


def _table(matrix: Matrix) -> Iterator[str]:
    if not matrix.rows:
        return
    yield from ("", "## Matrix", "")
    shown = [s for s in STATES if any(cell.state == s for cell in matrix.cells.values())]
    yield ", ".join(f"{SYMBOLS[s]} {LABELS[s]}: {MEANING[s]}" for s in shown) + "; sync then async, ≠ where they differ"
    yield ""
    yield "| rule | " + " | ".join(_heading(column) for column in matrix.columns) + " |"
    yield "|---|" + "---|" * len(matrix.columns)
    for group, rows in matrix.groups():
        yield f"| **{_escaped(group)}** |" + " |" * len(matrix.columns)
        for row in rows:
            cells = " | ".join(_cells(matrix, row, column) for column in matrix.columns)
            yield f"| {_escaped(f'{row.id} {row.title}'.strip())} | {cells} |"


def _heading(column: Column) -> str:
    return _escaped(f"{column.subject.name} {column.subject.version}".strip())


def _cells(matrix: Matrix, row: Row, column: Column) -> str:
    found = [matrix.cell(row.id, column.subject.name, path) for path in column.paths]
    differs = " ≠" if (row.id, column.subject.name) in matrix.differences else ""
    return " ".join(SYMBOLS[cell.state] if cell else "·" for cell in found) + differs


def _failures(title: str, matrix: Matrix, groups: list[Group]) -> Iterator[str]:
    if not groups:
        return
    rows = {row.id: row for row in matrix.rows}
    yield from ("", f"## {title}")
    for group in groups[:MOST_FAILURES]:
        first, rule = group.first, rows[group.first.rule].rule
        yield ""
        yield f"### {_escaped(f'{first.rule}: {first.subject} {paths_of(group)}'.strip())}"
        yield ""
        facts = {
            "rule": _escaped(f"{rule.title}. {rule.statement}") if rule else "",
            "source": _source(rule.source) if rule else "",
            "where": _escaped(where(group)),
            "expected": _code(first.expected),
            "got": _code(first.got),
            "reason": _escaped(first.reason),
            f"bytes {list(first.span)}": _code(first.excerpt),
            "reproduce": _code(first.reproduce, longest=4 * _LONGEST),
        }
        yield from (f"- {name}: {value}" for name, value in facts.items() if value)
    if len(groups) > MOST_FAILURES:
        yield from ("", f"... and {len(groups) - MOST_FAILURES} more; the JSON report holds them all.")


def _differences(matrix: Matrix) -> Iterator[str]:
    for (rule, subject), found in matrix.differences.items():
        cases = "; ".join(
            f"{place(d.case, d.fault)}: sync {d.sync}, async {d.asynchronous}".removeprefix(": ") for d in found[:3]
        )
        more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
        yield _escaped(f"{rule} {subject}: {cases}{more}")


def _bullets(title: str, items: Iterator[str]) -> Iterator[str]:
    found = list(items)
    if found:
        yield from ("", f"## {title}", "")
        yield from (f"- {item}" for item in found)


def _escaped(text: str) -> str:
    """Prose in which nothing is markup, a mention or a reference."""
    # GitHub looks for @mentions and #references after it has undone backslashes: an empty comment parts them.
    return re.sub("([@#])", r"\1<!-- -->", _MARKUP.sub(r"\\\1", one_line(text)))


def _source(text: str) -> str:
    """The source of a rule, with its URLs left alone so that GitHub links them."""
    parts = re.split(r"(https?://[^\s()<>|`]+)", one_line(text))
    return "".join(part if i % 2 else _escaped(part) for i, part in enumerate(parts))


def _code(text: str, *, longest: int = _LONGEST) -> str:
    """A code span, in which GitHub neither renders nor notifies; its fence is longer than any run inside."""
    if not text:
        return ""
    shown = shortened(one_line(text), longest)
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    return f"{fence} {shown} {fence}"
