"""Events to Text Generation Inference's token events, and what the server side of the dialect says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.dialect import WireRequest
from streamgauge.dialects.huggingface_tgi.decoder import NAME
from streamgauge.events import End, Event, Finish, KeepAlive, Start, StreamError, TextDelta, Usage, to_json
from streamgauge.frames import cannot_say, only_choice, sse_event


def encode(events: Iterable[Event]) -> list[bytes]:
    """One event a token; the last carries the whole text, why it ended and the counts.

    It is the last of the text, but after `eos_token` a special end token. Raises StreamgaugeError for what the dialect
    can't say: a second choice, reasoning, refusals, tool calls.
    """
    encoder = _Encoder()
    for event in events:
        only_choice(event, NAME)
        encoder.add(event)
    return encoder.frames


class _Encoder:
    """Keeps what was said, and what the last event says of it."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self._said: list[str] = []
        self._details: dict[str, Any] = {}
        self._last_is_text = False

    def add(self, event: Event) -> None:
        match event:
            case Start():
                pass  # the stream names neither itself nor its model
            case TextDelta():
                self._said.append(event.text)
                self.frames.append(_token(len(self._said), event.text))
                self._last_is_text = True
            case Finish():
                self._details["finish_reason"] = event.reason
            case Usage():
                counts = {"generated_tokens": event.output_tokens, "input_length": event.input_tokens}
                self._details |= {name: value for name, value in counts.items() if value is not None}
            case StreamError():
                self.frames.append(encode_error_frame(event.message, event.error_type))
            case KeepAlive():
                self.frames.append(f": {event.text}\n\n".encode())
                self._last_is_text = False
            case End():
                if event.ended == "complete":
                    self._end()
            case _:
                raise cannot_say(event, NAME)

    def _end(self) -> None:
        whole = "".join(self._said)
        about = {"seed": None, **self._details} if self._details else None
        if self._last_is_text and self._details.get("finish_reason") != "eos_token":
            self.frames[-1] = _token(len(self._said), self._said[-1], generated_text=whole, details=about)
        else:
            end = _token(len(self._said) + 1, "</s>", special=True, generated_text=whole, details=about)
            self.frames.append(end)


def _token(index: int, said: str, *, special: bool = False, **members: Any) -> bytes:
    token = {"id": index, "text": said, "logprob": -0.1, "special": special}
    return sse_event({"index": index, "token": token, "generated_text": None, "details": None, **members})


def encode_error_frame(message: str, code: str) -> bytes:
    """An error in the stream; `code` is its error_type."""
    return sse_event({"error": message, "error_type": code or "generation"})


def encode_error_body(status: int, message: str) -> bytes:
    """The JSON body of an HTTP error (ErrorResponse)."""
    kinds = {422: "validation", 424: "generation", 429: "overloaded", 500: "incomplete_generation"}
    return to_json({"error": message, "error_type": kinds.get(status, "generation")}).encode()


def encode_request(request: ChatRequest) -> WireRequest:
    """POST /generate_stream; the turns' contents, joined by blank lines, are the prompt."""
    given: dict[str, Any] = {"max_new_tokens": request.max_tokens, "temperature": request.temperature}
    given |= {"seed": request.seed, "stop": list(request.stop) or None}
    parameters = {"details": True, **{name: value for name, value in given.items() if value is not None}}
    body = {"inputs": "\n\n".join(m.content for m in request.messages), "parameters": parameters}
    return WireRequest("/generate_stream" if request.stream else "/generate", body | request.extra)
