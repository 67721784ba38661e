"""Events to Anthropic's message events, and what the server side of the dialect says.

Sources: Anthropic docs, "Streaming messages" (https://docs.claude.com/en/docs/build-with-claude/streaming), "Messages"
(https://docs.claude.com/en/api/messages) and "Errors" (https://docs.claude.com/en/api/errors).
"""

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
from streamgauge.frames import cannot_say, last_usage, only_choice, sse_event

NAME = "anthropic-messages"
MAX_TOKENS = 1024  # the API requires max_tokens; this is asked for where the caller leaves it open


def encode(events: Iterable[Event]) -> list[bytes]:
    """The message events that say the same.

    Raises StreamgaugeError for what the dialect can't say: a second choice, a refusal, interleaved blocks.
    """
    told = list(events)
    encoder = _Encoder(last_usage(told))
    for event in told:
        encoder.add(event)
    return encoder.frames


class _Encoder:
    """Keeps the block that is open, and the stop reason until the usage that is told with it."""

    def __init__(self, usage: Usage | None) -> None:
        self.frames: list[bytes] = []
        self._usage = usage
        self._index = -1
        self._open: object = None  # "text", "thinking", or the number of a call
        self._called: dict[int, str] = {}  # id by the number of the call

    def add(self, event: Event) -> None:
        only_choice(event, NAME)
        match event:
            case Start():
                self._send("message_start", message=self._message(event))
            case TextDelta():
                self._switch("text", {"type": "text", "text": ""})
                self._send_delta({"type": "text_delta", "text": event.text})
            case ReasoningDelta():
                self._switch("thinking", {"type": "thinking", "thinking": "", "signature": ""})
                self._send_delta({"type": "thinking_delta", "thinking": event.text})
            case ToolCallDelta():
                self._tool(event)
            case Finish():
                self._finish(event)
            case Usage():
                pass  # told with the start and with the stop reason
            case StreamError():
                error = {"type": event.error_type or "api_error", "message": event.message}
                self._send("error", error=error)
            case KeepAlive():
                self._send("ping")
            case End():
                self._end(event)
            case _:
                raise cannot_say(event, NAME)

    def _send(self, kind: str, **members: Any) -> None:
        self.frames.append(sse_event({"type": kind, **members}, kind))

    def _send_delta(self, delta: dict[str, Any]) -> None:
        self._send("content_block_delta", index=self._index, delta=delta)

    def _message(self, event: Start) -> dict[str, Any]:
        message: dict[str, Any] = {"id": event.id, "type": "message", "role": "assistant", "model": event.model}
        message |= {"content": [], "stop_reason": None, "stop_sequence": None}
        if self._usage is not None:
            message["usage"] = {"input_tokens": self._usage.input_tokens or 0, "output_tokens": 1}
        return message

    def _switch(self, key: object, block: dict[str, Any]) -> None:
        if self._open == key:
            return
        self._close()
        self._index += 1
        self._open = key
        self._send("content_block_start", index=self._index, content_block=block)

    def _close(self) -> None:
        if self._open is None:
            return
        if self._open == "thinking":
            # "a signature_delta event is sent just before the content_block_stop event"
            self._send_delta({"type": "signature_delta", "signature": "c2lnbmF0dXJl"})
        self._send("content_block_stop", index=self._index)
        self._open = None

    def _tool(self, event: ToolCallDelta) -> None:
        if event.index not in self._called:
            self._called[event.index] = event.id
            kind = "server_tool_use" if event.server else "tool_use"
            self._switch(event.index, {"type": kind, "id": event.id, "name": event.name, "input": {}})
        elif event.arguments and self._open != event.index:
            raise cannot_say(event, NAME)  # blocks do not overlap
        if event.arguments:
            self._send_delta({"type": "input_json_delta", "partial_json": event.arguments})
        if event.output:
            call_id = self._called[event.index]
            block = {"type": "mcp_tool_result", "tool_use_id": call_id, "is_error": False, "content": event.output}
            self._switch(("result", event.index), block)

    def _finish(self, event: Finish) -> None:
        self._close()
        made = self._usage.output_tokens if self._usage else None
        output = {} if made is None else {"output_tokens": made}
        self._send("message_delta", delta={"stop_reason": event.reason, "stop_sequence": None}, usage=output)

    def _end(self, event: End) -> None:
        if event.ended == "complete":
            self._close()
            self._send("message_stop")


def encode_error_frame(message: str, code: str) -> bytes:
    """An error event in the stream; `code` is the error's type, "api_error" where it is none of Anthropic's."""
    kind = code if code.endswith("_error") else "api_error"
    return sse_event({"type": "error", "error": {"type": kind, "message": message}}, "error")


def encode_error_body(status: int, message: str) -> bytes:
    """The JSON body of an HTTP error (Anthropic, "Errors")."""
    kinds = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error"}
    kinds |= {413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "api_error")
    return to_json({"type": "error", "error": {"type": kind, "message": message}}).encode()


def encode_models(names: Sequence[str]) -> dict[str, Any]:
    """What GET /v1/models answers."""
    data = [{"type": "model", "id": n, "display_name": n, "created_at": "2025-01-01T00:00:00Z"} for n in names]
    return {"data": data, "has_more": False, "first_id": names[0] if names else None, "last_id": None}


def encode_request(request: ChatRequest) -> WireRequest:
    """POST /v1/messages; the system turns go into `system`, and max_tokens is always stated."""
    system = "\n\n".join(m.content for m in request.messages if m.role == "system")
    turns = [_turn(m) for m in request.messages if m.role != "system"]
    body: dict[str, Any] = {"model": request.model, "messages": turns, "max_tokens": request.max_tokens or MAX_TOKENS}
    if system:
        body["system"] = system
    if request.stream:
        body["stream"] = True
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.tools:
        body["tools"] = [
            {"name": t.name, "description": t.description, "input_schema": t.parameters} for t in request.tools
        ]
    return WireRequest("/messages", body | request.extra, (("anthropic-version", "2023-06-01"),))


def _turn(message: ChatMessage) -> dict[str, Any]:
    if message.role == "tool":
        result = {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.content}
        return {"role": "user", "content": [result]}
    return {"role": message.role, "content": message.content}
