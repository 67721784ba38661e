"""What the stream says: text, reasoning, tool calls, finish and usage that are lost, doubled, swapped or changed.

Most of it only the non-streaming answer to the same request can tell: a text that lacks a word is a text.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.events import (
    OUTPUT,
    End,
    Event,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    StreamError,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from streamgauge.mutants import Edit, operator
from streamgauge.mutants._places import Place, always, frames_of, get, leaves, places, put, shown
from streamgauge.mutants.equivalence import unjudgeable
from streamgauge.mutants.flow import SAID, right
from streamgauge.mutants.stream import Piece, Stream

ALL = ("all",)
TEXT = ("AGG-001",)
CALLS = ("AGG-002",)
ORDER = ("OAR-003", "OAR-011")
"""Rules of a dialect that numbers its events, or repeats at the end what it said."""


def texts(stream: Stream) -> Iterator[Place[Any]]:
    """Every place where text, reasoning or a refusal is said."""
    for kind in (TextDelta, ReasoningDelta, RefusalDelta):
        yield from places(stream, kind, "text")


def _edits(stream: Stream, found: Iterator[Place[Any]], what: str, change: Callable[[Any], Any]) -> Iterator[Edit]:
    """An edit for each place at which the change changes something."""
    for place in found:
        said = getattr(place.event, "text", None) or getattr(place.event, "arguments", None)
        if change(said) != said:
            yield place.edit(stream, what, change)


@operator(
    "lost-output",
    "An event with output is missing",
    applies=ALL,
    equivalent=unjudgeable,
)
def lost_output(stream: Stream) -> Iterator[Edit]:
    for number in frames_of(stream, *OUTPUT):
        yield Edit(f"frame {number}", partial(stream.instead, number), right(stream, number))


@operator(
    "doubled-output",
    "An event with output comes twice",
    applies=ALL,
    equivalent=unjudgeable,
)
def doubled_output(stream: Stream) -> Iterator[Edit]:
    for number in frames_of(stream, *OUTPUT):
        made = partial(stream.inserted, number, stream.pieces[number])
        yield Edit(f"frame {number}", made, right(stream, number))


@operator(
    "swapped-output",
    "Two events with output in the wrong order",
    applies=ALL,
    equivalent=unjudgeable,
)
def swapped_output(stream: Stream) -> Iterator[Edit]:
    found = frames_of(stream, *OUTPUT)
    for one, other in zip(found, found[1:], strict=False):
        yield Edit(f"frames {one} and {other}", partial(stream.swapped, one, other), right(stream, one, other))


def _without_output(stream: Stream) -> Stream:
    lost = set(frames_of(stream, *OUTPUT)) - set(frames_of(stream, Finish))
    return stream.with_pieces(p for n, p in enumerate(stream.pieces) if n not in lost)


@operator("empty-answer", "All output is missing", applies=ALL, noticed_by=(*SAID, *ORDER), equivalent=unjudgeable)
def empty_answer(stream: Stream) -> Iterator[Edit]:
    if set(frames_of(stream, *OUTPUT)) - set(frames_of(stream, Finish)):
        yield Edit("all of it", partial(_without_output, stream))


@operator(
    "lost-character",
    "A character of a text is missing",
    applies=ALL,
    noticed_by=(*TEXT, *ORDER),
    equivalent=unjudgeable,
)
def lost_character(stream: Stream) -> Iterator[Edit]:
    yield from _edits(stream, texts(stream), "the last character lost", lambda said: said[:-1])
    yield from _edits(stream, texts(stream), "the first character lost", lambda said: said[1:])


@operator(
    "stripped-space",
    "White space around a delta is stripped",
    applies=ALL,
    noticed_by=(*TEXT, *ORDER),
    equivalent=unjudgeable,
)
def stripped_space(stream: Stream) -> Iterator[Edit]:
    yield from _edits(stream, texts(stream), "stripped", str.strip)


def _mojibake(said: str) -> str:
    return said.encode("utf-8", "surrogatepass").decode("latin-1")


GARBLED: dict[str, Callable[[str], str]] = {
    "UTF-8 read as Latin-1": _mojibake,
    "HTML entities": html.escape,
    "escaped twice": lambda said: said.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"'),
    "U+FFFD for what is not ASCII": lambda said: re.sub("[^\x00-\x7f]", "\ufffd", said),
    "in lower case": str.lower,
}


@operator(
    "garbled-text",
    "A text in another spelling",
    applies=ALL,
    noticed_by=(*TEXT, "SSE-007", *ORDER),
    equivalent=unjudgeable,
)
def garbled_text(stream: Stream) -> Iterator[Edit]:
    for what, change in GARBLED.items():
        for edit in _edits(stream, texts(stream), what, change):
            yield Edit(edit.what, edit.make, group=what)


@operator(
    "cut-character",
    "The bytes of one character as U+FFFD, half in each of two deltas",
    applies=("sse",),
    noticed_by=("SSE-007",),
)
def cut_character(stream: Stream) -> Iterator[Edit]:
    for one, other in _pairs(stream):
        yield Edit(f"frames {one.number} and {other.number}", partial(_halved, stream, one, other))


def _pairs(stream: Stream) -> Iterator[tuple[Place[TextDelta], Place[TextDelta]]]:
    """Text deltas that follow each other, in one choice."""
    found = list(places(stream, TextDelta, "text"))
    for one, other in zip(found, found[1:], strict=False):
        if one.event.choice == other.event.choice and one.number != other.number:
            yield one, other


def _halved(stream: Stream, one: Place[TextDelta], other: Place[TextDelta]) -> Stream:
    made = stream.changed(one.number, partial(put, one.path, lambda said: said + "\ufffd"))
    return made.changed(other.number, partial(put, other.path, lambda said: "\ufffd" + said))


@operator(
    "cut-bytes",
    "The bytes of one character half in each of two deltas",
    applies=("sse", "ndjson", "json-array"),
    noticed_by=("SSE-007",),
)
def cut_bytes(stream: Stream) -> Iterator[Edit]:
    for one, other in _pairs(stream):
        yield Edit(f"frames {one.number} and {other.number}", partial(_torn, stream, one, other))


def _torn(stream: Stream, one: Place[TextDelta], other: Place[TextDelta]) -> Stream:
    halves = _halved(stream, one, other)
    for number, half in ((one.number, b"\xe2\x82"), (other.number, b"\xac")):
        piece = halves.pieces[number]
        halves = halves.instead(number, Piece(piece.raw.replace("\ufffd".encode(), half), None, piece.name))
    return halves


@operator("invalid-byte", "A byte that is no UTF-8", applies=("sse", "ndjson", "json-array"), noticed_by=("SSE-007",))
def invalid_byte(stream: Stream) -> Iterator[Edit]:
    for byte in (b"\xff", b"\xc3", b"\xed\xa0\xbd"):
        for number, _ in stream.objects:
            piece = stream.pieces[number]
            raw = piece.raw.replace(b'":"', b'":"' + byte, 1)
            if raw != piece.raw:
                made = partial(stream.instead, number, Piece(raw, None, piece.name))
                yield Edit(f"frame {number}: {byte!r}", made, group=repr(byte))


@operator(
    "snapshots",
    "Each text delta holds all of the text so far",
    applies=ALL,
    noticed_by=("SEQ-008", "OLL-008", *TEXT, *ORDER),
    equivalent=unjudgeable,
)
def snapshots(stream: Stream) -> Iterator[Edit]:
    found = list(places(stream, TextDelta, "text"))
    if len(found) > 1:
        yield Edit("every text delta", partial(_snapshots, stream, found))


def _snapshots(stream: Stream, found: list[Place[TextDelta]]) -> Stream:
    said: dict[int, str] = {}
    for place in found:
        told = said[place.event.choice] = said.get(place.event.choice, "") + place.event.text
        stream = stream.changed(place.number, partial(put, place.path, always(told)))
    return stream


@operator(
    "answer-again",
    "The last text delta holds all of the text again",
    applies=ALL,
    noticed_by=("SEQ-008", "OLL-008", *TEXT, *ORDER),
    equivalent=unjudgeable,
)
def answer_again(stream: Stream) -> Iterator[Edit]:
    found = list(places(stream, TextDelta, "text"))
    if len(found) > 2:
        last = found[-1]
        joined = "".join(p.event.text for p in found if p.event.choice == last.event.choice)
        yield last.edit(stream, "all of the text", lambda _: joined)


@operator("leaked-markup", "A special token of the model in the text", applies=ALL, noticed_by=("AGG-007",))
def leaked_markup(stream: Stream) -> Iterator[Edit]:
    last = {p.event.choice: p for p in places(stream, TextDelta, "text")}
    for token in ("<|im_end|>", "<|eot_id|>", "</s>", "<tool_call>", "<|channel|>final"):
        for place in last.values():
            edit = place.edit(stream, token, partial(_followed, token))
            yield Edit(edit.what, edit.make, group=token)


def _followed(tail: str, said: str) -> str:
    return said + tail


@operator("leaked-stop", "The stop sequence of the request stands in the text", applies=ALL, noticed_by=("AGG-006",))
def leaked_stop(stream: Stream) -> Iterator[Edit]:
    if stream.request is not None:
        for place in places(stream, TextDelta, "text"):
            if place.event.text.strip():
                request = {**stream.request, **_stop(stream, place.event.text.strip())}
                yield Edit(f"stop {place.event.text.strip()!r}", partial(stream.but, request=request))


def _stop(stream: Stream, word: str) -> dict[str, Any]:
    """The members of a request in this dialect that name a stop sequence; none where it has no such thing."""
    plain = ChatRequest.of("x")
    with_stop, without = stream.dialect.request(replace(plain, stop=(word,))).body, stream.dialect.request(plain).body
    return {name: value for name, value in with_stop.items() if without.get(name) != value}


@operator(
    "lost-fragment",
    "A part of a tool call's arguments is missing",
    applies=ALL,
    noticed_by=(*CALLS, *ORDER, "OAC-020", "ANT-006", "OLL-005", "GEM-008"),
)
def lost_fragment(stream: Stream) -> Iterator[Edit]:
    for change, what in ((lambda said: said[1:], "the first"), (lambda said: said[:-1], "the last")):
        found = (p for p in _arguments(stream) if isinstance(p.event.arguments, str))
        for place in found:
            yield place.edit(stream, f"{what} character lost", partial(_of_text, change))


def _arguments(stream: Stream) -> Iterator[Place[ToolCallDelta]]:
    for place in places(stream, ToolCallDelta, "arguments"):
        if not place.event.server and place.event.arguments not in ("{}", "[]"):
            yield place


def _of_text(change: Callable[[str], str], value: Any) -> Any:
    """A text with the change made; of an object, which can't lose a character, the first member is lost."""
    if isinstance(value, str):
        return change(value)
    return dict(list(value.items())[1:])


@operator(
    "doubled-fragment",
    "A part of a tool call's arguments twice",
    applies=ALL,
    noticed_by=(*CALLS, *ORDER, "OAC-020", "ANT-006"),
)
def doubled_fragment(stream: Stream) -> Iterator[Edit]:
    for place in _arguments(stream):
        if not place.event.arguments.startswith("{") or not _is_object(stream, place):
            yield place.edit(stream, "twice", lambda said: said + said)


def _is_object(stream: Stream, place: Place[ToolCallDelta]) -> bool:
    return isinstance(get(place.path, stream.pieces[place.number].value), dict)


@operator("other-function", "Another name of the function that is called", applies=ALL, noticed_by=CALLS)
def other_function(stream: Stream) -> Iterator[Edit]:
    for number, events in enumerate(stream.spoken):
        for name in {e.name for e in events if isinstance(e, ToolCallDelta) and e.name and not e.server}:
            for path, value in leaves(stream.pieces[number].value):
                if value == name and path[-1] == "name":
                    made = partial(stream.changed, number, partial(put, path, lambda said: said + "_2"))
                    yield Edit(f"frame {number}, {shown(path)}", made)


@operator(
    "other-reason",
    "Another documented reason why the answer ended",
    applies=ALL,
    noticed_by=("AGG-003", "SEQ-005", "OAR-017", "COH-013", "COH-007"),
    equivalent=unjudgeable,
)
def other_reason(stream: Stream) -> Iterator[Edit]:
    for place in places(stream, Finish, "reason"):
        for word in stream.dialect.finish_reasons:
            if word != place.event.reason:
                yield place.edit(stream, word, always(word))


COUNT = re.compile(r"(?i)token|eval_count")


@operator(
    "wrong-usage",
    "A token count that is one too many",
    applies=ALL,
    noticed_by=("AGG-004", "USE-004", "USE-006", "USE-009", "USE-010", "USE-014", "GEM-009"),
    by_meaning=True,
    equivalent=unjudgeable,
)
def wrong_usage(stream: Stream) -> Iterator[Edit]:
    for number in frames_of(stream, Usage):
        for path, value in leaves(stream.pieces[number].value):
            if type(value) is int and isinstance(path[-1], str) and COUNT.search(path[-1]):
                made = partial(stream.changed, number, partial(put, path, lambda count: count + 1))
                yield Edit(f"frame {number}, {shown(path)}", made, group=shown(path))


def _says(stream: Stream, kind: type[Event]) -> list[int]:
    """The pieces that say this and nothing else."""
    return [n for n, events in enumerate(stream.spoken) if events and all(isinstance(e, kind) for e in events)]


@operator(
    "lost-usage",
    "The event that states the usage is missing",
    applies=ALL,
    noticed_by=("USE-001", "AGG-004", "USE-009", "USE-010", "COH-002", "BRK-003", "USE-006", *ORDER),
    by_meaning=True,
    equivalent=unjudgeable,
)
def lost_usage(stream: Stream) -> Iterator[Edit]:
    for number in _says(stream, Usage):
        yield Edit(f"frame {number}", partial(stream.instead, number))


@operator("lost-finish", "The event that states why the answer ended is missing", applies=ALL)
def lost_finish(stream: Stream) -> Iterator[Edit]:
    for number in frames_of(stream, Finish):
        yield Edit(f"frame {number}", partial(stream.instead, number), right(stream, number))


LEAKS = (
    'Traceback (most recent call last):\n  File "/srv/app.py", line 7, in handle',
    "upstream http://10.1.2.3:8000/v1 refused the connection",
    "invalid header: Bearer abcdefghijklmnopqrstuvwxyz",
)


def _error(stream: Stream, message: str) -> Piece:
    """The dialect's own error, framed as the stream is."""
    frame = stream.dialect.error_frame(message, "500")
    if stream.framing != "json-array":
        return Piece(frame)
    return stream.say(json.loads(frame[frame.index(b"{") :]), stream.pieces[0])


@operator("leaking-error", "An error that tells internals", applies=ALL, noticed_by=("ERR-014",))
def leaking_error(stream: Stream) -> Iterator[Edit]:
    for message in LEAKS:
        frame = _error(stream, message)
        for number in range(1, min(frames_of(stream, End, StreamError) or [len(stream.pieces)])):
            made = partial(stream.with_pieces, [*stream.pieces[:number], frame])
            yield Edit(f"in place of frame {number} and all behind it", made, group=message)
