"""Ollama's lines, damaged; the tables are those of docs/api.md (ollama/ollama)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from streamgauge.events import TextDelta
from streamgauge.mutants import Edit, operator
from streamgauge.mutants._events import edit
from streamgauge.mutants._places import always, frames_of, leaves, put, shown
from streamgauge.mutants.flow import SAID, Flow
from streamgauge.mutants.members import Schema, optional, required
from streamgauge.mutants.stream import Stream, dumps

OLLAMA = ("ollama-chat", "ollama-generate")
COUNTS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")

FLOW = Flow(
    applies=OLLAMA,
    kinds={"output": (*SAID, "OLL-007"), "finish": ("OLL-002",), "end": ("OLL-002",), "error": ("OLL-002", "ERR-008")},
    behind=("OLL-002",),
    cut=("OLL-002", "ERR-001"),
    stray=("OLL-002",),
    done=("OLL-001",),
    notices={
        **dict.fromkeys(("snapshots", "answer-again"), ("OLL-008",)),
        **dict.fromkeys(("wrong-usage", "impossible-count", "lost-usage"), ("USE-010",)),
        **dict.fromkeys(("broken-json", "not-an-object", "not-a-number"), ("OLL-001",)),
        **dict.fromkeys(("no-stream", "error-as-success"), ("HTTP-002", "OLL-001")),
        "wrong-content-type": ("HTTP-002",),
        "lost-fragment": ("OLL-005",),
    },
)

LINES = Schema(
    OLLAMA,
    (
        required("model", "string", "OLL-007"),
        required("created_at", "string", "OLL-007"),
        required("done", "boolean", "OLL-002"),
        required("done_reason", "string", "OLL-003"),
        *(required(name, "number", "OLL-003") for name in COUNTS),
        required("prompt_eval_count", "number", "USE-010", "OLL-003"),
        required("eval_count", "number", "USE-010", "OLL-003"),
        required("error", "string", "ERR-008", "OLL-002"),
    ),
)
CHAT = Schema(
    ("ollama-chat",),
    (
        required("message", "object", "OLL-009"),
        required("message.role", "string", "OLL-009"),
        required("message.content", "string", "OLL-009"),
        optional("message.thinking", "string", "OLL-009"),
        optional("message.tool_calls", "array|null", "OLL-005"),
        optional("message.tool_calls.*", "object", "OLL-005"),
        required("message.tool_calls.*.function", "object", "OLL-005"),
        required("message.tool_calls.*.function.name", "string", "OLL-005"),
        required("message.tool_calls.*.function.arguments", "object", "OLL-005"),
    ),
)
GENERATE = Schema(
    ("ollama-generate",),
    (required("response", "string", "OLL-009"), optional("thinking", "string", "OLL-009")),
)


def _objects(stream: Stream) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines that are no errors."""
    return ((n, value) for n, value in stream.objects if "error" not in value)


@operator("odd-time", "created_at that is no time, or lies before the last", applies=OLLAMA, noticed_by=("OLL-007",))
def odd_time(stream: Stream) -> Iterator[Edit]:
    for number, _ in list(_objects(stream))[1:]:
        for word in ("just now", "1999-12-31T23:59:59Z"):
            yield edit(stream, number, ("created_at",), word, always(word), word)


def _lines(stream: Stream, what: str, change: Callable[[bytes], bytes]) -> Iterator[Edit]:
    for number, value in stream.objects:
        made = change(dumps(value))
        yield Edit(f"frame {number}: {what}", partial(stream.instead, number, made), group=what)


def _pretty(text: bytes) -> bytes:
    return json.dumps(json.loads(text), indent=1).encode() + b"\n"


@operator(
    "odd-lines",
    "Objects that do not stand on one line each",
    applies=OLLAMA,
    noticed_by=("OLL-001", "JSON-001"),
)
def odd_lines(stream: Stream) -> Iterator[Edit]:
    yield from _lines(stream, "over several lines", _pretty)
    yield from _lines(stream, "as a server-sent event", lambda text: b"data: " + text + b"\n\n")
    yield from _lines(stream, "with a comma behind it", lambda text: text + b",\n")
    for number in range(len(stream.pieces) - 1):
        joined = stream.pieces[number].raw.rstrip(b"\n")
        yield Edit(f"frame {number}: no LF", partial(stream.instead, number, joined), group="no LF")


@operator("blank-lines", "Empty lines, and CRLF", applies=OLLAMA, effect="harmless")
def blank_lines(stream: Stream) -> Iterator[Edit]:
    yield from _lines(stream, "CRLF", lambda text: text + b"\r\n")


@operator("done-early", "done: true before the end, or twice", applies=OLLAMA, noticed_by=("OLL-002",))
def done_early(stream: Stream) -> Iterator[Edit]:
    for number, value in _objects(stream):
        if not value["done"]:
            yield Edit(f"frame {number}", partial(stream.changed, number, partial(put, ("done",), always(True))))


@operator("never-done", "done stays false", applies=OLLAMA, noticed_by=("OLL-002", "ERR-001"))
def never_done(stream: Stream) -> Iterator[Edit]:
    for number, value in _objects(stream):
        if value["done"]:
            yield Edit(f"frame {number}", partial(stream.changed, number, partial(put, ("done",), always(False))))
            yield Edit(f"frame {number} lost", partial(stream.instead, number))


@operator("behind-done-true", "A line behind done: true", applies=OLLAMA, noticed_by=("OLL-002",))
def behind_done_true(stream: Stream) -> Iterator[Edit]:
    for number, value in _objects(stream):
        if value["done"]:
            for source, _ in _objects(stream):
                yield Edit(f"frame {source}", partial(stream.inserted, number + 1, stream.pieces[source]))


@operator("other-ollama-model", "Another model in one line", applies=OLLAMA, noticed_by=("OLL-007",))
def other_ollama_model(stream: Stream) -> Iterator[Edit]:
    for number, _ in _objects(stream):
        for word in ("other", ""):
            made = partial(stream.changed, number, partial(put, ("model",), always(word)))
            yield Edit(f"frame {number}: {word!r}", made, group=word)


@operator("no-eval-count", "A count of zero though text was sent", applies=OLLAMA, noticed_by=("USE-010",))
def no_eval_count(stream: Stream) -> Iterator[Edit]:
    if frames_of(stream, TextDelta):
        for number, value in _objects(stream):
            if value.get("eval_count"):
                yield Edit(f"frame {number}", partial(stream.changed, number, partial(put, ("eval_count",), always(0))))


@operator(
    "arguments-as-text", "Arguments as a string, as OpenAI has them", applies=("ollama-chat",), noticed_by=("OLL-005",)
)
def arguments_as_text(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        for path, leaf in leaves(value):
            if path[-1] == "arguments":
                made = partial(stream.changed, number, partial(put, path, always(json.dumps(leaf))))
                yield Edit(f"frame {number}, {shown(path)}", made)


@operator("odd-ollama-error", "An error in another form than Ollama's", applies=OLLAMA, noticed_by=("ERR-008",))
def odd_ollama_error(stream: Stream) -> Iterator[Edit]:
    told: tuple[Any, ...] = ({"message": "boom", "code": 500}, None, ["boom"])
    for error in told:
        for number in range(1, len(stream.pieces)):
            made = partial(stream.with_pieces, [*stream.pieces[:number], dumps({"error": error}) + b"\n"])
            yield Edit(f"{error} behind frame {number - 1}", made, group=str(error))


@operator("behind-an-ollama-error", "Lines behind an error", applies=OLLAMA, noticed_by=("ERR-008",))
def behind_an_ollama_error(stream: Stream) -> Iterator[Edit]:
    for number in range(1, len(stream.pieces)):
        if stream.objects and stream.pieces[-1].value.get("done"):
            yield Edit(f"before frame {number}", partial(stream.inserted, number, b'{"error":"boom"}\n'))
