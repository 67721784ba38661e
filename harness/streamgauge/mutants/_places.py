"""Where in a stream something is said: the JSON leaf of a piece that an event came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from streamgauge.events import Event, to_json
from streamgauge.mutants import Edit
from streamgauge.mutants.stream import Stream

Path = tuple[str | int, ...]
E = TypeVar("E")
NAMES = {"id", "type", "role", "model", "object", "index", "name", "call_id", "item_id"}
"""Members that carry no output, though they may be equal to a piece of it."""


@dataclass(frozen=True, slots=True)
class Place(Generic[E]):
    """A piece, the path of a leaf in its value, and the event that came of it."""

    number: int
    path: Path
    event: E

    def edit(self, stream: Stream, what: str, change: Callable[[Any], Any]) -> Edit:
        """The edit that changes the leaf."""
        return Edit(
            f"frame {self.number}, {shown(self.path)}: {what}",
            partial(stream.changed, self.number, partial(put, self.path, change)),
        )


def shown(path: Path) -> str:
    """A path as one writes it: choices[0].delta.content."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".") or "the value"


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value inside a JSON value, objects and arrays before what they hold."""
    if path:
        yield path, value
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in items:
        yield from leaves(inner, (*path, step))


def get(path: Path, value: Any) -> Any:
    """The value at a path."""
    for step in path:
        value = value[step]
    return value


def put(path: Path, change: Callable[[Any], Any], value: Any) -> None:
    """Change the value at a path, in place."""
    holder = get(path[:-1], value)
    holder[path[-1]] = change(holder[path[-1]])


def always(value: Any) -> Callable[[Any], Any]:
    """A change to a fixed value, whatever was there."""
    return lambda _: value


def drop(path: Path, value: Any) -> None:
    """Remove the value at a path, in place."""
    del get(path[:-1], value)[path[-1]]


def rename(path: Path, name: str, value: Any) -> None:
    """Give a member another name, in place, where it stands."""
    holder = get(path[:-1], value)
    items = [(name if n == path[-1] else n, v) for n, v in holder.items()]
    holder.clear()
    holder.update(items)


def where(value: Any, said: str | int) -> Path | None:
    """The path of the leaf that says something: a string or a number, or an object whose compact JSON it is."""
    found = [p for p, v in leaves(value) if _says(v, said) and p[-1] not in NAMES]
    return found[0] if found else None


def _says(value: Any, said: str | int) -> bool:
    if isinstance(value, (dict, list)):
        return isinstance(said, str) and said[:1] in "{[" and to_json(value) == said
    return type(value) is type(said) and bool(value == said)


def places(stream: Stream, kind: type[E], member: str) -> Iterator[Place[E]]:
    """Where each event of a kind says what its member holds, in order."""
    for number, events in enumerate(stream.spoken):
        for event in events:
            said = getattr(event, member, None)
            if isinstance(event, kind) and said and (path := where(stream.pieces[number].value, said)):
                yield Place(number, path, event)


def frames_of(stream: Stream, *kinds: type[Event]) -> list[int]:
    """The numbers of the pieces that say an event of these kinds."""
    return [n for n, events in enumerate(stream.spoken) if any(isinstance(e, kinds) for e in events)]
