"""Messages: what a stream's events add up to."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    to_json,
)
from streamgauge.message import (
    Choice,
    Message,
    MessageBuilder,
    ReportedError,
    ServerToolCall,
    TokenUsage,
    ToolCall,
    assemble,
    join,
    to_dict,
)
from streamgauge.strategies import event_streams, events_of, messages

CASES: dict[str, tuple[list[Event], Message]] = {
    "nothing": ([], Message("d", "truncated")),
    "an end alone": ([End("malformed")], Message("d", "malformed")),
    "deltas are joined": (
        [
            TextDelta("a"),
            ReasoningDelta("r"),
            TextDelta("b"),
            RefusalDelta("n"),
            ReasoningDelta("s"),
            RefusalDelta("o"),
        ],
        Message("d", "truncated", (Choice("ab", "rs", "no"),)),
    ),
    "choices are in order of their number": (
        [TextDelta("b", 2), TextDelta("a", 0), Finish("stop", 2)],
        Message("d", "truncated", (Choice("a"), Choice("b", finish_reason="stop"))),
    ),
    "the last finish reason counts": (
        [Finish("stop"), Finish("length"), End("complete")],
        Message("d", "complete", (Choice(finish_reason="length"),)),
    ),
    "calls are in order of appearance": (
        [
            ToolCallDelta(1, "y", "g"),
            ToolCallDelta(0, "x", "f", "{"),
            ToolCallDelta(1, arguments="1"),
            ToolCallDelta(0, arguments="}"),
        ],
        Message("d", "truncated", (Choice(tool_calls=(ToolCall("y", "g", "1"), ToolCall("x", "f", "{}"))),)),
    ),
    "a call's first id and name count": (
        [ToolCallDelta(0), ToolCallDelta(0, "x", "f"), ToolCallDelta(0, "y", "g")],
        Message("d", "truncated", (Choice(tool_calls=(ToolCall("x", "f"),)),)),
    ),
    "the vendor's own calls are kept apart": (
        [
            ToolCallDelta(0, "s", "search", "{}", server=True),
            ToolCallDelta(1, "x", "f"),
            ToolCallDelta(0, output="found ", server=True),
            ToolCallDelta(0, output="it", server=True),
        ],
        Message(
            "d",
            "truncated",
            (
                Choice(
                    tool_calls=(ToolCall("x", "f"),),
                    server_tool_calls=(ServerToolCall("s", "search", "{}", "found it"),),
                ),
            ),
        ),
    ),
    "usage is the last stated, member by member": (
        [Usage(3, 1), Usage(None, 5), Usage(None, None)],
        Message("d", "truncated", usage=TokenUsage(3, 5)),
    ),
    "usage without numbers is none": ([Usage()], Message("d", "truncated")),
    "zero is a number": ([Usage(0)], Message("d", "truncated", usage=TokenUsage(0, None))),
    "identity is the first that is not empty": (
        [Start("", "m1"), Start("c1", "m2"), Start("c2", "m3")],
        Message("d", "truncated", id="c1", model="m1"),
    ),
    "errors and what is malformed": (
        [StreamError("m", "c", "t"), Malformed("x"), StreamError("n"), Malformed("y"), End("error")],
        Message("d", "error", errors=(ReportedError("m", "t", "c"), ReportedError("n")), malformed=2),
    ),
    "keep-alives say nothing": ([KeepAlive("x")], Message("d", "truncated")),
}


@pytest.mark.parametrize("case", CASES)
def test_assemble(case: str) -> None:
    """Events add up to the message that DESIGN.md's table describes."""
    events, expected = CASES[case]
    assert assemble("d", events) == expected


def test_build_at_any_time() -> None:
    """A message can be looked at while its stream runs, and goes on growing."""
    builder = MessageBuilder("d")
    assert builder.build() == Message("d", "truncated")
    for number in range(1, 4):
        builder.add(TextDelta("a"))
        assert builder.build().choices[0].text == "a" * number


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([], ""),
        (["a", "b"], "ab"),
        (["é", "😀"], "é😀"),
        (["\ud83d", "\ude00"], "😀"),
        (["a\ud83d", "\ude00b\ud83d", "\ude00"], "a😀b😀"),
        (["\ud83d"], "\ud83d"),
        (["\ude00", "\ud83d"], "\ude00\ud83d"),
        (["😀\ud83d", "x"], "😀\ud83dx"),
    ],
)
def test_join(parts: list[str], text: str) -> None:
    """A surrogate pair cut between deltas becomes its character; a half alone stays."""
    assert join(parts) == text


@given(text=st.text(st.characters()))
def test_join_of_single_utf16_units(text: str) -> None:
    """A text that comes in single UTF-16 units is the text."""
    units = text.encode("utf-16-le", "surrogatepass")
    parts = [units[i : i + 2].decode("utf-16-le", "surrogatepass") for i in range(0, len(units), 2)]
    assert join(parts) == join([text])
    assert join(parts).encode("utf-16-le", "surrogatepass") == units


@given(message=messages("openai-chat"))
def test_events_of_a_message_give_it_back(message: Message) -> None:
    """The plainest events of a message add up to it."""
    assert assemble(message.dialect, events_of(message)) == message


@given(data=st.data())
def test_fragments_give_the_message_back(data: st.DataObject) -> None:
    """However its texts are cut and its choices and calls mixed, the message is the same."""
    message = data.draw(messages("openai-chat"))
    events = data.draw(event_streams("openai-chat", said=st.just(message)))
    assert assemble(message.dialect, events) == message


def test_json_shape() -> None:
    """`decode --message` prints the members that DESIGN.md names."""
    message = Message(
        "openai-chat", "complete", (Choice("a", tool_calls=(ToolCall("x", "f", "{}"),)),), TokenUsage(1, 2)
    )
    value = json.loads(to_json(message))
    assert json.loads(json.dumps(to_dict(message))) == value
    assert set(value) >= {"dialect", "ended", "choices", "usage", "errors", "malformed", "model", "id"}
    assert set(value["choices"][0]) >= {"text", "reasoning", "refusal", "tool_calls", "finish_reason"}
    assert value["choices"][0]["tool_calls"] == [{"id": "x", "name": "f", "arguments": "{}"}]
    assert value["usage"] == {"input_tokens": 1, "output_tokens": 2}
    assert value["choices"][0]["finish_reason"] is None
