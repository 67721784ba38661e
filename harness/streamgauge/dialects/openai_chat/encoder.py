"""Events to chat completion chunks, and what the server side of the dialect says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from streamgauge.chat import ChatMessage, ChatRequest, Tool
from streamgauge.dialect import WireRequest
from streamgauge.errors import StreamgaugeError
from streamgauge.events import (
    End,
    Event,
    Finish,
    KeepAlive,
    Malformed,
    ReasoningDelta,
    RefusalDelta,
    Start,
    StreamError,
    TextDelta,
    ToolCallDelta,
    Usage,
    to_json,
)

CREATED = 1_700_000_000
"""Unix time in seconds of encoded streams: a constant, so that the same events are the same bytes."""


def encode(events: Iterable[Event]) -> list[bytes]:
    """One server-sent event for each event, as OpenAI's reference shows them.

    Raises StreamgaugeError for `Malformed`, which has no bytes of its own.
    """
    encoder = _Encoder()
    return [frame for event in events if (frame := encoder.frame(event))]


class _Encoder:
    """Remembers the identity that each chunk repeats, and which choices and calls were opened."""

    def __init__(self) -> None:
        self._id = "chatcmpl-streamgauge"
        self._model = "gpt-4"
        self._opened: set[int] = set()
        self._calls: set[tuple[int, int]] = set()

    def frame(self, event: Event) -> bytes:
        match event:
            case Start():
                self._id = event.id or self._id
                self._model = event.model or self._model
                self._opened.add(0)
                return self._chunk(0, {"role": "assistant", "content": ""})
            case TextDelta():
                return self._delta(event.choice, {"content": event.text})
            case ReasoningDelta():
                return self._delta(event.choice, {"reasoning_content": event.text})
            case RefusalDelta():
                return self._delta(event.choice, {"refusal": event.text})
            case ToolCallDelta():
                return self._delta(event.choice, {"tool_calls": [self._call(event)]})
            case Finish():
                return self._chunk(event.choice, {}, event.reason)
            case Usage():
                return self._usage(event)
            case StreamError():
                return _sse({"error": {"message": event.message, "type": event.error_type, "code": event.code}})
            case KeepAlive():
                return "".join(f": {line}\n" for line in re.split("\r\n?|\n", event.text)).encode() + b"\n"
            case End():
                return b"data: [DONE]\n\n" if event.ended in ("complete", "error") else b""
            case Malformed():
                raise StreamgaugeError("a malformed event can't be encoded; write its bytes yourself")

    def _delta(self, choice: int, delta: dict[str, Any]) -> bytes:
        if choice not in self._opened:
            self._opened.add(choice)
            delta = {"role": "assistant", **delta}
        return self._chunk(choice, delta)

    def _call(self, event: ToolCallDelta) -> dict[str, Any]:
        function = {"arguments": event.arguments}
        if (event.choice, event.index) in self._calls and not (event.id or event.name):
            return {"index": event.index, "function": function}
        self._calls.add((event.choice, event.index))
        named = {"name": event.name, **function}
        return {"index": event.index, "id": event.id, "type": "function", "function": named}

    def _chunk(self, choice: int, delta: dict[str, Any], reason: str | int | None = None) -> bytes:
        return _sse(self._object([{"index": choice, "delta": delta, "logprobs": None, "finish_reason": reason}]))

    def _usage(self, event: Usage) -> bytes:
        prompt, completion = event.input_tokens, event.output_tokens
        usage = {"prompt_tokens": prompt, "completion_tokens": completion}
        if prompt is not None and completion is not None:
            usage["total_tokens"] = prompt + completion
        return _sse({**self._object([]), "usage": usage})

    def _object(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": self._model,
            "choices": choices,
        }


def _sse(value: dict[str, Any]) -> bytes:
    return f"data: {to_json(value)}\n\n".encode()


def encode_error_frame(message: str, code: str) -> bytes:
    """An in-band error as OpenAI-compatible services send it, without the terminator."""
    return _sse({"error": {"message": message, "type": "server_error", "param": None, "code": code}})


def encode_error_body(status: int, message: str) -> bytes:
    """The JSON body of an HTTP error (OpenAI, "Error codes")."""
    kinds = {401: "authentication_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    return to_json({"error": {"message": message, "type": kind, "param": None, "code": None}}).encode()


def encode_models(names: Sequence[str]) -> dict[str, Any]:
    """What GET /v1/models answers."""
    data = [{"id": n, "object": "model", "created": CREATED, "owned_by": "streamgauge"} for n in names]
    return {"object": "list", "data": data}


def encode_request(request: ChatRequest) -> WireRequest:
    """POST /chat/completions (OpenAI API reference, "Create chat completion")."""
    body: dict[str, Any] = {"model": request.model, "messages": [_message(m) for m in request.messages]}
    if request.stream:
        body["stream"] = True
        if request.include_usage:
            body["stream_options"] = {"include_usage": True}
    options = {"max_tokens": request.max_tokens, "temperature": request.temperature, "seed": request.seed}
    body |= {name: value for name, value in options.items() if value is not None}
    if request.n != 1:
        body["n"] = request.n
    if request.stop:
        body["stop"] = list(request.stop)
    if request.tools:
        body["tools"] = [_tool(t) for t in request.tools]
    if request.logprobs:
        body["logprobs"] = True
    return WireRequest("/chat/completions", body | request.extra)


def _message(message: ChatMessage) -> dict[str, Any]:
    said = {"role": message.role, "content": message.content}
    return said | {"tool_call_id": message.tool_call_id} if message.tool_call_id else said


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}
