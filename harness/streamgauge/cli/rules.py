"""`streamgauge rules`: what is required of servers and clients, and what each requirement rests on."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator
from typing import Any

import click

from streamgauge.cli._output import details, json_option, note, table, write_json
from streamgauge.engine import judge
from streamgauge.events import NO_SPAN, Span
from streamgauge.faults import apply_faults
from streamgauge.ideal import ideal
from streamgauge.message import to_dict
from streamgauge.recordings import get_recording, shipped
from streamgauge.registry import all_dialects, get_dialect
from streamgauge.report.text import visible
from streamgauge.rulebook.unjudged import UNJUDGED
from streamgauge.rules import Example, Rule, Verdict, get_rule, rulebook
from streamgauge.script import script_of

MOST_LINES = 40
"""Lines of an example that are shown; `--json` has all of it."""
USUAL = "openai-chat"
"""The dialect whose recordings stand for those of all, where a rule is for it."""
MOST_CHANGES, WIDTH = 8, 400
"""Lines that a fault changes, and how much of each, that are shown."""


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
    """The bodies of both examples as text, with bytes that are no UTF-8 as escapes, and what is found in the second."""
    found = {"satisfies": rule.good, "breaks": rule.bad}
    verdict = _verdict(rule)
    finding = {"expected": verdict.expected, "got": verdict.got}
    return {name: _text(example) for name, example in found.items() if example} | {"finding": finding}


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
    if rule.good and rule.bad:
        verdict = _verdict(rule)
        _section("an answer that satisfies it", _shown(rule.good))
        _section("an answer that breaks it", _shown(rule.bad, verdict.span))
        click.echo(f"\n  expected {verdict.expected}\n  got      {verdict.got}")
    elif rule.broken:
        _played(rule)


def _section(title: str, lines: Iterable[str]) -> None:
    click.echo(f"\n{title}")
    for line in lines:
        click.echo(f"  {line}")


def _verdict(rule: Rule) -> Verdict:
    """What the rule says of its own counter-example."""
    if rule.bad:
        return judge(rule.bad.exchange(rule.example_dialect()), [rule])[0]
    assert rule.broken is not None
    return judge(rule.broken(ideal(rule, _case(rule), rule.faults[0])), [rule])[0]


def _case(rule: Rule) -> str:
    """The first recording that a client rule is judged on."""
    dialects = sorted((d.name for d in all_dialects().values() if rule.fits(d)), key=lambda name: name != USUAL)
    known = [r for r in shipped().values() if r.dialect in dialects and (not rule.cases or r.name in rule.cases)]
    first = min(known, key=lambda r: dialects.index(r.dialect))
    return f"{first.dialect}/{first.name}"


def _played(rule: Rule) -> None:
    """What a client is served, as far as it differs from the recording, and what breaks the rule."""
    case, fault = _case(rule), rule.faults[0]
    plain = script_of(get_recording(case))
    script = apply_faults(plain, fault)
    under = f" under {fault}" if fault else ""
    _section(f"what a client is served: {case}{under}", _changes(plain.body, script.body))
    if fault:
        click.echo(f"\n  streamgauge serve --case {case} --fault {fault!r}")
    verdict = _verdict(rule)
    _section("a client that breaks it", (f"expected {verdict.expected}", f"got      {verdict.got}"))
    click.echo("\n  streamgauge client PROVIDER --rule " + rule.id)


def _changes(plain: bytes, played: bytes) -> Iterator[str]:
    """The lines that a fault changes, - as they were and + as they come."""
    lines = [visible(data.decode("utf-8", "backslashreplace")).split("\n") for data in (plain, played)]
    # A fault that changes one member spells the others anew: that is no change.
    found = _difference(*([_spelled(line) for line in part] for part in lines)) or _difference(*lines)
    if not found:
        yield (
            "the bytes of the recording; what is done to it is in how they are sent" if played == plain else "no bytes"
        )
    for line in found[:MOST_CHANGES]:
        yield line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
    if len(found) > MOST_CHANGES:
        yield f"... {len(found) - MOST_CHANGES} more lines"


def _difference(before: list[str], after: list[str]) -> list[str]:
    compared = difflib.unified_diff(before, after, n=0, lineterm="")
    return [line for line in compared if line[:3] not in ("---", "+++") and line[:2] != "@@"]


def _spelled(line: str) -> str:
    """A line of JSON in one spelling; any other as it is."""
    name, brace, rest = line.partition("{")
    try:
        return name + json.dumps(json.loads(brace + rest), ensure_ascii=False)
    except ValueError:
        return line


def _text(example: Example) -> str:
    return example.body if isinstance(example.body, str) else example.body.decode("utf-8", "backslashreplace")


def _shown(example: Example, marked: Span = NO_SPAN) -> Iterator[str]:
    """What is not as usual about an example, then its body, line by line; > is before those of a span."""
    yield from _around(example)
    body = example.body.encode() if isinstance(example.body, str) else example.body
    at = 0
    lines = body.splitlines(keepends=True) if b"\n" in body else [body]
    for line in lines[:MOST_LINES]:
        here = marked[0] < at + len(line) and at < marked[1]
        yield f"{'>' if here else '|'} {visible(line.decode('utf-8', 'backslashreplace')).rstrip(chr(10))}"
        at += len(line)
    if len(lines) > MOST_LINES:
        yield f"... {len(lines) - MOST_LINES} more lines"


def _around(example: Example) -> Iterator[str]:
    """The request and the response around the body, as far as they are not as usual."""
    if example.request is not None:
        yield f"request  {json.dumps(dict(example.request))}"
    if example.accept_encoding is not None:
        yield f"request  Accept-Encoding: {example.accept_encoding}"
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
        yield f"twin     {json.dumps(to_dict(example.reference), ensure_ascii=False)}"
