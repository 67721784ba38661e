"""What tool calls say: the function, its arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from streamgauge.events import ToolCallDelta
from streamgauge.mutants import Edit, operator
from streamgauge.mutants._places import Place, get, leaves, places, put, shown
from streamgauge.mutants.stream import Stream

ALL = ("all",)
CALLS = ("AGG-002",)


@operator(
    "lost-fragment",
    "A part of a tool call's arguments is missing",
    applies=ALL,
    noticed_by=CALLS,
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
    noticed_by=CALLS,
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
