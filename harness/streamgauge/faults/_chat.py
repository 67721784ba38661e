"""What faults of chat completion chunks share: the parts of a chunk, whatever their types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamgauge.wire import elements, members


def choices(chunk: dict[str, Any]) -> list[dict[str, Any]]:
    """The choices of a chunk that are objects, and an empty object for each that is none."""
    return [members(c) for c in elements(chunk.get("choices"))]


def deltas(chunk: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The deltas of all choices that are objects."""
    return (c["delta"] for c in choices(chunk) if isinstance(c.get("delta"), dict))


def calls(chunk: Any) -> list[tuple[tuple[Any, Any], dict[str, Any]]]:
    """The tool-call fragments of a chunk, each with the indexes of its choice and of its call, which tell it."""
    return [
        ((choice.get("index", 0), members(call).get("index")), members(call))
        for choice in choices(members(chunk))
        for call in elements(members(choice.get("delta")).get("tool_calls"))
    ]
