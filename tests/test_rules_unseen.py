"""What no document forbids never fails: new events and members, null for nothing, gateways' additions, other habits.

Services change without asking, and there are more of them than anybody has recorded.
"""

from __future__ import annotations

from typing import Any

import pytest

from streamgauge.dialects.anthropic_messages import _samples as ant
from streamgauge.dialects.bedrock import _samples as brk
from streamgauge.dialects.cohere_chat import _samples as coh
from streamgauge.dialects.gemini_generate import _samples as gem
from streamgauge.dialects.ollama import _samples as oll
from streamgauge.dialects.openai_chat import _samples as chat
from streamgauge.dialects.openai_chat._samples import DONE, HELLO, ROLE, chunk, sse, text, usage, whole_chunk
from streamgauge.dialects.openai_responses import _samples as oar
from streamgauge.engine import judge
from streamgauge.eventstream import encode_message
from streamgauge.registry import get_dialect
from streamgauge.rules import Exchange, Verdict
from streamgauge.trace import Arrival, Trace

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
NOTHING = {"id": "", "object": "", "created": 0, "model": ""}
FILTERED = {"index": 0, "finish_reason": None, "content_filter_results": {}}


def verdicts(dialect: str, body: str | bytes, request: dict[str, Any] | None = None) -> dict[str, Verdict]:
    """The verdicts on an answer with the headers of a correct one."""
    spoken = get_dialect(dialect)
    data = body.encode() if isinstance(body, str) else body
    headers = (("Content-Type", spoken.media_type), ("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no"))
    trace = Trace(arrivals=(Arrival(0.0, data),), status=200, headers=headers, request=request)
    return {v.rule: v for v in judge(Exchange(spoken, trace))}


def answer(**members: Any) -> str:
    """A chat stream with one chunk more, whose members are these beside the usual ones; `...` leaves one out."""
    value = whole_chunk([{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]) | members
    return chat.chat(sse({name: member for name, member in value.items() if member is not ...}))


def called(*entries: dict[str, Any], finish: str = "tool_calls") -> str:
    """A chat stream with these tool call deltas."""
    return chunk(ROLE) + "".join(chunk({"tool_calls": [e]}) for e in entries) + chunk({}, finish) + DONE


def completion(said: str, finish: str | None, **members: Any) -> str:
    """A chunk of a legacy completion."""
    choice = {"index": 0, "text": said, "logprobs": None, "finish_reason": finish, **members}
    return sse({"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]})


FIRST = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
MORE = {"index": 0, "function": {"arguments": "{}"}}
WHOLE = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ABSENT = ("refusal", "tool_calls", "function_call", "audio", "reasoning", "reasoning_content", "annotations")

CHAT = {
    "OpenRouter's comments": ": OPENROUTER PROCESSING\n\n" * 3 + HELLO,
    "members of gateways": answer(provider="x", x_groq={"id": "1"}, citations=[], obfuscation="ab", cost=None),
    "null members": answer(service_tier=None, system_fingerprint=None, usage=None, prompt_filter_results=None),
    "null in the delta": chunk(ROLE | dict.fromkeys(ABSENT)) + text("Hi") + chunk({"role": None}, "stop") + DONE,
    "created null": answer(created=None),
    "Azure On Your Data": answer(object="extensions.chat.completion.chunk"),
    "id null": answer(id=None),
    "created with a fraction": answer(created=1700000000.5),
    "members of vLLM": answer(
        choices=[{"index": 0, "delta": {"content": "x"}, "finish_reason": None, "logprobs": None, "stop_reason": None}]
    ),
    "a delta that is null": answer(choices=[{"index": 0, "delta": None, "finish_reason": None}]),
    "a message beside the delta": answer(
        choices=[{"index": 0, "delta": {"content": "x"}, "message": {"content": "x"}, "finish_reason": None}]
    ),
    "choices null beside usage": chat.chat(
        text("Hi"), tail=sse({**whole_chunk([]), "choices": None, "usage": USAGE}) + DONE
    ),
    "prompt filter of Copilot": sse({"choices": [], "created": 0, "id": "", "prompt_filter_results": [{}]}) + HELLO,
    "Azure's late filter": HELLO.replace(
        DONE, sse({**NOTHING, "choices": [{**FILTERED, "content_filter_offsets": {}}]}) + DONE
    ),
    "Azure's filter without offsets": HELLO.replace(DONE, sse({**NOTHING, "choices": [FILTERED]}) + DONE),
    "usage in each chunk": chat.chat(sse({**whole_chunk([]), "usage": USAGE}), tail=usage() + DONE),
    "usage that was not asked for": chat.chat(text("Hi"), tail=usage() + DONE),
    "usage with thoughts": chat.chat(text("Hi"), tail=usage(total_tokens=300) + DONE),
    "null details": chat.chat(
        text("Hi"), tail=sse({**whole_chunk([]), "usage": {**USAGE, "completion_tokens_details": None}}) + DONE
    ),
    "the finish again": chat.chat(text("Hi"), chunk({}, "stop")),
    "finish_reason of nothing": chunk(ROLE) + chunk({"content": "a"}, "") + chunk({}, "stop") + DONE,
    "Together's end": chat.chat(text("Hi"), finish="eos"),
    "a call's identity null": called(FIRST, {**MORE, "id": None, "type": None}),
    "a call's identity empty": called(FIRST, {**MORE, "id": "", "function": {"name": "", "arguments": "{}"}}),
    "whole calls without index": called(WHOLE, WHOLE | {"id": "b"}),
    "a whole call without id": called(WHOLE | {"id": ""}),
    "arguments null": called({**FIRST, "function": {"name": "f", "arguments": None}}, {"index": 0, "function": None}),
    "a call that ends with stop": called(FIRST, MORE, finish="stop"),
    "arguments that the model got wrong": called(FIRST, {**MORE, "function": {"arguments": "{a:"}}),
    "parts of Mistral": chunk(ROLE | {"content": [{"type": "thinking", "thinking": []}]})
    + chunk({"content": [{"type": "reference", "reference_ids": [1]}]})
    + chunk({}, "stop")
    + DONE,
    "event: message": HELLO.replace("data: {", "event: message\ndata: {"),
    "an event of another name": HELLO.replace(DONE, 'event: metrics\ndata: {"tokens":1}\n\n' + DONE),
    "an object that is no chunk": HELLO.replace(DONE, sse({"choices": [], "cost": "0"}) + DONE),
    "an error of OpenRouter": chat.chat(
        sse({**whole_chunk([{"index": 0, "delta": {}, "finish_reason": "error"}]), "error": {"code": 502}}), finish=None
    ),
    "CRLF": HELLO.replace("\n", "\r\n"),
    "ids of events": HELLO.replace("data:", "id: 1\ndata:"),
}


@pytest.mark.parametrize("name", CHAT)
def test_chat(name: str) -> None:
    """No such chat stream fails, whether usage was asked for, not asked for, or nothing is known of the request."""
    for request in (None, {"stream": True}, chat.WITH_USAGE):
        found = verdicts("openai-chat", CHAT[name], request)
        failed = {n for n, v in found.items() if v.verdict in ("fail", "error")}
        assert failed <= ({"USE-001"} if request is chat.WITH_USAGE and "total_tokens" not in CHAT[name] else set())


def claude(*events: str, **usage_: Any) -> str:
    """A message of Claude's with these events before its text."""
    stated = {"input_tokens": 3, "output_tokens": 1, **usage_}
    return ant.start(usage=stated) + "".join(events) + ant.text("Hi") + ant.stopped() + ant.STOP


def block(kind: str, *deltas: str, **members: Any) -> str:
    return ant.event("content_block_start", index=0, content_block={"type": kind, **members}) + "".join(deltas)


def responded(event: dict[str, Any], at: int = 2) -> str:
    """A response with one event more."""
    return oar.body(oar.numbered([*oar.HELLO[:at], event, *oar.HELLO[at:]]))


def changed(**members: Any) -> str:
    """A response whose snapshots have these members."""
    events = [{**e, "response": {**e["response"], **members}} if "response" in e else e for e in oar.HELLO]
    return oar.body(events)


LAST = gem.HELLO[1]
CANDIDATE = LAST["candidates"][0]

OTHERS: dict[str, tuple[str, str | bytes]] = {
    "an event of a new type": ("anthropic-messages", claude(ant.event("billing", cost=1))),
    "one before the first": ("anthropic-messages", ant.event("billing", cost=1) + ant.HELLO),
    "one behind the last": ("anthropic-messages", ant.HELLO + ant.event("billing", cost=1)),
    "a ping behind the last": ("anthropic-messages", ant.HELLO + ant.PING),
    "a new stop_reason": ("anthropic-messages", ant.stream(ant.text("Hi"), tail=ant.stopped("paused") + ant.STOP)),
    "a new delta": (
        "anthropic-messages",
        ant.stream(ant.opened(0), ant.said(0, "x"), ant.delta(0, "future_delta", x=1), ant.closed(0)),
    ),
    "a new block": (
        "anthropic-messages",
        ant.stream(block("future", ant.delta(0, "future_delta"), ant.closed(0), x=None)),
    ),
    "a block of MCP": (
        "anthropic-messages",
        ant.stream(
            block("mcp_tool_use", ant.delta(0, "input_json_delta", partial_json="{}"), ant.closed(0), id="m", name="f")
        ),
    ),
    "a refusal before the answer": ("anthropic-messages", ant.stream(tail=ant.stopped("refusal", made=0) + ant.STOP)),
    "null in Anthropic's usage": ("anthropic-messages", claude(server_tool_use=None, cache_read_input_tokens=None)),
    "Bedrock's metrics": (
        "anthropic-messages",
        ant.HELLO.replace('"message_stop"}', '"message_stop","amazon-bedrock-invocationMetrics":{"x":1}}'),
    ),
    "a new event of Responses": ("openai-responses", responded({"type": "response.future.delta", "delta": "x"})),
    "a keep-alive without number": (
        "openai-responses",
        oar.body([*oar.HELLO[:2], {"type": "keepalive"}, *oar.HELLO[2:]]),
    ),
    "a gateway's event behind the end": ("openai-responses", oar.body([*oar.HELLO, {"type": "gateway.cost"}])),
    "[DONE] behind Responses": ("openai-responses", oar.body(oar.HELLO, done=True)),
    "null in a response": ("openai-responses", changed(background=None, incomplete_details=None, model=None, new=1)),
    "created_at with a fraction": ("openai-responses", changed(created_at=1.5)),
    "null in Gemini's": ("gemini-generate", gem.sse({**gem.HELLO[0], "promptFeedback": None}, LAST)),
    "members of a candidate": (
        "gemini-generate",
        gem.sse(gem.HELLO[0], {**LAST, "candidates": [{**CANDIDATE, "groundingMetadata": {}, "safetyRatings": None}]}),
    ),
    "usage alone, last": ("gemini-generate", gem.sse(*gem.HELLO, {"usageMetadata": gem.usage(3, 2)})),
    "STOP in each chunk": ("gemini-generate", gem.sse(gem.text("Hel", finish="STOP"), gem.text("lo", finish="STOP"))),
    "an empty part behind STOP": ("gemini-generate", gem.sse(*gem.HELLO, gem.text(""))),
    "STOP before Google's own tool, and then more": (
        "gemini-generate",
        gem.sse(
            gem.response({"executableCode": {"language": "PYTHON", "code": "1"}}, finish="STOP"),
            gem.response({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}),
            gem.text("One", finish="MAX_TOKENS"),
        ),
    ),
    "a new finishReason": ("gemini-generate", gem.sse(gem.HELLO[0], gem.text("x", finish="FUTURE"))),
    "no content at the end": ("gemini-generate", gem.sse(gem.HELLO[0], {"candidates": [{"finishReason": "STOP"}]})),
    "parts null": (
        "gemini-generate",
        gem.sse(gem.HELLO[0], {"candidates": [{"content": {"parts": None}, "finishReason": "STOP"}]}),
    ),
    "a new part": ("gemini-generate", gem.sse(gem.response({"futurePart": {"x": 1}}), LAST)),
    "a response of new members": ("gemini-generate", gem.sse(gem.HELLO[0], {"future": 1}, LAST)),
    "Azure's filter results of a legacy completion": (
        "openai-completions",
        sse({**NOTHING, "prompt_filter_results": [], "choices": []})
        + completion("Hi", None, content_filter_results={})
        + completion("", "stop", content_filter_results={})
        + DONE,
    ),
    "a new event of Cohere": ("cohere-chat", coh.stream(coh.event("future", x=1), coh.text("Hi"))),
    "usage in tokens only": (
        "cohere-chat",
        coh.stream(coh.text("Hi"), tail=coh.ended(usage={"tokens": {"input_tokens": 1, "output_tokens": 2}})),
    ),
    "a new reason of Cohere": ("cohere-chat", coh.stream(coh.text("Hi"), tail=coh.ended("FUTURE"))),
    "members of Ollama": ("ollama-chat", oll.lines({**oll.HELLO[0], "future": None, "logprobs": None}, *oll.HELLO[1:])),
    "a call without arguments": ("ollama-chat", oll.lines(oll.called(None), oll.end())),
    "CRLF in NDJSON": ("ollama-chat", oll.lines(*oll.HELLO).replace("\n", "\r\n")),
    "no last line end": ("ollama-chat", oll.lines(*oll.HELLO)[:-1]),
    "an error that is all headers": (
        "bedrock-converse",
        brk.event("messageStart", role="assistant")
        + encode_message({":message-type": "error", ":error-code": "Internal", ":error-message": "down"}, b""),
    ),
    "a new event of Bedrock": ("bedrock-converse", brk.event("future", x=1) + brk.HELLO + brk.event("future", x=1)),
    "a new stopReason": ("bedrock-converse", brk.stream(brk.text("x"), tail=brk.stopped("paused") + brk.metadata())),
    "a new member of a union": (
        "bedrock-converse",
        brk.stream(brk.event("contentBlockDelta", contentBlockIndex=0, delta={"future": {}}, p="abc"), brk.closed()),
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_others(name: str) -> None:
    """No such stream of the other dialects fails."""
    dialect, body = OTHERS[name]
    found = verdicts(dialect, body)
    assert {n: v for n, v in found.items() if v.verdict in ("fail", "error")} == {}
    assert sum(v.verdict == "pass" for v in found.values()) > 10


def test_what_is_no_answer_is_not_judged_as_one() -> None:
    """A refused request has no tokens to count, a model that was loaded no timings; an empty answer has both."""
    refused = ant.stream(tail=ant.stopped("refusal", made=0) + ant.STOP)
    assert verdicts("anthropic-messages", refused)["ANT-015"].verdict == "skip"
    empty = ant.stream(tail=ant.stopped(made=0) + ant.STOP)
    assert verdicts("anthropic-messages", empty)["ANT-015"].verdict == "non-strict"
    loaded = {**oll.HELLO[-1], "done_reason": "load", "total_duration": ...}
    short = {name: value for name, value in loaded.items() if not name.endswith("_duration")}
    assert verdicts("ollama-chat", oll.lines(short))["OLL-003"].verdict == "skip"
    assert verdicts("ollama-chat", oll.lines({**short, "done_reason": "stop"}))["OLL-003"].verdict == "non-strict"


@pytest.mark.parametrize(
    ("rule", "dialect", "body"),
    [
        ("OAC-004", "openai-chat", chat.chat(text("Hi"), finish="end_turn")),
        ("OAC-001", "openai-chat", answer(object=...)),
        (
            "OAC-015",
            "openai-chat",
            called({"function": {"name": "f", "arguments": '{"a'}}, {"function": MORE["function"]}),
        ),
        ("USE-004", "openai-chat", chat.chat(text("Hi"), tail=usage(total_tokens=1) + DONE)),
        ("ANT-009", "anthropic-messages", ant.stream(ant.text("Hi"), tail=ant.stopped("length") + ant.STOP)),
        ("ANT-008", "anthropic-messages", ant.HELLO + ant.text("more")),
        ("COH-004", "cohere-chat", coh.stream(coh.text("Hi"), tail=coh.ended("end_turn"))),
        ("GEM-011", "gemini-generate", gem.sse(gem.HELLO[0], gem.text("x", finish="end_turn"))),
        ("GEM-003", "gemini-generate", gem.sse(gem.text("x", finish="STOP"), gem.text("y", finish="MAX_TOKENS"))),
        ("BRK-008", "bedrock-converse", brk.stream(brk.text("x"), tail=brk.stopped("length") + brk.metadata())),
        ("OAR-005", "openai-responses", oar.body(oar.numbered([*oar.HELLO, oar.HELLO[3]]))),
    ],
)
def test_the_neighbour_that_is_forbidden_fails(rule: str, dialect: str, body: str | bytes) -> None:
    """What looks alike and is forbidden is still told: the leniency ends where a document speaks."""
    assert verdicts(dialect, body)[rule].verdict == "fail"
