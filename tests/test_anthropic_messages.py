"""Anthropic's message events: what each means, what services leave out or add, and the way back to bytes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.chat import ChatMessage, ChatRequest, Tool
from streamgauge.dialects.anthropic_messages.decoder import MessagesInterpreter, read_message
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
from streamgauge.message import Choice, Message, ReportedError, ServerToolCall, TokenUsage, ToolCall, assemble
from streamgauge.registry import get_dialect
from streamgauge.strategies import event_streams, json_texts

MESSAGES = get_dialect("anthropic-messages")
START = Start("msg_1", "claude")
COMPLETE = End("complete", "message_stop")


def event(kind: str, **members: Any) -> bytes:
    """One event as the reference shows it: the name twice."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


def opened(**members: Any) -> bytes:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": []}
    return event("message_start", message={**message, "stop_reason": None, **members})


def block(index: Any, **members: Any) -> bytes:
    return event("content_block_start", index=index, content_block=members)


def delta(index: Any, kind: str, **members: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **members})


def stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


def ended(reason: str | None = "end_turn", **usage: int) -> bytes:
    return event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage)


BYE = event("message_stop")


def said(*bodies: bytes) -> list[Event]:
    """The events of a stream without spans, keep-alives, and what every stream here begins and ends with."""
    events = [unlocated(e) for e in MESSAGES.decode(b"".join(bodies))]
    return [e for e in events if not isinstance(e, KeepAlive) and e not in (START, COMPLETE)]


TOOL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
CALL = ToolCallDelta(0, "toolu_1", "look")
SEARCH = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}}
SEARCHED = ToolCallDelta(0, "srv_1", "web_search", server=True)

BLOCKS: dict[str, tuple[list[bytes], list[Event]]] = {
    "text": (
        [block(0, type="text", text=""), delta(0, "text_delta", text="a"), delta(0, "text_delta", text=" b"), stop(0)],
        [TextDelta("a"), TextDelta(" b")],
    ),
    "text that begins in its block": (
        [block(0, type="text", text="a"), delta(0, "text_delta", text="b")],
        [TextDelta("a"), TextDelta("b")],
    ),
    "empty text": ([block(0, type="text", text=""), delta(0, "text_delta", text="")], []),
    "text without its block": ([delta(0, "text_delta", text="a")], [TextDelta("a")]),
    "citations say nothing of their own": (
        [block(0, type="text", text="", citations=[]), delta(0, "citations_delta", citation={"cited_text": "x"})],
        [],
    ),
    "thinking": (
        [
            block(0, type="thinking", thinking="", signature=""),
            delta(0, "thinking_delta", thinking="hm"),
            delta(0, "signature_delta", signature="c2ln"),
            stop(0),
        ],
        [ReasoningDelta("hm")],
    ),
    "thinking that begins in its block": ([block(0, type="thinking", thinking="hm")], [ReasoningDelta("hm")]),
    "redacted thinking": ([block(0, type="redacted_thinking", data="xx"), stop(0)], []),
    "a tool call": (
        [
            block(1, **TOOL),
            delta(1, "input_json_delta", partial_json=""),
            delta(1, "input_json_delta", partial_json='{"a"'),
            delta(1, "input_json_delta", partial_json=": 1}"),
            stop(1),
        ],
        [CALL, ToolCallDelta(0, arguments='{"a"'), ToolCallDelta(0, arguments=": 1}")],
    ),
    "a tool call without arguments": ([block(1, **TOOL), stop(1)], [CALL]),
    "arguments that come whole": (
        [block(1, **{**TOOL, "input": {"a": 1}}), stop(1)],
        [CALL, ToolCallDelta(0, arguments='{"a":1}')],
    ),
    "arguments that come whole, as a text": (
        [block(1, **{**TOOL, "input": '{"a": 1}'}), stop(1)],
        [CALL, ToolCallDelta(0, arguments='{"a": 1}')],
    ),
    "arguments that come whole, without a stop": (
        [block(1, **{**TOOL, "input": {"a": 1}})],
        [CALL, ToolCallDelta(0, arguments='{"a":1}')],
    ),
    "arguments that come whole and again": (
        [block(1, **{**TOOL, "input": {"a": 1}}), delta(1, "input_json_delta", partial_json='{"a": 1}'), stop(1)],
        [CALL, ToolCallDelta(0, arguments='{"a": 1}')],
    ),
    "two calls": (
        [
            block(0, **TOOL),
            delta(0, "input_json_delta", partial_json="{}"),
            stop(0),
            block(1, **{**TOOL, "id": "toolu_2"}),
            delta(1, "input_json_delta", partial_json="[]"),
        ],
        [CALL, ToolCallDelta(0, arguments="{}"), ToolCallDelta(1, "toolu_2", "look"), ToolCallDelta(1, arguments="[]")],
    ),
    "two calls of one id": ([block(0, **TOOL), block(1, **TOOL)], [CALL, ToolCallDelta(1, "toolu_1", "look")]),
    "calls without id": (
        [block(0, type="tool_use", name="f"), block(1, type="tool_use", name="g")],
        [ToolCallDelta(0, "", "f"), ToolCallDelta(1, "", "g")],
    ),
    "a call that Anthropic runs, and its result": (
        [
            block(0, **SEARCH),
            delta(0, "input_json_delta", partial_json='{"query": "x"}'),
            stop(0),
            block(1, type="web_search_tool_result", tool_use_id="srv_1", content=[{"title": "t"}]),
            stop(1),
        ],
        [
            SEARCHED,
            ToolCallDelta(0, arguments='{"query": "x"}', server=True),
            ToolCallDelta(0, "srv_1", server=True, output='[{"title":"t"}]'),
        ],
    ),
    "a call of an MCP server, and its result": (
        [
            block(0, type="mcp_tool_use", id="mcp_1", name="echo", server_name="s", input={}),
            block(1, type="mcp_tool_result", tool_use_id="mcp_1", is_error=False, content="hello"),
        ],
        [ToolCallDelta(0, "mcp_1", "echo", server=True), ToolCallDelta(0, "mcp_1", server=True, output="hello")],
    ),
    "blocks of other types": (
        [
            block(0, type="compaction", content=None),
            delta(0, "compaction_delta", content="summary"),
            block(1, type="container_upload", file_id="f"),
            block(2, type="fallback", trigger={}),
            block(3, type="something_new"),
            delta(3, "input_json_delta", partial_json="{}"),
            delta(3, "something_delta", x=1),
        ],
        [],
    ),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks(name: str) -> None:
    """What each block and delta of the reference says."""
    bodies, expected = BLOCKS[name]
    assert said(opened(), *bodies, BYE) == expected


def test_a_whole_stream() -> None:
    """Identity, usage of both places, text, stop reason and end, each at its bytes."""
    body = opened(usage={"input_tokens": 9, "output_tokens": 1}) + delta(0, "text_delta", text="hi")
    body += ended(output_tokens=5) + BYE
    events = MESSAGES.decode(body)
    assert [unlocated(e) for e in events] == [
        START,
        Usage(9, 1),
        TextDelta("hi"),
        Finish("end_turn"),
        Usage(None, 5),
        COMPLETE,
    ]
    assert all(body[slice(*e.span)].startswith(b"event: ") for e in events)
    assert MESSAGES.read(body).usage == TokenUsage(9, 5)


def test_the_last_count_of_each_kind_counts() -> None:
    """ "cumulative": message_delta may revise the input too, and a missing count revises nothing."""
    body = opened(usage={"input_tokens": 9, "output_tokens": 1}) + ended(None, output_tokens=3, input_tokens=900)
    assert MESSAGES.read(body + ended(output_tokens=5) + BYE).usage == TokenUsage(900, 5)


def test_pings_and_unknown_events_say_nothing() -> None:
    """Before, between and behind; with and without an event name of their own."""
    odd = [event("ping"), event("vertex_event", usage={}), b'data: {"type":"x"}\n\n', b"event: y\ndata: {}\n\n"]
    for extra in odd:
        assert said(extra, opened(), extra, delta(0, "text_delta", text="a"), extra, BYE) == [TextDelta("a")]


def test_data_without_a_type_is_named_by_its_event() -> None:
    """The reference says both, some services only one."""
    assert said(b'event: content_block_delta\ndata: {"delta":{"type":"text_delta","text":"a"}}\n\n', BYE) == [
        TextDelta("a")
    ]


ERRORS: dict[str, tuple[bytes, StreamError]] = {
    "as documented": (
        event("error", error={"type": "overloaded_error", "message": "Overloaded"}),
        StreamError("Overloaded", "", "overloaded_error"),
    ),
    "without a message": (event("error", error={"type": "api_error"}), StreamError("api_error", "", "api_error")),
    "as a text": (event("error", error="broken"), StreamError("broken")),
    "flat": (event("error", message="broken"), StreamError("broken")),
    "nothing": (event("error"), StreamError("error")),
    "bare": (b'data: {"error":{"message":"broken"}}\n\n', StreamError("broken")),
    "named by its event": (b'event: error\ndata: {"error":{"message":"broken"}}\n\n', StreamError("broken")),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    """An error in the stream is told in each of its forms, and the stream has then ended in error."""
    body, error = ERRORS[name]
    assert said(opened(), delta(0, "text_delta", text="a"), body) == [
        TextDelta("a"),
        error,
        End("error", "the stream reported an error"),
    ]


def test_endings() -> None:
    """Without message_stop a stream is truncated; message_stop without anything else is complete."""
    assert said(opened(), ended()) == [Finish("end_turn"), End("truncated", "no message_stop")]
    assert said(BYE) == []
    assert said(opened(), b"data: {\n\n")[-1] == End("malformed", "not a readable stream of this dialect")
    assert MESSAGES.read(b"").ended == "truncated"


def test_what_follows_the_end_is_malformed() -> None:
    """[DONE], which gateways append, says nothing; a further event is no part of the message."""
    assert said(opened(), BYE, b"data: [DONE]\n\n") == []
    [late] = said(opened(), BYE, delta(0, "text_delta", text="late"))
    assert isinstance(late, Malformed)
    assert late.reason == "data after the terminator"


def test_arguments_without_a_block_are_malformed() -> None:
    """There is no call that they could belong to."""
    [odd] = said(opened(), delta(3, "input_json_delta", partial_json="{}"), BYE)
    assert isinstance(odd, Malformed)


def test_legacy_completions() -> None:
    """The Text Completions API, whose last event has the stop reason."""
    whole = {"id": "compl_1", "model": "claude-2", "stop_reason": None}
    body = event("completion", **whole, completion=" He") + event("completion", **whole, completion="y")
    assert MESSAGES.detect(body)
    assert MESSAGES.read(body).ended == "truncated"
    last = event("completion", **{**whole, "stop_reason": "stop_sequence"}, completion="", stop="\n\nHuman:")
    message = MESSAGES.read(body + last)
    assert message.choices == (Choice(text=" Hey", finish_reason="stop_sequence"),)
    assert (message.ended, message.id, message.model) == ("complete", "compl_1", "claude-2")


NAMES = re.findall(
    r"\w+",
    """
type index message content content_block delta text thinking partial_json id name input usage input_tokens output_tokens
stop_reason error tool_use_id signature model completion
""",
)
WORDS = re.findall(
    r"\w+",
    """
message_start message_delta message_stop content_block_start content_block_delta content_block_stop ping error
completion text thinking tool_use server_tool_use web_search_tool_result text_delta thinking_delta input_json_delta
""",
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 3), st.floats(), st.text(max_size=3), st.sampled_from(WORDS)
)
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(NAMES), v, max_size=4), max_leaves=10
)


@given(payloads=st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5), max_size=6))
def test_any_json_is_read(payloads: list[dict[str, Any]]) -> None:
    """Members of any type in any place never raise, and the stream ends exactly once."""
    interpreter = MessagesInterpreter()
    out: list[Event] = []
    for payload in payloads:
        interpreter.payload(payload, (0, 1), out)
    interpreter.end(1, out)
    assert sum(isinstance(e, End) for e in out) == 1
    for payload in payloads:
        read_message(payload)


@given(text=json_texts())
def test_any_text_is_read(text: str) -> None:
    """Whatever stands in data, reading it does not raise."""
    MESSAGES.decode(f"event: content_block_delta\ndata: {text}\n\n".encode("utf-8", "surrogatepass"))
    MESSAGES.decode(
        block(0, **TOOL)
        + f'data: {{"type":"content_block_start","index":1,"content_block":{text}}}\n\n'.encode(
            "utf-8", "surrogatepass"
        )
    )


@given(events=event_streams("anthropic-messages"))
def test_round_trip(events: tuple[Event, ...]) -> None:
    """What is encoded is read back as the message that it says."""
    frames = MESSAGES.encode(events)
    assert MESSAGES.read(b"".join(frames)) == assemble("anthropic-messages", events)
    assert MESSAGES.cut(b"".join(frames)) == frames


def test_encoding_closes_its_blocks() -> None:
    """One block at a time, each with start and stop, thinking with its signature, indexes from 0."""
    events = [START, ReasoningDelta("r"), TextDelta("a"), CALL, Finish("tool_use"), Usage(3, 4), End("complete")]
    payloads = [json.loads(f.partition(b"data: ")[2]) for f in MESSAGES.encode(events)]
    kinds = [(p["type"], p.get("index"), p.get("delta", {}).get("type")) for p in payloads]
    assert kinds == [
        ("message_start", None, None),
        ("content_block_start", 0, None),
        ("content_block_delta", 0, "thinking_delta"),
        ("content_block_delta", 0, "signature_delta"),
        ("content_block_stop", 0, None),
        ("content_block_start", 1, None),
        ("content_block_delta", 1, "text_delta"),
        ("content_block_stop", 1, None),
        ("content_block_start", 2, None),
        ("content_block_stop", 2, None),
        ("message_delta", None, None),
        ("message_stop", None, None),
    ]


@pytest.mark.parametrize(
    "events",
    [
        [TextDelta("a", choice=1)],
        [RefusalDelta("no")],
        [CALL, ToolCallDelta(1, "b", "g"), ToolCallDelta(0, arguments="{}")],
        [Malformed("x")],
    ],
    ids=["choice", "refusal", "interleaved", "malformed"],
)
def test_what_can_not_be_said(events: list[Event]) -> None:
    """The encoder refuses what the dialect has no bytes for."""
    with pytest.raises(StreamgaugeError):
        MESSAGES.encode(events)


def test_a_whole_answer() -> None:
    """A non-streaming message is read by the same rules, its arguments as compact JSON."""
    answer = {
        "id": "msg_1",
        "model": "claude",
        "type": "message",
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "x"},
            {"type": "text", "text": "hi"},
            {**TOOL, "input": {"a": [1, "é"]}},
            {**SEARCH, "input": {"query": "x"}},
            {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 3, "output_tokens": 4},
    }
    choice = Choice(
        text="hi",
        reasoning="hm",
        tool_calls=(ToolCall("toolu_1", "look", '{"a":[1,"é"]}'),),
        server_tool_calls=(ServerToolCall("srv_1", "web_search", '{"query":"x"}', "[]"),),
        finish_reason="tool_use",
    )
    assert read_message(answer) == Message(
        "anthropic-messages", "complete", (choice,), TokenUsage(3, 4), model="claude", id="msg_1"
    )


def test_a_start_that_is_the_whole_message() -> None:
    """What code of the model's own calls comes whole in message_start, with its stop_reason."""
    call = {**TOOL, "input": {"a": 1}}
    message = MESSAGES.read(opened(content=[call], stop_reason="tool_use") + event("message_stop"))
    assert message.ended == "complete"
    [choice] = message.choices
    assert choice == Choice(tool_calls=(ToolCall("toolu_1", "look", '{"a":1}'),), finish_reason="tool_use")


def test_an_error_answer() -> None:
    """The body of an HTTP error, as we encode it too, is a message that ended in error."""
    message = read_message(json.loads(MESSAGES.error_body(529, "busy")))
    assert message.ended == "error"
    assert message.errors == (ReportedError("busy", "overloaded_error"),)


def test_a_request() -> None:
    """System turns apart, max_tokens always, tools with input_schema, tool results as the user's blocks."""
    request = ChatRequest(
        messages=(
            ChatMessage("system", "be brief"),
            ChatMessage("user", "hi"),
            ChatMessage("tool", "42", tool_call_id="toolu_1"),
        ),
        model="claude",
        stop=("END",),
        tools=(Tool("look", "looks", {"type": "object"}),),
    )
    wire = MESSAGES.request(request)
    assert wire.path == "/messages"
    assert dict(wire.headers) == {"anthropic-version": "2023-06-01"}
    assert wire.body == {
        "model": "claude",
        "max_tokens": 1024,
        "system": "be brief",
        "stream": True,
        "stop_sequences": ["END"],
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "42"}]},
        ],
        "tools": [{"name": "look", "description": "looks", "input_schema": {"type": "object"}}],
    }


def test_detects_itself() -> None:
    """The first bytes of a stream tell the dialect, and why."""
    assert MESSAGES.detect(event("ping") + opened()) == 'an event has "type": "message_start"'
    assert MESSAGES.detect(b'data: {"object":"chat.completion.chunk"}\n\n') is None
    assert MESSAGES.detect(b'{"type":"message_start"}') is None


@pytest.mark.shared
def test_the_vendors_library_reads_the_same(shared: Path) -> None:
    """anthropic's own accumulator gives the same text, thinking, calls, stop reason and usage for each real stream.

    Its arguments are JSON values; the calls that Anthropic runs are blocks of its message like any other.
    """
    streaming = pytest.importorskip("anthropic.lib.streaming._messages")
    types = pytest.importorskip("anthropic.types")
    models = pytest.importorskip("anthropic._models")
    for file in sorted((shared / "streams" / "anthropic-messages").iterdir()):
        snapshot: Any = None
        buffers: dict[int, bytes] = {}
        for frame in MESSAGES.framer().feed(file.read_bytes()):
            if frame.type != "ping":
                parsed = models.construct_type(type_=types.RawMessageStreamEvent, value=json.loads(frame.data))
                snapshot = streaming.accumulate_event(event=parsed, current_snapshot=snapshot, json_bufs=buffers)
        message = MESSAGES.read(file.read_bytes())
        [choice] = message.choices
        of = {kind: [b for b in snapshot.content if b.type == kind] for kind in ("text", "thinking", "tool_use")}
        assert choice.text == "".join(b.text for b in of["text"]), file.name
        assert choice.reasoning == "".join(b.thinking for b in of["thinking"]), file.name
        ours = [(c.id, c.name, json.loads(c.arguments or "{}")) for c in choice.tool_calls]
        assert ours == [(b.id, b.name, b.input) for b in of["tool_use"]], file.name
        assert choice.finish_reason == snapshot.stop_reason
        assert message.usage == TokenUsage(snapshot.usage.input_tokens, snapshot.usage.output_tokens)
        assert (message.id, message.model) == (snapshot.id, snapshot.model)
