"""Smaller things of two kinds: fewer items of a sequence (delta debugging), and less of a JSON value.

Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def smallest(items: Sequence[T], fails: Callable[[list[T]], bool]) -> list[T]:
    """A part of the items, in their order, with which it still fails, and does no longer without any one of them.

    It is taken for granted that it fails with all of them. (ddmin)
    """
    kept = list(items)
    size = (len(kept) + 1) // 2
    while size:
        before, start = len(kept), 0
        while start < len(kept):
            without = kept[:start] + kept[start + size :]
            if fails(without):
                kept = without
            else:
                start += size
        if size > 1 or len(kept) == before:  # single ones are tried until none can go
            size = min(size, len(kept)) // 2
    return kept


def simpler(value: Any) -> Iterator[Any]:
    """Simpler values: without a member or an element, with a simpler one, with less text."""
    match value:
        case dict():
            for name in value:
                yield {n: v for n, v in value.items() if n != name}
            for name in value:
                yield from ({**value, name: less} for less in simpler(value[name]))
        case list():
            for n in range(len(value)):
                yield value[:n] + value[n + 1 :]
            for n in range(len(value)):
                yield from ([*value[:n], less, *value[n + 1 :]] for less in simpler(value[n]))
        case str() if value:
            yield from dict.fromkeys(("", value[: len(value) // 2], value[len(value) // 2 :], value[:1], value[1:]))
