"""What events are made of: indexes, words, strings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamgauge.dialects.cohere_chat._samples import (
    CALLS,
    HELLO,
    closed,
    ended,
    event,
    opened,
    said,
    stream,
    text,
)
from streamgauge.dialects.cohere_chat._sources import REFERENCE, STREAMING
from streamgauge.dialects.cohere_chat._view import CALL, CONTENT, ends_of, view
from streamgauge.evidence import brief
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule
from streamgauge.vocabulary import may_be_new
from streamgauge.wire import members
from streamgauge.wire import text as text_of

COHERE = ("cohere-chat",)
REASONS = ("COMPLETE", "STOP_SEQUENCE", "MAX_TOKENS", "TOOL_CALL", "ERROR", "TIMEOUT")


@server_rule(
    "COH-003",
    "index groups content and tool calls",
    group="chunk-schema",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f"{REFERENCE}: content-start, -delta, -end and tool-call-start, -delta, -end have an index, a whole number, "
    "which none of them requires; that it is the same in the events of one block is in all its examples, and in no "
    "sentence",
    applies=COHERE,
    good=CALLS,
    bad=stream(opened(0), said(1, "Hello"), closed(0)),
)
def index_groups(exchange: Exchange) -> Iterator[Finding]:
    """Start, delta and end of one block share index."""
    found = view(exchange).of(*CONTENT, *CALL)
    if not found:
        raise NotApplicable("the stream has neither content nor calls")
    open_: dict[str, Any] = {}
    for told in found:
        group, _, step = told.kind.rpartition("-")
        if type(told.index) is not int:
            yield Finding("an index", f"index {brief(told.index)}", told.span)
        if step == "start":
            open_[group] = told.index
        elif group in open_ and told.index != open_[group]:
            yield Finding(f"index {brief(open_[group])}", f"{told.kind} of {brief(told.index)}", told.span)


@server_rule(
    "COH-004",
    "finish_reason is one of the enum",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{REFERENCE}, chat_finish_reason.py: {', '.join(REASONS)}; the type is open (Any), so that another word in "
    "capitals counts as non-strict",
    applies=COHERE,
    good=HELLO,
    bad=stream(text("Hello"), tail=ended("stop")),
)
def finish_reason_enum(exchange: Exchange) -> Iterator[Finding]:
    """message-end's finish_reason is a documented word."""
    stated = [(t.delta["finish_reason"], t.span) for t in ends_of(exchange) if text_of(t.delta.get("finish_reason"))]
    if not stated:
        raise NotApplicable("no finish_reason was sent (see COH-002)")
    for reason, span in stated:
        if reason not in REASONS:
            yield Finding(" | ".join(REASONS), brief(reason), span, mild=may_be_new(reason, REASONS))


@server_rule(
    "COH-014",
    "content-start says the type of its block",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{REFERENCE}, chat_content_start_event.py: delta.message.content has a type, and a text or thinking, "
    "which are strings. A content-start without content counts as non-strict: all of its members are optional there",
    applies=COHERE,
    good=HELLO,
    bad=stream(event("content-start", index=0, delta={"message": {"content": {"type": 1}}}), said(0, "Hi"), closed(0)),
)
def content_is_typed(exchange: Exchange) -> Iterator[Finding]:
    """delta.message.content of content-start is an object with a type; its text and thinking are strings."""
    starts = view(exchange).of("content-start")
    if not starts:
        raise NotApplicable("the stream has no content")
    for told in starts:
        content = told.message.get("content")
        kind = members(content).get("type")
        if not isinstance(kind, str) or not kind:
            stated = "delta" in told.value and kind is not None
            got = f"delta {brief(told.value.get('delta'))}"
            yield Finding("content with a type", got, told.span, mild=not stated)
        for name in ("text", "thinking"):
            if not isinstance(members(content).get(name, ""), str):
                yield Finding(f"{name}, a string", f"{name} {brief(members(content)[name])}", told.span)


@server_rule(
    "COH-008",
    "deltas carry strings",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}: "Each event generates one token through the delta.message.content.text field", '
    "tool-plan-delta "
    f'is "Emitted when the next token of the tool plan is generated"; {REFERENCE}: these and thinking are strings',
    applies=COHERE,
    good=HELLO,
    bad=stream(opened(), said(0, None), closed()),
)
def deltas_are_strings(exchange: Exchange) -> Iterator[Finding]:
    """content-delta has text or thinking as a string, tool-plan-delta has tool_plan as one."""
    deltas = view(exchange).of("content-delta", "tool-plan-delta")
    if not deltas:
        raise NotApplicable("the stream has no text")
    for told in deltas:
        content = told.message.get("content")
        if told.kind == "tool-plan-delta":
            if not isinstance(told.message.get("tool_plan"), str):
                yield Finding("tool_plan, a string", brief(told.message), told.span)
        elif not any(isinstance(members(content).get(name), str) for name in ("text", "thinking")):
            yield Finding("content with text or thinking, a string", brief(content), told.span)
