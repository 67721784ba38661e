"""Amazon Bedrock's event streams to events: ConverseStream, and InvokeModelWithResponseStream.

Sources: AWS, Bedrock Runtime API reference, ConverseStream and InvokeModelWithResponseStream
(https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html); their members as in botocore
1.44.5, bedrock-runtime service-2.json, ConverseStreamOutput and ResponseStream; Agents for Bedrock likewise.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import msgspec

from streamgauge.dialects.anthropic_messages.decoder import MessagesInterpreter
from streamgauge.dialects.bedrock.payloads import METRICS, ModelStream, chat_chunk, usage
from streamgauge.dialects.openai_chat.decoder import ChatInterpreter
from streamgauge.events import (
    End,
    Event,
    Finish,
    KeepAlive,
    ReasoningDelta,
    Span,
    StreamError,
    TextDelta,
    ToolCallDelta,
    Usage,
    to_json,
)
from streamgauge.eventstream import EventMessage
from streamgauge.frames import DONE, Ending, read_object
from streamgauge.message import Message, assemble
from streamgauge.wire import elements, members, parse, text, typed

CONVERSE_EVENTS = (
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
)
AGENT_EVENTS = ("trace", "returnControl", "files")


class _Text(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    text: str


class _TextEvent(msgspec.Struct, gc=False):
    """A contentBlockDelta that says a piece of text, as most do: read typed, at half the cost of `payload`."""

    delta: _Text


_read_text = msgspec.json.Decoder(_TextEvent).decode


@dataclass(frozen=True, slots=True)
class _Call:
    number: int
    server: bool = False


class BedrockInterpreter:
    """Interprets the messages of one stream, by their `:event-type`.

    `chunk` messages (InvokeModelWithResponseStream) carry a model's own events in base64: what they are is told from
    the first of them. An agent's chunks carry text.
    """

    __slots__ = ("_agent", "_calls", "_complete", "_ending", "_ids", "_inner", "_invoked", "_model", "_told")

    def __init__(self) -> None:
        self._ending = Ending()
        self._calls: dict[int, _Call] = {}  # by contentBlockIndex
        self._ids: dict[str, int] = {}  # number of the call by its toolUseId
        self._complete = False
        self._agent = False
        self._invoked = False  # whether a model's own event has come
        self._told = False  # whether the model stated its usage itself
        self._inner: MessagesInterpreter | ChatInterpreter | None = None
        self._model = ModelStream()

    def frame(self, frame: Any, out: list[Event]) -> None:
        if isinstance(frame, EventMessage):
            if frame.kind != "event" or frame.type.endswith("Exception"):
                self._exception(frame, out)
                return
            if frame.type == "contentBlockDelta" and not self._ending.ended:
                plain = typed(_read_text, frame.data)
                if plain is not None and plain.delta.text:
                    out.append(TextDelta(plain.delta.text, span=frame.span))
                    return
            if not frame.data:  # "headersOnly": an event whose members are all headers has no payload
                out.append(KeepAlive(frame.type, span=frame.span))
                return
        payload = read_object(frame, self._ending, out)
        if payload is None:
            return
        if frame.type == "chunk":
            self._chunk(payload, frame.span, out)
        else:
            self.payload(frame.type, payload, frame.span, out)

    def end(self, offset: int, out: list[Event]) -> None:
        if self._ending.ended:
            return
        if self._inner is not None and not self._ending.error:
            ending: list[Event] = []
            self._inner.end(offset, ending)
            complete = any(isinstance(e, End) and e.ended == "complete" for e in ending)
            if complete or not self._ending.malformed:
                out += ending
                return
        because = "an agent's stream has no terminator" if self._agent else "the message stopped"
        complete = self._complete or self._model.complete or self._agent
        missing = "no messageStop, and no stop reason"
        self._ending.eof(offset, out, complete=complete, complete_because=because, missing=missing)

    def payload(self, kind: str, event: dict[str, Any], span: Span, out: list[Event]) -> None:
        """The events of one ConverseStream event, or of one that an agent, a flow or a knowledge base sends."""
        before = len(out)
        match kind:
            case "contentBlockDelta":
                self._delta(event, members(event.get("delta")), span, out)
            case "contentBlockStart":
                self._block(event, members(event.get("start")), span, out)
            case "messageStop":
                self._complete = True
                if reason := text(event.get("stopReason")):
                    out.append(Finish(reason, span=span))
            case "metadata":
                counts = members(event.get("usage"))
                usage(counts.get("inputTokens"), counts.get("outputTokens"), "metadata.usage", span, out)
            case "output" | "flowOutputEvent":
                self._agent = True
                said = text(event.get("text")) or text(members(event.get("content")).get("document"))
                out += [TextDelta(said, span=span)] if said else []
            case _ if kind in AGENT_EVENTS:
                self._agent = True
        if len(out) == before:
            out.append(KeepAlive(kind, span=span))

    def _exception(self, frame: EventMessage, out: list[Event]) -> None:
        value = members(parse(frame.data))
        named = dict(frame.headers)
        shown = text(value.get("message")) or text(value.get("Message")) or named.get(":error-message")
        code = named.get(":error-code", "")
        self._ending.fail(StreamError(shown or frame.data or frame.type, code, frame.type, span=frame.span), out)

    def _call(self, event: dict[str, Any], call_id: str, server: bool) -> _Call:
        """The call of a block; one that gives a call's result has the call's id."""
        index = event.get("contentBlockIndex")
        key = index if isinstance(index, int) else -1
        found = self._calls.get(key)
        if found is None or call_id:
            number = self._ids.setdefault(call_id or f"block {key}", len(self._ids))
            found = self._calls[key] = _Call(number, server)
        return found

    def _block(self, event: dict[str, Any], start: dict[str, Any], span: Span, out: list[Event]) -> None:
        if tool := members(start.get("toolUse")):
            call_id, name = text(tool.get("toolUseId")), text(tool.get("name"))
            call = self._call(event, call_id, tool.get("type") == "server_tool_use")
            out.append(ToolCallDelta(call.number, call_id, name, server=call.server, span=span))
        elif result := members(start.get("toolResult")):
            self._call(event, text(result.get("toolUseId")), True)

    def _delta(self, event: dict[str, Any], delta: dict[str, Any], span: Span, out: list[Event]) -> None:
        if said := text(delta.get("text")):
            out.append(TextDelta(said, span=span))
        reasoning = members(delta.get("reasoningContent"))
        if thought := text(reasoning.get("text")) or text(members(reasoning.get("reasoningText")).get("text")):
            out.append(ReasoningDelta(thought, span=span))
        tool = members(delta.get("toolUse"))
        if piece := _text_or_json(tool.get("input")):
            call = self._call(event, "", False)
            out.append(ToolCallDelta(call.number, arguments=piece, server=call.server, span=span))
        for result in map(members, elements(delta.get("toolResult"))):
            if output := text(result.get("text")) or _text_or_json(result.get("json")):
                call = self._call(event, "", True)
                out.append(ToolCallDelta(call.number, server=True, output=output, span=span))

    def _chunk(self, payload: dict[str, Any], span: Span, out: list[Event]) -> None:
        try:
            data = base64.b64decode(text(payload.get("bytes")), validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            self._ending.bad("chunk without base64 bytes", to_json(payload), span, out)
            return
        before = len(out)
        value = parse(data)
        if not isinstance(value, dict):
            self._not_an_object(data, span, out)
        elif self._model_event(value, span, out):
            self._invoked = True
        elif self._agent:
            out.append(TextDelta(data, span=span))  # an agent whose answer is JSON
        self._told = self._told or any(isinstance(e, Usage) for e in out[before:])
        self._ending.ended = self._ending.ended or any(isinstance(e, End) for e in out[before:])
        self._metrics(members(members(value).get(METRICS)), span, out)
        if len(out) == before:
            out.append(KeepAlive("chunk", span=span))

    def _not_an_object(self, data: str, span: Span, out: list[Event]) -> None:
        """What an agent says; among the events of a model it is their sentinel, or nonsense."""
        if not self._invoked:
            self._agent = True
            out += [TextDelta(data, span=span)] if data else []
        elif data.strip() != DONE:
            self._ending.bad("no JSON object, as in the other chunks", data, span, out)

    def _model_event(self, value: dict[str, Any], span: Span, out: list[Event]) -> bool:
        """One event of the model that was invoked; False where no model known here sends such a thing."""
        if "type" in value or "completion" in value:  # Claude 2 says no type
            self._inner = self._inner or MessagesInterpreter()
            self._inner.payload({"type": "completion", **value}, span, out)
        elif "choices" in value:
            self._inner = self._inner or ChatInterpreter()
            self._inner.payload(chat_chunk(value), span, out)
        elif not self._model.payload(value, span, out):
            known = [kind for kind in value if kind in CONVERSE_EVENTS]
            for kind in known:
                self.payload(kind, members(value[kind]), span, out)
            return bool(known) or any(name.startswith("amazon-bedrock-") for name in value)
        return True

    def _metrics(self, metrics: dict[str, Any], span: Span, out: list[Event]) -> None:
        """What the service counted, for models that state no usage themselves."""
        if not self._told:
            usage(metrics.get("inputTokenCount"), metrics.get("outputTokenCount"), METRICS, span, out)


def _text_or_json(value: Any) -> str:
    """A text as it is, an object as compact JSON, nothing for nothing."""
    return value if isinstance(value, str) else "" if value is None else to_json(value)


def read_answer(body: Any) -> Message:
    """The message of a non-streaming Converse answer; an error body has `message` as a string."""
    answer = members(body)
    out: list[Event] = []
    interpreter = BedrockInterpreter()
    if "output" not in answer and isinstance(answer.get("message"), str):
        frame = EventMessage(to_json(answer), text(answer.get("__type")), "exception")
        interpreter.frame(frame, out)
        interpreter.end(0, out)
        return assemble("bedrock-converse", out)
    content = elements(members(members(answer.get("output")).get("message")).get("content"))
    for index, block in enumerate(map(members, content)):
        _read_block(interpreter, index, block, out)
    if answer.get("stopReason"):
        interpreter.payload("messageStop", answer, (0, 0), out)
    interpreter.payload("metadata", answer, (0, 0), out)
    interpreter.end(0, out)
    return assemble("bedrock-converse", out)


def _read_block(interpreter: BedrockInterpreter, index: int, block: dict[str, Any], out: list[Event]) -> None:
    """One block of a whole message, read as the events that would stream it."""
    said = "".join(
        text(members(c).get("text")) for c in elements(members(block.get("citationsContent")).get("content"))
    )
    delta = {**block, "text": block.get("text") or said}
    for kind, content in (("toolUse", "input"), ("toolResult", "content")):
        if part := members(block.get(kind)):
            start = {"contentBlockIndex": index, "start": {kind: part}}
            interpreter.payload("contentBlockStart", start, (0, 0), out)
            given = part.get(content)
            delta[kind] = {content: given or {}} if kind == "toolUse" else given
    interpreter.payload("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}, (0, 0), out)
