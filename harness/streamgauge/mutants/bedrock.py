"""Bedrock's binary messages and the events of ConverseStream, damaged; the tables are those of the API reference."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from streamgauge.eventstream import encode_message
from streamgauge.mutants import Edit, operator
from streamgauge.mutants._events import cut_off, edit, lost, moved, of
from streamgauge.mutants._places import always
from streamgauge.mutants.equivalence import cut_short
from streamgauge.mutants.flow import SAID, Flow
from streamgauge.mutants.members import Schema, event_name, optional, required
from streamgauge.mutants.stream import Piece, Stream, dumps
from streamgauge.wire import members

BEDROCK = ("bedrock-converse",)
BINARY = ("eventstream",)
START, DELTA, STOP = "contentBlockStart", "contentBlockDelta", "contentBlockStop"
USAGE = ("inputTokens", "outputTokens", "totalTokens")

FLOW = Flow(
    applies=BEDROCK,
    kinds={
        "messageStart": ("BRK-003",),
        START: ("BRK-003", "BRK-005"),
        DELTA: (*SAID, "BRK-003"),
        STOP: ("BRK-003", "BRK-005"),
        "messageStop": ("BRK-003",),
        "metadata": ("BRK-003",),
        "modelStreamErrorException": ("BRK-003",),
        "chunk": (*SAID, "AGG-004", "BRK-019"),
        **{f"message_{step}": ("BRK-016",) for step in ("start", "delta", "stop")},
        **{f"content_block_{step}": ("BRK-016",) for step in ("start", "stop")},
        "content_block_delta": (*SAID, "BRK-016"),
    },
    behind=("BRK-003", "BRK-016"),
    cut=("BRK-003", "BRK-016", "BRK-019"),
    stray=("BRK-003", "BRK-012", "BRK-013", "BRK-017", "BRK-007", "BRK-005", "ERR-009"),
    notices={
        **dict.fromkeys(("lost-other-member", "retyped-other-member"), ("BRK-016", "BRK-017")),
        "impossible-count": ("BRK-017",),
        "lost-usage": ("BRK-003",),
    },
)
"""A chunk's payload is a Claude model's event, or another model's part of an answer, whose last one states the rest."""

EVENTS = Schema(
    BEDROCK,
    (
        required("role", "string", "BRK-003", on=("messageStart",)),
        required("contentBlockIndex", "number", "BRK-005", on=(START, DELTA, STOP)),
        required("start", "object", "BRK-013", on=(START,)),
        required("start.toolUse", "object", "BRK-013", on=(START,)),
        required("start.toolUse.toolUseId", "string", "BRK-009", on=(START,)),
        required("start.toolUse.name", "string", "BRK-009", on=(START,)),
        required("delta", "object", "BRK-013", on=(DELTA,)),
        required("delta.text", "string", "BRK-013", on=(DELTA,)),
        required("delta.toolUse", "object", "BRK-013", "BRK-009", on=(DELTA,)),
        required("delta.toolUse.input", "string", "BRK-009", on=(DELTA,)),
        required("delta.reasoningContent", "object", "BRK-013", on=(DELTA,)),
        optional("delta.reasoningContent.text", "string", "BRK-013", on=(DELTA,)),
        optional("delta.reasoningContent.signature", "string", "BRK-013", on=(DELTA,)),
        required("stopReason", "string", "BRK-008", on=("messageStop",)),
        required("usage", "object", "BRK-007", on=("metadata",)),
        *(required(f"usage.{name}", "number", "BRK-007", on=("metadata",)) for name in USAGE),
        optional("message", "string", "ERR-009", on=("modelStreamErrorException",)),
        required("metrics", "object", "BRK-007", on=("metadata",)),
        required("metrics.latencyMs", "number", "BRK-007", on=("metadata",)),
    ),
)


def _flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def _pieces(stream: Stream, what: str, change: Callable[[bytes], bytes]) -> Iterator[Edit]:
    for number, piece in enumerate(stream.pieces):
        yield Edit(f"frame {number}: {what}", partial(stream.instead, number, Piece(change(piece.raw))), group=what)


@operator(
    "damaged-message",
    "A bit flipped, in the prelude, the headers, the payload or a checksum",
    applies=BINARY,
    noticed_by=("BRK-001",),
)
def damaged_message(stream: Stream) -> Iterator[Edit]:
    for what, at in (("total length", 3), ("headers length", 7), ("prelude CRC", 9), ("header", 20), ("CRC", -1)):
        yield from _pieces(stream, what, partial(_flip_at, at))
    yield from _pieces(stream, "payload", lambda raw: _flipped(raw, len(raw) - 8))


def _flip_at(at: int, raw: bytes) -> bytes:
    return _flipped(raw, at % len(raw))


@operator("lost-bytes", "Bytes are missing between two messages, or too many", applies=BINARY, noticed_by=("BRK-001",))
def lost_bytes(stream: Stream) -> Iterator[Edit]:
    for number, piece in enumerate(stream.pieces[:-1]):
        yield Edit(f"frame {number}: a byte less", partial(stream.instead, number, piece.raw[:-1]), group="less")
        yield Edit(f"frame {number}: a byte more", partial(stream.instead, number, piece.raw + b"\0"), group="more")


def _headed(piece: Piece, headers: dict[str, str]) -> Piece:
    """The message with other headers."""
    payload = piece.raw[12 + int.from_bytes(piece.raw[4:8], "big") : -4]
    return replace(piece, raw=encode_message(headers, payload), headers=tuple(headers.items()))


@operator("odd-headers", "Headers that are missing, or say another kind", applies=BINARY, noticed_by=("BRK-006",))
def odd_headers(stream: Stream) -> Iterator[Edit]:
    for number, piece in enumerate(stream.pieces):
        known = dict(piece.headers)
        for name in (":message-type", ":event-type", ":exception-type"):
            if name in known:
                bare = {n: v for n, v in known.items() if n != name}
                yield Edit(
                    f"frame {number}: no {name}", partial(stream.instead, number, _headed(piece, bare)), group=name
                )
        for kind in ("data", "", "exception" if ":event-type" in known else "event"):
            made = _headed(piece, {**known, ":message-type": kind})
            yield Edit(f"frame {number}: {kind!r}", partial(stream.instead, number, made), group=f"kind {kind}")


@operator("exception-as-event", "A modelled error as an event", applies=BEDROCK, noticed_by=("ERR-009",))
def exception_as_event(stream: Stream) -> Iterator[Edit]:
    for name in ("throttlingException", "modelStreamErrorException"):
        headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
        frame = encode_message(headers, dumps({"message": "slow down"}))
        for number in range(2, len(stream.pieces)):
            yield Edit(f"{name} behind frame {number - 1}", partial(cut_off, stream, number, frame), group=name)


@operator("unmodelled-exception", "An exception of a name that there is not", applies=BEDROCK, noticed_by=("ERR-009",))
def unmodelled_exception(stream: Stream) -> Iterator[Edit]:
    headers = {":exception-type": "SlowDown", ":content-type": "application/json", ":message-type": "exception"}
    frame = encode_message(headers, dumps({"message": "slow down"}))
    for number in range(2, len(stream.pieces)):
        yield Edit(f"behind frame {number - 1}", partial(cut_off, stream, number, frame))


@operator(
    "other-bedrock-index",
    "The index of another block",
    applies=BEDROCK,
    noticed_by=("BRK-005", "BRK-003"),
    equivalent=cut_short,
)
def other_bedrock_index(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, START, DELTA, STOP):
        yield edit(stream, number, ("contentBlockIndex",), "+5", lambda index: index + 5)
        yield edit(stream, number, ("contentBlockIndex",), "-1", always(-1))


@operator("unstarted-call", "A tool call without its contentBlockStart", applies=BEDROCK, noticed_by=("BRK-003",))
def unstarted_call(stream: Stream) -> Iterator[Edit]:
    yield from lost(stream, START)


@operator("unstopped-block", "A block without its contentBlockStop", applies=BEDROCK, noticed_by=("BRK-003",))
def unstopped_block(stream: Stream) -> Iterator[Edit]:
    yield from lost(stream, STOP)


@operator("delta-behind-stop", "A delta behind its block's end", applies=BEDROCK, noticed_by=("BRK-005",))
def delta_behind_stop(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, DELTA):
        for end, other in of(stream, STOP):
            if end > number and other["contentBlockIndex"] == value["contentBlockIndex"]:
                yield moved(stream, number, end + 1)


@operator("no-bedrock-start", "messageStart is missing, late, or twice", applies=BEDROCK, noticed_by=("BRK-003",))
def no_bedrock_start(stream: Stream) -> Iterator[Edit]:
    yield from lost(stream, "messageStart")
    for number, _ in of(stream, "messageStart"):
        yield moved(stream, number, number + 2)
        yield Edit("twice", partial(stream.inserted, number, stream.pieces[number]), group="twice")
        yield edit(stream, number, ("role",), "user", always("user"))


@operator(
    "no-bedrock-stop", "messageStop is missing, early, or twice", applies=BEDROCK, noticed_by=("BRK-003", "ERR-001")
)
def no_bedrock_stop(stream: Stream) -> Iterator[Edit]:
    yield from lost(stream, "messageStop")
    for number, _ in of(stream, "messageStop"):
        yield Edit("twice", partial(stream.inserted, number, stream.pieces[number]), group="twice")
        for place in range(1, number):
            one = moved(stream, number, place)
            yield Edit(one.what, one.make, group="early")


@operator("no-metadata", "metadata is missing, or not last", applies=BEDROCK, noticed_by=("BRK-003",))
def no_metadata(stream: Stream) -> Iterator[Edit]:
    yield from lost(stream, "metadata")
    for number, _ in of(stream, "metadata"):
        for place in range(1, number):
            one = moved(stream, number, place)
            yield Edit(one.what, one.make, group="early")


@operator("unknown-bedrock-stop", "A stopReason that there is not", applies=BEDROCK, noticed_by=("BRK-008",))
def unknown_bedrock_stop(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, "messageStop"):
        for word in ("stop", "END_TURN", "tool_calls", "", None):
            yield edit(stream, number, ("stopReason",), repr(word), always(word))


@operator("unequal-bedrock-stop", "stopReason and tool calls disagree", applies=BEDROCK, noticed_by=("BRK-011",))
def unequal_bedrock_stop(stream: Stream) -> Iterator[Edit]:
    called = any("toolUse" in members(value.get("start")) for _, value in of(stream, START))
    word = "end_turn" if called else "tool_use"
    for number, _ in of(stream, "messageStop"):
        yield edit(stream, number, ("stopReason",), word, always(word))


@operator(
    "damaged-nova",
    "Events lost or moved among those that an invoked Nova model sends in chunks",
    applies=BEDROCK,
    noticed_by=("BRK-018",),
)
def damaged_nova(stream: Stream) -> Iterator[Edit]:
    told = of(stream, "messageStart", START, DELTA, STOP, "messageStop")
    if not any(event_name(stream, number) == "messageStart" for number, _ in told):
        return
    chunks = [_invoked(event_name(stream, number), value) for number, value in told]
    for number in range(len(told)):
        kind = event_name(stream, told[number][0])
        if kind != DELTA:
            rest = [*chunks[:number], *chunks[number + 1 :]]
            yield Edit(f"no {kind}", partial(stream.with_pieces, rest), group=f"no {kind}")
        last = [*chunks[:number], *chunks[number + 1 :], chunks[number]]
        if number + 1 < len(chunks):
            yield Edit(f"{kind} last", partial(stream.with_pieces, last), group=f"{kind} last")


def _invoked(kind: str, value: Any) -> bytes:
    """An event of ConverseStream as a chunk of InvokeModelWithResponseStream has it."""
    headers = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return encode_message(headers, dumps({"bytes": base64.b64encode(dumps({kind: value})).decode()}))


@operator("low-total", "A total below the sum", applies=BEDROCK, noticed_by=("BRK-007",))
def low_total(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, "metadata"):
        yield edit(stream, number, ("usage", "totalTokens"), "1", always(1))
        yield edit(stream, number, ("usage", "inputTokens"), "more", lambda count: count + 1)


@operator("odd-bedrock-delta", "A delta with two members, or none", applies=BEDROCK, noticed_by=("BRK-013",))
def odd_bedrock_delta(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, DELTA):
        other = "toolUse" if "text" in value["delta"] else "text"
        more: dict[str, Any] = {**value["delta"], other: {"input": ""} if other == "toolUse" else ""}
        yield edit(stream, number, ("delta",), "two members", always(more))
        yield edit(stream, number, ("delta",), "none", always({}))


@operator("broken-tool-input", "Tool input that is no JSON object", applies=BEDROCK, noticed_by=("BRK-010", "AGG-002"))
def broken_tool_input(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, DELTA):
        if members(value["delta"].get("toolUse")).get("input"):
            path = ("delta", "toolUse", "input")
            yield edit(stream, number, path, "half", lambda said: said[: len(said) // 2], "half")
            yield edit(stream, number, path, "twice", lambda said: said + said, "twice")


@operator("odd-chunk", "A chunk whose bytes are no base64", applies=BEDROCK, noticed_by=("BRK-012",))
def odd_chunk(stream: Stream) -> Iterator[Edit]:
    for number, piece in enumerate(stream.pieces):
        if piece.inner:
            for payload in ({"bytes": "not base64!"}, {"bytes": None}, {}, {"bytes": ["eA=="]}, piece.value):
                raw = encode_message(dict(piece.headers), dumps(payload))
                yield Edit(
                    f"frame {number}: {str(payload)[:40]}",
                    partial(stream.instead, number, raw),
                    group=str(type(payload)),
                )
