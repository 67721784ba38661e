"""Faults at the edge of an event: what lacks only its blank line, and what stands in the first fragment."""

from __future__ import annotations

from typing import Any

from streamgauge.faults import fault
from streamgauge.faults._chat import calls
from streamgauge.faults._edit import halfway, json_of, lines, output_frames, rewrite, unlines
from streamgauge.script import Script
from streamgauge.wire import elements, members

IDENTITY = ("id", "model", "created")


@fault(
    "F-C04b",
    "unfinished-event",
    "The stream ends behind an event's data line, before its blank line",
    layer="loss",
    effect="truncated",
    applies=("sse",),
    expected="the event is not delivered; the stream is reported as incomplete",
)
def unfinished_event(script: Script, _: str) -> Script:
    """WHATWG HTML 9.2.6: "If the file ends in the middle of an event, before the final empty line, the incomplete
    event is not dispatched"."""
    frames = script.frames()
    half = halfway(script)
    kept = next((n for n in output_frames(script) if n >= half), half)
    return script.with_body([*frames[:kept], *map(_without_blank, frames[kept : kept + 1])])


@fault(
    "F-C04c",
    "unfinished-terminator",
    "The terminator without its blank line",
    layer="loss",
    effect="lossless",
    applies=("openai-chat", "openai-completions"),
    expected="the terminator counts",
)
def unfinished_terminator(script: Script, _: str) -> Script:
    """llama.cpp and others leave it out; the stream stays as it is where its terminator is no event of its own."""
    frames = script.frames()
    if not (frames and script.dialect.terminator and frames[-1] == script.dialect.terminator):
        return script
    return script.with_body([*frames[:-1], _without_blank(frames[-1])])


def _without_blank(frame: bytes) -> bytes:
    return unlines((line, end) for line, end in lines(frame) if line)


@fault(
    "F-E02b",
    "role-with-text",
    "The role beside the first text, without a chunk of its own",
    layer="dialect",
    effect="lossless",
    applies=("openai-chat",),
    expected="the same text",
)
def role_with_text(script: Script, _: str) -> Script:
    """Dynamo and others open so: the first event is then one that a reader would miss."""
    frames = script.frames()
    first = output_frames(script)[:1]
    if not first or not all(b'"role"' in f for f in frames[: first[0]]):
        return script
    opened = json_of(frames[0], script.dialect)
    # What opens the stream states its identity, which the chunks behind it may no longer have.
    identity = {name: value for name, value in members(opened and opened[2]).items() if name in IDENTITY}
    told = False

    def change(chunk: dict[str, Any]) -> None:
        nonlocal told
        if not told:
            chunk.update(identity)
        for choice in elements(chunk.get("choices")):
            if not told and isinstance(members(choice).get("delta"), dict):
                choice["delta"] = {"role": "assistant", **choice["delta"]}
                told = True

    return rewrite(script.with_body(frames[first[0] :]), change)


@fault(
    "F-E05c",
    "opening-arguments",
    "The first fragment of each tool call carries the beginning of its arguments",
    layer="dialect",
    effect="lossless",
    applies=("openai-chat",),
    expected="the same calls",
)
def opening_arguments(script: Script, _: str) -> Script:
    """OpenAI opens a call with empty arguments; others put their first characters beside the name."""
    openings: dict[tuple[Any, Any], dict[str, Any]] = {}
    taken = [json_of(f, script.dialect) for f in script.frames()]
    for found in taken:
        for key, call in calls(found[2] if found else None):
            said = members(call.get("function")).get("arguments")
            if call.get("id") and key not in openings:
                openings[key] = {"opened": not said, "first": said or "", "comes": True}
            elif key in openings and not openings[key]["first"] and said:
                openings[key]["first"] = said

    def change(chunk: dict[str, Any]) -> None:
        for key, call in calls(chunk):
            opening, function = openings.get(key), members(call.get("function"))
            if opening is None:
                continue
            if opening["comes"]:
                opening["comes"] = False
                function["arguments"] = opening["first"]
            elif opening["opened"] and function.get("arguments") == opening["first"]:
                function["arguments"] = ""
                opening["opened"] = False

    return rewrite(script, change)
