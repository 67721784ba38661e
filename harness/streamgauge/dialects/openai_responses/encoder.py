"""Events to Responses streaming events, and what the server side of the dialect says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from streamgauge.chat import ChatMessage, ChatRequest
from streamgauge.dialect import WireRequest
from streamgauge.dialects.openai_chat.encoder import CREATED
from streamgauge.dialects.openai_responses.decoder import TERMINAL
from streamgauge.events import (
    End,
    Event,
    Finish,
    KeepAlive,
    ReasoningDelta,
    RefusalDelta,
    Start,
    StreamError,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from streamgauge.frames import cannot_say, only_choice, sse_event

NAME = "openai-responses"


DONE = b"data: [DONE]\n\n"
_TERMINAL = tuple(f"event: {kind}\n".encode() for kind in TERMINAL)


def encode(events: Iterable[Event]) -> list[bytes]:
    """The streaming events that say the same, each item opened, closed and repeated in the last event.

    Raises StreamgaugeError for what the dialect can't say: a second choice, interleaved items.
    """
    encoder = _Encoder()
    for event in events:
        only_choice(event, NAME)
        encoder.add(event)
    return encoder.frames


def encode_open(events: Iterable[Event]) -> list[bytes]:
    """The same, ended as Open Responses demands: "The terminal event MUST be the literal string [DONE]"."""
    frames = encode(events)
    ended = frames and frames[-1].startswith(_TERMINAL)
    return [*frames, DONE] if ended else frames


class _Encoder:
    """Keeps the item that is open with what it has said, and the items that are done."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self._number = 0
        self._response: dict[str, Any] = {"id": "resp_streamgauge", "model": "gpt-4"}
        self._items: list[dict[str, Any]] = []
        self._open: object = None
        self._said: list[str] = []
        self._called: set[int] = set()
        self._error: dict[str, Any] | None = None
        self._usage: dict[str, Any] | None = None
        self._status = "completed"

    def add(self, event: Event) -> None:
        match event:
            case Start():
                self._response = {"id": event.id, "model": event.model}
                self._send("response.created", response=self._snapshot("in_progress"))
                self._send("response.in_progress", response=self._snapshot("in_progress"))
            case TextDelta():
                self._say("output_text", event.text)
            case RefusalDelta():
                self._say("refusal", event.text)
            case ReasoningDelta():
                self._say("reasoning_summary_text", event.text)
            case ToolCallDelta() if not event.server:
                self._tool(event)
            case Finish():
                self._status = str(event.reason)
            case Usage():
                self._count(event)
            case StreamError():
                self._error = {"code": event.code or event.error_type or "server_error", "message": event.message}
            case KeepAlive():
                self.frames.append(f": {event.text}\n\n".encode())
            case End():
                self._end(event)
            case _:
                raise cannot_say(event, NAME)

    def _send(self, kind: str, **members: Any) -> None:
        self.frames.append(sse_event({"type": kind, "sequence_number": self._number, **members}, kind))
        self._number += 1

    def _snapshot(self, status: str) -> dict[str, Any]:
        head = {"object": "response", "created_at": CREATED, "status": status, "error": None}
        head |= {"incomplete_details": None, "output": list(self._items), "usage": None}
        return {**self._response, **head}

    def _count(self, event: Usage) -> None:
        given, made = event.input_tokens, event.output_tokens
        usage: dict[str, Any] = {"input_tokens": given, "input_tokens_details": {"cached_tokens": 0}}
        usage |= {"output_tokens": made, "output_tokens_details": {"reasoning_tokens": 0}}
        self._usage = {**usage, "total_tokens": (given or 0) + (made or 0)}

    @property
    def _index(self) -> int:
        return len(self._items)

    def _item_id(self) -> str:
        return f"item_{self._index}"

    def _at(self) -> dict[str, Any]:
        part = "summary_index" if self._open == "reasoning_summary_text" else "content_index"
        return {"item_id": self._item_id(), "output_index": self._index, part: 0}

    def _say(self, kind: str, said: str) -> None:
        if self._open != kind:
            self._close()
            self._open = kind
            self._send("response.output_item.added", output_index=self._index, item=self._item("in_progress"))
            name = "reasoning_summary_part" if kind == "reasoning_summary_text" else "content_part"
            self._send(f"response.{name}.added", **self._at(), part=self._part(""))
        self._said.append(said)
        logprobs: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
        self._send(f"response.{kind}.delta", **self._at(), delta=said, **logprobs)

    def _part(self, said: str) -> dict[str, Any]:
        match self._open:
            case "output_text":
                return {"type": "output_text", "text": said, "annotations": [], "logprobs": []}
            case "refusal":
                return {"type": "refusal", "refusal": said}
            case _:
                return {"type": "summary_text", "text": said}

    def _item(self, status: str) -> dict[str, Any]:
        said = "".join(self._said)
        parts = [self._part(said)] if status == "completed" else []
        head: dict[str, Any] = {"id": self._item_id()}
        if self._open == "reasoning_summary_text":
            return {**head, "type": "reasoning", "summary": parts}
        if isinstance(self._open, ToolCallDelta):
            call = {"call_id": self._open.id, "name": self._open.name, "arguments": said}
            return {**head, "type": "function_call", "status": status, **call}
        return {**head, "type": "message", "status": status, "role": "assistant", "content": parts}

    def _close(self) -> None:
        if self._open is None:
            return
        said = "".join(self._said)
        if isinstance(self._open, ToolCallDelta):
            at = {"item_id": self._item_id(), "output_index": self._index}
            self._send("response.function_call_arguments.done", **at, name=self._open.name, arguments=said)
        else:
            member = "refusal" if self._open == "refusal" else "text"
            logprobs: dict[str, Any] = {"logprobs": []} if self._open == "output_text" else {}
            self._send(f"response.{self._open}.done", **self._at(), **{member: said}, **logprobs)
            name = "reasoning_summary_part" if self._open == "reasoning_summary_text" else "content_part"
            self._send(f"response.{name}.done", **self._at(), part=self._part(said))
        item = self._item("completed")
        self._send("response.output_item.done", output_index=self._index, item=item)
        self._items.append(item)
        self._open, self._said = None, []

    def _tool(self, event: ToolCallDelta) -> None:
        current = self._open.index if isinstance(self._open, ToolCallDelta) else None
        if event.index != current:
            if event.index in self._called:
                raise cannot_say(event, NAME)  # an item that is done does not go on
            self._close()
            self._called.add(event.index)
            self._open = event
            self._send("response.output_item.added", output_index=self._index, item=self._item("in_progress"))
        if event.arguments:
            self._said.append(event.arguments)
            at = {"item_id": self._item_id(), "output_index": self._index}
            self._send("response.function_call_arguments.delta", **at, delta=event.arguments)

    def _end(self, event: End) -> None:
        if event.ended not in ("complete", "error"):
            return
        self._close()
        if self._error is not None:
            failed = {**self._snapshot("failed"), "error": self._error}
            self._send("response.failed", response=failed)
            return
        kind = "incomplete" if self._status == "incomplete" else "completed"
        reason = {"incomplete_details": {"reason": "max_output_tokens"}} if kind == "incomplete" else {}
        response = {**self._snapshot(self._status), "usage": self._usage, **reason}
        self._send(f"response.{kind}", response=response)


def encode_error_frame(message: str, code: str) -> bytes:
    """An error event in the stream, flat as ResponseErrorEvent is, and the response that failed by it."""
    error = {"type": "error", "sequence_number": 0, "code": code or None, "message": message, "param": None}
    return sse_event(error, "error") + _failed(message, code)


def encode_open_error_frame(message: str, code: str) -> bytes:
    """The same in Open Responses, whose ErrorStreamingEvent has the payload in `error`; then the terminator."""
    payload = {"type": "server_error", "code": code or None, "message": message, "param": None}
    return sse_event({"type": "error", "sequence_number": 0, "error": payload}, "error") + _failed(message, code) + DONE


def _failed(message: str, code: str) -> bytes:
    encoder = _Encoder()
    encoder.add(StreamError(message, code))
    encoder.add(End("error"))
    return b"".join(encoder.frames)


def encode_request(request: ChatRequest) -> WireRequest:
    """POST /responses (OpenAI API reference, "Create a model response"); nothing is stored."""
    body: dict[str, Any] = {"model": request.model, "input": [_turn(m) for m in request.messages], "store": False}
    if request.stream:
        body["stream"] = True
    if request.max_tokens is not None:
        body["max_output_tokens"] = request.max_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.tools:
        body["tools"] = [
            {"type": "function", "name": t.name, "description": t.description, "parameters": t.parameters}
            for t in request.tools
        ]
    if request.logprobs:
        body["include"] = ["message.output_text.logprobs"]
    return WireRequest("/responses", body | request.extra)


def _turn(message: ChatMessage) -> dict[str, Any]:
    if message.role == "tool":
        return {"type": "function_call_output", "call_id": message.tool_call_id, "output": message.content}
    return {"role": message.role, "content": message.content}
