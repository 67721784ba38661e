"""One stream as the rules of this dialect look at it, worked out once an exchange."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from streamgauge.events import Span
from streamgauge.evidence import streamed
from streamgauge.rules import Exchange, NotApplicable
from streamgauge.wire import members, text

CONTENT = ("content-start", "content-delta", "content-end")
CALL = ("tool-call-start", "tool-call-delta", "tool-call-end")
FAILED = ("ERROR", "TIMEOUT")


class Told(msgspec.Struct, frozen=True, gc=False):
    """One event: its type, the JSON object of its data, the name of the event around it."""

    kind: str
    value: dict[str, Any]
    name: str
    span: Span

    @property
    def delta(self) -> dict[str, Any]:
        return members(self.value.get("delta"))

    @property
    def message(self) -> dict[str, Any]:
        return members(self.delta.get("message"))

    @property
    def index(self) -> Any:
        return self.value.get("index")


@dataclass(slots=True)
class View:
    """Every event of one stream, [DONE] left out."""

    told: list[Told] = field(default_factory=list)

    def of(self, *kinds: str) -> list[Told]:
        """The events of these types."""
        return [t for t in self.told if t.kind in kinds]


def view(exchange: Exchange) -> View:
    """The view of a stream that has at least one event; raises NotApplicable where there is none."""
    found = any_view(exchange)
    if not found.told:
        raise NotApplicable("the stream has no event (see COH-001)")
    return found


def any_view(exchange: Exchange) -> View:
    """The view of a stream, even of one without an event; raises NotApplicable where there is no stream."""
    streamed(exchange)
    return exchange.derived(_view)


def ends_of(exchange: Exchange) -> list[Told]:
    """The message-end events of a stream; raises NotApplicable where there is none."""
    found = view(exchange).of("message-end")
    if not found:
        raise NotApplicable("the stream has no message-end (see COH-001)")
    return found


def calls_of(exchange: Exchange) -> list[Told]:
    """The events of tool calls."""
    found = view(exchange).of(*CALL)
    if not found:
        raise NotApplicable("no tool was called")
    return found


def _view(exchange: Exchange) -> View:
    values = ((p, p.value) for p in exchange.payloads if isinstance(p.value, dict))
    return View([Told(text(value.get("type")), value, p.frame.type, p.span) for p, value in values])
