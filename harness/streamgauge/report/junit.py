"""The report as JUnit XML: a suite for each subject and path, a test case for each rule, case and fault.

CI systems know four results, so: fail is a failure, error an error, an expected failure is skipped with that
reason, a skip is skipped; non-strict and info pass, with what was found as their output. A stale expectation is
a failure of its own, because it turns the run red.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from streamgauge.report.files import save
from streamgauge.report.matrix import Matrix, Row, build, state_of
from streamgauge.report.summary import place
from streamgauge.report.text import one_line, visible
from streamgauge.rules import Verdict
from streamgauge.verdicts import RunReport


def dumps(report: RunReport) -> str:
    """The text of the file."""
    matrix = build(report)
    root = ET.Element("testsuites", name="streamgauge")
    root.extend(_suites(matrix))
    if report.stale:
        root.append(_suite("expected failures", map(_stale, report.stale)))
    if matrix.unavailable:
        cases = (_unavailable(s.name, s.install) for s in matrix.unavailable)
        root.append(_suite("unavailable", cases))
    for suite in root:
        suite.set("timestamp", report.started)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def write(report: RunReport, path: str | Path) -> None:
    """Write the file; raises StreamgaugeError where that fails."""
    save(dumps(report), path)


def _suites(matrix: Matrix) -> Iterator[ET.Element]:
    for column in matrix.columns:
        subject = column.subject
        for path in column.paths:
            cases = (
                _case(row, verdict)
                for row in matrix.rows
                if (cell := matrix.cell(row.id, subject.name, path))
                for verdict in cell.verdicts
            )
            facts = {"version": subject.version, "dialect": subject.dialect, "role": subject.role, "path": path}
            yield _suite(f"{subject.name} {path}".strip(), cases, facts)


def _suite(name: str, cases: Iterable[ET.Element], facts: dict[str, str] | None = None) -> ET.Element:
    suite = ET.Element("testsuite", name=one_line(name))
    if facts:
        properties = ET.SubElement(suite, "properties")
        for key, value in facts.items():
            ET.SubElement(properties, "property", name=key, value=one_line(value))
    found = list(cases)
    suite.extend(found)
    results = Counter(child.tag for case in found for child in case)
    suite.set("tests", str(len(found)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(results[tag]))
    return suite


def _case(row: Row, verdict: Verdict) -> ET.Element:
    where = place(verdict.case, verdict.fault)
    name = f"{row.id} {row.title}".strip() + (f" [{where}]" if where else "")
    group = ".".join(filter(None, ("streamgauge", verdict.subject, verdict.path)))
    case = ET.Element("testcase", classname=one_line(group), name=one_line(name))
    match state_of(verdict):
        case "fail" | "error" as state:
            tag = "failure" if state == "fail" else "error"
            ET.SubElement(case, tag, message=_message(verdict), type=state).text = _details(row, verdict)
        case "expected":
            ET.SubElement(case, "skipped", message=f"expected failure: {_message(verdict)}")
            ET.SubElement(case, "system-out").text = _details(row, verdict)
        case "skip":
            ET.SubElement(case, "skipped", message=one_line(verdict.reason))
        case "non-strict" | "info" as state:
            ET.SubElement(case, "system-out").text = f"{state}: {_message(verdict)}\n{_details(row, verdict)}"
        case _:
            pass
    return case


def _stale(entry: str) -> ET.Element:
    case = ET.Element("testcase", classname="streamgauge.expected-failures", name=one_line(entry))
    message = f"stale: no longer fails, delete the entry: {one_line(entry)}"
    ET.SubElement(case, "failure", message=message, type="stale").text = message
    return case


def _unavailable(name: str, install: str) -> ET.Element:
    case = ET.Element("testcase", classname="streamgauge.unavailable", name=one_line(name))
    ET.SubElement(case, "skipped", message=one_line(f"not installed: {install}"))
    return case


def _message(verdict: Verdict) -> str:
    if not (verdict.expected or verdict.got):
        return one_line(verdict.reason)
    return one_line(f"expected {verdict.expected}; got {verdict.got}")


def _details(row: Row, verdict: Verdict) -> str:
    start, end = verdict.span
    facts = {
        "rule": f"{row.id} {row.title}",
        "statement": row.rule.statement if row.rule else "",
        "source": row.rule.source if row.rule else "",
        "case": verdict.case,
        "fault": verdict.fault,
        "expected": verdict.expected,
        "got": verdict.got,
        "reason": verdict.reason,
        f"bytes [{start}, {end})": verdict.excerpt,
        "reproduce": verdict.reproduce,
    }
    return "\n".join(f"{name}: {visible(value)}" for name, value in facts.items() if value)
