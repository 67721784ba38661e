"""One answer as server rules see it: bytes, frames, JSON values, events, message, each worked out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from streamgauge.events import Event, Malformed, Span
from streamgauge.message import Message, assemble
from streamgauge.sse import ServerSentEvent
from streamgauge.trace import Trace
from streamgauge.wire import Undecodable, parse

if TYPE_CHECKING:
    from streamgauge.dialect import Dialect

T = TypeVar("T")


class NotApplicable(Exception):  # noqa: N818 - not an error: the reason why a rule has nothing to judge here
    """Raised by a rule that has nothing to judge in this exchange; the verdict is `skip` with this reason."""


class Payload(msgspec.Struct, frozen=True, gc=False):
    """One frame with the JSON value of its data; `value` is `Undecodable` where it is not JSON."""

    frame: Any
    value: Any

    @property
    def span(self) -> Span:
        span: Span = self.frame.span
        return span


@dataclass(frozen=True)
class Exchange:
    """One answer, seen at each level: bytes, frames, JSON values, events, message.

    `reference` is the message of the non-streaming twin of the same request, where there is one.
    `siblings` are other exchanges with the same subject (by the name of the request that was sent).
    `streams` is False for an answer that was asked for whole: not every dialect says so in the body of its request.
    `asked` is the framing that the request's URL asked for, where a dialect has more than one, "" where nobody knows.
    """

    dialect: Dialect
    trace: Trace
    reference: Message | None = None
    siblings: Mapping[str, Exchange] = field(default_factory=dict)
    case: str = ""
    streams: bool = True
    asked: str = ""

    @cached_property
    def body(self) -> bytes:
        return self.trace.body

    @cached_property
    def frames(self) -> tuple[Any, ...]:
        """Every frame of the dialect's framer: events, comments, what is unfinished or malformed."""
        return self._framed[0]

    @property
    def unread(self) -> tuple[Malformed, ...]:
        """What was over the framer's limit of an event: only that it was there is known of it."""
        return tuple(f for f in self.frames if isinstance(f, Malformed) and "longer than" in f.reason)

    @property
    def framing(self) -> str:
        """The framing of this body, which the framer knows where the dialect has more than one."""
        return self._framed[1]

    @cached_property
    def _framed(self) -> tuple[tuple[Any, ...], str]:
        framer = self.dialect.framer()
        frames = (*framer.feed(self.body), *framer.eof())
        return frames, getattr(framer, "framing", self.dialect.framing)

    @cached_property
    def payloads(self) -> tuple[Payload, ...]:
        """The events with their JSON values, literal sentinels like [DONE] left out."""
        found = (f for f in self.frames if hasattr(f, "data") and is_event(f))
        return tuple(Payload(f, parse(f.data)) for f in found if f.data.strip() != "[DONE]")

    @cached_property
    def objects(self) -> tuple[tuple[dict[str, Any], Span], ...]:
        """The JSON objects of the events, with their spans; what is not an object is left to other rules."""
        return tuple((p.value, p.span) for p in self.payloads if isinstance(p.value, dict))

    @cached_property
    def events(self) -> tuple[Event, ...]:
        return tuple(self.dialect.interpret(self.frames, len(self.body)))

    @cached_property
    def message(self) -> Message:
        return assemble(self.dialect.name, self.events)

    @cached_property
    def _views(self) -> dict[Any, Any]:
        return {}

    def derived(self, view: Callable[[Exchange], T]) -> T:
        """What a function makes of this exchange, worked out once: for views that several rules share."""
        if view not in self._views:
            self._views[view] = view(self)
        found: T = self._views[view]
        return found

    @property
    def request(self) -> Mapping[str, Any]:
        """The JSON body that asked; raises NotApplicable where it is not known."""
        if self.trace.request is None:
            raise NotApplicable("the request is not known")
        return self.trace.request


def is_event(frame: Any) -> bool:
    """Whether a frame is a delivered event, not one that the end of the bytes cut."""
    return isinstance(frame, ServerSentEvent) or getattr(frame, "delivered", False)


def unreadable(value: Any) -> bool:
    """Whether a payload's value is not JSON."""
    return isinstance(value, Undecodable)
