"""The flow of a ConverseStream: its events, their order, their members."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamgauge.dialects.bedrock import STOP_REASONS
from streamgauge.dialects.bedrock._samples import (
    CALLS,
    HELLO,
    START,
    closed,
    event,
    metadata,
    stopped,
    stream,
    text,
)
from streamgauge.dialects.bedrock._sources import CONVERSE, GUIDE
from streamgauge.dialects.bedrock._view import (
    BLOCK_EVENTS,
    DELTAS,
    STARTS,
    STOPS,
    View,
    converse,
)
from streamgauge.dialects.bedrock.decoder import CONVERSE_EVENTS
from streamgauge.events import Span
from streamgauge.evidence import brief, whole
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule
from streamgauge.vocabulary import may_be_new
from streamgauge.wire import count, members

BEDROCK = ("bedrock-converse",)
UNION = {
    "delta": {"text", "toolUse", "toolResult", "reasoningContent", "citation", "image"},
    "start": {"toolUse", "toolResult", "image"},
}


@server_rule(
    "BRK-003",
    "ConverseStream's events come in order",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{GUIDE}: messageStart is "The start event for a message", messageStop "The stop event for the message"; '
    '"ConverseStream streams a complete content block as a ContentBlockStartEvent event, one or more '
    'ContentBlockDeltaEvent events, and a ContentBlockStopEvent event." A stream without metadata, and metadata '
    "elsewhere, count as non-strict: only the picture there has it once, behind messageStop",
    applies=BEDROCK,
    known=(
        "https://github.com/maximhq/bifrost/issues/4262",
        "https://github.com/maximhq/bifrost/issues/4923",
    ),
    good=CALLS,
    bad=START + stopped() + text("Hello") + metadata(),
)
def events_in_order(exchange: Exchange) -> Iterator[Finding]:
    """messageStart, per block contentBlockStart (optional for text), deltas, contentBlockStop, then messageStop, then
    metadata.
    """
    found = converse(exchange)
    yield from _start(found)
    yield from _blocks(found)
    stops = found.of("messageStop")
    if not stops:
        if not found.errors:
            whole(exchange)
            size = len(exchange.body)
            yield Finding("messageStop", "the end of the body without it", (max(0, size - 80), size))
        return
    for again in (*stops[1:], *found.of("metadata")[1:]):
        yield Finding(f"one {again.kind}", "another one", again.span, mild=again.kind == "metadata")
    for told in found.told:
        if told.kind in BLOCK_EVENTS and told.span > stops[0].span:
            yield Finding("no block behind messageStop", told.kind, told.span)
    last = found.told[-1]
    if last.kind != "metadata" and not found.errors:
        yield Finding("metadata as the last event", last.kind, last.span, mild=True)


def _start(found: View) -> Iterator[Finding]:
    first = next(t for t in found.told if t.kind in CONVERSE_EVENTS)
    if first.kind != "messageStart":
        yield Finding("messageStart", first.kind, first.span)
    for told in found.of("messageStart"):
        if told is not first:
            yield Finding("one messageStart", "another one", told.span)
        elif told.value.get("role") != "assistant":
            yield Finding("role assistant", f"role {brief(told.value.get('role'))}", told.span)


def _blocks(found: View) -> Iterator[Finding]:
    """Every call is started before its deltas, and every block that has begun stops before the message does."""
    open_: dict[Any, Span] = {}
    started: set[Any] = set()
    for told in found.told:
        key = told.key
        if told.kind in (STARTS, DELTAS) and key not in open_ and open_:
            # A block is opened before the one before has stopped: no sentence forbids it, no service does it.
            yield Finding("contentBlockStop of the block before", told.kind, told.span, mild=True)
        if told.kind == STARTS:
            started.add(key)
            open_[key] = told.span
        elif told.kind == DELTAS:
            open_[key] = told.span
            if "toolUse" in members(told.value.get("delta")) and key not in started:
                yield Finding("contentBlockStart of the tool call", "its delta", told.span)
        elif told.kind == STOPS:
            open_.pop(key, None)
        elif told.kind == "messageStop" and open_:
            yield Finding("contentBlockStop of each block", f"messageStop with {len(open_)} open", told.span)
            open_.clear()


@server_rule(
    "BRK-005",
    "contentBlockIndex is there, and consistent",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{CONVERSE}: contentBlockIndex is required in contentBlockStart, contentBlockDelta and contentBlockStop, a "
    "NonNegativeInteger",
    applies=BEDROCK,
    known=("https://github.com/maximhq/bifrost/issues/4923",),
    good=CALLS,
    bad=stream(text("Hello"), closed(3)),
)
def index_is_consistent(exchange: Exchange) -> Iterator[Finding]:
    """contentBlockIndex is present and the same in start, deltas and stop; no block is opened twice."""
    open_: set[int] = set()
    ended: set[int] = set()
    for told in converse(exchange).told:
        if told.kind not in BLOCK_EVENTS:
            continue
        index = told.value.get("contentBlockIndex")
        if type(index) is not int or index < 0:
            yield Finding("contentBlockIndex, a number from 0", brief(index), told.span)
        elif told.kind == STOPS:
            if index not in open_:
                yield Finding("the index of an open block", f"contentBlockStop of {index}", told.span)
            open_.discard(index)
            ended.add(index)
        elif index in ended:
            yield Finding("another index for another block", f"{told.kind} of {index}, which has stopped", told.span)
        elif told.kind == STARTS and index in open_:
            yield Finding("one contentBlockStart", f"another one of {index}", told.span)
        else:
            open_.add(index)


@server_rule(
    "BRK-007",
    "metadata states the usage",
    group="usage",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{CONVERSE}: metadata requires usage with inputTokens, outputTokens and totalTokens, "The total of input '
    'tokens and tokens generated by the model", and metrics with latencyMs',
    applies=BEDROCK,
    good=HELLO,
    bad=stream(text("Hello"), tail=stopped() + metadata(usage={"inputTokens": 3, "outputTokens": 2})),
)
def usage_is_stated(exchange: Exchange) -> Iterator[Finding]:
    """metadata.usage has inputTokens, outputTokens and totalTokens, which is not less than their sum."""
    told = converse(exchange).of("metadata")
    if not told:
        raise NotApplicable("the stream has no metadata")
    for one in told:
        usage = members(one.value.get("usage"))
        counts = {name: count(usage.get(name)) for name in ("inputTokens", "outputTokens", "totalTokens")}
        if missing := [name for name, value in counts.items() if value is None]:
            yield Finding("inputTokens, outputTokens, totalTokens", f"no {', '.join(missing)}", one.span)
        elif (counts["totalTokens"] or 0) < (counts["inputTokens"] or 0) + (counts["outputTokens"] or 0):
            yield Finding("totalTokens not below the sum", brief(usage), one.span)
        latency = count(members(one.value.get("metrics")).get("latencyMs"))
        if latency is None or latency < 0:
            yield Finding("metrics.latencyMs", brief(one.value.get("metrics")), one.span)


@server_rule(
    "BRK-008",
    "stopReason is one of the enum",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{CONVERSE}: StopReason is one of {', '.join(STOP_REASONS)}. A new word that is no other vendor's "
    "counts as non-strict: the enum has grown",
    applies=BEDROCK,
    good=HELLO,
    bad=stream(text("Hello"), tail=stopped("stop") + metadata()),
)
def stop_reason_enum(exchange: Exchange) -> Iterator[Finding]:
    """messageStop has a stopReason, and it is a documented word."""
    told = converse(exchange).of("messageStop")
    if not told:
        raise NotApplicable("the stream has no messageStop")
    for one in told:
        if one.value.get("stopReason") not in STOP_REASONS:
            reason = one.value.get("stopReason")
            yield Finding(" | ".join(STOP_REASONS), brief(reason), one.span, mild=may_be_new(reason, STOP_REASONS))


@server_rule(
    "BRK-013",
    "deltas carry one member, a string where it is text",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{CONVERSE}: ContentBlockDelta and ContentBlockStart are unions, which have one member; text and signature "
    "are strings; null sets none. A member that is not documented counts as non-strict: unions grow",
    applies=BEDROCK,
    good=HELLO,
    bad=stream(event("contentBlockDelta", contentBlockIndex=0, delta={"text": None}), closed()),
)
def deltas_are_typed(exchange: Exchange) -> Iterator[Finding]:
    """A delta and a start are objects with exactly one member, one that is documented; text, in reasoning too, and a
    signature are strings.
    """
    found = converse(exchange)
    if not found.of(DELTAS) and not found.of(STARTS):
        raise NotApplicable("the stream has no delta")
    for told in found.told:
        name = {DELTAS: "delta", STARTS: "start"}.get(told.kind)
        if name is None:
            continue
        given = told.value.get(name)
        stated = {member: value for member, value in members(given).items() if value is not None}
        if len(stated) != 1:
            yield Finding(f"a {name} with one member", brief(given), told.span)
        elif not set(stated) <= UNION[name]:
            yield Finding(" | ".join(sorted(UNION[name])), brief(given), told.span, mild=True)
        else:
            yield from _typed(stated, told.span)


def _typed(given: dict[str, Any], span: Span) -> Iterator[Finding]:
    ((name, value),) = given.items()
    if name == "text" and not isinstance(value, str):
        yield Finding("text, a string", brief(given), span)
    elif name in ("toolUse", "reasoningContent") and not isinstance(value, dict):
        yield Finding(f"{name}, an object", brief(given), span)
    elif name == "reasoningContent":
        for member in ("text", "signature"):
            if not isinstance(value.get(member, ""), str):
                yield Finding(f"{member}, a string", brief(value), span)
