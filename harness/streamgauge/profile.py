"""What a service says of its own streams beside the vendor whose dialect they are in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One service that speaks a dialect with members of its own.

    reasoning, filters, usage: where each stands, as paths of JSON members from the top of an event (arrays are passed
    through by their member's name); empty where the service has none of its own. usage_when: in which events.
    adds: names of members that the dialect's reference does not have. finish_reasons: words that it does not have.
    promise: the service's own sentence that binds it to end its streams as the dialect's reference says, "" where none
    is known. source: the pages, or packages, in which all this was read. example: a stream of this shape, which says
    "Hello".
    """

    name: str
    title: str
    source: str
    reasoning: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    usage: tuple[str, ...] = ()
    usage_when: str = ""
    adds: frozenset[str] = frozenset()
    finish_reasons: tuple[str, ...] = ()
    promise: str = ""
    example: bytes = b""
