"""The public strategies draw what they promise."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from streamgauge import strategies
from streamgauge.engine import judge
from streamgauge.errors import UnknownNameError
from streamgauge.events import ReasoningDelta, TextDelta, ToolCallDelta
from streamgauge.message import Choice, Message, assemble
from streamgauge.registry import all_dialects, get_dialect
from streamgauge.rules import Exchange
from streamgauge.sse import ServerSentEvent, SSEDecoder
from streamgauge.strategies import (
    abilities,
    arguments,
    cuts,
    event_streams,
    events_of,
    json_texts,
    messages,
    sse_streams,
    texts,
    wire_streams,
)
from streamgauge.trace import Arrival, Trace

each_dialect = pytest.mark.parametrize("name", all_dialects())
patient = settings(max_examples=3000, phases=[Phase.generate])


@each_dialect
def test_abilities_come_from_the_dialect(name: str) -> None:
    """Every dialect says text and can be cut short; what it can't say, its encoder or its decoder showed."""
    assert {"text", "truncated"} <= abilities(name)


def test_abilities_of_chat() -> None:
    """Chat completions say all but the vendor's own tool calls."""
    able = abilities("openai-chat")
    assert {"reasoning", "refusal", "parallel tools", "interleaved tools", "choices", "usage", "errors"} <= able
    assert "server tools" not in able


def test_unknown_dialects_are_named() -> None:
    """A wrong name is refused before anything is drawn."""
    with pytest.raises(UnknownNameError, match="did you mean 'openai-chat'"):
        messages("openai-chta")


def test_unknown_abilities_are_named() -> None:
    """A word that leaves nothing out is refused, too: the test would go on drawing what it was to leave out."""
    for draws in (messages, event_streams, wire_streams):
        with pytest.raises(UnknownNameError, match="did you mean 'choices'"):
            draws("openai-chat", without=("choises",))


@given(stream=wire_streams(without=("split surrogates", "tools", "reasoning")))
def test_how_it_is_said_is_left_out_too(stream: tuple[bytes, Message]) -> None:
    """Characters stay whole where halves are left out, and what is left out of messages is left out of streams."""
    body, message = stream
    for event in get_dialect("openai-chat").decode(body):
        assert not isinstance(event, (ReasoningDelta, ToolCallDelta))
        if isinstance(event, TextDelta):
            assert event.text.encode().decode() == event.text
    assert not any(choice.reasoning or choice.tool_calls for choice in message.choices)


def test_impossible_endings_are_refused() -> None:
    """Asking for nothing that the dialect can say is the caller's mistake, at once and not when drawing."""
    with pytest.raises(ValueError, match="openai-chat can't say any of"):
        messages("openai-chat", ended=("malformed",))
    with pytest.raises(ValueError, match="can't say any"):
        messages("openai-chat", ended=("error",), without=("errors",))


WANTED: dict[str, Callable[[Message], bool]] = {
    "text beyond the BMP": lambda m: any(ord(c) > 0xFFFF for choice in m.choices for c in choice.text),
    "right to left": lambda m: any("\u0590" <= c <= "\u06ff" for choice in m.choices for c in choice.text),
    "line ends": lambda m: any("\n" in choice.text for choice in m.choices),
    "what looks like framing": lambda m: any("data:" in choice.text for choice in m.choices),
    "reasoning and text": lambda m: any(c.reasoning and c.text for c in m.choices),
    "a refusal": lambda m: any(c.refusal for c in m.choices),
    "parallel calls": lambda m: any(len(c.tool_calls) > 1 for c in m.choices),
    "arguments that are no JSON": lambda m: any(t.arguments == "not JSON" for c in m.choices for t in c.tool_calls),
    "three choices": lambda m: len(m.choices) == 3,
    "usage": lambda m: m.usage is not None,
    "truncation": lambda m: m.ended == "truncated",
    "an error": lambda m: m.ended == "error" and bool(m.errors),
    "an answer that says nothing": lambda m: m.ended == "complete" and not m.choices[0].text,
}


@pytest.mark.parametrize("what", WANTED)
def test_messages_hold(what: str) -> None:
    """Each thing that an answer can be is drawn."""
    assert WANTED[what](find(messages(), WANTED[what], settings=patient))


@given(message=messages(without=("tools", "reasoning", "choices", "errors"), ended=("complete",)))
def test_what_is_left_out_is_not_drawn(message: Message) -> None:
    """Parts can be left out, endings chosen."""
    assert message.ended == "complete"
    assert len(message.choices) == 1
    assert not message.choices[0].tool_calls
    assert not message.choices[0].reasoning
    assert not message.errors


def test_calls_are_cut_and_mixed() -> None:
    """Arguments come in fragments, and those of parallel calls among each other."""

    def mixed(events: tuple[object, ...]) -> bool:
        order = [e.index for e in events if isinstance(e, ToolCallDelta)]
        return len(order) > 3 and order != sorted(order)

    assert mixed(find(event_streams(said=messages(ended=("complete",), without=("choices",))), mixed, settings=patient))


def test_characters_are_cut() -> None:
    """A character beyond U+FFFF comes in halves, as services that count UTF-16 units send it."""

    def cut(events: tuple[object, ...]) -> bool:
        return any("\ud800" <= e.text[-1] <= "\udbff" for e in events if isinstance(e, (TextDelta, ReasoningDelta)))

    assert cut(find(event_streams(), cut, settings=patient))


@each_dialect
@given(data=st.data())
def test_bytes_and_message_belong_together(name: str, data: st.DataObject) -> None:
    """What the bytes decode to is the message that came with them, for a message of the caller's, too."""
    mine = data.draw(messages(name, ended=("complete",)))
    body, message = data.draw(wire_streams(name, said=st.just(mine)))
    assert message == mine == get_dialect(name).read(body)
    assert assemble(name, events_of(mine)) == mine


@each_dialect
@settings(max_examples=40)
@given(data=st.data())
def test_whole_answers_are_valid(name: str, data: st.DataObject) -> None:
    """No rule for servers fails on a whole answer, save for arguments that are no JSON, as a model may write them."""
    body, _ = data.draw(wire_streams(name, said=messages(name, ended=("complete",))))
    exchange = Exchange(get_dialect(name), Trace(arrivals=(Arrival(0.0, body),), status=200))
    assert {v.rule for v in judge(exchange) if v.verdict in ("fail", "error")} <= {"ANT-006"}


@given(text=texts())
def test_texts_can_be_encoded(text: str) -> None:
    """No text holds what UTF-8 can't carry."""
    assert text.encode().decode() == text


@given(value=arguments(verbatim=False))
def test_arguments_are_compact_objects(value: str) -> None:
    """Arguments for dialects that send them as JSON values are compact objects."""
    parsed = json.loads(value)
    assert isinstance(parsed, dict)
    assert json.dumps(parsed, ensure_ascii=False, separators=(",", ":")) == value


@given(data=st.data(), body=st.binary(max_size=80))
def test_cuts_are_the_body(data: st.DataObject, body: bytes) -> None:
    """Pieces joined are the body; without empty pieces there is none."""
    assert b"".join(data.draw(cuts(body))) == body
    whole = data.draw(cuts(body, empty=False))
    assert b"".join(whole) == body
    assert all(whole)


def test_cuts_shrink_to_the_one_that_it_takes() -> None:
    """A parser that minds a cut inside a character is shown that cut, and not every byte by itself."""

    def minds(pieces: list[bytes]) -> bool:
        return any(piece.decode("utf-8", "ignore").encode() != piece for piece in pieces)

    body = "data: caf\u00e9 cr\u00e8me\n\n".encode() * 5
    found = find(cuts(body, empty=False), minds, settings=settings(database=None))
    assert len(found) == 2
    assert minds(found)


def test_cuts_come_in_every_grain() -> None:
    """Whole, a few pieces, and every byte by itself."""
    body = bytes(range(256)) * 8
    for wanted in (lambda n: n == 1, lambda n: 2 <= n <= 5, lambda n: n == len(body)):
        assert wanted(len(find(cuts(body, empty=False), lambda p, wanted=wanted: wanted(len(p)), settings=patient)))


def test_events_shrink_to_the_plainest() -> None:
    """Fragments and mixed choices are left out of a failure that doesn't need them."""
    choices = tuple(Choice(text=text, finish_reason="stop") for text in ("Hello, world", "Good morning"))
    message = Message("openai-chat", "complete", choices, model="m")
    said = event_streams(said=st.just(message))
    assert find(said, lambda _: True, settings=settings(database=None)) == events_of(message)


def test_a_failure_shows_bytes_and_message() -> None:
    """What hypothesis prints are the values, and not how they were made."""

    @settings(database=None, phases=[Phase.generate], max_examples=1)
    @given(stream=wire_streams("ollama-chat"))
    def fails(stream: tuple[bytes, Message]) -> None:
        raise AssertionError

    with pytest.raises(AssertionError) as caught:
        fails()
    assert re.search(
        r"""stream=\(b['"]\{.*Message\(dialect='ollama-chat'""", "".join(caught.value.__notes__), re.DOTALL
    )


STREAMS: dict[str, Callable[[bytes], bool]] = {
    "a BOM": lambda b: b.startswith(b"\xef\xbb\xbf"),
    "a lone CR": lambda b: b"\r" in b.replace(b"\r\n", b""),
    "CRLF": lambda b: b"\r\n\r\n" in b,
    "a comment": lambda b: b"\n:" in b,
    "NUL in an id": lambda b: b"id: \x00" in b,
    "a digit that is none": lambda b: "retry: ٣".encode() in b,
    "bytes that are no UTF-8": lambda b: b.decode("utf-8", "replace").encode() != b,
    "three events": lambda b: sum(isinstance(f, ServerSentEvent) for f in SSEDecoder().feed(b)) >= 3,
}


@pytest.mark.parametrize("what", STREAMS)
def test_sse_streams_hold(what: str) -> None:
    """Each thing that the standard has a rule for is drawn."""
    assert STREAMS[what](find(sse_streams(), STREAMS[what], settings=patient))


def test_json_texts_hold_both() -> None:
    """JSON and what is none are drawn."""

    def is_json(text: str) -> bool:
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return False
        return True

    assert is_json(find(json_texts(), is_json, settings=patient))
    assert not is_json(find(json_texts(), lambda text: not is_json(text), settings=patient))


PAGE = Path(__file__).parent.parent / "docs" / "strategies.md"


def example(page: str) -> Callable[[], None]:
    """The test that the documentation shows."""
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {"Phase": Phase}
    exec(compile(code, str(PAGE), "exec"), names)
    test: Callable[[], None] = names["test_my_parser"]
    return test


def test_the_documentation_runs() -> None:
    """The example of the documentation passes as it stands there."""
    example(PAGE.read_text("utf-8"))()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("self._decoder.decode(data)", 'data.decode("utf-8", "replace")'),
        ("*lines, self._rest = (self._rest + ", "*lines, _ = ("),
        ('choice["index"] == 0', "True"),
        ('.encode("utf-16", "surrogatepass").decode("utf-16")', ""),
    ],
)
def test_the_documentation_finds_faults(right: str, wrong: str) -> None:
    """The same test fails for a parser with a fault of the kind that it is made for."""
    page = PAGE.read_text("utf-8")
    assert right in page
    once = "@settings(deadline=None, database=None, max_examples=1000, phases=[Phase.generate])"  # found, not shrunk
    page = page.replace("@settings(deadline=None)", once)
    with pytest.raises((AssertionError, ValueError, KeyError)):
        example(page.replace(right, wrong))()


def test_each_name_is_documented() -> None:
    """The page names every public strategy."""
    page = PAGE.read_text("utf-8")
    assert [name for name in strategies.__all__ if name != "Ability" and f"{name}(" not in page] == []
