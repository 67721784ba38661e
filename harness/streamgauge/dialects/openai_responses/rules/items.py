"""The life of an item: announced, filled, closed, one place and one id throughout."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.dialects.openai_responses._samples import CALLS, HELLO, body, changed, message, stream, without
from streamgauge.dialects.openai_responses._sources import EVENTS, ONLY_OPEN, OPEN
from streamgauge.dialects.openai_responses._view import ADDED, DONE_ITEM, StreamEvent, bound, items_of, view
from streamgauge.evidence import brief
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import elements, members, text

APPLIES = ("openai-responses",)
OPEN_ONLY = ("open-responses",)
TWO = stream(message(0, "One"), message(1, "Two"))
HALF = stream(
    message(0, "One", status="incomplete"), status="incomplete", incomplete_details={"reason": "max_output_tokens"}
)


def _announced(exchange: Exchange) -> Iterator[tuple[StreamEvent, set[int | str]]]:
    """Each event about an item, with the items that were announced before it."""
    known: set[int | str] = set()
    for event in items_of(exchange):
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
    for event in items_of(exchange):
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
    for event in items_of(exchange):
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
            if item_id not in output and (output or event.kind != "response.failed"):
                want = f"item {brief(item_id)} at {brief(index)} in the output"
                yield Finding(want, brief(output), event.span, mild=not output)


@server_rule(
    "OAR-023",
    "an item stays what it was announced as",
    group="items",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{EVENTS}: output_item.added has "The output item that was added.", output_item.done "The output item that '
    'was marked done.", and the response\'s output is "An array of content items generated by the model."; call_id is '
    '"The unique ID of the function tool call generated by the model.", name "The name of the function to run." Only '
    "what is stated both times is compared",
    applies=APPLIES,
    good=body(CALLS),
    bad=body(changed(CALLS, DONE_ITEM, item={**CALLS[6]["item"], "call_id": "call_9"})),
)
def same_item(exchange: Exchange) -> Iterator[Finding]:
    """The type of an item, and the name and the call_id of a call, are the same wherever the item is stated."""
    first: dict[tuple[str, str], str] = {}
    stated = [(e.item, e) for e in items_of(exchange) if e.kind in (ADDED, DONE_ITEM)]
    stated += [(i, e) for e in view(exchange).terminal[:1] for i in map(members, elements(e.response.get("output")))]
    for item, event in stated:
        for name in ("type", "name", "call_id"):
            said = text(item.get(name))
            if said and (known := first.setdefault((text(item.get("id")), name), said)) != said and item.get("id"):
                yield Finding(f"{name} {brief(known)} as before", f"{name} {brief(said)}", event.span)


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
    items = [e for e in items_of(exchange) if e.kind == DONE_ITEM]
    half = [e for e in items if e.item.get("status") == "incomplete"]
    if not half:
        raise NotApplicable("every item is complete")
    later = next((e for e in view(exchange).events if e.kind == ADDED and e.span > half[0].span), None)
    if later is not None:
        yield Finding("no item behind an incomplete one", brief(later.item.get("type")), later.span)
    for event in view(exchange).terminal[:1]:
        if event.kind == "response.completed":
            yield Finding("response.incomplete", event.kind, event.span)
