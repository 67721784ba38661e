"""Responses streams, OpenAI's and Open Responses': what each event means, and the way back to bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.chat import ChatMessage, ChatRequest, Tool
from streamgauge.detect import another, guesses
from streamgauge.dialects.openai_responses import _samples as samples
from streamgauge.dialects.openai_responses.decoder import ResponsesInterpreter, read_response
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

RESPONSES, OPEN = get_dialect("openai-responses"), get_dialect("open-responses")
START = Start("resp_1", "m")
AT = {"item_id": "i", "output_index": 0, "content_index": 0}


def event(kind: str, /, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


def response(status: str, *output: Any, **members: Any) -> dict[str, Any]:
    return samples.snapshot(status, list(output), **members)


BEGIN = event("response.created", response=response("in_progress"))
END = event("response.completed", response=response("completed", usage=samples.USAGE))


def said(*bodies: bytes) -> list[Event]:
    """The events of a stream around these bytes, without spans, keep-alives, its identity and its good end."""
    events = [unlocated(e) for e in RESPONSES.decode(b"".join((BEGIN, *bodies, END)))]
    good = (START, Finish("completed"), Usage(3, 2, "response.usage"), End("complete", "response.completed"))
    return [e for e in events if not isinstance(e, KeepAlive) and e not in good]


def item(verb: str, value: Any, index: int = 0) -> bytes:
    return event(f"response.output_item.{verb}", output_index=index, item=value)


def delta(kind: str, text: Any, verb: str = "delta", **members: Any) -> bytes:
    return event(f"response.{kind}.{verb}", **{**AT, "delta": text, **members})


CALL = {"type": "function_call", "id": "i", "call_id": "c", "name": "f"}
MESSAGE = {"type": "message", "id": "i", "content": [{"type": "output_text", "text": "whole"}]}
SQL = {"type": "custom_tool_call", "id": "i", "call_id": "c", "name": "sql"}
MCP = {"type": "mcp_call", "id": "mcp_1", "name": "roll", "server_label": "dice"}

SAID: dict[str, tuple[list[bytes], list[Event]]] = {
    "text": ([delta("output_text", "a"), delta("output_text", " b")], [TextDelta("a"), TextDelta(" b")]),
    "an empty delta": ([delta("output_text", "")], []),
    "a delta that is no text": ([delta("output_text", {"a": 1})], []),
    "refusal": ([delta("refusal", "no")], [RefusalDelta("no")]),
    "reasoning": ([delta("reasoning_text", "hm")], [ReasoningDelta("hm")]),
    "reasoning in a summary": ([delta("reasoning_summary_text", "hm")], [ReasoningDelta("hm")]),
    "reasoning as Open Responses names it": ([delta("reasoning", "hm")], [ReasoningDelta("hm")]),
    "done repeats what the deltas said": (
        [delta("output_text", "a"), event("response.output_text.done", **AT, text="a"), item("done", MESSAGE)],
        [TextDelta("a")],
    ),
    "text that comes whole with its done event": (
        [event("response.output_text.done", **AT, text="whole"), item("done", MESSAGE)],
        [TextDelta("whole")],
    ),
    "text that comes whole with its item": ([item("done", MESSAGE)], [TextDelta("whole")]),
    "two parts that come whole": (
        [
            event("response.output_text.done", **AT, text="a"),
            event("response.output_text.done", **{**AT, "content_index": 1}, text="b"),
        ],
        [TextDelta("a"), TextDelta("b")],
    ),
    "a whole refusal": ([event("response.refusal.done", **AT, refusal="no")], [RefusalDelta("no")]),
    "a whole reasoning item": (
        [item("done", {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}]})],
        [ReasoningDelta("hm")],
    ),
    "deltas without a place": (
        [event("response.output_text.delta", delta="a"), event("response.output_text.done", **AT, text="a")],
        [TextDelta("a")],
    ),
    "deltas that name the item by its id only": (
        [
            item("added", {**MESSAGE, "content": []}),
            event("response.output_text.delta", item_id="i", delta="a"),
            item("done", MESSAGE),
        ],
        [TextDelta("a")],
    ),
    "a call": (
        [
            item("added", {**CALL, "arguments": ""}),
            delta("function_call_arguments", '{"a"'),
            delta("function_call_arguments", ":1}"),
            event("response.function_call_arguments.done", **AT, arguments='{"a":1}'),
            item("done", {**CALL, "arguments": '{"a":1}'}),
        ],
        [ToolCallDelta(0, "c", "f"), ToolCallDelta(0, arguments='{"a"'), ToolCallDelta(0, arguments=":1}")],
    ),
    "a call whose arguments come whole": (
        [item("added", CALL), event("response.function_call_arguments.done", **AT, arguments="{}"), item("done", CALL)],
        [ToolCallDelta(0, "c", "f"), ToolCallDelta(0, arguments="{}")],
    ),
    "a call that comes whole": (
        [item("done", {**CALL, "arguments": "{}"})],
        [ToolCallDelta(0, "c", "f", "{}")],
    ),
    "a call that is announced late": (
        [delta("function_call_arguments", "{}"), item("done", {**CALL, "arguments": "{}"})],
        [ToolCallDelta(0, arguments="{}"), ToolCallDelta(0, "c", "f")],
    ),
    "a call announced with its arguments, which its deltas say again": (
        [
            item("added", {**CALL, "arguments": '{"a":1}'}),
            delta("function_call_arguments", '{"a"'),
            delta("function_call_arguments", ":1}"),
            item("done", {**CALL, "arguments": '{"a":1}'}),
        ],
        [ToolCallDelta(0, "c", "f"), ToolCallDelta(0, arguments='{"a"'), ToolCallDelta(0, arguments=":1}")],
    ),
    "a call announced with its arguments, and nothing after": (
        [item("added", {**CALL, "arguments": "{}"})],
        [ToolCallDelta(0, "c", "f"), ToolCallDelta(0, arguments="{}")],
    ),
    "reasoning in the open, and in summary with its item": (
        [
            delta("reasoning_text", "hm"),
            item("done", {"type": "reasoning", "summary": [{"type": "summary_text", "text": "he thinks"}]}),
        ],
        [ReasoningDelta("hm")],
    ),
    "two calls at one place": (
        [
            item("added", CALL),
            delta("function_call_arguments", "1"),
            item("added", {**CALL, "id": "j", "call_id": "d", "name": "g"}),
            delta("function_call_arguments", "2", item_id="j"),
            item("done", {**CALL, "arguments": "1"}),
            item("done", {**CALL, "id": "j", "call_id": "d", "name": "g", "arguments": "2"}),
        ],
        [
            ToolCallDelta(0, "c", "f"),
            ToolCallDelta(0, arguments="1"),
            ToolCallDelta(1, "d", "g"),
            ToolCallDelta(1, arguments="2"),
        ],
    ),
    "two calls, interleaved": (
        [
            item("added", CALL),
            item("added", {**CALL, "id": "j", "call_id": "d", "name": "g"}, 1),
            delta("function_call_arguments", "1", output_index=1, item_id="j"),
            delta("function_call_arguments", "0"),
        ],
        [
            ToolCallDelta(0, "c", "f"),
            ToolCallDelta(1, "d", "g"),
            ToolCallDelta(1, arguments="1"),
            ToolCallDelta(0, arguments="0"),
        ],
    ),
    "a custom tool": (
        [
            item("added", SQL),
            delta("custom_tool_call_input", "SELECT"),
            event("response.custom_tool_call_input.done", **AT, input="SELECT"),
            item("done", {**SQL, "input": "SELECT"}),
        ],
        [ToolCallDelta(0, "c", "sql"), ToolCallDelta(0, arguments="SELECT")],
    ),
    "a tool that the vendor runs": (
        [
            item("added", {"type": "web_search_call", "id": "ws"}),
            event("response.web_search_call.searching", output_index=0, item_id="ws"),
            item("done", {"type": "web_search_call", "id": "ws", "status": "completed"}),
        ],
        [
            ToolCallDelta(0, "ws", "web_search_call", server=True),
            ToolCallDelta(0, server=True, output='{"status":"completed"}'),
        ],
    ),
    "an MCP call, which the vendor runs": (
        [
            item("added", {**MCP, "arguments": ""}),
            delta("mcp_call_arguments", "{}"),
            event("response.mcp_call_arguments.done", **AT, arguments="{}"),
            item("done", {**MCP, "arguments": "{}", "output": "4"}),
        ],
        [
            ToolCallDelta(0, "mcp_1", "roll", server=True),
            ToolCallDelta(0, arguments="{}", server=True),
            ToolCallDelta(0, server=True, output='{"server_label":"dice","output":"4"}'),
        ],
    ),
    "code that the vendor runs": (
        [delta("code_interpreter_call_code", "print()")],
        [ToolCallDelta(0, arguments="print()", server=True)],
    ),
    "parts, annotations, images, audio, what is new": (
        [
            event("response.content_part.added", **AT, part={"type": "output_text", "text": ""}),
            event("response.output_text.annotation.added", **AT, annotation={}),
            event("response.image_generation_call.partial_image", partial_image_b64="x"),
            event("response.audio.transcript.delta", delta="x"),
            event("acme:trace_event", latency_ms=3),
            event("response.queued", response=response("queued")),
        ],
        [],
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_events(name: str) -> None:
    """Each documented event, and each way in which servers shorten them, says what the row states."""
    bodies, expected = SAID[name]
    assert said(*bodies) == expected


@pytest.mark.parametrize("name", SAID)
def test_every_event_leaves_a_trace(name: str) -> None:
    """What says nothing is a keep-alive with its type: no event of the wire is dropped without a sign."""
    bodies, _ = SAID[name]
    decoder = RESPONSES.decoder()
    for body in bodies:
        assert decoder.feed(body)


def test_a_whole_stream() -> None:
    """Identity first, then what is said, the status and the usage of the last event, then the end."""
    assert [
        unlocated(e) for e in RESPONSES.decode(samples.body(samples.HELLO).encode()) if not isinstance(e, KeepAlive)
    ] == [
        START,
        TextDelta("Hello"),
        TextDelta(" there"),
        Finish("completed"),
        Usage(3, 2, "response.usage"),
        End("complete", "response.completed"),
    ]


def test_events_stand_where_their_bytes_are() -> None:
    """Each event's span is that of the server-sent event that said it."""
    body = samples.body(samples.HELLO).encode()
    for found in RESPONSES.decode(body):
        if isinstance(found, TextDelta):
            piece = body[slice(*found.span)]
            assert piece.startswith(b"event: response.output_text.delta")
            assert json.dumps(found.text).encode() in piece


def last(kind: str, **members: Any) -> bytes:
    return event(f"response.{kind}", response=response(kind, **members))


ENDS: dict[str, tuple[bytes, str, str | int | None, int]] = {
    "completed": (last("completed"), "complete", "completed", 0),
    "incomplete": (last("incomplete", incomplete_details={"reason": "max_output_tokens"}), "complete", "incomplete", 0),
    "failed": (last("failed", error={"code": "server_error", "message": "x"}), "error", "failed", 1),
    "failed without a reason": (last("failed"), "error", "failed", 1),
    "cancelled": (event("response.in_progress", response={"status": "cancelled"}), "truncated", "cancelled", 0),
    "vLLM's error": (b'data: {"object":"error","message":"x","code":400}\n\n', "error", None, 1),
    "an error event": (event("error", code="c", message="x", param=None), "error", None, 1),
    "an error event as Open Responses has it": (event("error", error={"type": "t", "message": "x"}), "error", None, 1),
    "an error without a type": (b'data: {"error":{"message":"x"}}\n\n', "error", None, 1),
    "an error that is a text": (b'event: error\ndata: {"error":"x"}\n\n', "error", None, 1),
    "one failure told twice": (
        event("error", code="c", message="x", param=None) + last("failed", error={"code": "c", "message": "x"}),
        "error",
        "failed",
        1,
    ),
    "completed, says vLLM, with status incomplete": (
        event("response.completed", response=response("incomplete")),
        "complete",
        "incomplete",
        0,
    ),
    "nothing": (b"", "truncated", None, 0),
    "[DONE] without an end": (b"data: [DONE]\n\n", "truncated", None, 0),
    "[DONE] behind the end": (last("completed") + b"data: [DONE]\n\n", "complete", "completed", 0),
    "no JSON, then nothing": (b"data: {\n\n", "malformed", None, 0),
}


@pytest.mark.parametrize("name", ENDS)
def test_endings(name: str) -> None:
    """How a stream ends: by its last event, by an error, or not at all."""
    body, ended, reason, errors = ENDS[name]
    message = RESPONSES.read(BEGIN + delta("output_text", "a") + body)
    assert (message.ended, len(message.errors)) == (ended, errors)
    assert message.choices[0].finish_reason == reason
    assert message.choices[0].text == "a"


def test_what_an_error_says() -> None:
    """Code, type and message of either shape."""
    flat = RESPONSES.read(event("error", code="rate_limit", message="slow down", param=None)).errors
    nested = OPEN.read(event("error", error={"type": "too_many_requests", "code": "c", "message": "slow down"})).errors
    assert flat == (ReportedError("slow down", "", "rate_limit"),)
    assert nested == (ReportedError("slow down", "too_many_requests", "c"),)


def test_an_answer_that_only_the_last_event_has() -> None:
    """A server that streams nothing but the whole response is read all the same, and nothing is read twice."""
    whole = [MESSAGE, {**CALL, "id": "j", "arguments": "{}"}]
    body = BEGIN + event("response.completed", response=response("completed", *whole, usage=samples.USAGE))
    calls = (ToolCall("c", "f", "{}"),)
    choice = Choice(text="whole", tool_calls=calls, finish_reason="completed")
    assert RESPONSES.read(body).choices == (choice,)
    told = BEGIN + item("done", MESSAGE) + event("response.completed", response=response("completed", *whole))
    assert RESPONSES.read(told).choices == (choice,)
    other_ids = [{**MESSAGE, "id": "k"}, {**CALL, "id": "l", "call_id": "d", "arguments": "{}"}]
    rotated = BEGIN + item("done", whole[0]) + item("done", whole[1], 1)
    rotated += event("response.completed", response=response("completed", *other_ids))
    assert RESPONSES.read(rotated).choices == (choice,)


@pytest.mark.parametrize("tools", [[], [{"type": "custom", "name": "sql"}], [{"type": "x_search"}]])
def test_who_runs_a_custom_tool(tools: list[dict[str, str]]) -> None:
    """The caller, unless the response says which tools it was given and none of them is custom (xAI's own tools)."""
    body = event("response.created", response=response("in_progress", tools=tools))
    body += item("added", {**SQL, "input": ""}) + delta("custom_tool_call_input", "{}")
    body += item("done", {**SQL, "input": "{}", "status": "completed"}) + END
    (choice,) = RESPONSES.read(body).choices
    if tools == [{"type": "x_search"}]:
        (call,) = choice.server_tool_calls
        assert (choice.tool_calls, call.id, call.name, call.arguments) == ((), "i", "sql", "{}")
    else:
        assert (choice.tool_calls, choice.server_tool_calls) == ((ToolCall("c", "sql", "{}"),), ())


def test_arguments_of_an_announcement_outlive_a_cut() -> None:
    """What a stream said of a call before it broke off is not lost."""
    cut = RESPONSES.read(BEGIN + item("added", {**CALL, "arguments": "{}"}))
    assert (cut.ended, cut.choices[0].tool_calls) == ("truncated", (ToolCall("c", "f", "{}"),))


def test_data_behind_the_end() -> None:
    """It is malformed, and changes nothing of the answer."""
    message = RESPONSES.read(samples.body(samples.HELLO).encode() + delta("output_text", "more"))
    assert (message.choices[0].text, message.ended, message.malformed) == ("Hello there", "complete", 1)


def test_events_are_told_by_their_data() -> None:
    """The type in the data counts; the name of the event stands in where the data has none."""
    bare = samples.body(samples.HELLO).encode().replace(b"event: response.output_text.delta\n", b"")
    assert RESPONSES.read(bare).choices[0].text == "Hello there"
    unnamed = b'event: response.output_text.delta\ndata: {"delta":"a"}\n\n'
    assert said(unnamed) == [TextDelta("a")]


def test_items_without_output_index() -> None:
    """llama.cpp names items by their ids alone."""
    events = [{k: v for k, v in e.items() if k not in ("output_index", "content_index")} for e in samples.CALLS]
    message = RESPONSES.read(samples.body(events).encode())
    assert message.choices[0].tool_calls == (ToolCall("call_0", "f", '{"a":1}'), ToolCall("call_1", "g", "{}"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.floats() | st.text(max_size=3) | st.just("\ud83d"),
    lambda v: (
        st.lists(v, max_size=2) | st.dictionaries(st.sampled_from(["type", "id", "text", "error"]), v, max_size=3)
    ),
    max_leaves=6,
)
NAMES = (
    *("delta", "text", "item", "item_id", "output_index", "content_index", "response"),
    *("error", "arguments", "code", "message", "refusal"),
)
KINDS = [
    "error",
    "response.completed",
    "response.failed",
    "response.created",
    *(
        f"response.{s}.{v}"
        for s in ("output_text", "refusal", "reasoning_text", "output_item")
        for v in ("delta", "done")
    ),
    "response.output_item.added",
    "response.function_call_arguments.delta",
    "response.mcp_call_arguments.done",
]
ITEMS = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "reasoning", "function_call", "mcp_call", "x_call"])},
    optional=dict.fromkeys(("id", "call_id", "name", "arguments", "content", "summary", "output"), VALUES),
)
PAYLOADS = st.builds(
    lambda kind, more: {"type": kind, **more},
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(NAMES), VALUES | ITEMS, max_size=5),
)


@given(payloads=st.lists(PAYLOADS, max_size=6))
def test_any_json_is_read(payloads: list[dict[str, Any]]) -> None:
    """Members of any type in any place never raise, and the stream always has one end."""
    interpreter = ResponsesInterpreter()
    out: list[Event] = []
    for payload in payloads:
        interpreter.payload(payload, (0, 1), out)
    interpreter.end(1, out)
    assert sum(isinstance(e, End) for e in out) == 1 or any(p["type"] in KINDS[1:3] for p in payloads)
    assemble("openai-responses", out)


@given(text=json_texts())
def test_any_text_is_read(text: str) -> None:
    """Any JSON text as the data of an event."""
    data = "".join(f"data: {line}\n" for line in text.split("\n"))
    RESPONSES.read(f"{data}\n".encode("utf-8", "replace"))


@pytest.mark.parametrize("dialect", [RESPONSES, OPEN], ids=lambda d: d.name)
@given(data=st.data())
def test_round_trip(dialect: Any, data: st.DataObject) -> None:
    """What a stream says survives encoding and decoding."""
    events = data.draw(event_streams(dialect.name))
    body = b"".join(dialect.encode(events))
    assert dialect.read(body) == assemble(dialect.name, events)
    ends = any(isinstance(e, End) and e.ended != "truncated" for e in events)
    assert body.endswith(b"}\n\ndata: [DONE]\n\n") == (dialect is OPEN and ends)


UNSAYABLE: list[list[Event]] = [
    [TextDelta("a", choice=1)],
    [Malformed("x")],
    [ToolCallDelta(0, "s", "search", server=True)],
    [ToolCallDelta(0, "c", "f", "{"), ToolCallDelta(1, "d", "g", "{}"), ToolCallDelta(0, arguments="}")],
]


@pytest.mark.parametrize("events", UNSAYABLE)
def test_what_can_not_be_said(events: list[Event]) -> None:
    """A second choice, a vendor's call, interleaved items: refused, never dropped."""
    with pytest.raises(StreamgaugeError, match="openai-responses"):
        RESPONSES.encode(events)


def test_a_whole_answer() -> None:
    """The non-streaming response is read by the same rules."""
    reasoning = {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}], "content": []}
    refusal = {"type": "message", "id": "n", "content": [{"type": "refusal", "refusal": "no"}]}
    search = {"type": "web_search_call", "id": "ws", "status": "completed"}
    body = response("completed", reasoning, search, MESSAGE, refusal, {**CALL, "arguments": "{}"}, usage=samples.USAGE)
    expected = Choice(
        text="whole",
        reasoning="hm",
        refusal="no",
        tool_calls=(ToolCall("c", "f", "{}"),),
        finish_reason="completed",
        server_tool_calls=(ServerToolCall("ws", "web_search_call", "", '{"status":"completed"}'),),
    )
    want = Message("openai-responses", "complete", (expected,), TokenUsage(3, 2), (), 0, "m", "resp_1")
    assert read_response(body) == want == RESPONSES.message(body)
    assert OPEN.message(body).dialect == "open-responses"


def test_an_error_answer() -> None:
    """The body of an HTTP error is a message too."""
    assert read_response({"error": {"message": "no", "type": "t", "code": None}}).errors == (ReportedError("no", "t"),)
    assert read_response(response("failed", error={"code": "c", "message": "no"})).ended == "error"
    assert read_response(None).ended == "truncated"


def test_a_request() -> None:
    """What a chat request is on the wire."""
    tool = Tool("f", "does", {"type": "object"})
    asked = ChatRequest(
        messages=(ChatMessage("user", "Hi"), ChatMessage("tool", "4", "c")), model="m", max_tokens=5, tools=(tool,)
    )
    wire = RESPONSES.request(asked)
    assert wire.path == "/responses"
    assert wire.body["input"] == [
        {"role": "user", "content": "Hi"},
        {"type": "function_call_output", "call_id": "c", "output": "4"},
    ]
    assert wire.body["tools"] == [
        {"type": "function", "name": "f", "description": "does", "parameters": {"type": "object"}}
    ]
    assert (wire.body["stream"], wire.body["max_output_tokens"], wire.body["store"]) == (True, 5, False)


def test_detects_itself() -> None:
    """The first event tells OpenAI's dialect; its profile is never guessed, and takes the same bytes."""
    assert [g.dialect for g in guesses(BEGIN)] == ["openai-responses"]
    assert another(OPEN, BEGIN) is None
    assert another(RESPONSES, BEGIN) is None
    assert RESPONSES.detect(b"<html>") is None


@pytest.mark.parametrize("dialect", [RESPONSES, OPEN], ids=lambda d: d.name)
def test_error_frames(dialect: Any) -> None:
    """An error as bytes is one error, in the shape of the dialect, and ends the stream."""
    message = dialect.read(BEGIN + dialect.error_frame("it broke", "boom"))
    assert (message.ended, [e.message for e in message.errors]) == ("error", ["it broke"])
    first = json.loads(dialect.error_frame("it broke", "boom").split(b"data: ")[1].split(b"\n")[0])
    assert ("error" in first) == (dialect is OPEN)


def test_start_and_errors_are_events() -> None:
    """The types of the interpreter's own events."""
    events = [unlocated(e) for e in RESPONSES.decode(BEGIN + event("error", code="c", message="x", param=None))]
    assert events == [START, StreamError("x", "c"), End("error", "the stream reported an error")]
