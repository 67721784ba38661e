"""The calls of one response: items that the caller or the vendor runs, and their arguments: pieces, then the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamgauge.events import Event, Span, ToolCallDelta, to_json
from streamgauge.wire import members, text

CLIENT_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
"""Items that the caller runs, and the member that holds their arguments."""
VENDOR_CALLS = {"mcp_call": "arguments", "code_interpreter_call": "code", "custom_tool_call": "input"}
"""Items that the vendor runs whose arguments are streamed, and the member that holds them."""
_MAY_HOLD_CUSTOM = ("custom", "namespace", "tool_search")
"""Types of the request's tools from which a custom tool of the caller's can come."""
ARGUMENTS = {
    "function_call_arguments": ("arguments", False),
    "custom_tool_call_input": ("input", False),
    "mcp_call_arguments": ("arguments", True),
    "code_interpreter_call_code": ("code", True),
}
"""What streamed arguments are called: the member that holds them at the end, and whether the vendor runs the call."""


@dataclass(slots=True)
class _Call:
    number: int
    server: bool
    told: bool = False  # whether any of its arguments has come
    named: bool = False
    call_id: str = ""
    announced: str = ""  # arguments that the item had when it was announced: deltas say them again, or continue none


class Calls:
    """Numbers the calls of one stream in the order in which they came, and says each thing about them once."""

    __slots__ = ("_by_item", "_every", "_hosted")

    def __init__(self) -> None:
        self._by_item: dict[int | str, _Call] = {}  # by item: its latest call
        self._every: list[_Call] = []
        self._hosted = False  # whether the request's tools are known, and none of them is a custom one

    def declared(self, tools: list[Any]) -> None:
        """The tools of the request, as the response repeats them."""
        kinds = [text(members(tool).get("type")) for tool in tools]
        self._hosted = bool(kinds) and not any(kind in _MAY_HOLD_CUSTOM for kind in kinds)

    def by_caller(self, kind: str) -> bool:
        """Whether the caller runs items of this type.

        xAI's service tells what its own tools do in custom_tool_call items, which nobody asked for.
        """
        return kind in CLIENT_CALLS and not (kind == "custom_tool_call" and self._hosted)

    def any(self, *, server: bool) -> bool:
        """Whether there has been a call that the vendor (server) or the caller runs."""
        return any(call.server == server for call in self._every)

    def close(self, span: Span, out: list[Event]) -> None:
        """The events of arguments that were in the announcement of a call, and nowhere after it."""
        for call in self._every:
            if call.announced and not call.told:
                call.told = True
                out.append(ToolCallDelta(call.number, arguments=call.announced, server=call.server, span=span))

    def client(self, verb: str, key: int | str, item: dict[str, Any], span: Span, out: list[Event]) -> None:
        """The events of an item that the caller runs; verb: of its output_item event."""
        member = CLIENT_CALLS[text(item.get("type"))]
        call_id = text(item.get("call_id"))
        call = self._opened(key, call_id)
        arguments = _arguments(call, verb, item.get(member))
        if not call.named or arguments:
            call_id, name = ("", "") if call.named else (call_id, text(item.get("name")))
            call.told = call.told or bool(arguments)
            call.named = True
            call.call_id = call.call_id or call_id
            out.append(ToolCallDelta(call.number, call_id, name, arguments, span=span))

    def _opened(self, key: int | str, call_id: str) -> _Call:
        """The call of an item: the one at its place, unless that is another's, as where a server counts no places."""
        call = self._by_item.get(key)
        if call is None or (call_id and call.call_id not in ("", call_id)):
            known = (c for c in self._every if call_id and c.call_id == call_id)
            call = self._by_item[key] = next(known, None) or self._new(server=False)
        return call

    def _new(self, *, server: bool) -> _Call:
        self._every.append(_Call(len(self._every), server))
        return self._every[-1]

    def vendor(self, verb: str, key: int | str, item: dict[str, Any], span: Span, out: list[Event]) -> None:
        """The events of an item that the vendor runs; verb: of its output_item event."""
        call = self._by_item.get(key) or self._by_item.setdefault(key, self._new(server=True))
        kind = text(item.get("type"))
        member = VENDOR_CALLS.get(kind, "")
        call_id, name = ("", "") if call.named else (text(item.get("id")), text(item.get("name")) or kind)
        arguments = _arguments(call, verb, item.get(member))
        rest = {k: v for k, v in item.items() if k not in ("id", "type", "name", member)}
        output = to_json(rest) if verb == "done" else ""
        if not call.named or arguments or output:
            call.named = True
            call.told = call.told or bool(arguments)
            out.append(ToolCallDelta(call.number, call_id, name, arguments, True, output, span=span))

    def arguments(
        self, kind: str, verb: str, key: int | str, event: dict[str, Any], span: Span, out: list[Event]
    ) -> None:
        """The events of streamed arguments, or of their end; kind: one of ARGUMENTS."""
        member, server = ARGUMENTS[kind]
        call = self._by_item.get(key) or self._by_item.setdefault(key, self._new(server=server))
        said = text(event.get("delta")) if verb == "delta" else "" if call.told else text(event.get(member))
        call.told = call.told or verb == "delta" or bool(said)
        if said:
            out.append(ToolCallDelta(call.number, arguments=said, server=call.server, span=span))


def _arguments(call: _Call, verb: str, stated: Any) -> str:
    """The arguments in an item, where they are news: what the announcement says may still come in deltas."""
    if call.told:
        return ""
    if verb == "added":
        call.announced = text(stated)
        return ""
    return text(stated)
