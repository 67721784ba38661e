"""Faults of Cohere's chat events: what comes between them, what lacks behind them, errors of every reason."""

from __future__ import annotations

from typing import Any

from streamgauge.events import End
from streamgauge.faults import fault
from streamgauge.faults._edit import halfway, located, one_of, rewrite
from streamgauge.faults.status import MESSAGE
from streamgauge.frames import sse_event
from streamgauge.script import Script
from streamgauge.wire import members

COHERE = ("cohere-chat",)
REASONS = ("ERROR", "TIMEOUT")


@fault(
    "F-E31",
    "no-done",
    "Nothing behind message-end",
    layer="dialect",
    effect="lossless",
    applies=COHERE,
    expected="the same events: message-end is the end",
)
def no_done(script: Script, _: str) -> Script:
    """The service sends [DONE] there, which its reference does not mention."""
    ends = located(script, (End,))
    return script.edit(lambda frames: frames[: ends[-1] + 1] if ends else frames)


@fault(
    "F-E31b",
    "documented-extras",
    "Citations and debugging events between the others",
    layer="dialect",
    effect="lossless",
    applies=COHERE,
    argument="citations or debug",
    variants=("citations", "debug"),
    expected="the same events",
)
def documented_extras(script: Script, argument: str) -> Script:
    """Both are in the reference."""
    cited = {"start": 0, "end": 1, "text": "x", "sources": [], "type": "TEXT_CONTENT"}
    extras: dict[str, list[dict[str, Any]]] = {
        "citations": [
            {"type": "citation-start", "index": 0, "delta": {"message": {"citations": cited}}},
            {"type": "citation-end", "index": 0},
        ],
        "debug": [{"type": "debug", "prompt": "<BOS_TOKEN>"}],
    }
    kept = halfway(script)
    more = [sse_event(extra, str(extra["type"])) for extra in extras[one_of(argument, *extras)]]
    return script.edit(lambda frames: [*frames[:kept], *more, *frames[kept:]])


@fault(
    "F-E31c",
    "failed-end",
    "message-end with a reason that is a failure, in the middle",
    layer="dialect",
    effect="error",
    applies=COHERE,
    argument="ERROR or TIMEOUT",
    variants=REASONS,
    expected="the library's error, never a finish like any other",
)
def failed_end(script: Script, argument: str) -> Script:
    """finish_reason and error are all that tells."""
    delta: dict[str, Any] = {"finish_reason": one_of(argument, *REASONS), "error": MESSAGE, "usage": {}}
    end = sse_event({"type": "message-end", "delta": delta}, "message-end")
    return script.with_body([*script.frames()[: halfway(script)], end, b"data: [DONE]\n\n"])


@fault(
    "F-E31d",
    "billed-only",
    "usage without tokens, only in billed units",
    layer="dialect",
    effect="damaged",
    applies=COHERE,
    expected="unknown, or told under the name of billed units",
)
def billed_only(script: Script, _: str) -> Script:
    """Older deployments of the API say so."""

    def change(value: dict[str, Any]) -> None:
        members(members(value.get("delta")).get("usage")).pop("tokens", None)

    return rewrite(script, change)
