"""Tool calls: their indexes, what opens them, their arguments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from streamgauge.mutants import Edit, operator
from streamgauge.mutants._places import always, put
from streamgauge.mutants.openai_chat._walk import (
    CHAT,
    calls,
    edit_at,
    finishes,
    updated,
)
from streamgauge.mutants.stream import Stream
from streamgauge.wire import members


@operator(
    "call-index-collision",
    "Two calls with one index",
    applies=CHAT,
    noticed_by=("OAC-016", "OAC-018", "AGG-002"),
)
def call_index_collision(stream: Stream) -> Iterator[Edit]:
    if len({c["index"] for _, _, _, c in calls(stream) if "index" in c}) > 1:
        made = stream
        for number, path, _, _ in calls(stream):
            made = made.changed(number, partial(put, (*path, "index"), lambda _: 0))
        yield Edit("every index 0", made.but)
        first = {n: p for n, p, _, c in calls(stream) if c.get("id") and c["index"] > 0}
        for number, path in first.items():
            yield edit_at(stream, number, (*path, "index"), "0 where the call begins", lambda _: 0)


@operator(
    "call-index-shift",
    "Indexes that do not begin at 0, or leave a gap",
    applies=CHAT,
    noticed_by=("SEQ-009",),
)
def call_index_shift(stream: Stream) -> Iterator[Edit]:
    for least in (0, 1):
        found = [(n, p) for n, p, _, c in calls(stream) if c["index"] >= least]
        made = stream
        for number, path in found:
            made = made.changed(number, partial(put, (*path, "index"), lambda index: index + 1))
        if found:
            yield Edit(f"one more from {least} on", made.but, group=str(least))


@operator(
    "fragment-of-another-call",
    "A fragment with the index of another call",
    applies=CHAT,
    noticed_by=("OAC-020", "SEQ-009", "OAC-017", "AGG-002"),
)
def fragment_of_another_call(stream: Stream) -> Iterator[Edit]:
    for number, path, _, call in calls(stream):
        if not call.get("id") and members(call.get("function")).get("arguments"):
            yield edit_at(stream, number, (*path, "index"), "another", lambda index: 0 if index else 1)


@operator("call-restated", "id, type and name in every fragment", applies=CHAT, noticed_by=("OAC-018",))
def call_restated(stream: Stream) -> Iterator[Edit]:
    heads: dict[tuple[int, int], dict[str, Any]] = {}
    for number, path, choice, call in calls(stream):
        head = heads.setdefault((choice, call["index"]), call)
        if head is not call:
            for more in ({"id": head["id"]}, {"type": "function"}, {"id": ""}, {"id": None}):
                yield edit_at(stream, number, path, str(more), partial(updated, more), str(more))
            named = {"function": {"name": head["function"]["name"], **members(call.get("function"))}}
            yield edit_at(stream, number, path, "the name", partial(updated, named), "name")


@operator(
    "blank-call", "The first fragment of a call with an empty id, type or name", applies=CHAT, noticed_by=("OAC-017",)
)
def blank_call(stream: Stream) -> Iterator[Edit]:
    for number, path, _, call in calls(stream):
        for name in ("id", "type"):
            if call.get(name):
                yield edit_at(stream, number, (*path, name), "empty", lambda _: "", name)
        if members(call.get("function")).get("name"):
            yield edit_at(stream, number, (*path, "function", "name"), "empty", lambda _: "", "name")


@operator("other-call-type", "A type of call that there is not", applies=CHAT, noticed_by=("OAC-017",))
def other_call_type(stream: Stream) -> Iterator[Edit]:
    for number, path, _, call in calls(stream):
        if call.get("type"):
            yield edit_at(stream, number, (*path, "type"), "'tool'", lambda _: "tool")


@operator("arguments-as-object", "Arguments as an object", applies=CHAT, noticed_by=("OAC-019",))
def arguments_as_object(stream: Stream) -> Iterator[Edit]:
    for number, path, _, call in calls(stream):
        if "arguments" in members(call.get("function")):
            for value in ({"city": "Paris"}, {}, None):
                change = always(value)
                yield edit_at(stream, number, (*path, "function", "arguments"), repr(value), change, repr(value))


@operator("one-call-object", "tool_calls as one object", applies=CHAT, noticed_by=("OAC-015",))
def one_call_object(stream: Stream) -> Iterator[Edit]:
    for number, path, _, call in calls(stream):
        yield edit_at(stream, number, path[:-1], "the call itself", always(call))


@operator("arguments-at-once", "All of a long call's arguments in one fragment", applies=CHAT, noticed_by=("OAC-021",))
def arguments_at_once(stream: Stream) -> Iterator[Edit]:
    for number, path, _, call in calls(stream):
        if call.get("id"):
            long = json.dumps({"text": "word " * 80})
            rest = [n for n, _, _, c in calls(stream) if c["index"] == call["index"] and n != number]
            made = stream.changed(number, partial(put, (*path, "function", "arguments"), always(long)))
            made = made.with_pieces(p for n, p in enumerate(made.pieces) if n not in rest)
            yield Edit(f"frame {number}", made.but)


@operator("stop-after-call", "finish_reason stop though a tool was called", applies=CHAT, noticed_by=("SEQ-005",))
def stop_after_call(stream: Stream) -> Iterator[Edit]:
    for number, path, choice in finishes(stream):
        if choice["finish_reason"] == "tool_calls":
            yield edit_at(stream, number, (*path, "finish_reason"), "stop", lambda _: "stop")


@operator("no-call", "finish_reason tool_calls without a call", applies=CHAT, noticed_by=("SEQ-005", "AGG-003"))
def no_call(stream: Stream) -> Iterator[Edit]:
    called = {n for n, _, _, _ in calls(stream)}
    if called:
        yield Edit(
            "no tool call delta",
            partial(stream.with_pieces, [p for n, p in enumerate(stream.pieces) if n not in called]),
        )
