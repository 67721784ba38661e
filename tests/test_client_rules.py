"""Client rules: each passes an ideal client and catches one that breaks exactly it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamgauge.engine import SOFTER, judge
from streamgauge.events import Finish, TextDelta, ToolCallDelta
from streamgauge.faults import all_faults, parse_faults
from streamgauge.ideal import ideal
from streamgauge.observation import Run
from streamgauge.recordings import shipped
from streamgauge.registry import get_dialect
from streamgauge.rulebook.client_judging import merged
from streamgauge.rulebook.unjudged import UNJUDGED
from streamgauge.rules import Rule, get_rule, rulebook, rules_for

CLIENT_RULES = [rule for rule in rulebook().values() if rule.role == "client"]


def cases_of(rule: Rule) -> list[str]:
    """The rule's cases in openai-chat where it is for that, else in the first of its dialects."""
    chat = get_dialect("openai-chat")
    dialect = chat if rule.fits(chat) else rule.example_dialect()
    cases = rule.cases or [r.name for r in shipped().values() if r.dialect == dialect.name]
    return [f"{dialect.name}/{case}" for case in cases]


def settings() -> Iterator[tuple[Rule, str, str]]:
    for rule in CLIENT_RULES:
        for fault in rule.faults:
            for case in cases_of(rule):
                yield rule, case, fault


SETTINGS = [pytest.param(*s, id=f"{s[0].id}-{s[1]}-{s[2] or 'plain'}") for s in settings()]


@pytest.mark.parametrize(("rule", "case", "fault"), SETTINGS)
def test_an_ideal_client_passes(rule: Rule, case: str, fault: str) -> None:
    """Every rule passes a client that does everything right, in each of its cases and under each of its faults."""
    [verdict] = judge(ideal(rule, case, fault), [rule])
    assert verdict.verdict == "pass", verdict


@pytest.mark.parametrize("rule", CLIENT_RULES, ids=lambda rule: rule.id)
def test_a_client_that_breaks_the_rule_is_caught(rule: Rule) -> None:
    """The rule's own counter-example departs with exactly the rule's severity, and says what was expected."""
    assert rule.broken is not None
    case = cases_of(rule)[0]
    verdicts = [judge(rule.broken(ideal(rule, case, fault)), [rule])[0] for fault in rule.faults]
    outcomes = {v.verdict for v in verdicts}
    assert rule.severity in outcomes, verdicts
    assert outcomes <= {rule.severity, SOFTER[rule.severity]}, "under each fault, at most one step milder"
    assert all(v.expected and v.got for v in verdicts)


@pytest.mark.parametrize("rule", CLIENT_RULES, ids=lambda rule: rule.id)
def test_a_client_that_breaks_the_rule_breaks_no_other(rule: Rule) -> None:
    """Under each fault it departs, and of the other rules of the same fault only from those that the rule names."""
    assert rule.broken is not None
    case, others = cases_of(rule)[0], set()
    for fault in rule.faults:
        seen = rule.broken(ideal(rule, case, fault))
        beside = [r for r in CLIENT_RULES if r is not rule and fault in r.faults and case in cases_of(r)]
        verdicts = {v.rule: v.verdict for v in judge(seen, [rule, *beside])}
        assert verdicts.pop(rule.id) not in ("pass", "skip", "error"), fault
        others |= {name for name, verdict in verdicts.items() if verdict not in ("pass", "skip")}
    assert others == set(rule.also_breaks)


@pytest.mark.parametrize("rule", [r for r in CLIENT_RULES if "" not in r.faults], ids=lambda rule: rule.id)
def test_a_plain_run_that_fails_is_no_skip(rule: Rule) -> None:
    """Where already the undisturbed recording fails, a rule that compares with it departs and names the reason."""
    fault, case = rule.faults[0], cases_of(rule)[0]
    seen = replace(ideal(rule, case, fault), baseline=Run(hung=True, duration=1.0))
    [verdict] = judge(seen, [rule])
    if rule.id in WITHOUT_BASELINE:
        assert verdict.verdict == "pass"
    else:
        assert verdict.verdict == rule.severity or verdict.verdict == "non-strict"
        assert "plain recording" in verdict.expected


WITHOUT_BASELINE = {"ERR-012", "HTTP-016", "HTTP-037", "HTTP-041", "HTTP-046"}
"""Rules that look at the disturbed run alone: its exception's class, the requests that came, the status."""


def test_every_lossless_fault_is_judged_by_a_rule() -> None:
    """Each fault that must change nothing, with each of its variants, is under some rule of the dialect."""
    dialect = get_dialect("openai-chat")
    named = {part for rule in rules_for(dialect, "client") for spec in rule.faults for part in spec.split("+")}
    missed = {
        f"{fault.name}:{variant}"
        for fault in all_faults().values()
        if fault.effect == "lossless" and fault.fits(dialect)
        for variant in fault.variants
        if not {f"{fault.name}:{variant}"} & named and (variant or not _under_any_argument(fault.name, named))
    }
    assert missed == set()


def _under_any_argument(name: str, named: set[str]) -> bool:
    return any(spec.partition(":")[0] == name for spec in named)


@pytest.mark.parametrize("rule", CLIENT_RULES, ids=lambda rule: rule.id)
def test_a_rule_names_faults_and_cases_that_are_there(rule: Rule) -> None:
    """Specs parse, cases are shipped, and an accusation of `fail` names where its MUST is written."""
    for spec in rule.faults:
        parse_faults(spec)
    names = {r.name for r in shipped().values()}
    assert set(rule.cases) <= names
    assert rule.source
    assert rule.statement
    if rule.severity == "fail":
        assert not rule.source.startswith("de facto")


@pytest.mark.shared
def test_the_catalogues_client_rules_are_covered(shared: Path) -> None:
    """Every client requirement for this dialect is a rule with the same keyword, or stands as not judged."""
    text = (shared / "catalogue" / "rules.yaml").read_text(encoding="utf-8")
    entries = [dict(re.findall(r"(?m)^[- ] (\w+): (\S.*)$", b)) for b in re.split(r"(?m)^(?=- id: )", text)[1:]]
    scope = {"all", "sse", "openai-chat", "openai-chat-ext"}
    wanted = {e["id"]: e["severity"] for e in entries if e["role"] == "client" and e["dialect"] in scope}
    assert len(wanted) > 40
    judged = {r.id: r.keyword for r in CLIENT_RULES}
    assert set(wanted) <= set(judged) | set(UNJUDGED)
    assert {i: judged[i] for i in set(wanted) & set(judged)} == {i: wanted[i] for i in set(wanted) & set(judged)}


def test_what_a_client_does_not_declare_is_skipped() -> None:
    """A client without the capability is not judged by what it can't show, and the reason is given."""
    for name, rule_id, case, fault in (
        ("tools", "OAC-022", "parallel-tools", "opening-arguments"),
        ("reasoning", "OAC-028", "reasoning-content", "reasoning-spelling:both"),
        ("usage", "USE-005", "plain-text", ""),
        ("n", "AGG-008", "two-choices", ""),
    ):
        rule = get_rule(rule_id)
        seen = replace(ideal(rule, case, fault), capabilities=frozenset(("sync",)))
        [verdict] = judge(seen, [rule])
        assert verdict.verdict == "skip"
        assert name in verdict.reason


def test_joining_neighbours_keeps_what_is_different_apart() -> None:
    """Deltas of one kind, choice and call become one; anything else stays as it is, in order."""
    a, b = TextDelta("a"), TextDelta("b")
    other = TextDelta("x", 1)
    call, more, second = ToolCallDelta(0, "id", "f", "{"), ToolCallDelta(0, arguments="}"), ToolCallDelta(1, "id2", "g")
    assert merged((a, b, other, b, Finish("stop"), call, more, second)) == (
        TextDelta("ab"),
        other,
        b,
        Finish("stop"),
        ToolCallDelta(0, "id", "f", "{}"),
        second,
    )
