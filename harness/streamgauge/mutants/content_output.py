"""Events with output that are lost, doubled or swapped."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.events import OUTPUT, Finish
from streamgauge.mutants import Edit, operator
from streamgauge.mutants._places import frames_of
from streamgauge.mutants.equivalence import unjudgeable
from streamgauge.mutants.flow import SAID, right
from streamgauge.mutants.stream import Stream

ALL = ("all",)


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


@operator("empty-answer", "All output is missing", applies=ALL, noticed_by=SAID, equivalent=unjudgeable)
def empty_answer(stream: Stream) -> Iterator[Edit]:
    if set(frames_of(stream, *OUTPUT)) - set(frames_of(stream, Finish)):
        yield Edit("all of it", partial(_without_output, stream))
