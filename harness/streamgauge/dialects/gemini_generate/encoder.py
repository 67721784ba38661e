"""Events to GenerateContentResponse objects, and what the server side of the dialect says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
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
from streamgauge.frames import cannot_say, sse_event

NAME = "gemini-generate"
STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
STATUSES |= {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}


def encode(events: Iterable[Event]) -> list[bytes]:
    """One response object for each event; a function call is whole, so its fragments are joined.

    Raises StreamgaugeError for what the dialect can't say: a refusal, arguments that are no object.
    """
    encoder = _Encoder()
    for event in events:
        encoder.add(event)
    encoder.flush_call()
    return encoder.frames


class _Encoder:
    """Keeps the call in progress, and the identity that each response repeats."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self._identity: dict[str, Any] = {}
        self._call: list[ToolCallDelta] = []

    def add(self, event: Event) -> None:
        if isinstance(event, ToolCallDelta) and not event.server:
            if self._call and (self._call[0].index, self._call[0].choice) != (event.index, event.choice):
                self.flush_call()
            self._call.append(event)
            return
        self.flush_call()
        match event:
            case Start():
                self._identity = {"modelVersion": event.model, "responseId": event.id}
                self._send({})
            case TextDelta():
                self._part(event.choice, {"text": event.text})
            case ReasoningDelta():
                self._part(event.choice, {"text": event.text, "thought": True})
            case Finish():
                self._send({"candidates": [{"finishReason": event.reason, "index": event.choice}]})
            case Usage():
                self._usage(event)
            case StreamError():
                code = int(event.code) if event.code.isdigit() else event.code
                self._send({"error": {"code": code, "message": event.message, "status": event.error_type}})
            case KeepAlive():
                self.frames.append(f": {event.text}\n\n".encode())
            case End():
                pass
            case _:
                raise cannot_say(event, NAME)

    def _send(self, value: dict[str, Any]) -> None:
        self.frames.append(sse_event({**value, **self._identity}))

    def _part(self, choice: int, part: dict[str, Any]) -> None:
        self._send({"candidates": [{"content": {"parts": [part], "role": "model"}, "index": choice}]})

    def _usage(self, event: Usage) -> None:
        counts = {"promptTokenCount": event.input_tokens, "candidatesTokenCount": event.output_tokens}
        known = {name: value for name, value in counts.items() if value is not None}
        self._send({"usageMetadata": {**known, "totalTokenCount": sum(known.values())}})

    def flush_call(self) -> None:
        """Write the call in progress as one part."""
        if not self._call:
            return
        parts, self._call = self._call, []
        try:
            args = json.loads("".join(p.arguments for p in parts) or "{}")
        except ValueError as error:
            raise StreamgaugeError(f"gemini-generate needs whole JSON arguments: {error}") from error
        if not isinstance(args, dict):
            raise StreamgaugeError("gemini-generate needs arguments that are a JSON object")
        call: dict[str, Any] = {"name": next((p.name for p in parts if p.name), ""), "args": args}
        call_id = next((p.id for p in parts if p.id), "")
        self._part(parts[0].choice, {"functionCall": {"id": call_id, **call} if call_id else call})


def encode_error_frame(message: str, code: str) -> bytes:
    """An error in the stream: the error object that an HTTP error would have as its body."""
    status = code if code.isupper() else "INTERNAL"
    number = next((n for n, s in STATUSES.items() if s == status), 500)
    return sse_event({"error": {"code": number, "message": message, "status": status}})


def encode_error_body(status: int, message: str) -> bytes:
    """The JSON body of an HTTP error (google.rpc.Status in Google's JSON)."""
    kind = STATUSES.get(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL")
    return to_json({"error": {"code": status, "message": message, "status": kind}}).encode()


def encode_models(names: Sequence[str]) -> dict[str, Any]:
    """What GET /v1beta/models answers."""
    methods = ["generateContent", "streamGenerateContent"]
    return {"models": [{"name": f"models/{n}", "supportedGenerationMethods": methods} for n in names]}


def encode_request(request: ChatRequest) -> WireRequest:
    """POST /models/{model}:streamGenerateContent?alt=sse, or :generateContent."""
    turns = [_turn(m) for m in request.messages if m.role != "system"]
    body: dict[str, Any] = {"contents": turns}
    if system := "\n\n".join(m.content for m in request.messages if m.role == "system"):
        body["systemInstruction"] = {"parts": [{"text": system}]}
    config: dict[str, Any] = {"maxOutputTokens": request.max_tokens, "temperature": request.temperature}
    config |= {"seed": request.seed, "stopSequences": list(request.stop) or None}
    config |= {"candidateCount": request.n if request.n != 1 else None}
    config |= {"responseLogprobs": True if request.logprobs else None}
    if config := {name: value for name, value in config.items() if value is not None}:
        body["generationConfig"] = config
    if request.tools:
        functions = [{"name": t.name, "description": t.description, "parameters": t.parameters} for t in request.tools]
        body["tools"] = [{"functionDeclarations": functions}]
    method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    # The list of models has resource names, "models/..."; the vendor's SDKs take them and bare ones.
    named = request.model.startswith(("models/", "tunedModels/"))
    name = request.model if named else f"models/{request.model}"
    return WireRequest(f"/{name}:{method}", body | request.extra)


def _turn(message: ChatMessage) -> dict[str, Any]:
    if message.role == "tool":
        response = {"name": message.tool_call_id, "response": {"result": message.content}}
        return {"role": "user", "parts": [{"functionResponse": response}]}
    role = "model" if message.role == "assistant" else "user"
    return {"role": role, "parts": [{"text": message.content}]}
