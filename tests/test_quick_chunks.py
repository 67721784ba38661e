"""Chunks that are tried as plain text first: what comes of them is what comes of them without that."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.dialects.openai_chat.decoder import TRIES, ChatInterpreter
from streamgauge.dialects.openai_completions.decoder import CompletionInterpreter
from streamgauge.events import Event
from streamgauge.recordings import shipped
from streamgauge.sse import ServerSentEvent

HEAD = {"id": "c-1", "model": "m"}
VALUES: list[Any] = [
    *(None, "", "x", "error", "\ud83d", 0, 1, -1, 1.0, 1.5, 2**70, True, False, [], ["x"], {}),
    *({"content": "x"}, {"a": None}, {"message": "x"}, {"prompt_tokens": 3}, {"usage": {"prompt_tokens": 3}}),
]
ODD = st.sampled_from(VALUES)
TOP = ("usage", "error", "object", "x_groq", "id", "note", "choices")
IN_CHOICE = ("index", "delta", "text", "finish_reason", "logprobs", "error of the choice", "usage of the choice")
IN_DELTA = ("content", "role", "tool_calls", "function_call", "reasoning", "reasoning_content", "refusal", "other")
CHANGES = st.lists(st.tuples(st.sampled_from((*TOP, *IN_CHOICE, *IN_DELTA)), ODD), max_size=2)


def changed(changes: list[tuple[str, Any]]) -> dict[str, Any]:
    """A chunk of the plainest kind with some members odd."""
    delta: dict[str, Any] = {"content": "x"}
    choice: dict[str, Any] = {"index": 0, "delta": delta, "text": "y", "finish_reason": None}
    chunk: dict[str, Any] = {"choices": [choice]}
    for name, value in changes:
        place = delta if name in IN_DELTA else choice if name in IN_CHOICE else chunk
        place[name.partition(" ")[0]] = value
    return chunk


CHUNKS = CHANGES.map(changed)
TEXTS = st.one_of(
    CHUNKS.map(lambda chunk: json.dumps(chunk)),
    CHUNKS.map(
        lambda chunk: json.dumps(
            {**chunk, "choices": [*chunk["choices"], {}]} if isinstance(chunk["choices"], list) else chunk
        )
    ),
    CHUNKS.map(lambda chunk: json.dumps(chunk)[:-1]),
    CHUNKS.map(lambda chunk: json.dumps(chunk).replace('"x"', "NaN")),
    CHUNKS.map(lambda chunk: json.dumps(chunk).replace('"content": ', '"content": "a", "content": ')),
    st.text(max_size=20),
    st.sampled_from(["[DONE]", " [DONE]", "[]", "{}", '{"choices":[{"index":0,"delta":{"content":"x"}}]} x']),
)


def told(interpreter: ChatInterpreter, texts: list[tuple[str, str]]) -> list[Event]:
    """The events of a stream whose first chunk states who answers."""
    out: list[Event] = []
    for text, name in [(json.dumps({**HEAD, "choices": []}), "message"), *texts]:
        interpreter.frame(ServerSentEvent(text, name), out)
    interpreter.end(0, out)
    return out


@pytest.mark.parametrize("kind", [ChatInterpreter, CompletionInterpreter])
@settings(deadline=None, max_examples=400)
@given(texts=st.lists(st.tuples(TEXTS, st.sampled_from(["message", "error", "x"])), min_size=1, max_size=4))
def test_the_same_events(kind: type[ChatInterpreter], texts: list[tuple[str, str]]) -> None:
    """Whatever a chunk holds, the quick way says what the other way says."""
    slow = kind()
    slow._misses = TRIES  # as behind many chunks that are none of the plainest kind
    assert told(kind(), texts) == told(slow, texts)


@pytest.mark.parametrize("kind", [ChatInterpreter, CompletionInterpreter])
@pytest.mark.parametrize("name", [*TOP, *IN_CHOICE, *IN_DELTA, "two choices"])
def test_each_odd_member(kind: type[ChatInterpreter], name: str) -> None:
    """One odd member in a chunk that is else of the plainest kind: the same events, for each odd value."""
    for value in VALUES:
        chunk = changed([] if name == "two choices" else [(name, value)])
        if name == "two choices":
            chunk["choices"].append(value)
        texts = [(json.dumps(chunk), event) for event in ("message", "error")]
        slow = kind()
        slow._misses = TRIES
        assert told(kind(), texts) == told(slow, texts), value


@pytest.mark.parametrize("name", [n for n in shipped() if n.startswith(("openai-chat/", "openai-completions/"))])
def test_recordings_say_the_same(name: str) -> None:
    """Recordings decode to the same events either way."""
    dialect = shipped()[name].get_dialect()
    framer = dialect.framer()
    frames = [*framer.feed(shipped()[name].trace.body), *framer.eof()]
    ways: list[list[Event]] = []
    for tries in (0, TRIES):
        interpreter = dialect.interpreter()
        assert isinstance(interpreter, ChatInterpreter)
        interpreter._misses = tries
        out: list[Event] = []
        for frame in frames:
            interpreter.frame(frame, out)
        ways.append(out)
    assert ways[0] == ways[1]


def chunk(**members: Any) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": {"content": "x"}}], **members}, separators=(",", ":"))


def test_deep_chunks_are_not_tried() -> None:
    """What is nested too deeply is malformed, also in a member that nobody reads."""
    deep = chunk(note=0).replace("0}", "[" * 300 + "]" * 300 + "}")
    kinds = [type(event).__name__ for event in told(ChatInterpreter(), [(deep, "message")])]
    assert "Malformed" in kinds
    assert "TextDelta" not in kinds


def test_misses_end_the_trying() -> None:
    """After some chunks in a row that are none of the plainest kind no more are tried, until one is."""
    interpreter = ChatInterpreter()
    other = json.dumps({"choices": [{"index": 0, "delta": {"role": "assistant"}}]})
    told(interpreter, [(other, "message")] * (TRIES - 1))
    assert interpreter._misses == TRIES - 1
    interpreter = ChatInterpreter()
    told(interpreter, [(other, "message"), (chunk(), "message")])
    assert interpreter._misses == 0
    interpreter = ChatInterpreter()
    told(interpreter, [(other, "message")] * 20)
    assert interpreter._misses == TRIES
