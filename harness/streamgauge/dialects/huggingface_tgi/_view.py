"""One stream as the rules of this dialect look at it."""

from __future__ import annotations

from typing import Any

from streamgauge.events import Span
from streamgauge.evidence import streamed
from streamgauge.rules import Exchange, NotApplicable
from streamgauge.wire import members, text

Told = tuple[dict[str, Any], Span]


def events_of(exchange: Exchange) -> tuple[Told, ...]:
    """The events of a stream; raises NotApplicable where there is none."""
    streamed(exchange)
    if not exchange.objects:
        raise NotApplicable("no event is a JSON object (see JSON-001)")
    return exchange.objects


def tokens_of(exchange: Exchange) -> list[Told]:
    """The events that are no errors; raises NotApplicable where there is none."""
    found = [told for told in events_of(exchange) if "error" not in told[0]]
    if not found:
        raise NotApplicable("the stream has no token")
    return found


def last_of(exchange: Exchange) -> Told:
    """The event that ends the answer; raises NotApplicable where there is none."""
    found = next((told for told in tokens_of(exchange) if isinstance(told[0].get("generated_text"), str)), None)
    if found is None:
        raise NotApplicable("no event has generated_text (see TGI-003)")
    return found


def details_of(exchange: Exchange) -> Told:
    """The details of the last event; raises NotApplicable where it has none: they come where they are asked for."""
    value, span = last_of(exchange)
    if not isinstance(value.get("details"), dict):
        raise NotApplicable("the last event has no details (see TGI-008)")
    return value["details"], span


def said(value: dict[str, Any]) -> str:
    """The text of an event: that of a special token is none."""
    token = members(value.get("token"))
    return "" if token.get("special") is True else text(token.get("text"))


def whole_number(value: Any) -> bool:
    """An integer that is not negative, as the reference's `minimum: 0` says of all of them."""
    return type(value) is int and value >= 0
