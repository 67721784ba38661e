"""Anthropic's message events to normalised events, and the non-streaming message.

Source: Anthropic docs, "Streaming messages" (https://docs.claude.com/en/docs/build-with-claude/streaming).
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

CLIENT_TOOLS = ("tool_use",)
SERVER_TOOLS = ("server_tool_use", "mcp_tool_use")
"""Calls that Anthropic runs itself; their results come as blocks whose type ends in `_tool_result`."""


@dataclass(frozen=True, slots=True)
class _Call:
    number: int
    server: bool


class MessagesInterpreter:
    """Interprets the events of one stream, by the `type` of their data."""

    __slots__ = ("_calls", "_ending", "_results", "_started")

    def __init__(self) -> None:
        self._ending = Ending()
        self._calls: dict[int, _Call] = {}  # by block index
        self._results: dict[str, int] = {}  # number of the call by its id
        self._started = False

    def frame(self, frame: Any, out: list[Event]) -> None:
        payload = read_object(frame, self._ending, out)
        if payload is not None:
            self.payload(payload, frame.span, out)

    def end(self, offset: int, out: list[Event]) -> None:
        self._ending.eof(offset, out, complete=False, complete_because="", missing="no message_stop")

    def payload(self, event: dict[str, Any], span: Span, out: list[Event]) -> None:
        """The events of one message event."""
        before = len(out)
        kind = event.get("type")
        match kind:
            case "content_block_delta":
                self._delta(event, span, out)
            case "content_block_start":
                self._block(event, span, out)
            case "message_start":
                self._start(members(event.get("message")), span, out)
            case "message_delta":
                reason = text(members(event.get("delta")).get("stop_reason"))
                if reason:
                    out.append(Finish(reason, span=span))
                self._usage(event.get("usage"), span, out)
            case "message_stop":
                self._ending.close("message_stop", span, out)
            case "error":
                self._error(event, span, out)
        if len(out) == before:
            # "new event types may be added, and your code should handle unknown event types gracefully"
            out.append(KeepAlive(text(kind), span=span))

    def _start(self, message: dict[str, Any], span: Span, out: list[Event]) -> None:
        out.append(Start(text(message.get("id")), text(message.get("model")), span=span))
        self._usage(message.get("usage"), span, out)
        # The stream's message has no content yet; a non-streaming message is read through the same function.
        for index, block in enumerate(elements(message.get("content"))):
            self._block({"index": index, "content_block": block}, span, out)

    def _usage(self, usage: Any, span: Span, out: list[Event]) -> None:
        # "The token counts shown in the usage field of the message_delta event are cumulative."
        counts = members(usage)
        given, made = count(counts.get("input_tokens")), count(counts.get("output_tokens"))
        if given is not None or made is not None:
            out.append(Usage(given, made, span=span))

    def _error(self, event: dict[str, Any], span: Span, out: list[Event]) -> None:
        error = members(event.get("error"))
        kind = text(error.get("type"))
        self._ending.fail(StreamError(text(error.get("message")) or kind or "error", "", kind, span=span), out)

    def _block(self, event: dict[str, Any], span: Span, out: list[Event]) -> None:
        block = members(event.get("content_block"))
        kind = text(block.get("type"))
        if kind == "text":
            if said := text(block.get("text")):
                out.append(TextDelta(said, span=span))
        elif kind == "thinking":
            if said := text(block.get("thinking")):
                out.append(ReasoningDelta(said, span=span))
        elif kind in CLIENT_TOOLS or kind in SERVER_TOOLS:
            self._open(event.get("index"), block, kind in SERVER_TOOLS, span, out)
        elif kind.endswith("_tool_result"):
            call_id = text(block.get("tool_use_id"))
            number = self._results.setdefault(call_id, len(self._results))
            output = _compact(block.get("content"))
            out.append(ToolCallDelta(number, call_id, server=True, output=output, span=span))

    def _open(self, index: Any, block: dict[str, Any], server: bool, span: Span, out: list[Event]) -> None:
        call_id = text(block.get("id"))
        number = len(self._results)
        self._results[call_id or f"#{number}"] = number
        if isinstance(index, int):
            self._calls[index] = _Call(number, server)
        # "input" is {} here; the arguments come as input_json_delta. A whole one is a non-streaming block.
        given = block.get("input")
        arguments = _compact(given) if given else ""
        out.append(ToolCallDelta(number, call_id, text(block.get("name")), arguments, server, span=span))

    def _delta(self, event: dict[str, Any], span: Span, out: list[Event]) -> None:
        delta = members(event.get("delta"))
        match delta.get("type"):
            case "text_delta":
                if said := text(delta.get("text")):
                    out.append(TextDelta(said, span=span))
            case "thinking_delta":
                if said := text(delta.get("thinking")):
                    out.append(ReasoningDelta(said, span=span))
            case "input_json_delta":
                index = event.get("index")
                call = self._calls.get(index) if isinstance(index, int) else None
                if call is None:
                    self._ending.bad("input_json_delta outside a tool_use block", repr(delta), span, out)
                elif piece := text(delta.get("partial_json")):
                    out.append(ToolCallDelta(call.number, arguments=piece, server=call.server, span=span))


def _compact(value: Any) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()


def read_message(body: Any) -> Message:
    """The message of a non-streaming answer; an error body gives a message that ended in error."""
    answer = members(body)
    out: list[Event] = []
    interpreter = MessagesInterpreter()
    if answer.get("type") == "error" or "error" in answer:
        interpreter.payload({**answer, "type": "error"}, (0, 0), out)
    else:
        interpreter.payload({"type": "message_start", "message": answer}, (0, 0), out)
        interpreter.payload({"type": "message_delta", "delta": answer}, (0, 0), out)
        interpreter.payload({"type": "message_stop"}, (0, 0), out)
    interpreter.end(0, out)
    return assemble("anthropic-messages", out)
