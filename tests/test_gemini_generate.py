"""Gemini's responses: what each member means, in either framing, and the way back to bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.chat import ChatMessage, ChatRequest, Tool
from streamgauge.detect import detect, not_a_stream
from streamgauge.dialects.gemini_generate._samples import BLOCKED, HELLO, array, response, sse, text, usage
from streamgauge.dialects.gemini_generate.decoder import GenerateFramer, GenerateInterpreter, read_response
from streamgauge.dialects.gemini_generate.partial_args import PartialArgs, parse_path
from streamgauge.engine import judge
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
from streamgauge.rules import Example, rules_for
from streamgauge.strategies import event_streams, json_texts

GEMINI = get_dialect("gemini-generate")
START = Start("r-1", "gemini-2.5-flash")
STOP = Finish("STOP")


def said(*values: Any) -> list[Event]:
    """The events of a stream of these responses, without spans, keep-alives, its identity and its end."""
    events = [unlocated(e) for e in GEMINI.decode(sse(*values).encode("utf-8", "surrogatepass"))]
    return [e for e in events if not isinstance(e, (KeepAlive, End)) and e != START]


def call(**members: Any) -> dict[str, Any]:
    return response({"functionCall": members})


CODE = {"language": "PYTHON", "code": "1"}
RAN = ToolCallDelta(0, "", "executableCode", json.dumps(CODE, separators=(",", ":")), server=True)

SAID: dict[str, tuple[list[Any], list[Event]]] = {
    "text": ([text("a"), text(" b")], [TextDelta("a"), TextDelta(" b")]),
    "an empty text": ([text("")], []),
    "two parts": ([response({"text": "a"}, {"text": "b"})], [TextDelta("a"), TextDelta("b")]),
    "thoughts": ([response({"text": "hm", "thought": True}), text("a")], [ReasoningDelta("hm"), TextDelta("a")]),
    "thought false": ([response({"text": "a", "thought": False})], [TextDelta("a")]),
    "a thought's signature": ([response({"text": "", "thoughtSignature": "x"})], []),
    "finish with text": ([text("a", finish="STOP")], [TextDelta("a"), STOP]),
    "finish alone": ([response(finish="STOP")], [STOP]),
    "finish as the enum's number": ([response(finish=1)], [Finish(1)]),
    "finish that says nothing": ([response(finish=""), response(finish=0), response(finish=True)], []),
    "usage": ([text("a", usageMetadata=usage(3, 2))], [TextDelta("a"), Usage(3, 2, "usageMetadata")]),
    "usage of the prompt alone": (
        [{"usageMetadata": {"promptTokenCount": 3}}],
        [Usage(3, None, "usageMetadata")],
    ),
    "a call": ([call(name="f", args={"a": 1})], [ToolCallDelta(0, "", "f", '{"a":1}')]),
    "a call with an id": ([call(id="c", name="f", args={})], [ToolCallDelta(0, "c", "f", "{}")]),
    "a call without arguments": ([call(name="f")], [ToolCallDelta(0, "", "f", "{}")]),
    "parallel calls": (
        [response({"functionCall": {"name": "f"}}, {"functionCall": {"name": "g"}}), call(name="h")],
        [ToolCallDelta(0, "", "f", "{}"), ToolCallDelta(1, "", "g", "{}"), ToolCallDelta(2, "", "h", "{}")],
    ),
    "streamed arguments": (
        [
            call(name="f", willContinue=True),
            call(partialArgs=[{"jsonPath": "$.a", "stringValue": "x", "willContinue": True}], willContinue=True),
            call(partialArgs=[{"jsonPath": "$.a", "stringValue": "y"}], willContinue=True),
            call(partialArgs=[{"jsonPath": "$.n", "numberValue": 3}]),
            call(),
        ],
        [
            ToolCallDelta(0, "", "f"),
            ToolCallDelta(0),
            ToolCallDelta(0),
            ToolCallDelta(0, arguments='{"a":"xy","n":3}'),
        ],
    ),
    "streamed arguments that the name is repeated with": (
        [
            call(name="f", id="c", partialArgs=[{"jsonPath": "$.a", "stringValue": "San "}], willContinue=True),
            call(name="f", id="c", partialArgs=[{"jsonPath": "$.a", "stringValue": "José"}], willContinue=False),
        ],
        [ToolCallDelta(0, "c", "f"), ToolCallDelta(0, arguments='{"a":"San José"}')],
    ),
    "a call behind one that did not end": (
        [call(name="f", willContinue=True), call(name="g", args={"b": 2})],
        [ToolCallDelta(0, "", "f"), ToolCallDelta(0, arguments="{}"), ToolCallDelta(1, "", "g", '{"b":2}')],
    ),
    "streamed arguments that the finish ends": (
        [
            call(name="f", partialArgs=[{"jsonPath": "$.a", "boolValue": True}], willContinue=True),
            response(finish="STOP"),
        ],
        [ToolCallDelta(0, "", "f"), ToolCallDelta(0, arguments='{"a":true}'), STOP],
    ),
    "an empty call": ([call()], []),
    "code that Google runs": (
        [response({"executableCode": CODE}), response({"codeExecutionResult": {"output": "1"}})],
        [RAN, ToolCallDelta(0, server=True, output='{"output":"1"}')],
    ),
    "a result without its code": (
        [response({"codeExecutionResult": {"output": "1"}})],
        [ToolCallDelta(0, server=True, output='{"output":"1"}')],
    ),
    "tools that Google runs": (
        [
            response({"toolCall": {"id": "s1", "toolType": "GOOGLE_SEARCH_WEB", "args": {"q": "x"}}}),
            response({"toolCall": {"id": "s2", "toolType": "URL_CONTEXT"}}),
            response({"toolResponse": {"id": "s1", "response": {}}}),
        ],
        [
            ToolCallDelta(0, "s1", "GOOGLE_SEARCH_WEB", '{"q":"x"}', server=True),
            ToolCallDelta(1, "s2", "URL_CONTEXT", "{}", server=True),
            ToolCallDelta(0, server=True, output='{"id":"s1","response":{}}'),
        ],
    ),
    "images, files, grounding, ratings": (
        [
            response({"inlineData": {"mimeType": "image/png", "data": "x"}}, {"fileData": {}}),
            {"candidates": [{"groundingMetadata": {}, "safetyRatings": [], "index": 0}]},
        ],
        [],
    ),
    "two candidates": (
        [{"candidates": [{"content": {"parts": [{"text": t}]}, "index": i} for i, t in enumerate("ab")]}],
        [TextDelta("a"), TextDelta("b", 1)],
    ),
    "two candidates without index": (
        [{"candidates": [{"content": {"parts": [{"text": t}]}} for t in "ab"]}],
        [TextDelta("a"), TextDelta("b", 1)],
    ),
    "an index of 0 that is left out": (
        [
            {
                "candidates": [
                    {"content": {"parts": [{"text": "b"}]}, "index": 1},
                    {"content": {"parts": [{"text": "a"}]}},
                ]
            }
        ],
        [TextDelta("b", 1), TextDelta("a")],
    ),
    "a blocked prompt": ([BLOCKED], [Usage(3, None, "usageMetadata")]),
    "an error": (
        [{"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}],
        [StreamError("x", "503", "UNAVAILABLE")],
    ),
    "an error that is a text": ([{"error": "x"}], [StreamError("x")]),
    "nothing": ([{}], []),
}


@pytest.mark.parametrize("name", SAID)
def test_events(name: str) -> None:
    """Each documented member says what the row states."""
    values, expected = SAID[name]
    assert said(*values) == expected


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("size", [None, 1, 5])
def test_the_array_says_the_same(name: str, size: int | None) -> None:
    """The same responses as one JSON array, in any cuts, are the same message."""
    values, _ = SAID[name]
    body = array(*values).encode()
    decoder = GEMINI.decoder()
    step = size or len(body)
    events = [e for at in range(0, len(body), step) for e in decoder.feed(body[at : at + step])]
    events += decoder.eof()
    assert assemble("gemini-generate", events) == GEMINI.read(sse(*values).encode())


@pytest.mark.parametrize(
    ("values", "ended"),
    [
        (HELLO, "complete"),
        ((text("a", finish=1),), "complete"),
        ((BLOCKED,), "complete"),
        ((text("a"),), "truncated"),
        ((), "truncated"),
        (({**text("a", finish="STOP")}, text("b", index=1)), "truncated"),
        ((text("a"), {"error": {"message": "x"}}), "error"),
        ((HELLO[0], HELLO[1], {"error": {"message": "x"}}), "error"),
    ],
)
def test_endings(values: tuple[Any, ...], ended: str) -> None:
    """A finishReason on every candidate, or a blocked prompt, make the answer complete."""
    assert GEMINI.read(sse(*values).encode()).ended == ended


def test_malformed_data() -> None:
    """What is no JSON object is malformed, and the rest is read."""
    message = GEMINI.read(b"data: {\r\n\r\ndata: [1]\r\n\r\n" + sse(*HELLO).encode())
    assert (message.malformed, message.ended, message.choices[0].text) == (2, "complete", "Hello there")
    assert GEMINI.read(b"data: x\n\n").ended == "malformed"


def test_a_streamed_call_that_was_cut() -> None:
    """What had come of its arguments is kept, and the stream is truncated."""
    partial = call(name="f", partialArgs=[{"jsonPath": "$.a", "stringValue": "x"}], willContinue=True)
    message = GEMINI.read(sse(partial).encode())
    assert (message.ended, message.choices[0].tool_calls) == ("truncated", (ToolCall("", "f", '{"a":"x"}'),))


def test_the_array_that_was_cut() -> None:
    """An element without its end is not delivered."""
    body = array(*HELLO).encode()
    message = GEMINI.read(body[: body.index(b"there")])
    assert (message.ended, message.choices[0].text) == ("truncated", "Hello")


PATHS: dict[str, tuple[str | int, ...]] = {
    "$.a": ("a",),
    "$.a.b": ("a", "b"),
    "$.a[0].b": ("a", 0, "b"),
    "$['a b']": ("a b",),
    '$["a"][2]': ("a", 2),
    "$": ("$",),
    "": ("",),
    "a.b": ("a.b",),
    "$[0]": ("$[0]",),
    "$.a..b": ("$.a..b",),
    "$" + ".a" * 65: ("$" + ".a" * 65,),
}


@pytest.mark.parametrize("path", PATHS)
def test_json_paths(path: str) -> None:
    """Steps of a path; what is no path to a member is one name."""
    assert parse_path(path) == PATHS[path]


def built(*pieces: dict[str, Any], args: Any = None) -> dict[str, Any]:
    collected = PartialArgs()
    collected.add({"args": args})
    for piece in pieces:
        collected.add({"partialArgs": [piece]})
    return collected.build()


def test_arguments_are_built_in_place() -> None:
    """Strings are joined, scalars replaced, objects and arrays made on the way, whole arguments kept."""
    assert built(
        {"jsonPath": "$.a[0].s", "stringValue": "x"},
        {"jsonPath": "$.a[1].n", "numberValue": 1},
        {"jsonPath": "$.a[0].s", "stringValue": "y"},
        {"jsonPath": "$.b", "boolValue": False},
        {"jsonPath": "$.z", "nullValue": "NULL_VALUE"},
        {"jsonPath": "$.b", "boolValue": True},
        {"jsonPath": "$.nothing"},
        args={"w": [1]},
    ) == {"w": [1], "a": [{"s": "xy"}, {"n": 1}], "b": True, "z": None}


def test_arguments_that_contradict_each_other() -> None:
    """What stands in the way gives way; no index reserves memory."""
    assert built({"jsonPath": "$.a", "numberValue": 1}, {"jsonPath": "$.a.b", "numberValue": 2}) == {"a": {"b": 2}}
    assert built({"jsonPath": "$.a[999999999]", "numberValue": 1}) == {"a": [1]}
    assert built({"jsonPath": "$.a", "numberValue": 1}, {"jsonPath": "$.a", "stringValue": "x"}) == {"a": "x"}


@given(pieces=st.lists(st.fixed_dictionaries({"jsonPath": st.text(alphabet="$.[]'\"a0\\", max_size=12)}), max_size=5))
def test_any_path_is_put_somewhere(pieces: list[dict[str, Any]]) -> None:
    """No path raises."""
    built(*({**piece, "stringValue": "x"} for piece in pieces))


FRAMINGS: dict[str, tuple[bytes, str]] = {
    "events": (b"data: {}\n\n", "sse"),
    "a comment": (b": x\n\ndata: {}\n\n", "sse"),
    "an array": (b"[{}]", "json-array"),
    "an array behind white space": (b" \r\n\t[{}]", "json-array"),
    "an array behind a byte order mark": (b"\xef\xbb\xbf[{}]", "json-array"),
    "events behind a byte order mark": (b"\xef\xbb\xbfdata: {}\n\n", "sse"),
    "an object": (b'{"error":{}}', "json-array"),
    "nothing": (b"", "sse"),
    "white space": (b" \n" * 5000, "sse"),
}


@pytest.mark.parametrize("name", FRAMINGS)
@pytest.mark.parametrize("size", [None, 1])
def test_the_framing_is_told_by_the_first_byte(name: str, size: int | None) -> None:
    """Events or an array, behind white space or a byte order mark; only little is held back."""
    body, framing = FRAMINGS[name]
    framer = GenerateFramer()
    step = size or max(1, len(body))
    for at in range(0, len(body), step):
        framer.feed(body[at : at + step])
        assert len(framer._head) <= 1024
    framer.eof()
    assert framer.framing == framing


def test_an_array_is_a_stream_of_this_dialect() -> None:
    """Detection and admission take both framings, but not the one object that an ordinary answer is."""
    kinds = (GEMINI.framing, *GEMINI.other_framings)
    assert GEMINI.detect(array(*HELLO).encode())
    assert not_a_stream(array(*HELLO).encode(), *kinds) is None
    assert not_a_stream(sse(*HELLO).encode(), *kinds) is None
    assert not_a_stream(b'{"error": {"message": "no"}}', *kinds)
    assert not_a_stream(array(*HELLO).encode(), "sse")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.floats() | st.text(max_size=3) | st.just("\ud83d"),
    lambda v: (
        st.lists(v, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                (
                    "text",
                    "thought",
                    "functionCall",
                    "name",
                    "args",
                    "partialArgs",
                    "jsonPath",
                    "stringValue",
                    "willContinue",
                )
            ),
            v,
            max_size=4,
        )
    ),
    max_leaves=8,
)
CANDIDATES = st.fixed_dictionaries(
    {},
    optional={
        "content": VALUES | st.fixed_dictionaries({"parts": VALUES | st.lists(VALUES, max_size=3)}),
        "finishReason": VALUES,
        "index": VALUES,
    },
)
PAYLOADS = st.fixed_dictionaries(
    {},
    optional={
        "candidates": VALUES | st.lists(CANDIDATES | VALUES, max_size=3),
        "usageMetadata": VALUES,
        "promptFeedback": VALUES,
        "error": VALUES,
        "responseId": VALUES,
    },
)


@given(payloads=st.lists(PAYLOADS, max_size=5))
def test_any_json_is_read(payloads: list[dict[str, Any]]) -> None:
    """Members of any type in any place never raise, and the stream has one end."""
    interpreter = GenerateInterpreter()
    out: list[Event] = []
    for payload in payloads:
        interpreter.payload(payload, (0, 1), out)
    interpreter.end(1, out)
    assert sum(isinstance(e, End) for e in out) == 1
    assemble("gemini-generate", out)


@given(value=json_texts())
def test_any_text_is_read(value: str) -> None:
    """Any JSON text as the data of an event, and as an element of the array."""
    data = value.replace("\n", " ").replace("\r", " ")
    GEMINI.read(f"data: {data}\n\n".encode("utf-8", "replace"))
    GEMINI.read(f"[{data},{{}}]".encode("utf-8", "replace"))


@given(events=event_streams("gemini-generate"))
def test_round_trip(events: tuple[Event, ...]) -> None:
    """What a stream says survives encoding and decoding."""
    assert GEMINI.read(b"".join(GEMINI.encode(events))) == assemble("gemini-generate", events)


@pytest.mark.parametrize(
    "events",
    [
        [RefusalDelta("no")],
        [Malformed("x")],
        [ToolCallDelta(0, "", "f", "{")],
        [ToolCallDelta(0, "", "f", "[]")],
        [ToolCallDelta(0, "", "f", "{}", server=True)],
    ],
)
def test_what_can_not_be_said(events: list[Event]) -> None:
    """Refusals and arguments that are no object: refused, never dropped."""
    with pytest.raises(StreamgaugeError, match="gemini-generate"):
        GEMINI.encode(events)


def test_a_whole_answer() -> None:
    """The non-streaming answer is one response object."""
    parts = [
        {"text": "hm", "thought": True},
        {"text": "a"},
        {"functionCall": {"name": "f", "args": {}}},
        {"executableCode": CODE},
    ]
    body = response(*parts, finish="STOP", usageMetadata=usage(3, 2))
    choice = Choice(
        text="a",
        reasoning="hm",
        tool_calls=(ToolCall("", "f", "{}"),),
        finish_reason="STOP",
        server_tool_calls=(ServerToolCall("", "executableCode", RAN.arguments),),
    )
    want = Message("gemini-generate", "complete", (choice,), TokenUsage(3, 2), (), 0, START.model, START.id)
    assert read_response(body) == want == GEMINI.message(body)


def test_an_error_answer() -> None:
    """The body of an HTTP error is a message too."""
    body = json.loads(GEMINI.error_body(429, "slow down"))
    assert read_response(body).errors == (ReportedError("slow down", "RESOURCE_EXHAUSTED", "429"),)
    assert read_response(None).ended == "truncated"


def test_an_error_frame() -> None:
    """An error as bytes is one error, and ends the stream."""
    message = GEMINI.read(sse(HELLO[0]).encode() + GEMINI.error_frame("it broke", "UNAVAILABLE"))
    assert (message.ended, message.errors) == ("error", (ReportedError("it broke", "UNAVAILABLE", "503"),))


def test_a_request() -> None:
    """What a chat request is on the wire: the system's words apart, roles of Gemini's, tools declared."""
    turns = (ChatMessage("system", "Be brief."), ChatMessage("user", "Hi"), ChatMessage("assistant", "Hello"))
    tool = Tool("f", "does", {"type": "object"})
    wire = GEMINI.request(ChatRequest(messages=turns, model="m", max_tokens=5, stop=("x",), n=2, tools=(tool,)))
    assert wire.path == "/models/m:streamGenerateContent?alt=sse"
    assert wire.body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert [t["role"] for t in wire.body["contents"]] == ["user", "model"]
    assert wire.body["generationConfig"] == {"maxOutputTokens": 5, "stopSequences": ["x"], "candidateCount": 2}
    assert GEMINI.request(ChatRequest(messages=turns, model="m", stream=False)).path == "/models/m:generateContent"


def test_detects_itself() -> None:
    """Members that only this dialect has, in either framing."""
    assert GEMINI.detect(sse(*HELLO).encode()) == 'a response has "candidates"'
    assert GEMINI.detect(array(BLOCKED).encode()) == 'a response has "promptFeedback"'
    assert GEMINI.detect(b'data: {"choices":[]}\n\n') is None
    assert GEMINI.detect(b"<html>") is None


def wrapped(*values: Any) -> list[dict[str, Any]]:
    """The responses as Code Assist sends them; the last object has nothing but what is its own."""
    return [*({"response": v, "traceId": "t-1"} for v in values), {"traceId": "t-1", "remainingCredits": [{}]}]


@pytest.mark.parametrize("form", [sse, array])
def test_what_code_assist_wraps_is_read(form: Any) -> None:
    """The same message in either framing, at any cut, and the reason of the detection says so."""
    body = form(*wrapped(*HELLO)).encode()
    assert GEMINI.read(body) == GEMINI.read(form(*HELLO).encode())
    assert detect(body).reason == 'a response in the "response" that Code Assist puts around it has "candidates"'
    for cut in range(len(body)):
        decoder = GEMINI.decoder()
        events = [*decoder.feed(body[:cut]), *decoder.feed(body[cut:]), *decoder.eof()]
        assert assemble(GEMINI.name, events) == GEMINI.read(body)


def test_a_whole_answer_that_is_wrapped() -> None:
    """The answer without streaming is wrapped, too; a tool's own member "response" is no wrapper."""
    assert read_response({"response": HELLO[1], "traceId": "t"}) == read_response(HELLO[1])
    odd = {**HELLO[1], "response": {"candidates": []}}
    assert read_response(odd) == read_response(HELLO[1])


def test_what_is_wrapped_is_judged() -> None:
    """A correct stream departs from nothing; a damaged one from the rule that it would break unwrapped."""

    def departures(*values: Any) -> set[str]:
        exchange = Example(body=sse(*wrapped(*values))).exchange(GEMINI)
        verdicts = judge(exchange, list(rules_for(GEMINI, "server")))
        assert {v.rule for v in verdicts if v.verdict == "pass"} >= {"GEM-001", "GEM-002"}
        return {v.rule for v in verdicts if v.verdict not in ("pass", "skip")}

    assert departures(*HELLO) == set()
    assert departures(text("Hello"), text("", finish="stop")) == {"GEM-011"}
    assert departures(HELLO[0]) == {"GEM-004", "ERR-001"}
