"""What items and their parts say of themselves: their type, their id, the name of what is called."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Any

from streamgauge.dialects.openai_responses._samples import CALLS, HELLO, body, changed
from streamgauge.dialects.openai_responses._sources import EVENTS, OPEN, OPEN_SCHEMA
from streamgauge.dialects.openai_responses._view import ADDED, DONE_ITEM, StreamEvent, items_of, view
from streamgauge.evidence import brief
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import elements, members, text

APPLIES = ("openai-responses",)
CALLS_OF = ("function_call", "custom_tool_call")
OPEN_ONLY = ("open-responses",)


@server_rule(
    "OAR-013",
    "function_call item carries name and call_id when added",
    group="items",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{EVENTS}: ResponseFunctionToolCall requires name, call_id, arguments; {OPEN}: "for `function_call`, this '
    "is "
    'at least the `name`"',
    applies=APPLIES,
    good=body(CALLS),
    bad=body(changed(CALLS, ADDED, item={"id": "fc_0", "type": "function_call", "call_id": "call_0", "arguments": ""})),
)
def calls_named(exchange: Exchange) -> Iterator[Finding]:
    """output_item.added for a function_call or a custom_tool_call has at least name; call_id is present at the latest
    in output_item.done; the output of the terminal event has both.
    """
    found = [e for e in items_of(exchange) if e.item.get("type") in CALLS_OF]
    if not found:
        raise NotApplicable("no function was called")
    for event in view(exchange).terminal[:1]:
        for item in map(members, elements(event.response.get("output"))):
            if item.get("type") in CALLS_OF and (lost := [n for n in ("name", "call_id") if not text(item.get(n))]):
                yield Finding(" and ".join(lost), f"{brief(item)} in {event.kind}", event.span)
    for event in found:
        if not text(event.item.get("name")):
            yield Finding("a name", f"name {brief(event.item.get('name'))}", event.span)
        if event.kind == DONE_ITEM and not text(event.item.get("call_id")):
            yield Finding("a call_id", f"call_id {brief(event.item.get('call_id'))}", event.span)


@server_rule(
    "OAR-022",
    "items and their parts say what they are",
    group="items",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{EVENTS}: output_item.added and .done require item, content_part.added and .done part, and so do those of "
    "a reasoning summary; every form of either has a type, a message role assistant and content, a part of text its "
    "text. An item without an id counts as non-strict: the schemas of calls do not require one; so does content null",
    applies=APPLIES,
    good=body(CALLS),
    bad=body(changed(HELLO, "response.content_part.added", part={"text": "", "annotations": []})),
)
def items_are_typed(exchange: Exchange) -> Iterator[Finding]:
    """Items and parts are objects with a type; items have an id, a message its role and an array of such parts."""
    for event in view(exchange).events:
        subject, _, verb = event.kind.rpartition(".")
        if verb not in ("added", "done"):
            continue
        if subject == "response.output_item":
            yield from _item(event, event.value.get("item"))
        elif subject in ("response.content_part", "response.reasoning_summary_part"):
            yield from _part(event, event.value.get("part"))
    for event in view(exchange).terminal[:1]:
        for item in elements(event.response.get("output")):
            yield from _item(event, item)


def _item(event: StreamEvent, item: Any) -> Iterator[Finding]:
    known = members(item)
    if not text(known.get("type")):
        yield Finding("an item with a type", brief(item), event.span)
    elif not text(known.get("id")):
        odd = known.get("id") is not None
        yield Finding("an item with an id", f"id {brief(known.get('id'))}", event.span, mild=not odd)
    if known.get("type") == "message":
        if known.get("role") != "assistant":
            yield Finding("role assistant", f"role {brief(known.get('role'))}", event.span)
        if "content" not in known:
            yield Finding("content that is an array", "none", event.span)
        elif known["content"] is None:
            yield Finding("content that is an array", "null", event.span, mild=True)
    if not isinstance(known.get("content", []), (list, NoneType)):
        yield Finding("content that is an array", brief(known["content"]), event.span)
    for part in elements(known.get("content")):
        yield from _part(event, part)


def _part(event: StreamEvent, part: Any) -> Iterator[Finding]:
    known = members(part)
    kind = text(known.get("type"))
    said = "refusal" if kind == "refusal" else "text"
    if not kind:
        yield Finding("a part with a type", brief(part), event.span)
    elif kind in ("refusal", "output_text", "reasoning_text", "summary_text") and type(known.get(said)) is not str:
        yield Finding(f"{said}, a string", f"{said} {brief(known.get(said))}", event.span)


@server_rule(
    "OAR-019",
    "Open Responses: every item has id, type and status",
    group="items",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{OPEN}: "Every `Item` in an Open Responses trajectory MUST include the following top-level fields": id, '
    f"type, status. A reasoning or compaction item without status counts as non-strict: {OPEN_SCHEMA} gives it none",
    applies=OPEN_ONLY,
    good=body(HELLO, done=True),
    bad=body(
        changed(HELLO, ADDED, item={"id": "msg_0", "type": "message", "role": "assistant", "content": []}), done=True
    ),
)
def items_addressable(exchange: Exchange) -> Iterator[Finding]:
    """Items carry id, type and status when they are announced and when they are closed."""
    for event in items_of(exchange):
        if event.kind not in (ADDED, DONE_ITEM):
            continue
        missing = [name for name in ("id", "type", "status") if not text(event.item.get(name))]
        if missing:
            excused = missing == ["status"] and event.item.get("type") in ("reasoning", "compaction")
            yield Finding("id, type and status", f"no {', '.join(missing)}", event.span, mild=excused)
