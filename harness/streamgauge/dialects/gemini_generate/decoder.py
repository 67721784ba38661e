"""Gemini's GenerateContentResponse objects to events, from server-sent events and from the JSON array.

Source: Gemini API reference, models.streamGenerateContent and GenerateContentResponse
(https://ai.google.dev/api/generate-content).
"""

from __future__ import annotations

from typing import Any

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
)
from streamgauge.frames import Ending, read_object
from streamgauge.json_array import JSONArrayDecoder
from streamgauge.message import Message, assemble
from streamgauge.sse import DEFAULT_LIMIT, SSEDecoder
from streamgauge.wire import count, elements, members, text

_WHITE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_UNDECIDED = 1024
"""Bytes of white space after which a body is no longer held back: JSON that begins so is not known."""


class GenerateFramer:
    """With `alt=sse` the body is server-sent events, without it one JSON array; the first byte tells.

    `framing` is the one that was found, "sse" as long as nothing tells.
    """

    __slots__ = ("_framer", "_head", "_limit", "framing")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self.framing = "sse"
        self._limit = limit
        self._framer: SSEDecoder | JSONArrayDecoder | None = None
        self._head = b""

    def feed(self, chunk: bytes) -> list[Any]:
        if self._framer is None:
            self._head += chunk
            shown = self._head.removeprefix(_BOM).lstrip(_WHITE)
            if len(self._head) < _UNDECIDED and (not shown or _BOM.startswith(self._head)):
                return []
            self._framer = self._chosen(shown)
            chunk, self._head = self._head, b""
        return list(self._framer.feed(chunk))

    def eof(self) -> list[Any]:
        if self._framer is None:
            self._framer = self._chosen(b"")
            return [*self._framer.feed(self._head), *self._framer.eof()]
        return list(self._framer.eof())

    def _chosen(self, shown: bytes) -> SSEDecoder | JSONArrayDecoder:
        if shown[:1] in (b"[", b"{"):
            self.framing = "json-array"
            return JSONArrayDecoder(self._limit)
        return SSEDecoder(self._limit)


class GenerateInterpreter:
    """Interprets the responses of one stream. There is no terminator: the last chunks have a finishReason."""

    __slots__ = ("_blocked", "_calls", "_ending", "_finished", "_id", "_model", "_running", "_seen")

    def __init__(self) -> None:
        self._ending = Ending()
        self._id = ""
        self._model = ""
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._calls: dict[int, int] = {}  # calls so far, by candidate
        self._running: dict[int, int] = {}  # the vendor's own running call, by candidate
        self._blocked = False

    def frame(self, frame: Any, out: list[Event]) -> None:
        payload = read_object(frame, self._ending, out)
        if payload is not None:
            self.payload(payload, frame.span, out)

    def end(self, offset: int, out: list[Event]) -> None:
        self._ending.eof(
            offset,
            out,
            complete=self._blocked or (bool(self._seen) and self._seen == self._finished),
            complete_because="the prompt was blocked" if self._blocked else "every candidate has a finishReason",
            missing="no finishReason for every candidate",
        )

    def payload(self, chunk: dict[str, Any], span: Span, out: list[Event]) -> None:
        """The events of one response object."""
        before = len(out)
        if error := chunk.get("error"):
            self._error(members(error), span, out)
        identity = text(chunk.get("responseId")), text(chunk.get("modelVersion"))
        if (identity[0] and not self._id) or (identity[1] and not self._model):
            self._id, self._model = self._id or identity[0], self._model or identity[1]
            out.append(Start(self._id, self._model, span=span))
        if members(chunk.get("promptFeedback")).get("blockReason"):
            self._blocked = True
        for position, candidate in enumerate(elements(chunk.get("candidates"))):
            self._candidate(members(candidate), position, span, out)
        self._usage(members(chunk.get("usageMetadata")), span, out)
        if len(out) == before:
            out.append(KeepAlive(span=span))

    def _error(self, error: dict[str, Any], span: Span, out: list[Event]) -> None:
        code = error.get("code")
        shown = StreamError(
            text(error.get("message")) or "error",
            "" if code is None else str(code),
            text(error.get("status")),
            span=span,
        )
        self._ending.fail(shown, out)

    def _usage(self, usage: dict[str, Any], span: Span, out: list[Event]) -> None:
        given, made = count(usage.get("promptTokenCount")), count(usage.get("candidatesTokenCount"))
        if given is not None or made is not None:
            out.append(Usage(given, made, "usageMetadata", span=span))

    def _candidate(self, candidate: dict[str, Any], position: int, span: Span, out: list[Event]) -> None:
        index = candidate.get("index")
        choice = index if isinstance(index, int) else position
        self._seen.add(choice)
        for part in elements(members(candidate.get("content")).get("parts")):
            self._part(members(part), choice, span, out)
        # An enum; protobuf's JSON mapping lets a server send its number instead of its name.
        reason = candidate.get("finishReason")
        if reason and isinstance(reason, (str, int)):
            self._finished.add(choice)
            out.append(Finish(reason, choice, span))

    def _part(self, part: dict[str, Any], choice: int, span: Span, out: list[Event]) -> None:
        if said := text(part.get("text")):
            kind = ReasoningDelta if part.get("thought") is True else TextDelta
            out.append(kind(said, choice, span))
        if call := part.get("functionCall"):
            self._call(members(call), choice, span, out)
        if code := part.get("executableCode"):
            number = self._running[choice] = self._next(choice)
            arguments = msgspec.json.encode(code).decode()
            out.append(
                ToolCallDelta(
                    number, text(members(code).get("id")), "executableCode", arguments, True, choice=choice, span=span
                )
            )
        if result := part.get("codeExecutionResult"):
            number = self._running[choice] if choice in self._running else self._next(choice)
            output = msgspec.json.encode(result).decode()
            out.append(ToolCallDelta(number, server=True, output=output, choice=choice, span=span))

    def _next(self, choice: int) -> int:
        number = self._calls.get(choice, 0)
        self._calls[choice] = number + 1
        return number

    def _call(self, call: dict[str, Any], choice: int, span: Span, out: list[Event]) -> None:
        arguments = msgspec.json.encode(call.get("args") or {}).decode()
        name, call_id = text(call.get("name")), text(call.get("id"))
        out.append(ToolCallDelta(self._next(choice), call_id, name, arguments, choice=choice, span=span))


def read_response(body: Any) -> Message:
    """The message of a non-streaming generateContent answer: one response object."""
    out: list[Event] = []
    interpreter = GenerateInterpreter()
    interpreter.payload(members(body), (0, 0), out)
    interpreter.end(0, out)
    return assemble("gemini-generate", out)
