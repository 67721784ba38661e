"""Anthropic's content blocks, damaged: their indexes, their brackets, their deltas."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.mutants import Edit, operator
from streamgauge.mutants._events import edit, lost, of
from streamgauge.mutants._places import always, put
from streamgauge.mutants.anthropic_messages import ANTHROPIC, DELTA, START, STOP
from streamgauge.mutants.stream import Stream


@operator(
    "block-index",
    "A block with another index, or indexes that leave a gap",
    applies=ANTHROPIC,
    noticed_by=("ANT-004", "ANT-003"),
)
def block_index(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, START, DELTA, STOP):
        yield edit(stream, number, ("index",), "one more", lambda index: index + 1)
        if value["index"]:
            yield edit(stream, number, ("index",), "0", always(0))
    for least in (0, 1):
        made = stream
        found = [n for n, value in of(stream, START, DELTA, STOP) if value["index"] >= least]
        for number in found:
            made = made.changed(number, partial(put, ("index",), lambda index: index + 1))
        if found:
            yield Edit(f"every index from {least} on one more", made.but, group=f"from {least}")


@operator("unopened-block", "A block without its start", applies=ANTHROPIC, noticed_by=("ANT-003",))
def unopened_block(stream: Stream) -> Iterator[Edit]:
    yield from lost(stream, START)


@operator("unclosed-block", "A block without its end", applies=ANTHROPIC, noticed_by=("ANT-003",))
def unclosed_block(stream: Stream) -> Iterator[Edit]:
    yield from lost(stream, STOP)


@operator("late-block-delta", "A delta behind its block's end", applies=ANTHROPIC, noticed_by=("ANT-003",))
def late_block_delta(stream: Stream) -> Iterator[Edit]:
    stops = [n for n, _ in of(stream, STOP)]
    for number, value in of(stream, DELTA):
        end = next((n for n in stops if n > number and stream.pieces[n].value["index"] == value["index"]), None)
        if end is not None:
            moved = [p for n, p in enumerate(stream.pieces) if n != number]
            moved.insert(end, stream.pieces[number])
            yield Edit(f"frame {number} behind frame {end}", partial(stream.with_pieces, moved))


@operator("delta-of-another-kind", "A delta that its block can't have", applies=ANTHROPIC, noticed_by=("ANT-005",))
def delta_of_another_kind(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, DELTA):
        for kind in ("text_delta", "input_json_delta", "thinking_delta"):
            if value["delta"]["type"] != kind and value["delta"]["type"] != "citations_delta":
                yield edit(stream, number, ("delta", "type"), kind, always(kind))


@operator("no-signature", "Thinking without a signature", applies=ANTHROPIC, noticed_by=("ANT-007",))
def no_signature(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, DELTA):
        if value["delta"]["type"] == "signature_delta":
            yield Edit(f"frame {number}", partial(stream.instead, number))


@operator("filled-input", "The input of a call in its start, and in deltas", applies=ANTHROPIC, noticed_by=("ANT-006",))
def filled_input(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, START):
        if "input" in value["content_block"]:
            yield edit(stream, number, ("content_block", "input"), "filled", always({"city": "Paris"}))


@operator("same-call-id", "Two calls with one id, or a call with none", applies=ANTHROPIC, noticed_by=("ANT-019",))
def same_call_id(stream: Stream) -> Iterator[Edit]:
    ids = [(n, v["content_block"]["id"]) for n, v in of(stream, START) if v["content_block"].get("id")]
    for number, _ in ids[1:]:
        yield edit(stream, number, ("content_block", "id"), "that of the first call", always(ids[0][1]))
    for number, _ in ids:
        yield edit(stream, number, ("content_block", "id"), "empty", always(""))
