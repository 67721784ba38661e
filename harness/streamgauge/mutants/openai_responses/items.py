"""Items and their parts: announced, closed, one place and one id, a whole that the deltas add up to."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from streamgauge.mutants import Edit, operator
from streamgauge.mutants._events import edit, lost, of
from streamgauge.mutants._places import Path, always, leaves
from streamgauge.mutants.members import event_name
from streamgauge.mutants.openai_responses._events import (
    ADDED,
    DELTAS,
    DONE,
    ITEMS,
    PARTS,
    RESPONSES,
    SUMMARY,
    TERMINAL,
    WHOLES,
    numbered,
    renumbered,
)
from streamgauge.mutants.stream import Stream
from streamgauge.wire import elements, members


@operator("unannounced-item", "An item without its output_item.added", applies=RESPONSES, noticed_by=("OAR-007",))
def unannounced_item(stream: Stream) -> Iterator[Edit]:
    yield from renumbered(lost(stream, ADDED))


@operator("unclosed-item", "An item without its output_item.done", applies=RESPONSES, noticed_by=("OAR-008",))
def unclosed_item(stream: Stream) -> Iterator[Edit]:
    if of(stream, "response.completed", "response.incomplete"):
        yield from renumbered(lost(stream, DONE))


@operator("item-closed-twice", "output_item.done twice", applies=RESPONSES, noticed_by=("OAR-008",))
def item_closed_twice(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, DONE):
        yield Edit(f"frame {number}", partial(numbered, stream.inserted(number, stream.pieces[number])))


@operator("unbracketed-part", "A part without its added or done event", applies=RESPONSES, noticed_by=("OAR-009",))
def unbracketed_part(stream: Stream) -> Iterator[Edit]:
    yield from renumbered(lost(stream, *PARTS, *SUMMARY))


@operator("unfinished-text", "A text without its done event", applies=RESPONSES, noticed_by=("OAR-009", "OAR-011"))
def unfinished_text(stream: Stream) -> Iterator[Edit]:
    yield from renumbered(lost(stream, *(w for w in WHOLES if "_call_" not in w)))


@operator("late-part-delta", "A delta behind its done event", applies=RESPONSES, noticed_by=("OAR-009", "OAR-011"))
def late_part_delta(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, *DELTAS):
        whole = f"{value['type'].removesuffix('.delta')}.done"
        end = next((n for n, v in of(stream, whole) if v.get("item_id") == value.get("item_id")), None)
        if end is not None:
            made = stream.inserted(end + 1, stream.pieces[number])
            yield Edit(f"frame {number} again behind frame {end}", partial(numbered, made))


@operator(
    "other-index", "The output_index of another item", applies=RESPONSES, noticed_by=("OAR-010", "OAR-007", "OAR-011")
)
def other_index(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, *ITEMS, ADDED, DONE):
        if value["output_index"] == 0 or event_name(stream, number) != ADDED:
            yield edit(stream, number, ("output_index",), "one more", lambda index: index + 1)


@operator("other-item-id", "The id of another item", applies=RESPONSES, noticed_by=("OAR-010",))
def other_item_id(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        paths: list[Path] = [("item_id",)] if "item_id" in value else []
        paths += [("item", "id")] if members(value.get("item")).get("id") else []
        paths += [
            ("response", "output", n, "id")
            for n, _ in enumerate(elements(members(value.get("response")).get("output")))
        ]
        for path in paths:
            yield edit(stream, number, path, "another", lambda known: f"{known}_2", str(path[0]))


@operator("other-whole", "The whole says something else than the deltas", applies=RESPONSES, noticed_by=("OAR-011",))
def other_whole(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, *WHOLES, *PARTS, *SUMMARY, DONE, *TERMINAL):
        for path, leaf in leaves(value):
            if path[-1] in ("text", "refusal", "arguments", "input") and isinstance(leaf, str) and leaf:
                for what, change in (("more", lambda text: text + "!"), ("nothing", always(""))):
                    yield edit(stream, number, path, what, change, f"{event_name(stream, number)} {what}")


@operator("other-item", "An item of another type, name or call_id", applies=RESPONSES, noticed_by=("OAR-023",))
def other_item(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, ADDED, DONE):
        for name in ("type", "name", "call_id"):
            if value["item"].get(name) and _stated_again(stream, value["item"].get("id")):
                yield edit(stream, number, ("item", name), "another", lambda known: f"{known}_2", name)


def _stated_again(stream: Stream, item_id: Any) -> bool:
    return bool(item_id) and sum(value["item"].get("id") == item_id for _, value in of(stream, ADDED, DONE)) > 1


@operator(
    "nameless-call", "A function call without a name, or without a call_id", applies=RESPONSES, noticed_by=("OAR-013",)
)
def nameless_call(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, ADDED, DONE):
        if value["item"]["type"] == "function_call":
            yield edit(stream, number, ("item", "name"), "empty", always(""))
            if event_name(stream, number) == DONE:
                yield edit(stream, number, ("item", "call_id"), "empty", always(""))
