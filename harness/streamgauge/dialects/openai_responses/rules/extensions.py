"""What a vendor adds to the standard events and items of Open Responses."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.dialects.openai_responses._samples import HELLO, body, numbered
from streamgauge.dialects.openai_responses._sources import OPEN, OPEN_SCHEMA
from streamgauge.dialects.openai_responses._view import ADDED, view
from streamgauge.evidence import brief
from streamgauge.rules import Exchange, Finding, server_rule
from streamgauge.wire import text

OPEN_ONLY = ("open-responses",)
STANDARD_EVENTS = frozenset(
    [
        "error",
        *(f"response.{s}" for s in ("created", "queued", "in_progress", "completed", "failed", "incomplete")),
        *(
            f"response.{s}.{v}"
            for s in ("output_item", "content_part", "reasoning_summary_part")
            for v in ("added", "done")
        ),
        *(
            f"response.{s}.{v}"
            for s in ("output_text", "refusal", "reasoning", "reasoning_summary_text", "function_call_arguments")
            for v in ("delta", "done")
        ),
        "response.output_text.annotation.added",
    ]
)
STANDARD_ITEMS = frozenset(
    (
        "message",
        "function_call",
        "function_call_output",
        "reasoning",
        "compaction",
        "file_search_call",
        "web_search_call",
    )
)


@server_rule(
    "OAR-016",
    "extension events are prefixed and ignorable",
    group="items",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{OPEN}: "all extended streaming events MUST be prefixed with the implementor slug"; "New item types that '
    "are "
    f'not part of this specification MUST be prefixed with the implementor slug"; the standard ones are those of '
    f"{OPEN_SCHEMA}. Names that OpenAI's own reference has count as non-strict",
    applies=OPEN_ONLY,
    good=body(numbered([*HELLO[:2], {"type": "acme:trace_event"}, *HELLO[2:]]), done=True),
    bad=body(numbered([*HELLO[:2], {"type": "trace_event"}, *HELLO[2:]]), done=True),
)
def extensions_prefixed(exchange: Exchange) -> Iterator[Finding]:
    """Non-standard event and item types have an implementor prefix; ignoring them leaves the canonical response
    intact.
    """
    for event in view(exchange).events:
        if event.kind not in STANDARD_EVENTS and ":" not in event.kind:
            openai = event.kind.startswith("response.")
            yield Finding("a prefix such as acme:", f"event type {brief(event.kind)}", event.span, mild=openai)
        kind = text(event.item.get("type"))
        if event.kind == ADDED and kind not in STANDARD_ITEMS and ":" not in kind:
            openai = kind.endswith(("_call", "_output"))
            yield Finding("a prefix such as acme:", f"item type {brief(kind)}", event.span, mild=openai)
