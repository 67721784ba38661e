"""Tool calls: their identity, their input, the reason that tells of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamgauge.dialects.bedrock._samples import (
    CALLS,
    call,
    called,
    closed,
    metadata,
    stopped,
    stream,
)
from streamgauge.dialects.bedrock._sources import CONVERSE, PRACTICE
from streamgauge.dialects.bedrock._view import (
    DELTAS,
    complete,
    converse,
    tool_starts,
)
from streamgauge.events import Span
from streamgauge.evidence import brief
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import Undecodable, members, parse
from streamgauge.wire import text as text_of

BEDROCK = ("bedrock-converse",)
CUT_SHORT = ("max_tokens", "model_context_window_exceeded", "malformed_tool_use", "malformed_model_output")


@server_rule(
    "BRK-009",
    "a tool call has toolUseId and name",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{CONVERSE}: ToolUseBlockStart requires toolUseId and name, ToolUseBlockDelta input, a string",
    applies=BEDROCK,
    needs=("tools",),
    good=CALLS,
    bad=stream(call("{}", toolUseId=...), tail=stopped("tool_use") + metadata()),
)
def calls_are_named(exchange: Exchange) -> Iterator[Finding]:
    """contentBlockStart of a call has toolUseId and name, its deltas have input as a string."""
    found = converse(exchange)
    starts = tool_starts(found)
    if not starts:
        raise NotApplicable("no tool was called")
    for _, tool, span in starts:
        if missing := [name for name in ("toolUseId", "name") if not text_of(tool.get(name))]:
            yield Finding("toolUseId and name", f"no {', '.join(missing)}", span)
    for told in found.of(DELTAS):
        given = members(told.value.get("delta"))
        if "toolUse" in given and not isinstance(members(given["toolUse"]).get("input"), str):
            yield Finding("input, a string", brief(given["toolUse"]), told.span)


@server_rule(
    "BRK-010",
    "joined tool input is one JSON object",
    group="chunk-schema",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f"{CONVERSE}: the input of a ToolUseBlock is a JSON value; the deltas are its text. Nothing says that a "
    "model always writes valid JSON: malformed_tool_use is a stopReason",
    applies=BEDROCK,
    needs=("tools",),
    good=CALLS,
    bad=stream(call('{"a":', "1"), tail=stopped("tool_use") + metadata()),
)
def input_is_an_object(exchange: Exchange) -> Iterator[Finding]:
    """The concatenated input of a call parses as an object (empty means {}), unless the answer was cut."""
    found = complete(exchange)
    if not tool_starts(found):
        raise NotApplicable("no tool was called")
    if found.of("messageStop")[-1].value.get("stopReason") in CUT_SHORT:
        raise NotApplicable("the answer was cut")
    joined: dict[Any, list[str]] = {}
    spans: dict[Any, Span] = {}
    for told in found.of(DELTAS):
        tool = members(members(told.value.get("delta")).get("toolUse"))
        if piece := text_of(tool.get("input")):
            joined.setdefault(told.key, []).append(piece)
            spans[told.key] = told.span
    for key, pieces in joined.items():
        value = parse("".join(pieces))
        if isinstance(value, Undecodable) or not isinstance(value, dict):
            yield Finding("one JSON object", brief("".join(pieces)), spans[key])


@server_rule(
    "BRK-011",
    "stopReason tool_use iff a tool was called",
    group="sequence",
    keyword="SHOULD",
    basis="de-facto",
    source=f"{PRACTICE}; the API reference names the words without saying when each comes",
    applies=BEDROCK,
    needs=("tools",),
    good=CALLS,
    bad=stream(called(0), closed(0)),
)
def reason_tells_tools(exchange: Exchange) -> Iterator[Finding]:
    """A message with a client's tool call ends with tool_use (or is cut), and one without does not."""
    found = complete(exchange)
    called_ = any(tool.get("type") != "server_tool_use" for _, tool, _ in tool_starts(found))
    stop = found.of("messageStop")[-1]
    reason = stop.value.get("stopReason")
    if called_ and reason == "end_turn":
        yield Finding("stopReason tool_use", f"a tool call and stopReason {brief(reason)}", stop.span)
    elif not called_ and reason == "tool_use":
        yield Finding("a tool call, or another reason", "stopReason 'tool_use' without one", stop.span)
    elif not called_:
        raise NotApplicable("no tool was called")
