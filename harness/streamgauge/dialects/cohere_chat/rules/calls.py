"""Tool calls: their events, their arguments, the reason that tells of them."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.dialects.cohere_chat._samples import (
    CALLS,
    call,
    ended,
    stream,
)
from streamgauge.dialects.cohere_chat._sources import PRACTICE, REFERENCE
from streamgauge.dialects.cohere_chat._view import FAILED, calls_of, ends_of, view
from streamgauge.events import Span
from streamgauge.evidence import brief
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import Undecodable, members, parse
from streamgauge.wire import text as text_of

COHERE = ("cohere-chat",)
CUT_SHORT = ("MAX_TOKENS", *FAILED)


@server_rule(
    "COH-005",
    "joined arguments are one JSON object",
    group="chunk-schema",
    keyword="SHOULD",
    basis="de-facto",
    source=f"{PRACTICE}: arguments is a string in the reference, and holds JSON in all its examples",
    applies=COHERE,
    needs=("tools",),
    good=CALLS,
    bad=stream(call('{"a":', "1"), tail=ended("TOOL_CALL")),
)
def arguments_are_an_object(exchange: Exchange) -> Iterator[Finding]:
    """The concatenated arguments of a call parse as an object (empty means {}), unless the answer was cut."""
    events = calls_of(exchange)
    if any(t.delta.get("finish_reason") in CUT_SHORT for t in ends_of(exchange)):
        raise NotApplicable("the answer was cut")
    joined: dict[str, list[str]] = {}
    spans: dict[str, Span] = {}
    for told in events:
        function = members(members(told.message.get("tool_calls")).get("function"))
        if piece := text_of(function.get("arguments")):
            joined.setdefault(brief(told.index), []).append(piece)
            spans[brief(told.index)] = told.span
    for key, pieces in joined.items():
        value = parse("".join(pieces))
        if isinstance(value, Undecodable) or not isinstance(value, dict):
            yield Finding("one JSON object", brief("".join(pieces)), spans[key])


@server_rule(
    "COH-006",
    "tool-call-start has id, type and name",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{REFERENCE}, tool_call_v2.py: id is required, type is function; function.name and a delta's arguments are "
    "optional there, and their absence counts as non-strict",
    applies=COHERE,
    needs=("tools",),
    good=CALLS,
    bad=stream(call("{}", id=...), tail=ended("TOOL_CALL")),
)
def calls_are_named(exchange: Exchange) -> Iterator[Finding]:
    """tool-call-start has a non-empty id, type function and function.name, its deltas have arguments as a string."""
    for told in calls_of(exchange):
        entry = members(told.message.get("tool_calls"))
        function = members(entry.get("function"))
        if told.kind == "tool-call-start":
            if not text_of(entry.get("id")):
                yield Finding("an id", brief(entry), told.span)
            if entry.get("type") != "function":
                yield Finding('type "function"', brief(entry.get("type")), told.span)
            if not text_of(function.get("name")):
                yield Finding("function.name", brief(function), told.span, mild=True)
        elif told.kind == "tool-call-delta" and not isinstance(function.get("arguments"), str):
            yield Finding("function.arguments, a string", brief(entry), told.span, mild="arguments" not in function)


@server_rule(
    "COH-007",
    "finish_reason TOOL_CALL iff a tool was called",
    group="sequence",
    keyword="SHOULD",
    basis="de-facto",
    source=f"{PRACTICE}; the reference names the words without saying when each comes",
    applies=COHERE,
    needs=("tools",),
    good=CALLS,
    bad=stream(call("{}")),
)
def reason_tells_tools(exchange: Exchange) -> Iterator[Finding]:
    """A message with tool calls ends with TOOL_CALL (or is cut), and one without does not."""
    end = ends_of(exchange)[-1]
    called = bool(view(exchange).of("tool-call-start"))
    reason = end.delta.get("finish_reason")
    if called and reason == "COMPLETE":
        yield Finding("finish_reason TOOL_CALL", f"a tool call and {brief(reason)}", end.span)
    elif not called and reason == "TOOL_CALL":
        yield Finding("a tool call, or another reason", "TOOL_CALL without one", end.span)
    elif not called:
        raise NotApplicable("no tool was called")
