"""The members of openai-openapi's CreateChatCompletionStreamResponse."""

from __future__ import annotations

from streamgauge.mutants.members import Member, Schema
from streamgauge.mutants.openai_chat._walk import (
    CHAT,
)

STRING, INTEGER, ARRAY, OBJECT = ("string",), ("number",), ("array",), ("object",)
CALL = "choices.*.delta.tool_calls.*"

CHUNK = Schema(
    CHAT,
    (
        Member(path="id", kinds=STRING, lost=("OAC-001",), retyped=("OAC-012",)),
        Member(path="object", kinds=STRING, lost=("OAC-001",), retyped=("OAC-002",)),
        Member(path="created", kinds=INTEGER, lost=("OAC-001",), retyped=("OAC-013",)),
        Member(path="model", kinds=STRING, lost=("OAC-001",), retyped=("OAC-014",)),
        Member(path="choices", kinds=ARRAY, lost=("OAC-001",), retyped=("OAC-003",)),
        Member(path="choices.*", kinds=OBJECT, retyped=("OAC-003",)),
        Member(path="choices.*.index", kinds=INTEGER, lost=("OAC-003",), retyped=("OAC-003",)),
        Member(path="choices.*.delta", kinds=OBJECT, lost=("OAC-003",), retyped=("OAC-003",)),
        Member(
            path="choices.*.finish_reason",
            kinds=("string", "null"),
            lost=("OAC-003", "SEQ-002", "AGG-003"),
            retyped=("OAC-004",),
        ),
        Member(path="choices.*.delta.role", kinds=STRING, lost=("OAC-005",), retyped=("OAC-005", "OAC-006")),
        Member(path="choices.*.delta.content", kinds=("string", "null"), retyped=("OAC-007",)),
        Member(path="choices.*.delta.reasoning_content", kinds=("string", "null"), retyped=("OAC-027",)),
        Member(path="choices.*.delta.reasoning", kinds=("string", "null"), retyped=("OAC-027",)),
        Member(path="choices.*.delta.refusal", kinds=("string", "null"), retyped=("OAC-029",)),
        Member(path="choices.*.delta.tool_calls", kinds=("array", "null"), retyped=("OAC-015",)),
        Member(path=CALL, kinds=OBJECT, retyped=("OAC-015",)),
        Member(path=f"{CALL}.index", kinds=INTEGER, lost=("OAC-015",), retyped=("OAC-015",)),
        Member(path=f"{CALL}.id", kinds=STRING, lost=("OAC-017",), retyped=("OAC-017", "OAC-018")),
        Member(path=f"{CALL}.type", kinds=STRING, lost=("OAC-017",), retyped=("OAC-017", "OAC-018")),
        Member(path=f"{CALL}.function", kinds=OBJECT, lost=("OAC-017", "AGG-002"), retyped=("OAC-019",)),
        Member(path=f"{CALL}.function.name", kinds=STRING, lost=("OAC-017",), retyped=("OAC-017", "OAC-018")),
        Member(path=f"{CALL}.function.arguments", kinds=STRING, retyped=("OAC-019",)),
        Member(path="choices.*.logprobs", kinds=("object", "null"), retyped=("OAC-003",)),
        Member(path="choices.*.logprobs.content", kinds=("array", "null"), retyped=("OAC-025",)),
        Member(path="prompt_filter_results", kinds=ARRAY, lost=("OAC-011",)),
        Member(path="error", kinds=OBJECT, lost=("OAC-001",), retyped=("ERR-002", "OAC-001")),
        Member(path="error.message", kinds=STRING, lost=("ERR-002",), retyped=("ERR-002",)),
        Member(path="error.type", kinds=STRING, lost=("ERR-002",), retyped=("ERR-002",)),
        Member(path="error.code", kinds=("string", "number", "null"), lost=("ERR-002",), retyped=("ERR-002",)),
        Member(path="usage", kinds=("object", "null"), retyped=("USE-004", "USE-001", "USE-002", "USE-003")),
        Member(path="usage.prompt_tokens", kinds=INTEGER, lost=("USE-004",), retyped=("USE-004",)),
        Member(path="usage.completion_tokens", kinds=INTEGER, lost=("USE-004",), retyped=("USE-004",)),
        Member(path="usage.total_tokens", kinds=INTEGER, lost=("USE-004",), retyped=("USE-004",)),
    ),
)
