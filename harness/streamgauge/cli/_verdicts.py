"""Shows the verdicts on servers by rule: what fell short, its source, what was expected, what came, and the bytes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

import click

from streamgauge.report.summary import headline, verdict_line
from streamgauge.report.text import counted, one_line
from streamgauge.rules import Outcome, Verdict, get_rule
from streamgauge.verdicts import JUDGED, RunReport

_COLOURS: dict[Outcome, str] = {"fail": "red", "non-strict": "yellow", "error": "magenta", "info": "cyan"}
_ORDER: tuple[Outcome, ...] = ("error", "fail", "non-strict", "info")
_MOST_PLACES = 6
_WIDTH = 110


def show(report: RunReport, *, verbose: bool = False) -> None:
    """Print the report on standard output; verbose adds what passed, and what was not judged and why."""
    by_rule = _by_rule(report.verdicts)
    for outcome in _ORDER:
        for rule_id, verdicts in by_rule.items():
            found = [v for v in verdicts if v.verdict == outcome]
            if found:
                _departure(rule_id, outcome, found, sum(v.verdict in JUDGED for v in verdicts))
    if verbose:
        _quiet(by_rule)
    for note in report.notes:
        click.echo(f"note: {one_line(note)}")
    click.echo(f"{_rules_line(by_rule)}; {verdict_line(report)}.")
    click.secho(f"{headline(report)}.", fg="green" if report.exit_code == 0 else "red", bold=True)


def _by_rule(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    table: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        table.setdefault(verdict.rule, []).append(verdict)
    return table


def _departure(rule_id: str, outcome: Outcome, found: list[Verdict], judged: int) -> None:
    rule, first = get_rule(rule_id), found[0]
    label = click.style(f"{outcome.upper():<10}", fg=_COLOURS[outcome], bold=True)
    click.echo(f"{label} {rule_id}  {rule.title}")
    span = f"bytes {first.span[0]}-{first.span[1]}" if first.span[1] else ""
    _lines(
        ("source", f"{rule.keyword}, {rule.basis}: {rule.source}"),
        ("rule", rule.statement),
        ("where", _places(found) + (f" ({len(found)} of {judged} judged)" if judged > 1 else "")),
        ("expected", first.expected),
        ("got", first.got),
        (span or "excerpt", first.excerpt),
        ("", first.reason),
        ("again", first.reproduce),
    )
    click.echo()


def _places(found: list[Verdict]) -> str:
    subjects = dict.fromkeys(v.subject for v in found)
    several = len({v.subject for v in found}) > 1
    names = list(dict.fromkeys(_place(v, several) for v in found)) if any(v.case for v in found) else list(subjects)
    more = f" and {len(names) - _MOST_PLACES} more" if len(names) > _MOST_PLACES else ""
    return ", ".join(names[:_MOST_PLACES]) + more


def _place(verdict: Verdict, several: bool) -> str:
    return f"{verdict.subject} {verdict.case}".rstrip() if several or not verdict.case else verdict.case


def _lines(*pairs: tuple[str, str]) -> None:
    for name, value in pairs:
        if value:
            text = textwrap.wrap(one_line(value), _WIDTH, break_on_hyphens=False) if name != "again" else [value]
            click.echo(f"    {name:<10} {text[0]}")
            for line in text[1:]:
                click.echo(f"    {'':<10} {line}")


def _quiet(by_rule: dict[str, list[Verdict]]) -> None:
    for rule_id, verdicts in by_rule.items():
        outcomes = {v.verdict for v in verdicts}
        if outcomes <= {"pass", "skip"}:
            label = "PASS" if "pass" in outcomes else "SKIP"
            click.echo(f"{label:<10} {rule_id}  {get_rule(rule_id).title}")
            if label == "SKIP":
                _lines(("", "; ".join(dict.fromkeys(v.reason for v in verdicts))))
    click.echo()


def _rules_line(by_rule: dict[str, list[Verdict]]) -> str:
    passed = sum(_all_passed(v) for v in by_rule.values())
    skipped = sum(all(x.verdict == "skip" for x in v) for v in by_rule.values())
    broken = len(by_rule) - passed - skipped
    parts = [f"{passed} satisfied", f"{broken} not", f"{skipped} without anything to judge"]
    return f"{counted(len(by_rule), 'rule')}: {', '.join(parts)}"


def _all_passed(verdicts: list[Verdict]) -> bool:
    outcomes = {v.verdict for v in verdicts}
    return "pass" in outcomes and outcomes <= {"pass", "skip"}


def write_files(report: RunReport, files: dict[str, str | None]) -> None:
    """Write the report files that were asked for, by their kind: a module of `streamgauge.report` each."""
    from importlib import import_module

    for kind, path in files.items():
        if path:
            module: Any = import_module(f"streamgauge.report.{kind}")
            module.write(report, path)


def finish(report: RunReport, json_file: str | None, files: dict[str, str | None], *, verbose: bool) -> int:
    """Print the report (unless its JSON goes to standard output), write its files, and return its exit code."""
    from streamgauge.report import json_file as as_json

    if json_file == "-":
        click.echo(as_json.dumps(report), nl=False)
    else:
        show(report, verbose=verbose)
        if json_file:
            as_json.write(report, json_file)
    write_files(report, files)
    return report.exit_code
