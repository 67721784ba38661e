"""Responses streaming events to normalised events, and the non-streaming response.

Sources: OpenAI API reference, "Streaming events" (https://platform.openai.com/docs/api-reference/responses-streaming;
read as generated in openai 3.54.0, types/responses/response_stream_event.py) and the Open Responses specification of
2026-04-24 (https://www.openresponses.org/specification, schema/events.tsp).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, TypeAlias

import msgspec

from streamgauge.dialects.openai_responses.calls import ARGUMENTS, Calls
from streamgauge.events import (
    Event,
    Finish,
    KeepAlive,
    ReasoningDelta,
    RefusalDelta,
    Span,
    Start,
    StreamError,
    TextDelta,
    Usage,
)
from streamgauge.frames import Ending, read_object
from streamgauge.message import Message, assemble
from streamgauge.sse import ServerSentEvent
from streamgauge.wire import count, elements, members, text, typed

TERMINAL = ("response.completed", "response.incomplete", "response.failed")

_Said: TypeAlias = type[TextDelta] | type[ReasoningDelta] | type[RefusalDelta]
_SAID: dict[str, _Said] = {
    "output_text": TextDelta,
    "refusal": RefusalDelta,
    "reasoning_summary_text": ReasoningDelta,
    "reasoning_text": ReasoningDelta,
    "reasoning": ReasoningDelta,  # Open Responses' name of reasoning_text
}
_PARTS = {"output_text": "output_text", "refusal": "refusal", "reasoning_text": "reasoning_text"}


class _TextEvent(msgspec.Struct, gc=False):
    """An event that says a piece of text, as most do: read typed, at half the cost of `payload`."""

    type: Literal["response.output_text.delta"]
    delta: str
    output_index: int


_read_text = msgspec.json.Decoder(_TextEvent).decode


class ResponsesInterpreter:
    """Interprets the events of one stream, by the `type` of their data (by the event's name where it has none)."""

    __slots__ = ("_by_delta", "_by_done", "_calls", "_ending", "_errors", "_id", "_indexes", "_model")

    def __init__(self) -> None:
        self._ending = Ending()
        self._id = ""
        self._model = ""
        self._indexes: dict[str, int] = {}  # item id to output_index, as the items were announced
        self._calls = Calls()
        self._by_delta: set[tuple[str, int | str]] = set()  # (kind, item) whose text came in deltas
        self._by_done: set[tuple[str, int | str]] = set()  # ... came whole
        self._errors: set[tuple[str, str]] = set()

    def frame(self, frame: Any, out: list[Event]) -> None:
        if isinstance(frame, ServerSentEvent) and not self._ending.ended:
            plain = typed(_read_text, frame.data)
            if plain is not None and plain.delta and ("output_text", plain.output_index) in self._by_delta:
                out.append(TextDelta(plain.delta, span=frame.span))
                return
        payload = read_object(frame, self._ending, out)
        if payload is not None:
            self.payload(payload if "type" in payload else {**payload, "type": frame.type}, frame.span, out)

    def end(self, offset: int, out: list[Event]) -> None:
        if not self._ending.ended:
            self._calls.close((offset, offset), out)
        missing = "none of response.completed, response.incomplete, response.failed"
        self._ending.eof(offset, out, complete=False, complete_because="", missing=missing)

    def payload(self, event: dict[str, Any], span: Span, out: list[Event]) -> None:
        """The events of one streaming event."""
        kind = text(event.get("type"))
        before = len(out)
        subject, _, verb = kind.removeprefix("response.").rpartition(".")
        if subject in _SAID and verb in ("delta", "done"):
            self._said(subject, verb, event, span, out)
        elif subject in ARGUMENTS and verb in ("delta", "done"):
            self._calls.arguments(subject, verb, self._key(event, event.get("item_id")), event, span, out)
        elif subject == "output_item":
            item = members(event.get("item"))
            self._item(verb, self._key(event, item.get("id")), item, span, out)
        elif isinstance(event.get("response"), dict):
            self._response(kind, event["response"], span, out)
        elif kind == "error" or event.get("error") or event.get("object") == "error":  # the last: vLLM
            self._error(event.get("error") or event, span, out)
        if len(out) == before:
            out.append(KeepAlive(kind, span=span))

    def _key(self, event: dict[str, Any], item_id: Any) -> int | str:
        """The item that an event is about: by output_index, by its id where there is none (llama.cpp)."""
        index = event.get("output_index")
        if isinstance(index, int):
            if item_id and isinstance(item_id, str):
                self._indexes.setdefault(item_id, index)
            return index
        return self._indexes.get(text(item_id), text(item_id))

    def _said(self, kind: str, verb: str, event: dict[str, Any], span: Span, out: list[Event]) -> None:
        key = kind, self._key(event, event.get("item_id"))
        if verb == "delta":
            said = text(event.get("delta"))
            self._by_delta.add(key)
        else:  # the whole text again, which is news only where no delta came
            said = text(event.get("text")) or text(event.get("refusal"))
            if key in self._by_delta or (kind, "") in self._by_delta:
                return
            self._by_done.add(key)
        if said:
            out.append(_SAID[kind](said, span=span))

    def _error(self, error: Any, span: Span, out: list[Event]) -> None:
        stated = members(error)
        code, kind = stated.get("code"), text(stated.get("type"))
        shown = text(error) or text(stated.get("message")) or str(code or kind or "error")
        kind = "" if kind == "error" else kind
        # One failure is told twice: by `error`, and by the response.failed that follows it.
        told = "" if code is None else str(code), shown
        if told not in self._errors:
            self._errors.add(told)
            self._ending.fail(StreamError(shown, told[0], kind, span=span), out)

    def _response(self, kind: str, response: dict[str, Any], span: Span, out: list[Event]) -> None:
        identity = text(response.get("id")), text(response.get("model"))
        if (identity[0] and not self._id) or (identity[1] and not self._model):
            self._id, self._model = self._id or identity[0], self._model or identity[1]
            out.append(Start(self._id, self._model, span=span))
        if tools := response.get("tools"):
            self._calls.declared(elements(tools))
        if kind not in TERMINAL:
            if (
                response.get("status") == "cancelled"
            ):  # a background response, whose stream has no event of its own for it
                out.append(Finish("cancelled", span=span))
            return
        self._calls.close(span, out)
        self._untold(elements(response.get("output")), span, out)
        if error := response.get("error"):
            self._error(error, span, out)
        elif kind == "response.failed" and not self._ending.error:
            self._ending.fail(StreamError("response.failed without an error", span=span), out)
        out.append(Finish(text(response.get("status")) or kind.removeprefix("response."), span=span))
        usage = members(response.get("usage"))
        given, made = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
        if given is not None or made is not None:
            out.append(Usage(given, made, "response.usage", span=span))
        self._ending.close(kind, span, out)

    def _untold(self, output: list[Any], span: Span, out: list[Event]) -> None:
        """What only the last event tells: the items of each kind (text, reasoning, calls ...) that had no event before.

        By kind, because items can't be matched: some services change their ids with each event, or leave items out.
        """
        told = {_SAID[kind] for kind, _ in self._by_delta | self._by_done}
        called = {server for server in (False, True) if self._calls.any(server=server)}
        for index, value in enumerate(output):
            item = members(value)
            kind = text(item.get("type"))
            if not kind.endswith("_call"):
                self._content(f"output[{index}]", item, span, out, told)
            elif (not self._calls.by_caller(kind)) not in called:
                self._item("done", f"output[{index}]", item, span, out)

    def _item(self, verb: str, key: int | str, item: dict[str, Any], span: Span, out: list[Event]) -> None:
        kind = text(item.get("type"))
        if self._calls.by_caller(kind):
            self._calls.client(verb, key, item, span, out)
        elif kind.endswith("_call"):
            self._calls.vendor(verb, key, item, span, out)
        elif verb == "done":
            self._content(key, item, span, out)

    def _content(
        self, key: int | str, item: dict[str, Any], span: Span, out: list[Event], skip: Collection[_Said] = ()
    ) -> None:
        """What an item says that has not been told in its deltas, or by the end of its parts; nothing of `skip`."""
        parts = [("reasoning_summary_text", part) for part in elements(item.get("summary"))]
        parts += [(_PARTS.get(text(members(part).get("type")), ""), part) for part in elements(item.get("content"))]
        told = {(_SAID[kind], place) for kind, place in self._by_delta | self._by_done}
        for kind, part in parts:
            said = text(members(part).get("text")) or text(members(part).get("refusal"))
            event = _SAID.get(kind)
            if event and said and event not in skip and not told & {(event, key), (event, "")}:
                self._by_done.add((kind, key))
                out.append(event(said, span=span))


def read_response(body: Any, dialect: str = "openai-responses") -> Message:
    """The message of a non-streaming response, which is what the stream's last event repeats."""
    response = members(body)
    out: list[Event] = []
    interpreter = ResponsesInterpreter()
    if "output" not in response and "error" in response:
        interpreter.payload({"type": "error", "error": response["error"]}, (0, 0), out)
    elif "output" in response:
        status = text(response.get("status")) or "completed"
        interpreter.payload({"type": f"response.{status}", "response": response}, (0, 0), out)
    interpreter.end(0, out)
    return assemble(dialect, out)
