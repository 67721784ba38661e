"""Chat completion chunks: what each member means, what services leave out or add, and the way back to bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.chat import ChatMessage, ChatRequest, Tool
from streamgauge.dialect import Decoder
from streamgauge.dialects.openai_chat.decoder import ChatInterpreter, read_completion
from streamgauge.errors import StreamgaugeError
from streamgauge.events import (
    NO_SPAN,
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
    to_json,
    unlocated,
)
from streamgauge.message import Choice, Message, ReportedError, TokenUsage, ToolCall, assemble, to_dict
from streamgauge.registry import get_dialect
from streamgauge.sse import SSEDecoder
from streamgauge.strategies import event_streams, json_texts
from streamgauge.wire import Undecodable, parse

CHAT = get_dialect("openai-chat")
START = Start("c1", "m1")
COMPLETE = End("complete", "[DONE]")
DONE = b"data: [DONE]\n\n"


def sse(value: Any, event: str = "") -> bytes:
    """One event with a JSON value."""
    return (f"event: {event}\n" if event else "").encode() + f"data: {json.dumps(value)}\n\n".encode()


def chunk(*choices: Any, **members: Any) -> bytes:
    """One chunk as OpenAI's reference shows it."""
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m1"}
    return sse({**head, "choices": list(choices), **members})


def choice(delta: Any = None, finish: Any = None, index: Any = 0, **members: Any) -> dict[str, Any]:
    """One choice of a chunk."""
    return {"index": index, "delta": {} if delta is None else delta, "finish_reason": finish, **members}


def said(*bodies: bytes) -> list[Event]:
    """The events of a stream without spans, without the identity of `chunk` and the end that [DONE] makes."""
    events = [unlocated(event) for event in CHAT.decode(b"".join(bodies))]
    return [event for event in events if event not in (START, COMPLETE)]


def call(**members: Any) -> dict[str, Any]:
    """A delta with one tool call."""
    return {"tool_calls": [members]}


ROLE = chunk(choice({"role": "assistant", "content": ""}))
STOP = chunk(choice(finish="stop"))

DELTAS: dict[str, tuple[list[Any], list[Event]]] = {
    "text": ([{"content": "a"}, {"content": "b"}], [TextDelta("a"), TextDelta("b")]),
    "text with its role": ([{"role": "assistant", "content": "a"}], [TextDelta("a")]),
    "text beside nulls": ([{"content": "a", "refusal": None, "tool_calls": None, "reasoning": None}], [TextDelta("a")]),
    "blank text is text": ([{"content": " "}, {"content": "\n"}], [TextDelta(" "), TextDelta("\n")]),
    "empty text": ([{"content": ""}], [KeepAlive()]),
    "null text": ([{"content": None}], [KeepAlive()]),
    "only a role": ([{"role": "assistant"}], [KeepAlive()]),
    "reasoning_content": ([{"reasoning_content": "r"}], [ReasoningDelta("r")]),
    "reasoning": ([{"reasoning": "r"}], [ReasoningDelta("r")]),
    "reasoning_text": ([{"reasoning_text": "r"}], [ReasoningDelta("r")]),
    "reasoning under two names is said once": ([{"reasoning": "r", "reasoning_content": "r"}], [ReasoningDelta("r")]),
    "reasoning under an empty and a full name": ([{"reasoning_content": "", "reasoning": "r"}], [ReasoningDelta("r")]),
    "reasoning beside its details": (
        [{"reasoning": "r", "reasoning_details": [{"type": "reasoning.text", "text": "r"}]}],
        [ReasoningDelta("r")],
    ),
    "reasoning_details": (
        [
            {"reasoning_details": [{"type": "reasoning.text", "text": "a"}, {"type": "reasoning.text", "text": "b"}]},
            {"reasoning_details": [{"type": "reasoning.summary", "summary": "c"}]},
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "xx"}]},
        ],
        [ReasoningDelta("ab"), ReasoningDelta("c"), KeepAlive()],
    ),
    "reasoning comes before text of the same chunk": (
        [{"content": "t", "reasoning_content": "r"}],
        [ReasoningDelta("r"), TextDelta("t")],
    ),
    "Mistral's parts": (
        [
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "r"}, {"type": "text", "text": "s"}]}
                ]
            },
            {"content": [{"type": "text", "text": "t"}, {"type": "reference", "reference_ids": [1]}]},
            {"content": [{"type": "thinking", "thinking": "u"}]},
        ],
        [ReasoningDelta("rs"), TextDelta("t"), ReasoningDelta("u")],
    ),
    "Databricks' reasoning": (
        [{"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "r"}, {"text": "s"}]}]}],
        [ReasoningDelta("rs")],
    ),
    "refusal": ([{"refusal": "no"}], [RefusalDelta("no")]),
    "a tool call in fragments": (
        [
            call(index=0, id="x", type="function", function={"name": "f", "arguments": ""}),
            call(index=0, function={"arguments": '{"a"'}),
            call(index=0, function={"arguments": ": 1}"}),
        ],
        [ToolCallDelta(0, "x", "f"), ToolCallDelta(0, arguments='{"a"'), ToolCallDelta(0, arguments=": 1}")],
    ),
    "parallel calls in one delta": (
        [
            {
                "tool_calls": [
                    {"index": 0, "id": "x", "function": {"name": "f", "arguments": "{}"}},
                    {"index": 1, "id": "y", "function": {"name": "g", "arguments": "[]"}},
                ]
            }
        ],
        [ToolCallDelta(0, "x", "f", "{}"), ToolCallDelta(1, "y", "g", "[]")],
    ),
    "parallel calls, interleaved": (
        [
            call(index=0, id="x", function={"name": "f"}),
            call(index=1, id="y", function={"name": "g"}),
            call(index=0, function={"arguments": "1"}),
            call(index=1, function={"arguments": "2"}),
        ],
        [
            ToolCallDelta(0, "x", "f"),
            ToolCallDelta(1, "y", "g"),
            ToolCallDelta(0, arguments="1"),
            ToolCallDelta(1, arguments="2"),
        ],
    ),
    "calls are counted as they appear": (
        [call(index=1, id="x"), call(index=5, id="y"), call(index=1, function={"arguments": "{}"})],
        [ToolCallDelta(0, "x"), ToolCallDelta(1, "y"), ToolCallDelta(0, arguments="{}")],
    ),
    "an index is believed, whatever the id": (
        [call(index=0, id="x"), call(index=0, id="x", function={"arguments": "1"}), call(index=0, id=None)],
        [ToolCallDelta(0, "x"), ToolCallDelta(0, "x", arguments="1"), ToolCallDelta(0)],
    ),
    "no index: by id": (
        [call(id="x", function={"name": "f"}), call(id="y"), call(id="x", function={"arguments": "1"})],
        [ToolCallDelta(0, "x", "f"), ToolCallDelta(1, "y"), ToolCallDelta(0, "x", arguments="1")],
    ),
    "no index, no id: the call before": (
        [call(id="x", function={"name": "f"}), call(function={"arguments": "1"})],
        [ToolCallDelta(0, "x", "f"), ToolCallDelta(0, arguments="1")],
    ),
    "a call with neither": ([call(function={"name": "f"})], [ToolCallDelta(0, name="f")]),
    "neither, but another name": (
        [call(function={"name": n, "arguments": "{}"}) for n in "fg"],
        [ToolCallDelta(0, name="f", arguments="{}"), ToolCallDelta(1, name="g", arguments="{}")],
    ),
    "neither, twice in one delta": (
        [{"tool_calls": [{"function": {"name": "f", "arguments": a}} for a in ("1", "2")]}],
        [ToolCallDelta(0, name="f", arguments="1"), ToolCallDelta(1, name="f", arguments="2")],
    ),
    "neither, with the name on each fragment": (
        [call(function={"name": "f", "arguments": a}) for a in ("[", "]")],
        [ToolCallDelta(0, name="f", arguments="["), ToolCallDelta(0, name="f", arguments="]")],
    ),
    "an index in the first fragment only": (
        [call(index=0, id="x"), call(index=1, id="y"), call(id="x", function={"arguments": "1"})],
        [ToolCallDelta(0, "x"), ToolCallDelta(1, "y"), ToolCallDelta(0, "x", arguments="1")],
    ),
    "the same call in both spellings": (
        [{**call(index=0, id="x", function={"name": "f"}), "function_call": {"name": "f"}}],
        [ToolCallDelta(0, "x", "f")],
    ),
    "null index and id": (
        [call(index=None, id=None, function={"name": "f", "arguments": None})],
        [ToolCallDelta(0, name="f")],
    ),
    "no function": ([call(index=0, id="x"), call(index=0, function=None)], [ToolCallDelta(0, "x"), ToolCallDelta(0)]),
    "arguments as an object": (
        [call(index=0, id="x", function={"name": "f", "arguments": {"a": [1, None], "b": "é"}})],
        [ToolCallDelta(0, "x", "f", '{"a":[1,null],"b":"é"}')],
    ),
    "a custom tool's input": (
        [call(index=0, id="x", type="custom", custom={"name": "sql", "input": "SELECT 1"})],
        [ToolCallDelta(0, "x", "sql", "SELECT 1")],
    ),
    "a legacy function_call is one call": (
        [{"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}}],
        [ToolCallDelta(0, name="f"), ToolCallDelta(0, arguments="{}")],
    ),
    "text and a call in one delta": (
        [{"content": "t", "tool_calls": [{"index": 0, "id": "x"}]}],
        [TextDelta("t"), ToolCallDelta(0, "x")],
    ),
    "audio and annotations say nothing here": ([{"audio": {"data": "x"}, "annotations": []}], [KeepAlive()]),
    "content that is a number": ([{"content": 5}], [Malformed("delta.content is neither a string nor an array", "5")]),
    "odd parts": ([{"content": [5, None, {"type": "text"}, {"type": "thinking"}, {"type": 1}]}], [KeepAlive()]),
    "a refusal that is no string": ([{"refusal": True}], [KeepAlive()]),
    "reasoning that is no string": ([{"reasoning": {"a": 1}}, {"reasoning_details": "x"}], [KeepAlive(), KeepAlive()]),
    "one index for all calls, each with an id and a name": (
        [
            call(index=0, id="x", function={"name": "f", "arguments": "{}"}),
            call(index=0, id="y", function={"name": "f", "arguments": "["}),
            call(index=0, function={"arguments": "]"}),
            call(index=0, id="x", function={"name": "f", "arguments": " "}),
        ],
        [
            ToolCallDelta(0, "x", "f", "{}"),
            ToolCallDelta(1, "y", "f", "["),
            ToolCallDelta(1, arguments="]"),
            ToolCallDelta(0, "x", "f", " "),
        ],
    ),
    "whole calls of one function, with neither index nor id": (
        [call(id="", function={"name": "f", "arguments": a}) for a in ('{"a":{}}', "{}")],
        [ToolCallDelta(0, name="f", arguments='{"a":{}}'), ToolCallDelta(1, name="f", arguments="{}")],
    ),
    "whole calls of one function, all with index 0 and no id": (
        [call(index=0, id="", function={"name": "f", "arguments": "{}"})] * 2,
        [ToolCallDelta(0, name="f", arguments="{}"), ToolCallDelta(1, name="f", arguments="{}")],
    ),
    "the name again, without arguments": (
        [call(index=0, id="", function={"name": "f", "arguments": a}) for a in ("{}", "")],
        [ToolCallDelta(0, name="f", arguments="{}"), ToolCallDelta(0, name="f")],
    ),
    "another id with each fragment of one call": (
        [call(index=0, id="x", function={"name": "f"}), call(index=0, id="y", function={"arguments": "{}"})],
        [ToolCallDelta(0, "x", "f"), ToolCallDelta(0, "y", arguments="{}")],
    ),
    "one call without an array around it": (
        [
            {"tool_calls": {"index": 0, "id": "", "function": {"name": "f", "arguments": "{"}}},
            {"tool_calls": {"index": 0, "id": "", "function": {"name": None, "arguments": "}"}}},
        ],
        [ToolCallDelta(0, name="f", arguments="{"), ToolCallDelta(0, arguments="}")],
    ),
    "tool_calls that are none": (
        [{"tool_calls": {"index": 0}}],
        [Malformed("tool_calls is not an array", '{"index":0}')],
    ),
    "a call that is none": ([{"tool_calls": ["x"]}], [Malformed("a tool call is not an object", '"x"')]),
    "a function that is none": (
        [call(index=0, function="f")],
        [Malformed("a tool call's function is not an object", '"f"')],
    ),
    "ids and names that are no strings": (
        [call(index="0", id=7, function={"name": ["f"], "arguments": 3})],
        [ToolCallDelta(0, arguments="3")],
    ),
}
"""Deltas of one choice, and the events that they are."""


@pytest.mark.parametrize("case", DELTAS)
def test_deltas(case: str) -> None:
    """Each delta says what DESIGN.md's table and the vendors' references say; nothing raises."""
    deltas, expected = DELTAS[case]
    assert said(ROLE, *(chunk(choice(delta)) for delta in deltas), DONE) == expected


@pytest.mark.parametrize("case", DELTAS)
def test_deltas_of_another_choice(case: str) -> None:
    """A second choice is read as the first, and kept apart from it."""
    deltas, expected = DELTAS[case]
    other = [
        event if isinstance(event, (KeepAlive, Malformed)) else msgspec.structs.replace(event, choice=3)
        for event in expected
    ]
    assert said(ROLE, *(chunk(choice(delta, index=3)) for delta in deltas), DONE) == other


CHUNKS: dict[str, tuple[list[bytes], list[Event]]] = {
    "n > 1, choices side by side": (
        [chunk(choice({"content": "a"}), choice({"content": "b"}, index=1)), chunk(choice({"content": "c"}, index=1))],
        [TextDelta("a"), TextDelta("b", 1), TextDelta("c", 1)],
    ),
    "logprobs are let by": (
        [chunk(choice({"content": "a"}, logprobs={"content": [{"token": "a", "logprob": -0.1, "top_logprobs": []}]}))],
        [TextDelta("a")],
    ),
    "members nobody documented are let by": (
        [chunk(choice({"content": "a", "x": {}}, stop_reason=None, y=1), z=[], provider="p", service_tier="default")],
        [TextDelta("a")],
    ),
    "text and finish in one chunk": ([chunk(choice({"content": "a"}, "length"))], [TextDelta("a"), Finish("length")]),
    "a choice without a delta": ([chunk({"index": 0, "finish_reason": "stop"})], [Finish("stop")]),
    "a choice without an index": ([chunk({"delta": {"content": "a"}})], [TextDelta("a")]),
    "an index that is no number": (
        [chunk(choice({"content": "a"}, index=i)) for i in ("1", None, True, 1.5, [])],
        [TextDelta("a")] * 5,
    ),
    "an empty finish_reason is none": ([chunk(choice({"content": "a"}, ""))], [TextDelta("a")]),
    "usage after all choices": (
        [STOP, chunk(usage={"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8})],
        [Finish("stop"), Usage(3, 5)],
    ),
    "usage in the finish chunk": (
        [chunk(choice(finish="stop"), usage={"prompt_tokens": 3, "completion_tokens": 5})],
        [Finish("stop"), Usage(3, 5)],
    ),
    "usage in every chunk": (
        [
            chunk(choice({"content": t}), usage={"prompt_tokens": 3, "completion_tokens": n})
            for n, t in enumerate("ab", 1)
        ],
        [TextDelta("a"), Usage(3, 1), TextDelta("b"), Usage(3, 2)],
    ),
    "null usage": ([chunk(choice({"content": "a"}), usage=None)], [TextDelta("a")]),
    "Groq's usage": (
        [chunk(choice(finish="stop"), x_groq={"id": "r", "usage": {"prompt_tokens": 3, "completion_tokens": 5}})],
        [Finish("stop"), Usage(3, 5, "x_groq.usage")],
    ),
    "Groq's usage in both places": (
        [
            chunk(usage={"prompt_tokens": 3, "completion_tokens": 5}, x_groq={"usage": {"prompt_tokens": 9}}),
            chunk(choice(finish="stop"), x_groq={"usage": {"prompt_tokens": 9, "completion_tokens": 9}}),
        ],
        [Usage(3, 5), Finish("stop")],
    ),
    "Groq's id alone": ([chunk(choice({"content": "a"}), x_groq={"id": "r"})], [TextDelta("a")]),
    "Moonshot's usage in the choice": (
        [chunk(choice(finish="stop", usage={"prompt_tokens": 3, "completion_tokens": 5}))],
        [Finish("stop"), Usage(3, 5, "choices[].usage")],
    ),
    "usage in the choice when it has been stated": (
        [chunk(usage={"prompt_tokens": 3}), chunk(choice(finish="stop", usage={"prompt_tokens": 9}))],
        [Usage(3), Finish("stop")],
    ),
    "choices without an index": (
        [chunk({"delta": {"content": "a"}}, {"delta": {"content": "b"}})],
        [TextDelta("a"), TextDelta("b", 1)],
    ),
    "usage with half its members": ([chunk(usage={"completion_tokens": 5})], [Usage(None, 5)]),
    "usage with odd members": (
        [chunk(usage={"prompt_tokens": "3", "completion_tokens": True}), chunk(usage={"prompt_tokens": 3.0})],
        [Usage(), Usage(3)],
    ),
    "usage that is none": ([chunk(usage=[1]), chunk(usage="x")], [KeepAlive(), KeepAlive()]),
    "Azure's filter results": (
        [sse({"id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]})],
        [KeepAlive()],
    ),
    "choices that are none": ([chunk(), sse({"id": "c1"}), sse({"choices": None})], [KeepAlive()] * 3),
    "choices that are no array": ([sse({"choices": {"a": 1}})], [Malformed("choices is not an array", '{"a":1}')]),
    "a choice that is no object": ([sse({"choices": ["a"]})], [Malformed("a choice is not an object", '"a"')]),
    "a delta that is no object": ([chunk(choice("a"))], [Malformed("delta is not an object", '"a"')]),
    "a finish_reason that is no string": ([chunk(choice(finish=1))], [Malformed("finish_reason is not a string", "1")]),
    "an empty object": ([b"data: {}\n\n"], [KeepAlive()]),
    "not JSON": ([b"data: {oops\n\n"], [Malformed("not JSON", "{oops")]),
    "an empty event": ([b"data:\n\n"], [Malformed("not JSON", "")]),
    "JSON but no object": (
        [b"data: [1]\n\n", b'data: "a"\n\n'],
        [Malformed("not a JSON object", t) for t in ("[1]", '"a"')],
    ),
    "comments": ([b": OPENROUTER PROCESSING\n\n", b":\n\n"], [KeepAlive("OPENROUTER PROCESSING"), KeepAlive()]),
    "an event name that is not `error`": (
        [sse({"choices": [choice({"content": "a"})]}, "completion")],
        [TextDelta("a")],
    ),
    "one JSON value over two data lines": (
        [b'data: {"choices": [{"delta":\ndata: {"content": "a"}}]}\n\n'],
        [TextDelta("a")],
    ),
}
"""Whole chunks behind a role chunk, and the events that they are."""


@pytest.mark.parametrize("case", CHUNKS)
def test_chunks(case: str) -> None:
    """Each chunk says what DESIGN.md's table and the vendors' references say; nothing raises."""
    bodies, expected = CHUNKS[case]
    got = said(ROLE, *bodies, DONE)
    plain = [Malformed(e.reason.partition(":")[0], e.excerpt) if isinstance(e, Malformed) else e for e in got]
    assert plain == expected


ERRORS: dict[str, tuple[bytes, StreamError]] = {
    "an object": (
        sse({"error": {"message": "it broke", "type": "server_error", "param": None, "code": "boom"}}),
        StreamError("it broke", "boom", "server_error"),
    ),
    "with a number as code": (sse({"error": {"message": "slow down", "code": 429}}), StreamError("slow down", "429")),
    "without a message": (sse({"error": {"status": 500}}), StreamError('{"status":500}')),
    "FastAPI's detail": (sse({"error": {"detail": "it broke"}}), StreamError("it broke")),
    "a string": (sse({"error": "it broke"}), StreamError("it broke")),
    "a list": (sse({"error": ["it broke"]}), StreamError('["it broke"]')),
    "in a chunk": (chunk(error={"message": "it broke", "code": 502}), StreamError("it broke", "502")),
    "vLLM's object": (
        sse({"object": "error", "message": "it broke", "type": "BadRequestError", "param": None, "code": 400}),
        StreamError("it broke", "400", "BadRequestError"),
    ),
    "event: error": (sse({"message": "it broke", "code": "boom"}, "error"), StreamError("it broke", "boom")),
    "event: error with an error member": (sse({"error": {"message": "it broke"}}, "error"), StreamError("it broke")),
    "event: error with a text": (b"event: error\ndata: it broke\n\n", StreamError("it broke")),
    "event: error with a JSON string": (sse("it broke", "error"), StreamError("it broke")),
    "Text Generation Inference's": (
        sse({"error": "it broke", "error_type": "validation"}),
        StreamError("it broke", error_type="validation"),
    ),
    "FastAPI's body": (sse({"detail": "it broke"}), StreamError("it broke")),
    "a bare message": (sse({"message": "it broke", "code": "boom"}), StreamError("it broke", "boom")),
    "MiniMax's": (sse({"base_resp": {"status_code": 1004, "status_msg": "no"}}), StreamError("no", "1004")),
    "OpenRouter's, in the choice": (
        chunk(choice(finish="error", error={"code": 502, "message": "down"})),
        StreamError("down", "502"),
    ),
    "Groq's": (chunk(x_groq={"id": "r", "error": "over capacity"}), StreamError("over capacity")),
}
"""In-band errors as they occur."""


def test_an_error_object_with_text() -> None:
    """`"object": "error"` is an error also in a chunk that is one piece of text otherwise."""
    body = ROLE + chunk(choice({"content": "a"}), object="error", message="it broke") + DONE
    assert said(ROLE, body)[1:] == [StreamError("it broke"), TextDelta("a"), End("error", "[DONE]")]


def test_a_line_over_the_limit_is_malformed() -> None:
    """What the framing could not read counts: with nothing after it, the stream ended malformed."""
    decoder = Decoder(SSEDecoder(limit=1000), ChatInterpreter())
    events = decoder.feed(b"data: " + b"x" * 5000 + b"\n\n") + decoder.eof()
    assert [e.reason for e in events if isinstance(e, Malformed)] == ["line longer than 1000 bytes"]
    assert [e.ended for e in events if isinstance(e, End)] == ["malformed"]


@pytest.mark.parametrize("case", ERRORS)
@pytest.mark.parametrize("tail", [b"", DONE])
def test_errors(case: str, tail: bytes) -> None:
    """An error that the stream reports is an event, and the stream ends in error, with [DONE] or without."""
    body, expected = ERRORS[case]
    events = [unlocated(e) for e in CHAT.decode(ROLE + chunk(choice({"content": "a"})) + body + tail)]
    assert [e for e in events if not isinstance(e, Finish)][:3] == [START, TextDelta("a"), expected]
    assert [e.ended for e in events if isinstance(e, End)] == ["error"]


def test_an_error_beside_its_finish() -> None:
    """OpenRouter sends the error in the chunk whose finish_reason is `error`; alone that word is an error too."""
    both = CHAT.read(chunk(choice({"content": "a"}, "error"), error={"code": 502, "message": "down"}) + DONE)
    assert both.ended == "error"
    assert both.errors == (ReportedError("down", code="502"),)
    assert both.choices == (Choice(text="a", finish_reason="error"),)
    assert CHAT.read(chunk(choice(finish="error")) + DONE).ended == "error"


def test_success_of_minimax_is_none() -> None:
    """A status_code of 0 says that all is well."""
    assert said(ROLE, chunk(base_resp={"status_code": 0, "status_msg": ""}), DONE) == [KeepAlive()]


def test_null_error_is_none() -> None:
    """`"error": null` in each chunk, as some services send it, says nothing."""
    assert said(chunk(choice({"content": "a"}), error=None), DONE) == [TextDelta("a")]


TEXT = chunk(choice({"content": "a"}))
ENDS: dict[str, tuple[bytes, str]] = {
    "nothing at all": (b"", "truncated"),
    "[DONE] alone": (DONE, "complete"),
    "a finish_reason and [DONE]": (TEXT + STOP + DONE, "complete"),
    "a finish_reason without [DONE]": (TEXT + STOP, "complete"),
    "[DONE] without a finish_reason": (TEXT + DONE, "complete"),
    "neither": (TEXT, "truncated"),
    "a chunk that is cut": (TEXT + STOP[:-9], "truncated"),
    "a finish chunk without its blank line": (TEXT + STOP[:-1], "truncated"),
    "[DONE] without its blank line": (TEXT + DONE[:-1], "complete"),
    "[DONE] without any line end": (TEXT + DONE[:-2], "complete"),
    "[DONE] without space": (TEXT + b"data:[DONE]\n\n", "complete"),
    "[DONE] with spaces": (TEXT + b"data:  [DONE] \n\n", "complete"),
    "[DONE] that is cut": (TEXT + b"data: [DON", "truncated"),
    "one of two choices": (chunk(choice({}, "stop"), choice({"content": "b"}, index=1)), "truncated"),
    "both of two choices": (chunk(choice({}, "stop"), choice({"content": "b"}, "stop", 1)), "complete"),
    "no JSON": (b"data: oops\n\n", "malformed"),
    "an ill-typed delta": (chunk(choice("a")), "malformed"),
    "no JSON but [DONE]": (b"data: oops\n\n" + DONE, "complete"),
    "bad JSON but a finish_reason": (b"data: oops\n\n" + STOP, "complete"),
    "an HTML page": (b"<html>\n\n<p>data: x</p>\n</html>\n", "truncated"),
}


@pytest.mark.parametrize("case", ENDS)
def test_ends(case: str) -> None:
    """A stream is complete with [DONE] or a finish_reason on every choice that appeared, and with nothing less."""
    body, ended = ENDS[case]
    for events in (CHAT.decode(body), byte_by_byte(body)):
        assert [e.ended for e in events if isinstance(e, End)] == [ended]


def byte_by_byte(body: bytes) -> list[Event]:
    """The events of a body that comes one byte a read."""
    decoder = CHAT.decoder()
    return [e for i in range(len(body)) for e in decoder.feed(body[i : i + 1])] + decoder.eof()


def test_after_the_terminator() -> None:
    """What follows [DONE] is malformed, not part of the answer; [DONE] again says nothing; a comment is a comment."""
    events = said(TEXT, DONE, chunk(choice({"content": "late"})), DONE, b": bye\n\n", b"data: [DONE]\n")
    assert [type(e) for e in events] == [TextDelta, Malformed, KeepAlive, KeepAlive]
    assert all(e.reason == "data after the terminator" for e in events if isinstance(e, Malformed))
    assert CHAT.read(TEXT + DONE + chunk(choice({"content": "late"}))).choices == (Choice(text="a"),)


def test_a_whole_answer_in_a_stream() -> None:
    """A `message` is the answer where nothing was streamed, and what the deltas said where something was."""
    whole = {"index": 0, "message": {"role": "assistant", "content": "ab"}, "finish_reason": "stop"}
    only = CHAT.read(sse({"object": "chat.completion", "choices": [whole]}) + DONE)
    repeated = CHAT.read(TEXT + chunk(choice({"content": "b"})) + sse({"choices": [whole]}) + DONE)
    assert only.choices == repeated.choices == (Choice(text="ab", finish_reason="stop"),)


def test_identity_is_the_first_that_is_not_empty() -> None:
    """`id` and `model` come once, as soon as they are known; later ones and ill-typed ones change nothing."""
    bodies = [
        sse({"id": "", "model": "", "choices": []}),
        sse({"id": 5, "model": None, "choices": []}),
        sse({"id": "c1", "choices": []}),
        sse({"id": "c1", "model": "m1", "choices": []}),
        sse({"id": "c2", "model": "m2", "choices": [choice({"content": "a"})]}),
    ]
    events = [unlocated(e) for e in CHAT.decode(b"".join(bodies))]
    assert events[:5] == [KeepAlive(), KeepAlive(), Start("c1"), Start("c1", "m1"), TextDelta("a")]
    message = CHAT.read(b"".join(bodies))
    assert (message.id, message.model) == ("c1", "m1")


def test_spans_are_the_event_that_said_it() -> None:
    """Each event names the bytes of its chunk, and [DONE] its own."""
    parts = [ROLE, TEXT, STOP, DONE]
    starts = [sum(map(len, parts[:i])) for i in range(len(parts))]
    expected = [(start, start + len(part)) for start, part in zip(starts, parts, strict=True)]
    assert [e.span for e in CHAT.decode(b"".join(parts))] == expected
    assert [e.span for e in CHAT.decode(b": hi\n\n" + DONE)] == [(0, 5), (6, 6 + len(DONE))]


def test_whole_message() -> None:
    """One stream with everything: text, reasoning, parallel calls, two choices, usage."""
    body = (
        ROLE
        + chunk(choice({"reasoning_content": "think "}))
        + chunk(choice({"reasoning_content": "hard"}), choice({"content": "B"}, index=1))
        + chunk(choice({"content": "Hé"}))
        + chunk(choice({"content": "llo"}))
        + chunk(choice(call(index=0, id="x", function={"name": "f", "arguments": '{"a":'})))
        + chunk(choice(call(index=1, id="y", function={"name": "g", "arguments": ""})))
        + chunk(choice(call(index=0, function={"arguments": " 1}"})))
        + chunk(choice(finish="tool_calls"), choice(finish="stop", index=1))
        + chunk(usage={"prompt_tokens": 3, "completion_tokens": 5})
        + DONE
    )
    first = Choice("Héllo", "think hard", "", (ToolCall("x", "f", '{"a": 1}'), ToolCall("y", "g", "")), "tool_calls")
    expected = Message(
        "openai-chat", "complete", (first, Choice("B", finish_reason="stop")), TokenUsage(3, 5), (), 0, "m1", "c1"
    )
    assert CHAT.read(body) == expected


def test_characters_cut_between_deltas() -> None:
    """Halves of a surrogate pair in two deltas are one character of the message; a half alone stays what it is."""
    high = b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n'
    low = b'data: {"choices":[{"delta":{"content":"\\ude00"}}]}\n\n'
    assert CHAT.read(high + low).choices[0].text == "😀"
    alone = CHAT.read(high)
    assert alone.choices[0].text == "\ud83d"
    assert json.loads(to_json(alone))["choices"][0]["text"] == "\ud83d"


HOSTILE: dict[str, str] = {
    "deep arrays": "[" * 100_000 + "]" * 100_000,
    "deep objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "deep and never closed": "[" * 100_000,
    "a deep delta": '{"choices":[{"delta":{"content":' + "[" * 5000 + "]" * 5000 + "}}]}",
    "a huge whole number": '{"usage":{"prompt_tokens":' + "9" * 5000 + "}}",
    "a large whole number": '{"usage":{"prompt_tokens":' + "9" * 100 + "}}",
    "a huge fraction": '{"usage":{"prompt_tokens":1e999999}}',
    "a huge index": '{"choices":[{"index":' + "9" * 400 + ',"delta":{"content":"a"}}]}',
    "a huge call index": '{"choices":[{"delta":{"tool_calls":[{"index":' + "9" * 400 + "}]}}]}",
    "NaN": '{"usage":{"prompt_tokens":NaN,"completion_tokens":Infinity}}',
    "NaN in arguments": '{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":{"a":NaN}}}]}}]}',
    "a lone surrogate in arguments": '{"choices":[{"delta":{"tool_calls":[{"custom":{"input":{"a":"\\ud800"}}}]}}]}',
    "a lone surrogate as content": '{"choices":[{"delta":{"content":"\\udfff"}}]}',
    "a lone surrogate as error": '{"error":{"a":"\\ud800"}}',
    "a lone surrogate where nothing is": '{"choices":{"a":"\\ud800"}}',
    "NUL": '{"id":"\\u0000","choices":[{"delta":{"content":"\\u0000"}}]}',
    "a raw NUL": '{"id":"\x00"}',
    "names twice": '{"choices":[],"choices":[{"delta":{"content":"x","content":"a"}}]}',
    "an error in an error": '{"error":{"message":{"message":"a"},"code":{"a":[]},"type":[]}}',
    "arrays everywhere": '{"id":[],"model":[],"choices":[[]],"usage":[[]],"error":[[]],"x_groq":[],"object":[]}',
    "numbers everywhere": '{"id":1,"model":1,"choices":1,"usage":1,"error":1,"x_groq":1,"object":1}',
    "numbers in a choice": '{"choices":[{"index":-1,"delta":1,"finish_reason":1}]}',
    "true everywhere": '{"id":true,"model":true,"choices":[true],"usage":true,"error":true,"x_groq":true}',
    "a BOM": '\ufeff{"choices":[]}',
    "a million names": "{" + ",".join(f'"{n}":1' for n in range(100_000)) + "}",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_json(case: str) -> None:
    """Whatever JSON comes, decoding neither raises nor loses the chunk after it, and the events can be printed."""
    body = f"data: {HOSTILE[case]}\n\n".encode() + chunk(choice({"content": "after"})) + DONE
    events = CHAT.decode(body)
    assert [e for e in events if isinstance(e, TextDelta)][-1].text == "after"
    assert isinstance(events[-1], End)
    for event in events:
        assert len(to_json(event)) < 20_000
    json.loads(to_json(assemble("openai-chat", events)))


@pytest.mark.parametrize("depth", [*range(250, 262), *range(900, 1010, 5)])
def test_any_depth(depth: int) -> None:
    """Nesting up to 256 levels is read, more is malformed, whoever calls from however deep a stack."""
    inner = depth - 3  # levels that the object, its choices and the choice don't take
    body = b'data: {"choices":[{"delta":' + b"[" * inner + b"]" * inner + b"}]}\n\n"
    (event,) = (e for e in CHAT.decode(body) if isinstance(e, Malformed))
    assert event.reason == ("delta is not an object" if depth <= 256 else "not JSON: nested too deeply")
    assert len(event.excerpt) <= 200


@given(text=json_texts(), data=st.data())
def test_any_json_anywhere(text: str, data: st.DataObject) -> None:
    """Any text in any place of a chunk neither raises nor breaks what follows."""
    form = data.draw(
        st.sampled_from(
            [
                "%s",
                '{"choices":%s}',
                '{"choices":[%s]}',
                '{"choices":[{"index":0,"delta":%s}]}',
                '{"choices":[{"index":0,"delta":{"content":%s}}]}',
                '{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":%s}]}',
                '{"choices":[{"index":%s,"delta":{"content":"a"}}]}',
                '{"choices":[{"delta":{"tool_calls":%s}}]}',
                '{"choices":[{"delta":{"tool_calls":[{"index":%s,"id":%s,"function":{"arguments":%s}}]}}]}',
                '{"choices":[{"delta":{"reasoning_details":%s,"refusal":%s}}]}',
                '{"id":%s,"model":%s,"object":%s}',
                '{"error":%s}',
                '{"usage":{"prompt_tokens":%s,"completion_tokens":%s}}',
                '{"x_groq":%s}',
            ]
        )
    )
    payload = form.replace("%s", text).replace("\n", " ").replace("\r", " ")
    events = CHAT.decode(ROLE + f"data: {payload}\n\n".encode() + TEXT + DONE)
    assert isinstance(events[-1], (End, Malformed))
    assert sum(isinstance(e, End) for e in events) == 1
    assert [to_json(e) for e in events]


@given(text=json_texts(), extra=st.sampled_from(["usage", "error", "x_groq", "object", "id", "model", "choices"]))
def test_the_fast_path_agrees(text: str, extra: str) -> None:
    """A chunk of plain text with any further member gives the events that it gives without the fast path."""
    payload = f'{{"choices":[{{"index":0,"delta":{{"content":"a"}},"finish_reason":null}}],"{extra}":{text}}}'
    chunk_value = parse(payload)
    if isinstance(chunk_value, Undecodable):
        return
    slow: list[Event] = []
    interpreter = ChatInterpreter()
    interpreter.payload({"id": "c1", "model": "m1"}, NO_SPAN, slow)
    interpreter.payload(chunk_value, NO_SPAN, slow)
    fast = CHAT.decode(sse({"id": "c1", "model": "m1"}) + f"data: {payload}\n\n".encode())
    assert [unlocated(e) for e in fast[:-1]] == slow


# The way back.


@given(events=event_streams("openai-chat"))
def test_encoded_events_decode_to_themselves(events: tuple[Event, ...]) -> None:
    """decode(encode(events)) is the events, but for spans, identity and the reason of the end."""

    def plain(found: Any) -> list[Event]:
        ended = [msgspec.structs.replace(e, reason="") if isinstance(e, End) else e for e in map(unlocated, found)]
        return [e for e in ended if not isinstance(e, Start)]

    assert plain(CHAT.decode(b"".join(CHAT.encode(events)))) == plain(events)


def test_encoder_keeps_what_it_is_given() -> None:
    """Comments, half-known usage, error members and a call's second name survive the way to bytes and back."""
    events = [
        START,
        KeepAlive("working\u2028still"),
        ToolCallDelta(0, "x", "f"),
        ToolCallDelta(0, name="g", arguments="1"),
        TextDelta("\ud83d"),
        TextDelta("\x00\u2028\r\n"),
        Usage(None, 5),
        Usage(2**70, None),
        StreamError("m", "c", "t"),
        End("error", "[DONE]"),
    ]
    assert [unlocated(e) for e in CHAT.decode(b"".join(CHAT.encode(events)))] == events


def test_encoded_chunks_look_like_openais() -> None:
    """Role first, content after it, finish_reason null until the end, usage with empty choices, then [DONE]."""
    frames = CHAT.encode([START, TextDelta("a"), TextDelta("b", 1), Finish("stop"), Usage(3, 5), End("complete")])
    assert frames[-1] == DONE
    values = [json.loads(frame.removeprefix(b"data: ")) for frame in frames[:-1]]
    assert {v["object"] for v in values} == {"chat.completion.chunk"}
    assert {(v["id"], v["model"]) for v in values} == {("c1", "m1")}
    assert [v["choices"] for v in values] == [
        [{"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "a"}, "logprobs": None, "finish_reason": None}],
        [{"index": 1, "delta": {"role": "assistant", "content": "b"}, "logprobs": None, "finish_reason": None}],
        [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}],
        [],
    ]
    assert values[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


def test_one_frame_an_event() -> None:
    """Each event is one server-sent event, so that a fault can act on events."""
    events = [START, TextDelta("a"), Finish("stop"), End("complete")]
    assert [CHAT.cut(frame) for frame in CHAT.encode(events)] == [[frame] for frame in CHAT.encode(events)]


def test_truncation_has_no_bytes() -> None:
    """An end that is not the dialect's own is the lack of bytes."""
    assert CHAT.encode([START, TextDelta("a"), End("truncated")]) == CHAT.encode([START, TextDelta("a")])
    assert CHAT.read(b"".join(CHAT.encode([START, TextDelta("a"), End("truncated")]))).ended == "truncated"


def test_malformed_is_refused() -> None:
    """What has no bytes of its own can't be encoded."""
    with pytest.raises(StreamgaugeError, match="can't be encoded"):
        CHAT.encode([Malformed("x")])


def test_parts_of_the_dialect_fit_together() -> None:
    """Terminator, keep-alive and error frame are what the decoder takes them for."""
    assert CHAT.decode(CHAT.terminator)[-1].span == (0, len(CHAT.terminator))
    assert CHAT.read(CHAT.terminator).ended == "complete"
    assert [type(e) for e in CHAT.decode(CHAT.keepalive)[:-1]] == [KeepAlive]
    failed = CHAT.read(CHAT.error_frame("it broke", "boom"))
    assert failed.ended == "error"
    assert failed.errors == (ReportedError("it broke", "server_error", "boom"),)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request_error"), (401, "authentication_error"), (429, "rate_limit_error"), (500, "server_error")],
)
def test_error_bodies(status: int, kind: str) -> None:
    """An HTTP error's body has the members that OpenAI's clients read."""
    error = json.loads(CHAT.error_body(status, "no"))["error"]
    assert error == {"message": "no", "type": kind, "param": None, "code": None}


def test_requests() -> None:
    """A request has the members that were asked for, and no others."""
    plain = CHAT.request(ChatRequest.of("Hi", model="m"))
    assert plain.path == "/chat/completions"
    assert plain.body == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    full = ChatRequest(
        messages=(ChatMessage("user", "Hi"), ChatMessage("tool", "4", "call_1")),
        stream=False,
        max_tokens=5,
        temperature=0.0,
        seed=7,
        stop=("x",),
        n=2,
        tools=(Tool("f", "does f", {"type": "object"}),),
        extra={"logprobs": True},
    )
    assert CHAT.request(full).body == {
        "model": "gpt-4",
        "messages": [{"role": "user", "content": "Hi"}, {"role": "tool", "content": "4", "tool_call_id": "call_1"}],
        "max_tokens": 5,
        "temperature": 0.0,
        "seed": 7,
        "n": 2,
        "stop": ["x"],
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "description": "does f", "parameters": {"type": "object"}},
            }
        ],
        "logprobs": True,
    }


def test_models() -> None:
    """GET /v1/models lists the names."""
    assert CHAT.models is not None
    listed = CHAT.models(["a", "b"])
    assert listed["object"] == "list"
    assert [m["id"] for m in listed["data"]] == ["a", "b"]


def test_completion_is_read_like_its_stream() -> None:
    """A non-streaming answer gives the message that its chunks would."""
    answer = {
        "id": "c1",
        "model": "m1",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "a",
                    "reasoning": "r",
                    "tool_calls": [
                        {"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                        {"id": "y", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                    ],
                },
                "finish_reason": "tool_calls",
            },
            {"index": 1, "message": {"role": "assistant", "content": None, "refusal": "no"}, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5},
    }
    calls = (ToolCall("x", "f", "{}"), ToolCall("y", "g", "{}"))
    choices = (Choice("a", "r", "", calls, "tool_calls"), Choice(refusal="no", finish_reason="stop"))
    expected = Message("openai-chat", "complete", choices, TokenUsage(3, 5), (), 0, "m1", "c1")
    assert read_completion(answer) == expected == CHAT.message(answer)


@pytest.mark.parametrize("body", [None, [], "x", {}, {"choices": 5}, {"choices": [None]}, {"error": {"message": "no"}}])
def test_completion_of_anything(body: Any) -> None:
    """A non-streaming answer that is none doesn't raise either."""
    assert read_completion(body).ended in ("truncated", "error")


def test_detects_itself() -> None:
    """The first bytes of a stream tell the dialect, and why."""
    assert CHAT.detect(ROLE) == 'an event has "object": "chat.completion.chunk"'
    assert CHAT.detect(sse({"choices": [{"delta": {}}]})) == 'an event has "choices" with a "delta"'
    whole = {"object": "chat.completion", "choices": [{"message": {}}]}
    assert CHAT.detect(sse(whole)) == 'an event has "choices" with a "message"'
    assert CHAT.detect(sse({"object": "chat.completion", "result": "Ernie's own API"})) is None
    assert CHAT.detect(json.dumps(whole).encode()) is None
    assert CHAT.detect(b"event: message_start\ndata: {}\n\n") is None
    assert CHAT.detect(b"<html>") is None


# Real streams.

MALFORMED: dict[str, str] = {}
"""Real openai-chat streams that are truly malformed, by file, with the reason: there are none."""


def shortened(value: Any) -> Any:
    """A long string as the shared expectations abbreviate it; null, "" and absent are equal."""
    if isinstance(value, str) and len(value) > 2000:
        return {"sha256": hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest(), "len": len(value)}
    return value or None


def comparable(message: dict[str, Any], skip: list[str]) -> dict[str, Any]:
    """The members that both sides state, without those that the collection calls ambiguous."""
    choices = [
        {
            **{name: shortened(c.get(name)) for name in ("text", "reasoning", "refusal", "finish_reason")},
            "tool_calls": [
                (t.get("id") or "", t.get("name") or "", shortened(t.get("arguments") or "{}"))
                for t in c.get("tool_calls") or ()
            ],
        }
        for c in message.get("choices") or [{}]
    ]
    usage = message.get("usage") or {}
    facts = {
        "choices": [{name: v for name, v in c.items() if name not in skip} for c in choices],
        "ended": message["ended"],
        "id": shortened(message.get("id")),
        "model": shortened(message.get("model")),
        "usage": (usage.get("input_tokens"), usage.get("output_tokens")),
        "errors": len(message.get("errors") or ()),
        "malformed": message.get("malformed", 0),
    }
    return {name: value for name, value in facts.items() if name not in skip}


@pytest.mark.shared
def test_real_streams(shared: Path) -> None:
    """Every real openai-chat stream carries the message that was worked out for it, and nothing malformed."""
    streams = shared / "streams"
    expected = {e["sha256"]: e for e in map(json.loads, (streams / "expected.jsonl").read_bytes().splitlines())}
    index = map(json.loads, (streams / "index.jsonl").read_bytes().splitlines())
    found = [i for i in index if i["sha256"] in expected and expected[i["sha256"]]["dialect"] == "openai-chat"]
    assert len(found) >= 150
    for entry in found:
        want = expected[entry["sha256"]]
        got = to_dict(CHAT.read((streams / entry["file"]).read_bytes()))
        skip = want.get("ambiguous_fields", [])
        assert comparable(got, skip) == comparable(want, skip), entry["file"]
        assert bool(got["malformed"]) == (entry["file"] in MALFORMED), entry["file"]
