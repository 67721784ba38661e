"""Gemini's response objects, damaged; the table is that of the GenerateContentResponse reference."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from streamgauge.mutants import Edit, operator
from streamgauge.mutants._events import cut_off, edit
from streamgauge.mutants._places import Path, always, leaves, put, shown
from streamgauge.mutants.flow import SAID, Flow
from streamgauge.mutants.members import Schema, optional, required
from streamgauge.mutants.stream import Stream
from streamgauge.wire import elements, members, text

GEMINI = ("gemini-generate",)
PART = "candidates.*.content.parts.*"

FLOW = Flow(
    applies=GEMINI,
    kinds={
        "output": (*SAID, "GEM-008", "GEM-015"),
        "finish": ("GEM-003", "GEM-004"),
        "usage": ("AGG-004", "GEM-014"),
        "error": ("GEM-004", "ERR-001"),
        "end": ("GEM-004", "GEM-010"),
    },
    behind=("GEM-003", "GEM-010"),
    cut=("GEM-004", "GEM-001", "ERR-001", "AGG-004"),
    stray=("GEM-002",),
    done=("GEM-007", "GEM-001"),
    notices={
        **dict.fromkeys(("lost-data-prefix", "text-in-the-stream", "wrong-content-type"), ("GEM-001",)),
        "lost-fragment": ("GEM-008",),
        "wrong-usage": ("GEM-009",),
        "no-stream": ("GEM-002",),
    },
)

RESPONSE = Schema(
    GEMINI,
    (
        optional("candidates", "array", "GEM-002"),
        optional("candidates.*", "object", "GEM-002"),
        optional("candidates.*.index", "number", "GEM-002"),
        optional("candidates.*.content", "object", "GEM-002"),
        optional("candidates.*.content.role", "string", "GEM-002"),
        optional("candidates.*.content.parts", "array", "GEM-002"),
        optional(PART, "object", "GEM-002"),
        optional(f"{PART}.text", "string", "GEM-002"),
        optional(f"{PART}.thought", "boolean", "GEM-002"),
        optional(f"{PART}.functionCall", "object", "GEM-008"),
        optional(f"{PART}.functionCall.name", "string", "GEM-008"),
        optional(f"{PART}.functionCall.args", "object", "GEM-008"),
        optional(f"{PART}.functionCall.partialArgs", "array", "GEM-008"),
        optional(f"{PART}.functionCall.willContinue", "boolean", "GEM-008"),
        optional(f"{PART}.executableCode", "object", "GEM-002"),
        optional(f"{PART}.executableCode.code", "string", "GEM-002"),
        optional(f"{PART}.executableCode.language", "string|number", "GEM-002"),
        optional(f"{PART}.codeExecutionResult", "object", "GEM-002"),
        optional(f"{PART}.codeExecutionResult.outcome", "string|number", "GEM-002"),
        optional(f"{PART}.codeExecutionResult.output", "string", "GEM-002"),
        optional(f"{PART}.thoughtSignature", "string", "GEM-002"),
        optional(f"{PART}.functionCall.id", "string", "GEM-002"),
        optional("candidates.*.safetyRatings", "array", "GEM-002"),
        optional("candidates.*.safetyRatings.*.category", "string|number", "GEM-002"),
        optional("candidates.*.safetyRatings.*.probability", "string|number", "GEM-002"),
        optional("candidates.*.safetyRatings.*.blocked", "boolean", "GEM-002"),
        optional("usageMetadata.promptTokensDetails", "array", "GEM-002"),
        optional("candidates.*.finishReason", "string", "GEM-011", "GEM-004"),
        optional("modelVersion", "string", "GEM-013"),
        optional("responseId", "string", "GEM-013"),
        optional("promptFeedback", "object", "GEM-002", "GEM-004"),
        optional("promptFeedback.blockReason", "string|number", "GEM-002"),
        optional("usageMetadata", "object", "GEM-009"),
        *(
            optional(f"usageMetadata.{name}", "number", "GEM-009")
            for name in ("promptTokenCount", "candidatesTokenCount", "totalTokenCount", "thoughtsTokenCount")
        ),
        required("error", "object", "GEM-002", "GEM-004", "GEM-012", "ERR-001"),
        required("error.code", "number", "GEM-012"),
        required("error.message", "string", "GEM-012"),
        required("error.status", "string", "GEM-012"),
    ),
    nullable=True,
)


def _candidates(stream: Stream) -> Iterator[tuple[int, Path, dict[str, Any]]]:
    """Every candidate of every response: piece, path, candidate."""
    for number, value in stream.objects:
        for place, candidate in enumerate(elements(value.get("candidates"))):
            yield number, ("candidates", place), members(candidate)


def _finished(stream: Stream) -> Iterator[tuple[int, Path, dict[str, Any]]]:
    return ((n, p, c) for n, p, c in _candidates(stream) if c.get("finishReason"))


def _add(more: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    return {**value, **more}


@operator("call-twice", "A function call with the id of another", applies=GEMINI, noticed_by=("GEM-008",))
def call_twice(stream: Stream) -> Iterator[Edit]:
    for number, path, candidate in _candidates(stream):
        for place, part in enumerate(elements(members(candidate.get("content")).get("parts"))):
            if text(members(members(part).get("functionCall")).get("name")):
                called = (*path, "content", "parts", place, "functionCall")
                named = stream.changed(number, partial(put, called, partial(_add, {"id": "call-1"})))
                again = partial(named.inserted, number, named.pieces[number])
                yield Edit(f"frame {number}", again)


@operator("lost-code", "A result without its code, or code without its result", applies=GEMINI, noticed_by=("GEM-015",))
def lost_code(stream: Stream) -> Iterator[Edit]:
    for number, _, candidate in _candidates(stream):
        parts = elements(members(candidate.get("content")).get("parts"))
        for name in ("executableCode", "codeExecutionResult"):
            if len(parts) == 1 and name in members(parts[0]):
                bare = stream.but(bare=True)
                yield Edit(f"frame {number}: no {name}", partial(bare.instead, number), group=name)
                if name == "codeExecutionResult":
                    pieces = [stream.pieces[number], *stream.pieces[:number], *stream.pieces[number + 1 :]]
                    yield Edit(f"frame {number} first", partial(bare.with_pieces, pieces), group="first")


@operator(
    "early-gemini-finish", "A finishReason before the candidate's last chunk", applies=GEMINI, noticed_by=("GEM-003",)
)
def early_gemini_finish(stream: Stream) -> Iterator[Edit]:
    ends = {c.get("index", 0): n for n, _, c in _finished(stream)}
    for number, path, candidate in _candidates(stream):
        if number < ends.get(candidate.get("index", 0), 0):
            yield edit(stream, number, path, "STOP", partial(_add, {"finishReason": "STOP"}))


@operator("no-gemini-finish", "The finishReason never comes", applies=GEMINI, noticed_by=("GEM-004", "ERR-001"))
def no_gemini_finish(stream: Stream) -> Iterator[Edit]:
    for number, path, candidate in _finished(stream):
        kept = {name: value for name, value in candidate.items() if name != "finishReason"}
        yield edit(stream, number, path, "no finishReason", always(kept))
        for word in ("", "FINISH_REASON_UNSPECIFIED", None):
            yield edit(stream, number, (*path, "finishReason"), repr(word), always(word))


@operator("unknown-gemini-finish", "A finishReason that there is not", applies=GEMINI, noticed_by=("GEM-011",))
def unknown_gemini_finish(stream: Stream) -> Iterator[Edit]:
    for number, path, _ in _finished(stream):
        for word in ("stop", "END_TURN", "tool_calls", 1):
            yield edit(stream, number, (*path, "finishReason"), repr(word), always(word))


@operator(
    "more-behind-a-finish", "More of a candidate behind its finishReason", applies=GEMINI, noticed_by=("GEM-003",)
)
def more_behind_a_finish(stream: Stream) -> Iterator[Edit]:
    for number, _, candidate in _finished(stream):
        index = candidate.get("index", 0)
        for source, _, other in _candidates(stream):
            spoken = elements(members(other.get("content")).get("parts"))
            if source <= number and other.get("index", 0) == index and spoken:
                made = partial(stream.inserted, number + 1, stream.pieces[source])
                yield Edit(f"frame {source} again behind frame {number}", made)


@operator("arguments-as-json-text", "args as a string, as OpenAI has them", applies=GEMINI, noticed_by=("GEM-008",))
def arguments_as_json_text(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        for path, leaf in leaves(value):
            if path[-2:] == ("functionCall", "args"):
                yield edit(stream, number, path, "a string", always(json.dumps(leaf)))


@operator("nameless-gemini-call", "A functionCall without a name", applies=GEMINI, noticed_by=("GEM-008",))
def nameless_gemini_call(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        for path, leaf in leaves(value):
            if path[-1] == "functionCall" and members(leaf).get("name"):
                yield edit(stream, number, path, "no name", partial(_without, "name"))
                yield edit(stream, number, (*path, "name"), "''", always(""))


def _without(name: str, value: dict[str, Any]) -> dict[str, Any]:
    return {known: member for known, member in value.items() if known != name}


@operator("one-part-object", "parts, content or candidates in another form", applies=GEMINI, noticed_by=("GEM-002",))
def one_part_object(stream: Stream) -> Iterator[Edit]:
    for number, path, candidate in _candidates(stream):
        parts = elements(members(candidate.get("content")).get("parts"))
        if parts:
            yield edit(stream, number, (*path, "content", "parts"), "one object", always(parts[0]), "parts")
            yield edit(stream, number, (*path, "content"), "a text", always("Hello"), "content")
        yield edit(stream, number, path[:1], "one object", always(candidate), "candidates")


@operator("gemini-snapshots", "Each chunk holds all of the text so far", applies=GEMINI, noticed_by=("GEM-002",))
def gemini_snapshots(stream: Stream) -> Iterator[Edit]:
    made, told = stream, ""
    for number, value in stream.objects:
        for path, leaf in leaves(value):
            if path[-1] == "text" and leaf and 0 in path[:2] and not _is_thought(value, path):
                told += leaf
                made = made.changed(number, partial(put, path, always(told)))
    if len(told) > 30:
        yield Edit("every text", made.but)


def _is_thought(value: Any, path: Path) -> bool:
    for step in path[:-1]:
        value = value[step]
    return members(value).get("thought") is True


@operator("other-response-id", "Another responseId or modelVersion", applies=GEMINI, noticed_by=("GEM-013",))
def other_response_id(stream: Stream) -> Iterator[Edit]:
    stated = [(n, value) for n, value in stream.objects if "responseId" in value]
    for number, value in stated if len(stated) > 1 else ():
        for name in ("responseId", "modelVersion"):
            if name in value:
                yield edit(stream, number, (name,), "another", always("other"))


def _usages(stream: Stream) -> list[int]:
    return [n for n, value in stream.objects if isinstance(value.get("usageMetadata"), dict)]


@operator("unequal-gemini-total", "A total that is not the sum", applies=GEMINI, noticed_by=("GEM-009",))
def unequal_gemini_total(stream: Stream) -> Iterator[Edit]:
    for number in _usages(stream)[-1:]:
        for name in ("totalTokenCount", "promptTokenCount"):
            if name in stream.pieces[number].value["usageMetadata"]:
                yield edit(stream, number, ("usageMetadata", name), "one more", lambda count: count + 1)


@operator("falling-counts", "Token counts that fall", applies=GEMINI, noticed_by=("GEM-014",))
def falling_counts(stream: Stream) -> Iterator[Edit]:
    for number in _usages(stream)[-1:]:
        made = stream.pieces[number].value["usageMetadata"].get("candidatesTokenCount")
        for earlier, value in stream.objects:
            if made and earlier < number and "candidates" in value:
                change = partial(_add, {"usageMetadata": {"candidatesTokenCount": made + 1}})
                yield Edit(f"frame {earlier}", partial(stream.changed, earlier, change))


@operator("blocked-but-answered", "A blockReason beside candidates", applies=GEMINI, noticed_by=("GEM-010",))
def blocked_but_answered(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        if value.get("candidates"):
            change = partial(_add, {"promptFeedback": {"blockReason": "SAFETY"}})
            yield Edit(f"frame {number}", partial(stream.changed, number, change))


@operator("odd-gemini-error", "An error in another form than Google's", applies=GEMINI, noticed_by=("GEM-012",))
def odd_gemini_error(stream: Stream) -> Iterator[Edit]:
    told: tuple[Any, ...] = ("boom", {"message": "boom"}, {"code": "503", "message": "boom", "status": "UNAVAILABLE"})
    for error in told:
        for number in range(1, len(stream.pieces)):
            piece = stream.say({"error": error}, stream.pieces[number])
            made = partial(cut_off, stream, number, piece)
            yield Edit(f"{error} behind frame {number - 1}", made, group=str(error))


@operator(
    "broken-array",
    "A JSON array without its end, or its commas",
    applies=("json-array",),
    noticed_by=("GEM-001", "GEM-004", "ERR-001"),
)
def broken_array(stream: Stream) -> Iterator[Edit]:
    yield Edit("no ]", partial(stream.but, tail=b""))
    yield Edit("a comma before ]", partial(stream.but, tail=b",]"))
    yield Edit("] twice", partial(stream.but, tail=b"]]"))
    if len(stream.pieces) > 1:
        yield Edit("no commas", partial(stream.but, joint=b"\r\n"))
        yield Edit("lines of JSON", partial(stream.but, head=b"", joint=b"\n", tail=b"\n"))


@operator("array-as-sse", "The framing of the other form", applies=GEMINI, noticed_by=("GEM-001", "HTTP-001"))
def array_as_sse(stream: Stream) -> Iterator[Edit]:
    if stream.framing == "sse":
        yield Edit("a JSON array as text/event-stream", partial(stream.as_array().but, headers=stream.headers))
        other = stream.as_array().headers
        yield Edit("events as application/json", partial(stream.but, headers=other))


@operator("lost-thought-mark", "Thoughts as text", applies=GEMINI, noticed_by=("AGG-001",))
def lost_thought_mark(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        for path, leaf in leaves(value):
            if path[-1] == "thought" and leaf is True:
                made = partial(stream.changed, number, partial(put, path, always(False)))
                yield Edit(f"frame {number}, {shown(path)}", made)
