"""Chat completion chunks to events, and the non-streaming answer to a message."""

from __future__ import annotations

from typing import Any

from streamgauge.dialects.openai_chat.deltas import DeltaReader, odd
from streamgauge.dialects.openai_chat.failures import as_event, stated_error
from streamgauge.dialects.openai_chat.plain_text import read_text
from streamgauge.events import (
    End,
    Ended,
    Event,
    Finish,
    KeepAlive,
    Malformed,
    Span,
    Start,
    TextDelta,
    Usage,
    excerpt,
)
from streamgauge.message import Message, assemble
from streamgauge.sse import Comment, Frame, ServerSentEvent, Unfinished
from streamgauge.wire import Undecodable, count, elements, members, parse, text, typed

DONE = "[DONE]"
TRIES = 8
"""Chunks in a row that are tried as plain text and are none, before the others are not tried any more."""


class ChatInterpreter:
    """Interprets the events of one stream of chat completion chunks."""

    __slots__ = (
        "_deltas",
        "_ended",
        "_errors",
        "_finished",
        "_id",
        "_malformed",
        "_misses",
        "_model",
        "_seen",
        "_usage",
    )

    def __init__(self) -> None:
        self._id = ""
        self._model = ""
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._deltas = DeltaReader()
        self._usage = False
        self._errors = False
        self._malformed = False
        self._ended = False
        self._misses = 0  # how often in a row a chunk was none of the plainest kind

    def frame(self, frame: Frame, out: list[Event]) -> None:
        if isinstance(frame, ServerSentEvent):
            self._event(frame, out)
        elif isinstance(frame, Comment):
            out.append(KeepAlive(frame.text.strip(), span=frame.span))
        elif isinstance(frame, Unfinished):
            # The standard drops it, but llama.cpp and others leave out the blank line behind [DONE].
            if frame.data.strip() == DONE and not self._ended:
                self._close(out, frame.span)
        else:
            self._malformed = True
            out.append(frame)

    def end(self, offset: int, out: list[Event]) -> None:
        if self._ended:
            return
        ended: Ended
        if self._errors:
            ended, reason = "error", "the stream reported an error"
        elif self._seen and self._seen == self._finished:
            ended, reason = "complete", "every choice has a finish_reason"
        elif self._malformed or self._deltas.malformed:
            ended, reason = "malformed", "not a readable stream of chat completion chunks"
        else:
            ended, reason = "truncated", "neither [DONE] nor a finish_reason for every choice"
        self._ended = True
        out.append(End(ended, reason, span=(offset, offset)))

    def payload(self, chunk: dict[str, Any], span: Span, out: list[Event]) -> None:
        """The events of one chunk that is a JSON object."""
        before = len(out)
        if not self._id or not self._model:
            self._start(chunk, span, out)
        if error := stated_error(chunk):
            self._error(error, span, out)
        choices = chunk.get("choices")
        if choices:
            self._choices(choices, span, out)
        usage = chunk.get("usage")
        if usage or "x_groq" in chunk:
            self._usages(chunk, span, out)
        if len(out) == before:
            out.append(KeepAlive(span=span))

    def _event(self, event: ServerSentEvent, out: list[Event]) -> None:
        data = event.data
        if self._ended:
            if data.strip() == DONE:  # said again, by a proxy that adds its own
                out.append(KeepAlive(DONE, span=event.span))
            else:
                self._bad("data after the terminator", event, out)
            return
        if self._misses < TRIES and self._id and self._model and event.type != "error":
            if self._quick(data, event.span, out):
                self._misses = 0
                return
            self._misses += 1
        if data[:1] != "{" and data.strip() == DONE:
            self._close(out, event.span)
            return
        chunk = parse(data)
        if event.type == "error" and not members(chunk).get("error"):
            self._error(data if isinstance(chunk, Undecodable) else chunk, event.span, out)
        elif isinstance(chunk, Undecodable):
            self._bad(f"not JSON: {chunk.reason}", event, out)
        elif not isinstance(chunk, dict):
            self._bad("not a JSON object", event, out)
        else:
            self.payload(chunk, event.span, out)

    def _quick(self, data: str, span: Span, out: list[Event]) -> bool:
        """Take a chunk that is one piece of text and nothing else, as most are, at half the cost of `payload`.

        What does not fit the plainest schema to the letter is left to `payload`, which reads anything.
        """
        chunk = typed(read_text, data)
        if chunk is None:
            return False
        choice = chunk.choices[0]
        if not choice.delta.content or chunk.object == "error":
            return False
        self._seen.add(choice.index)
        out.append(TextDelta(choice.delta.content, choice.index, span))
        return True

    def _close(self, out: list[Event], span: Span) -> None:
        self._ended = True
        out.append(End("error" if self._errors else "complete", DONE, span=span))

    def _bad(self, reason: str, event: ServerSentEvent, out: list[Event]) -> None:
        self._malformed = True
        out.append(Malformed(reason, excerpt(event.data), span=event.span))

    def _odd(self, reason: str, value: Any, span: Span, out: list[Event]) -> None:
        self._malformed = True
        out.append(odd(reason, value, span))

    def _start(self, chunk: dict[str, Any], span: Span, out: list[Event]) -> None:
        before = self._id, self._model
        self._id = self._id or text(chunk.get("id"))
        self._model = self._model or text(chunk.get("model"))
        if before != (self._id, self._model):
            out.append(Start(self._id, self._model, span=span))

    def _error(self, error: Any, span: Span, out: list[Event]) -> None:
        self._errors = True
        out.append(as_event(error, span))

    def _usages(self, chunk: dict[str, Any], span: Span, out: list[Event]) -> None:
        if self._stated(chunk.get("usage"), "usage", span, out):
            self._usage = True
            return
        groq = members(chunk.get("x_groq"))
        if not self._usage:
            self._stated(groq.get("usage"), "x_groq.usage", span, out)
        # Groq's reference: "An error string indicating why a stream was stopped early".
        if error := groq.get("error"):
            self._error(error, span, out)

    def _stated(self, usage: Any, source: str, span: Span, out: list[Event]) -> bool:
        counts = members(usage)
        if counts:
            given, made = count(counts.get("prompt_tokens")), count(counts.get("completion_tokens"))
            out.append(Usage(given, made, source, span=span))
        return bool(counts)

    def _choices(self, choices: Any, span: Span, out: list[Event]) -> None:
        if not isinstance(choices, list):
            self._odd("choices is not an array", choices, span, out)
            return
        for position, choice in enumerate(choices):
            if not isinstance(choice, dict):
                self._odd("a choice is not an object", choice, span, out)
                continue
            number = choice.get("index", position)
            if type(number) is not int:
                number = 0
            # Who streams nothing may send the whole answer as its only chunk; behind deltas it is what they said.
            delta = choice.get("delta" if "delta" in choice or number in self._seen else "message")
            self._seen.add(number)
            if isinstance(delta, dict):
                self._deltas.read(delta, number, span, out)
            elif delta is not None:
                self._odd("delta is not an object", delta, span, out)
            reason = choice.get("finish_reason")
            if reason:
                self._finish(reason, number, span, out)
            if error := choice.get("error"):  # OpenRouter's reference, StreamingChoice: "error?: ErrorResponse"
                self._error(error, span, out)
            # Moonshot's guide to streaming (see profiles): "`usage` is nested inside `choices[0]` of the last chunk".
            if "usage" in choice and not self._usage:
                self._stated(choice["usage"], "choices[].usage", span, out)

    def _finish(self, reason: Any, choice: int, span: Span, out: list[Event]) -> None:
        if not isinstance(reason, str):
            self._odd("finish_reason is not a string", reason, span, out)
            return
        self._finished.add(choice)
        # OpenRouter: "finish_reason: error" is the failure itself, also where no error member comes with it.
        self._errors = self._errors or reason == "error"
        out.append(Finish(reason, choice, span))


def read_completion(body: Any, dialect: str = "openai-chat") -> Message:
    """The message of a non-streaming chat completion, read by the same rules as its chunks."""
    completion = members(body)
    out: list[Event] = []
    interpreter = ChatInterpreter()
    choices = [
        {**members(choice), "delta": members(members(choice).get("message"))}
        for choice in elements(completion.get("choices"))
    ]
    interpreter.payload({**completion, "choices": choices}, (0, 0), out)
    interpreter.end(0, out)
    return assemble(dialect, out)
