"""Text Generation Inference's own API, /generate_stream: one event a token, the last with the whole text.

Source: Hugging Face, Text Generation Inference API, POST /generate_stream, StreamResponse and StreamDetails
(https://huggingface.github.io/text-generation-inference/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.dialect import Auth, Dialect, WireRequest
from streamgauge.events import (
    End,
    Event,
    Finish,
    KeepAlive,
    Span,
    Start,
    StreamError,
    TextDelta,
    Usage,
    to_json,
)
from streamgauge.frames import Ending, cannot_say, only_choice, read_object, sse_event
from streamgauge.message import Message, assemble
from streamgauge.sse import SSEDecoder
from streamgauge.wire import count, elements, members, text

NAME = "huggingface-tgi"
_TOKEN = re.compile(rb'"token"\s*:\s*\{[^{}]*"text"\s*:')


class TokenInterpreter:
    """Interprets the token events of one stream; `generated_text` is null in all but the last."""

    __slots__ = ("_ending",)

    def __init__(self) -> None:
        self._ending = Ending()

    def frame(self, frame: Any, out: list[Event]) -> None:
        payload = read_object(frame, self._ending, out)
        if payload is not None:
            self.payload(payload, frame.span, out)

    def end(self, offset: int, out: list[Event]) -> None:
        self._ending.eof(offset, out, complete=False, complete_because="", missing="no event with generated_text")

    def payload(self, event: dict[str, Any], span: Span, out: list[Event]) -> None:
        """The events of one token."""
        before = len(out)
        if error := event.get("error"):
            kind = text(event.get("error_type"))
            shown = text(error) or text(members(error).get("message")) or to_json(error)
            self._ending.fail(StreamError(shown, "", kind, span=span), out)
        token = members(event.get("token"))
        # "special": "Is the token a special token. Can be used to ignore tokens when concatenating"
        if (said := text(token.get("text"))) and token.get("special") is not True:
            out.append(TextDelta(said, span=span))
        if isinstance(event.get("generated_text"), str):
            self._details(members(event.get("details")), span, out)
            self._ending.close("generated_text", span, out)
        if len(out) == before:
            out.append(KeepAlive(span=span))

    def _details(self, details: dict[str, Any], span: Span, out: list[Event]) -> None:
        if reason := text(details.get("finish_reason")):
            out.append(Finish(reason, span=span))
        given = count(details.get("input_length"))
        if given is None and "prefill" in details:
            given = len(elements(details["prefill"])) or None
        made = count(details.get("generated_tokens"))
        if given is not None or made is not None:
            out.append(Usage(given, made, "details", span=span))


def read_answer(body: Any) -> Message:
    """The message of a non-streaming /generate answer: one object, or a list of one."""
    answer = members(body[0] if isinstance(body, list) and body else body)
    out: list[Event] = []
    interpreter = TokenInterpreter()
    token = {"text": answer.get("generated_text"), "special": False}
    interpreter.payload({**answer, "token": token}, (0, 0), out)
    interpreter.end(0, out)
    return assemble(NAME, out)


def encode(events: Iterable[Event]) -> list[bytes]:
    """One event a token; a special end token carries the whole text, why it ended and the counts.

    Raises StreamgaugeError for what the dialect can't say: a second choice, reasoning, refusals, tool calls.
    """
    frames: list[bytes] = []
    said: list[str] = []
    details: dict[str, Any] = {}
    for event in events:
        only_choice(event, NAME)
        match event:
            case Start():
                pass  # the stream names neither itself nor its model
            case TextDelta():
                said.append(event.text)
                frames.append(_token(len(said), event.text))
            case Finish():
                details["finish_reason"] = event.reason
            case Usage():
                counts = {"generated_tokens": event.output_tokens, "input_length": event.input_tokens}
                details |= {name: value for name, value in counts.items() if value is not None}
            case StreamError():
                frames.append(sse_event({"error": event.message, "error_type": event.error_type or "generation"}))
            case KeepAlive():
                frames.append(f": {event.text}\n\n".encode())
            case End():
                if event.ended == "complete":
                    frames.append(_token(len(said) + 1, "</s>", "".join(said), details))
            case _:
                raise cannot_say(event, NAME)
    return frames


def _token(index: int, said: str, whole: str | None = None, details: dict[str, Any] | None = None) -> bytes:
    token = {"id": index, "text": said, "logprob": -0.1, "special": whole is not None}
    about = {"seed": None, **details} if details else None
    return sse_event({"index": index, "token": token, "generated_text": whole, "details": about})


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


def _detect(head: bytes) -> str | None:
    found = b"data:" in head and b'"choices"' not in head and _TOKEN.search(head)
    return 'an event has a "token" with a "text"' if found else None


DIALECTS = (
    Dialect(
        name=NAME,
        title="Text Generation Inference /generate_stream",
        framing="sse",
        media_type="text/event-stream",
        framer=SSEDecoder,
        interpreter=TokenInterpreter,
        encode=encode,
        request=encode_request,
        message=read_answer,
        error_frame=encode_error_frame,
        error_body=encode_error_body,
        detect=_detect,
        paths=(r"/generate_stream$",),
        keepalive=b": keep-alive\n\n",
        auth=Auth(env="HF_TOKEN"),
        finish_reasons=("length", "eos_token", "stop_sequence"),
    ),
)
