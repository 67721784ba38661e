"""Text Generation Inference's token events, damaged; the table is that of its docs/openapi.json."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from streamgauge.mutants import Edit, operator
from streamgauge.mutants._events import cut_off, edit
from streamgauge.mutants._places import always
from streamgauge.mutants.flow import SAID, Flow
from streamgauge.mutants.members import Schema, optional, required
from streamgauge.mutants.stream import Stream

TGI = ("huggingface-tgi",)
WHOLE = ("TGI-002", "TGI-004")
"""An event more or less: the numbers have a gap, and the whole text is another."""

FLOW = Flow(
    applies=TGI,
    kinds={
        "output": (*SAID, *WHOLE),
        "finish": ("TGI-003", *WHOLE),
        "end": ("TGI-003", *WHOLE),
        "error": ("TGI-003", "TGI-009"),
    },
    behind=("TGI-003", "TGI-009"),
    cut=("TGI-003", "ERR-001"),
    stray=("TGI-001",),
    done=("TGI-003",),
    notices={
        "impossible-count": ("TGI-005",),
    },
)

TOKEN = {"id": "number", "text": "string", "logprob": "number|null", "special": "boolean"}
EVENTS = Schema(
    TGI,
    (
        required("index", "number", "TGI-001"),
        required("token", "object", "TGI-001"),
        *(required(f"token.{name}", kinds, "TGI-001") for name, kinds in TOKEN.items()),
        optional("top_tokens", "array", "TGI-001"),
        optional("top_tokens.*", "object", "TGI-001"),
        *(required(f"top_tokens.*.{name}", kinds, "TGI-001") for name, kinds in TOKEN.items()),
        optional("generated_text", "string|null", "TGI-003"),
        optional("details", "object|null", "TGI-003", "TGI-005"),
        required("details.finish_reason", "string", "TGI-005"),
        required("details.generated_tokens", "number", "TGI-005"),
        required("details.input_length", "number", "TGI-005"),
        optional("details.seed", "number|null", "TGI-005"),
        required("error", "string", "TGI-001", "TGI-003", retyped=("TGI-009",)),
        required("error_type", "string", "TGI-009"),
    ),
)


def _finished(stream: Stream) -> Iterator[tuple[int, dict[str, Any]]]:
    """The event that has the whole text."""
    return ((n, value) for n, value in stream.objects if isinstance(value.get("generated_text"), str))


@operator("other-token-index", "The index of another token", applies=TGI, noticed_by=("TGI-002", "TGI-001"))
def other_token_index(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        if "index" in value:
            for what, index in (("one more", value["index"] + 1), ("from 0", value["index"] - 1), ("negative", -1)):
                yield edit(stream, number, ("index",), what, always(index), what)


@operator("finished-early", "The whole text before the end, or twice", applies=TGI, noticed_by=("TGI-003",))
def finished_early(stream: Stream) -> Iterator[Edit]:
    for end, last in _finished(stream):
        for number, _ in stream.objects:
            if number != end:
                yield edit(stream, number, ("generated_text",), "whole", always(last["generated_text"]), "text")
                yield edit(stream, number, ("details",), "early", always(last["details"] or {"seed": 1}), "details")
        yield Edit("twice", partial(stream.inserted, end, stream.pieces[end]), group="twice")


@operator("never-finished", "No event has the whole text", applies=TGI, noticed_by=("TGI-003",))
def never_finished(stream: Stream) -> Iterator[Edit]:
    for number, _ in _finished(stream):
        yield edit(stream, number, ("generated_text",), "null", always(None), "null")
        yield Edit(f"frame {number} lost", partial(stream.instead, number))


@operator("behind-the-whole-text", "A token behind the whole text", applies=TGI, noticed_by=("TGI-003",))
def behind_the_whole_text(stream: Stream) -> Iterator[Edit]:
    for number, _ in _finished(stream):
        for source, _ in stream.objects:
            yield Edit(f"frame {source}", partial(stream.inserted, number + 1, stream.pieces[source]))


@operator("other-whole-text", "The whole text is another than that of the tokens", applies=TGI, noticed_by=("TGI-004",))
def other_whole_text(stream: Stream) -> Iterator[Edit]:
    for number, value in _finished(stream):
        whole = value["generated_text"]
        for what, other in (("half", whole[: len(whole) // 2]), ("empty", ""), ("with its end token", f"{whole}</s>")):
            if (value["details"] or {}).get("finish_reason") != "stop_sequence" or not whole.startswith(other or "-"):
                yield edit(stream, number, ("generated_text",), what, always(other), what)


@operator("special-as-text", "The end token as if it were text", applies=TGI, noticed_by=("TGI-004", "AGG-001"))
def special_as_text(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        if "token" in value and value["token"]["special"]:
            yield edit(stream, number, ("token", "special"), "false", always(False))


@operator("unknown-tgi-finish", "A finish_reason that there is not", applies=TGI, noticed_by=("TGI-006", "TGI-005"))
def unknown_tgi_finish(stream: Stream) -> Iterator[Edit]:
    for number, value in _finished(stream):
        if value["details"]:
            for word in ("stop", "max_tokens", "STOP", "", None):
                yield edit(stream, number, ("details", "finish_reason"), repr(word), always(word))


@operator(
    "other-token-count", "generated_tokens is not the number of events", applies=TGI, noticed_by=("TGI-007", "TGI-005")
)
def other_token_count(stream: Stream) -> Iterator[Edit]:
    for number, value in _finished(stream):
        if value["details"]:
            for made in (0, value["details"]["generated_tokens"] + 1, -1, 1.5):
                yield edit(stream, number, ("details", "generated_tokens"), str(made), always(made))


@operator("unanswered-details", "Details that were asked for are missing", applies=TGI, noticed_by=("TGI-008",))
def unanswered_details(stream: Stream) -> Iterator[Edit]:
    for number, value in _finished(stream):
        if value["details"]:
            yield edit(stream, number, ("details",), "null", always(None))


@operator("odd-tgi-error", "An error in another form than TGI's", applies=TGI, noticed_by=("TGI-009",))
def odd_tgi_error(stream: Stream) -> Iterator[Edit]:
    told: tuple[dict[str, Any], ...] = ({"error": {"message": "boom", "code": 500}}, {"error": "boom"}, {"error": None})
    for value in told:
        for number in range(1, len(stream.pieces)):
            made = partial(cut_off, stream, number, stream.say(value, stream.pieces[number]))
            yield Edit(f"{value} behind frame {number - 1}", made, group=str(value))


@operator("behind-a-tgi-error", "Tokens behind an error", applies=TGI, noticed_by=("TGI-009",))
def behind_a_tgi_error(stream: Stream) -> Iterator[Edit]:
    for end, _ in _finished(stream):
        for number in range(1, end + 1):
            frame = stream.dialect.error_frame("boom", "generation")
            yield Edit(f"before frame {number}", partial(stream.inserted, number, frame))
