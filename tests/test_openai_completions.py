"""OpenAI's legacy completions: what each chunk means, and the way back to bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from streamgauge.chat import ChatRequest
from streamgauge.dialects.openai_completions.decoder import read_text_completion
from streamgauge.errors import StreamgaugeError
from streamgauge.events import (
    End,
    Event,
    Finish,
    KeepAlive,
    Malformed,
    ReasoningDelta,
    Start,
    StreamError,
    TextDelta,
    ToolCallDelta,
    Usage,
    unlocated,
)
from streamgauge.message import Choice, Message, TokenUsage, assemble
from streamgauge.registry import get_dialect
from streamgauge.strategies import event_streams, json_texts

TEXT = get_dialect("openai-completions")
START = Start("c1", "m1")
DONE = b"data: [DONE]\n\n"


def sse(value: Any) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def chunk(*choices: Any, **members: Any) -> bytes:
    return sse({"id": "c1", "object": "text_completion", "model": "m1", "choices": list(choices), **members})


def choice(text: Any, finish: Any = None, index: Any = 0) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish}


def said(*bodies: bytes) -> list[Event]:
    """The events of a stream without spans, its identity and its good end."""
    events = [unlocated(e) for e in TEXT.decode(b"".join((*bodies, DONE)))]
    return [e for e in events if e not in (START, End("complete", "[DONE]"))]


FIRST = chunk(choice("a"))
CHUNKS: dict[str, tuple[bytes, list[Event]]] = {
    "text": (chunk(choice("b")), [TextDelta("b")]),
    "an empty text": (chunk(choice("")), [KeepAlive()]),
    "a text that is null": (chunk(choice(None)), [KeepAlive()]),
    "the last text with its reason": (chunk(choice("b", "length")), [TextDelta("b"), Finish("length")]),
    "a reason alone": (chunk(choice("", "stop")), [Finish("stop")]),
    "a reason without text": (chunk({"index": 0, "finish_reason": "stop"}), [Finish("stop")]),
    "a chat delta": (chunk({"delta": {}, "finish_reason": "stop"}), [Finish("stop")]),
    "two choices": (chunk(choice("b"), choice("c", index=1)), [TextDelta("b"), TextDelta("c", 1)]),
    "no index": (chunk({"text": "b"}), [TextDelta("b")]),
    "usage": (chunk(usage={"prompt_tokens": 1, "completion_tokens": 2}), [Usage(1, 2)]),
    "usage beside text": (
        chunk(choice("b"), usage={"prompt_tokens": 1, "completion_tokens": 2}),
        [TextDelta("b"), Usage(1, 2)],
    ),
    "usage null": (chunk(choice("b"), usage=None), [TextDelta("b")]),
    "log probabilities": (chunk({**choice("b"), "logprobs": {"tokens": ["b"]}}), [TextDelta("b")]),
    "an error": (
        sse({"error": {"message": "x", "type": "t", "code": "c"}}),
        [StreamError("x", "c", "t"), End("error", "[DONE]")],
    ),
    "no choices": (chunk(), [KeepAlive()]),
}


@pytest.mark.parametrize("name", CHUNKS)
def test_chunks(name: str) -> None:
    """Each chunk says what the row states, behind a plain one too."""
    body, expected = CHUNKS[name]
    assert said(FIRST, body) == [TextDelta("a"), *expected]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (choice({"b": 1}), "delta.content is neither a string nor an array"),
        (choice(3), "delta.content is neither a string nor an array"),
        ("b", "a choice is not an object"),
        (choice("b", 3), "finish_reason is not a string"),
    ],
)
def test_odd_members(value: Any, reason: str) -> None:
    """A member of a type that the schema forbids is malformed, and says which."""
    assert [e.reason for e in said(FIRST, chunk(value)) if isinstance(e, Malformed)] == [reason]


@pytest.mark.parametrize(
    ("bodies", "ended"),
    [
        ((chunk(choice("", "stop")), DONE), "complete"),
        ((chunk(choice("", "stop")),), "complete"),
        ((DONE,), "complete"),
        ((), "truncated"),
        ((sse({"error": {"message": "x"}}),), "error"),
        ((b"data: {\n\n",), "malformed"),
    ],
)
def test_endings(bodies: tuple[bytes, ...], ended: str) -> None:
    """[DONE], or a finish_reason for each choice, make the answer complete."""
    assert TEXT.read(FIRST + b"".join(bodies)).ended == ended


@given(text=json_texts())
def test_any_text_is_read(text: str) -> None:
    """Any JSON text as the data of an event, or as a choice of one."""
    data = text.replace("\n", " ").replace("\r", " ")
    TEXT.read(f'data: {data}\n\ndata: {{"choices":[{data}]}}\n\n'.encode("utf-8", "replace"))


@given(events=event_streams("openai-completions"))
def test_round_trip(events: tuple[Event, ...]) -> None:
    """What a stream says survives encoding and decoding."""
    assert TEXT.read(b"".join(TEXT.encode(events))) == assemble("openai-completions", events)


@pytest.mark.parametrize("event", [ReasoningDelta("hm"), ToolCallDelta(0, "c", "f"), Malformed("x")])
def test_what_can_not_be_said(event: Event) -> None:
    """Reasoning and tool calls have no place: refused, never dropped."""
    with pytest.raises(StreamgaugeError, match="openai-completions"):
        TEXT.encode([event])


def test_a_whole_answer() -> None:
    """The non-streaming completion is read by the same rules."""
    answer = {
        "id": "c1",
        "model": "m1",
        "choices": [choice("a", "stop"), choice("b", "length", 1)],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    choices = (Choice(text="a", finish_reason="stop"), Choice(text="b", finish_reason="length"))
    want = Message("openai-completions", "complete", choices, TokenUsage(1, 2), (), 0, "m1", "c1")
    assert read_text_completion(answer) == want == TEXT.message(answer)


def test_a_request() -> None:
    """The turns are one prompt."""
    wire = TEXT.request(ChatRequest.of("Hi", model="m"))
    assert (wire.path, wire.body["prompt"], wire.body["stream"]) == ("/completions", "Hi", True)


def test_detects_itself() -> None:
    """The object's name tells; a chat delta under it does not."""
    assert TEXT.detect(FIRST) == 'an event has "object": "text_completion" and "choices" with a "text"'
    assert TEXT.detect(sse({"choices": [{"index": 0, "text": "a"}]})) == 'an event has "choices" with a "text"'
    assert TEXT.detect(sse({"object": "text_completion", "choices": [{"delta": {}}]})) is None
    assert TEXT.detect(sse({"choices": [{"message": {"content": [{"type": "text", "text": "a"}]}}]})) is None
