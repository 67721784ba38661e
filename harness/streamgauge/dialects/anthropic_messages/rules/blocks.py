"""What blocks and their deltas are made of."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.dialects.anthropic_messages._samples import (
    CALLS,
    HELLO,
    STOP,
    call,
    closed,
    delta,
    event,
    opened,
    stopped,
    stream,
)
from streamgauge.dialects.anthropic_messages._sources import STREAMING, TYPES
from streamgauge.dialects.anthropic_messages._view import DELTAS, STARTS, Block, calls_of, view
from streamgauge.evidence import brief
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import Undecodable, members, parse
from streamgauge.wire import text as text_of

ANTHROPIC = ("anthropic-messages",)
FITS = {
    "text": ("text_delta", "citations_delta"),
    "thinking": ("thinking_delta", "signature_delta"),
    "compaction": ("compaction_delta",),
}
"""Deltas of each type of block; those of calls are `input_json_delta`. Types that may be added are not judged."""
KNOWN = ("input_json_delta", *(kind for kinds in FITS.values() for kind in kinds))
CARRIED = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}
CUT_SHORT = ("max_tokens", "model_context_window_exceeded", "refusal", "pause_turn")


@server_rule(
    "ANT-005",
    "the type of a delta fits its block's",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}: "Each content_block_delta event contains a delta of a type that updates the content block '
    'at a given index."; "A text content block delta looks like": text_delta; "The deltas for tool_use content blocks '
    'correspond to updates for the input field of the block": input_json_delta; "These deltas correspond to the '
    'thinking field of the thinking content blocks": thinking_delta, and "a special signature_delta"',
    applies=ANTHROPIC,
    known=(
        "https://github.com/BerriAI/litellm/issues/33224",
        "https://github.com/BerriAI/litellm/issues/29286",
        "https://github.com/sgl-project/sglang/issues/25876",
    ),
    good=HELLO,
    bad=stream(opened(0), delta(0, "thinking_delta", thinking="hm"), closed(0)),
)
def delta_fits(exchange: Exchange) -> Iterator[Finding]:
    """text_delta/citations_delta in text, input_json_delta in tool_use, thinking_delta/signature_delta in thinking."""
    for block in view(exchange).blocks:
        allowed = ("input_json_delta",) if block.is_call else FITS.get(block.kind, ())
        for value, span in block.deltas if allowed else ():
            kind = value.get("type")
            if kind in KNOWN and kind not in allowed:
                yield Finding(" or ".join(allowed), f"{kind} in a block of type {block.kind}", span)


SAID = ("text", "thinking")
"""Types of blocks whose start has their text, in a member of the same name."""


@server_rule(
    "ANT-020",
    "blocks and deltas say their type",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{TYPES}/raw_content_block_start_event.py and raw_content_block_delta_event.py: content_block and delta "
    "are required, and so is the type of each form of them; text_block.py, thinking_block.py: their texts are strings. "
    "A block that leaves its text out counts as non-strict: the deltas have all of it, though Anthropic's own library "
    "adds them to what the start has",
    applies=ANTHROPIC,
    good=HELLO,
    bad=stream(opened(0), event("content_block_delta", index=0, delta={"text": "Hello"}), closed(0)),
)
def typed(exchange: Exchange) -> Iterator[Finding]:
    """content_block_start has a block and content_block_delta a delta, each an object with a type; a block's text and
    thinking are strings.
    """
    for told in view(exchange).told:
        name = {STARTS: "content_block", DELTAS: "delta"}.get(told.kind)
        if name is None:
            continue
        value = members(told.value.get(name))
        if not text_of(value.get("type")):
            yield Finding(f"{name} with a type", f"{name} {brief(told.value.get(name))}", told.span)
        if told.kind == STARTS and value.get("type") in SAID and value["type"] not in value:
            yield Finding(f"{value['type']}, a string", f"a block without it: {brief(value)}", told.span, mild=True)
        for member in SAID if told.kind == STARTS else ():
            if not isinstance(value.get(member, ""), str):
                yield Finding(f"{member}, a string", f"{member} {brief(value[member])}", told.span)


@server_rule(
    "ANT-006",
    "joined partial_json is one JSON object",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}: "the deltas are partial JSON strings, whereas the final tool_use.input is always an object." '
    "Answers that were cut, and tools with eager_input_streaming (documented to be sent unchecked), are not judged; an "
    "input in the block's start that is not {} counts as non-strict, because only the examples have it empty",
    applies=ANTHROPIC,
    needs=("tools",),
    good=CALLS,
    bad=stream(call('{"a":', "1"), tail=stopped("tool_use") + STOP),
)
def arguments_are_an_object(exchange: Exchange) -> Iterator[Finding]:
    """The concatenated partial_json of a call's block parses as an object (empty means {}); the start has input {}."""
    found = view(exchange)
    tools = (exchange.trace.request or {}).get("tools")
    if "eager_input_streaming" in brief(tools):
        raise NotApplicable("the request lets arguments come unchecked (eager_input_streaming)")
    cut = any(reason in CUT_SHORT for reason, _ in found.reasons)
    for block in calls_of(exchange):
        if block.start.get("input", {}) != {}:
            yield Finding("input {}", f"input {brief(block.start['input'])}", block.span, mild=True)
        if block.stopped and not cut and (joined := _joined(block)):
            value = parse(joined)
            if isinstance(value, Undecodable) or not isinstance(value, dict):
                yield Finding("one JSON object", brief(joined), block.stopped)


def _joined(block: Block) -> str:
    return "".join(text_of(d.get("partial_json")) for d, _ in block.deltas if d.get("type") == "input_json_delta")


@server_rule(
    "ANT-018",
    "deltas carry strings",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{TYPES}/text_delta.py, thinking_delta.py, signature_delta.py, input_json_delta.py: text, thinking, "
    "signature and partial_json are required and of type string",
    applies=ANTHROPIC,
    good=HELLO,
    bad=stream(opened(0), delta(0, "text_delta", text=None), closed(0)),
)
def deltas_are_strings(exchange: Exchange) -> Iterator[Finding]:
    """text, thinking, signature and partial_json are there and strings, never objects or null."""
    for block in view(exchange).blocks:
        for value, span in block.deltas:
            kind = value.get("type")
            name = CARRIED.get(kind) if isinstance(kind, str) else None
            if name and not isinstance(value.get(name), str):
                yield Finding(f"{name}, a string", f"{name} {brief(value.get(name))}", span)


@server_rule(
    "ANT-019",
    "a call's block has id and name",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{TYPES}/tool_use_block.py and server_tool_use_block.py: id and name are required; Anthropic docs, Handle "
    "tool "
    'calls (https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls): id is "A unique '
    'identifier for this particular tool use block."',
    applies=ANTHROPIC,
    needs=("tools",),
    good=CALLS,
    bad=stream(call("{}", id=...), tail=stopped("tool_use") + STOP),
)
def calls_are_named(exchange: Exchange) -> Iterator[Finding]:
    """content_block_start of a call has a non-empty id and name, and ids are not repeated."""
    seen: set[str] = set()
    for block in calls_of(exchange):
        missing = [name for name in ("id", "name") if not text_of(block.start.get(name))]
        if missing:
            yield Finding("id and name", f"no {', '.join(missing)}", block.span)
        elif block.start["id"] in seen:
            yield Finding("another id for another call", f"{brief(block.start['id'])} again", block.span)
        seen.add(text_of(block.start.get("id")))
