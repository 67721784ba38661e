"""Walks over the choices and calls of a stream of chunks, and edits at what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from streamgauge.mutants import Edit
from streamgauge.mutants._places import Path, put, shown
from streamgauge.mutants.stream import Stream
from streamgauge.wire import elements, members

CHAT = ("openai-chat",)
BOTH = ("openai-chat", "openai-completions")
DONE = b"data: [DONE]\n\n"


def edit_at(stream: Stream, number: int, path: Path, what: str, change: Callable[[Any], Any], group: str = "") -> Edit:
    """The edit that changes one value in place."""
    made = partial(stream.changed, number, partial(put, path, change))
    return Edit(f"frame {number}, {shown(path)}: {what}", made, group=group)


def choices(stream: Stream) -> Iterator[tuple[int, Path, dict[str, Any]]]:
    """Every choice of every chunk: piece, path, choice."""
    for number, value in stream.objects:
        for place, choice in enumerate(elements(value.get("choices"))):
            yield number, ("choices", place), members(choice)


def calls(stream: Stream) -> Iterator[tuple[int, Path, int, dict[str, Any]]]:
    """Every tool call delta: piece, path, choice index, entry."""
    for number, path, choice in choices(stream):
        for place, call in enumerate(elements(members(choice.get("delta")).get("tool_calls"))):
            yield number, (*path, "delta", "tool_calls", place), choice["index"], members(call)


def finishes(stream: Stream) -> Iterator[tuple[int, Path, dict[str, Any]]]:
    """Every choice with a finish_reason."""
    return ((n, p, c) for n, p, c in choices(stream) if c.get("finish_reason"))


def terminators(stream: Stream) -> list[int]:
    """The pieces that are [DONE]."""
    return [n for n, piece in enumerate(stream.pieces) if piece.raw == DONE]


def updated(more: dict[str, Any], value: Any) -> Any:
    """An object with these members more."""
    return {**value, **more}


def says(choice: dict[str, Any]) -> bool:
    """Whether a choice carries text, a refusal or a call."""
    delta = members(choice.get("delta")) or {"content": choice.get("text")}
    return any(delta.get(name) for name in ("content", "refusal", "tool_calls", "reasoning_content", "reasoning"))
