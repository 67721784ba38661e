"""Faults of Responses streams: what servers that implement the API leave out or add."""

from __future__ import annotations

from typing import Any

from streamgauge.events import End, Finish
from streamgauge.faults import fault
from streamgauge.faults._edit import edit_events, lines, located, rewrite, unlines
from streamgauge.frames import DONE
from streamgauge.script import Script

RESPONSES = ("openai-responses",)


@fault(
    "F-E14",
    "done-sentinel",
    "[DONE] behind the terminal event",
    layer="dialect",
    effect="lossless",
    applies=RESPONSES,
    expected="the same events: Open Responses demands it, OpenAI does not send it",
)
def done_sentinel(script: Script, _: str) -> Script:
    """The stream stays as it is where it has one already, or does not come to its end."""
    sentinel = f"data: {DONE}\n\n".encode()
    if sentinel in script.body or not located(script, (End, Finish)):
        return script
    return script.edit(lambda frames: [*frames, sentinel])


@fault(
    "F-E14b",
    "no-event-names",
    "Events without an event field",
    layer="dialect",
    effect="lossless",
    applies=RESPONSES,
    expected="the same events, by the type in their data",
)
def no_event_names(script: Script, _: str) -> Script:
    """transformers serve and LiteLLM send them so."""

    def bare(frame: bytes) -> bytes:
        return unlines((line, end) for line, end in lines(frame) if not line.startswith(b"event:"))

    return edit_events(script, lambda frames: [bare(f) if b"data:" in f else f for f in frames])


@fault(
    "F-E14c",
    "no-sequence-numbers",
    "Events without sequence_number",
    layer="dialect",
    effect="lossless",
    applies=RESPONSES,
    expected="the same events",
)
def no_sequence_numbers(script: Script, _: str) -> Script:
    """llama.cpp and LiteLLM send none."""

    def change(value: dict[str, Any]) -> None:
        value.pop("sequence_number", None)

    return rewrite(script, change)


@fault(
    "F-E14d",
    "bare-events",
    "Deltas without item_id, output_index and content_index",
    layer="dialect",
    effect="damaged",
    applies=RESPONSES,
    expected="the same text, or reported",
)
def bare_events(script: Script, _: str) -> Script:
    """Small servers send the delta and nothing else."""

    def change(value: dict[str, Any]) -> None:
        if str(value.get("type")).endswith((".delta", ".done")) and "item" not in value:
            for name in ("item_id", "output_index", "content_index", "summary_index"):
                value.pop(name, None)

    return rewrite(script, change)
