"""Ollama's objects, one a line, to events: /api/chat and /api/generate.

Source: Ollama docs, "Streaming" (https://docs.ollama.com/api/streaming), "Usage" (https://docs.ollama.com/api/usage)
and "Errors" (https://docs.ollama.com/api/errors).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from streamgauge.events import (
    Event,
    Finish,
    KeepAlive,
    ReasoningDelta,
    Span,
    Start,
    StreamError,
    TextDelta,
    ToolCallDelta,
    Usage,
    excerpt,
    to_json,
)
from streamgauge.frames import Ending, read_object
from streamgauge.message import Message, assemble
from streamgauge.ndjson import Line
from streamgauge.wire import count, elements, members, text, typed


class _Said(msgspec.Struct, gc=False, frozen=True):
    content: str = ""
    thinking: Literal[""] = ""
    tool_calls: None = None


class _Text(msgspec.Struct, gc=False):
    """An object that says a piece of text, as most do: read typed, at half the cost of `payload`."""

    done: Literal[False]
    message: _Said = _Said()
    response: str = ""
    thinking: Literal[""] = ""
    tool_calls: None = None
    error: None = None


_read_text = msgspec.json.Decoder(_Text).decode


class OllamaInterpreter:
    """Interprets the objects of one stream; chat says in `message` what generate says at the top."""

    __slots__ = ("_calls", "_ending", "_started")

    def __init__(self) -> None:
        self._ending = Ending()
        self._started = False
        self._calls = 0

    def frame(self, frame: Any, out: list[Event]) -> None:
        if self._started and isinstance(frame, Line) and not self._ending.ended:
            plain = typed(_read_text, frame.data)
            if plain is not None and (said := plain.message.content or plain.response):
                out.append(TextDelta(said, span=frame.span))
                return
        payload = read_object(frame, self._ending, out)
        if payload is not None:
            self.payload(payload, frame.span, out)

    def end(self, offset: int, out: list[Event]) -> None:
        self._ending.eof(offset, out, complete=False, complete_because="", missing="no object with done: true")

    def payload(self, value: dict[str, Any], span: Span, out: list[Event]) -> None:
        """The events of one object."""
        before = len(out)
        model = text(value.get("model"))
        if model and not self._started:
            self._started = True
            out.append(Start("", model, span=span))
        if error := value.get("error"):
            self._error(error, span, out)
        message = members(value.get("message"))
        if thought := text(message.get("thinking")) or text(value.get("thinking")):
            out.append(ReasoningDelta(thought, span=span))
        if said := text(message.get("content")) or text(value.get("response")):
            out.append(TextDelta(said, span=span))
        for call in elements(message.get("tool_calls")) or elements(value.get("tool_calls")):
            self._tool_call(members(call), span, out)
        if value.get("done") is True:
            self._done(value, span, out)
        if len(out) == before:
            out.append(KeepAlive(span=span))

    def _error(self, error: Any, span: Span, out: list[Event]) -> None:
        shown = text(error) or text(members(error).get("message")) or excerpt(to_json(error))
        self._ending.fail(StreamError(shown, span=span), out)

    def _tool_call(self, call: dict[str, Any], span: Span, out: list[Event]) -> None:
        function = members(call.get("function"))
        given = function.get("arguments")
        arguments = given if isinstance(given, str) else to_json(given or {})
        out.append(ToolCallDelta(self._calls, text(call.get("id")), text(function.get("name")), arguments, span=span))
        self._calls += 1

    def _done(self, value: dict[str, Any], span: Span, out: list[Event]) -> None:
        if reason := text(value.get("done_reason")):
            out.append(Finish(reason, span=span))
        given, made = count(value.get("prompt_eval_count")), count(value.get("eval_count"))
        if given is not None or made is not None:
            out.append(Usage(given, made, "eval_count", span=span))
        self._ending.close("done: true", span, out)


def read_answer(body: Any, dialect: str) -> Message:
    """The message of a non-streaming answer, which is the stream's objects in one."""
    out: list[Event] = []
    interpreter = OllamaInterpreter()
    interpreter.payload(members(body), (0, 0), out)
    interpreter.end(0, out)
    return assemble(dialect, out)
