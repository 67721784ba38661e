"""Gemini's GenerateContentResponse objects to events, from server-sent events and from the JSON array.

Source: Gemini API reference, models.streamGenerateContent and GenerateContentResponse
(https://ai.google.dev/api/generate-content).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamgauge.dialects.gemini_generate.partial_args import PartialArgs
from streamgauge.dialects.gemini_generate.plain import read_plain
from streamgauge.dialects.gemini_generate.wrapped import unwrapped
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
    to_json,
)
from streamgauge.frames import Ending, read_object
from streamgauge.json_array import Element, JSONArrayDecoder
from streamgauge.message import Message, assemble
from streamgauge.sse import DEFAULT_LIMIT, ServerSentEvent, SSEDecoder
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


@dataclass(slots=True)
class _OpenCall:
    """A function call whose arguments are still coming."""

    number: int
    call_id: str
    name: str
    args: PartialArgs

    def goes_on(self, call: dict[str, Any]) -> bool:
        """Whether a part continues this call: it names no other."""
        return text(call.get("name")) in ("", self.name) and text(call.get("id")) in ("", self.call_id)


class GenerateInterpreter:
    """Interprets the responses of one stream. There is no terminator: the last chunks have a finishReason."""

    __slots__ = ("_blocked", "_calls", "_ending", "_finished", "_id", "_model", "_open", "_seen", "_vendors")

    def __init__(self) -> None:
        self._ending = Ending()
        self._id = ""
        self._model = ""
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._calls: dict[int, int] = {}  # calls so far, by candidate
        self._open: dict[int, _OpenCall] = {}  # by candidate
        self._vendors: dict[tuple[int, str], int] = {}  # the vendor's own calls, by candidate and id
        self._blocked = False

    def frame(self, frame: Any, out: list[Event]) -> None:
        if self._id and self._model and isinstance(frame, (ServerSentEvent, Element)):
            choice = read_plain(frame.data, frame.span, out)
            if choice is not None:
                self._seen.add(choice)
                return
        payload = read_object(frame, self._ending, out)
        if payload is not None:
            self.payload(payload, frame.span, out)

    def end(self, offset: int, out: list[Event]) -> None:
        for choice in sorted(self._open):
            self._close(choice, (offset, offset), out)
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
        chunk = unwrapped(chunk)
        if error := chunk.get("error"):
            self._error(error, span, out)
        identity = text(chunk.get("responseId")), text(chunk.get("modelVersion"))
        if (identity[0] and not self._id) or (identity[1] and not self._model):
            self._id, self._model = self._id or identity[0], self._model or identity[1]
            out.append(Start(self._id, self._model, span=span))
        if members(chunk.get("promptFeedback")).get("blockReason"):
            self._blocked = True
        candidates = [members(c) for c in elements(chunk.get("candidates"))]
        numbered = any("index" in c for c in candidates)
        for position, candidate in enumerate(candidates):
            index = candidate.get("index", 0 if numbered else position)  # JSON of protobuf may leave a 0 out
            self._candidate(candidate, index if type(index) is int else position, span, out)
        self._usage(members(chunk.get("usageMetadata")), span, out)
        if len(out) == before:
            out.append(KeepAlive(span=span))

    def _error(self, error: Any, span: Span, out: list[Event]) -> None:
        stated = members(error)
        code = stated.get("code")
        shown = text(error) or text(stated.get("message")) or "error"
        known = "" if code is None else str(code)
        self._ending.fail(StreamError(shown, known, text(stated.get("status")), span=span), out)

    def _usage(self, usage: dict[str, Any], span: Span, out: list[Event]) -> None:
        given, made = count(usage.get("promptTokenCount")), count(usage.get("candidatesTokenCount"))
        if given is not None or made is not None:
            out.append(Usage(given, made, "usageMetadata", span=span))

    def _candidate(self, candidate: dict[str, Any], choice: int, span: Span, out: list[Event]) -> None:
        self._seen.add(choice)
        for part in elements(members(candidate.get("content")).get("parts")):
            self._part(members(part), choice, span, out)
        # An enum; protobuf's JSON mapping lets a server send its number instead of its name.
        reason = candidate.get("finishReason")
        if reason and isinstance(reason, (str, int)) and reason is not True:
            self._close(choice, span, out)
            self._finished.add(choice)
            out.append(Finish(reason, choice, span))

    def _part(self, part: dict[str, Any], choice: int, span: Span, out: list[Event]) -> None:
        if said := text(part.get("text")):
            kind = ReasoningDelta if part.get("thought") is True else TextDelta
            out.append(kind(said, choice, span))
        if "functionCall" in part:
            self._call(members(part["functionCall"]), choice, span, out)
        if code := part.get("executableCode"):
            self._vendor_call("executableCode", members(code), to_json(code), choice, span, out)
        if call := members(part.get("toolCall")):
            name = text(call.get("toolType")) or "toolCall"
            self._vendor_call(name, call, to_json(call.get("args") or {}), choice, span, out)
        for member in ("codeExecutionResult", "toolResponse"):
            if result := part.get(member):
                self._vendor_result(text(members(result).get("id")), to_json(result), choice, span, out)

    def _next(self, choice: int) -> int:
        number = self._calls.get(choice, 0)
        self._calls[choice] = number + 1
        return number

    def _call(self, call: dict[str, Any], choice: int, span: Span, out: list[Event]) -> None:
        """A whole call, or a piece of one: Vertex can stream the arguments."""
        running = self._open.get(choice)
        if running is None or not running.goes_on(call):
            self._close(choice, span, out)
            if not call:
                return  # the empty part with which a streamed call ends
            name, call_id = text(call.get("name")), text(call.get("id"))
            if "partialArgs" not in call and call.get("willContinue") is not True:
                arguments = to_json(call.get("args") or {})
                out.append(ToolCallDelta(self._next(choice), call_id, name, arguments, choice=choice, span=span))
                return
            running = self._open[choice] = _OpenCall(self._next(choice), call_id, name, PartialArgs())
            out.append(ToolCallDelta(running.number, call_id, name, choice=choice, span=span))
        elif call.get("willContinue") is True:
            out.append(ToolCallDelta(running.number, choice=choice, span=span))
        running.args.add(call)
        if call.get("willContinue") is not True:
            self._close(choice, span, out)

    def _close(self, choice: int, span: Span, out: list[Event]) -> None:
        """Say the arguments of the call that is open: they are JSON only as a whole."""
        if running := self._open.pop(choice, None):
            arguments = to_json(running.args.build())
            out.append(ToolCallDelta(running.number, arguments=arguments, choice=choice, span=span))

    def _vendor_call(
        self, name: str, call: dict[str, Any], arguments: str, choice: int, span: Span, out: list[Event]
    ) -> None:
        call_id = text(call.get("id"))
        number = self._vendors[choice, call_id] = self._vendors[choice, ""] = self._next(choice)
        out.append(ToolCallDelta(number, call_id, name, arguments, True, choice=choice, span=span))

    def _vendor_result(self, call_id: str, output: str, choice: int, span: Span, out: list[Event]) -> None:
        number = self._vendors.get((choice, call_id))
        if number is None and (number := self._vendors.get((choice, ""))) is None:
            number = self._vendors[choice, ""] = self._next(choice)
        out.append(ToolCallDelta(number, server=True, output=output, choice=choice, span=span))


def read_response(body: Any) -> Message:
    """The message of a non-streaming generateContent answer: one response object."""
    out: list[Event] = []
    interpreter = GenerateInterpreter()
    interpreter.payload(members(body), (0, 0), out)
    interpreter.end(0, out)
    return assemble("gemini-generate", out)
