"""Cohere's events, damaged; the tables are those of the types in Cohere's Python SDK."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from streamgauge.mutants import Edit, operator
from streamgauge.mutants._events import cut_off, edit, lost, moved, of
from streamgauge.mutants._places import always
from streamgauge.mutants.equivalence import NO_USAGE, failed
from streamgauge.mutants.flow import SAID as TOLD
from streamgauge.mutants.flow import Flow
from streamgauge.mutants.members import Schema, optional, required
from streamgauge.mutants.stream import Stream
from streamgauge.wire import members

COHERE = ("cohere-chat",)
CONTENT = ("content-start", "content-delta", "content-end")
CALL = ("tool-call-start", "tool-call-delta", "tool-call-end")
END = ("message-end",)
SAID = "delta.message.content"
CALLED = "delta.message.tool_calls"

FLOW = Flow(
    applies=COHERE,
    kinds={
        **dict.fromkeys((CONTENT[0], CONTENT[2], CALL[0], CALL[2], "message-start", *END), ("COH-001",)),
        **dict.fromkeys((CONTENT[1], "tool-plan-delta"), (*TOLD, "COH-001")),
        CALL[1]: (*TOLD, "COH-001", "COH-005"),
        **dict.fromkeys(("citation-start", "citation-end"), ("COH-001",)),
    },
    behind=("COH-001",),
    cut=("COH-001", "ERR-001"),
    stray=("COH-001",),
    notices={
        **dict.fromkeys(("lost-name", "other-name", "other-type"), ("COH-001",)),
        "other-reason": ("COH-013", "COH-007"),
        "lost-usage": ("COH-002",),
    },
)

EVENTS = Schema(
    COHERE,
    (
        required("type", "string", "COH-001"),
        required("id", "string", "COH-009", on=("message-start",)),
        required("delta", "object", "COH-009", on=("message-start",)),
        required("delta.message", "object", "COH-009", on=("message-start",)),
        required("delta.message.role", "string", "COH-009", on=("message-start",)),
        required("index", "number", "COH-003", on=(*CONTENT, *CALL)),
        required("index", "number", "COH-001", on=("citation-start", "citation-end")),
        required("delta", "object", "COH-014", on=("content-start",)),
        required("delta.message", "object", "COH-014", on=("content-start",)),
        required(SAID, "object", "COH-014", on=("content-start",)),
        required(f"{SAID}.type", "string", "COH-014", on=("content-start",)),
        optional(f"{SAID}.text", "string", "COH-014", on=("content-start",)),
        optional(f"{SAID}.thinking", "string", "COH-014", on=("content-start",)),
        required("delta", "object", "COH-008", on=("content-delta", "tool-plan-delta")),
        required("delta.message", "object", "COH-008", on=("content-delta", "tool-plan-delta")),
        required(SAID, "object", "COH-008", on=("content-delta",)),
        required(f"{SAID}.text", "string", "COH-008", on=("content-delta",)),
        required(f"{SAID}.thinking", "string", "COH-008", on=("content-delta",)),
        required("delta.message.tool_plan", "string", "COH-008", on=("tool-plan-delta",)),
        required("delta", "object", "COH-006", on=CALL[:2]),
        required("delta.message", "object", "COH-006", on=CALL[:2]),
        required(CALLED, "object", "COH-006", on=CALL[:2]),
        required(f"{CALLED}.id", "string", "COH-006", on=CALL[:1]),
        required(f"{CALLED}.type", "string", "COH-006", on=CALL[:1]),
        required(f"{CALLED}.function", "object", "COH-006", on=CALL[:2]),
        required(f"{CALLED}.function.name", "string", "COH-006", on=CALL[:1]),
        required(f"{CALLED}.function.arguments", "string", "COH-006", on=CALL[1:2]),
        required("delta", "object", "COH-002", on=END),
        required("delta.finish_reason", "string", "COH-002", on=END),
        required("delta.usage", "object", "COH-002", on=END, excuse=NO_USAGE),
        required("delta.usage.tokens", "object", "COH-002", on=END),
        required("delta.usage.billed_units", "object", "COH-002", on=END),
        optional("delta.error", "string", "COH-013", on=END),
        optional("delta.error_type", "string", "ERR-011", on=END),
        *(
            required(f"delta.usage.{part}.{name}", "number", "COH-002", on=END)
            for part in ("tokens", "billed_units")
            for name in ("input_tokens", "output_tokens")
        ),
    ),
)


@operator("no-cohere-start", "message-start is missing, late, or twice", applies=COHERE, noticed_by=("COH-001",))
def no_cohere_start(stream: Stream) -> Iterator[Edit]:
    yield from lost(stream, "message-start")
    for number, _ in of(stream, "message-start"):
        yield moved(stream, number, number + 2)
        for place in range(1, len(stream.pieces)):
            yield Edit(
                f"again before frame {place}", partial(stream.inserted, place, stream.pieces[number]), group="twice"
            )


@operator("early-cohere-done", "[DONE] before message-end", applies=COHERE, noticed_by=("COH-001",))
def early_cohere_done(stream: Stream) -> Iterator[Edit]:
    for number, _ in stream.objects:
        yield Edit(f"before frame {number}", partial(stream.inserted, number, b"data: [DONE]\n\n"))


@operator("no-cohere-end", "message-end is missing, early, or twice", applies=COHERE, noticed_by=("COH-001",))
def no_cohere_end(stream: Stream) -> Iterator[Edit]:
    yield from lost(stream, *END)
    for number, _ in of(stream, *END):
        yield Edit("twice", partial(stream.inserted, number, stream.pieces[number]), group="twice")
        for place in range(2, number):
            one = moved(stream, number, place)
            yield Edit(one.what, one.make, group="early")


@operator(
    "unbracketed-cohere-block",
    "A block without its start or end",
    applies=COHERE,
    noticed_by=("COH-001",),
    equivalent=failed,
)
def unbracketed_cohere_block(stream: Stream) -> Iterator[Edit]:
    yield from lost(stream, CONTENT[0], CONTENT[2], CALL[0], CALL[2])


@operator("other-cohere-index", "The index of another block", applies=COHERE, noticed_by=("COH-003",))
def other_cohere_index(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, *CONTENT, *CALL):
        deltas = [n for n, v in of(stream, *CONTENT, *CALL) if v["index"] == value["index"]]
        if len(deltas) > 1:
            yield edit(stream, number, ("index",), "one more", lambda index: index + 1)


@operator(
    "unknown-cohere-finish", "A finish_reason that there is not", applies=COHERE, noticed_by=("COH-004", "COH-002")
)
def unknown_cohere_finish(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, *END):
        for word in ("stop", "complete", "end_turn", "", None):
            yield edit(stream, number, ("delta", "finish_reason"), repr(word), always(word))


@operator("unequal-cohere-finish", "finish_reason and tool calls disagree", applies=COHERE, noticed_by=("COH-007",))
def unequal_cohere_finish(stream: Stream) -> Iterator[Edit]:
    word = "COMPLETE" if of(stream, CALL[0]) else "TOOL_CALL"
    for number, _ in of(stream, *END):
        yield edit(stream, number, ("delta", "finish_reason"), word, always(word))


@operator(
    "no-cohere-usage",
    "message-end without usage, or without a part of it",
    applies=COHERE,
    noticed_by=("COH-002",),
    equivalent=failed,
)
def no_cohere_usage(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, *END):
        if value["delta"].get("usage"):
            for usage in (None, {}, {"tokens": value["delta"]["usage"].get("tokens")}):
                yield edit(stream, number, ("delta", "usage"), str(usage), always(usage))


@operator(
    "broken-cohere-arguments", "Arguments that are no JSON object", applies=COHERE, noticed_by=("COH-005", "AGG-002")
)
def broken_cohere_arguments(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, CALL[1]):
        if members(value["delta"]["message"]["tool_calls"].get("function")).get("arguments"):
            path = ("delta", "message", "tool_calls", "function", "arguments")
            yield edit(stream, number, path, "half", lambda said: said[: len(said) // 2], "half")
            yield edit(stream, number, path, "twice", lambda said: said + said, "twice")


@operator("odd-cohere-call", "A call with an empty id, or of another type", applies=COHERE, noticed_by=("COH-006",))
def odd_cohere_call(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, CALL[0]):
        base = ("delta", "message", "tool_calls")
        yield edit(stream, number, (*base, "id"), "empty", always(""))
        yield edit(stream, number, (*base, "type"), "tool", always("tool"))
        yield edit(stream, number, (*base, "function", "name"), "empty", always(""))


@operator(
    "other-cohere-role", "message-start without an id, or of another role", applies=COHERE, noticed_by=("COH-009",)
)
def other_cohere_role(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, "message-start"):
        yield edit(stream, number, ("id",), "empty", always(""))
        yield edit(stream, number, ("delta", "message", "role"), "user", always("user"))


@operator(
    "odd-cohere-error", "An error in another form than Cohere's", applies=COHERE, noticed_by=("COH-001", "ERR-001")
)
def odd_cohere_error(stream: Stream) -> Iterator[Edit]:
    told: tuple[dict[str, Any], ...] = ({"message": "boom"}, {"error": {"message": "boom"}})
    for value in told:
        for number in range(2, len(stream.pieces) - 1):
            made = partial(cut_off, stream, number, stream.say(value, stream.pieces[number]))
            yield Edit(f"{value} behind frame {number - 1}", made, group=str(value))
