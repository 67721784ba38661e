"""What the modules of dialects with typed events share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from streamgauge.mutants import Edit
from streamgauge.mutants._places import Path, put, shown
from streamgauge.mutants.members import event_name
from streamgauge.mutants.stream import Piece, Stream


def of(stream: Stream, *kinds: str) -> list[tuple[int, dict[str, Any]]]:
    """The events of these types, by the numbers of their pieces."""
    return [(n, value) for n, value in stream.objects if event_name(stream, n) in kinds]


def edit(stream: Stream, number: int, path: Path, what: str, change: Callable[[Any], Any], group: str = "") -> Edit:
    """The edit that changes one value in place."""
    made = partial(stream.changed, number, partial(put, path, change))
    return Edit(f"frame {number}, {shown(path)}: {what}", made, group=group)


def lost(stream: Stream, *kinds: str) -> Iterator[Edit]:
    """An edit for each event of these types, without it."""
    for number, _ in of(stream, *kinds):
        name = event_name(stream, number)
        yield Edit(f"frame {number} {name}", partial(stream.instead, number), group=name)


def moved(stream: Stream, number: int, place: int) -> Edit:
    """An event elsewhere: before the piece that stands at a place."""
    pieces = [p for n, p in enumerate(stream.pieces) if n != number]
    pieces.insert(place if place <= number else place - 1, stream.pieces[number])
    return Edit(f"frame {number} before frame {place}", partial(stream.with_pieces, pieces))


def cut_off(stream: Stream, number: int, *pieces: Piece | bytes) -> Stream:
    """The stream up to a piece, and then these."""
    return stream.with_pieces([*stream.pieces[:number], *pieces])
