"""Faults of Ollama's lines: what stands between them, and what gateways in front of it send."""

from __future__ import annotations

import json
from typing import Any

from streamgauge.faults import fault
from streamgauge.faults._edit import halfway, rewrite
from streamgauge.script import Script
from streamgauge.wire import elements, members

OLLAMA = ("ollama-chat", "ollama-generate")


@fault(
    "F-E13",
    "blank-lines",
    "Empty lines between the objects",
    layer="dialect",
    effect="lossless",
    applies=("ndjson",),
    expected="ignored (ndjson-spec: parsers may ignore empty lines)",
)
def blank_lines(script: Script, _: str) -> Script:
    """One behind each object, as a keep-alive."""
    return script.edit(lambda frames: [frame + b"\n" if frame.endswith(b"\n") else frame for frame in frames])


@fault(
    "F-E13b",
    "crlf-lines",
    "CRLF instead of LF behind each object",
    layer="dialect",
    effect="lossless",
    applies=("ndjson",),
    expected="the same events (ndjson-spec: the newline may be preceded by a carriage return)",
)
def crlf_lines(script: Script, _: str) -> Script:
    """The objects themselves hold no raw line end."""

    def change(frame: bytes) -> bytes:
        return frame[:-1] + b"\r\n" if frame.endswith(b"\n") and not frame.endswith(b"\r\n") else frame

    return script.edit(lambda frames: [change(f) for f in frames])


@fault(
    "F-E13c",
    "string-arguments",
    "A tool call's arguments as a string, as in the OpenAI-compatible API",
    layer="dialect",
    effect="damaged",
    applies=("ollama-chat",),
    expected="the same calls, or reported",
)
def string_arguments(script: Script, _: str) -> Script:
    """Gateways mix the two APIs up."""

    def change(value: dict[str, Any]) -> None:
        for call in elements(members(value.get("message")).get("tool_calls")):
            function = members(members(call).get("function"))
            if isinstance(function.get("arguments"), dict):
                function["arguments"] = json.dumps(function["arguments"], separators=(",", ":"))

    return rewrite(script, change)


@fault(
    "F-E13d",
    "error-then-done",
    "An error, and an object with done: true behind it",
    layer="dialect",
    effect="error",
    applies=OLLAMA,
    expected="the library's error: the object behind it makes no success of it",
)
def error_then_done(script: Script, _: str) -> Script:
    """In the middle of the answer."""
    kept = halfway(script)
    error = script.dialect.error_frame("streamgauge: the upstream failed", "")
    return script.edit(lambda frames: [*frames[:kept], error, *frames[-1:]])
