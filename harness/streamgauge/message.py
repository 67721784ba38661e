"""The message that a stream carries: events in, one assembled answer out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from streamgauge.events import (
    End,
    Ended,
    Event,
    Finish,
    KeepAlive,
    Malformed,
    ReasoningDelta,
    RefusalDelta,
    Start,
    StreamError,
    TextDelta,
    ToolCallDelta,
    Usage,
)


class ToolCall(msgspec.Struct, frozen=True):
    """One call; `arguments` is the joined text exactly as sent."""

    id: str = ""
    name: str = ""
    arguments: str = ""


class ServerToolCall(msgspec.Struct, frozen=True):
    """A call that the vendor ran itself, with what it gave back."""

    id: str = ""
    name: str = ""
    arguments: str = ""
    output: str = ""


class Choice(msgspec.Struct, frozen=True):
    """One answer."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | int | None = None
    server_tool_calls: tuple[ServerToolCall, ...] = ()


class TokenUsage(msgspec.Struct, frozen=True):
    """Token counts as the backend stated them; None is unknown, never zero."""

    input_tokens: int | None = None
    output_tokens: int | None = None


class ReportedError(msgspec.Struct, frozen=True):
    """An error that the stream reported."""

    message: str
    type: str = ""
    code: str = ""


class Message(msgspec.Struct, frozen=True):
    """What `streamgauge decode --message` prints."""

    dialect: str
    ended: Ended
    choices: tuple[Choice, ...] = ()
    usage: TokenUsage | None = None
    errors: tuple[ReportedError, ...] = ()
    malformed: int = 0
    model: str = ""
    id: str = ""


def join(parts: list[str]) -> str:
    """Join deltas; a surrogate pair that was cut between two of them becomes its character again."""
    text = "".join(parts)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return text


class _ChoiceParts:
    """Deltas of one choice, unjoined: joining at each event would be quadratic."""

    __slots__ = ("calls", "finish", "reasoning", "refusal", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.calls: dict[int, list[ToolCallDelta]] = {}
        self.finish: str | int | None = None

    def build(self) -> Choice:
        calls = list(self.calls.values())
        return Choice(
            text=join(self.text),
            reasoning=join(self.reasoning),
            refusal=join(self.refusal),
            tool_calls=tuple(_call(c) for c in calls if not c[0].server),
            finish_reason=self.finish,
            server_tool_calls=tuple(_server_call(c) for c in calls if c[0].server),
        )


def _first(values: Iterable[str]) -> str:
    return next((v for v in values if v), "")


def _call(parts: list[ToolCallDelta]) -> ToolCall:
    return ToolCall(
        id=_first(p.id for p in parts),
        name=_first(p.name for p in parts),
        arguments=join([p.arguments for p in parts]),
    )


def _server_call(parts: list[ToolCallDelta]) -> ServerToolCall:
    call = _call(parts)
    return ServerToolCall(call.id, call.name, call.arguments, join([p.output for p in parts]))


class MessageBuilder:
    """Takes events one by one; `build()` may be called at any time."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._choices: dict[int, _ChoiceParts] = {}
        self._input: int | None = None
        self._output: int | None = None
        self._errors: list[ReportedError] = []
        self._malformed = 0
        self._id = ""
        self._model = ""
        self._ended: Ended = "truncated"

    def _choice(self, index: int) -> _ChoiceParts:
        parts = self._choices.get(index)
        if parts is None:
            parts = self._choices[index] = _ChoiceParts()
        return parts

    def add(self, event: Event) -> None:
        match event:
            case TextDelta():
                self._choice(event.choice).text.append(event.text)
            case ReasoningDelta():
                self._choice(event.choice).reasoning.append(event.text)
            case ToolCallDelta():
                self._choice(event.choice).calls.setdefault(event.index, []).append(event)
            case RefusalDelta():
                self._choice(event.choice).refusal.append(event.text)
            case Finish():
                self._choice(event.choice).finish = event.reason
            case Usage():
                self._input = self._input if event.input_tokens is None else event.input_tokens
                self._output = self._output if event.output_tokens is None else event.output_tokens
            case Start():
                self._id = self._id or event.id
                self._model = self._model or event.model
            case StreamError():
                self._errors.append(ReportedError(event.message, event.error_type, event.code))
            case Malformed():
                self._malformed += 1
            case End():
                self._ended = event.ended
            case KeepAlive():
                pass

    def build(self) -> Message:
        known = self._input is not None or self._output is not None
        return Message(
            dialect=self._dialect,
            ended=self._ended,
            choices=tuple(self._choices[i].build() for i in sorted(self._choices)),
            usage=TokenUsage(self._input, self._output) if known else None,
            errors=tuple(self._errors),
            malformed=self._malformed,
            model=self._model,
            id=self._id,
        )


def assemble(dialect: str, events: Iterable[Event]) -> Message:
    """The message that these events carry."""
    builder = MessageBuilder(dialect)
    for event in events:
        builder.add(event)
    return builder.build()


def to_dict(message: Message) -> dict[str, Any]:
    """The message as plain JSON values."""
    return dict(msgspec.to_builtins(message))
