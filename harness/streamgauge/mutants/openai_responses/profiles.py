"""Errors, whose form is each profile's own, and what Open Responses alone demands."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.mutants import Edit, operator
from streamgauge.mutants._events import cut_off, edit, of
from streamgauge.mutants._places import always
from streamgauge.mutants.openai_responses._events import ADDED, DONE, OPEN, RESPONSES, numbered
from streamgauge.mutants.stream import Stream, dumps
from streamgauge.wire import members

# Errors.


@operator(
    "nested-error",
    "An error event with its members inside an object",
    applies=("openai-responses",),
    noticed_by=("OAR-014", "ERR-007"),
)
def nested_error(stream: Stream) -> Iterator[Edit]:
    if stream.dialect.name == "openai-responses":
        nested = {"type": "error", "error": {"code": "server_error", "message": "boom", "param": None}}
        for number in range(2, len(stream.pieces)):
            frame = b"event: error\ndata: " + dumps({**nested, "sequence_number": number}) + b"\n\n"
            yield Edit(f"behind frame {number - 1}", partial(cut_off, stream, number, frame))


@operator("failed-without-error", "response.failed without an error", applies=RESPONSES, noticed_by=("ERR-007",))
def failed_without_error(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, "response.failed"):
        yield edit(stream, number, ("response", "error"), "null", always(None))


# Open Responses.


@operator("no-open-done", "[DONE] is missing, twice, or early", applies=OPEN, noticed_by=("OAR-006",))
def no_open_done(stream: Stream) -> Iterator[Edit]:
    for number in (n for n, piece in enumerate(stream.pieces) if b"[DONE]" in piece.raw):
        yield Edit("missing", partial(stream.instead, number), group="missing")
        yield Edit("twice", partial(stream.inserted, number, stream.pieces[number]), group="twice")
        for place in range(1, number):
            made = partial(stream.instead(number).inserted, place, stream.pieces[number])
            yield Edit(f"before frame {place}", made, group="early")


@operator("bare-extension", "An extension without its implementor's prefix", applies=OPEN, noticed_by=("OAR-016",))
def bare_extension(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        if ":" in value["type"]:
            bare = value["type"].partition(":")[2]
            yield Edit(f"frame {number}: {bare}", partial(_retyped, stream, number, bare))
        if ":" in str(members(value.get("item")).get("type")) and value["type"] == ADDED:
            yield edit(stream, number, ("item", "type"), "bare", lambda kind: kind.partition(":")[2])
    for number, _ in list(stream.objects)[2:]:
        event = stream.say({"type": "trace_event", "sequence_number": 0}, stream.pieces[number])
        made = stream.inserted(number, stream.put(dumps(event.value), stream.pieces[number], "trace_event"))
        made = made.instead(number, stream.say(event.value, made.pieces[number]))
        yield Edit(f"trace_event before frame {number}", partial(numbered, made), group="new")


def _retyped(stream: Stream, number: int, kind: str) -> Stream:
    piece = stream.pieces[number]
    return stream.instead(number, stream.put(dumps({**piece.value, "type": kind}), piece, kind))


@operator("half-item-completed", "An incomplete item in a completed response", applies=OPEN, noticed_by=("OAR-015",))
def half_item_completed(stream: Stream) -> Iterator[Edit]:
    if of(stream, "response.completed"):
        for number, value in of(stream, DONE):
            if "status" in value["item"]:
                yield edit(stream, number, ("item", "status"), "incomplete", always("incomplete"))


@operator("open-ids", "id fields, which Open Responses advises against", applies=OPEN, noticed_by=("OAR-020",))
def open_ids(stream: Stream) -> Iterator[Edit]:
    for number, piece in enumerate(stream.pieces):
        if piece.value is not None:
            yield Edit(f"frame {number}", partial(stream.instead, number, b"id: 7\n" + piece.raw))
