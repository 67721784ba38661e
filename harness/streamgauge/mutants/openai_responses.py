"""The events of OpenAI's Responses, damaged; the tables are those of openai-openapi's ResponseStreamEvent."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from streamgauge.mutants import Edit, operator
from streamgauge.mutants._events import cut_off, edit, lost, of
from streamgauge.mutants._places import Path, always, leaves, put
from streamgauge.mutants.flow import Flow
from streamgauge.mutants.members import Schema, event_name, optional, required
from streamgauge.mutants.stream import Stream, dumps
from streamgauge.wire import elements, members

RESPONSES = ("openai-responses",)
OPEN = ("open-responses",)
TERMINAL = ("response.completed", "response.incomplete", "response.failed")
WITH_RESPONSE = ("response.created", "response.in_progress", *TERMINAL)
ADDED, DONE = "response.output_item.added", "response.output_item.done"
TEXT, ARGUMENTS = "response.output_text", "response.function_call_arguments"
PARTS = ("response.content_part.added", "response.content_part.done")
SUMMARY = ("response.reasoning_summary_part.added", "response.reasoning_summary_part.done")
SPOKEN = ("output_text", "refusal", "reasoning_text", "reasoning", "reasoning_summary_text")
DELTAS = tuple(f"response.{s}.delta" for s in (*SPOKEN, "function_call_arguments", "custom_tool_call_input"))
WHOLES = tuple(f"response.{s}.done" for s in (*SPOKEN, "function_call_arguments", "custom_tool_call_input"))
IN_PART = tuple(f"response.{s}.{v}" for s in SPOKEN[:4] for v in ("delta", "done"))
IN_SUMMARY = tuple(f"response.reasoning_summary_text.{v}" for v in ("delta", "done"))
ITEMS = (*DELTAS, *WHOLES, *PARTS, *SUMMARY)
STATED = ("OAR-021",)

FLOW = Flow(
    applies=RESPONSES,
    kinds={
        "response.created": ("OAR-004",),
        **dict.fromkeys(TERMINAL, ("OAR-005",)),
        "response.failed": ("OAR-005", "ERR-007"),
    },
    behind=("OAR-003", "OAR-005"),
    cut=("OAR-005", "ERR-001", "ERR-007"),
    numbered=("OAR-003",),
)
"""Each event has a number, by which clients are to tell that one is lost, doubled or moved."""
OPEN_FLOW = Flow(applies=OPEN, kinds={"[DONE]": ("OAR-006",)}, behind=("OAR-006",), cut=("OAR-006",))

EVENTS = Schema(
    RESPONSES,
    (
        required("type", "string", "OAR-001", "OAR-012"),
        required("sequence_number", "number", "OAR-002"),
        required("response", "object", *STATED, on=WITH_RESPONSE),
        required("response.id", "string", *STATED, on=WITH_RESPONSE),
        required("response.object", "string", *STATED, on=WITH_RESPONSE),
        required("response.created_at", "number", *STATED, on=WITH_RESPONSE),
        required("response.model", "string", *STATED, on=WITH_RESPONSE),
        required("response.output", "array", *STATED, on=WITH_RESPONSE),
        required("response.status", "string", *STATED, "OAR-017", on=WITH_RESPONSE),
        required("response.usage", "object", "USE-009", on=("response.completed", "response.incomplete")),
        optional("response.error", "null", "OAR-021", on=(*WITH_RESPONSE[:2], *TERMINAL[:2])),
        *(
            required(f"response.usage.{name}", kind, "USE-009", "USE-014", on=TERMINAL)
            for name, kind in (
                ("input_tokens", "number"),
                ("output_tokens", "number"),
                ("total_tokens", "number"),
                ("input_tokens_details", "object"),
                ("output_tokens_details", "object"),
            )
        ),
        required("response.error", "object", "ERR-007", "OAR-021", on=("response.failed",)),
        required("response.error.code", "string", "ERR-007", on=("response.failed",)),
        required("response.error.message", "string", "ERR-007", on=("response.failed",)),
        required("output_index", "number", "OAR-012", on=(*ITEMS, ADDED, DONE)),
        required("item_id", "string", "OAR-012", on=ITEMS),
        required("content_index", "number", "OAR-012", on=(*IN_PART, *PARTS)),
        required("summary_index", "number", "OAR-012", on=(*IN_SUMMARY, *SUMMARY)),
        required("delta", "string", "OAR-012", on=DELTAS),
        required("text", "string", "OAR-012", on=WHOLES),
        required("refusal", "string", "OAR-012", on=WHOLES),
        required("arguments", "string", "OAR-012", on=WHOLES),
        required("input", "string", "OAR-012", on=WHOLES),
        required("logprobs", "array", "OAR-012", on=(f"{TEXT}.delta", f"{TEXT}.done")),
        required("part", "object", "OAR-022", on=(*PARTS, *SUMMARY)),
        required("part.type", "string", "OAR-022", on=(*PARTS, *SUMMARY)),
        required("item", "object", "OAR-022", on=(ADDED, DONE)),
        required("item.type", "string", "OAR-022", on=(ADDED, DONE)),
        required("item.id", "string", "OAR-022", on=(ADDED, DONE)),
        required("item.name", "string", "OAR-013", "OAR-022", on=(ADDED, DONE)),
        required("item.call_id", "string", "OAR-013", "OAR-022", on=(DONE,)),
        required("item.arguments", "string", "OAR-011", "OAR-022", on=(DONE,)),
        required("item.role", "string", "OAR-022", on=(ADDED, DONE)),
        optional("item.content", "array|null", "OAR-022", on=(ADDED, DONE)),
        required("item.content.*.type", "string", "OAR-022", on=(ADDED, DONE)),
        required("part.text", "string", "OAR-022", on=(*PARTS, *SUMMARY)),
        required("part.refusal", "string", "OAR-022", on=PARTS),
        required("response.output.*.type", "string", "OAR-022", on=TERMINAL),
        required("response.output.*.role", "string", "OAR-022", on=TERMINAL),
        optional("response.output.*.content", "array|null", "OAR-022", on=TERMINAL),
        required("response.output.*.content.*.type", "string", "OAR-022", on=TERMINAL),
        optional("response.usage", "object|null", "USE-009", on=WITH_RESPONSE[:2]),
        required("item.content.*.text", "string", "OAR-011", "OAR-022", on=(DONE,)),
        required("item.content.*.refusal", "string", "OAR-011", "OAR-022", on=(DONE,)),
        required("response.output.*.id", "string", "OAR-010", on=TERMINAL),
        required("response.output.*.content.*.text", "string", "OAR-011", "OAR-022", on=TERMINAL),
        required("response.output.*.content.*.refusal", "string", "OAR-011", "OAR-022", on=TERMINAL),
        required("response.output.*.arguments", "string", "OAR-011", on=TERMINAL),
    ),
)
CODED = (("code", "string|null"), ("message", "string"))
OPEN_ITEMS = Schema(
    OPEN,
    (
        required("item.status", "string", "OAR-019", on=(ADDED, DONE)),
        required("error", "object", "OAR-014", "ERR-007", on=("error",)),
        *(required(f"error.{name}", kind, "OAR-014", on=("error",)) for name, kind in CODED),
        required("error.type", "string", "OAR-014", on=("error",)),
        required("error.param", "string|null", "OAR-014", on=("error",)),
    ),
)
FLAT_ERROR = Schema(
    RESPONSES,
    (
        required("code", "string|null", "OAR-014", on=("error",)),
        required("message", "string", "OAR-014", on=("error",)),
        required("param", "string|null", "OAR-014", on=("error",)),
    ),
)


def _numbered(stream: Stream) -> Stream:
    """The same with its sequence numbers anew, so that only the order can tell what is wrong."""
    for count, (number, value) in enumerate((n, v) for n, v in stream.objects if "sequence_number" in v):
        if value["sequence_number"] != count:
            stream = stream.changed(number, partial(put, ("sequence_number",), always(count)))
    return stream


def _renumbered(edits: Iterator[Edit]) -> Iterator[Edit]:
    for one in edits:
        yield Edit(f"{one.what}, numbered anew", lambda make=one.make: _numbered(make()), group=one.group)  # type: ignore[misc]


# Numbers.


@operator("gap-in-numbers", "A sequence_number is left out", applies=RESPONSES, noticed_by=("OAR-003",))
def gap_in_numbers(stream: Stream) -> Iterator[Edit]:
    for number, _ in list(stream.objects)[1:]:
        made = stream
        for later, _ in stream.objects:
            if later >= number:
                made = made.changed(later, partial(put, ("sequence_number",), lambda n: n + 1))
        yield Edit(f"from frame {number} on one more", made.but)


@operator("repeated-number", "A sequence_number twice, or one that falls", applies=RESPONSES, noticed_by=("OAR-003",))
def repeated_number(stream: Stream) -> Iterator[Edit]:
    for number, value in list(stream.objects)[1:]:
        for what, other in (("the one before", value["sequence_number"] - 1), ("0", 0), ("-1", -1)):
            if other != value["sequence_number"]:
                yield edit(stream, number, ("sequence_number",), what, always(other), what)


@operator(
    "inner-number",
    "sequence_number inside the response or the item",
    applies=RESPONSES,
    noticed_by=("OAR-002", "OAR-003"),
)
def inner_number(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        for holder in ("response", "item"):
            if holder in value:
                yield Edit(f"frame {number}", partial(stream.changed, number, partial(_inside, holder)), group=holder)


def _inside(holder: str, value: dict[str, Any]) -> None:
    value[holder]["sequence_number"] = value.pop("sequence_number")


# The response.


@operator("no-beginning", "created or in_progress is missing", applies=RESPONSES, noticed_by=("OAR-004",))
def no_beginning(stream: Stream) -> Iterator[Edit]:
    yield from _renumbered(lost(stream, "response.created", "response.in_progress"))


@operator("other-response", "Another id in one event's response", applies=RESPONSES, noticed_by=STATED)
def other_response(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, *WITH_RESPONSE):
        yield edit(stream, number, ("response", "id"), "another", always("resp_2"))


@operator(
    "no-terminal-event",
    "completed, incomplete or failed is missing",
    applies=RESPONSES,
    noticed_by=("OAR-005", "ERR-007"),
)
def no_terminal_event(stream: Stream) -> Iterator[Edit]:
    yield from lost(stream, *TERMINAL)


@operator("two-terminal-events", "Two terminal events", applies=RESPONSES, noticed_by=("OAR-005",))
def two_terminal_events(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, *TERMINAL):
        again = stream.inserted(number, stream.pieces[number])
        yield Edit(f"{value['type']} twice", partial(_numbered, again))


@operator("behind-the-terminal-event", "An event behind the terminal one", applies=RESPONSES, noticed_by=("OAR-005",))
def behind_the_terminal_event(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, *TERMINAL):
        for source, value in stream.objects:
            if source < number and value["type"] not in TERMINAL:
                made = stream.inserted(number + 1, stream.pieces[source])
                yield Edit(f"frame {source}", partial(_numbered, made))


@operator("other-status", "A status that the terminal event contradicts", applies=RESPONSES, noticed_by=("OAR-017",))
def other_status(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, *TERMINAL):
        for status in ("in_progress", "completed", "failed", "done"):
            if status != value["response"]["status"]:
                yield edit(stream, number, ("response", "status"), status, always(status))


@operator(
    "cut-but-completed", "completed though the limit of tokens is reached", applies=RESPONSES, noticed_by=("OAR-018",)
)
def cut_but_completed(stream: Stream) -> Iterator[Edit]:
    for _, value in of(stream, "response.completed"):
        made = members(value["response"].get("usage")).get("output_tokens")
        if made and stream.request is not None:
            request = {**stream.request, "max_output_tokens": made}
            yield Edit(f"max_output_tokens {made}", partial(stream.but, request=request))


@operator("unequal-totals", "A total that is not the sum", applies=RESPONSES, noticed_by=("USE-014",))
def unequal_totals(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, *TERMINAL):
        if value["response"].get("usage"):
            for name in ("input_tokens", "output_tokens", "total_tokens"):
                yield edit(stream, number, ("response", "usage", name), "one more", lambda count: count + 1)


@operator(
    "early-usage-of-a-response", "Usage before the response is complete", applies=RESPONSES, noticed_by=("USE-009",)
)
def early_usage_of_a_response(stream: Stream) -> Iterator[Edit]:
    usage = {"input_tokens": 1, "output_tokens": 0, "total_tokens": 1}
    complete = of(stream, "response.completed", "response.incomplete")
    for number, value in of(stream, "response.created", "response.in_progress"):
        if complete and "usage" in value["response"]:
            yield edit(stream, number, ("response", "usage"), "stated", always(usage))


# Items and their parts.


@operator("unannounced-item", "An item without its output_item.added", applies=RESPONSES, noticed_by=("OAR-007",))
def unannounced_item(stream: Stream) -> Iterator[Edit]:
    yield from _renumbered(lost(stream, ADDED))


@operator("unclosed-item", "An item without its output_item.done", applies=RESPONSES, noticed_by=("OAR-008",))
def unclosed_item(stream: Stream) -> Iterator[Edit]:
    if of(stream, "response.completed", "response.incomplete"):
        yield from _renumbered(lost(stream, DONE))


@operator("item-closed-twice", "output_item.done twice", applies=RESPONSES, noticed_by=("OAR-008",))
def item_closed_twice(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, DONE):
        yield Edit(f"frame {number}", partial(_numbered, stream.inserted(number, stream.pieces[number])))


@operator("unbracketed-part", "A part without its added or done event", applies=RESPONSES, noticed_by=("OAR-009",))
def unbracketed_part(stream: Stream) -> Iterator[Edit]:
    yield from _renumbered(lost(stream, *PARTS, *SUMMARY))


@operator("unfinished-text", "A text without its done event", applies=RESPONSES, noticed_by=("OAR-009", "OAR-011"))
def unfinished_text(stream: Stream) -> Iterator[Edit]:
    yield from _renumbered(lost(stream, *(w for w in WHOLES if "_call_" not in w)))


@operator("late-part-delta", "A delta behind its done event", applies=RESPONSES, noticed_by=("OAR-009", "OAR-011"))
def late_part_delta(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, *DELTAS):
        whole = f"{value['type'].removesuffix('.delta')}.done"
        end = next((n for n, v in of(stream, whole) if v.get("item_id") == value.get("item_id")), None)
        if end is not None:
            made = stream.inserted(end + 1, stream.pieces[number])
            yield Edit(f"frame {number} again behind frame {end}", partial(_numbered, made))


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
    for number, value in of(stream, *WHOLES, DONE, *TERMINAL):
        for path, leaf in leaves(value):
            said = path[-1] in ("text", "refusal", "arguments", "input") and isinstance(leaf, str) and leaf
            if said and "summary" not in path and not _is_thought(value, path):
                for what, change in (("more", lambda text: text + "!"), ("nothing", always(""))):
                    yield edit(stream, number, path, what, change, f"{event_name(stream, number)} {what}")


def _is_thought(value: dict[str, Any], path: Path) -> bool:
    """Whether a leaf is an item's reasoning or custom input, whose whole the deltas need not be compared with."""
    holder: Any = value
    kinds = set()
    for step in path:
        if isinstance(holder, dict):
            kinds.add(holder.get("type"))
        holder = holder[step]
    return bool(kinds & {"reasoning", "reasoning_text", "summary_text", "custom_tool_call"})


@operator(
    "nameless-call", "A function call without a name, or without a call_id", applies=RESPONSES, noticed_by=("OAR-013",)
)
def nameless_call(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, ADDED, DONE):
        if value["item"]["type"] == "function_call":
            yield edit(stream, number, ("item", "name"), "empty", always(""))
            if event_name(stream, number) == DONE:
                yield edit(stream, number, ("item", "call_id"), "empty", always(""))


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
        yield Edit(f"trace_event before frame {number}", partial(_numbered, made), group="new")


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
