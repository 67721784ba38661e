"""The arguments of a function call that Vertex streams piece by piece (`streamFunctionCallArguments`).

Source: google-genai 3.4.0, types.FunctionCall and types.PartialArg: each piece names its place by "A JSON Path (RFC
9535) to the argument being streamed", and has one of stringValue, numberValue, boolValue and nullValue; a string may
come in several pieces, "If true, another PartialArg message for the current json_path is expected to follow".
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from streamgauge.wire import elements, members, text

Path: TypeAlias = tuple[str | int, ...]

DEEPEST = 64
"""Levels of a path that are followed; a deeper one is one name."""
_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d{1,9})\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]""")
_SCALARS = ("numberValue", "boolValue")


class PartialArgs:
    """Collects pieces in the order in which their places first came."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[Path, list[Any]] = {}

    def add(self, call: dict[str, Any]) -> None:
        """The pieces of one functionCall part, and whole arguments where it has some."""
        for name, value in members(call.get("args")).items():
            self._values[(name,)] = [value]
        for piece in elements(call.get("partialArgs")):
            self._piece(members(piece))

    def _piece(self, piece: dict[str, Any]) -> None:
        path = parse_path(text(piece.get("jsonPath")))
        if isinstance(piece.get("stringValue"), str):
            values = self._values.setdefault(path, [])
            if values and not isinstance(values[-1], str):
                values.clear()
            values.append(piece["stringValue"])
        elif scalars := [name for name in _SCALARS if name in piece]:
            self._values[path] = [piece[scalars[0]]]
        elif "nullValue" in piece:
            self._values[path] = [None]

    def build(self) -> dict[str, Any]:
        """The arguments as far as they have come."""
        root: dict[str, Any] = {}
        for path, values in self._values.items():
            value = "".join(values) if all(isinstance(v, str) for v in values) else values[-1]
            _put(root, path, value)
        return root


def parse_path(path: str) -> Path:
    """The steps of a JSON Path like `$.foo.bar[0].data`; what is none is one name."""
    steps: list[str | int] = []
    at = 1 if path.startswith("$") else -1
    while 0 < at < len(path):
        step = _STEP.match(path, at)
        if step is None or len(steps) == DEEPEST:
            return (path,)
        name, index, *quoted = step.groups()
        steps.append(int(index) if index else name or next((q for q in quoted if q is not None), ""))
        at = step.end()
    return tuple(steps) if steps and isinstance(steps[0], str) else (path,)


def _put(root: dict[str, Any], path: Path, value: Any) -> None:
    """Set the value at a path, making the objects and arrays on the way; what stands in the way gives way."""
    place: dict[str, Any] | list[Any] = root
    for step, following in zip(path, path[1:], strict=False):
        inner: dict[str, Any] | list[Any] = [] if isinstance(following, int) else {}
        kept = _get(place, step)
        place = kept if isinstance(kept, type(inner)) else _set(place, step, inner)
    _set(place, path[-1], value)


def _get(place: dict[str, Any] | list[Any], step: str | int) -> Any:
    if isinstance(place, dict):
        return place.get(str(step))
    return place[step] if isinstance(step, int) and step < len(place) else None


def _set(place: dict[str, Any] | list[Any], step: str | int, value: Any) -> Any:
    if isinstance(place, dict):
        place[str(step)] = value
    elif isinstance(step, int) and step < len(place):
        place[step] = value
    else:  # an index beyond the end is the next one: no number may reserve memory
        place.append(value)
    return value
