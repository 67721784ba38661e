"""The rules of Anthropic, Bedrock and Cohere on real streams, on real servers' streams, and on anything at all."""

from __future__ import annotations

import base64
import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.dialects.anthropic_messages import _samples as anthropic
from streamgauge.dialects.bedrock import _samples as bedrock
from streamgauge.dialects.bedrock.rules.invoked import CLAUDE
from streamgauge.dialects.bedrock.rules.models import NOVA
from streamgauge.dialects.cohere_chat import _samples as cohere
from streamgauge.engine import judge
from streamgauge.eventstream import encode_message
from streamgauge.recordings import Recording, shipped
from streamgauge.registry import get_dialect
from streamgauge.rules import Exchange, Verdict, get_rule
from streamgauge.trace import Arrival, Trace

DIALECTS = ("anthropic-messages", "bedrock-converse", "cohere-chat")
CAPTURED = {
    ("xllamacpp", "messages.think.raw", "ANT-003"): "the thinking block stays open until the text block has ended",
    ("litellm", "messages.raw", "USE-007"): "input_tokens 0, though the prompt has 11 tokens",
    ("litellm", "messages.length.raw", "USE-007"): "the same",
    ("litellm", "messages.think.raw", "USE-007"): "the same",
    ("litellm", "messages.tool.raw", "USE-007"): "the same",
}
"""What real servers of the dialect truly do wrong, each looked at."""


@pytest.mark.shared
def test_real_servers_fail_where_they_truly_depart(shared: Path) -> None:
    """llama.cpp, vLLM and LiteLLM's Messages, read by read, by the rules that are Anthropic's own."""
    spec = importlib.util.spec_from_file_location("captures", Path(__file__).with_name("test_rules_captures.py"))
    assert spec
    assert spec.loader
    captures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(captures)
    dialect = get_dialect("anthropic-messages")
    found = set()
    for path in sorted((shared / "captures").glob("*/messages*.raw")):
        for verdict in judge(Exchange(dialect, captures.trace(path))):
            assert verdict.verdict != "error", verdict
            if verdict.verdict in ("fail", "non-strict") and get_rule(verdict.rule).applies == (dialect.name,):
                found.add((path.parent.name, path.name, verdict.rule))
    assert found == set(CAPTURED)


@pytest.mark.parametrize(
    "recording", [r for r in shipped().values() if r.dialect in DIALECTS], ids=lambda r: r.dialect + "/" + r.name
)
def test_recordings_are_good(recording: Recording) -> None:
    """What is shipped breaks no rule but the two about headers that intermediaries read."""
    verdicts = judge(Exchange(recording.get_dialect(), recording.trace))
    assert {v.rule for v in verdicts if v.verdict in ("fail", "non-strict", "error")} <= {"HTTP-009"}
    assert sum(v.verdict == "pass" for v in verdicts) > 10


def verdicts(dialect: str, body: str | bytes) -> dict[str, Verdict]:
    data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    found = judge(Exchange(get_dialect(dialect), Trace.of(data)))
    return {v.rule: v for v in found}


BROKEN: dict[str, tuple[str, str | bytes, str]] = {
    "a delta behind its block": (
        "ANT-003",
        anthropic.stream(anthropic.text("a"), anthropic.said(0, "b")),
        "content_block_delta without one",
    ),
    "an open block at the end": (
        "ANT-003",
        anthropic.stream(anthropic.opened(0), anthropic.said(0, "a")),
        "message_delta",
    ),
    "a delta of another block": (
        "ANT-004",
        anthropic.stream(anthropic.opened(0), anthropic.said(1, "a"), anthropic.closed(0)),
        "index 1",
    ),
    "a signature that is missing from the middle": (
        "ANT-007",
        anthropic.stream(
            anthropic.thinking(
                anthropic.delta(0, "signature_delta", signature="x"), anthropic.delta(0, "thinking_delta", thinking="a")
            )
        ),
        "the last delta is 'thinking_delta'",
    ),
    "a block behind message_delta": (
        "ANT-008",
        anthropic.start() + anthropic.stopped() + anthropic.text("a") + anthropic.STOP,
        "content_block_start",
    ),
    "an event behind message_stop": ("ANT-008", anthropic.HELLO + anthropic.start(), "message_start"),
    "message_delta without usage": (
        "ANT-008",
        anthropic.stream(anthropic.text("a"), tail=anthropic.stopped(usage={}) + anthropic.STOP),
        "usage {}",
    ),
    "no stop_reason": (
        "ANT-009",
        anthropic.stream(anthropic.text("a"), tail=anthropic.stopped(None) + anthropic.STOP),
        "null to the end",
    ),
    "an error under another type": (
        "ERR-005",
        anthropic.start() + 'event: error\ndata: {"error":{"type":"api_error","message":"x"}}\n\n',
        "an error in an event of type None",
    ),
    "tool_use without a call": (
        "ANT-016",
        anthropic.stream(anthropic.text("a"), tail=anthropic.stopped("tool_use") + anthropic.STOP),
        "without one",
    ),
    "two messageStarts": ("BRK-003", bedrock.START + bedrock.HELLO, "another one"),
    "a role that is not the assistant's": (
        "BRK-003",
        bedrock.event("messageStart", role="user") + bedrock.text("a") + bedrock.stopped() + bedrock.metadata(),
        "role 'user'",
    ),
    "a call's delta without its start": (
        "BRK-003",
        bedrock.stream(bedrock.delta(0, toolUse={"input": "{}"}), bedrock.closed()),
        "its delta",
    ),
    "an open block at messageStop": ("BRK-003", bedrock.stream(bedrock.delta(0, text="a")), "1 open"),
    "a block that goes on": ("BRK-005", bedrock.stream(bedrock.text("a"), bedrock.text("b")), "which has stopped"),
    "no index": ("BRK-005", bedrock.stream(bedrock.delta(None, text="a")), "None"),
    "a latency below 0": (
        "BRK-007",
        bedrock.stream(tail=bedrock.stopped() + bedrock.metadata(metrics={"latencyMs": -1})),
        "-1",
    ),
    "a total below its parts": (
        "BRK-007",
        bedrock.stream(tail=bedrock.stopped() + bedrock.metadata(usage={**bedrock.USAGE, "totalTokens": 4})),
        "'totalTokens': 4",
    ),
    "an output that shrinks twice": (
        "USE-006",
        anthropic.stream(
            anthropic.text("a"), tail=anthropic.stopped(None, 9) + anthropic.stopped(made=8) + anthropic.STOP
        ),
        "output_tokens 8",
    ),
    "a wrong prelude": ("BRK-001", bedrock.flipped(bedrock.HELLO, 2), "prelude"),
    "a body that ends inside a message": ("BRK-001", bedrock.HELLO[:-9], "inside it"),
    "a body that ends inside its first message": ("BRK-001", bedrock.HELLO[:30], "inside it"),
    "a Nova model that is cut": ("BRK-018", b"".join(map(bedrock.chunk, NOVA[:3])), "the end of the body"),
    "a Nova model whose block goes on": (
        "BRK-018",
        b"".join(map(bedrock.chunk, (*NOVA[:4], NOVA[1], NOVA[4]))),
        "contentBlockDelta",
    ),
    "a model that does not say why it ended": (
        "BRK-019",
        bedrock.chunk({"outputText": "Hel", "totalOutputTextTokenCount": None}),
        "the end of the body",
    ),
    "an event behind message-end": (
        "COH-001",
        cohere.HELLO + cohere.says("tool-plan-delta", tool_plan="x"),
        "tool-plan",
    ),
    "a Titan total that is a text": (
        "BRK-017",
        bedrock.chunk({"outputText": "a", "totalOutputTextTokenCount": "3"}),
        "'totalOutputTextTokenCount': '3'",
    ),
    "chunks and events of Converse": ("BRK-017", bedrock.INVOKED + bedrock.START, "both"),
    "an exception without words": (
        "ERR-009",
        bedrock.START + bedrock.message({":message-type": "exception", ":exception-type": "throttlingException"}, {}),
        "{}",
    ),
    "an error beside a good reason": (
        "COH-013",
        cohere.stream(cohere.text("a"), tail=cohere.ended(error="it broke")),
        "'COMPLETE'",
    ),
    "two blocks at once": (
        "COH-001",
        cohere.stream(cohere.opened(0), cohere.opened(1), cohere.closed(1)),
        "content-start",
    ),
    "a plan that is no text": ("COH-008", cohere.stream(cohere.says("tool-plan-delta", tool_plan=None)), "None"),
    "arguments that are no text": (
        "COH-006",
        cohere.stream(cohere.call({"a": 1}), tail=cohere.ended("TOOL_CALL")),
        "'a'",
    ),
    "TOOL_CALL without a call": (
        "COH-007",
        cohere.stream(cohere.text("a"), tail=cohere.ended("TOOL_CALL")),
        "without one",
    ),
}


def test_an_invoked_model_is_judged_by_its_own_rules() -> None:
    """A departure inside a chunk names the rule of the inner dialect, at its severity, and the chunk's bytes."""
    first, *rest = map(bedrock.chunk, CLAUDE)
    late = bedrock.chunk(CLAUDE[2])
    body = b"".join([first, *rest, late])
    verdict = verdicts("bedrock-converse", body)["BRK-016"]
    assert verdict.verdict == "fail"
    assert verdict.expected.startswith("ANT-0")
    assert verdict.span == (len(body) - len(late), len(body))
    mild = verdicts("bedrock-converse", b"".join([first, *rest[:3], bedrock.chunk(ZERO), rest[-1]]))["BRK-016"]
    assert (mild.verdict, mild.expected) == ("non-strict", "ANT-015: output_tokens above 0")


ZERO = {**CLAUDE[4], "usage": {"output_tokens": 0}}


@pytest.mark.parametrize("name", BROKEN)
def test_departures(name: str) -> None:
    """Each way to break a rule that its own example does not show is found, and shown."""
    rule, body, shown = BROKEN[name]
    dialect = next(
        d
        for d in DIALECTS
        if get_rule(rule).fits(get_dialect(d)) and (d == "bedrock-converse") == isinstance(body, bytes)
    )
    verdict = verdicts(dialect, body)[rule]
    mild = name == "an exception without words"
    assert verdict.verdict == ("non-strict" if mild else get_rule(rule).severity), verdict
    assert shown in verdict.got


@pytest.mark.parametrize(
    ("rule", "dialect"), [("ANT-008", "anthropic-messages"), ("COH-001", "cohere-chat")], ids=lambda value: value
)
def test_a_stream_without_an_event_has_no_end(rule: str, dialect: str) -> None:
    """A stream of keep-alives alone ended before it began: its end is missing like any other's."""
    for body in (": waiting\n\n", ": waiting\n\ndata: {\n\n"):
        found = verdicts(dialect, body)
        assert found[rule].verdict == "fail"
        assert "the end of the body without it" in found[rule].got


LIGHT: dict[str, tuple[str, str, str]] = {
    "fewer tokens than message_start stated": (
        "USE-006",
        "anthropic-messages",
        anthropic.stream(
            anthropic.text("a"), tail=anthropic.stopped(usage={"output_tokens": 5, "input_tokens": 1}) + anthropic.STOP
        ),
    ),
    "a block without its text": (
        "ANT-020",
        "anthropic-messages",
        anthropic.stream(anthropic.opened(0, text=...), anthropic.said(0, "a"), anthropic.closed(0)),
    ),
    "[DONE] before message-end": (
        "COH-001",
        "cohere-chat",
        cohere.stream(cohere.text("a"), tail="data: [DONE]\n\n" + cohere.ended()),
    ),
}


@pytest.mark.parametrize("name", LIGHT)
def test_what_no_sentence_forbids_is_not_strict(name: str) -> None:
    """What no sentence of the vendor's forbids is told, and accuses nobody."""
    rule, dialect, body = LIGHT[name]
    assert verdicts(dialect, body)[rule].verdict == "non-strict"


SILENT: dict[str, tuple[str, str, str | bytes]] = {
    "an error leaves a block open": (
        "ANT-003",
        "anthropic-messages",
        anthropic.start() + anthropic.opened() + anthropic.event("error", error={"type": "api_error", "message": "x"}),
    ),
    "new deltas and blocks": (
        "ANT-005",
        "anthropic-messages",
        anthropic.stream(anthropic.opened(0, "novel"), anthropic.delta(0, "novel_delta"), anthropic.closed(0)),
    ),
    "arguments that max_tokens cut": (
        "ANT-006",
        "anthropic-messages",
        anthropic.stream(anthropic.call('{"a'), tail=anthropic.stopped("max_tokens") + anthropic.STOP),
    ),
    "a stream that the vendor cut with an error": (
        "ANT-008",
        "anthropic-messages",
        anthropic.start() + anthropic.event("error", error={"type": "api_error", "message": "x"}),
    ),
    "an exception after some text": (
        "BRK-003",
        "bedrock-converse",
        bedrock.START + bedrock.delta(text="a") + bedrock.exception("throttlingException"),
    ),
    "what an invoked model sends": ("BRK-003", "bedrock-converse", bedrock.INVOKED),
    "a Nova model that fails": (
        "BRK-018",
        "bedrock-converse",
        b"".join(map(bedrock.chunk, NOVA[:2])) + bedrock.exception("throttlingException"),
    ),
    "a Titan answer that a guardrail blocked": (
        "BRK-019",
        "bedrock-converse",
        bedrock.chunk({"outputText": "No.", "totalOutputTextTokenCount": 2}),
    ),
    "a union whose other members are null": (
        "BRK-013",
        "bedrock-converse",
        bedrock.stream(bedrock.delta(text="a", toolUse=None), bedrock.closed()),
    ),
    "an agent's JSON": (
        "BRK-017",
        "bedrock-converse",
        bedrock.event("trace", agentId="A") + bedrock.chunk({"city": "Paris"}),
    ),
    "an agent's text": (
        "JSON-001",
        "bedrock-converse",
        bedrock.event("chunk", bytes=base64.b64encode(b"An answer.").decode()),
    ),
    "an error without usage": ("COH-002", "cohere-chat", cohere.stream(tail=cohere.ended("ERROR", usage={}))),
    "[DONE] behind message-end": ("COH-001", "cohere-chat", cohere.HELLO + "data: [DONE]\n\n"),
}


@pytest.mark.parametrize("name", SILENT)
def test_no_departures(name: str) -> None:
    """What the references allow is not accused."""
    rule, dialect, body = SILENT[name]
    assert verdicts(dialect, body)[rule].verdict in ("pass", "skip")


NAMES = [
    *("type", "index", "message", "content", "content_block", "delta", "usage", "input_tokens", "stop_reason", "error"),
    *("contentBlockIndex", "start", "toolUse", "input", "text", "partial_json", "id", "name", "tool_calls", "function"),
    *("arguments", "finish_reason", "tokens", "billed_units", "bytes", "metrics", "role", "tool_plan", "output_tokens"),
]
KINDS = [
    *("message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "error"),
    *("message_stop", "ping", "text", "tool_use", "thinking", "text_delta", "input_json_delta", "signature_delta"),
    *("message-start", "content-start", "content-delta", "content-end", "tool-call-start", "tool-call-delta"),
    *("tool-call-end", "message-end", "tool-plan-delta", "messageStart", "contentBlockStart", "contentBlockDelta"),
    *("contentBlockStop", "messageStop", "metadata", "chunk", "throttlingException", "end_turn", "COMPLETE"),
]
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 3), st.floats(), st.sampled_from([*KINDS, 10**30, "\ud83d"])
)
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(NAMES), v, max_size=5), max_leaves=12
)
EVENTS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.one_of(VALUES, st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5))),
    max_size=6,
)


def server_sent(events: list[tuple[str, Any]]) -> bytes:
    values = [{**value, "type": kind} if isinstance(value, dict) else value for kind, value in events]
    pairs = zip(events, values, strict=True)
    return b"".join(f"event: {kind}\ndata: {json.dumps(value)}\n\n".encode() for (kind, _), value in pairs)


def binary(events: list[tuple[str, Any]]) -> bytes:
    out = b""
    for number, (kind, value) in enumerate(events):
        data = json.dumps(value).encode()
        if kind == "chunk":
            data = json.dumps({"bytes": base64.b64encode(data).decode()}).encode()
        types = ("event", "exception", "error", "novel")
        out += encode_message({":message-type": types[number % 5 % 4], ":event-type": kind}, data)
    return out


@given(events=EVENTS)
def test_any_json_is_judged(events: list[tuple[str, Any]]) -> None:
    """Members of any type in any place are judged, and never make a rule fail itself."""
    for dialect in DIALECTS:
        body = binary(events) if dialect == "bedrock-converse" else server_sent(events)
        request = {"tools": [events[0][1] if events else None], "temperature": 0}
        trace = Trace(arrivals=(Arrival(0.5, body),), status=200, headers=(), request=request, timed=True, ended_at=9.0)
        for verdict in judge(Exchange(get_dialect(dialect), trace)):
            assert verdict.verdict != "error", verdict
            assert 0 <= verdict.span[0] <= verdict.span[1] <= len(body)


@given(body=st.binary(max_size=300))
def test_any_bytes_are_judged(body: bytes) -> None:
    """No bytes make a rule fail itself."""
    for dialect in DIALECTS:
        for head in (b"", bedrock.START, anthropic.start().encode()):
            assert all(v.verdict != "error" for v in judge(Exchange(get_dialect(dialect), Trace.of(head + body))))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_error_bodies_are_read(dialect: str) -> None:
    """The body of an HTTP error is judged in each dialect's own form: no stack trace, key or address in it."""
    trace = "TypeError: no\n    at {} (/srv/cli.js:78:62798)\n"
    for text, outcome in (
        ("no such model", "pass"),
        ("we are open\n at noon (as always)", "pass"),
        ("connect to http://10.0.0.7:8000/v1 failed", "non-strict"),
        (trace.format("Q.V [as fn]"), "non-strict"),
        (trace.format("async Server.run"), "non-strict"),
        ("no\n    at file:///srv/cli.js:78:62798", "non-strict"),
        ("no\n\tat com.example.Main.run(Main.java:7)", "non-strict"),
    ):
        body = get_dialect(dialect).error_body(500, text)
        trace = Trace(arrivals=(Arrival(0.0, body),), status=500, headers=(("Content-Type", "application/json"),))
        found = {v.rule: v for v in judge(Exchange(get_dialect(dialect), trace))}
        assert found["ERR-014"].verdict == outcome


@pytest.mark.parametrize(("tail", "outcome"), [("data: [DONE]\n\n", "skip"), ("", "fail")])
def test_who_says_done_did_not_break_off(tail: str, outcome: str) -> None:
    """A sentinel of another API's, in place of the end that this one has, is no silence about a failure."""
    body = anthropic.start() + tail
    trace = Trace(arrivals=(Arrival(0.0, body.encode()),), status=200, headers=())
    found = {v.rule: v.verdict for v in judge(Exchange(get_dialect("anthropic-messages"), trace))}
    assert (found["ERR-001"], found["ANT-008"]) == (outcome, "fail")


@pytest.mark.parametrize(
    "body", ['{"output":{"message":{"role":"assistant","content":[]}}}', "\n [1]", "<html></html>"]
)
@pytest.mark.parametrize("streams", [True, False])
def test_text_is_no_stream_of_binary_messages(body: str, streams: bool) -> None:
    """An answer in JSON is one where none was streamed; where one was, that it is no stream is said, and once."""
    json_type = (("Content-Type", "application/json"),)
    whole = Trace.of(body.encode(), request={"messages": []})
    trace = replace(whole, status=200, headers=json_type)
    exchange = Exchange(get_dialect("bedrock-converse"), trace, case="plain", streams=streams)
    accused = {v.rule for v in judge(exchange) if v.verdict in ("fail", "non-strict", "error")}
    assert accused == ({"HTTP-004"} if streams else set())


@pytest.mark.parametrize(("model", "outcome"), [("claude", "pass"), ("", "non-strict"), (None, "fail"), (7, "fail")])
def test_an_empty_model_is_a_string(model: Any, outcome: str) -> None:
    """Gateways that don't know the model leave its name empty, which no reference forbids."""
    body = anthropic.HELLO.replace(anthropic.start(), anthropic.start(model=model))
    assert verdicts("anthropic-messages", body)["ANT-014"].verdict == outcome
