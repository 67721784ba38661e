"""How choices end, and the terminator."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.mutants import Edit, operator
from streamgauge.mutants._places import always, put
from streamgauge.mutants.flow import SAID, Flow
from streamgauge.mutants.openai_chat._walk import (
    BOTH,
    DONE,
    choices,
    edit_at,
    finishes,
    says,
    terminators,
    updated,
)
from streamgauge.mutants.stream import Stream

FLOW = Flow(
    applies=("openai-chat",),
    kinds={
        **dict.fromkeys(("start", ""), ("OAC-005", "OAC-006")),
        "output": (*SAID, "OAC-005", "OAC-017", "OAC-018", "SEQ-003"),
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
        **dict.fromkeys(("lost-fragment", "doubled-fragment"), ("OAC-020",)),
        "other-reason": ("SEQ-005",),
        "wrong-usage": ("USE-004",),
        "lost-usage": ("USE-001",),
    },
)


@operator(
    "unknown-reason", "A finish_reason of another API, or an empty one", applies=BOTH, noticed_by=("OAC-004", "OCP-003")
)
def unknown_reason(stream: Stream) -> Iterator[Edit]:
    for number, path, _ in finishes(stream):
        for word in ("end_turn", "STOP", "eos_token", "", "null"):
            yield edit_at(stream, number, (*path, "finish_reason"), repr(word), always(word), word)


@operator(
    "empty-reason", "finish_reason as an empty text before the end", applies=BOTH, noticed_by=("OAC-004", "OCP-003")
)
def empty_reason(stream: Stream) -> Iterator[Edit]:
    for number, path, choice in choices(stream):
        if "finish_reason" in choice and choice["finish_reason"] is None:
            yield edit_at(stream, number, (*path, "finish_reason"), "''", lambda _: "")


@operator("no-reason", "finish_reason stays null", applies=BOTH, noticed_by=("SEQ-002",))
def no_reason(stream: Stream) -> Iterator[Edit]:
    for number, path, _ in finishes(stream):
        yield edit_at(stream, number, (*path, "finish_reason"), "null", lambda _: None)


@operator("finish-twice", "A second finish_reason, another or the same", applies=BOTH, noticed_by=("SEQ-001",))
def finish_twice(stream: Stream) -> Iterator[Edit]:
    for number, path, choice in finishes(stream):
        piece = stream.pieces[number]
        yield Edit(f"frame {number} again", partial(stream.inserted, number, piece), group="same")
        other = "length" if choice["finish_reason"] != "length" else "stop"
        made = stream.rewritten(number, partial(put, (*path, "finish_reason"), always(other)))
        yield Edit(f"frame {number} again: {other}", partial(stream.inserted, number, made), group="other")


@operator("early-finish", "The finish_reason before the end of the output", applies=BOTH, noticed_by=("SEQ-003",))
def early_finish(stream: Stream) -> Iterator[Edit]:
    for number, _, choice in finishes(stream):
        earlier = [n for n, _, c in choices(stream) if n < number and c["index"] == choice["index"] and says(c)]
        for before in earlier:
            moved = [p for n, p in enumerate(stream.pieces) if n != number]
            moved.insert(before, stream.pieces[number])
            yield Edit(f"frame {number} before frame {before}", partial(stream.with_pieces, moved))


@operator(
    "output-with-finish", "Output beside the finish_reason", applies=BOTH, noticed_by=("SEQ-004", "SEQ-001", "SEQ-003")
)
def output_with_finish(stream: Stream) -> Iterator[Edit]:
    for number, path, choice in choices(stream):
        if says(choice):
            reason = next((c["finish_reason"] for _, _, c in finishes(stream) if c["index"] == choice["index"]), None)
            if reason:
                change = partial(updated, {"finish_reason": reason})
                yield edit_at(stream, number, path, f"finish_reason {reason}", change)


@operator("output-after-end", "Output behind the finish_reason", applies=BOTH, noticed_by=("SEQ-003", "SEQ-006"))
def output_after_end(stream: Stream) -> Iterator[Edit]:
    spoken = [(n, c["index"]) for n, _, c in choices(stream) if says(c)]
    for number, _, choice in finishes(stream):
        for source in [n for n, index in spoken if index == choice["index"]][-1:]:
            for place in range(number + 1, len(stream.pieces) + 1):
                made = partial(stream.inserted, place, stream.pieces[source])
                yield Edit(f"frame {source} again before frame {place}", made)


# The terminator.


@operator("no-done", "[DONE] is missing", applies=BOTH, noticed_by=("SEQ-006", "ERR-002"))
def no_done(stream: Stream) -> Iterator[Edit]:
    for number in terminators(stream):
        yield Edit(f"frame {number}", partial(stream.instead, number))


@operator("done-twice", "[DONE] twice", applies=BOTH, noticed_by=("SEQ-006",))
def done_twice(stream: Stream) -> Iterator[Edit]:
    for number in terminators(stream):
        yield Edit(f"frame {number}", partial(stream.inserted, number, DONE))


@operator("early-done", "[DONE] before the end", applies=BOTH, noticed_by=("SEQ-006",))
def early_done(stream: Stream) -> Iterator[Edit]:
    for number in terminators(stream):
        for place in range(number):
            yield Edit(f"before frame {place}", partial(stream.instead(number).inserted, place, DONE))


@operator("behind-done", "An event behind [DONE]", applies=BOTH, noticed_by=("SEQ-006",))
def behind_done(stream: Stream) -> Iterator[Edit]:
    for number in terminators(stream):
        for source, _ in stream.objects:
            made = partial(stream.inserted, number + 1, stream.pieces[source])
            yield Edit(f"frame {source} behind frame {number}", made)


@operator(
    "misspelt-done",
    "[DONE] in another spelling",
    applies=BOTH,
    noticed_by=("SEQ-006", "JSON-001", "SSE-021", "ERR-002"),
)
def misspelt_done(stream: Stream) -> Iterator[Edit]:
    for number in terminators(stream):
        for text in (b"data: [done]\n\n", b'data: "[DONE]"\n\n', b"data: DONE\n\n", b"[DONE]\n\n", b"event: done\n\n"):
            yield Edit(repr(text), partial(stream.instead, number, text), group=repr(text))
