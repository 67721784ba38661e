"""Events to ConverseStream messages, and what the server side of the dialect says."""

from __future__ import annotations

from collections.abc import Iterable
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
from streamgauge.eventstream import encode_message
from streamgauge.frames import cannot_say, last_usage, only_choice

NAME = "bedrock-converse"
EXCEPTIONS = (
    "internalServerException",
    "modelStreamErrorException",
    "serviceUnavailableException",
    "throttlingException",
    "validationException",
)
"""The exception members of ConverseStreamOutput (AWS, Bedrock Runtime API reference)."""


def encode(events: Iterable[Event]) -> list[bytes]:
    """The messages that say the same; each block is opened and closed.

    Raises StreamgaugeError for what the dialect can't say: a second choice, a refusal, interleaved blocks.
    """
    told = list(events)
    usage = last_usage(told)
    encoder = _Encoder()
    for event in told:
        only_choice(event, NAME)
        encoder.add(event)
    if usage is not None:
        encoder.metadata(usage)
    return encoder.frames


class _Encoder:
    """Keeps the block that is open."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self._index = -1
        self._open: object = None
        self._called: dict[int, str] = {}  # id by the number of the call

    def add(self, event: Event) -> None:
        match event:
            case Start():
                self._send("messageStart", {"role": "assistant"})
            case TextDelta():
                self._say("text", {"text": event.text})
            case ReasoningDelta():
                self._say("reasoning", {"reasoningContent": {"text": event.text}})
            case ToolCallDelta():
                self._tool(event)
            case Finish():
                self._close()
                self._send("messageStop", {"stopReason": event.reason})
            case Usage():
                pass  # all of it is told at the end
            case StreamError():
                self.frames.append(exception(event.error_type or EXCEPTIONS[0], event.message))
            case KeepAlive() | End():
                pass
            case _:
                raise cannot_say(event, NAME)

    def metadata(self, usage: Usage) -> None:
        """The last event of a stream."""
        given, made = usage.input_tokens or 0, usage.output_tokens or 0
        counts = {"inputTokens": given, "outputTokens": made, "totalTokens": given + made}
        self._send("metadata", {"usage": counts, "metrics": {"latencyMs": 100}})

    def _send(self, kind: str, payload: dict[str, Any]) -> None:
        headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
        self.frames.append(encode_message(headers, to_json(payload).encode()))

    def _say(self, kind: str, delta: dict[str, Any]) -> None:
        if self._open != kind:
            self._close()
            self._index += 1
            self._open = kind  # contentBlockStart is optional for text and reasoning
        self._send("contentBlockDelta", {"contentBlockIndex": self._index, "delta": delta})

    def _close(self) -> None:
        if self._open is not None:
            self._send("contentBlockStop", {"contentBlockIndex": self._index})
            self._open = None

    def _start(self, key: object, start: dict[str, Any]) -> None:
        self._close()
        self._index += 1
        self._open = key
        self._send("contentBlockStart", {"contentBlockIndex": self._index, "start": start})

    def _tool(self, event: ToolCallDelta) -> None:
        if event.index not in self._called:
            self._called[event.index] = event.id
            tool = {"toolUseId": event.id, "name": event.name}
            self._start(event.index, {"toolUse": tool | ({"type": "server_tool_use"} if event.server else {})})
        elif event.arguments and self._open != event.index:
            raise cannot_say(event, NAME)  # a block that has ended does not go on
        if event.arguments:
            delta: dict[str, Any] = {"toolUse": {"input": event.arguments}}
            self._send("contentBlockDelta", {"contentBlockIndex": self._index, "delta": delta})
        if event.output:
            self._start(("result", event.index), {"toolResult": {"toolUseId": self._called[event.index]}})
            delta = {"toolResult": [{"text": event.output}]}
            self._send("contentBlockDelta", {"contentBlockIndex": self._index, "delta": delta})


def exception(kind: str, message: str) -> bytes:
    """An exception message, as the service sends a failure after the stream has begun."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return encode_message(headers, to_json({"message": message}).encode())


def encode_error_frame(message: str, code: str) -> bytes:
    """An error in the stream; `code` is the exception's name, internalServerException where it is none."""
    return exception(code if code in EXCEPTIONS else EXCEPTIONS[0], message)


def encode_error_body(status: int, message: str) -> bytes:  # noqa: ARG001 - the type goes into a header
    """The JSON body of an HTTP error."""
    return to_json({"message": message}).encode()


def encode_request(request: ChatRequest) -> WireRequest:
    """POST /model/{modelId}/converse-stream, unsigned: a gateway or a local server takes it, AWS wants SigV4."""
    body: dict[str, Any] = {"messages": [_turn(m) for m in request.messages if m.role != "system"]}
    if system := [{"text": m.content} for m in request.messages if m.role == "system"]:
        body["system"] = system
    config: dict[str, Any] = {"maxTokens": request.max_tokens, "temperature": request.temperature}
    config |= {"stopSequences": list(request.stop) or None}
    if config := {name: value for name, value in config.items() if value is not None}:
        body["inferenceConfig"] = config
    if request.tools:
        specs = [
            {"name": t.name, "description": t.description, "inputSchema": {"json": t.parameters}} for t in request.tools
        ]
        body["toolConfig"] = {"tools": [{"toolSpec": spec} for spec in specs]}
    method = "converse-stream" if request.stream else "converse"
    return WireRequest(f"/model/{request.model}/{method}", body | request.extra)


def _turn(message: ChatMessage) -> dict[str, Any]:
    if message.role == "tool":
        result = {"toolUseId": message.tool_call_id, "content": [{"text": message.content}]}
        return {"role": "user", "content": [{"toolResult": result}]}
    return {"role": message.role, "content": [{"text": message.content}]}
