"""Anthropic's message events to normalised events, and the non-streaming message.

Sources: Anthropic docs, "Streaming messages" (https://platform.claude.com/docs/en/build-with-claude/streaming); the
block and delta types as generated from Anthropic's API specification in anthropic 2.12.0, types/ and types/beta/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

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
    to_json,
)
from streamgauge.frames import Ending, read_object
from streamgauge.message import Message, assemble
from streamgauge.sse import ServerSentEvent
from streamgauge.wire import count, elements, members, text, typed

CLIENT_TOOL = "tool_use"
SERVER_TOOL = "_tool_use"
"""Calls that Anthropic runs itself (server_tool_use, mcp_tool_use) end so; their results are `*_tool_result` blocks."""


class _Text(msgspec.Struct, gc=False):
    type: Literal["text_delta"]
    text: str


class _TextEvent(msgspec.Struct, gc=False):
    """An event that says a piece of text, as most do: read typed, at half the cost of `payload`."""

    type: Literal["content_block_delta"]
    delta: _Text


_read_text = msgspec.json.Decoder(_TextEvent).decode


@dataclass(slots=True)
class _Call:
    """`whole` are arguments that the block's start carries: they count unless deltas come."""

    number: int
    server: bool
    whole: str = ""


class MessagesInterpreter:
    """Interprets the events of one stream, by the `type` of their data."""

    __slots__ = ("_blocks", "_completed", "_ending", "_named", "_numbers", "_pending")

    def __init__(self) -> None:
        self._ending = Ending()
        self._blocks: dict[int, _Call | None] = {}  # by block index; None is a block that is no call
        self._numbers: dict[str, int] = {}  # number of the call by its id
        self._pending: list[_Call] = []  # those whose arguments came whole
        self._named = False  # whether the legacy completion has been given its identity
        self._completed = False  # whether it has said its stop_reason, after which nothing more comes

    def frame(self, frame: Any, out: list[Event]) -> None:
        if isinstance(frame, ServerSentEvent) and not self._ending.ended:
            plain = typed(_read_text, frame.data)
            if plain is not None and plain.delta.text:
                out.append(TextDelta(plain.delta.text, span=frame.span))
                return
        payload = read_object(frame, self._ending, out)
        if payload is None:
            return
        if "type" not in payload and frame.type != "message":
            payload = {**payload, "type": frame.type}  # the event's name says the same, by the reference
        self.payload(payload, frame.span, out)

    def end(self, offset: int, out: list[Event]) -> None:
        self._flush((offset, offset), out)
        because = "the completion has a stop_reason"
        self._ending.eof(offset, out, complete=self._completed, complete_because=because, missing="no message_stop")

    def payload(self, event: dict[str, Any], span: Span, out: list[Event]) -> None:
        """The events of one message event."""
        before = len(out)
        kind = event.get("type")
        match kind:
            case "content_block_delta":
                self._delta(event, span, out)
            case "content_block_start":
                self._block(event, span, out)
            case "content_block_stop":
                self._flush(span, out)
            case "message_start":
                self._start(members(event.get("message")), span, out)
            case "message_delta":
                self._flush(span, out)
                if reason := text(members(event.get("delta")).get("stop_reason")):
                    out.append(Finish(reason, span=span))
                self._usage(event.get("usage"), span, out)
            case "message_stop":
                self._flush(span, out)
                self._ending.close("message_stop", span, out)
            case "completion":
                self._completion(event, span, out)
            case "error":
                self._error(event, span, out)
            case None if "error" in event:
                self._error(event, span, out)
        if len(out) == before:
            # "we may add new event types, and your code should handle unknown event types gracefully"
            out.append(KeepAlive(text(kind), span=span))

    def _start(self, message: dict[str, Any], span: Span, out: list[Event]) -> None:
        out.append(Start(text(message.get("id")), text(message.get("model")), span=span))
        self._usage(message.get("usage"), span, out)
        # The stream's message has no content yet; a non-streaming message is read through the same function.
        for index, block in enumerate(elements(message.get("content"))):
            self._block({"index": index, "content_block": block}, span, out)
        # stop_reason "is null in the message_start event", but when the message has nothing more to say: a call that
        # code of its own made is sent so, whole, with message_stop right behind it.
        if reason := text(message.get("stop_reason")):
            self._flush(span, out)
            out.append(Finish(reason, span=span))

    def _usage(self, usage: Any, span: Span, out: list[Event]) -> None:
        # "The token counts shown in the usage field of the message_delta event are cumulative."
        counts = members(usage)
        given, made = count(counts.get("input_tokens")), count(counts.get("output_tokens"))
        if given is not None or made is not None:
            out.append(Usage(given, made, span=span))

    def _error(self, event: dict[str, Any], span: Span, out: list[Event]) -> None:
        error = members(event.get("error"))
        kind = text(error.get("type"))
        shown = text(error.get("message")) or text(event.get("error")) or text(event.get("message")) or kind or "error"
        self._ending.fail(StreamError(shown, "", kind, span=span), out)

    def _block(self, event: dict[str, Any], span: Span, out: list[Event]) -> None:
        block = members(event.get("content_block"))
        kind = text(block.get("type"))
        call: _Call | None = None
        if kind == "text":
            if said := text(block.get("text")):
                out.append(TextDelta(said, span=span))
        elif kind == "thinking":
            if said := text(block.get("thinking")):
                out.append(ReasoningDelta(said, span=span))
        elif kind == CLIENT_TOOL or kind.endswith(SERVER_TOOL):
            call = self._open(block, kind != CLIENT_TOOL, span, out)
        elif kind.endswith("_tool_result"):
            call_id = text(block.get("tool_use_id"))
            number = self._numbers.setdefault(call_id, len(self._numbers))
            output = text(block.get("content")) or _compact(block.get("content"))
            out.append(ToolCallDelta(number, call_id, server=True, output=output, span=span))
        index = event.get("index")
        if isinstance(index, int):
            self._blocks[index] = call

    def _open(self, block: dict[str, Any], server: bool, span: Span, out: list[Event]) -> _Call:
        call_id = text(block.get("id"))
        number = len(self._numbers)
        self._numbers[f"{call_id}#{number}" if call_id in self._numbers or not call_id else call_id] = number
        out.append(ToolCallDelta(number, call_id, text(block.get("name")), server=server, span=span))
        # "input" is {} here and the arguments come as input_json_delta. Some services send them whole, and some of
        # those send them as deltas too: the vendor's SDK takes the deltas then.
        given = block.get("input")
        call = _Call(number, server, (text(given) or _compact(given)) if given else "")
        if call.whole:
            self._pending.append(call)
        return call

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
                self._arguments(event.get("index"), delta, span, out)

    def _arguments(self, index: Any, delta: dict[str, Any], span: Span, out: list[Event]) -> None:
        if not isinstance(index, int) or index not in self._blocks:
            self._ending.bad("input_json_delta outside a block", repr(delta), span, out)
            return
        call, piece = self._blocks[index], text(delta.get("partial_json"))
        if call is not None and piece:
            call.whole = ""
            out.append(ToolCallDelta(call.number, arguments=piece, server=call.server, span=span))

    def _flush(self, span: Span, out: list[Event]) -> None:
        """Arguments that came whole and were not said again in deltas."""
        whole = (call for call in self._pending if call.whole)
        out += (ToolCallDelta(call.number, arguments=call.whole, server=call.server, span=span) for call in whole)
        self._pending.clear()

    def _completion(self, event: dict[str, Any], span: Span, out: list[Event]) -> None:
        """The legacy Text Completions API, and Claude 2 on Bedrock."""
        if not self._named and (event.get("id") or event.get("model")):
            self._named = True
            out.append(Start(text(event.get("id")), text(event.get("model")), span=span))
        if said := text(event.get("completion")):
            out.append(TextDelta(said, span=span))
        if reason := text(event.get("stop_reason")):
            self._completed = True
            out.append(Finish(reason, span=span))


def _compact(value: Any) -> str:
    return "" if value is None else to_json(value)


def read_message(body: Any) -> Message:
    """The message of a non-streaming answer; an error body gives a message that ended in error."""
    answer = members(body)
    out: list[Event] = []
    interpreter = MessagesInterpreter()
    if answer.get("type") == "error" or "error" in answer:
        interpreter.payload({**answer, "type": "error"}, (0, 0), out)
    else:
        interpreter.payload({"type": "message_start", "message": answer}, (0, 0), out)
        interpreter.payload({"type": "message_stop"}, (0, 0), out)
    interpreter.end(0, out)
    return assemble("anthropic-messages", out)
