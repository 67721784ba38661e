"""Anthropic's events, damaged; the tables are those of the types in Anthropic's Python SDK."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from streamgauge.mutants import Edit, operator
from streamgauge.mutants._events import edit, lost, of
from streamgauge.mutants._places import always, put
from streamgauge.mutants.flow import SAID, Flow
from streamgauge.mutants.members import Schema, optional, required
from streamgauge.mutants.stream import Stream
from streamgauge.wire import members

ANTHROPIC = ("anthropic-messages",)
START, DELTA, STOP = "content_block_start", "content_block_delta", "content_block_stop"
HEAD, LATE = ("message_start",), ("message_delta",)

FLOW = Flow(
    applies=ANTHROPIC,
    kinds={
        "message_start": ("ANT-002",),
        START: ("ANT-003",),
        DELTA: (*SAID, "ANT-003", "ANT-006", "ANT-007"),
        STOP: ("ANT-003",),
        "message_delta": ("ANT-008", "ANT-009"),
        "message_stop": ("ANT-008",),
        "error": ("ANT-008", "ERR-005"),
    },
    behind=("ANT-008",),
    cut=("ANT-008", "ERR-001"),
    stray=("ANT-001",),
    done=("ANT-012",),
    notices={
        **dict.fromkeys(("lost-name", "other-name", "other-type"), ("ANT-001",)),
        **dict.fromkeys(("lost-fragment", "doubled-fragment"), ("ANT-006",)),
        **dict.fromkeys(("wrong-usage", "lost-usage"), ("USE-006",)),
    },
)

EVENTS = Schema(
    ANTHROPIC,
    (
        required("type", "string", "ANT-001", "ERR-005"),
        required("message", "object", "ANT-014", "ANT-002", on=HEAD),
        required("message.id", "string", "ANT-014", on=HEAD),
        required("message.type", "string", "ANT-014", on=HEAD),
        required("message.role", "string", "ANT-014", on=HEAD),
        required("message.model", "string", "ANT-014", on=HEAD),
        required("message.content", "array", "ANT-002", on=HEAD),
        optional("message.stop_reason", "string|null", "ANT-002", "ANT-009", on=HEAD),
        optional("message.stop_sequence", "null", "ANT-014", on=HEAD),
        required("message.usage", "object", "ANT-002", "ANT-014", on=HEAD),
        required("message.usage.input_tokens", "number", "ANT-002", on=HEAD),
        required("message.usage.output_tokens", "number", "ANT-014", on=HEAD),
        required("index", "number", "ANT-004", on=(START, DELTA, STOP)),
        required("content_block", "object", "ANT-020", on=(START,)),
        required("content_block.type", "string", "ANT-020", on=(START,)),
        required("content_block.text", "string", "ANT-020", on=(START,)),
        required("content_block.thinking", "string", "ANT-020", on=(START,)),
        optional("content_block.input", "object", "ANT-006", on=(START,)),
        required("content_block.id", "string", "ANT-019", on=(START,)),
        required("content_block.name", "string", "ANT-019", on=(START,)),
        required("delta", "object", "ANT-020", on=(DELTA,)),
        required("delta.type", "string", "ANT-020", on=(DELTA,)),
        required("delta.text", "string", "ANT-018", on=(DELTA,)),
        required("delta.thinking", "string", "ANT-018", on=(DELTA,)),
        required("delta.signature", "string", "ANT-018", on=(DELTA,)),
        required("delta.partial_json", "string", "ANT-018", on=(DELTA,)),
        required("delta", "object", "ANT-009", on=LATE),
        required("delta.stop_reason", "string", "ANT-009", on=LATE),
        optional("delta.stop_sequence", "string|null", "ANT-017", on=LATE),
        required("usage", "object", "ANT-008", "USE-006", on=LATE),
        required("usage.output_tokens", "number", "ANT-008", "USE-006", "ANT-015", on=LATE),
        required("error", "object", "ERR-005", on=("error",)),
        required("error.type", "string", "ERR-005", on=("error",)),
        required("error.message", "string", "ERR-005", on=("error",)),
    ),
)


def _put(name: str, word: Any, value: dict[str, Any]) -> dict[str, Any]:
    return {**value, name: word}


# The message.


@operator("late-start", "message_start is not first, comes twice, or never", applies=ANTHROPIC, noticed_by=("ANT-002",))
def late_start(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, *HEAD):
        yield Edit("never", partial(stream.instead, number), group="never")
        later = next(n for n, value in stream.objects if n > number and value.get("type") != "ping")
        yield Edit("second", partial(stream.swapped, number, later), group="second")
        for place in range(number + 1, len(stream.pieces)):
            yield Edit(
                f"again before frame {place}", partial(stream.inserted, place, stream.pieces[number]), group="twice"
            )


@operator("filled-start", "Content or a stop_reason in message_start", applies=ANTHROPIC, noticed_by=("ANT-002",))
def filled_start(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, *HEAD):
        yield edit(stream, number, ("message", "content"), "a text", always([{"type": "text", "text": "Hello"}]))
        change = partial(_put, "stop_reason", "end_turn")
        yield edit(stream, number, ("message",), "a stop_reason", change)


@operator("other-head", "Another role or type in message_start", applies=ANTHROPIC, noticed_by=("ANT-014",))
def other_head(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, *HEAD):
        for name, word in (("role", "user"), ("type", "completion"), ("id", ""), ("model", "")):
            yield edit(stream, number, ("message", name), repr(word), always(word))


@operator(
    "no-message-end", "message_delta or message_stop is missing", applies=ANTHROPIC, noticed_by=("ANT-008", "ERR-001")
)
def no_message_end(stream: Stream) -> Iterator[Edit]:
    yield from lost(stream, "message_delta", "message_stop")


@operator(
    "early-message-end", "message_delta or message_stop before the end", applies=ANTHROPIC, noticed_by=("ANT-008",)
)
def early_message_end(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, "message_delta", "message_stop"):
        for place in [n for n, _ in of(stream, START, DELTA, STOP) if n < number]:
            moved = [p for n, p in enumerate(stream.pieces) if n != number]
            moved.insert(place, stream.pieces[number])
            yield Edit(f"frame {number} before frame {place}", partial(stream.with_pieces, moved), group=value["type"])


@operator("behind-message-stop", "An event behind message_stop", applies=ANTHROPIC, noticed_by=("ANT-008",))
def behind_message_stop(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, "message_stop"):
        for source, value in stream.objects:
            if value.get("type") != "ping":
                yield Edit(f"frame {source}", partial(stream.inserted, number + 1, stream.pieces[source]))


@operator(
    "unknown-stop-reason", "A stop_reason of another API, empty, or null", applies=ANTHROPIC, noticed_by=("ANT-009",)
)
def unknown_stop_reason(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, *LATE):
        for word in ("stop", "length", "tool_calls", "STOP", "", None):
            yield edit(stream, number, ("delta", "stop_reason"), repr(word), always(word))


@operator("second-stop-reason", "A second stop_reason, another or the same", applies=ANTHROPIC, noticed_by=("ANT-009",))
def second_stop_reason(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, *LATE):
        for word in ("max_tokens", "end_turn"):
            again = stream.rewritten(number, partial(put, ("delta", "stop_reason"), always(word)))
            yield Edit(f"{word} behind {value['delta']['stop_reason']}", partial(stream.inserted, number + 1, again))


@operator("reason-without-tool", "stop_reason and tool calls disagree", applies=ANTHROPIC, noticed_by=("ANT-016",))
def reason_without_tool(stream: Stream) -> Iterator[Edit]:
    called = any(v["content_block"]["type"] == "tool_use" for _, v in of(stream, START))
    for number, _ in of(stream, *LATE):
        word = "end_turn" if called else "tool_use"
        yield edit(stream, number, ("delta", "stop_reason"), word, always(word))


@operator("odd-stop-sequence", "stop_sequence and stop_reason disagree", applies=ANTHROPIC, noticed_by=("ANT-017",))
def odd_stop_sequence(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, *LATE):
        if value["delta"].get("stop_reason") == "stop_sequence":
            yield edit(stream, number, ("delta", "stop_sequence"), "null", always(None))
        elif "stop_sequence" in value["delta"]:
            yield edit(stream, number, ("delta", "stop_sequence"), "a text", always("END"))


# Usage and errors.


@operator("falling-usage", "output_tokens that fall", applies=ANTHROPIC, noticed_by=("USE-006",))
def falling_usage(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, *LATE):
        made = members(value.get("usage")).get("output_tokens")
        if made:
            early = {
                **value,
                "delta": {"stop_reason": None, "stop_sequence": None},
                "usage": {"output_tokens": made + 1},
            }
            piece = stream.say(early, stream.pieces[number])
            yield Edit(f"one more before frame {number}", partial(stream.inserted, number, piece))


@operator("no-output-tokens", "output_tokens is zero at the end", applies=ANTHROPIC, noticed_by=("ANT-015",))
def no_output_tokens(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, *LATE):
        if value.get("usage"):
            yield edit(stream, number, ("usage", "output_tokens"), "0", always(0))


@operator("no-input-tokens", "input_tokens is zero in message_start", applies=ANTHROPIC, noticed_by=("USE-007",))
def no_input_tokens(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, *HEAD):
        yield edit(stream, number, ("message", "usage"), "0", lambda usage: {**usage, "input_tokens": 0})


FORMS: tuple[tuple[str, bytes], ...] = (
    ("OpenAI's", b'event: error\ndata: {"error":{"message":"boom","type":"server_error"}}\n\n'),
    ("without a name", b'data: {"type":"error","error":{"type":"api_error","message":"boom"}}\n\n'),
    ("a text", b'event: error\ndata: {"type":"error","error":"boom"}\n\n'),
    ("flat", b'event: error\ndata: {"type":"error","message":"boom"}\n\n'),
    ("without a type", b'event: error\ndata: {"type":"error","error":{"message":"boom"}}\n\n'),
)


@operator(
    "odd-anthropic-error",
    "An error in another form than Anthropic's",
    applies=ANTHROPIC,
    noticed_by=("ERR-005", "ANT-001"),
)
def odd_anthropic_error(stream: Stream) -> Iterator[Edit]:
    for what, frame in FORMS:
        for number in range(2, len(stream.pieces)):
            made = partial(stream.with_pieces, [*stream.pieces[:number], frame])
            yield Edit(f"{what}, behind frame {number - 1}", made, group=what)


@operator("behind-an-error", "Events behind an error", applies=ANTHROPIC, noticed_by=("ERR-005",))
def behind_an_error(stream: Stream) -> Iterator[Edit]:
    for number in range(2, len(stream.pieces) - 1):
        frame = stream.dialect.error_frame("boom", "overloaded_error")
        yield Edit(f"before frame {number}", partial(stream.inserted, number, frame))
