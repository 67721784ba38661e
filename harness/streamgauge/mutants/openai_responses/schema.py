"""The members and the order of events that openai-openapi's ResponseStreamEvent and Open Responses document."""

from __future__ import annotations

from streamgauge.mutants.flow import Flow
from streamgauge.mutants.members import Schema, optional, required
from streamgauge.mutants.openai_responses._events import (
    ADDED,
    DELTAS,
    DONE,
    IN_PART,
    IN_SUMMARY,
    ITEMS,
    OPEN,
    PARTS,
    RESPONSES,
    STATED,
    SUMMARY,
    TERMINAL,
    TEXT,
    WHOLES,
    WITH_RESPONSE,
)

AGAIN = ("OAR-003", "OAR-011")
"""Events are numbered, and what was said is repeated at the end."""
FLOW = Flow(
    applies=RESPONSES,
    kinds={
        "response.created": ("OAR-004",),
        **dict.fromkeys(TERMINAL, ("OAR-005",)),
        "response.failed": ("OAR-005", "ERR-007"),
    },
    behind=("OAR-003", "OAR-005"),
    cut=("OAR-005", "ERR-001", "ERR-007"),
    stray=("OAR-001",),
    numbered=("OAR-003",),
    notices={
        **dict.fromkeys(("lost-name", "other-name", "other-type"), ("OAR-001",)),
        **dict.fromkeys(("empty-answer", "lost-character", "stripped-space", "garbled-text"), AGAIN),
        **dict.fromkeys(("snapshots", "answer-again", "lost-fragment", "doubled-fragment"), AGAIN),
        "other-reason": ("OAR-017",),
        "wrong-usage": ("USE-009", "USE-014"),
        "lost-usage": ("USE-009", *AGAIN),
    },
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
        required("item.input", "string", "OAR-011", on=(DONE,)),
        required("item.summary.*.text", "string", "OAR-011", on=(DONE,)),
        required("response.output.*.input", "string", "OAR-011", on=TERMINAL),
        required("response.output.*.summary.*.text", "string", "OAR-011", on=TERMINAL),
        required("response.output.*.name", "string", "OAR-013", on=TERMINAL),
        required("response.output.*.call_id", "string", "OAR-013", on=TERMINAL),
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
