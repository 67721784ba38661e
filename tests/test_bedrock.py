"""Bedrock's event streams: ConverseStream, what models send when they are invoked, exceptions, and the way back."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.chat import ChatMessage, ChatRequest, Tool
from streamgauge.dialects.bedrock.decoder import BedrockInterpreter, read_answer
from streamgauge.dialects.bedrock.encoder import EXCEPTIONS, exception
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
from streamgauge.eventstream import EventMessage, encode_message
from streamgauge.message import Choice, Message, ReportedError, ServerToolCall, TokenUsage, ToolCall, assemble
from streamgauge.registry import get_dialect
from streamgauge.strategies import event_streams, json_texts

BEDROCK = get_dialect("bedrock-converse")
STOPPED = End("complete", "the message stopped")
TRUNCATED = End("truncated", "no messageStop, and no stop reason")


def event(kind: str, /, **members: Any) -> bytes:
    """One message of ConverseStream, padded as the service pads."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return encode_message(headers, json.dumps({**members, "p": "abcd"}).encode())


def chunk(value: Any) -> bytes:
    """One message of InvokeModelWithResponseStream."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return event("chunk", bytes=base64.b64encode(data).decode())


def said(*bodies: bytes) -> list[Event]:
    """The events of a stream without spans and without what says nothing."""
    return [unlocated(e) for e in BEDROCK.decode(b"".join(bodies)) if not isinstance(e, KeepAlive)]


def delta(index: Any, **members: Any) -> bytes:
    return event("contentBlockDelta", contentBlockIndex=index, delta=members)


def start(index: Any, **members: Any) -> bytes:
    return event("contentBlockStart", contentBlockIndex=index, start=members)


BEGIN = event("messageStart", role="assistant")
STOP = event("messageStop", stopReason="end_turn")
LOOK = {"toolUseId": "tooluse_1", "name": "look"}
CALL = ToolCallDelta(0, "tooluse_1", "look")

CONVERSED: dict[str, tuple[list[bytes], list[Event]]] = {
    "text": ([delta(0, text="a"), delta(0, text=" b"), delta(0, text="")], [TextDelta("a"), TextDelta(" b")]),
    "reasoning": (
        [
            delta(0, reasoningContent={"text": "hm"}),
            delta(0, reasoningContent={"signature": "c2ln"}),
            delta(1, reasoningContent={"redactedContent": "eHg="}),
        ],
        [ReasoningDelta("hm")],
    ),
    "reasoning as a whole message has it": (
        [delta(0, reasoningContent={"reasoningText": {"text": "hm"}})],
        [ReasoningDelta("hm")],
    ),
    "a tool call": (
        [
            start(1, toolUse=LOOK),
            delta(1, toolUse={"input": ""}),
            delta(1, toolUse={"input": '{"a"'}),
            delta(1, toolUse={"input": ": 1}"}),
        ],
        [CALL, ToolCallDelta(0, arguments='{"a"'), ToolCallDelta(0, arguments=": 1}")],
    ),
    "a tool call whose input is no text": (
        [start(1, toolUse=LOOK), delta(1, toolUse={"input": {"a": 1}})],
        [CALL, ToolCallDelta(0, arguments='{"a":1}')],
    ),
    "two calls": (
        [
            start(0, toolUse=LOOK),
            start(1, toolUse={**LOOK, "toolUseId": "tooluse_2"}),
            delta(1, toolUse={"input": "{}"}),
            delta(0, toolUse={"input": "[]"}),
        ],
        [
            CALL,
            ToolCallDelta(1, "tooluse_2", "look"),
            ToolCallDelta(1, arguments="{}"),
            ToolCallDelta(0, arguments="[]"),
        ],
    ),
    "a call that the service runs, and its result": (
        [
            start(0, toolUse={**LOOK, "type": "server_tool_use"}),
            delta(0, toolUse={"input": "{}"}),
            start(1, toolResult={"toolUseId": "tooluse_1", "status": "success"}),
            delta(1, toolResult=[{"text": "found"}, {"json": {"n": 1}}]),
        ],
        [
            ToolCallDelta(0, "tooluse_1", "look", server=True),
            ToolCallDelta(0, arguments="{}", server=True),
            ToolCallDelta(0, output="found", server=True),
            ToolCallDelta(0, output='{"n":1}', server=True),
        ],
    ),
    "citations and images say nothing": (
        [
            delta(0, citation={"title": "t"}),
            start(1, image={"format": "png"}),
            delta(1, image={"source": {"bytes": ""}}),
        ],
        [],
    ),
    "usage": (
        [event("metadata", usage={"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}, metrics={"latencyMs": 5})],
        [Usage(3, 4, "metadata.usage")],
    ),
    "an unknown event": ([event("somethingNew", x=1)], []),
    "a message without a payload": ([encode_message({":event-type": "x", ":message-type": "event"}, b"")], []),
}


@pytest.mark.parametrize("name", CONVERSED)
def test_converse(name: str) -> None:
    """What each event and delta of ConverseStreamOutput says."""
    bodies, expected = CONVERSED[name]
    assert said(BEGIN, *bodies, STOP) == [*expected, Finish("end_turn"), STOPPED]


def test_endings() -> None:
    """messageStop makes a stream complete, at the end of its bytes, because metadata follows it."""
    assert said(BEGIN, delta(0, text="a")) == [TextDelta("a"), TRUNCATED]
    late = event("metadata", usage={"inputTokens": 3, "outputTokens": 4})
    assert said(BEGIN, STOP, late)[-2:] == [Usage(3, 4, "metadata.usage"), STOPPED]
    assert said(b"\0\0\0\x10nothing of the kind")[-1].ended == "malformed"  # type: ignore[union-attr]
    assert BEDROCK.read(b"").ended == "truncated"


@pytest.mark.parametrize("kind", EXCEPTIONS)
def test_exceptions(kind: str) -> None:
    """Each modelled exception is an error of that type, and the stream has ended in error."""
    assert said(BEGIN, delta(0, text="a"), exception(kind, "oops")) == [
        TextDelta("a"),
        StreamError("oops", "", kind),
        End("error", "the stream reported an error"),
    ]


def test_other_forms_of_errors() -> None:
    """An unmodelled error is told by its headers, an exception among the events by its name, a bare one by its type."""
    headers = {":message-type": "error", ":error-code": "InternalError", ":error-message": "oops"}
    assert said(encode_message(headers, b""))[0] == StreamError("oops", "InternalError", "InternalError")
    assert said(event("throttlingException", message="slow"))[0] == StreamError("slow", "", "throttlingException")
    bare = {":message-type": "exception", ":exception-type": "modelTimeoutException"}
    assert said(encode_message(bare, b""))[0] == StreamError("modelTimeoutException", "", "modelTimeoutException")


METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 7, "outputTokenCount": 2, "firstByteLatency": 1}}
COUNTED = Usage(7, 2, "amazon-bedrock-invocationMetrics")
CHAT = {"id": "c1", "model": "m", "object": "chat.completion.chunk", "created": 1}
MESSAGE = {"id": "msg_1", "model": "claude", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}}

INVOKED: dict[str, tuple[list[Any], list[Event]]] = {
    "Anthropic": (
        [
            {"type": "message_start", "message": MESSAGE},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
            {"type": "message_stop", **METRICS},
        ],
        [
            Start("msg_1", "claude"),
            Usage(3, 1),
            TextDelta("hi"),
            Finish("end_turn"),
            Usage(None, 5),
            End("complete", "message_stop"),
        ],
    ),
    "Anthropic, legacy": (
        [
            {"completion": " He", "stop_reason": None, "stop": None},
            {"type": "completion", "completion": "y", "stop_reason": None},
            {"completion": "", "stop_reason": "stop_sequence", "stop": "\n\nHuman:", **METRICS},
        ],
        [
            TextDelta(" He"),
            TextDelta("y"),
            Finish("stop_sequence"),
            COUNTED,
            End("complete", "the completion has a stop_reason"),
        ],
    ),
    "Nova": (
        [
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"delta": {"text": "hi"}, "contentBlockIndex": 0}},
            {"messageStop": {"stopReason": "max_tokens"}},
            {"metadata": {"usage": {"inputTokens": 3, "outputTokens": 5}}, **METRICS},
        ],
        [TextDelta("hi"), Finish("max_tokens"), Usage(3, 5, "metadata.usage"), STOPPED],
    ),
    "Llama": (
        [
            {"generation": "h", "prompt_token_count": 3, "generation_token_count": 1, "stop_reason": None},
            {
                "generation": "i",
                "prompt_token_count": None,
                "generation_token_count": 2,
                "stop_reason": "length",
                **METRICS,
            },
        ],
        [TextDelta("h"), Usage(3, 1, "payload"), TextDelta("i"), Finish("length"), Usage(None, 2, "payload"), STOPPED],
    ),
    "Titan": (
        [
            {"outputText": "h", "index": 0, "totalOutputTextTokenCount": None, "completionReason": None},
            {
                "outputText": "i",
                "inputTextTokenCount": 3.0,
                "totalOutputTextTokenCount": 2.0,
                "completionReason": "FINISH",
            },
        ],
        [TextDelta("h"), TextDelta("i"), Finish("FINISH"), Usage(3, 2, "payload"), STOPPED],
    ),
    "Titan, blocked by a guardrail": (
        [{"outputText": "blocked", "totalOutputTextTokenCount": 3, "amazon-bedrock-guardrailAction": "INTERVENED"}],
        [TextDelta("blocked"), Usage(None, 3, "payload"), STOPPED],
    ),
    "Mistral": (
        [
            {"outputs": [{"text": "h", "stop_reason": None}]},
            {"outputs": [{"text": "i", "stop_reason": "stop"}], **METRICS},
        ],
        [TextDelta("h"), TextDelta("i"), Finish("stop"), COUNTED, STOPPED],
    ),
    "Mistral, chat": (
        [
            {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "stop_reason": None}]},
            {
                "choices": [{"index": 0, "message": {"role": "assistant", "content": ""}, "stop_reason": "stop"}],
                **METRICS,
            },
        ],
        [TextDelta("hi"), Finish("stop"), COUNTED, End("complete", "every choice has a finish_reason")],
    ),
    "AI21, OpenAI, Qwen": (
        [
            {**CHAT, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "hi"}, "finish_reason": None}]},
            {**CHAT, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {**CHAT, "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}, **METRICS},
        ],
        [
            Start("c1", "m"),
            TextDelta("hi"),
            Finish("stop"),
            Usage(3, 5),
            End("complete", "every choice has a finish_reason"),
        ],
    ),
    "DeepSeek-R1": (
        [{"choices": [{"text": "h", "stop_reason": None}]}, {"choices": [{"text": "i", "stop_reason": "length"}]}],
        [TextDelta("h"), TextDelta("i"), Finish("length"), End("complete", "every choice has a finish_reason")],
    ),
    "Cohere Command": (
        [
            {"text": " h", "is_finished": False, "index": 0},
            {"text": "i", "is_finished": False, "index": 0},
            {"is_finished": True, "finish_reason": "COMPLETE", "index": 0, **METRICS},
        ],
        [TextDelta(" h"), TextDelta("i"), Finish("COMPLETE"), COUNTED, STOPPED],
    ),
    "Cohere Command, whole": (
        [{"generations": [{"finish_reason": "COMPLETE", "text": "hi"}]}],
        [TextDelta("hi"), Finish("COMPLETE"), STOPPED],
    ),
    "Cohere Command, two generations": (
        [
            {"text": "h", "is_finished": False, "index": 0},
            {"text": "H", "is_finished": False, "index": 1},
            {"is_finished": True, "finish_reason": "COMPLETE", "index": 1},
            {"is_finished": True, "finish_reason": "MAX_TOKENS", "index": 0},
        ],
        [TextDelta("h"), TextDelta("H", 1), Finish("COMPLETE", 1), Finish("MAX_TOKENS"), STOPPED],
    ),
    "Cohere Command, two generations at once": (
        [{"id": "r", "generations": [{"finish_reason": r, "text": r} for r in ("COMPLETE", "MAX_TOKENS")]}],
        [
            Start("r"),
            *(TextDelta("COMPLETE"), Finish("COMPLETE")),
            *(TextDelta("MAX_TOKENS", 1), Finish("MAX_TOKENS", 1)),
            STOPPED,
        ],
    ),
    "Cohere Command R": (
        [
            {"event_type": "stream-start", "is_finished": False, "generation_id": "g1"},
            {"event_type": "text-generation", "is_finished": False, "text": "hi"},
            {"event_type": "citation-generation", "is_finished": False, "citations": []},
            {
                "event_type": "tool-calls-generation",
                "tool_calls": [{"name": "f", "parameters": {"a": 1}}, {"name": "g"}],
            },
            {
                "event_type": "stream-end",
                "is_finished": True,
                "finish_reason": "MAX_TOKENS",
                "response": {"text": "hi"},
            },
        ],
        [
            Start("g1"),
            TextDelta("hi"),
            ToolCallDelta(0, "", "f", '{"a":1}'),
            ToolCallDelta(1, "", "g", "{}"),
            Finish("MAX_TOKENS"),
            STOPPED,
        ],
    ),
}


@pytest.mark.parametrize("name", INVOKED)
def test_invoked(name: str) -> None:
    """What each vendor's payloads say; the service's own counts are taken where the model states none."""
    payloads, expected = INVOKED[name]
    got = said(*map(chunk, payloads))
    assert got == expected
    assert isinstance(got[-1], End)
    assert got[-1].ended == "complete"


@pytest.mark.parametrize("name", INVOKED)
def test_invoked_and_cut(name: str) -> None:
    """Without its last payloads, what a model says is truncated; with an exception it ends in error, once."""
    payloads, _ = INVOKED[name]
    head = [chunk(p) for p in payloads if not _stops(p)]
    assert BEDROCK.read(b"".join(head)).ended == "truncated"
    assert BEDROCK.read(b"".join([*head, exception("throttlingException", "slow")])).ended == "error"
    events = BEDROCK.decode(b"".join([*map(chunk, payloads), exception("throttlingException", "slow")]))
    assert sum(isinstance(e, End) for e in events) == 1


def _stops(payload: dict[str, Any]) -> bool:
    ends = ("stop_reason", "completionReason", "totalOutputTextTokenCount", "finish_reason")
    inner = [payload, *payload.get("choices", []), *payload.get("outputs", []), *payload.get("generations", [])]
    return (
        any(p.get(name) for p in inner for name in ends) or "messageStop" in payload or "message_stop" in str(payload)
    )


def test_agents() -> None:
    """An agent's chunks are text, JSON too once its other events told what it is; its stream has no terminator."""
    trace = event("trace", agentId="A", trace={})
    assert said(trace, chunk(b"An answer.")) == [
        TextDelta("An answer."),
        End("complete", "an agent's stream has no terminator"),
    ]
    assert said(trace, chunk({"city": "Paris"}))[0] == TextDelta('{"city": "Paris"}')
    assert said(event("output", text="From documents."))[0] == TextDelta("From documents.")
    assert said(event("flowOutputEvent", content={"document": "out"}, nodeName="N"))[0] == TextDelta("out")


def test_text_among_the_events_of_a_model() -> None:
    """Once a model has spoken a chunk that is no JSON is no text of an agent's: it is the sentinel, or nonsense."""
    told = chunk({"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]})
    assert said(told, chunk(b"[DONE]")) == said(told)
    [text, finish, bad, end] = said(told, chunk(b"<html>"))
    assert (text, finish, end) == (TextDelta("Hi"), Finish("stop"), said(told)[-1])
    assert isinstance(bad, Malformed)


def test_odd_chunks() -> None:
    """A chunk of an unknown shape says nothing; one that is not base64 is malformed."""
    assert said(chunk({"novel": "shape"})) == [TRUNCATED]
    assert said(chunk(b"")) == [End("complete", "an agent's stream has no terminator")]
    [bad, _] = said(event("chunk", bytes="%%%"))
    assert isinstance(bad, Malformed)
    assert isinstance(said(chunk(INVOKED["Llama"][0][0]), event("chunk"))[0], TextDelta)


NAMES = [
    *("contentBlockIndex", "delta", "start", "text", "toolUse", "toolResult", "input", "toolUseId", "name", "type"),
    *("reasoningContent", "usage", "inputTokens", "stopReason", "bytes", "message", "generation", "outputText"),
    *("outputs", "generations", "choices", "event_type", "is_finished", "completion", "finish_reason", "tool_calls"),
    *("contentBlockDelta", "contentBlockStart", "metadata", "messageStop", "amazon-bedrock-invocationMetrics"),
]
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-1, 2), st.floats(), st.sampled_from(["stream-end", "x", ""]))
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(NAMES), v, max_size=4), max_leaves=10
)
KINDS = [
    "chunk",
    "contentBlockDelta",
    "contentBlockStart",
    "messageStop",
    "metadata",
    "output",
    "flowOutputEvent",
    "trace",
]


@given(payloads=st.lists(st.tuples(st.sampled_from(KINDS), VALUES, st.booleans()), max_size=5))
def test_any_json_is_read(payloads: list[tuple[str, Any, bool]]) -> None:
    """Members of any type in any place never raise, in messages and inside chunks, and the stream ends exactly once."""
    interpreter = BedrockInterpreter()
    out: list[Event] = []
    for kind, value, inside in payloads:
        data = json.dumps(value)
        if inside:
            kind, data = "chunk", json.dumps({"bytes": base64.b64encode(data.encode()).decode()})
        interpreter.frame(EventMessage(data, kind), out)
        read_answer(value)
    interpreter.end(1, out)
    assert sum(isinstance(e, End) for e in out) == 1


@given(text=json_texts())
def test_any_text_is_read(text: str) -> None:
    """Whatever stands in a payload, reading it does not raise."""
    data = text.encode("utf-8", "surrogatepass")
    headers = {":event-type": "contentBlockDelta", ":message-type": "event"}
    BEDROCK.decode(encode_message(headers, data) + chunk(data) + encode_message({":message-type": "error"}, data))


@given(events=event_streams("bedrock-converse"))
def test_round_trip(events: tuple[Event, ...]) -> None:
    """What is encoded is read back as the message that it says."""
    frames = BEDROCK.encode(events)
    assert BEDROCK.read(b"".join(frames)) == assemble("bedrock-converse", events)
    assert BEDROCK.cut(b"".join(frames)) == frames


def test_encoding_closes_its_blocks() -> None:
    """Each block is started where it must be and stopped, and metadata is the last event."""
    events = [Start(), TextDelta("a"), Usage(3, 4), CALL, ToolCallDelta(0, arguments="{}"), Finish("tool_use")]
    body = b"".join(BEDROCK.encode(events))
    kinds = [f.type for f in BEDROCK.framer().feed(body)]
    assert kinds == [
        "messageStart",
        "contentBlockDelta",
        "contentBlockStop",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]


@pytest.mark.parametrize(
    "events",
    [
        [TextDelta("a", choice=1)],
        [RefusalDelta("no")],
        [CALL, ToolCallDelta(1, "b", "g"), ToolCallDelta(0, arguments="{}")],
    ],
    ids=["choice", "refusal", "interleaved"],
)
def test_what_can_not_be_said(events: list[Event]) -> None:
    """The encoder refuses what the dialect has no bytes for."""
    with pytest.raises(StreamgaugeError):
        BEDROCK.encode(events)


def test_a_whole_answer() -> None:
    """Converse's answer is read by the same rules, its arguments as compact JSON."""
    content = [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "x"}}},
        {"text": "hi"},
        {"citationsContent": {"content": [{"text": " there"}], "citations": []}},
        {"toolUse": {**LOOK, "input": {"a": 1}}},
        {"toolUse": {"toolUseId": "t2", "name": "search", "type": "server_tool_use", "input": {}}},
        {"toolResult": {"toolUseId": "t2", "content": [{"text": "found"}]}},
    ]
    answer = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "tool_use",
        "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7},
        "metrics": {"latencyMs": 9},
    }
    choice = Choice(
        text="hi there",
        reasoning="hm",
        tool_calls=(ToolCall("tooluse_1", "look", '{"a":1}'),),
        server_tool_calls=(ServerToolCall("t2", "search", "{}", "found"),),
        finish_reason="tool_use",
    )
    assert read_answer(answer) == Message("bedrock-converse", "complete", (choice,), TokenUsage(3, 4))


def test_an_error_answer() -> None:
    """The body of an HTTP error is a message that ended in error."""
    message = read_answer(json.loads(BEDROCK.error_body(429, "slow")))
    assert message.ended == "error"
    assert message.errors == (ReportedError("slow"),)


def test_a_request() -> None:
    """System apart, content in blocks, tools as specifications, the model in the path."""
    request = ChatRequest(
        messages=(
            ChatMessage("system", "be brief"),
            ChatMessage("user", "hi"),
            ChatMessage("tool", "42", tool_call_id="t1"),
        ),
        model="amazon.nova-lite-v1:0",
        max_tokens=9,
        tools=(Tool("look", "looks", {"type": "object"}),),
    )
    wire = BEDROCK.request(request)
    assert wire.path == "/model/amazon.nova-lite-v1:0/converse-stream"
    result = {"toolUseId": "t1", "content": [{"text": "42"}]}
    assert wire.body == {
        "system": [{"text": "be brief"}],
        "messages": [
            {"role": "user", "content": [{"text": "hi"}]},
            {"role": "user", "content": [{"toolResult": result}]},
        ],
        "inferenceConfig": {"maxTokens": 9},
        "toolConfig": {
            "tools": [
                {"toolSpec": {"name": "look", "description": "looks", "inputSchema": {"json": {"type": "object"}}}}
            ]
        },
    }


def test_detects_itself() -> None:
    """The first bytes of a stream tell the dialect; text does not."""
    assert BEDROCK.detect(BEGIN) == "it begins with an AWS event stream message"
    assert BEDROCK.detect(exception("throttlingException", "slow"))
    assert BEDROCK.detect(b"data: {}\n\n") is None
    assert BEDROCK.detect(b"") is None


@pytest.mark.shared
def test_the_vendors_library_reads_the_same(shared: Path) -> None:
    """botocore's event stream and output model give the same text, calls, stop reason and usage for real streams."""
    session = pytest.importorskip("botocore.session").get_session()
    stream = pytest.importorskip("botocore.eventstream")
    parsers = pytest.importorskip("botocore.parsers")
    operations = session.get_service_model("bedrock-runtime")
    operation = operations.operation_model("ConverseStream")
    shape = operation.output_shape.members["stream"]
    parser = parsers.create_parser("rest-json")
    compared = 0
    for file in sorted((shared / "streams" / "bedrock-eventstream").iterdir()):
        buffer = stream.EventStreamBuffer()
        buffer.add_data(file.read_bytes())
        messages = list(buffer)
        if messages[0].headers[":event-type"] != "messageStart":
            continue
        events = [parser._event_stream_parser.parse(m.to_response_dict(), shape) for m in messages]
        deltas = [e["contentBlockDelta"]["delta"] for e in events if "contentBlockDelta" in e]
        message = BEDROCK.read(file.read_bytes())
        [choice] = message.choices
        assert choice.text == "".join(d.get("text", "") for d in deltas), file.name
        assert "".join(c.arguments for c in choice.tool_calls) == "".join(
            d["toolUse"]["input"] for d in deltas if "toolUse" in d
        )
        assert [choice.finish_reason] == [e["messageStop"]["stopReason"] for e in events if "messageStop" in e]
        [usage] = [e["metadata"]["usage"] for e in events if "metadata" in e]
        assert message.usage == TokenUsage(usage["inputTokens"], usage["outputTokens"])
        compared += 1
    assert compared == 19
