"""One stream as the rules of this dialect look at it, worked out once an exchange."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from streamgauge.dialects.openai_responses.decoder import TERMINAL
from streamgauge.events import Span
from streamgauge.evidence import streamed
from streamgauge.frames import DONE
from streamgauge.rules import Exchange, NotApplicable, is_event
from streamgauge.wire import members, text

FIRST = ("response.created", "response.queued", "response.in_progress")
ADDED, DONE_ITEM = "response.output_item.added", "response.output_item.done"


class StreamEvent(msgspec.Struct, frozen=True, gc=False):
    """One event; `name` is that of its event field ("message" where it has none), `kind` its data's type."""

    kind: str
    name: str
    value: dict[str, Any]
    span: Span

    @property
    def item(self) -> dict[str, Any]:
        return members(self.value.get("item"))

    @property
    def response(self) -> dict[str, Any]:
        return members(self.value.get("response"))

    @property
    def index(self) -> int | None:
        """Its output_index, None where that is missing or no whole number."""
        index = self.value.get("output_index")
        return index if type(index) is int else None

    @property
    def key(self) -> int | str:
        """The item that it is about: by output_index, by id where there is none, "" where it names none."""
        item_id = text(self.value.get("item_id")) or text(self.item.get("id"))
        return item_id if self.index is None else self.index


@dataclass(slots=True)
class View:
    """events: every JSON object, in order. done: the places of [DONE]."""

    events: list[StreamEvent] = field(default_factory=list)
    done: list[Span] = field(default_factory=list)

    @property
    def terminal(self) -> list[StreamEvent]:
        return [e for e in self.events if e.kind in TERMINAL]

    @property
    def errors(self) -> list[StreamEvent]:
        return [e for e in self.events if e.kind == "error"]

    @property
    def last(self) -> dict[str, Any]:
        """The response of the first terminal event, {} where there is none."""
        return next((e.response for e in self.terminal), {})


def view(exchange: Exchange) -> View:
    """The view of a stream that has at least one event; raises NotApplicable for anything else."""
    found = any_view(exchange)
    if not found.events:
        raise NotApplicable("the stream has no event (see OAR-005)")
    return found


def any_view(exchange: Exchange) -> View:
    """The view of a stream, even of one without an event; raises NotApplicable where there is no stream."""
    streamed(exchange)
    return exchange.derived(_view)


def items_of(exchange: Exchange) -> list[StreamEvent]:
    """The events about items; raises NotApplicable where there is none."""
    found = [e for e in view(exchange).events if e.kind in (ADDED, DONE_ITEM) or "item_id" in e.value]
    if not found:
        raise NotApplicable("the stream has no item")
    return found


def resumed(exchange: Exchange) -> bool:
    """Whether a stream begins behind the response's first event: "starting_after" asks for that.

    OpenAI API reference, "Get a model response": "The sequence number of the event after which to start streaming."
    """
    first = view(exchange).events[0].value.get("sequence_number")
    return type(first) is int and first > 0


def bound(exchange: Exchange) -> bool:
    """Whether the subject promises Open Responses, and not only what OpenAI's own reference says."""
    return exchange.dialect.name == "open-responses"


def documented(kind: str) -> bool:
    """Whether an event belongs to a response, as all that the references have do, and not to whoever passes it on."""
    return kind == "error" or kind.startswith("response.")


def _view(exchange: Exchange) -> View:
    found = View(done=[f.span for f in exchange.frames if is_event(f) and f.data.strip() == DONE])
    for payload in exchange.payloads:
        if isinstance(payload.value, dict):
            kind = text(payload.value.get("type"))
            found.events.append(StreamEvent(kind, payload.frame.type, payload.value, payload.span))
    return found
