"""The life of an item: announced, filled, closed, one place and one id throughout."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Any

from streamgauge.dialects.openai_responses._samples import (
    CALLS,
    HELLO,
    body,
    changed,
    message,
    numbered,
    stream,
    without,
)
from streamgauge.dialects.openai_responses._sources import EVENTS, ONLY_OPEN, OPEN, OPEN_SCHEMA
from streamgauge.dialects.openai_responses._view import StreamEvent, bound, view
from streamgauge.evidence import brief
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import elements, members, text

APPLIES = ("openai-responses",)
OPEN_ONLY = ("open-responses",)
ADDED, DONE_ITEM = "response.output_item.added", "response.output_item.done"
TWO = stream(message(0, "One"), message(1, "Two"))
HALF = stream(
    message(0, "One", status="incomplete"), status="incomplete", incomplete_details={"reason": "max_output_tokens"}
)


def _items(exchange: Exchange) -> list[StreamEvent]:
    """The events of a stream that has items."""
    found = [e for e in view(exchange).events if e.kind in (ADDED, DONE_ITEM) or "item_id" in e.value]
    if not found:
        raise NotApplicable("the stream has no item")
    return found


def _announced(exchange: Exchange) -> Iterator[tuple[StreamEvent, set[int | str]]]:
    """Each event about an item, with the items that were announced before it."""
    known: set[int | str] = set()
    for event in _items(exchange):
        yield event, known
        if event.kind == ADDED:
            known |= {event.key, text(event.item.get("id"))} - {""}


@server_rule(
    "OAR-007",
    "items are announced before use",
    group="items",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{OPEN}: "The first event MUST always be `response.output_item.added`." {ONLY_OPEN}',
    applies=APPLIES,
    known=("https://github.com/BerriAI/litellm/issues/36375",),
    good=body(HELLO),
    bad=Example(body=body(without(HELLO, ADDED), done=True), dialect="open-responses"),
)
def announced(exchange: Exchange) -> Iterator[Finding]:
    """Every event naming item_id/output_index comes after its response.output_item.added."""
    for event, known in _announced(exchange):
        if event.kind != ADDED and event.key not in known and text(event.value.get("item_id")) not in known:
            yield Finding(
                ADDED, f"{brief(event.kind)} of item {brief(event.key)}", event.span, mild=not bound(exchange)
            )


@server_rule(
    "OAR-008",
    "items are closed",
    group="items",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{OPEN}: "When finished, the item is closed with `response.output_item.done`" {ONLY_OPEN}',
    applies=APPLIES,
    known=(
        "https://github.com/vllm-project/vllm/issues/37071",
        "https://github.com/BerriAI/litellm/issues/36375",
    ),
    good=body(HELLO),
    bad=Example(body=body(without(HELLO, DONE_ITEM), done=True), dialect="open-responses"),
)
def closed(exchange: Exchange) -> Iterator[Finding]:
    """Each output_item.added has exactly one output_item.done before the terminal event."""
    opened: dict[int | str, StreamEvent] = {}
    shut: set[int | str] = set()
    for event in _items(exchange):
        if event.kind == ADDED:
            opened.setdefault(event.key, event)
        elif event.kind == DONE_ITEM:
            if event.key in shut:
                got = f"two for item {brief(event.key)}"
                yield Finding(f"one {DONE_ITEM}", got, event.span, mild=not bound(exchange))
            shut.add(event.key)
    if not any(e.kind in ("response.completed", "response.incomplete") for e in view(exchange).terminal):
        return  # a response that failed leaves its items as they are
    for key, event in opened.items():
        if key not in shut:
            yield Finding(DONE_ITEM, f"none for item {brief(key)}", event.span, mild=not bound(exchange))


@server_rule(
    "OAR-010",
    "output_index is unique per item and item ids are stable",
    group="items",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{EVENTS}: output_index is "The index of the output item that was added.", item_id "The ID of the output '
    f'item"; {OPEN}: id is "A unique, opaque identifier for this item"',
    applies=APPLIES,
    known=(
        "https://github.com/BerriAI/litellm/issues/36375",
        "https://github.com/vllm-project/vllm/issues/23218",
    ),
    good=body(TWO),
    bad=body(changed(TWO, "response.output_text.delta", item_id="msg_9")),
)
def stable(exchange: Exchange) -> Iterator[Finding]:
    """One output_index names one item for the whole stream; item_id never changes and equals the id in
    response.completed.
    """
    ids: dict[int, str] = {}
    places: dict[str, int] = {}
    for event in _items(exchange):
        item_id = text(event.value.get("item_id")) or text(event.item.get("id"))
        if event.index is None or not item_id:
            continue
        known = ids.setdefault(event.index, item_id)
        if known != item_id:
            yield Finding(f"item {brief(known)} at {event.index}", f"item {brief(item_id)}", event.span)
        elif places.setdefault(item_id, event.index) != event.index:
            got = f"at {brief(event.index)}"
            yield Finding(f"item {brief(item_id)} at {brief(places[item_id])}", got, event.span)
    for event in view(exchange).terminal[:1]:
        output = [text(members(i).get("id")) for i in elements(event.response.get("output"))]
        for index, item_id in ids.items():
            if output and item_id not in output:
                yield Finding(f"item {brief(item_id)} at {brief(index)} in the output", brief(output), event.span)


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
    in output_item.done.
    """
    found = [e for e in _items(exchange) if e.item.get("type") in ("function_call", "custom_tool_call")]
    if not found:
        raise NotApplicable("no function was called")
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
    "OAR-015",
    "an incomplete item is the last and makes the response incomplete",
    group="items",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{OPEN}: "If an item ends in a terminal state, it MUST be the last item emitted, and the containing '
    "response "
    'also MUST be in an `incomplete` state."',
    applies=OPEN_ONLY,
    good=body(HALF, done=True),
    bad=body(stream(message(0, "One", status="incomplete")), done=True),
)
def incomplete_is_last(exchange: Exchange) -> Iterator[Finding]:
    """If an item ends incomplete it is the last item and the response ends with response.incomplete."""
    items = [e for e in _items(exchange) if e.kind == DONE_ITEM]
    half = [e for e in items if e.item.get("status") == "incomplete"]
    if not half:
        raise NotApplicable("every item is complete")
    later = next((e for e in view(exchange).events if e.kind == ADDED and e.span > half[0].span), None)
    if later is not None:
        yield Finding("no item behind an incomplete one", brief(later.item.get("type")), later.span)
    for event in view(exchange).terminal[:1]:
        if event.kind == "response.completed":
            yield Finding("response.incomplete", event.kind, event.span)


STANDARD_EVENTS = frozenset(
    [
        "error",
        *(f"response.{s}" for s in ("created", "queued", "in_progress", "completed", "failed", "incomplete")),
        *(
            f"response.{s}.{v}"
            for s in ("output_item", "content_part", "reasoning_summary_part")
            for v in ("added", "done")
        ),
        *(
            f"response.{s}.{v}"
            for s in ("output_text", "refusal", "reasoning", "reasoning_summary_text", "function_call_arguments")
            for v in ("delta", "done")
        ),
        "response.output_text.annotation.added",
    ]
)
STANDARD_ITEMS = frozenset(
    (
        "message",
        "function_call",
        "function_call_output",
        "reasoning",
        "compaction",
        "file_search_call",
        "web_search_call",
    )
)


@server_rule(
    "OAR-016",
    "extension events are prefixed and ignorable",
    group="items",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{OPEN}: "all extended streaming events MUST be prefixed with the implementor slug"; "New item types that '
    "are "
    f'not part of this specification MUST be prefixed with the implementor slug"; the standard ones are those of '
    f"{OPEN_SCHEMA}. Names that OpenAI's own reference has count as non-strict",
    applies=OPEN_ONLY,
    good=body(numbered([*HELLO[:2], {"type": "acme:trace_event"}, *HELLO[2:]]), done=True),
    bad=body(numbered([*HELLO[:2], {"type": "trace_event"}, *HELLO[2:]]), done=True),
)
def extensions_prefixed(exchange: Exchange) -> Iterator[Finding]:
    """Non-standard event and item types have an implementor prefix; ignoring them leaves the canonical response
    intact.
    """
    for event in view(exchange).events:
        if event.kind not in STANDARD_EVENTS and ":" not in event.kind:
            openai = event.kind.startswith("response.")
            yield Finding("a prefix such as acme:", f"event type {brief(event.kind)}", event.span, mild=openai)
        kind = text(event.item.get("type"))
        if event.kind == ADDED and kind not in STANDARD_ITEMS and ":" not in kind:
            openai = kind.endswith(("_call", "_output"))
            yield Finding("a prefix such as acme:", f"item type {brief(kind)}", event.span, mild=openai)


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
    for event in _items(exchange):
        if event.kind not in (ADDED, DONE_ITEM):
            continue
        missing = [name for name in ("id", "type", "status") if not text(event.item.get(name))]
        if missing:
            excused = missing == ["status"] and event.item.get("type") in ("reasoning", "compaction")
            yield Finding("id, type and status", f"no {', '.join(missing)}", event.span, mild=excused)
