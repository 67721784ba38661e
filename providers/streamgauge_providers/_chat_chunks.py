"""Chunk objects of OpenAI-shaped client libraries to events, and the arguments that those libraries take.

Members are read as attributes, the way a user of the library reads them; the wire is the library's business.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.dialects.openai_chat.calls import CallTable
from streamgauge.dialects.openai_chat.encoder import encode_request
from streamgauge.events import (
    Event,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Start,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from streamgauge.wire import count


def arguments(request: ChatRequest) -> dict[str, Any]:
    """The keyword arguments of `chat.completions.create`: the members of the wire request, by their own names."""
    return encode_request(replace(request, extra={})).body


def member(value: Any, name: str) -> Any:
    """An attribute, or an entry of a dict (what a library has no type for it leaves as one); None if absent."""
    return value.get(name) if type(value) is dict else getattr(value, name, None)


class ChunkReader:
    """Reads the chunks of one stream, in order."""

    def __init__(self) -> None:
        self._id = ""
        self._model = ""
        self._calls: dict[int, CallTable] = {}

    def read(self, chunk: Any) -> list[Event]:
        out: list[Event] = []
        self._start(chunk, out)
        for choice in member(chunk, "choices") or ():
            number = member(choice, "index") or 0
            delta = member(choice, "delta")
            if delta is not None:
                self._delta(delta, number, out)
            if reason := member(choice, "finish_reason"):
                out.append(Finish(str(reason), number))
        usage, source = member(chunk, "usage"), "usage"
        if not usage:
            usage, source = member(member(chunk, "x_groq"), "usage"), "x_groq.usage"
        if usage:
            out.append(Usage(count(member(usage, "prompt_tokens")), count(member(usage, "completion_tokens")), source))
        return out

    def _start(self, chunk: Any, out: list[Event]) -> None:
        answer_id, model = member(chunk, "id") or "", member(chunk, "model") or ""
        if (answer_id and not self._id) or (model and not self._model):
            self._id, self._model = self._id or answer_id, self._model or model
            out.append(Start(self._id, self._model))

    def _delta(self, delta: Any, choice: int, out: list[Event]) -> None:
        if said := _first(delta, "reasoning_content", "reasoning", "reasoning_text"):
            out.append(ReasoningDelta(str(said), choice))
        content = member(delta, "content")
        if isinstance(content, list):
            _parts(content, choice, out)
        elif content and (said := str(content)):
            out.append(TextDelta(said, choice))
        if refusal := member(delta, "refusal"):
            out.append(RefusalDelta(refusal, choice))
        for call in member(delta, "tool_calls") or ():
            self._call(call, choice, out)
        if function := member(delta, "function_call"):
            self._call({"index": 0, "function": function}, choice, out)

    def _call(self, call: Any, choice: int, out: list[Event]) -> None:
        table = self._calls.setdefault(choice, CallTable())
        call_id = member(call, "id") or ""
        function = member(call, "function")
        name, text = member(function, "name") or "", member(function, "arguments") or ""
        number = table.number(member(call, "index"), call_id, name)
        out.append(ToolCallDelta(number, call_id, name, text, choice=choice))


def _first(value: Any, *names: str) -> Any:
    return next((found for name in names if (found := member(value, name))), None)


def _parts(content: list[Any], choice: int, out: list[Event]) -> None:
    """Mistral: content is a list of parts, of which thinking parts hold a list of their own."""
    for part in content:
        kind = member(part, "type")
        if kind == "text" and (said := member(part, "text")):
            out.append(TextDelta(said, choice))
        elif kind == "thinking":
            thoughts = member(part, "thinking") or ()
            if said := "".join(member(thought, "text") or "" for thought in thoughts):
                out.append(ReasoningDelta(said, choice))
