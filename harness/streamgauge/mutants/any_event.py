"""Whole events: lost, doubled, out of order, of an unknown kind, under another name; in every dialect."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any

from streamgauge.events import End
from streamgauge.mutants import Edit, operator
from streamgauge.mutants._places import frames_of
from streamgauge.mutants.equivalence import unjudgeable
from streamgauge.mutants.flow import behind, done, own, right, stray
from streamgauge.mutants.members import event_name
from streamgauge.mutants.stream import Piece, Stream

NO_STREAM = ("HTTP-004",)
"""Without its only event an answer is no stream."""
NO_OPS = ("ping",)
"""Events that say nothing, and may come anywhere or not at all."""


def _numbers(stream: Stream) -> list[int]:
    """The pieces that are events and no keep-alives."""
    known = ((n, event_name(stream, n)) for n, piece in enumerate(stream.pieces) if b": keep" not in piece.raw[:8])
    return [n for n, name in known if name not in NO_OPS and (stream.pieces[n].value is not None or n)]


@operator("lost-event", "An event is missing", applies=("all",), equivalent=unjudgeable)
def lost_event(stream: Stream) -> Iterator[Edit]:
    numbers = _numbers(stream)
    for number in numbers:
        name = event_name(stream, number)
        rules = right(stream, number) if len(numbers) > 1 else NO_STREAM
        yield Edit(f"frame {number} {name}", partial(stream.instead, number), rules, name)


@operator("doubled-event", "An event comes twice", applies=("all",), equivalent=unjudgeable)
def doubled_event(stream: Stream) -> Iterator[Edit]:
    for number in _numbers(stream):
        name = event_name(stream, number)
        made = partial(stream.inserted, number, stream.pieces[number])
        yield Edit(f"frame {number} {name}", made, right(stream, number), name)


@operator("swapped-events", "Two events in the wrong order", applies=("all",), equivalent=unjudgeable)
def swapped_events(stream: Stream) -> Iterator[Edit]:
    for one, other in pairwise(_numbers(stream)):
        names = f"{event_name(stream, one)} {event_name(stream, other)}".strip()
        made = partial(stream.swapped, one, other)
        yield Edit(f"frames {one} and {other} {names}", made, right(stream, one, other), names)


@operator("behind-the-end", "An event behind the last one", applies=("all",), equivalent=unjudgeable)
def behind_the_end(stream: Stream) -> Iterator[Edit]:
    if frames_of(stream, End):
        for number in _numbers(stream):
            made = partial(stream.inserted, len(stream.pieces), stream.pieces[number])
            yield Edit(f"frame {number} again", made, behind(stream), event_name(stream, number))


# Only where the dialect's flow names rules for it: its events have a name and a type that agree.


@operator("lost-name", "An event without its name", applies=("sse",))
def lost_name(stream: Stream) -> Iterator[Edit]:
    for number, piece in enumerate(stream.pieces if own(stream, "lost-name") else ()):
        if piece.name and piece.value is not None:
            bare = Piece(piece.raw[piece.raw.index(b"data:") :], piece.value)
            yield Edit(f"frame {number} {piece.name}", partial(stream.instead, number, bare), group=piece.name)


@operator("other-name", "An event under another event's name", applies=("sse",))
def other_name(stream: Stream) -> Iterator[Edit]:
    named = [n for n, piece in enumerate(stream.pieces) if piece.name and own(stream, "other-name")]
    for one, other in pairwise(named):
        piece, name = stream.pieces[one], stream.pieces[other].name
        if piece.name != name:
            made = Piece(piece.raw.replace(piece.name.encode(), name.encode(), 1), piece.value, name)
            yield Edit(f"frame {one} {piece.name}: {name}", partial(stream.instead, one, made), group=piece.name)


@operator("other-type", "An event's type is not its name", applies=("sse",))
def other_type(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects if own(stream, "other-type") else ():
        if isinstance(value.get("type"), str) and stream.pieces[number].name:
            for word in ("message", f"{value['type']}_2", value["type"].replace("_", "-").replace("-d", "_d")):
                if word != value["type"]:
                    made = partial(stream.changed, number, partial(_typed, word))
                    yield Edit(f"frame {number}: {word}", made, group=value["type"])


def _typed(word: str, value: dict[str, Any]) -> None:
    value["type"] = word


@operator("stray-done", "[DONE] behind a stream of a dialect that has none", applies=("all",))
def stray_done(stream: Stream) -> Iterator[Edit]:
    if (rules := done(stream)) and stream.framing != "json-array":
        frame = b"[DONE]\n" if stream.framing == "ndjson" else b"data: [DONE]\n\n"
        yield Edit("behind the last frame", partial(stream.inserted, len(stream.pieces), frame), rules)


@operator("stray-object", "An empty JSON object as an event", applies=("all",))
def stray_object(stream: Stream) -> Iterator[Edit]:
    for number, _ in stream.objects:
        made = partial(stream.inserted, number, stream.say({}, stream.pieces[number]))
        yield Edit(f"before frame {number}", made, stray(stream))
