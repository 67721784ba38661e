"""Reading JSON of unknown quality: a malformed value is something to judge, never an exception."""

from __future__ import annotations

import json
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode


class Undecodable(msgspec.Struct, frozen=True, gc=False):
    """A text that is not JSON, with the reason."""

    reason: str


def parse(text: str) -> Any:
    """The JSON value of a text, or `Undecodable`.

    What RFC 8259 forbids but Python's parser reads (NaN, lone surrogates) is read: rules judge it elsewhere.
    """
    try:
        return _decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return _parse_leniently(text)


def _parse_leniently(text: str) -> Any:
    try:
        return json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        return Undecodable(str(error) if isinstance(error, ValueError) else "nested too deeply")


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
