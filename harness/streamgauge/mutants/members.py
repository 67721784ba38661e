"""Members of the documented schemas: missing, under another name, of another type. Each dialect brings its table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from streamgauge.mutants import Edit, operator
from streamgauge.mutants._places import Path, always, drop, leaves, put, rename, shown
from streamgauge.mutants.stream import Stream
from streamgauge.registry import defined


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One documented member; path: its names with dots between, `*` for every element of an array.

    kinds: the JSON types that it may have. lost: the rules that must notice when it is missing, none where it may be;
    retyped: when it has another type. on: the event types that have it, by `type` or the event's name, none for all.
    excuse: why it may be missing where the stream reports an error.
    """

    path: str
    kinds: tuple[str, ...]
    lost: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    excuse: str = ""

    def fits(self, path: Path) -> bool:
        return self.path == ".".join("*" if isinstance(step, int) else step for step in path)


def required(
    path: str,
    kinds: str,
    *rules: str,
    retyped: tuple[str, ...] = (),
    on: tuple[str, ...] = (),
    excuse: str = "",
) -> Member:
    """A member that must be there; kinds: with "|" between; retyped: the rules for another type, where they differ."""
    known = tuple(kinds.split("|"))
    return Member(path=path, kinds=known, lost=rules, retyped=retyped or rules, on=on, excuse=excuse)


def optional(path: str, kinds: str, *rules: str, on: tuple[str, ...] = ()) -> Member:
    """A member that may be missing, but not of another type."""
    return Member(path=path, kinds=tuple(kinds.split("|")), retyped=rules, on=on)


@dataclass(frozen=True, slots=True)
class Schema:
    """The documented members of a dialect's events, from the vendor's reference and not from our rules.

    nullable: null is as good as a member that is left out, as ProtoJSON says.
    """

    applies: tuple[str, ...]
    members: tuple[Member, ...]
    nullable: bool = False

    @property
    def known(self) -> Iterator[Member]:
        """The members, with null among the types of those that may be it."""
        for member in self.members:
            may_be = self.nullable and not member.path.endswith("*")
            yield replace(member, kinds=(*member.kinds, "null")) if may_be else member


SAMPLES: dict[str, Any] = {
    "null": None,
    "boolean": True,
    "number": 7,
    "string": "7",
    "array": ["7"],
    "object": {"value": "7"},
}


def kind_of(value: Any) -> str:
    """The JSON type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


@cache
def _schemas() -> tuple[Schema, ...]:
    found = [*defined("streamgauge.mutants", Schema), *defined("streamgauge.dialects", Schema)]
    return tuple(schema for _, schema in found)


def schema_of(stream: Stream) -> tuple[Member, ...]:
    """The documented members of this stream's dialect."""
    names = stream.dialect.names
    return tuple(m for s in _schemas() if not names.isdisjoint(s.applies) for m in s.known)


def event_name(stream: Stream, number: int) -> str:
    """The event's type by its data, else by its name."""
    value = stream.pieces[number].value
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else stream.pieces[number].name


def _known(stream: Stream) -> Iterator[tuple[int, Path, Any, Member]]:
    """Every documented member that the stream has: piece, path, value, what the reference says."""
    members = schema_of(stream)
    for number, value in stream.objects:
        name = event_name(stream, number)
        for path, leaf in leaves(value):
            for member in members:
                if member.fits(path) and (not member.on or name in member.on):
                    yield number, path, leaf, member


def _unknown(stream: Stream) -> Iterator[tuple[int, Path, Any]]:
    """Every member of an object that the table says nothing of."""
    known = {(number, path) for number, path, _, _ in _known(stream)}
    for number, value in stream.objects:
        for path, leaf in leaves(value):
            if isinstance(path[-1], str) and (number, path) not in known:
                yield number, path, leaf


def _other_name(name: str) -> str:
    """The name in the other of the two usual spellings; where they are one, with an underscore behind it."""
    camel = re.sub(r"_(\w)", lambda m: m[1].upper(), name)
    snake = re.sub(r"([A-Z])", lambda m: f"_{m[1].lower()}", name)
    return camel if camel != name else snake if snake != name else f"{name}_"


@operator("lost-member", "A required member is missing", applies=("all",))
def lost_member(stream: Stream) -> Iterator[Edit]:
    for number, path, _, member in _known(stream):
        if member.lost:
            made = partial(stream.changed, number, partial(drop, path))
            yield Edit(f"frame {number}: no {shown(path)}", made, member.lost, member.path, member.excuse)


@operator("renamed-member", "A required member under another name", applies=("all",))
def renamed_member(stream: Stream) -> Iterator[Edit]:
    for number, path, _, member in _known(stream):
        if member.lost:
            name = _other_name(str(path[-1]))
            made = partial(stream.changed, number, partial(rename, path, name))
            yield Edit(f"frame {number}: {shown(path)} as {name}", made, member.lost, member.path, member.excuse)


@operator("retyped-member", "A member of another type", applies=("all",))
def retyped_member(stream: Stream) -> Iterator[Edit]:
    for number, path, value, member in _known(stream):
        for kind, sample in SAMPLES.items():
            if member.retyped and kind not in (*member.kinds, kind_of(value)):
                made = partial(stream.changed, number, partial(put, path, always(sample)))
                what = f"frame {number}: {shown(path)} {sample!r}"
                yield Edit(what, made, member.retyped, f"{member.path} {kind}", member.excuse)


SHOWS = ("AGG-001", "AGG-002", "AGG-003", "AGG-004", "AGG-005", "ERR-001", "ERR-011", "USE-015")
"""Rules that notice what a member meant that the tables do not hold: output, or a count."""


def _everywhere(stream: Stream) -> Iterator[tuple[Member, Stream, list[tuple[int, Path, Any]]]]:
    """Each documented member that more than one piece has, with all its places."""
    found: dict[Member, list[tuple[int, Path, Any]]] = {}
    for number, path, value, member in _known(stream):
        found.setdefault(member, []).append((number, path, value))
    for member, places in found.items():
        if len({number for number, _, _ in places}) > 1:
            yield member, stream, places


@operator("always-lost-member", "A required member is missing everywhere", applies=("all",))
def always_lost_member(stream: Stream) -> Iterator[Edit]:
    for member, made, places in _everywhere(stream):
        if member.lost:
            for number, path, _ in reversed(places):
                made = made.changed(number, partial(drop, path))
            yield Edit(f"no {member.path}", made.but, member.lost, member.path, member.excuse)


@operator("always-retyped-member", "A member of another type everywhere", applies=("all",))
def always_retyped_member(stream: Stream) -> Iterator[Edit]:
    for member, _, places in _everywhere(stream):
        for kind, sample in SAMPLES.items():
            known = {*member.kinds, *(kind_of(value) for _, _, value in places)}
            if member.retyped and kind not in known:
                made = stream
                for number, path, _ in reversed(places):
                    made = made.changed(number, partial(put, path, always(sample)))
                yield Edit(
                    f"every {member.path} {sample!r}", made.but, member.retyped, f"{member.path} {kind}", member.excuse
                )


@operator(
    "lost-other-member",
    "A member is missing that the table of required ones does not hold",
    applies=("all",),
    noticed_by=SHOWS,
    by_meaning=True,
)
def lost_other_member(stream: Stream) -> Iterator[Edit]:
    for number, path, _ in _unknown(stream):
        made = partial(stream.changed, number, partial(drop, path))
        yield Edit(f"frame {number}: no {shown(path)}", made, group=_pattern(path))


@operator(
    "retyped-other-member",
    "A member is of another type that the table does not hold",
    applies=("all",),
    noticed_by=SHOWS,
    by_meaning=True,
)
def retyped_other_member(stream: Stream) -> Iterator[Edit]:
    for number, path, value in _unknown(stream):
        for kind, sample in SAMPLES.items():
            if kind != kind_of(value):
                made = partial(stream.changed, number, partial(put, path, always(sample)))
                what = f"frame {number}: {shown(path)} {sample!r}"
                yield Edit(what, made, group=_pattern(path))


def _pattern(path: Path) -> str:
    return ".".join("*" if isinstance(step, int) else step for step in path)
