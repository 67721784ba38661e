"""Events: their JSON lines are the contract of `streamgauge decode`."""

from __future__ import annotations

import json
from typing import get_args

import msgspec
import pytest
from hypothesis import given

from streamgauge import events
from streamgauge.events import (
    EXCERPT,
    OUTPUT,
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
    excerpt,
    from_json,
    to_json,
    unlocated,
)
from streamgauge.strategies import event_streams

LINES: dict[str, Event] = {
    '{"type":"start","id":"c1","model":"m1","choice":0,"span":[0,5]}': Start("c1", "m1", span=(0, 5)),
    '{"type":"text","text":"é😀","choice":0,"span":[0,5]}': TextDelta("é😀", span=(0, 5)),
    '{"type":"reasoning","text":"r","choice":1,"span":[0,5]}': ReasoningDelta("r", 1, (0, 5)),
    '{"type":"refusal","text":"no","choice":0,"span":[0,5]}': RefusalDelta("no", span=(0, 5)),
    '{"type":"tool_call","index":1,"id":"x","name":"f","arguments":"{","server":false,"output":"",'
    '"choice":0,"span":[0,5]}': ToolCallDelta(1, "x", "f", "{", span=(0, 5)),
    '{"type":"finish","reason":"stop","choice":0,"span":[0,5]}': Finish("stop", span=(0, 5)),
    '{"type":"usage","input_tokens":3,"output_tokens":null,"source":"usage","choice":0,"span":[0,5]}': (
        Usage(3, span=(0, 5))
    ),
    '{"type":"error","message":"m","code":"c","error_type":"t","choice":0,"span":[0,5]}': (
        StreamError("m", "c", "t", span=(0, 5))
    ),
    '{"type":"malformed","reason":"r","excerpt":"e","choice":0,"span":[0,5]}': Malformed("r", "e", span=(0, 5)),
    '{"type":"keepalive","text":"","choice":0,"span":[0,5]}': KeepAlive(span=(0, 5)),
    '{"type":"end","ended":"complete","reason":"[DONE]","choice":0,"span":[5,5]}': End(
        "complete", "[DONE]", span=(5, 5)
    ),
}


@pytest.mark.parametrize("line", LINES)
def test_lines(line: str) -> None:
    """Each event is one line of JSON with type, choice and span, and comes back from it."""
    assert to_json(LINES[line]) == line
    assert from_json(line) == LINES[line]
    assert from_json(line.encode()) == LINES[line]


def test_every_kind_is_in_the_table() -> None:
    """No kind of event is without its line, and the types are those that DESIGN.md names."""
    assert {type(event) for event in LINES.values()} == set(get_args(Event))
    names = "text reasoning refusal tool_call finish usage error malformed keepalive start end"
    assert {json.loads(line)["type"] for line in LINES} == set(names.split())


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", '{"type":"nothing"}', '{"type":"text"}', '{"type":"text","text":5}', "nope"]
)
def test_other_lines_are_refused(line: str) -> None:
    """What `to_json` never wrote is refused."""
    with pytest.raises(msgspec.DecodeError):
        from_json(line)


@given(drawn=event_streams())
def test_any_event_survives_its_line(drawn: tuple[Event, ...]) -> None:
    """Whatever text an event holds, its line is one line, and is JSON."""
    for event in drawn:
        line = to_json(event)
        assert "\n" not in line
        assert "\r" not in line
        json.loads(line)
        if "\\ud" not in line:
            assert from_json(line) == event


def test_lone_surrogates_are_escaped() -> None:
    """Half a character, which UTF-8 can't carry, is a JSON escape; the rest of the line is as ever."""
    line = to_json(TextDelta("a\ud83d"))
    assert line == '{"type":"text","text":"a\\ud83d","choice":0,"span":[0,0]}'
    line.encode()


def test_numbers_beyond_64_bits() -> None:
    """A count that no machine word holds is printed all the same."""
    assert json.loads(to_json(Usage(2**70)))["input_tokens"] == 2**70


@pytest.mark.parametrize(("size", "kept"), [(0, 0), (EXCERPT, EXCERPT), (EXCERPT + 1, EXCERPT), (10_000, EXCERPT)])
def test_excerpts_are_short(size: int, kept: int) -> None:
    """At most 200 characters are shown, and a cut is visible."""
    shown = excerpt("x" * size)
    assert len(shown) == kept
    assert shown.endswith("…") == (size > EXCERPT)


def test_unlocated() -> None:
    """Without its span an event says the same."""
    assert unlocated(TextDelta("a", 1, (3, 9))) == TextDelta("a", 1)
    assert all(unlocated(event) == msgspec.structs.replace(event, span=(0, 0)) for event in LINES.values())


def test_events_are_values() -> None:
    """Events can't be changed, and equal ones hash alike."""
    event = TextDelta("a")
    with pytest.raises(AttributeError):
        event.text = "b"  # type: ignore[misc]
    assert len({event, TextDelta("a")}) == 1


def test_output_is_what_a_token_is_measured_by() -> None:
    """Text, reasoning, refusal and tool calls are output; nothing else is."""
    tags = {kind.__struct_config__.tag for kind in OUTPUT}
    assert tags == {"text", "reasoning", "refusal", "tool_call"}
    assert not isinstance(KeepAlive(), OUTPUT)
    assert events.NO_SPAN == (0, 0)
