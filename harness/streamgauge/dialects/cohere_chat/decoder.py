"""Cohere's v2 chat events to normalised events, and the non-streaming answer.

Sources: Cohere API v2 reference, "Chat with streaming" (https://docs.cohere.com/v2/reference/chat-stream); "A Guide to
Streaming Responses" (https://docs.cohere.com/v2/docs/streaming); the events as generated in cohere 7.3.1, v2/types.
"""

from __future__ import annotations

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
)
from streamgauge.frames import Ending, read_object
from streamgauge.message import Message, assemble
from streamgauge.sse import ServerSentEvent
from streamgauge.wire import count, elements, members, text, typed


class _Text(msgspec.Struct, gc=False):
    text: str
    thinking: None = None


class _Said(msgspec.Struct, gc=False):
    content: _Text


class _Delta(msgspec.Struct, gc=False):
    message: _Said


class _TextEvent(msgspec.Struct, gc=False):
    """An event that says a piece of text, as most do: read typed, at half the cost of `payload`."""

    type: Literal["content-delta"]
    delta: _Delta


_read_text = msgspec.json.Decoder(_TextEvent).decode


class ChatInterpreter:
    """Interprets the events of one stream, by the `type` of their data."""

    __slots__ = ("_calls", "_ending")

    def __init__(self) -> None:
        self._ending = Ending()
        self._calls: dict[Any, int] = {}  # number of the call by its index

    def frame(self, frame: Any, out: list[Event]) -> None:
        if isinstance(frame, ServerSentEvent) and not self._ending.ended:
            plain = typed(_read_text, frame.data)
            if plain is not None and (said := plain.delta.message.content.text):
                out.append(TextDelta(said, span=frame.span))
                return
        payload = read_object(frame, self._ending, out)
        if payload is None:
            return
        if "type" not in payload and frame.type != "message":
            payload = {**payload, "type": frame.type}  # the event's name says the same, by the reference
        self.payload(payload, frame.span, out)

    def end(self, offset: int, out: list[Event]) -> None:
        self._ending.eof(offset, out, complete=False, complete_because="", missing="no message-end")

    def payload(self, event: dict[str, Any], span: Span, out: list[Event]) -> None:
        """The events of one chat event."""
        before = len(out)
        kind = text(event.get("type"))
        delta = members(event.get("delta"))
        message = members(delta.get("message"))
        match kind:
            case "message-start":
                out.append(Start(text(event.get("id")), span=span))
            case "content-start" | "content-delta":
                self._content(message.get("content"), span, out)
            case "tool-plan-delta":
                # "a chain-of-thought style reflection and plan": said before the calls, and no part of the answer
                if plan := text(message.get("tool_plan")):
                    out.append(ReasoningDelta(plan, span=span))
            case "tool-call-start" | "tool-call-delta":
                self._tool_call(event.get("index"), message.get("tool_calls"), span, out)
            case "message-end":
                self._end(delta, span, out)
            case "" | "error":  # the body of an HTTP error, inside a stream; "error" is a gateway's name for it
                error = event.get("error")
                if said := text(event.get("message")) or text(error) or text(members(error).get("message")):
                    self._ending.fail(StreamError(said, span=span), out)
        if len(out) == before:
            out.append(KeepAlive(kind, span=span))

    def _content(self, content: Any, span: Span, out: list[Event]) -> None:
        for part in [content] if isinstance(content, dict) else elements(content):
            if thought := text(members(part).get("thinking")):
                out.append(ReasoningDelta(thought, span=span))
            if said := text(members(part).get("text")):
                out.append(TextDelta(said, span=span))

    def _tool_call(self, index: Any, calls: Any, span: Span, out: list[Event]) -> None:
        for call in [calls] if isinstance(calls, dict) else elements(calls):
            entry = members(call)
            function = members(entry.get("function"))
            key = index if isinstance(index, int) else text(entry.get("id")) or len(self._calls)
            number = self._calls.setdefault(key, len(self._calls))
            name, arguments = text(function.get("name")), text(function.get("arguments"))
            out.append(ToolCallDelta(number, text(entry.get("id")), name, arguments, span=span))

    def _end(self, delta: dict[str, Any], span: Span, out: list[Event]) -> None:
        reason = text(delta.get("finish_reason"))
        if reason:
            out.append(Finish(reason, span=span))
        tokens = members(members(delta.get("usage")).get("tokens"))
        given, made = count(tokens.get("input_tokens")), count(tokens.get("output_tokens"))
        if given is not None or made is not None:
            out.append(Usage(given, made, "usage.tokens", span=span))
        error = text(delta.get("error"))
        if error or reason in ("ERROR", "ERROR_TOXIC", "TIMEOUT"):
            self._ending.fail(StreamError(error or reason, "", text(delta.get("error_type")), span=span), out)
        self._ending.close("message-end", span, out)


def read_answer(body: Any) -> Message:
    """The message of a non-streaming answer; an error body has `message` as a string."""
    answer = members(body)
    out: list[Event] = []
    interpreter = ChatInterpreter()
    message = members(answer.get("message"))
    if not message and text(answer.get("message")):
        interpreter.payload({"type": "message-end", "delta": {"error": answer["message"]}}, (0, 0), out)
        return assemble("cohere-chat", out)
    interpreter.payload({"type": "message-start", "id": answer.get("id")}, (0, 0), out)
    interpreter.payload({"type": "tool-plan-delta", "delta": {"message": message}}, (0, 0), out)
    interpreter.payload({"type": "content-delta", "delta": {"message": message}}, (0, 0), out)
    for index, call in enumerate(elements(message.get("tool_calls"))):
        delta = {"message": {"tool_calls": call}}
        interpreter.payload({"type": "tool-call-start", "index": index, "delta": delta}, (0, 0), out)
    interpreter.payload({"type": "message-end", "delta": answer}, (0, 0), out)
    return assemble("cohere-chat", out)
