"""Mutants: operators that damage a good stream, each declaring the rules that must notice; found by looking.

A suite that never failed has shown nothing. Each operator turns a good stream into bad ones, in the ways that
services do; a mutant that no rule notices is a hole in the rules, or is no damage at all, and then it says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from streamgauge.mutants.stream import Stream
from streamgauge.registry import by_name, defined, pick

Effect = Literal["damage", "harmless"]


@dataclass(frozen=True, slots=True)
class Edit:
    """One way to change a stream at one place: `what` says which; `make` does it.

    noticed_by: the rules that must notice this one, where they are not those of its operator. Positions are sampled
    within each group. excuse: why it is no damage in a stream that reports an error.
    """

    what: str
    make: Callable[[], Stream]
    noticed_by: tuple[str, ...] = ()
    group: str = ""
    excuse: str = ""


def no_reason(before: Stream, after: Stream) -> str:  # noqa: ARG001 - the default of `equivalent`
    """Nothing makes a surviving mutant of this operator equivalent."""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One kind of change; `edits` gives every place at which it can be made, and is pure.

    applies: dialects, framings or "all". noticed_by: the rules of which one must notice; those that do not apply to
    the stream's dialect count for nothing. effect: "harmless" operators change what no requirement speaks of, and
    no rule may notice them. by_meaning: a mutant that decodes to the same events is equivalent. equivalent: why a
    mutant that no rule noticed is no damage, "" where it is.
    """

    name: str
    title: str
    applies: tuple[str, ...]
    edits: Callable[[Stream], Iterable[Edit]]
    noticed_by: tuple[str, ...] = ()
    effect: Effect = "damage"
    by_meaning: bool = False
    equivalent: Callable[[Stream, Stream], str] = no_reason

    def fits(self, stream: Stream) -> bool:
        """Whether the operator is for streams of this dialect, or of this one's framing."""
        return not (stream.dialect.names | {stream.framing}).isdisjoint(self.applies)


Edits = Callable[[Stream], Iterable[Edit]]


def operator(name: str, title: str, **facts: Any) -> Callable[[Edits], Operator]:
    """Declare an operator; the facts are the fields of `Operator`."""

    def declare(edits: Edits) -> Operator:
        return Operator(name=name, title=title, edits=edits, **facts)

    return declare


@cache
def all_operators() -> dict[str, Operator]:
    """Every operator by name: those here, and those beside a dialect's rules."""
    found = [*defined("streamgauge.mutants", Operator), *defined("streamgauge.dialects", Operator)]
    return by_name("operator", found, lambda o: o.name)


def get_operator(name: str) -> Operator:
    """The operator of that name; raises UnknownNameError."""
    return pick("operator", all_operators(), name)
