"""The engine: findings to verdicts, and whose fault it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from streamgauge.engine import MOST_FINDINGS, judge, shown
from streamgauge.events import End, Event, Finish, Start, TextDelta
from streamgauge.registry import all_dialects, get_dialect
from streamgauge.rules import Exchange, Finding, NotApplicable, Rule, Verdict, rules_for, server_rule
from streamgauge.sse import Frame, SSEDecoder
from streamgauge.trace import Trace

BODY = b'data: {"choices":[]}\n\ndata: [DONE]\n\n'


def rule(judge_it: Callable[[Exchange], Iterator[Finding]], **facts: Any) -> Rule:
    """A rule of one's own, a MUST of a standard unless said otherwise."""
    given = {"keyword": "MUST", "basis": "standard", "group": "g", "source": "s", "applies": ("all",), **facts}
    return server_rule("X-001", "x", good="", bad="", **given)(judge_it)


def verdict(judge_it: Callable[[Exchange], Iterator[Finding]], **facts: Any) -> Verdict:
    exchange = Exchange(get_dialect("openai-chat"), Trace.of(BODY), case="a-case")
    (found,) = judge(exchange, [rule(judge_it, **facts)], subject="me")
    return found


def nothing(exchange: Exchange) -> Iterator[Finding]:
    """Nothing is required."""
    yield from ()


def one(exchange: Exchange) -> Iterator[Finding]:
    """One departure."""
    yield Finding("this", "that", (0, 20))


def test_pass_says_whom_and_what() -> None:
    """A rule without findings passes, under the subject's and the case's name."""
    found = verdict(nothing)
    assert (found.verdict, found.rule, found.subject, found.case) == ("pass", "X-001", "me", "a-case")


@pytest.mark.parametrize(
    ("keyword", "basis", "outcome"),
    [
        ("MUST", "standard", "fail"),
        ("MUST", "vendor-doc", "fail"),
        ("MUST", "de-facto", "non-strict"),
        ("SHOULD", "standard", "non-strict"),
        ("MAY", "de-facto", "info"),
    ],
)
def test_severity_follows_keyword_and_basis(keyword: str, basis: str, outcome: str) -> None:
    """Only a MUST with a document as its basis accuses."""
    assert verdict(one, keyword=keyword, basis=basis).verdict == outcome


def test_finding_gives_expected_got_span_and_bytes() -> None:
    """A departure carries its evidence."""
    found = verdict(one)
    assert (found.expected, found.got, found.span) == ("this", "that", (0, 20))
    assert found.excerpt == 'data: {"choices":[]}'
    assert found.reason == ""


def test_several_findings_are_one_verdict() -> None:
    """The first finding is shown and the number of all is told."""

    def three(exchange: Exchange) -> Iterator[Finding]:
        for n in range(3):
            yield Finding("e", f"g{n}")

    found = verdict(three)
    assert found.got == "g0"
    assert "3 findings" in found.reason


def test_endless_findings_are_cut_off() -> None:
    """A rule that never stops finding does not keep the engine busy for ever."""

    def endless(exchange: Exchange) -> Iterator[Finding]:
        while True:
            yield Finding("e", "g")

    assert f"at least {MOST_FINDINGS}" in verdict(endless).reason


def test_mild_findings_do_not_fail() -> None:
    """Where all findings are mild a MUST gives non-strict; one that is not mild is shown first and fails."""

    def mild(exchange: Exchange) -> Iterator[Finding]:
        yield Finding("e", "mild", mild=True)

    def both(exchange: Exchange) -> Iterator[Finding]:
        yield Finding("e", "mild", mild=True)
        yield Finding("e", "hard")

    assert verdict(mild).verdict == "non-strict"
    assert verdict(mild, keyword="MAY").verdict == "info"
    assert (verdict(both).verdict, verdict(both).got) == ("fail", "hard")


def test_not_applicable_is_a_skip_with_its_reason() -> None:
    """A rule with nothing to judge is skipped, and says why."""

    def idle(exchange: Exchange) -> Iterator[Finding]:
        yield from ()
        raise NotApplicable("no tool was called")

    found = verdict(idle)
    assert (found.verdict, found.reason) == ("skip", "no tool was called")


def test_what_was_found_stands() -> None:
    """A rule that can't judge the rest of a stream, as the end of one that was not read to it, keeps what it found."""

    def halfway(exchange: Exchange) -> Iterator[Finding]:
        yield Finding("e", "g", (0, 4))
        raise NotApplicable("the connection broke")

    found = verdict(halfway)
    assert (found.verdict, found.span) == ("fail", (0, 4))


def test_exception_in_a_rule_is_our_own() -> None:
    """A bug in a rule is an error of the harness, never a failure of the subject."""

    def broken(exchange: Exchange) -> Iterator[Finding]:
        yield Finding("e", "g")
        raise KeyError("oops")

    found = verdict(broken)
    assert found.verdict == "error"
    assert "KeyError" in found.reason


def test_unknown_request_is_a_skip() -> None:
    """A rule that needs the request is skipped for a bare file."""

    def asks(exchange: Exchange) -> Iterator[Finding]:
        exchange.request.get("n")
        yield from ()

    assert verdict(asks).reason == "the request is not known"


def test_excerpt_is_short_and_printable() -> None:
    """Any bytes show as at most 200 printable ASCII characters."""
    body = bytes(range(256)) * 4
    text = shown(body, (0, len(body)))
    assert len(text) <= 200
    assert text.isascii()
    assert text.isprintable()
    assert shown(body, (5, 5)) == ""


def test_keys_are_blotted_out() -> None:
    """A key that a server echoes reaches neither the excerpt nor what was got."""
    key = "sk-proj-0123456789abcdefghij"

    def leaks(exchange: Exchange) -> Iterator[Finding]:
        yield Finding("e", f"bad key {key}\ud83d", (0, len(exchange.body)))

    body = f'data: {{"error":{{"message":"bad key {key}"}}}}\n\n'.encode()
    exchange = Exchange(get_dialect("openai-chat"), Trace.of(body))
    (found,) = judge(exchange, [rule(leaks)])
    assert key not in found.got + found.excerpt
    assert "[key]" in found.got
    assert "[key]" in found.excerpt
    found.got.encode()


def test_all_server_rules_are_the_default() -> None:
    """Without a choice of rules, every server rule that fits the dialect is judged."""
    dialect = get_dialect("openai-chat")
    found = judge(Exchange(dialect, Trace.of(BODY)))
    assert [v.rule for v in found] == [r.id for r in rules_for(dialect, "server")]


def test_statement_is_the_docstring() -> None:
    """A rule is stated where it is judged."""
    assert rule(one).statement == "One departure."
    assert rule(one, statement="Said apart.").statement == "Said apart."


def plain(name: str, texts: int) -> bytes:
    """A plain answer of so many pieces of text."""
    dialect = get_dialect(name)
    said: list[Event] = [Start("chatcmpl-1", "m"), *(TextDelta(f" word{n}") for n in range(texts))]
    return b"".join(dialect.encode([*said, Finish(next(iter(dialect.finish_reasons), "stop")), End("complete")]))


def calls_to_judge(name: str, texts: int, rules: list[Rule] | None = None) -> int:
    """How many functions, ours and built in, are called to judge a plain answer (by default by all rules)."""
    calls = 0

    def count(frame: FrameType, kind: str, argument: object) -> None:
        nonlocal calls
        calls += kind in ("call", "c_call")

    exchange = Exchange(get_dialect(name), Trace.of(plain(name, texts)))
    sys.setprofile(count)
    try:
        judge(exchange, rules)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("name", all_dialects())
def test_judging_is_linear(name: str) -> None:
    """Twice as many events more are twice as many calls more, whichever rules a dialect has."""
    calls_to_judge(name, 5)  # what is looked up only once
    small, middle, large = (calls_to_judge(name, texts) for texts in (100, 200, 400))
    assert middle - small > 1_000
    assert large - middle < 2.1 * (middle - small)


def test_a_quadratic_rule_would_be_seen() -> None:
    """The counter of the test above sees a rule that looks at each pair of events."""

    def pairs(exchange: Exchange) -> Iterator[Finding]:
        for a in exchange.objects:
            for b in exchange.objects:
                if a[0].get("x") != b[0].get("x"):
                    yield Finding("e", "g")

    small, middle, large = (calls_to_judge("openai-chat", texts, [rule(pairs)]) for texts in (100, 200, 400))
    assert large - middle > 3 * (middle - small)


def test_a_body_is_framed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All rules look at the same frames, and so does what reads the events from them."""
    sizes: list[int] = []
    feed = SSEDecoder.feed

    def noted(self: SSEDecoder, chunk: bytes) -> list[Frame]:
        sizes.append(len(chunk))
        return feed(self, chunk)

    body = plain("openai-chat", 200)
    monkeypatch.setattr(SSEDecoder, "feed", noted)
    judge(Exchange(get_dialect("openai-chat"), Trace.of(body)))
    assert sizes == [len(body)]
