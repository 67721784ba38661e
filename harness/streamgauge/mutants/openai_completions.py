"""Legacy completions, damaged; the table is that of openai-openapi's CreateCompletionResponse."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.mutants import Edit, operator
from streamgauge.mutants._places import always, leaves, put, shown
from streamgauge.mutants.flow import SAID, Flow
from streamgauge.mutants.members import Schema, optional, required
from streamgauge.mutants.stream import Stream

COMPLETIONS = ("openai-completions",)

FLOW = Flow(
    applies=COMPLETIONS,
    kinds={
        "output": (*SAID, "SEQ-003"),
        "finish": ("SEQ-001", "SEQ-002", "SEQ-003"),
        "usage": ("USE-001", "USE-002"),
        "error": ("ERR-002", "SEQ-002", "SEQ-006"),
        "[DONE]": ("SEQ-006", "ERR-002"),
    },
    behind=("SEQ-006",),
    cut=("SEQ-006", "ERR-001", "ERR-002"),
    stray=("OAC-001",),
    notices={
        **dict.fromkeys(("snapshots", "answer-again"), ("SEQ-008",)),
        "wrong-usage": ("USE-004",),
        "lost-usage": ("USE-001",),
    },
)

CHUNK = Schema(
    COMPLETIONS,
    (
        required("id", "string", "OAC-001", retyped=("OCP-004",)),
        required("object", "string", "OAC-001", retyped=("OCP-001",)),
        required("created", "number", "OAC-001", retyped=("OCP-004",)),
        required("model", "string", "OAC-001", retyped=("OCP-004",)),
        required("choices", "array", "OAC-001", retyped=("OCP-002",)),
        optional("choices.*", "object", "OCP-002"),
        required("choices.*.index", "number", "OCP-002"),
        required("choices.*.text", "string", "OCP-002"),
        required("choices.*.logprobs", "object|null", "OCP-002"),
        required("choices.*.finish_reason", "string|null", "OCP-002", "SEQ-002", "AGG-003", retyped=("OCP-003",)),
        optional("usage", "object|null", "USE-004", "USE-001"),
        required("usage.prompt_tokens", "number", "USE-004"),
        required("usage.completion_tokens", "number", "USE-004"),
        required("usage.total_tokens", "number", "USE-004"),
        required("error", "object", "OAC-001", retyped=("ERR-002", "OAC-001")),
        required("error.message", "string", "ERR-002"),
        required("error.type", "string", "ERR-002"),
        required("error.code", "string|number|null", "ERR-002"),
    ),
)


@operator("other-identity", "Another id, model or time in one chunk", applies=COMPLETIONS, noticed_by=("OCP-004",))
def other_identity(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        for name, other in (("id", "cmpl-2"), ("id", ""), ("model", "other"), ("created", 1), ("created", 2.5)):
            if value.get(name):
                made = partial(stream.changed, number, partial(put, (name,), always(other)))
                yield Edit(f"frame {number}, {name}: {other!r}", made, group=f"{name} {other}")


@operator("other-completion", "The object type of another answer", applies=COMPLETIONS, noticed_by=("OCP-001",))
def other_completion(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        if value.get("object"):
            for word in ("chat.completion.chunk", "text_completion.chunk", ""):
                made = partial(stream.changed, number, partial(put, ("object",), always(word)))
                yield Edit(f"frame {number}: {word!r}", made, group=word)


@operator(
    "unknown-completion-end",
    "A finish_reason that completions do not have",
    applies=COMPLETIONS,
    noticed_by=("OCP-003",),
)
def unknown_completion_end(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        for path, leaf in leaves(value):
            if path[-1] == "finish_reason" and leaf:
                for word in ("tool_calls", "eos", ""):
                    made = partial(stream.changed, number, partial(put, path, always(word)))
                    yield Edit(f"frame {number}, {shown(path)}: {word!r}", made, group=word)
