"""Faults of Anthropic's message events: what may come anywhere, and blocks that are not as the reference says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamgauge.dialects.anthropic_messages.encoder import encode_error_frame
from streamgauge.events import TextDelta
from streamgauge.faults import fault
from streamgauge.faults._edit import halfway, json_of, lines, located, one_of, rewrite
from streamgauge.faults.status import MESSAGE
from streamgauge.frames import sse_event
from streamgauge.script import Script
from streamgauge.wire import members

ANTHROPIC = ("anthropic-messages",)
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
TYPES = ("overloaded_error", "rate_limit_error", "api_error", "authentication_error", "invalid_request_error")


@fault(
    "F-E10",
    "pings",
    "ping events where they may be: anywhere",
    layer="dialect",
    effect="lossless",
    applies=ANTHROPIC,
    argument="everywhere, or first (before message_start)",
    variants=("everywhere", "first"),
    expected="the same events",
)
def pings(script: Script, argument: str) -> Script:
    """ "Event streams may also include any number of ping events." """
    if one_of(argument, "everywhere", "first") == "first":
        return script.edit(lambda frames: [PING, *frames])
    return script.edit(
        lambda frames: [piece for frame in frames for piece in ((PING, frame) if _says(frame) else (frame,))]
    )


def _says(frame: bytes) -> bool:
    """Whether it is an event: a comment may stand behind the last one, where no ping may."""
    return any(line.startswith(b"data") for line, _ in lines(frame))


@fault(
    "F-E10b",
    "block-index-gap",
    "The indexes of blocks have gaps",
    layer="dialect",
    effect="damaged",
    applies=ANTHROPIC,
    expected="the same answer, or an error that says so; calls are never merged",
)
def block_index_gap(script: Script, _: str) -> Script:
    """Every index is doubled, and one higher."""

    def change(value: dict[str, Any]) -> None:
        if isinstance(value.get("index"), int):
            value["index"] = 2 * value["index"] + 1

    return rewrite(script, change)


@fault(
    "F-E10c",
    "wrong-delta",
    "Text comes as thinking_delta inside a text block",
    layer="dialect",
    effect="damaged",
    applies=ANTHROPIC,
    expected="an error, or the text under either name; never silently lost",
)
def wrong_delta(script: Script, _: str) -> Script:
    """From the middle of the text on."""
    texts = located(script, (TextDelta,))
    late = set(texts[len(texts) // 2 :])

    def change(value: dict[str, Any]) -> None:
        delta = members(value.get("delta"))
        if delta.get("type") == "text_delta":
            delta["type"] = "thinking_delta"
            delta["thinking"] = delta.pop("text", "")

    return _some(script, late, change)


@fault(
    "F-E10d",
    "no-block-stop",
    "content_block_stop is missing",
    layer="dialect",
    effect="damaged",
    applies=ANTHROPIC,
    expected="the same answer, or an error that says so",
)
def no_block_stop(script: Script, _: str) -> Script:
    """Every one of them."""
    return script.edit(lambda frames: [f for f in frames if _kind(f, script) != "content_block_stop"])


@fault(
    "F-E10e",
    "no-message-stop",
    "message_stop is missing",
    layer="dialect",
    effect="truncated",
    applies=ANTHROPIC,
    expected="an error that says the stream is incomplete, though the stop reason has come",
)
def no_message_stop(script: Script, _: str) -> Script:
    """All else is there; of a stream that ended otherwise, its last event is missing."""
    frames = script.frames()
    kept = [f for f in frames if _kind(f, script) != "message_stop"]
    return script.with_body(kept if len(kept) < len(frames) else frames[:-1])


@fault(
    "F-E10f",
    "done-appended",
    "[DONE] behind message_stop",
    layer="dialect",
    effect="surplus",
    applies=ANTHROPIC,
    expected="ignored",
)
def done_appended(script: Script, _: str) -> Script:
    """What gateways that translate from OpenAI's chat send."""
    return script.with_body([*script.frames(), b"data: [DONE]\n\n"])


@fault(
    "F-E10g",
    "novel-blocks",
    "A block and a delta of types that the client does not know",
    layer="dialect",
    effect="lossless",
    applies=ANTHROPIC,
    argument="block or delta",
    variants=("block", "delta"),
    expected="the same events",
)
def novel_blocks(script: Script, argument: str) -> Script:
    """Types are added as the API grows; a new block comes behind the others."""
    if one_of(argument, "block", "delta") == "delta":
        return script.edit(
            lambda frames: [p for f in frames for p in ([f, _novel(f, script)] if _is_delta(f) else [f])]
        )
    frames = script.frames()
    index = sum(_kind(f, script) == "content_block_start" for f in frames)
    opening = {"type": "content_block_start", "index": index, "content_block": {"type": "streamgauge_block"}}
    closing = {"type": "content_block_stop", "index": index}
    block = [sse_event(event, str(event["type"])) for event in (opening, closing)]
    at = next((n for n, f in enumerate(frames) if _kind(f, script) == "message_delta"), None)
    return script if at is None else script.with_body([*frames[:at], *block, *frames[at:]])


@fault(
    "F-E10h",
    "typed-error",
    "An error event of one of Anthropic's types, in the middle",
    layer="dialect",
    effect="error",
    applies=ANTHROPIC,
    argument=f"one of {', '.join(TYPES)}",
    variants=TYPES,
    expected="the class of error that the HTTP status would give, with what had come",
)
def typed_error(script: Script, argument: str) -> Script:
    """ "an overloaded_error, which would normally correspond to an HTTP 529 in a non-streaming context" """
    error = encode_error_frame(MESSAGE, one_of(argument, *TYPES))
    return script.with_body([*script.frames()[: halfway(script)], error])


def _kind(frame: bytes, script: Script) -> str:
    """The type of the frame's event, "" where it has none."""
    found = json_of(frame, script.dialect)
    kind = members(found[2]).get("type") if found else None
    return kind if isinstance(kind, str) else ""


def _is_delta(frame: bytes) -> bool:
    return b"content_block_delta" in frame


def _novel(frame: bytes, script: Script) -> bytes:
    """A delta of the same block that says nothing known; nothing where the frame is no event."""
    found = json_of(frame, script.dialect)
    if found is None:
        return b""
    event = {"type": "content_block_delta", "index": members(found[2]).get("index")}
    return sse_event({**event, "delta": {"type": "streamgauge_delta", "text": "x"}}, "content_block_delta")


def _some(script: Script, numbers: set[int], change: Callable[[dict[str, Any]], None]) -> Script:
    """The frames of these numbers changed."""
    frames = script.frames()
    out = [
        rewrite(script.with_body([frame]), change).body if number in numbers else frame
        for number, frame in enumerate(frames)
    ]
    return script.with_body(out)
