"""What a rule accuses by can be looked up, and where its source leaves room a departure counts one step less."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from streamgauge.engine import judge
from streamgauge.events import TextDelta
from streamgauge.ideal import ideal
from streamgauge.observation import Observation
from streamgauge.registry import get_dialect
from streamgauge.rulebook.client_judging import changed, dies, loses_an_event
from streamgauge.rules import Exchange, Rule, get_rule, rulebook
from streamgauge.trace import Arrival, Headers, Trace

ACCUSING = [rule for rule in rulebook().values() if rule.severity == "fail"]
PLACE = re.compile(
    r"https?://\S+\.\w+/\S"  # a page
    r"|\bRFC \d{4} \d+(\.\d+)*"  # a section of a standard
    r"|\bWHATWG \w+ \d+(\.\d+)*"
    r"|\b[\w/-]+\.(py|yaml|json|mdx|tsp|proto)\b"  # a schema
)
QUOTED = re.compile(r'"[^"]*\w+[ ,]+\w+[^"]*"')
"""Words of the source itself: two at least."""
JSON = (("Content-Type", "application/json"),)


@pytest.mark.parametrize("rule", ACCUSING, ids=lambda r: r.id)
def test_what_accuses_names_the_place(rule: Rule) -> None:
    """A rule that can fail somebody says where to look: a page, a section or a schema, never a vendor's name alone."""
    assert PLACE.search(rule.source), rule.source


STANDARD = [r for r in ACCUSING if r.basis == "standard" or r.judge.__module__.startswith("streamgauge.rulebook")]


@pytest.mark.parametrize("rule", STANDARD, ids=lambda r: r.id)
def test_what_accuses_quotes_the_sentence(rule: Rule) -> None:
    """Standards, and what is asked of every dialect, are quoted: a schema's members may be named instead, prose not."""
    assert QUOTED.search(rule.source), rule.source


def test_every_source_was_read() -> None:
    """No rule rests on what somebody remembers."""
    assert not [r.id for r in rulebook().values() if re.search(r"knowledge|from memory|remember", r.source)]


def verdict(rule: str, dialect: str, body: bytes, status: int = 200, headers: Headers = JSON, **known: Any) -> str:
    """The verdict of one rule on one answer."""
    trace = Trace(arrivals=(Arrival(0.0, body),), status=status, headers=headers, **known)
    [found] = judge(Exchange(get_dialect(dialect), trace), [get_rule(rule)])
    return found.verdict


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("gzip", "pass"),
        ("br;q=0.5, GZIP;q=0.001", "pass"),
        ("*", "pass"),
        ("br", "non-strict"),
        ("", "non-strict"),
        ("gzip;q=0", "non-strict"),
        ("gzip; q=0.000, *", "non-strict"),
        ("identity, *;q=0", "non-strict"),
    ],
)
def test_a_weight_of_nothing_is_not_acceptable(accepted: str, expected: str) -> None:
    """RFC 9110 12.5.3: a listed coding is acceptable unless its weight is 0; others go by the asterisk."""
    headers = (*JSON, ("Content-Encoding", "gzip"))
    assert verdict("HTTP-010", "openai-chat", b"", headers=headers, accept_encoding=accepted) == expected


@pytest.mark.parametrize(
    ("dialect", "status", "value", "expected"),
    [
        ("openai-chat", 429, None, "info"),
        ("openai-chat", 503, None, "info"),
        ("anthropic-messages", 429, None, "non-strict"),
        ("anthropic-messages", 503, None, "info"),
        ("openai-chat", 429, "soon", "non-strict"),
        ("openai-chat", 429, "30", "pass"),
        ("openai-chat", 503, "Fri, 31 Dec 1999 23:59:59 GMT", "pass"),
    ],
)
def test_when_to_come_again_is_only_asked_of_who_announces_it(
    dialect: str, status: int, value: str | None, expected: str
) -> None:
    """The RFCs say MAY, and what the field looks like; Anthropic says that a 429 has it."""
    headers = JSON if value is None else (*JSON, ("Retry-After", value))
    body = get_dialect(dialect).error_body(status, "busy")
    assert verdict("HTTP-013", dialect, body, status, headers) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("application/json", "pass"), ("", "non-strict"), ("text/plain", "non-strict"), ("text/event-stream", "fail")],
)
def test_the_label_of_an_error(kind: str, expected: str) -> None:
    """A sender only SHOULD label its content; but JSON is no event stream."""
    headers = (("Content-Type", kind),) if kind else ()
    body = get_dialect("openai-chat").error_body(400, "no")
    assert verdict("HTTP-012", "openai-chat", body, 400, headers) == expected


@pytest.mark.parametrize(
    ("dialect", "body", "expected"),
    [
        ("openai-chat", {"error": {"message": "no", "type": "t"}}, "pass"),
        ("openai-chat", {"detail": "no"}, "non-strict"),
        ("openai-chat", {"error": "no"}, "non-strict"),
        ("openai-chat", {"object": "error", "message": "no", "type": "t", "code": "1"}, "pass"),
        ("anthropic-messages", {"object": "error", "message": "no"}, "non-strict"),
        ("openai-responses", {"detail": [{"msg": "no"}]}, "non-strict"),
        ("anthropic-messages", {"type": "error", "error": {"type": "t", "message": "no"}}, "pass"),
        ("anthropic-messages", {"error": {"type": "t"}}, "non-strict"),
        ("ollama-chat", {"error": "no"}, "pass"),
        ("ollama-chat", {"error": {"message": "no"}}, "non-strict"),
        ("cohere-chat", {"message": "no"}, "pass"),
        ("cohere-chat", {"error": {"message": "no"}}, "non-strict"),
        ("bedrock-converse", {"message": "no"}, "pass"),
        ("gemini-generate", {"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}, "pass"),
        ("huggingface-tgi", {"error": "no", "error_type": "validation"}, "pass"),
    ],
)
def test_the_message_of_an_error_is_where_the_vendor_has_it(dialect: str, body: dict[str, Any], expected: str) -> None:
    """A web framework's own form of an error is JSON, too, but clients look for the message elsewhere."""
    assert verdict("HTTP-012", dialect, json.dumps(body).encode(), 400, JSON) == expected


@pytest.mark.parametrize(
    ("dialect", "asked", "expected"),
    [
        ("openai-chat", {"stop": "lo"}, "fail"),
        ("openai-chat", {"stop": "lo", "include_stop_str_in_output": True}, "skip"),
        ("gemini-generate", {"generationConfig": {"stopSequences": ["lo"]}}, "fail"),
        ("cohere-chat", {"stop_sequences": ["lo"]}, "fail"),
        ("anthropic-messages", {"stop_sequences": ["lo"]}, "non-strict"),
        ("ollama-chat", {"options": {"stop": ["lo"]}}, "non-strict"),
    ],
)
def test_stop_sequences_by_what_each_vendor_promises(dialect: str, asked: dict[str, Any], expected: str) -> None:
    """OpenAI, Google and Cohere say that the text is without them, the others only that it stops there."""
    spoken = get_dialect(dialect)
    body = b"".join(spoken.encode((TextDelta("Hello"),)))
    headers = (("Content-Type", spoken.media_type),)
    assert verdict("AGG-006", dialect, body, headers=headers, request=asked) == expected


def test_half_a_character_twice_is_utf_8() -> None:
    """U+FFFD for the halves of a character is a loss that no standard forbids; a byte that is no UTF-8 is forbidden."""
    spoken = get_dialect("openai-chat")
    halves = b"".join(spoken.encode((TextDelta("Gr\ufffd"), TextDelta("\ufffde"))))
    headers = (("Content-Type", spoken.media_type),)
    assert verdict("SSE-007", "openai-chat", halves, headers=headers) == "non-strict"
    assert verdict("SSE-007", "openai-chat", halves.replace(b"Gr", b"G\xc3"), headers=headers) == "fail"


def client_verdict(rule_id: str, fault: str, damage: Any, case: str = "openai-chat/plain-text") -> str:
    """The verdict of a client rule on an ideal client that was damaged."""
    rule = get_rule(rule_id)
    [found] = judge(damage(ideal(rule, case, fault)), [rule])
    return found.verdict


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("redirect:307", "non-strict"),
        ("redirect:308", "non-strict"),
        ("redirect:301", "info"),
        ("redirect:303", "info"),
    ],
)
def test_a_redirect_that_may_become_a_get(fault: str, expected: str) -> None:
    """What RFC 9110 lets a client do with a 301, 302 or 303 is only noted."""
    assert client_verdict("HTTP-018", fault, loses_an_event) == expected


def test_a_key_for_another_host_is_told() -> None:
    """A redirect to another host's name takes no key along, under whatever header; to the same host it may."""

    def following(host: str, *names: str) -> Callable[[Observation], Observation]:
        def damage(seen: Observation) -> Observation:
            method, path, _, body = seen.served.requests[0]
            first, again = {"host": "127.0.0.1:1", "x-api-key": "***"}, {"host": host, **dict.fromkeys(names, "***")}
            requests = ((method, path, first, body), (method, path, again, body))
            return replace(seen, served=replace(seen.served, requests=requests))

        return damage

    for host, names, expected in (
        ("localhost:1", ("x-api-key",), "non-strict"),
        ("localhost:1", ("authorization", "accept"), "non-strict"),
        ("localhost:1", ("accept",), "pass"),
        ("127.0.0.1:1", ("authorization",), "pass"),
    ):
        assert client_verdict("HTTP-018", "redirect:elsewhere", following(host, *names)) == expected, (host, names)


def test_where_a_standard_advises_or_allows() -> None:
    """A SHOULD or a MAY inside a rule that is a MUST elsewhere does not fail."""
    assert client_verdict("HTTP-040", "tls:no-close-notify", loses_an_event) == "non-strict"
    assert client_verdict("HTTP-040", "tls:small-records", loses_an_event) == "fail"
    twice = get_rule("HTTP-036").broken
    assert client_verdict("HTTP-036", "length-too-short", twice) == "non-strict"
    assert client_verdict("HTTP-036", "framing:length", twice) == "fail"


def test_a_blank_line_is_the_clients_affair_but_not_what_follows() -> None:
    """An event too many is not forbidden; dying of it, or losing text, is."""

    def one_more(seen: Any) -> Any:
        empty = TextDelta("", 1)
        return changed(seen, events=(empty, *seen.run.events), times=(0.0, *seen.run.times))

    assert client_verdict("SSE-014", "retry-lines:alone", one_more) == "non-strict"
    assert client_verdict("SSE-014", "retry-lines:alone", loses_an_event) == "fail"
    assert client_verdict("SSE-014", "retry-lines:alone", dies) == "fail"


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("openai-chat/plain-text", "fail"),
        ("anthropic-messages/plain-text", "fail"),
        ("ollama-chat/plain-text", "non-strict"),
    ],
)
def test_new_members_by_who_announces_them(case: str, expected: str) -> None:
    """Ollama, Cohere and AWS nowhere say that members may be added."""
    assert client_verdict("JSON-004", "unknown-members", dies, case) == expected
