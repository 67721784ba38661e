"""Builds the example streams of rules: a correct stream, and single messages to make incorrect ones of."""

from __future__ import annotations

import base64
import json
from typing import Any

from streamgauge.eventstream import encode_message


def message(headers: dict[str, str], payload: Any) -> bytes:
    """One message with these headers."""
    return encode_message(headers, json.dumps(payload, separators=(",", ":")).encode())


def event(kind: str, /, **members: Any) -> bytes:
    """One event as the service sends it; a member given as `...` is left out."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, {name: value for name, value in members.items() if value is not ...})


def exception(kind: str, text: str = "slow down") -> bytes:
    """One modelled error."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return message(headers, {"message": text})


def chunk(value: Any) -> bytes:
    """One message of InvokeModelWithResponseStream."""
    return event("chunk", bytes=base64.b64encode(json.dumps(value).encode()).decode())


def delta(index: Any = 0, **members: Any) -> bytes:
    """One delta of a block."""
    return event("contentBlockDelta", contentBlockIndex=index, delta=members)


def closed(index: Any = 0) -> bytes:
    """The end of a block."""
    return event("contentBlockStop", contentBlockIndex=index)


def text(*pieces: str, index: int = 0) -> bytes:
    """A whole text block, which needs no start."""
    return b"".join(delta(index, text=piece) for piece in pieces) + closed(index)


def called(index: int = 0, **members: Any) -> bytes:
    """The start of a tool call."""
    tool = {"toolUseId": f"tooluse_{index}", "name": "f", **members}
    tool = {name: value for name, value in tool.items() if value is not ...}
    return event("contentBlockStart", contentBlockIndex=index, start={"toolUse": tool})


def call(*pieces: str, index: int = 0, **members: Any) -> bytes:
    """A whole tool call."""
    inputs = b"".join(delta(index, toolUse={"input": piece}) for piece in pieces)
    return called(index, **members) + inputs + closed(index)


START = event("messageStart", role="assistant")
USAGE = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}


def stopped(reason: Any = "end_turn") -> bytes:
    """messageStop."""
    return event("messageStop", stopReason=reason)


def metadata(**members: Any) -> bytes:
    """The last event."""
    return event("metadata", **{"usage": USAGE, "metrics": {"latencyMs": 9}, **members})


def stream(*middle: bytes, tail: bytes | None = None) -> bytes:
    """A correct stream around some blocks."""
    return START + b"".join(middle) + (stopped() + metadata() if tail is None else tail)


HELLO = stream(text("Hello", " there"))
CALLS = stream(text("I look."), call('{"a":', "1}", index=1), tail=stopped("tool_use") + metadata())
INVOKED = b"".join(
    chunk({"generation": said, "prompt_token_count": 3, "generation_token_count": made, "stop_reason": reason})
    for said, made, reason in (("Hello", 1, None), (" there", 2, "stop"))
)


def flipped(body: bytes, at: int) -> bytes:
    """The body with one bit changed."""
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
