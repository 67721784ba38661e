"""`streamgauge rules`: what is required of servers and clients, and what each requirement rests on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from streamgauge.cli._output import details, json_option, note, table, write_json
from streamgauge.registry import all_dialects, get_dialect
from streamgauge.report.text import visible
from streamgauge.rulebook.unjudged import UNJUDGED
from streamgauge.rules import Example, Rule, get_rule, rulebook

MOST_LINES = 40
"""Lines of an example that are shown; `--json` has all of it."""


@click.command(name="rules")
@click.argument("rule_id", metavar="[ID]", required=False)
@click.option("--dialect", help="Only the rules that apply to this dialect.")
@click.option("--role", type=click.Choice(["server", "client"]), help="Only the rules for this role.")
@json_option
def command(rule_id: str | None, dialect: str | None, role: str | None, json_file: str | None) -> int:
    """List the rules, or explain the one of this ID with its two examples."""
    name = (rule_id or "").upper()
    if name in UNJUDGED:
        click.echo(f"{name} is a requirement of the catalogue that no rule judges: {UNJUDGED[name]}")
        return 0
    chosen = [get_rule(name)] if name else _chosen(dialect, role)
    if json_file:
        values = [_value(rule) for rule in chosen]
        write_json(json_file, {**values[0], **_examples(chosen[0])} if name else values)
    elif name:
        _explain(chosen[0])
    else:
        head = ("id", "role", "keyword", "a departure is", "basis", "applies to", "what")
        table(head, ((r.id, r.role, r.keyword, r.severity, r.basis, ", ".join(r.applies), r.title) for r in chosen))
        note(f"not judged, see `streamgauge rules ID`: {', '.join(UNJUDGED)}")
    return 0


def _chosen(dialect: str | None, role: str | None) -> list[Rule]:
    spoken = get_dialect(dialect) if dialect else None
    found = (r for r in rulebook().values() if role in (None, r.role))
    return [r for r in found if spoken is None or r.fits(spoken)]


def _value(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "title": rule.title,
        "role": rule.role,
        "group": rule.group,
        "keyword": rule.keyword,
        "basis": rule.basis,
        "severity": rule.severity,
        "statement": rule.statement,
        "source": rule.source,
        "applies": list(rule.applies),
        "dialects": [d.name for d in all_dialects().values() if rule.fits(d)],
        "since": rule.since,
        "needs": list(rule.needs),
        "known_violations": list(rule.known),
        "faults": list(rule.faults),
        "cases": list(rule.cases),
    }


def _examples(rule: Rule) -> dict[str, Any]:
    """The bodies of both examples as text, with bytes that are no UTF-8 as escapes."""
    found = {"satisfies": rule.good, "breaks": rule.bad}
    return {name: _text(example) for name, example in found.items() if example}


def _explain(rule: Rule) -> None:
    value = _value(rule)
    details(
        [
            ("rule", f"{rule.id}  {rule.title}"),
            ("requires", rule.statement),
            ("keyword", f"{rule.keyword} ({rule.basis}): a departure is {rule.severity}"),
            ("source", rule.source),
            ("role", rule.role),
            ("group", f"{rule.group}, since {rule.since}"),
            ("dialects", ", ".join(value["dialects"])),
            ("needs", ", ".join(rule.needs)),
            ("faults", ", ".join(fault or "(none)" for fault in rule.faults)),
            ("cases", ", ".join(rule.cases)),
        ]
    )
    if rule.known:
        click.echo("\nknown violations")
        for known in rule.known:
            click.echo(f"  {known}")
    for title, example in (("satisfies it", rule.good), ("breaks it", rule.bad)):
        if example:
            click.echo(f"\nan answer that {title}")
            for line in _shown(example):
                click.echo(f"  {line}")


def _text(example: Example) -> str:
    return example.body if isinstance(example.body, str) else example.body.decode("utf-8", "backslashreplace")


def _shown(example: Example) -> Iterator[str]:
    """What is not as usual about an example, then its body, line by line."""
    if example.request is not None:
        yield f"request  {json.dumps(dict(example.request))}"
    if example.status != 200:
        yield f"status   {example.status}"
    for name, value in example.headers or ():
        yield f"header   {name}: {value}"
    if example.times:
        at = "" if example.headers_at is None else f"headers after {example.headers_at:g} s, "
        reads = ", ".join(f"{seconds:.1f}" for seconds in example.times)
        yield f"times    {at}reads after {reads} s"
    if example.ended != "eof":
        yield f"ended    {example.ended}"
    if example.reference is not None:
        yield f"twin     {example.reference}"
    lines = visible(_text(example)).split("\n")
    yield from (f"| {line}" for line in lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        yield f"... {len(lines) - MOST_LINES} more lines"
