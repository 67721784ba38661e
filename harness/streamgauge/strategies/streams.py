"""Strategies for streams: the events that say a message, and the bytes that carry them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace

from streamgauge.dialect import Dialect
from streamgauge.events import (
    End,
    Event,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Start,
    StreamError,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from streamgauge.message import Choice, Message
from streamgauge.registry import get_dialect
from streamgauge.strategies.abilities import Ability, remaining
from streamgauge.strategies.answers import messages

T = TypeVar("T")


def events_of(message: Message) -> tuple[Event, ...]:
    """The plainest events that say a message: one delta for each text and each call, choice after choice."""
    return _framed(message, (e for number, choice in enumerate(message.choices) for e in _pieces(choice, number)))


def event_streams(
    dialect: str = "openai-chat", *, said: SearchStrategy[Message] | None = None, without: Sequence[Ability] = ()
) -> SearchStrategy[tuple[Event, ...]]:
    """Events that say a message: texts cut between any two characters, arguments in fragments, choices mixed.

    said: the messages, by default `messages(dialect, without=without)`. without: also how they are said, like "mixed
    choices". `streamgauge.message.assemble` gives the message back. Raises UnknownNameError for an unknown dialect or
    ability.
    """
    able = remaining(dialect, without)
    return (messages(dialect, without=without) if said is None else said).flatmap(
        lambda message: _event_streams(message, able)
    )


def wire_streams(
    dialect: str = "openai-chat", *, said: SearchStrategy[Message] | None = None, without: Sequence[Ability] = ()
) -> SearchStrategy[tuple[bytes, Message]]:
    """The bytes of a valid stream of a dialect, and the message that it carries.

    said: the messages, by default `messages(dialect, without=without)`. without: also how they are said, like "split
    surrogates". Raises UnknownNameError for an unknown dialect or ability.
    """
    able = remaining(dialect, without)
    return _wire_streams(get_dialect(dialect), messages(dialect, without=without) if said is None else said, able)


@st.composite
def _wire_streams(
    draw: st.DrawFn, dialect: Dialect, said: SearchStrategy[Message], able: frozenset[Ability]
) -> tuple[bytes, Message]:
    message = draw(said)
    return b"".join(dialect.encode(draw(_event_streams(message, able)))), message


@st.composite
def _event_streams(draw: st.DrawFn, message: Message, able: frozenset[Ability]) -> tuple[Event, ...]:
    lanes: list[list[list[Event]]] = []
    for number, choice in enumerate(message.choices):
        parts = [draw(_fragments(piece, able)) for piece in _pieces(choice, number)]
        calls = [part for part in parts if isinstance(part[0], ToolCallDelta) and not part[0].server]
        if len(calls) > 1 and "interleaved tools" in able and draw(st.booleans()):
            first = parts.index(calls[0])
            heads = [call[0] for call in calls]  # in order: a call's index tells when it appeared first
            parts[first : first + len(calls)] = [heads, draw(_mixed([call[1:] for call in calls]))]
        single = "mixed choices" in able
        lanes.append([[event] for part in parts for event in part] if single else parts)
    return _framed(message, (event for part in draw(_mixed(lanes)) for event in part))


@st.composite
def _mixed(draw: st.DrawFn, lanes: list[list[T]]) -> list[T]:
    """Each lane's items in their order, those of different lanes in any."""
    labels = [number for number, lane in enumerate(lanes) for _ in lane]
    order = draw(st.permutations(labels)) if len(lanes) > 1 and draw(st.booleans()) else labels
    sources = [iter(lane) for lane in lanes]
    return [next(sources[number]) for number in order]


@st.composite
def _fragments(draw: st.DrawFn, event: Event, able: frozenset[Ability]) -> list[Event]:
    match event:
        case TextDelta() | ReasoningDelta() | RefusalDelta():
            parts = draw(_split(event.text))
            if "split surrogates" in able and draw(st.booleans()):
                parts = [half for part in parts for half in _halves(part)]
            return [replace(event, text=part) for part in parts]
        case ToolCallDelta():
            head = replace(event, arguments="", output="")
            rest = replace(head, id="", name="")
            pieces: list[str] = draw(_split(event.arguments)) if event.arguments else []
            if draw(st.booleans()) and pieces:
                head = replace(head, arguments=pieces.pop(0))
            output = [replace(rest, output=event.output)] if event.output else []
            return [head, *(replace(rest, arguments=piece) for piece in pieces), *output]
        case _:
            return [event]


@st.composite
def _split(draw: st.DrawFn, text: str) -> list[str]:
    """A text that isn't empty, cut between characters, with no empty part."""
    inside = range(1, len(text))
    if not inside:
        return [text]
    inner = draw(st.lists(st.integers(1, len(text) - 1), max_size=4))
    if draw(st.integers(0, 4)) == 4:  # the last, so that failures shrink to few fragments
        inner = [*inside[:40]]
    marks = [0, *sorted(set(inner)), len(text)]
    return [text[a:b] for a, b in pairwise(marks)]


def _halves(text: str) -> list[str]:
    """A text whose first character is beyond U+FFFF, cut in the middle of it, as UTF-16 services do."""
    if ord(text[0]) <= 0xFFFF:
        return [text]
    pair = text[0].encode("utf-16-le")
    high, low = (pair[i : i + 2].decode("utf-16-le", "surrogatepass") for i in (0, 2))
    return [high, low + text[1:]]


def _framed(message: Message, said: Iterable[Event]) -> tuple[Event, ...]:
    errors = tuple(StreamError(e.message, e.code, e.type) for e in message.errors)
    usage = (Usage(message.usage.input_tokens, message.usage.output_tokens),) if message.usage else ()
    return (Start(message.id, message.model), *said, *usage, *errors, End(message.ended))


def _pieces(choice: Choice, number: int) -> Iterator[Event]:
    """What a choice says, each thing in one event."""
    if choice.reasoning:
        yield ReasoningDelta(choice.reasoning, number)
    for index, run in enumerate(choice.server_tool_calls):
        yield ToolCallDelta(index, run.id, run.name, run.arguments, True, run.output, number)
    if choice.text:
        yield TextDelta(choice.text, number)
    if choice.refusal:
        yield RefusalDelta(choice.refusal, number)
    for index, call in enumerate(choice.tool_calls, len(choice.server_tool_calls)):
        yield ToolCallDelta(index, call.id, call.name, call.arguments, choice=number)
    if choice.finish_reason is not None:
        yield Finish(choice.finish_reason, number)
