"""The types of Responses' events, and their numbers put in order again."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.mutants import Edit
from streamgauge.mutants._places import always, put
from streamgauge.mutants.stream import Stream

RESPONSES = ("openai-responses",)
OPEN = ("open-responses",)
TERMINAL = ("response.completed", "response.incomplete", "response.failed")
WITH_RESPONSE = ("response.created", "response.in_progress", *TERMINAL)
ADDED, DONE = "response.output_item.added", "response.output_item.done"
TEXT = "response.output_text"
PARTS = ("response.content_part.added", "response.content_part.done")
SUMMARY = ("response.reasoning_summary_part.added", "response.reasoning_summary_part.done")
SPOKEN = ("output_text", "refusal", "reasoning_text", "reasoning", "reasoning_summary_text")
DELTAS = tuple(f"response.{s}.delta" for s in (*SPOKEN, "function_call_arguments", "custom_tool_call_input"))
WHOLES = tuple(f"response.{s}.done" for s in (*SPOKEN, "function_call_arguments", "custom_tool_call_input"))
IN_PART = tuple(f"response.{s}.{v}" for s in SPOKEN[:4] for v in ("delta", "done"))
IN_SUMMARY = tuple(f"response.reasoning_summary_text.{v}" for v in ("delta", "done"))
ITEMS = (*DELTAS, *WHOLES, *PARTS, *SUMMARY)
STATED = ("OAR-021",)


def numbered(stream: Stream) -> Stream:
    """The same with its sequence numbers anew, so that only the order can tell what is wrong."""
    for count, (number, value) in enumerate((n, v) for n, v in stream.objects if "sequence_number" in v):
        if value["sequence_number"] != count:
            stream = stream.changed(number, partial(put, ("sequence_number",), always(count)))
    return stream


def renumbered(edits: Iterator[Edit]) -> Iterator[Edit]:
    """The same edits, each with its sequence numbers anew."""
    for one in edits:
        yield Edit(f"{one.what}, numbered anew", lambda make=one.make: numbered(make()), group=one.group)  # type: ignore[misc]
