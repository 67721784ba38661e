"""Ollama's objects, of /api/chat and /api/generate: what each means, and the way back to bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.chat import ChatMessage, ChatRequest, Tool
from streamgauge.detect import detect
from streamgauge.dialects.ollama._samples import COUNTS, HEAD, HELLO, called, chat, end, lines
from streamgauge.dialects.ollama.decoder import OllamaInterpreter
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

CHAT, GENERATE = get_dialect("ollama-chat"), get_dialect("ollama-generate")
BOTH = pytest.mark.parametrize("dialect", [CHAT, GENERATE], ids=lambda d: d.name)
GOOD = (Start("", "llama3"), Finish("stop"), Usage(3, 2, "eval_count"), End("complete", "done: true"))


def said(*values: dict[str, Any]) -> list[Event]:
    """The events of a stream of these objects and a last one, without spans, identity and good end."""
    events = [unlocated(e) for e in CHAT.decode(lines(*values, end()).encode("utf-8", "surrogatepass"))]
    return [e for e in events if e not in GOOD]


def generated(**members: Any) -> dict[str, Any]:
    return {**HEAD, "response": "", "done": False, **members}


def message(**members: Any) -> dict[str, Any]:
    return {**chat(""), "message": {"role": "assistant", "content": "", **members}}


SAID: dict[str, tuple[dict[str, Any], list[Event]]] = {
    "text": (chat("a"), [TextDelta("a")]),
    "thinking": (message(thinking="hm"), [ReasoningDelta("hm")]),
    "thinking and text": (message(thinking="hm", content="a"), [ReasoningDelta("hm"), TextDelta("a")]),
    "generated text": (generated(response="a"), [TextDelta("a")]),
    "generated thinking": (generated(thinking="hm"), [ReasoningDelta("hm")]),
    "a call": (called({"a": 1}), [ToolCallDelta(0, "", "f", '{"a":1}')]),
    "a call with id and index": (
        message(tool_calls=[{"id": "c", "function": {"index": 0, "name": "f", "arguments": {}}}]),
        [ToolCallDelta(0, "c", "f", "{}")],
    ),
    "two calls": (
        message(tool_calls=[{"function": {"name": "f"}}, {"function": {"name": "g", "arguments": {"b": 2}}}]),
        [ToolCallDelta(0, "", "f", "{}"), ToolCallDelta(1, "", "g", '{"b":2}')],
    ),
    "a call whose arguments are text": (called('{"a": 1}'), [ToolCallDelta(0, "", "f", '{"a": 1}')]),
    "a generated call": (
        generated(tool_calls=[{"function": {"name": "f", "arguments": {}}}]),
        [ToolCallDelta(0, "", "f", "{}")],
    ),
    "images, log probabilities, steps of an image": (
        {**message(images=["x"]), "logprobs": [{"token": "a", "logprob": 0.0}], "completed": 1, "total": 4},
        [],
    ),
    "nothing": (chat(""), []),
    "an error": ({"error": "x"}, [StreamError("x"), End("error", "done: true")]),
    "an error that is an object": ({"error": {"message": "x"}}, [StreamError("x"), End("error", "done: true")]),
    "an error that is something else": ({"error": [1]}, [StreamError("[1]"), End("error", "done: true")]),
}


@pytest.mark.parametrize("name", SAID)
def test_events(name: str) -> None:
    """Each documented member says what the row states."""
    value, expected = SAID[name]
    assert said(value) == expected


def test_what_says_nothing_is_a_keepalive() -> None:
    """An object behind the first that has nothing to say is told, and is no output."""
    events = CHAT.decode(lines(chat("a"), chat("")).encode())
    assert unlocated(events[2]) == KeepAlive()


def test_a_whole_stream() -> None:
    """The model first, then what is said, the last object's reason and counts, the end."""
    assert [unlocated(e) for e in CHAT.decode(lines(*HELLO).encode())] == [
        GOOD[0],
        TextDelta("Hello"),
        TextDelta(" there"),
        *GOOD[1:],
    ]


ENDS: dict[str, tuple[str, str]] = {
    "done": (lines(*HELLO), "complete"),
    "done without its line end": (lines(*HELLO)[:-1], "complete"),
    "done in CRLF": (lines(*HELLO).replace("\n", "\r\n"), "complete"),
    "done without a reason": (lines(chat("a"), end(done_reason=...)), "complete"),
    "not done": (lines(chat("a")), "truncated"),
    "cut inside the last object": (lines(*HELLO)[:-9], "truncated"),
    "nothing": ("", "truncated"),
    "an error": (lines(chat("a"), {"error": "x"}), "error"),
    "an error, then done": (lines(chat("a"), {"error": "x"}, end()), "error"),
    "no JSON": ("hello\n", "malformed"),
}


@pytest.mark.parametrize("name", ENDS)
def test_endings(name: str) -> None:
    """The object with done: true makes the answer complete, and nothing else does."""
    body, ended = ENDS[name]
    assert CHAT.read(body.encode()).ended == ended


def test_data_behind_the_end() -> None:
    """It is malformed, and changes nothing of the answer."""
    found = CHAT.read(lines(*HELLO, chat("more")).encode())
    assert (found.choices[0].text, found.ended, found.malformed) == ("Hello there", "complete", 1)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.floats() | st.text(max_size=3) | st.just("\ud83d"),
    lambda v: (
        st.lists(v, max_size=2)
        | st.dictionaries(
            st.sampled_from(("content", "thinking", "tool_calls", "function", "name", "arguments")), v, max_size=4
        )
    ),
    max_leaves=8,
)
PAYLOADS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("model", "message", "response", "error", "done", "done_reason", "eval_count", "tool_calls"), VALUES
    ),
)


@given(payloads=st.lists(PAYLOADS, max_size=5))
def test_any_json_is_read(payloads: list[dict[str, Any]]) -> None:
    """Members of any type in any place never raise, and the stream has one end."""
    interpreter = OllamaInterpreter()
    out: list[Event] = []
    for payload in payloads:
        interpreter.payload(payload, (0, 1), out)
    interpreter.end(1, out)
    assert sum(isinstance(e, End) for e in out) == 1
    assemble("ollama-chat", out)


@BOTH
@given(text=json_texts())
def test_any_text_is_read(dialect: Any, text: str) -> None:
    """Any JSON text as a line."""
    dialect.read(f"{text}\n".encode("utf-8", "replace"))


@BOTH
@given(data=st.data())
def test_round_trip(dialect: Any, data: st.DataObject) -> None:
    """What a stream says survives encoding and decoding."""
    events = data.draw(event_streams(dialect.name))
    assert dialect.read(b"".join(dialect.encode(events))) == assemble(dialect.name, events)


@pytest.mark.parametrize(
    ("dialect", "events"),
    [
        (CHAT, [TextDelta("a", choice=1)]),
        (CHAT, [RefusalDelta("no")]),
        (CHAT, [Malformed("x")]),
        (CHAT, [ToolCallDelta(0, "", "f", "{")]),
        (CHAT, [ToolCallDelta(0, "", "f", "[]")]),
        (GENERATE, [ToolCallDelta(0, "", "f", "{}")]),
    ],
)
def test_what_can_not_be_said(dialect: Any, events: list[Event]) -> None:
    """A second choice, a refusal, calls where there are none: refused, never dropped."""
    with pytest.raises(StreamgaugeError, match="ollama"):
        dialect.encode(events)


def test_a_whole_answer() -> None:
    """The non-streaming answer is the stream's objects in one."""
    tool_calls = [{"function": {"name": "f", "arguments": {}}}]
    body = {**end(), "message": {"role": "assistant", "content": "a", "thinking": "hm", "tool_calls": tool_calls}}
    choice = Choice(text="a", reasoning="hm", tool_calls=(ToolCall("", "f", "{}"),), finish_reason="stop")
    assert CHAT.message(body) == Message("ollama-chat", "complete", (choice,), TokenUsage(3, 2), (), 0, "llama3", "")
    generated_body = {**HEAD, "response": "a", "done": True, "done_reason": "stop", **COUNTS}
    assert GENERATE.message(generated_body).choices == (Choice(text="a", finish_reason="stop"),)
    assert CHAT.message(json.loads(CHAT.error_body(404, "no such model"))).errors == (ReportedError("no such model"),)
    assert CHAT.message(None).ended == "truncated"


def test_requests() -> None:
    """What a chat request is on the wire: whether it streams is always stated, for streaming is the default."""
    tool = Tool("f", "does", {"type": "object"})
    asked = ChatRequest(
        messages=(ChatMessage("user", "Hi"), ChatMessage("tool", "4", "f")), model="m", max_tokens=5, tools=(tool,)
    )
    wire = CHAT.request(asked)
    assert (wire.path, wire.body["stream"], wire.body["options"]) == ("/api/chat", True, {"num_predict": 5})
    assert wire.body["messages"][1] == {"role": "tool", "content": "4", "tool_name": "f"}
    assert wire.body["tools"][0]["function"]["name"] == "f"
    assert CHAT.request(ChatRequest(messages=(), model="m", stream=False)).body["stream"] is False
    assert GENERATE.request(ChatRequest.of("Hi", model="m")).body["prompt"] == "Hi"


def test_detects_itself() -> None:
    """The first object tells which of the two, whatever the order of its members."""
    assert detect(lines(*HELLO).encode()).dialect == "ollama-chat"
    assert detect(lines(generated(response="a")).encode()).dialect == "ollama-generate"
    turned = dict(reversed(chat("a").items()))
    assert detect(lines(turned, end()).encode()).dialect == "ollama-chat"
    assert CHAT.detect(b'{"model":"m","choices":[]}\n') is None
    assert CHAT.detect(b"<html>") is None


@BOTH
def test_an_error_frame(dialect: Any) -> None:
    """An error as bytes is one error, and ends the stream; the code goes into its text, which is all there is."""
    found = dialect.read(lines(HELLO[0]).encode() + dialect.error_frame("it broke", "boom"))
    assert (found.ended, found.errors) == ("error", (ReportedError("it broke (boom)"),))
