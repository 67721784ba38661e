"""Events to Cohere's v2 chat events, and what the server side of the dialect says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from streamgauge.chat import ChatMessage, ChatRequest
from streamgauge.dialect import WireRequest
from streamgauge.events import (
    End,
    Event,
    Finish,
    KeepAlive,
    ReasoningDelta,
    Start,
    StreamError,
    TextDelta,
    ToolCallDelta,
    Usage,
    to_json,
)
from streamgauge.frames import cannot_say, only_choice, sse_event

NAME = "cohere-chat"


def encode(events: Iterable[Event]) -> list[bytes]:
    """The chat events that say the same.

    Raises StreamgaugeError for what the dialect can't say: a second choice, a refusal, interleaved blocks.
    """
    encoder = _Encoder()
    for event in events:
        only_choice(event, NAME)
        encoder.add(event)
    return encoder.frames


class _Encoder:
    """Keeps the block that is open, and what message-end says."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self._index = -1
        self._open: object = None
        self._called: set[int] = set()
        self._last: dict[str, Any] = {}

    def add(self, event: Event) -> None:
        match event:
            case Start():
                message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
                self._send("message-start", id=event.id, delta={"message": message})
            case TextDelta():
                self._say("text", event.text)
            case ReasoningDelta():
                self._say("thinking", event.text)
            case ToolCallDelta() if not event.server:
                self._tool(event)
            case Finish():
                self._close()
                self._last["finish_reason"] = event.reason
            case Usage():
                tokens = {"input_tokens": event.input_tokens, "output_tokens": event.output_tokens}
                tokens = {name: value for name, value in tokens.items() if value is not None}
                self._last["usage"] = {"billed_units": tokens, "tokens": tokens}
            case StreamError():
                self._close()
                self._last |= {"finish_reason": "ERROR", "error": event.message}
                self._last |= {"error_type": event.error_type} if event.error_type else {}
            case KeepAlive():
                self.frames.append(f": {event.text}\n\n".encode())
            case End():
                if event.ended in ("complete", "error"):
                    self._close()
                    self._send("message-end", delta=self._last)
            case _:
                raise cannot_say(event, NAME)

    def _send(self, kind: str, **members: Any) -> None:
        self.frames.append(sse_event({"type": kind, **members}, kind))

    def _say(self, kind: str, said: str) -> None:
        if self._open != kind:
            self._close()
            self._index += 1
            self._open = kind
            content = {"type": kind, kind: ""}
            self._send("content-start", index=self._index, delta={"message": {"content": content}})
        self._send("content-delta", index=self._index, delta={"message": {"content": {kind: said}}})

    def _close(self) -> None:
        if self._open is None:
            return
        kind = "content-end" if isinstance(self._open, str) else "tool-call-end"
        self._send(kind, index=self._index if isinstance(self._open, str) else self._open)
        self._open = None

    def _tool(self, event: ToolCallDelta) -> None:
        if event.index not in self._called:
            self._close()
            self._called.add(event.index)
            self._open = event.index
            function = {"name": event.name, "arguments": event.arguments}
            call = {"id": event.id, "type": "function", "function": function}
            self._send("tool-call-start", index=event.index, delta={"message": {"tool_calls": call}})
        elif self._open != event.index:
            raise cannot_say(event, NAME)  # a call that has ended does not go on
        else:
            call = {"function": {"arguments": event.arguments}}
            self._send("tool-call-delta", index=event.index, delta={"message": {"tool_calls": call}})


def encode_error_frame(message: str, code: str) -> bytes:
    """An error in the stream: a message-end with finish_reason ERROR."""
    delta = {"finish_reason": "ERROR", "error": message, **({"error_type": code} if code else {})}
    return sse_event({"type": "message-end", "delta": delta}, "message-end")


def encode_error_body(status: int, message: str) -> bytes:  # noqa: ARG001 - the body is the same for each status
    """The JSON body of an HTTP error (Cohere, "Errors")."""
    return to_json({"id": "streamgauge", "message": message}).encode()


def encode_models(names: Sequence[str]) -> dict[str, Any]:
    """What GET /v1/models answers."""
    return {"models": [{"name": n, "endpoints": ["chat"]} for n in names]}


def encode_request(request: ChatRequest) -> WireRequest:
    """POST /v2/chat (Cohere API v2 reference, "Chat with streaming")."""
    body: dict[str, Any] = {"model": request.model, "messages": [_turn(m) for m in request.messages]}
    if request.stream:
        body["stream"] = True
    options = {"max_tokens": request.max_tokens, "temperature": request.temperature, "seed": request.seed}
    body |= {name: value for name, value in options.items() if value is not None}
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.logprobs:
        body["logprobs"] = True
    if request.tools:
        functions = [{"name": t.name, "description": t.description, "parameters": t.parameters} for t in request.tools]
        body["tools"] = [{"type": "function", "function": f} for f in functions]
    return WireRequest("/chat", body | request.extra)


def _turn(message: ChatMessage) -> dict[str, Any]:
    said = {"role": message.role, "content": message.content}
    return said | {"tool_call_id": message.tool_call_id} if message.tool_call_id else said
