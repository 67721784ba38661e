"""One stream as the rules of this dialect look at it."""

from __future__ import annotations

from typing import Any

from streamgauge.events import Span
from streamgauge.evidence import streamed
from streamgauge.rules import Exchange, NotApplicable
from streamgauge.wire import members, text


def objects_of(exchange: Exchange) -> tuple[tuple[dict[str, Any], Span], ...]:
    """The objects of a stream; raises NotApplicable where there is none."""
    streamed(exchange)
    if not exchange.objects:
        raise NotApplicable("no line is a JSON object (see JSON-001)")
    return exchange.objects


def last_of(exchange: Exchange) -> tuple[dict[str, Any], Span]:
    """The first object that says that it is the last; raises NotApplicable where none does."""
    found = next(((v, span) for v, span in objects_of(exchange) if v.get("done") is True), None)
    if found is None:
        raise NotApplicable("no object has done: true (see OLL-002)")
    return found


def said(value: dict[str, Any]) -> str:
    """The text of an object: that of its message, or its response."""
    return text(members(value.get("message")).get("content")) or text(value.get("response"))


def speaks(value: dict[str, Any]) -> bool:
    """Whether an object has any output: text, thinking or a call."""
    message = members(value.get("message"))
    return bool(said(value) or value.get("thinking") or message.get("thinking") or message.get("tool_calls"))
