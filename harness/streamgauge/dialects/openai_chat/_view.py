"""One stream as the rules of this dialect look at it, worked out once an exchange."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from streamgauge.dialects.openai_chat.decoder import DONE
from streamgauge.dialects.openai_chat.profiles import BOUND
from streamgauge.events import Span
from streamgauge.evidence import streamed
from streamgauge.rules import Exchange, NotApplicable, is_event
from streamgauge.sse import Unfinished
from streamgauge.wire import Undecodable, elements, members, parse, text


class Part(msgspec.Struct, frozen=True, gc=False):
    """One entry of `choices`; `index` is 0 where it is not a whole number, `delta` {} where it is no object."""

    choice: dict[str, Any]
    index: int
    delta: dict[str, Any]
    span: Span


class CallDelta(msgspec.Struct, frozen=True, gc=False):
    """One entry of `delta.tool_calls`; `index` is None where it is missing or no whole number."""

    choice: int
    index: int | None
    entry: dict[str, Any]
    span: Span

    @property
    def function(self) -> dict[str, Any]:
        return members(self.entry.get("function") or self.entry.get("custom"))


@dataclass(slots=True)
class View:
    """chunks: objects before the terminator that are no bare errors. after: what came behind the terminator.

    plain: the chunks without Azure's content filter results, which are documented to state nothing else.
    finishes: by choice, each finish_reason that is not null, with its place. odd: what stands where a list of calls, or
    a call, should.
    """

    chunks: list[tuple[dict[str, Any], Span]] = field(default_factory=list)
    plain: list[tuple[dict[str, Any], Span]] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    calls: list[CallDelta] = field(default_factory=list)
    odd: list[tuple[Any, Span]] = field(default_factory=list)
    errors: list[tuple[Any, Span]] = field(default_factory=list)
    done: list[Span] = field(default_factory=list)
    after: list[Span] = field(default_factory=list)
    finishes: dict[int, list[tuple[Any, Span]]] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether every choice that appeared has a finish_reason."""
        return bool(self.finishes) and all(self.finishes.values())

    def members(self) -> set[str]:
        """The names of the members of all chunks, choices and deltas."""
        seen = {name for value, _ in self.chunks for name in value}
        for part in self.parts:
            seen |= part.choice.keys() | part.delta.keys()
        return seen

    def strange(self) -> list[str]:
        """Members of chunks, choices and deltas of a service that is not known to be bound by OpenAI's sentences."""
        return sorted(self.members() - BOUND)


def view(exchange: Exchange) -> View:
    """The view of a stream of chat completion chunks; raises NotApplicable where there is no stream."""
    streamed(exchange)
    return exchange.derived(_view)


def chunks(exchange: Exchange) -> View:
    """The view of a stream that has at least one chunk."""
    found = view(exchange)
    if not found.chunks:
        raise NotApplicable("the stream has no chunk")
    return found


def calls_of(exchange: Exchange) -> list[CallDelta]:
    """The tool call deltas of a stream in which a tool was called."""
    found = chunks(exchange).calls
    if not found:
        raise NotApplicable("no tool was called")
    return found


def is_filter(chunk: dict[str, Any]) -> bool:
    """Whether a chunk only carries Azure's content filter results.

    Microsoft's "Content streaming" page shows them with "id", "model" and "object" empty, `created` 0 and either
    no choices or a choice with `content_filter_offsets` in place of a delta.
    """
    if "prompt_filter_results" in chunk or "prompt_annotations" in chunk:
        return not chunk.get("choices")
    choices = elements(chunk.get("choices"))
    for choice in choices:  # a loop, because it is asked of every chunk
        if not isinstance(choice, dict) or choice.get("delta") or "text" in choice:  # text: a legacy completion
            return False
        if "content_filter_offsets" not in choice and ("content_filter_results" not in choice or "delta" in choice):
            return False
    return bool(choices)


def _view(exchange: Exchange) -> View:
    found = View()
    for frame in exchange.frames:
        if isinstance(frame, Unfinished):
            if frame.data.strip() == DONE:
                found.done.append(frame.span)
        elif is_event(frame) and frame.data.strip() == DONE:
            found.done.append(frame.span)
    end = found.done[0][0] if found.done else len(exchange.body) + 1
    for payload in exchange.payloads:
        span = payload.span
        if span[0] > end:
            found.after.append(span)
        elif isinstance(payload.value, dict):
            _object(found, payload.value, payload.frame.type, span)
    return found


def _object(found: View, value: dict[str, Any], name: str, span: Span) -> None:
    error = value.get("error")
    if "choices" not in value and name not in ("message", "error"):
        return  # an event of a name of its own, which OpenAI's streams do not have: nothing of the completion
    if error or name == "error" or value.get("object") == "error":
        found.errors.append((error or value, span))
        if "choices" not in value:
            return
    found.chunks.append((value, span))
    if not is_filter(value):
        found.plain.append((value, span))
    for choice in elements(value.get("choices")):
        if isinstance(choice, dict):
            _choice(found, choice, span)


def _choice(found: View, choice: dict[str, Any], span: Span) -> None:
    index = choice.get("index")
    if type(index) is not int:
        index = 0
    delta = choice.get("delta")
    if not isinstance(delta, dict):  # a legacy completion says its text in the choice itself
        delta = {"content": choice["text"]} if "text" in choice else {}
    found.parts.append(Part(choice, index, delta, span))
    finishes = found.finishes.setdefault(index, [])
    if (reason := choice.get("finish_reason")) is not None:
        finishes.append((reason, span))
    if (calls := delta.get("tool_calls")) is not None:
        _calls(found, calls, index, span)


def _calls(found: View, calls: Any, choice: int, span: Span) -> None:
    if not isinstance(calls, list):
        found.odd.append((calls, span))
        return
    for entry in calls:
        if isinstance(entry, dict):
            number = entry.get("index")
            found.calls.append(CallDelta(choice, number if type(number) is int else None, entry, span))
        else:
            found.odd.append((entry, span))


def said(delta: dict[str, Any]) -> str:
    """The visible text of a delta where it is a string."""
    return text(delta.get("content"))


def carries(delta: dict[str, Any]) -> str:
    """The name of the first member of a delta that carries output, "" where there is none."""
    for name in ("content", "refusal", "tool_calls", "function_call", "reasoning_content", "reasoning"):
        if delta.get(name):
            return name
    return ""


def joined_arguments(view: View) -> dict[tuple[int, int], tuple[str, Span]]:
    """The joined arguments of each call that has an index, by (choice, index), with the place of its last delta."""
    parts: dict[tuple[int, int], list[str]] = {}
    spans: dict[tuple[int, int], Span] = {}
    for delta in view.calls:
        if delta.index is not None and "custom" not in delta.entry:
            key = delta.choice, delta.index
            parts.setdefault(key, []).append(text(delta.function.get("arguments")))
            spans[key] = delta.span
    return {key: ("".join(pieces), spans[key]) for key, pieces in parts.items()}


def is_json(value: str) -> bool:
    """Whether a text is one JSON text."""
    return not isinstance(parse(value), Undecodable)
