"""One stream as the rules of this dialect look at it, worked out once an exchange."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from streamgauge.events import Span
from streamgauge.evidence import streamed
from streamgauge.rules import Exchange, NotApplicable
from streamgauge.wire import members, text

STARTS = "content_block_start"
DELTAS = "content_block_delta"
STOPS = "content_block_stop"
BLOCK_EVENTS = (STARTS, DELTAS, STOPS)
KINDS = ("message_start", *BLOCK_EVENTS, "message_delta", "message_stop", "error")


class Told(msgspec.Struct, frozen=True, gc=False):
    """One event: its type, the JSON object of its data, the name of the event around it."""

    kind: str
    value: dict[str, Any]
    name: str
    span: Span

    @property
    def documented(self) -> bool:
        """Whether its type is one of the reference's; one without a type counts, because each event has one."""
        return not self.kind or self.kind in KINDS


@dataclass(slots=True)
class Block:
    """One content block: from its start, its deltas in order; `stopped` is the place of its end."""

    index: Any
    start: dict[str, Any]
    span: Span
    deltas: list[tuple[dict[str, Any], Span]] = field(default_factory=list)
    stopped: Span | None = None

    @property
    def kind(self) -> str:
        return text(self.start.get("type"))

    @property
    def is_call(self) -> bool:
        return self.kind == "tool_use" or self.kind.endswith("_tool_use")


@dataclass(slots=True)
class View:
    """told: every event but pings. blocks: in order of their starts. legacy: of the older Text Completions API."""

    told: list[Told] = field(default_factory=list)
    pings: list[Told] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    legacy: bool = False

    def of(self, kind: str) -> list[Told]:
        """The events of one type."""
        return [t for t in self.told if t.kind == kind]

    @property
    def errors(self) -> list[Told]:
        return [t for t in self.told if t.kind == "error" or (not t.kind and "error" in t.value)]

    @property
    def complete(self) -> bool:
        """Whether the stream says that it has ended, and no error."""
        return bool(self.of("message_stop")) and not self.errors

    @property
    def reasons(self) -> list[tuple[Any, Span]]:
        """Each stop_reason that message_delta events state, null left out."""
        stated = [(members(t.value.get("delta")).get("stop_reason"), t.span) for t in self.of("message_delta")]
        return [(reason, span) for reason, span in stated if reason is not None]


def view(exchange: Exchange) -> View:
    """The view of a stream that has at least one event; raises NotApplicable where there is none."""
    found = any_view(exchange)
    if not found.told:
        raise NotApplicable("the stream has no event (see ANT-008)")
    return found


def any_view(exchange: Exchange) -> View:
    """The view of a stream, even of one without an event; raises NotApplicable where there is no stream."""
    streamed(exchange)
    found = exchange.derived(_view)
    if found.legacy:
        raise NotApplicable("a stream of the legacy Text Completions API")
    return found


def complete(exchange: Exchange) -> View:
    """The view of a stream that ends with message_stop and reports no error."""
    found = view(exchange)
    if not found.complete:
        raise NotApplicable("the stream has no message_stop, or an error")
    return found


def calls_of(exchange: Exchange) -> list[Block]:
    """The blocks that call a tool, the vendor's own too."""
    found = [b for b in view(exchange).blocks if b.is_call]
    if not found:
        raise NotApplicable("no tool was called")
    return found


def _view(exchange: Exchange) -> View:
    found = View()
    opened: dict[Any, Block] = {}
    for payload in exchange.payloads:
        value = payload.value
        if not isinstance(value, dict):
            continue
        kind = text(value.get("type"))
        told = Told(kind, value, payload.frame.type, payload.span)
        if kind == "ping":
            found.pings.append(told)
            continue
        found.told.append(told)
        if kind in BLOCK_EVENTS:
            _block(found, opened, told)
        elif kind == "completion":
            found.legacy = True
    return found


def _block(found: View, opened: dict[Any, Block], told: Told) -> None:
    index = told.value.get("index")
    key = index if isinstance(index, (int, str)) else None
    if told.kind == STARTS:
        opened[key] = Block(index, members(told.value.get("content_block")), told.span)
        found.blocks.append(opened[key])
    elif (block := opened.get(key)) is not None:
        if told.kind == DELTAS:
            block.deltas.append((members(told.value.get("delta")), told.span))
        else:
            block.stopped = told.span
