"""One stream as the rules of this dialect look at it, worked out once an exchange."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from streamgauge.dialects.gemini_generate.wrapped import unwrapped
from streamgauge.events import Span
from streamgauge.evidence import streamed
from streamgauge.rules import Exchange, NotApplicable
from streamgauge.wire import elements, members, text


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """One entry of `candidates`; `index` is 0 where it is missing or no whole number, `parts` are its content's."""

    value: dict[str, Any]
    index: int
    parts: list[Any]
    span: Span

    @property
    def reason(self) -> Any:
        """Its finishReason, None where it has none or says that there is none yet."""
        reason = self.value.get("finishReason")
        return None if reason in ("", 0, "FINISH_REASON_UNSPECIFIED") else reason

    @property
    def text(self) -> str:
        """The visible text of its parts."""
        said = [text(members(p).get("text")) for p in self.parts if members(p).get("thought") is not True]
        return said[0] if len(said) == 1 else "".join(said)


@dataclass(slots=True)
class View:
    """responses: objects that are no bare errors. blocked: the place of a promptFeedback with a blockReason."""

    responses: list[tuple[dict[str, Any], Span]] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    errors: list[tuple[Any, Span]] = field(default_factory=list)
    blocked: list[Span] = field(default_factory=list)

    @property
    def usages(self) -> list[tuple[dict[str, Any], Span]]:
        return [(v["usageMetadata"], span) for v, span in self.responses if isinstance(v.get("usageMetadata"), dict)]


def view(exchange: Exchange) -> View:
    """The view of a stream; raises NotApplicable where there is none."""
    streamed(exchange)
    return exchange.derived(_view)


def responses(exchange: Exchange) -> View:
    """The view of a stream that has at least one response object."""
    found = view(exchange)
    if not found.responses:
        raise NotApplicable("the stream has no response object")
    return found


def _view(exchange: Exchange) -> View:
    found = View()
    for sent, span in exchange.objects:
        value = unwrapped(sent)
        if sent and not value:
            continue  # a wrapper of nothing: it has what is Code Assist's own
        if "error" in value:
            found.errors.append((value["error"], span))
            if "candidates" not in value:
                continue
        found.responses.append((value, span))
        if members(value.get("promptFeedback")).get("blockReason"):
            found.blocked.append(span)
        for entry in elements(value.get("candidates")):
            if isinstance(entry, dict):
                index = entry.get("index")
                parts = elements(members(entry.get("content")).get("parts"))
                found.candidates.append(Candidate(entry, index if type(index) is int else 0, parts, span))
    return found
