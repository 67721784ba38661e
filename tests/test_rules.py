"""Every server rule proves itself on its two examples; together they cover the catalogue and accuse nobody falsely."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.dialects.openai_chat._samples import CALLS, HELLO, WITH_USAGE, sse
from streamgauge.engine import judge
from streamgauge.registry import get_dialect
from streamgauge.rulebook.unjudged import UNJUDGED
from streamgauge.rules import Example, Exchange, Rule, Verdict, rulebook
from streamgauge.trace import Arrival, Trace

CHAT = get_dialect("openai-chat")
SERVER = [rule for rule in rulebook().values() if rule.role == "server"]


def by_rule(rule: Rule, example: Example | None) -> dict[str, Verdict]:
    assert example is not None
    return {v.rule: v for v in judge(example.exchange(rule.example_dialect()))}


def accused(verdicts: dict[str, Verdict]) -> dict[str, Verdict]:
    return {name: v for name, v in verdicts.items() if v.verdict in ("fail", "non-strict", "error")}


@pytest.mark.parametrize("rule", SERVER, ids=lambda r: r.id)
def test_good_example_breaks_no_rule(rule: Rule) -> None:
    """The stream that satisfies a rule is judged by it and passes, and breaks no other."""
    verdicts = by_rule(rule, rule.good)
    assert verdicts[rule.id].verdict == "pass", verdicts[rule.id]
    assert not accused(verdicts)


@pytest.mark.parametrize("rule", SERVER, ids=lambda r: r.id)
def test_bad_example_breaks_this_rule_alone(rule: Rule) -> None:
    """The stream that breaks a rule is told by it, at its severity, and by no other that is not named."""
    verdicts = by_rule(rule, rule.bad)
    assert verdicts[rule.id].verdict == rule.severity, verdicts[rule.id]
    assert verdicts[rule.id].expected
    assert verdicts[rule.id].got
    assert set(accused(verdicts)) - {rule.id} == set(rule.also_breaks)


@pytest.mark.parametrize("rule", rulebook().values(), ids=lambda r: r.id)
def test_rule_says_what_it_rests_on(rule: Rule) -> None:
    """Every rule has an id of the usual form, a title, a statement and a source."""
    assert re.fullmatch(r"[A-Z]{2,5}-\d{3}", rule.id)
    assert rule.title
    assert rule.group
    assert len(rule.statement) > 20
    assert len(rule.source) > 20
    assert all(rule.known)
    assert set(rule.also_breaks) <= set(rulebook()) - {rule.id}
    assert (rule.good is None) == (rule.bad is None) == (rule.broken is not None) == (rule.role == "client")
    assert rule.good is None or rule.good != rule.bad


def test_what_is_not_judged_says_why() -> None:
    """A requirement is judged by a rule or stands in the table of those that are not, never both."""
    assert not set(UNJUDGED) & set(rulebook())
    assert all(len(reason) > 20 for reason in UNJUDGED.values())


NAMES = """
id object created model choices delta index finish_reason content role usage error tool_calls function arguments name
type logprobs bytes token code message refusal prompt_tokens completion_tokens total_tokens completion_tokens_details
reasoning_tokens
"""
MEMBERS = st.sampled_from(re.findall(r"\w+", NAMES))
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["\ud83d", "stop", "assistant", "chat.completion.chunk", "error", 10**30, -1, 1e308, float("inf")]),
)
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(MEMBERS, v, max_size=4), max_leaves=12
)
EVENTS = st.one_of(
    VALUES.map(lambda v: f"data: {json.dumps(v)}\n\n"),
    st.lists(VALUES, max_size=2).map(lambda v: f"data: {json.dumps({'choices': v, 'usage': v[0] if v else None})}\n\n"),
    st.dictionaries(MEMBERS, VALUES, max_size=3).map(lambda d: f"data: {json.dumps({'choices': [{'delta': d}]})}\n\n"),
    st.lists(st.dictionaries(MEMBERS, VALUES), max_size=2).map(
        lambda c: sse({"choices": [{"index": 0, "delta": {"tool_calls": c}, "finish_reason": "stop", "logprobs": c}]})
    ),
    st.sampled_from(
        ["data: [DONE]\n\n", ": c\n\n", "event: error\n", "event: ping\n\n", "data: x\n\n", "\r\n", HELLO, CALLS]
    ),
)
REQUEST: dict[str, Any] = {**WITH_USAGE, "logprobs": True, "n": 2, "stop": ["x"], "temperature": 0}


def no_error(body: bytes, **known: Any) -> None:
    exchange = Exchange(CHAT, Trace(arrivals=(Arrival(0.5, body),), **known))
    for verdict in judge(exchange):
        assert verdict.verdict != "error", verdict
        start, end = verdict.span
        assert 0 <= start <= end <= len(body)


@settings(deadline=None, max_examples=150)
@given(body=st.binary(max_size=400))
def test_any_bytes_are_judged(body: bytes) -> None:
    """No bytes make a rule fail itself, with and without all that can be known of the exchange."""
    no_error(body)
    no_error(body, status=200, headers=(), request={"stream": True}, timed=True, ended_at=9.0, headers_at=0.1)


@settings(deadline=None, max_examples=150)
@given(events=st.lists(EVENTS, max_size=6))
def test_any_json_is_judged(events: list[str]) -> None:
    """Members of any type in any place are judged, and never make a rule fail itself."""
    body = "".join(events).encode("utf-8", "surrogatepass")
    no_error(body, status=200, headers=(("content-type", "text/event-stream"),), request=REQUEST, timed=True)


@pytest.mark.parametrize("status", [302, 400, 429, 503])
def test_other_statuses_are_judged(status: int) -> None:
    """An answer that is no success is judged by the rules for errors, and by no rule for streams."""
    exchange = Exchange(CHAT, Trace(arrivals=(), status=status, headers=(), request={"stream": True}))
    verdicts = judge(exchange)
    assert {v.rule for v in verdicts if v.verdict != "skip"} <= {"HTTP-012", "HTTP-013"}


@pytest.mark.parametrize("ended", ["incomplete", "reset", "timeout", "closed"])
def test_what_was_cut_is_not_charged_with_its_shape(ended: Any) -> None:
    """A connection that broke before anything came says nothing of what the body would have been."""
    for status in (200, 500):
        trace = Trace(arrivals=(), status=status, headers=(), request={"stream": True}, ended=ended)
        assert set(accused({v.rule: v for v in judge(Exchange(CHAT, trace))})) <= {"HTTP-006"}


@pytest.mark.parametrize(
    "value", ["[" * 100_000, '{"choices":' + "[" * 900 + "]" * 900 + "}", '{"created":' + "9" * 5000 + "}"]
)
def test_hostile_json_is_judged(value: str) -> None:
    """Deep nesting and huge numbers make no rule fail itself."""
    no_error(f"data: {value}\n\n".encode(), status=200, headers=(), request=REQUEST)
