"""Cohere's v2 chat events: what each means, what services leave out, and the way back to bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.chat import ChatMessage, ChatRequest, Tool
from streamgauge.dialects.cohere_chat.decoder import ChatInterpreter, read_answer
from streamgauge.errors import StreamgaugeError
from streamgauge.events import (
    End,
    Event,
    Finish,
    KeepAlive,
    Malformed,
    ReasoningDelta,
    RefusalDelta,
    Start,
    StreamError,
    TextDelta,
    ToolCallDelta,
    Usage,
    unlocated,
)
from streamgauge.message import Choice, Message, ReportedError, TokenUsage, ToolCall, assemble
from streamgauge.registry import get_dialect
from streamgauge.strategies import event_streams, json_texts

COHERE = get_dialect("cohere-chat")
START = Start("c1")
COMPLETE = End("complete", "message-end")


def event(kind: str, /, **members: Any) -> bytes:
    """One event as the reference shows it: the name twice."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


def says(kind: str, index: int | None = 0, /, **message: Any) -> bytes:
    return event(kind, **({} if index is None else {"index": index}), delta={"message": message})


BEGIN = event("message-start", id="c1", delta={"message": {"role": "assistant", "content": [], "tool_calls": []}})
DONE = b"data: [DONE]\n\n"


def last(reason: str | None = "COMPLETE", **members: Any) -> bytes:
    return event("message-end", delta={"finish_reason": reason, **members})


def said(*bodies: bytes) -> list[Event]:
    """The events of a stream without spans, keep-alives, its identity and its good end."""
    events = [unlocated(e) for e in COHERE.decode(b"".join(bodies))]
    return [e for e in events if not isinstance(e, KeepAlive) and e not in (START, COMPLETE)]


def call(index: int, **entry: Any) -> bytes:
    return says("tool-call-start" if "id" in entry else "tool-call-delta", index, tool_calls=entry)


CALL = ToolCallDelta(0, "look_1", "look")
LOOK = {"id": "look_1", "type": "function", "function": {"name": "look", "arguments": ""}}

SAID: dict[str, tuple[list[bytes], list[Event]]] = {
    "text": (
        [
            says("content-start", content={"type": "text", "text": ""}),
            says("content-delta", content={"text": "a"}),
            says("content-delta", content={"text": " b"}),
            event("content-end", index=0),
        ],
        [TextDelta("a"), TextDelta(" b")],
    ),
    "text that begins in its block": ([says("content-start", content={"type": "text", "text": "a"})], [TextDelta("a")]),
    "thinking": (
        [
            says("content-start", content={"type": "thinking", "thinking": ""}),
            says("content-delta", content={"thinking": "hm"}),
        ],
        [ReasoningDelta("hm")],
    ),
    "a plan": ([says("tool-plan-delta", None, tool_plan="I will look.")], [ReasoningDelta("I will look.")]),
    "a tool call": (
        [
            call(0, **LOOK),
            call(0, function={"arguments": '{"a"'}),
            call(0, function={"arguments": ": 1}"}),
            event("tool-call-end", index=0),
        ],
        [CALL, ToolCallDelta(0, arguments='{"a"'), ToolCallDelta(0, arguments=": 1}")],
    ),
    "two calls": (
        [call(0, **LOOK), call(1, **{**LOOK, "id": "look_2"}), call(1, function={"arguments": "{}"})],
        [CALL, ToolCallDelta(1, "look_2", "look"), ToolCallDelta(1, arguments="{}")],
    ),
    "calls without an index, in a list": (
        [says("tool-call-start", None, tool_calls=[LOOK, {**LOOK, "id": "look_2"}])],
        [CALL, ToolCallDelta(1, "look_2", "look")],
    ),
    "citations and debugging say nothing": (
        [
            says("citation-start", content={}, citations={"start": 0, "end": 1, "text": "a", "sources": []}),
            event("citation-end", index=0),
            event("debug", prompt="<s>"),
            event("something-new"),
        ],
        [],
    ),
    "logprobs beside text": (
        [event("content-delta", index=0, delta={"message": {"content": {"text": "a"}}}, logprobs={"token_ids": [1]})],
        [TextDelta("a")],
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_events(name: str) -> None:
    """What each event of the reference says."""
    bodies, expected = SAID[name]
    assert said(BEGIN, *bodies, last(), DONE) == [*expected, Finish("COMPLETE")]


def test_a_whole_stream() -> None:
    """Identity, text, the end with its reason and usage; `[DONE]` behind it says nothing."""
    usage = {
        "billed_units": {"input_tokens": 3, "output_tokens": 5},
        "tokens": {"input_tokens": 71.0, "output_tokens": 6},
    }
    body = BEGIN + says("content-delta", content={"text": "hi"}) + last(usage=usage) + DONE
    events = COHERE.decode(body)
    assert [unlocated(e) for e in events] == [
        START,
        TextDelta("hi"),
        Finish("COMPLETE"),
        Usage(71, 6, "usage.tokens"),
        COMPLETE,
        KeepAlive("[DONE]"),
    ]
    assert all(body[e.span[0] :].startswith((b"event: ", b"data: [DONE]")) for e in events)


@pytest.mark.parametrize("reason", ["ERROR", "TIMEOUT"])
def test_errors_end_the_message(reason: str) -> None:
    """ "An error message if an error occurred during the generation", with or without words of its own."""
    assert said(BEGIN, last(reason, error="it broke", error_type="internal")) == [
        Finish(reason),
        StreamError("it broke", "", "internal"),
        End("error", "message-end"),
    ]
    assert said(BEGIN, last(reason))[1] == StreamError(reason)
    assert said(BEGIN, event("message-end", delta={"error": "it broke"}))[0] == StreamError("it broke")


def test_an_http_error_inside_a_stream() -> None:
    """What gateways send: the body of an HTTP error as an event."""
    assert said(BEGIN, b'data: {"id":"x","message":"too many requests"}\n\n') == [
        StreamError("too many requests"),
        End("error", "the stream reported an error"),
    ]


def test_data_without_a_type_is_named_by_its_event() -> None:
    """The reference says both, some services only one."""
    assert said(b'event: content-delta\ndata: {"delta":{"message":{"content":{"text":"a"}}}}\n\n', last())[
        0
    ] == TextDelta("a")


def test_endings() -> None:
    """Only message-end ends a message; what follows it is no part of it."""
    assert said(BEGIN, says("content-delta", content={"text": "a"}), DONE)[-1] == End("truncated", "no message-end")
    late = said(BEGIN, last(), says("content-delta", content={"text": "late"}))[-1]
    assert isinstance(late, Malformed)
    assert COHERE.read(b"").ended == "truncated"


NAMES = [
    *("type", "id", "index", "delta", "message", "content", "text", "thinking", "tool_plan", "tool_calls", "function"),
    *("name", "arguments", "finish_reason", "usage", "tokens", "input_tokens", "output_tokens", "error", "error_type"),
]
WORDS = [
    "message-start",
    "message-end",
    "content-start",
    "content-delta",
    "tool-plan-delta",
    "tool-call-start",
    "ERROR",
]
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-1, 2), st.floats(), st.sampled_from(WORDS))
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(NAMES), v, max_size=4), max_leaves=10
)


@given(payloads=st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5), max_size=6))
def test_any_json_is_read(payloads: list[dict[str, Any]]) -> None:
    """Members of any type in any place never raise, and the stream ends exactly once."""
    interpreter = ChatInterpreter()
    out: list[Event] = []
    for payload in payloads:
        interpreter.payload(payload, (0, 1), out)
        read_answer(payload)
    interpreter.end(1, out)
    assert sum(isinstance(e, End) for e in out) == 1


@given(text=json_texts())
def test_any_text_is_read(text: str) -> None:
    """Whatever stands in data, reading it does not raise."""
    COHERE.decode(f"event: content-delta\ndata: {text}\n\n".encode("utf-8", "surrogatepass"))


@given(events=event_streams("cohere-chat"))
def test_round_trip(events: tuple[Event, ...]) -> None:
    """What is encoded is read back as the message that it says."""
    frames = COHERE.encode(events)
    assert COHERE.read(b"".join(frames)) == assemble("cohere-chat", events)
    assert COHERE.cut(b"".join(frames)) == frames


def test_encoding_closes_its_blocks() -> None:
    """Each block has start and end, content and calls are numbered apart."""
    events = [START, ReasoningDelta("r"), TextDelta("a"), CALL, Finish("TOOL_CALL"), Usage(3, 4), End("complete")]
    payloads = [json.loads(f.partition(b"data: ")[2]) for f in COHERE.encode(events)]
    assert [(p["type"], p.get("index")) for p in payloads] == [
        ("message-start", None),
        ("content-start", 0),
        ("content-delta", 0),
        ("content-end", 0),
        ("content-start", 1),
        ("content-delta", 1),
        ("content-end", 1),
        ("tool-call-start", 0),
        ("tool-call-end", 0),
        ("message-end", None),
    ]


@pytest.mark.parametrize(
    "events",
    [
        [TextDelta("a", choice=1)],
        [RefusalDelta("no")],
        [CALL, ToolCallDelta(1, "b", "g"), ToolCallDelta(0, arguments="{}")],
        [ToolCallDelta(0, "s", "search", server=True)],
    ],
    ids=["choice", "refusal", "interleaved", "server tool"],
)
def test_what_can_not_be_said(events: list[Event]) -> None:
    """The encoder refuses what the dialect has no bytes for."""
    with pytest.raises(StreamgaugeError):
        COHERE.encode(events)


def test_a_whole_answer() -> None:
    """A non-streaming answer is read by the same rules."""
    answer = {
        "id": "c1",
        "finish_reason": "TOOL_CALL",
        "message": {
            "role": "assistant",
            "tool_plan": "I will look.",
            "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hi"}],
            "tool_calls": [
                {"id": "look_1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}},
            ],
        },
        "usage": {"tokens": {"input_tokens": 3, "output_tokens": 4}},
    }
    choice = Choice(
        text="hi",
        reasoning="I will look.hm",
        tool_calls=(ToolCall("look_1", "look", '{"a": 1}'),),
        finish_reason="TOOL_CALL",
    )
    assert read_answer(answer) == Message("cohere-chat", "complete", (choice,), TokenUsage(3, 4), id="c1")


def test_an_error_answer() -> None:
    """The body of an HTTP error is a message that ended in error."""
    message = read_answer(json.loads(COHERE.error_body(429, "slow")))
    assert message.ended == "error"
    assert message.errors == (ReportedError("slow"),)


def test_a_request() -> None:
    """Turns as they are, tools as functions, the call that a tool's turn answers named."""
    request = ChatRequest(
        messages=(ChatMessage("user", "hi"), ChatMessage("tool", "42", tool_call_id="look_1")),
        model="command-a-03-2025",
        max_tokens=9,
        seed=1,
        stop=("END",),
        tools=(Tool("look", "looks", {"type": "object"}),),
    )
    wire = COHERE.request(request)
    assert wire.path == "/chat"
    assert wire.body == {
        "model": "command-a-03-2025",
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "tool", "content": "42", "tool_call_id": "look_1"},
        ],
        "stream": True,
        "max_tokens": 9,
        "seed": 1,
        "stop_sequences": ["END"],
        "tools": [
            {"type": "function", "function": {"name": "look", "description": "looks", "parameters": {"type": "object"}}}
        ],
    }


def test_detects_itself() -> None:
    """The first bytes of a stream tell the dialect, and why."""
    assert COHERE.detect(BEGIN) == 'an event has "type": "message-start"'
    assert COHERE.detect(b'data: {"type":"message_start"}\n\n') is None


@pytest.mark.shared
def test_the_vendors_library_reads_the_same(shared: Path) -> None:
    """cohere's own types give the same text, calls, finish reason and usage for each real stream."""
    responses = pytest.importorskip("cohere.v2.types.v2chat_stream_response")
    construct = pytest.importorskip("cohere.core.unchecked_base_model").construct_type
    for file in sorted((shared / "streams" / "cohere-chat").iterdir()):
        body = file.read_bytes()
        datas = [f.data for f in COHERE.framer().feed(body) if f.data != "[DONE]"]
        parsed = [construct(type_=responses.V2ChatStreamResponse, object_=json.loads(d)) for d in datas]
        message = COHERE.read(body)
        [choice] = message.choices
        texts = [e.delta.message.content.text for e in parsed if e.type == "content-delta"]
        assert choice.text == "".join(t or "" for t in texts), file.name
        calls: dict[int, list[str]] = {}
        for e in parsed:
            if e.type == "tool-call-start":
                entry = e.delta.message.tool_calls
                calls[e.index] = [entry.id, entry.function.name, entry.function.arguments or ""]
            elif e.type == "tool-call-delta":
                calls[e.index][2] += e.delta.message.tool_calls.function.arguments
        assert [[c.id, c.name, c.arguments] for c in choice.tool_calls] == list(calls.values()), file.name
        end = parsed[-1].delta
        assert choice.finish_reason == end.finish_reason
        tokens = end.usage.tokens
        assert message.usage == (TokenUsage(int(tokens.input_tokens), int(tokens.output_tokens)) if tokens else None)
        assert message.id == parsed[0].id
