"""Responses streaming events to normalised events, and the non-streaming response.

Sources: OpenAI API reference, "Streaming events" (https://platform.openai.com/docs/api-reference/responses-streaming)
and the Open Responses specification (https://www.openresponses.org/specification).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from streamgauge.events import (
    Event,
    Finish,
    KeepAlive,
    ReasoningDelta,
    RefusalDelta,
    Span,
    Start,
    StreamError,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from streamgauge.frames import Ending, read_object
from streamgauge.message import Message, assemble
from streamgauge.wire import count, elements, members, text

CLIENT_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
"""Items that the caller runs, and the member that holds their arguments."""
TERMINAL = ("response.completed", "response.incomplete", "response.failed")


@dataclass(slots=True)
class _Call:
    number: int
    server: bool
    told: bool = False  # whether any of its arguments has come


class ResponsesInterpreter:
    """Interprets the events of one stream, by the `type` of their data."""

    __slots__ = ("_calls", "_ending", "_id", "_model")

    def __init__(self) -> None:
        self._ending = Ending()
        self._id = ""
        self._model = ""
        self._calls: dict[Any, _Call] = {}  # by output_index, else by item id

    def frame(self, frame: Any, out: list[Event]) -> None:
        payload = read_object(frame, self._ending, out)
        if payload is not None:
            self.payload(payload, frame.span, out)

    def end(self, offset: int, out: list[Event]) -> None:
        missing = "none of response.completed, response.incomplete, response.failed"
        self._ending.eof(offset, out, complete=False, complete_because="", missing=missing)

    def payload(self, event: dict[str, Any], span: Span, out: list[Event]) -> None:
        """The events of one streaming event."""
        before = len(out)
        kind = text(event.get("type"))
        match kind:
            case "response.output_text.delta":
                self._said(TextDelta, event, span, out)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self._said(ReasoningDelta, event, span, out)
            case "response.refusal.delta":
                self._said(RefusalDelta, event, span, out)
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                self._arguments(event, text(event.get("delta")), span, out)
            case "response.output_item.added" | "response.output_item.done":
                self._item(event, members(event.get("item")), span, out)
            case "error":
                self._error(members(event.get("error")) or event, span, out)
            case _ if kind.startswith("response.") and isinstance(event.get("response"), dict):
                self._response(kind, event["response"], span, out)
        if len(out) == before:
            out.append(KeepAlive(kind, span=span))

    def _said(
        self,
        kind: type[TextDelta | ReasoningDelta | RefusalDelta],
        event: dict[str, Any],
        span: Span,
        out: list[Event],
    ) -> None:
        if delta := text(event.get("delta")):
            out.append(kind(delta, span=span))

    def _error(self, error: dict[str, Any], span: Span, out: list[Event]) -> None:
        code, kind = error.get("code"), text(error.get("type"))
        shown = text(error.get("message")) or str(code or kind or "error")
        kind = "" if kind == "error" else kind
        self._ending.fail(StreamError(shown, "" if code is None else str(code), kind, span=span), out)

    def _response(self, kind: str, response: dict[str, Any], span: Span, out: list[Event]) -> None:
        identity = text(response.get("id")), text(response.get("model"))
        if (identity[0] and not self._id) or (identity[1] and not self._model):
            self._id, self._model = self._id or identity[0], self._model or identity[1]
            out.append(Start(self._id, self._model, span=span))
        if kind not in TERMINAL:
            return
        if error := members(response.get("error")):
            self._error(error, span, out)
        elif kind == "response.failed":
            self._ending.fail(StreamError("response.failed without an error", span=span), out)
        out.append(Finish(text(response.get("status")) or kind.removeprefix("response."), span=span))
        usage = members(response.get("usage"))
        given, made = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
        if given is not None or made is not None:
            out.append(Usage(given, made, "response.usage", span=span))
        self._ending.close(kind, span, out)

    def _key(self, event: dict[str, Any], item_id: Any) -> Any:
        index = event.get("output_index")
        return index if isinstance(index, int) else text(item_id)

    def _item(self, event: dict[str, Any], item: dict[str, Any], span: Span, out: list[Event]) -> None:
        kind = text(item.get("type"))
        member = CLIENT_CALLS.get(kind)
        if member is None and not kind.endswith("_call"):
            return
        key = self._key(event, item.get("id"))
        call = self._calls.get(key)
        opened = call is None
        if call is None:
            call = self._calls[key] = _Call(len(self._calls), member is None)
        if member is None:
            self._server_call(event, item, call, opened, span, out)
            return
        arguments = "" if call.told else text(item.get(member))
        if opened or arguments:
            call.told = call.told or bool(arguments)
            call_id, name = (text(item.get("call_id")), text(item.get("name"))) if opened else ("", "")
            out.append(ToolCallDelta(call.number, call_id, name, arguments, span=span))

    def _server_call(
        self, event: dict[str, Any], item: dict[str, Any], call: _Call, opened: bool, span: Span, out: list[Event]
    ) -> None:
        done = event.get("type") == "response.output_item.done"
        rest = {k: v for k, v in item.items() if k not in ("id", "type")}
        output = msgspec.json.encode(rest).decode() if done else ""
        call_id, name = (text(item.get("id")), text(item.get("type"))) if opened else ("", "")
        if opened or output:
            out.append(ToolCallDelta(call.number, call_id, name, server=True, output=output, span=span))

    def _arguments(self, event: dict[str, Any], delta: str, span: Span, out: list[Event]) -> None:
        key = self._key(event, event.get("item_id"))
        call = self._calls.setdefault(key, _Call(len(self._calls), False))
        call.told = True
        if delta:
            out.append(ToolCallDelta(call.number, arguments=delta, server=call.server, span=span))


def read_response(body: Any) -> Message:
    """The message of a non-streaming response."""
    response = members(body)
    out: list[Event] = []
    interpreter = ResponsesInterpreter()
    if "output" not in response and "error" in response:
        interpreter.payload({"type": "error", "error": response["error"]}, (0, 0), out)
    for index, item in enumerate(elements(response.get("output"))):
        for event in _item_events(index, members(item)):
            interpreter.payload(event, (0, 0), out)
    if response.get("status"):
        interpreter.payload({"type": f"response.{response['status']}", "response": response}, (0, 0), out)
    interpreter.end(0, out)
    return assemble("openai-responses", out)


def _item_events(index: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    """What the stream would have said of a whole item."""
    deltas = {"output_text": "output_text", "refusal": "refusal", "reasoning_text": "reasoning_text"}
    found: list[dict[str, Any]] = []
    for part in (*elements(item.get("summary")), *elements(item.get("content"))):
        kind = text(members(part).get("type"))
        name = "reasoning_summary_text" if kind == "summary_text" else deltas.get(kind)
        if name:
            said = text(part.get("text")) or text(part.get("refusal"))
            found.append({"type": f"response.{name}.delta", "delta": said})
    return [*found, {"type": "response.output_item.done", "output_index": index, "item": item}]
