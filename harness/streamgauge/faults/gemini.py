"""Faults of Gemini's responses: other framing, other endings, counts that come early."""

from __future__ import annotations

import json
from typing import Any

from streamgauge.faults import fault
from streamgauge.faults._edit import json_of, rewrite
from streamgauge.script import Script
from streamgauge.wire import elements, members

GEMINI = ("gemini-generate",)


def _values(script: Script) -> list[Any]:
    """The JSON values of all frames that have one."""
    found = (json_of(frame, script.dialect) for frame in script.frames())
    return [f[2] for f in found if f is not None]


@fault(
    "F-E11",
    "json-array",
    "One JSON array instead of server-sent events, as without alt=sse",
    layer="dialect",
    effect="damaged",
    applies=GEMINI,
    expected="the same events, or an error that shows the media type",
)
def json_array(script: Script, _: str) -> Script:
    """With the separators and the media type of Google's services."""
    values = [json.dumps(v, ensure_ascii=False, indent=2).encode() for v in _values(script)]
    pieces = [b"[" + v if n == 0 else b",\r\n" + v for n, v in enumerate(values)] or [b"["]
    others = tuple(h for h in script.headers if h[0].lower() != "content-type")
    headers = (("Content-Type", "application/json; charset=UTF-8"), *others)
    return script.with_body([*pieces, b"\n]\n"]).but(headers=headers)


@fault(
    "F-E11b",
    "end-without-content",
    "finishReason and usage in a last response without content",
    layer="dialect",
    effect="lossless",
    applies=GEMINI,
    expected="the same events",
)
def end_without_content(script: Script, _: str) -> Script:
    """A response that has a finishReason beside parts becomes two."""

    def split(frame: bytes) -> list[bytes]:
        found = json_of(frame, script.dialect)
        candidates = [members(c) for c in elements(members(found[2]).get("candidates"))] if found else []
        if found is None or not any(c.get("finishReason") and c.get("content") for c in candidates):
            return [frame]
        start, end, value = found
        ends = ("finishReason", "finishMessage")
        said = [{k: v for k, v in c.items() if k not in ends} for c in candidates]
        ended = [{k: v for k, v in c.items() if k != "content"} for c in candidates if c.get("finishReason")]
        first = {**{k: v for k, v in value.items() if k != "usageMetadata"}, "candidates": said}
        return [
            frame[:start] + json.dumps(v, separators=(",", ":")).encode() + frame[end:]
            for v in (first, {**value, "candidates": ended})
        ]

    return script.edit(lambda frames: [piece for frame in frames for piece in split(frame)])


@fault(
    "F-E11c",
    "early-stop",
    "finishReason STOP in every response",
    layer="dialect",
    effect="damaged",
    applies=GEMINI,
    expected="the whole text, or reported",
)
def early_stop(script: Script, _: str) -> Script:
    """Gateways in front of Gemini say so."""

    def change(value: dict[str, Any]) -> None:
        for candidate in elements(value.get("candidates")):
            if isinstance(candidate, dict):
                candidate.setdefault("finishReason", "STOP")

    return rewrite(script, change)


@fault(
    "F-E11d",
    "blocked",
    "The prompt was blocked: no candidate, HTTP 200",
    layer="dialect",
    effect="damaged",
    applies=GEMINI,
    expected="reported as a refusal, never an empty success",
)
def blocked(script: Script, _: str) -> Script:
    """promptFeedback.blockReason is all that comes."""
    value = {
        "promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3},
    }
    return script.with_body([f"data: {json.dumps(value)}\r\n\r\n".encode()])


@fault(
    "F-E11e",
    "usage-counts-up",
    "usageMetadata in every response, counting up",
    layer="dialect",
    effect="damaged",
    applies=GEMINI,
    expected="the last one counts",
)
def usage_counts_up(script: Script, _: str) -> Script:
    """What the service does; the counts before the last are of what had come by then."""
    told = 0

    def change(value: dict[str, Any]) -> None:
        nonlocal told
        if value.get("candidates") and "usageMetadata" not in value:
            told += 1
            counts = {"promptTokenCount": 3, "candidatesTokenCount": told, "totalTokenCount": 3 + told}
            value["usageMetadata"] = counts

    return rewrite(script, change)
