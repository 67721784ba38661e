"""What one delta says: text, reasoning, a refusal, fragments of tool calls, in each spelling that services have."""

from __future__ import annotations

from typing import Any

from streamgauge.dialects.openai_chat.calls import CallTable
from streamgauge.dialects.openai_chat.failures import as_text
from streamgauge.events import (
    Event,
    Malformed,
    ReasoningDelta,
    RefusalDelta,
    Span,
    TextDelta,
    ToolCallDelta,
    excerpt,
    to_json,
)
from streamgauge.wire import elements, members, text


class DeltaReader:
    """Reads the deltas of one stream; knows which tool calls each choice has begun.

    malformed: whether one of them had a member of a wrong type.
    """

    __slots__ = ("_tables", "malformed")

    def __init__(self) -> None:
        self._tables: dict[int, CallTable] = {}
        self.malformed = False

    def read(self, delta: dict[str, Any], choice: int, span: Span, out: list[Event]) -> None:
        """The events of one delta, reasoning first."""
        if reasoning := _reasoning(delta):
            out.append(ReasoningDelta(reasoning, choice, span))
        content = delta.get("content")
        if content:
            if isinstance(content, str):
                out.append(TextDelta(content, choice, span))
            else:
                self._parts(content, choice, span, out)
        refusal = delta.get("refusal")
        if refusal and isinstance(refusal, str):
            out.append(RefusalDelta(refusal, choice, span))
        if calls := delta.get("tool_calls"):
            self._calls(calls, choice, span, out)
        elif call := delta.get("function_call"):  # some send both, which is one call
            self._calls([{"index": 0, "function": call}], choice, span, out)

    def _parts(self, content: Any, choice: int, span: Span, out: list[Event]) -> None:
        """Mistral: content is a list of parts, of which thinking parts hold a list of their own.

        Databricks (https://docs.databricks.com/aws/en/machine-learning/model-serving/score-reason-models): of "type"
        "reasoning", with a "summary" of "summary_text"; the page shows a whole message, a delta is read like it.
        """
        if not isinstance(content, list):
            self._bad("delta.content is neither a string nor an array", content, span, out)
            return
        for part in content:
            kind = members(part).get("type")
            if kind == "text" and (said := text(part.get("text"))):
                out.append(TextDelta(said, choice, span))
            elif kind == "thinking":
                thought = part.get("thinking")
                said = text(thought) or "".join(text(members(t).get("text")) for t in elements(thought))
                if said:
                    out.append(ReasoningDelta(said, choice, span))
            elif kind == "reasoning":
                said = "".join(text(members(s).get("text")) for s in elements(part.get("summary")))
                if said:
                    out.append(ReasoningDelta(said, choice, span))

    def _calls(self, calls: Any, choice: int, span: Span, out: list[Event]) -> None:
        if isinstance(calls, dict) and ("function" in calls or "custom" in calls):
            calls = [calls]  # Text Generation Inference: one call and no array, as huggingface_hub 0.2x's types have it
        if not isinstance(calls, list):
            self._bad("tool_calls is not an array", calls, span, out)
            return
        table = self._tables.setdefault(choice, CallTable())
        for position, call in enumerate(calls):
            if not isinstance(call, dict):
                self._bad("a tool call is not an object", call, span, out)
                continue
            call_id = text(call.get("id"))
            function = call.get("function") or call.get("custom")
            if function is not None and not isinstance(function, dict):
                self._bad("a tool call's function is not an object", function, span, out)
                continue
            function = function or {}
            name = text(function.get("name"))
            arguments = as_text(function.get("arguments", function.get("input")))
            number = table.number(call.get("index"), call_id, name, arguments, first=position == 0)
            out.append(ToolCallDelta(number, call_id, name, arguments, choice=choice, span=span))

    def _bad(self, reason: str, value: Any, span: Span, out: list[Event]) -> None:
        self.malformed = True
        out.append(odd(reason, value, span))


def odd(reason: str, value: Any, span: Span) -> Malformed:
    """The event for a member of a wrong type."""
    return Malformed(reason, excerpt(to_json(value)), span=span)


def _reasoning(delta: dict[str, Any]) -> str:
    """The first non-empty spelling: services send one text under several names, and it is said once."""
    for name in ("reasoning_content", "reasoning", "reasoning_text"):
        if said := text(delta.get(name)):
            return said
    if details := delta.get("reasoning_details"):
        found = (members(d) for d in elements(details))
        return "".join(text(d.get("text")) or text(d.get("summary")) for d in found)
    return ""
