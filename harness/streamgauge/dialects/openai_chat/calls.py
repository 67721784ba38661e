"""Which tool call a fragment belongs to: what OpenAI's schema answers with `index`, and other services not at all."""

from __future__ import annotations

from typing import Any


class CallTable:
    """Numbers the tool calls of one choice, in order of first appearance.

    By `index`, which OpenAI's schema requires; by `id` where there is none. A fragment with neither goes on with the
    call before, unless it names another function, or comes with a name and arguments behind a call that came whole.
    Another id with a name of its own begins another call even under a known index: Gemini's compatible endpoint, SGLang
    and LMDeploy have given all parallel calls the index 0. An id alone is not enough: vLLM has changed it per fragment.
    """

    __slots__ = ("_begun", "_count", "_depths", "_ids", "_indexes", "_last", "_names")

    def __init__(self) -> None:
        self._begun: dict[int, str] = {}  # call number to the id that it began with
        self._count = 0
        self._depths: dict[int, int] = {}  # call number to the braces that its arguments left open
        self._ids: dict[str, int] = {}
        self._indexes: dict[int, int] = {}
        self._names: dict[int, str] = {}
        self._last = 0

    def number(self, index: Any, call_id: str, name: str = "", arguments: str = "", *, first: bool = True) -> int:
        """The number of the call; first: whether the fragment is the first one of its delta."""
        found: int | None
        if isinstance(index, int) and not isinstance(index, bool):
            found = self._indexes.get(index)
            if found is not None and self._another(found, call_id, name, arguments):
                found = self._ids.get(call_id)
            number = self._indexes[index] = self._new() if found is None else found
        else:
            goes_on = self._goes_on(name, first) and not self._another(self._last, call_id, name, arguments)
            found = self._ids.get(call_id) if call_id else self._last if goes_on else None
            number = self._new() if found is None else found
        if call_id:
            self._ids.setdefault(call_id, number)
            self._begun.setdefault(number, call_id)
        if name:
            self._names[number] = name
        if arguments:
            self._depths[number] = self._depths.get(number, 0) + arguments.count("{") - arguments.count("}")
        self._last = number
        return number

    def _goes_on(self, name: str, first: bool) -> bool:
        known = self._names.get(self._last, "")
        return bool(self._count) and (not name or not known or (first and name == known))

    def _another(self, known: int, call_id: str, name: str, arguments: str) -> bool:
        """Whether a fragment in a known call's place begins another one: it has a name, and an id or all arguments."""
        if not name:
            return False
        if call_id and known in self._begun:
            return self._begun[known] != call_id
        return not call_id and arguments[:1] == "{" and self._depths.get(known) == 0

    def _new(self) -> int:
        self._count += 1
        return self._count - 1
