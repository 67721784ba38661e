"""Whole events: lost, doubled, out of order, of an unknown kind, under another name; in every dialect."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any

from streamgauge.events import End
from streamgauge.mutants import Edit, operator
from streamgauge.mutants._places import frames_of
from streamgauge.mutants.content import unjudgeable
from streamgauge.mutants.members import event_name
from streamgauge.mutants.stream import Piece, Stream

SAID = ("AGG-001", "AGG-002", "AGG-003", "AGG-004")
CHAT = (
    *("OAC-005", "OAC-006", "OAC-008", "OAC-011", "OAC-017", "OAC-018", "OAC-020", "OAC-025"),
    *("SEQ-001", "SEQ-002", "SEQ-003", "SEQ-006", "SEQ-009", "USE-001", "USE-002", "ERR-001", "ERR-002"),
)
ANTHROPIC = ("ANT-002", "ANT-003", "ANT-004", "ANT-007", "ANT-008", "ANT-009", "ANT-019", "USE-006", "ERR-005")
RESPONSES = (*(f"OAR-{n:03}" for n in (3, 4, 5, 6, 7, 8, 9, 10, 11, 15)), "ERR-007")
GEMINI = ("GEM-003", "GEM-004", "GEM-008", "GEM-010", "GEM-014")
OLLAMA = ("OLL-002", "OLL-003", "USE-010", "ERR-008")
COHERE = ("COH-001", "COH-002", "COH-003", "COH-006", "COH-009")
BEDROCK = ("BRK-003", "BRK-005", "BRK-007", "BRK-009", "BRK-016", "ERR-009", "HTTP-004")
ORDER = (*SAID, *CHAT, *ANTHROPIC, *RESPONSES, *GEMINI, *OLLAMA, *COHERE, *BEDROCK)
"""The rules of sequence of each dialect: of one stream only its own count."""
NAMED = ("anthropic-messages", "openai-responses", "cohere-chat")
"""Dialects whose events have a name and a type that agree."""
EQUAL = ("ANT-001", "OAR-001", "COH-001")
NO_OPS = ("ping",)
"""Events that say nothing, and may come anywhere or not at all."""


def _numbers(stream: Stream) -> list[int]:
    """The pieces that are events and no keep-alives."""
    known = ((n, event_name(stream, n)) for n, piece in enumerate(stream.pieces) if b": keep" not in piece.raw[:8])
    return [n for n, name in known if name not in NO_OPS and (stream.pieces[n].value is not None or n)]


@operator("lost-event", "An event is missing", applies=("all",), noticed_by=ORDER, equivalent=unjudgeable)
def lost_event(stream: Stream) -> Iterator[Edit]:
    for number in _numbers(stream):
        name = event_name(stream, number)
        yield Edit(f"frame {number} {name}", partial(stream.instead, number), group=name)


@operator("doubled-event", "An event comes twice", applies=("all",), noticed_by=ORDER, equivalent=unjudgeable)
def doubled_event(stream: Stream) -> Iterator[Edit]:
    for number in _numbers(stream):
        name = event_name(stream, number)
        yield Edit(f"frame {number} {name}", partial(stream.inserted, number, stream.pieces[number]), group=name)


@operator("swapped-events", "Two events in the wrong order", applies=("all",), noticed_by=ORDER, equivalent=unjudgeable)
def swapped_events(stream: Stream) -> Iterator[Edit]:
    for one, other in pairwise(_numbers(stream)):
        names = f"{event_name(stream, one)} {event_name(stream, other)}".strip()
        yield Edit(f"frames {one} and {other} {names}", partial(stream.swapped, one, other), group=names)


@operator("behind-the-end", "An event behind the last one", applies=("all",), noticed_by=ORDER, equivalent=unjudgeable)
def behind_the_end(stream: Stream) -> Iterator[Edit]:
    if frames_of(stream, End):
        for number in _numbers(stream):
            made = partial(stream.inserted, len(stream.pieces), stream.pieces[number])
            yield Edit(f"frame {number} again", made, group=event_name(stream, number))


@operator("lost-name", "An event without its name", applies=NAMED, noticed_by=EQUAL)
def lost_name(stream: Stream) -> Iterator[Edit]:
    for number, piece in enumerate(stream.pieces):
        if piece.name and piece.value is not None:
            bare = Piece(piece.raw[piece.raw.index(b"data:") :], piece.value)
            yield Edit(f"frame {number} {piece.name}", partial(stream.instead, number, bare), group=piece.name)


@operator("other-name", "An event under another event's name", applies=NAMED, noticed_by=EQUAL)
def other_name(stream: Stream) -> Iterator[Edit]:
    for one, other in pairwise(n for n, piece in enumerate(stream.pieces) if piece.name):
        piece, name = stream.pieces[one], stream.pieces[other].name
        if piece.name != name:
            made = Piece(piece.raw.replace(piece.name.encode(), name.encode(), 1), piece.value, name)
            yield Edit(f"frame {one} {piece.name}: {name}", partial(stream.instead, one, made), group=piece.name)


@operator("other-type", "An event's type is not its name", applies=NAMED, noticed_by=EQUAL)
def other_type(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        if isinstance(value.get("type"), str) and stream.pieces[number].name:
            for word in ("message", f"{value['type']}_2", value["type"].replace("_", "-").replace("-d", "_d")):
                if word != value["type"]:
                    made = partial(stream.changed, number, partial(_typed, word))
                    yield Edit(f"frame {number}: {word}", made, group=value["type"])


def _typed(word: str, value: dict[str, Any]) -> None:
    value["type"] = word


@operator(
    "stray-done",
    "[DONE] behind a stream of a dialect that has none",
    applies=("anthropic-messages", "gemini-generate", "ollama-chat", "ollama-generate"),
    noticed_by=("ANT-012", "GEM-007", "OLL-001", "GEM-001"),
)
def stray_done(stream: Stream) -> Iterator[Edit]:
    if stream.framing != "json-array":
        frame = b"[DONE]\n" if stream.framing == "ndjson" else b"data: [DONE]\n\n"
        yield Edit("behind the last frame", partial(stream.inserted, len(stream.pieces), frame))


@operator(
    "stray-object",
    "An empty JSON object as an event",
    applies=("all",),
    noticed_by=(
        "OAC-001",
        "ANT-001",
        "OAR-001",
        "GEM-002",
        "OLL-002",
        "COH-001",
        "BRK-003",
        "BRK-012",
        "BRK-013",
        "BRK-017",
        "ERR-009",
        "BRK-007",
        "BRK-005",
    ),
)
def stray_object(stream: Stream) -> Iterator[Edit]:
    for number, _ in stream.objects:
        yield Edit(f"before frame {number}", partial(stream.inserted, number, stream.say({}, stream.pieces[number])))
