"""Events to completion chunks, and the request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.dialect import WireRequest
from streamgauge.dialects.openai_chat.encoder import CREATED
from streamgauge.events import End, Event, Finish, KeepAlive, Start, StreamError, TextDelta, Usage
from streamgauge.frames import cannot_say, sse_event

NAME = "openai-completions"


def encode(events: Iterable[Event]) -> list[bytes]:
    """One server-sent event for each event; a start has no chunk of its own, each chunk repeats the identity.

    Raises StreamgaugeError for what the dialect can't say: reasoning, refusals, tool calls.
    """
    identity = {"id": "cmpl-streamgauge", "object": "text_completion", "created": CREATED, "model": "gpt-4"}
    frames: list[bytes] = []
    for event in events:
        if isinstance(event, Start):
            identity |= {"id": event.id, "model": event.model}
            frames.append(sse_event({**identity, "choices": [_choice(0, "")]}))
        elif frame := _frame(event, identity):
            frames.append(frame)
    return frames


def _frame(event: Event, identity: dict[str, Any]) -> bytes:
    match event:
        case TextDelta():
            return sse_event({**identity, "choices": [_choice(event.choice, event.text)]})
        case Finish():
            return sse_event({**identity, "choices": [_choice(event.choice, "", event.reason)]})
        case Usage():
            given, made = event.input_tokens or 0, event.output_tokens or 0
            usage = {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}
            return sse_event({**identity, "choices": [], "usage": usage})
        case StreamError():
            return sse_event({"error": {"message": event.message, "type": event.error_type, "code": event.code}})
        case KeepAlive():
            return f": {event.text}\n\n".encode()
        case End():
            return b"data: [DONE]\n\n" if event.ended in ("complete", "error") else b""
        case _:
            raise cannot_say(event, NAME)


def _choice(index: int, text: str, reason: Any = None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": reason}


def encode_request(request: ChatRequest) -> WireRequest:
    """POST /completions; the turns' contents, joined by blank lines, are the prompt."""
    body: dict[str, Any] = {"model": request.model, "prompt": "\n\n".join(m.content for m in request.messages)}
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
    if request.logprobs:
        body["logprobs"] = 1
    return WireRequest("/completions", body | request.extra)
