"""The order of events, and what the first and the last of them state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamgauge.dialects.cohere_chat._samples import (
    CALLS,
    HELLO,
    START,
    ended,
    event,
    opened,
    said,
    stream,
    text,
)
from streamgauge.dialects.cohere_chat._sources import REFERENCE, STREAMING
from streamgauge.dialects.cohere_chat._view import CALL, CONTENT, FAILED, Told, any_view, ends_of, view
from streamgauge.evidence import brief, whole
from streamgauge.frames import DONE
from streamgauge.rules import Exchange, Finding, NotApplicable, is_event, server_rule
from streamgauge.wire import count, members
from streamgauge.wire import text as text_of

COHERE = ("cohere-chat",)


@server_rule(
    "COH-001",
    "the flow of events",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}: message-start is "The first event in the stream", message-end "The final event in the '
    'stream", "Only one" of each "will be emitted"; "Each event has a type"; content-start and content-end "indicate '
    'the start" and "the end of the content block of the message", tool-call-start comes with the name and id of the '
    'tool, tool-call-end "when the tool call is finished". That the type is the event\'s name too is in the example '
    "streams of the reference, and counts as non-strict; so does what is said of citations and of the plan, and a "
    "[DONE] that is not the last: the service sends it behind message-end, and no page speaks of it",
    applies=COHERE,
    known=(
        "https://github.com/ankit373/hydra/issues/859",
        "https://github.com/cohere-ai/cohere-go/issues/95",
    ),
    good=CALLS,
    bad=START + opened() + said(0, "Hello") + ended(),
)
def events_in_order(exchange: Exchange) -> Iterator[Finding]:
    """message-start, then content-start/delta/end, tool-plan-delta, tool-call-start/delta/end, citation-start/end, then
    message-end; type equals the SSE event name.
    """
    found = any_view(exchange)
    for first in found.told[:1]:
        if first.kind != "message-start":
            yield Finding("message-start", first.kind or "an event without a type", first.span)
    for kind in ("message-start", "message-end"):
        for again in found.of(kind)[1:]:
            yield Finding(f"one {kind}", "another one", again.span)
    for told in found.told:
        if not told.kind:
            yield Finding("a type", brief(told.value), told.span)
        elif told.name != told.kind:
            yield Finding(f"event {told.kind}", f"event {brief(told.name)}", told.span, mild=True)
    yield from _blocks(found.told, CONTENT)
    yield from _blocks(found.told, CALL)
    yield from _inner(found.told)
    ends = found.of("message-end")
    sentinels = [f.span for f in exchange.frames if is_event(f) and f.data.strip() == DONE]
    for late in found.told[-1:]:
        if sentinels and sentinels[0] < late.span:
            yield Finding("[DONE] behind message-end, if at all", f"{late.kind} behind it", sentinels[0], mild=True)
    if not ends:
        whole(exchange)
        size = len(exchange.body)
        yield Finding("message-end", "the end of the body without it", (max(0, size - 80), size))
    elif (last := found.told[-1]).span != ends[-1].span:
        yield Finding("nothing behind message-end", last.kind or brief(last.value), last.span)


def _blocks(told: list[Told], kinds: tuple[str, ...]) -> Iterator[Finding]:
    """Start, deltas, end, one block after another; whose index an event has is COH-003."""
    start, delta, end = kinds
    running = False
    for one in told:
        if one.kind == start:
            if running:
                yield Finding(f"{end} of the block before", start, one.span)
            running = True
        elif one.kind in (delta, end) and not running:
            yield Finding(f"{start} before it", one.kind, one.span)
        elif one.kind == end:
            running = False
        elif one.kind == "message-end" and running and one.delta.get("finish_reason") not in FAILED:
            yield Finding(f"{end} of the block before", "message-end", one.span)


def _inner(told: list[Told]) -> Iterator[Finding]:
    """Citations are opened and closed, and the plan is told before the calls: the reference only shows it so."""
    cited: list[Any] = []
    calling = False
    for one in told:
        if one.kind == "citation-start":
            cited.append(one.index)
        elif one.kind == "citation-end" and one.index in cited:
            cited.remove(one.index)
        elif one.kind == "citation-end" or (one.kind == "message-end" and cited):
            what = "citation-start" if one.kind == "citation-end" else "citation-end"
            yield Finding(f"{what} before it", one.kind, one.span, mild=True)
        elif one.kind == "tool-plan-delta" and calling:
            yield Finding("the plan before the calls", one.kind, one.span, mild=True)
        if one.kind.startswith("citation-") and type(one.index) is not int:
            yield Finding("an index", f"{one.kind} of {brief(one.index)}", one.span, mild=True)
        calling = calling or one.kind == CALL[0]
    for index in {brief(one.index) for one in told if one.kind == "citation-start"}:
        starts = [one for one in told if one.kind == "citation-start" and brief(one.index) == index]
        for again in starts[1:]:
            yield Finding("one citation-start", f"another one of {index}", again.span, mild=True)


@server_rule(
    "COH-002",
    "message-end has finish_reason and usage",
    group="sequence",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f"{REFERENCE}: message-end has delta.finish_reason and delta.usage, with tokens and billed_units, and "
    "requires none of them. After an error the service states no usage. One of the two counts alone counts as info",
    applies=COHERE,
    known=("https://github.com/ankit373/hydra/issues/859",),
    good=HELLO,
    bad=stream(text("Hello"), tail=ended(usage={})),
)
def end_is_whole(exchange: Exchange) -> Iterator[Finding]:
    """message-end has delta.finish_reason and delta.usage (tokens and billed_units)."""
    for told in ends_of(exchange):
        reason = told.delta.get("finish_reason")
        if not text_of(reason):
            yield Finding("finish_reason", brief(reason), told.span)
        if reason in FAILED:
            continue
        usage = members(told.delta.get("usage"))
        lacking = [part for part in ("tokens", "billed_units") if not _counted(members(usage.get(part)))]
        for part in lacking:
            want = f"usage.{part} with input_tokens and output_tokens"
            yield Finding(want, f"usage {brief(usage)}", told.span, mild=part not in usage and len(lacking) == 1)


def _counted(counts: dict[str, Any]) -> bool:
    return all(count(counts.get(name)) is not None for name in ("input_tokens", "output_tokens"))


@server_rule(
    "COH-009",
    "message-start has the id",
    group="chunk-schema",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{STREAMING}: message-start is "containing metadata for the request such as the id"; {REFERENCE}: role '
    '"assistant"',
    applies=COHERE,
    good=HELLO,
    bad=event("message-start", delta={"message": {"role": "assistant"}}) + text("Hello") + ended(),
)
def start_has_the_id(exchange: Exchange) -> Iterator[Finding]:
    """message-start has an id and a message whose role is assistant."""
    starts = view(exchange).of("message-start")
    if not starts:
        raise NotApplicable("the stream has no message-start (see COH-001)")
    for told in starts:
        if not text_of(told.value.get("id")):
            yield Finding("an id", brief(told.value.get("id")), told.span)
        if told.message.get("role") != "assistant":
            yield Finding("role assistant", f"role {brief(told.message.get('role'))}", told.span)


@server_rule(
    "COH-013",
    "a failed message-end says why",
    group="errors",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{REFERENCE}, chat_message_end_event_delta.py: error is "An error message if an error occurred during the '
    'generation.", a string',
    applies=COHERE,
    good=stream(text("Hello"), tail=ended("ERROR", error="it broke", error_type="internal", usage={})),
    bad=stream(text("Hello"), tail=ended("ERROR", error_type="internal", usage={})),
)
def failure_says_why(exchange: Exchange) -> Iterator[Finding]:
    """message-end with finish_reason ERROR or TIMEOUT has error, a text; any other has none."""
    ends = [t for t in ends_of(exchange) if t.delta.get("finish_reason") in FAILED or "error" in t.delta]
    if not ends:
        raise NotApplicable("the stream reports no error")
    for told in ends:
        if not text_of(told.delta.get("error")):
            yield Finding("error, a text", f"error {brief(told.delta.get('error'))}", told.span)
        elif told.delta.get("finish_reason") not in FAILED:
            reason = brief(told.delta.get("finish_reason"))
            yield Finding("finish_reason ERROR or TIMEOUT", f"an error and finish_reason {reason}", told.span)
