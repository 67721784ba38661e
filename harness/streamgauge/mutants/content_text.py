"""What the text says: characters lost or spelled otherwise, said again, or not meant for the reader.

Most of it only the non-streaming answer to the same request can tell: a text that lacks a word is a text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.events import ReasoningDelta, RefusalDelta, TextDelta
from streamgauge.mutants import Edit, operator
from streamgauge.mutants._places import Place, always, places, put
from streamgauge.mutants.equivalence import stop_stays, unjudgeable
from streamgauge.mutants.stream import Piece, Stream
from streamgauge.wire import members

ALL = ("all",)
TEXT = ("AGG-001",)


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
    "lost-character",
    "A character of a text is missing",
    applies=ALL,
    noticed_by=TEXT,
    equivalent=unjudgeable,
)
def lost_character(stream: Stream) -> Iterator[Edit]:
    yield from _edits(stream, texts(stream), "the last character lost", lambda said: said[:-1])
    yield from _edits(stream, texts(stream), "the first character lost", lambda said: said[1:])


@operator(
    "stripped-space",
    "White space around a delta is stripped",
    applies=ALL,
    noticed_by=TEXT,
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
    noticed_by=(*TEXT, "SSE-007"),
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
    noticed_by=TEXT,
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
    noticed_by=TEXT,
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


@operator(
    "leaked-stop",
    "The stop sequence of the request stands in the text",
    applies=ALL,
    noticed_by=("AGG-006",),
    equivalent=stop_stays,
)
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
    return _more(stream.request or {}, with_stop, without)


def _more(kept: dict[str, Any], after: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """What `after` has more than `before`; an object that both have keeps what else the request says in it."""
    found: dict[str, Any] = {}
    for name, value in after.items():
        if isinstance(value, dict) and isinstance(inner := before.get(name), dict) and inner != value:
            found[name] = {**members(kept.get(name)), **_more(members(kept.get(name)), value, inner)}
        elif before.get(name) != value:
            found[name] = value
    return found
