"""Amazon Bedrock's event streams to events: ConverseStream, and InvokeModelWithResponseStream.

Sources: AWS, Bedrock Runtime API reference, ConverseStream and InvokeModelWithResponseStream
(https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html); the models' own pages
for what the payloads of the latter hold (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html).
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from streamgauge.dialects.anthropic_messages.decoder import MessagesInterpreter
from streamgauge.events import (
    Event,
    Finish,
    KeepAlive,
    ReasoningDelta,
    Span,
    StreamError,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from streamgauge.eventstream import EventMessage
from streamgauge.frames import Ending, read_object
from streamgauge.message import Message, assemble
from streamgauge.wire import Undecodable, count, elements, members, parse, text


class BedrockInterpreter:
    """Interprets the messages of one stream, by their `:event-type`.

    `chunk` messages (InvokeModelWithResponseStream) carry another dialect's events in base64: what they are is told
    from the first of them.
    """

    __slots__ = ("_anthropic", "_calls", "_complete", "_ending")

    def __init__(self) -> None:
        self._ending = Ending()
        self._calls: dict[int, int] = {}  # number of the call by contentBlockIndex
        self._complete = False
        self._anthropic: MessagesInterpreter | None = None

    def frame(self, frame: Any, out: list[Event]) -> None:
        if isinstance(frame, EventMessage) and frame.kind != "event":
            self._exception(frame, out)
            return
        payload = read_object(frame, self._ending, out)
        if payload is None:
            return
        if frame.type == "chunk":
            self._chunk(payload, frame.span, out)
        else:
            self.payload(frame.type, payload, frame.span, out)

    def end(self, offset: int, out: list[Event]) -> None:
        if self._anthropic is not None and not self._ending.error:
            self._anthropic.end(offset, out)
            return
        self._ending.eof(offset, out, complete=self._complete, complete_because="messageStop", missing="no messageStop")

    def payload(self, kind: str, event: dict[str, Any], span: Span, out: list[Event]) -> None:
        """The events of one ConverseStream event."""
        before = len(out)
        match kind:
            case "contentBlockDelta":
                self._delta(event, members(event.get("delta")), span, out)
            case "contentBlockStart":
                self._block(event, members(members(event.get("start")).get("toolUse")), span, out)
            case "messageStop":
                self._complete = True
                if reason := text(event.get("stopReason")):
                    out.append(Finish(reason, span=span))
            case "metadata":
                usage = members(event.get("usage"))
                self._usage(usage.get("inputTokens"), usage.get("outputTokens"), span, out)
        if len(out) == before:
            out.append(KeepAlive(kind, span=span))

    def _exception(self, frame: EventMessage, out: list[Event]) -> None:
        value = members(parse(frame.data))
        named = dict(frame.headers)
        shown = text(value.get("message")) or named.get(":error-message") or frame.data or frame.type
        self._ending.fail(StreamError(shown, named.get(":error-code", ""), frame.type, span=frame.span), out)

    def _usage(self, given: Any, made: Any, span: Span, out: list[Event]) -> None:
        if count(given) is not None or count(made) is not None:
            out.append(Usage(count(given), count(made), "metadata.usage", span=span))

    def _number(self, event: dict[str, Any]) -> int:
        index = event.get("contentBlockIndex")
        return self._calls.setdefault(index if isinstance(index, int) else -1, len(self._calls))

    def _block(self, event: dict[str, Any], tool: dict[str, Any], span: Span, out: list[Event]) -> None:
        if tool:
            call_id, name = text(tool.get("toolUseId")), text(tool.get("name"))
            server = tool.get("type") == "server_tool_use"
            out.append(ToolCallDelta(self._number(event), call_id, name, server=server, span=span))

    def _delta(self, event: dict[str, Any], delta: dict[str, Any], span: Span, out: list[Event]) -> None:
        if said := text(delta.get("text")):
            out.append(TextDelta(said, span=span))
        if thought := text(members(delta.get("reasoningContent")).get("text")):
            out.append(ReasoningDelta(thought, span=span))
        if piece := text(members(delta.get("toolUse")).get("input")):
            out.append(ToolCallDelta(self._number(event), arguments=piece, span=span))

    def _chunk(self, payload: dict[str, Any], span: Span, out: list[Event]) -> None:
        try:
            data = base64.b64decode(text(payload.get("bytes")), validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            self._ending.bad("chunk without base64 bytes", repr(payload), span, out)
            return
        value = parse(data)
        if isinstance(value, Undecodable) or not isinstance(value, dict):
            # Agents for Bedrock answer in plain text.
            if data:
                out.append(TextDelta(data, span=span))
            return
        self._model_event(value, span, out)

    def _model_event(self, value: dict[str, Any], span: Span, out: list[Event]) -> None:
        """One event of the model that was invoked: Anthropic, Nova, Llama or Titan."""
        if "type" in value:
            self._anthropic = self._anthropic or MessagesInterpreter()
            self._anthropic.payload(value, span, out)
        elif "generation" in value:
            self._whole(value["generation"], value.get("stop_reason"), span, out)
            self._usage(value.get("prompt_token_count"), value.get("generation_token_count"), span, out)
        elif "outputText" in value:
            self._whole(value["outputText"], value.get("completionReason"), span, out)
            self._usage(value.get("inputTextTokenCount"), value.get("totalOutputTextTokenCount"), span, out)
        else:
            for kind, event in value.items():
                self.payload(kind, members(event), span, out)

    def _whole(self, said: Any, reason: Any, span: Span, out: list[Event]) -> None:
        if text(said):
            out.append(TextDelta(said, span=span))
        if text(reason):
            self._complete = True
            out.append(Finish(reason, span=span))


def read_answer(body: Any) -> Message:
    """The message of a non-streaming Converse answer."""
    answer = members(body)
    out: list[Event] = []
    interpreter = BedrockInterpreter()
    content = elements(members(members(answer.get("output")).get("message")).get("content"))
    for index, block in enumerate(map(members, content)):
        tool = members(block.get("toolUse"))
        start = {"contentBlockIndex": index, "start": {"toolUse": {k: tool.get(k) for k in ("toolUseId", "name")}}}
        if tool:
            interpreter.payload("contentBlockStart", start, (0, 0), out)
            block = {"toolUse": {"input": _compact(tool.get("input"))}}
        reasoning = members(members(block.get("reasoningContent")).get("reasoningText"))
        delta = {**block, "reasoningContent": reasoning}
        interpreter.payload("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}, (0, 0), out)
    if answer.get("stopReason"):
        interpreter.payload("messageStop", answer, (0, 0), out)
    interpreter.payload("metadata", answer, (0, 0), out)
    interpreter.end(0, out)
    return assemble("bedrock-converse", out)


def _compact(value: Any) -> str:
    import msgspec

    return msgspec.json.encode(value or {}).decode()
