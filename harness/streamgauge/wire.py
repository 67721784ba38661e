"""Reading JSON of unknown quality: a malformed value is something to judge, never an exception."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_decode = msgspec.json.Decoder().decode

DEEPEST = 256
"""Levels of nesting that are read. RFC 8259 9: "An implementation may set limits on the maximum depth of nesting".

A limit of our own, because Python's depends on who calls: what it can read there it may be unable to show here.
"""


class Undecodable(msgspec.Struct, frozen=True, gc=False):
    """A text that is not JSON, with the reason."""

    reason: str


def parse(text: str) -> Any:
    """The JSON value of a text, or `Undecodable`.

    What RFC 8259 forbids but Python's parser reads (NaN, lone surrogates) is read: rules judge it elsewhere.
    """
    try:
        value = _decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        value = _parse_leniently(text)
    return value if shallow(text) or not _deeper(value, DEEPEST) else Undecodable("nested too deeply")


def shallow(text: str) -> bool:
    """Whether a text has too few brackets to be nested too deeply; of others nothing is said."""
    return len(text) <= 2 * DEEPEST or text.count("[") + text.count("{") <= DEEPEST


def typed(read: Callable[[str], T], text: str) -> T | None:
    """The value of a text that fits a typed decoder; None for all else, which `parse` reads.

    Most chunks say one piece of text in one shape. A type that asks for that shape, and for nothing in each member
    of which an event would come, reads them at half the cost and leaves the meaning of all others in one place.
    """
    try:
        value = read(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return value if shallow(text) else None


def _parse_leniently(text: str) -> Any:
    try:
        return json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        return Undecodable(str(error) if isinstance(error, ValueError) else "nested too deeply")


def _deeper(value: Any, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        level = [inner for outer in level for inner in _inside(outer)]
    return any(isinstance(value, (dict, list)) for value in level)


def _inside(value: Any) -> Iterable[Any]:
    match value:
        case dict():
            return value.values()
        case list():
            return value
    return ()


def _integer(digits: str) -> int | float:
    # int() refuses more than 4,300 digits; a float is what other JSON readers make of them.
    return int(digits) if len(digits) < 4000 else float(digits)


def text(value: Any) -> str:
    """The value if it is a string, else ""."""
    return value if isinstance(value, str) else ""


def count(value: Any) -> int | None:
    """The value if it is a whole number (a bool is none), else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else None


def members(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def elements(value: Any) -> list[Any]:
    """The value if it is an array, else an empty one."""
    return value if isinstance(value, list) else []
