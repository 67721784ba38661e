"""Events to Ollama's objects, and what the server side of the dialects says.

Source: Ollama docs, API reference (https://docs.ollama.com/api).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from streamgauge.chat import ChatMessage, ChatRequest
from streamgauge.dialect import WireRequest
from streamgauge.errors import StreamgaugeError
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
from streamgauge.frames import cannot_say, only_choice

NAME = "ollama"
CREATED_AT = "2025-01-01T00:00:00Z"
Shape = Callable[[str, str, list[Any]], dict[str, Any]]
"""(text, thinking, tool calls) to the members of one object that carry them."""


def chat_shape(said: str, thought: str, calls: list[Any]) -> dict[str, Any]:
    """/api/chat: inside `message`."""
    message: dict[str, Any] = {"role": "assistant", "content": said}
    message |= {"thinking": thought} if thought else {}
    message |= {"tool_calls": calls} if calls else {}
    return {"message": message}


def generate_shape(said: str, thought: str, calls: list[Any]) -> dict[str, Any]:
    """/api/generate: at the top; it has no tool calls."""
    if calls:
        raise StreamgaugeError("ollama-generate has no tool calls")
    return {"response": said, **({"thinking": thought} if thought else {})}


def encode(events: Iterable[Event], shape: Shape) -> list[bytes]:
    """One line for each object; a tool call is whole, so its fragments are joined.

    Raises StreamgaugeError for what the dialect can't say: a second choice, a refusal, arguments that are no object.
    """
    encoder = _Encoder(shape)
    for event in events:
        only_choice(event, NAME)
        encoder.add(event)
    encoder.flush_call()
    return encoder.lines


class _Encoder:
    """Keeps the call in progress, and what the last object says beside `done`."""

    def __init__(self, shape: Shape) -> None:
        self.lines: list[bytes] = []
        self._shape = shape
        self._model = "llama3"
        self._call: list[ToolCallDelta] = []
        self._last: dict[str, Any] = {}

    def add(self, event: Event) -> None:
        if isinstance(event, ToolCallDelta) and not event.server:
            if self._call and self._call[0].index != event.index:
                self.flush_call()
            self._call.append(event)
            return
        self.flush_call()
        match event:
            case Start():
                self._model = event.model or self._model
            case TextDelta():
                self._object(self._shape(event.text, "", []))
            case ReasoningDelta():
                self._object(self._shape("", event.text, []))
            case Finish():
                self._last["done_reason"] = event.reason
            case Usage():
                counts = {"prompt_eval_count": event.input_tokens, "eval_count": event.output_tokens}
                self._last |= {name: value for name, value in counts.items() if value is not None}
            case StreamError():
                self.lines.append(f"{to_json({'error': event.message})}\n".encode())
            case KeepAlive():
                self._object(self._shape("", "", []))
            case End():
                self._end(event)
            case _:
                raise cannot_say(event, NAME)

    def flush_call(self) -> None:
        """Write the call in progress as one object."""
        if not self._call:
            return
        parts, self._call = self._call, []
        name = next((p.name for p in parts if p.name), "")
        call_id = next((p.id for p in parts if p.id), "")
        try:
            arguments = json.loads("".join(p.arguments for p in parts) or "{}")
        except ValueError as error:
            raise StreamgaugeError(f"ollama needs whole JSON arguments: {error}") from error
        if not isinstance(arguments, dict):
            raise StreamgaugeError("ollama needs arguments that are a JSON object")
        call: dict[str, Any] = {"function": {"name": name, "arguments": arguments}}
        self._object(self._shape("", "", [{"id": call_id, **call} if call_id else call]))

    def _object(self, members: dict[str, Any], done: bool = False) -> None:
        value = {"model": self._model, "created_at": CREATED_AT, **members, "done": done}
        self.lines.append(f"{to_json(value)}\n".encode())

    def _end(self, event: End) -> None:
        if event.ended == "complete":
            timings = {"total_duration": 2_000_000_000, "load_duration": 10_000_000}
            timings |= {"prompt_eval_duration": 100_000_000, "eval_duration": 1_500_000_000}
            self._object({**self._shape("", "", []), **self._last, **timings}, done=True)


def encode_error_frame(message: str, code: str) -> bytes:
    """An error in the stream: {"error": string}; it has no place for a code."""
    return f"{to_json({'error': f'{message} ({code})' if code else message})}\n".encode()


def encode_error_body(status: int, message: str) -> bytes:  # noqa: ARG001 - the body is the same for each status
    """The JSON body of an HTTP error (Ollama, "Errors")."""
    return to_json({"error": message}).encode()


def encode_models(names: Sequence[str]) -> dict[str, Any]:
    """What GET /api/tags answers."""
    return {"models": [{"name": n, "model": n, "modified_at": CREATED_AT, "size": 1} for n in names]}


def _options(request: ChatRequest) -> dict[str, Any]:
    options: dict[str, Any] = {"num_predict": request.max_tokens, "temperature": request.temperature}
    options |= {"seed": request.seed, "stop": list(request.stop) or None}
    given = {name: value for name, value in options.items() if value is not None}
    asked: dict[str, Any] = {"options": given} if given else {}
    return asked | {"logprobs": True} if request.logprobs else asked


def encode_chat(request: ChatRequest) -> WireRequest:
    """POST /api/chat; it streams unless told not to, so `stream` is always stated."""
    body: dict[str, Any] = {"model": request.model, "messages": [_turn(m) for m in request.messages]}
    body |= {"stream": request.stream, **_options(request)}
    if request.tools:
        functions = [{"name": t.name, "description": t.description, "parameters": t.parameters} for t in request.tools]
        body["tools"] = [{"type": "function", "function": f} for f in functions]
    return WireRequest("/api/chat", body | request.extra)


def encode_generate(request: ChatRequest) -> WireRequest:
    """POST /api/generate; the turns' contents, joined by blank lines, are the prompt."""
    prompt = "\n\n".join(m.content for m in request.messages)
    body = {"model": request.model, "prompt": prompt, "stream": request.stream, **_options(request)}
    return WireRequest("/api/generate", body | request.extra)


def _turn(message: ChatMessage) -> dict[str, Any]:
    said = {"role": message.role, "content": message.content}
    return said | {"tool_name": message.tool_call_id} if message.tool_call_id else said
