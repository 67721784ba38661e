"""The order of events: message_start, blocks one after another, message_delta, message_stop."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.dialects.anthropic_messages._samples import (
    HELLO,
    PING,
    STOP,
    THOUGHT,
    closed,
    delta,
    opened,
    said,
    start,
    stopped,
    stream,
    text,
    thinking,
)
from streamgauge.dialects.anthropic_messages._sources import PRACTICE, STREAMING, TYPES
from streamgauge.dialects.anthropic_messages._view import BLOCK_EVENTS, STARTS, any_view, complete, view
from streamgauge.dialects.openai_chat.decoder import DONE
from streamgauge.evidence import brief, streamed, whole
from streamgauge.rules import Exchange, Finding, NotApplicable, is_event, server_rule
from streamgauge.wire import count, members

ANTHROPIC = ("anthropic-messages",)


@server_rule(
    "ANT-002",
    "message_start comes first, once",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}: "Each stream uses the following event flow: 1. message_start: contains a Message object with '
    f'empty content"; "There may be ping events dispersed throughout the response as well." {TYPES}/message.py: '
    'stop_reason "is null in the message_start event"; usage.py requires input_tokens (whether it is real: USE-007)',
    applies=ANTHROPIC,
    known=(
        "https://github.com/sgl-project/sglang/issues/25876",
        "https://github.com/BerriAI/litellm/issues/12184",
    ),
    good=PING + HELLO,
    bad=start(content=[{"type": "text", "text": ""}]) + text("Hello") + stopped() + STOP,
)
def message_start_first(exchange: Exchange) -> Iterator[Finding]:
    """The first event (pings aside) is message_start with content [], stop_reason null and usage.input_tokens."""
    found = view(exchange)
    first = next((t for t in found.told if t.documented), found.told[0])
    if first in found.errors:
        raise NotApplicable("the stream begins with an error")
    if first.kind != "message_start":
        yield Finding("message_start", first.kind or "an event without a type", first.span)
    starts = found.of("message_start")
    for again in starts[1:]:
        yield Finding("one message_start", "another one", again.span)
    for told in starts:
        message = members(told.value.get("message"))
        if message.get("content") != []:
            yield Finding("content []", f"content {brief(message.get('content'))}", told.span)
        if message.get("stop_reason") is not None:
            yield Finding("stop_reason null", f"stop_reason {brief(message['stop_reason'])}", told.span)
        if count(members(message.get("usage")).get("input_tokens")) is None:
            yield Finding("usage.input_tokens", f"usage {brief(message.get('usage'))}", told.span)


@server_rule(
    "ANT-003",
    "blocks are start, deltas, stop, one after another",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}, the event flow: "A series of content blocks, each of which has a content_block_start, one or '
    'more content_block_delta events, and a content_block_stop event." A block without deltas is not counted: further '
    'down the page has "Potentially multiple content_block_delta events", and fallback blocks "no deltas in between"',
    applies=ANTHROPIC,
    known=(
        "https://github.com/BerriAI/litellm/issues/12158",
        "measured: llama.cpp leaves the thinking block open until the end of the text block",
    ),
    good=HELLO,
    bad=stream(opened(0), said(0, "Hello"), opened(1), closed(0), said(1, " there"), closed(1)),
)
def blocks_in_order(exchange: Exchange) -> Iterator[Finding]:
    """Each content block has one content_block_start, any deltas, one content_block_stop; blocks do not overlap."""
    running = 0
    for told in view(exchange).told:
        if told.kind == STARTS:
            if running:
                yield Finding("content_block_stop of the block before", "content_block_start", told.span)
            running += 1
        elif told.kind in BLOCK_EVENTS:
            if not running:
                yield Finding("an open block", f"{told.kind} without one", told.span)
            elif told.kind != "content_block_delta":
                running -= 1
        elif told.kind in ("message_delta", "message_stop") and running:
            yield Finding("content_block_stop of the block before", told.kind, told.span)
            running = 0


@server_rule(
    "ANT-004",
    "the index of blocks counts from 0",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}: "Each content block has an index that corresponds to its index in the final Message content '
    'array."',
    applies=ANTHROPIC,
    known=(
        "https://github.com/BerriAI/litellm/issues/12184",
        "https://github.com/sgl-project/sglang/issues/25876",
    ),
    good=THOUGHT,
    bad=stream(text("Hello", index=1)),
)
def index_counts(exchange: Exchange) -> Iterator[Finding]:
    """Index starts at 0, rises by 1 per block and is the same in start, deltas and stop."""
    blocks = 0
    open_: set[object] = set()
    for told in view(exchange).told:
        if told.kind not in BLOCK_EVENTS:
            continue
        index = told.value.get("index")
        key = index if type(index) is int else brief(index)
        if told.kind == STARTS:
            if key != blocks:
                yield Finding(f"index {blocks} for the next block", f"index {brief(index)}", told.span)
            blocks += 1
            open_.add(key)
        elif key not in open_:
            if open_:
                yield Finding(f"index {brief(sorted(open_, key=str)[0])}", f"index {brief(index)}", told.span)
        elif told.kind == "content_block_stop":
            open_.discard(key)


@server_rule(
    "ANT-007",
    "thinking ends with a signature",
    group="sequence",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{STREAMING}: "For thinking content, a special signature_delta event is sent just before the '
    'content_block_stop event."',
    applies=ANTHROPIC,
    good=THOUGHT,
    bad=stream(thinking(delta(0, "thinking_delta", thinking="hm")), text("Hello", index=1)),
)
def signature_last(exchange: Exchange) -> Iterator[Finding]:
    """A thinking block has one signature_delta before its stop."""
    blocks = [b for b in view(exchange).blocks if b.kind == "thinking" and b.stopped]
    if not blocks:
        raise NotApplicable("the stream has no thinking block that has ended")
    for block in blocks:
        kinds = [d.get("type") for d, _ in block.deltas]
        if kinds.count("signature_delta") != 1 or kinds[-1] != "signature_delta":
            shown = f"{kinds.count('signature_delta')} of them, the last delta is {brief(kinds[-1] if kinds else None)}"
            yield Finding("one signature_delta, last", shown, block.stopped or block.span)


@server_rule(
    "ANT-008",
    "message_delta, then message_stop, last",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}: "One or more message_delta events, indicating top-level changes to the final Message '
    f'object", "A final message_stop event"; {TYPES}/raw_message_delta_event.py requires usage with output_tokens. '
    'An event of a new type behind it counts as non-strict: "new event types may be added"',
    applies=ANTHROPIC,
    good=HELLO,
    bad=stream(text("Hello"), tail=STOP),
)
def ends_in_order(exchange: Exchange) -> Iterator[Finding]:
    """After all blocks come one or more message_delta (usage present), then message_stop as the last event."""
    found = any_view(exchange)
    deltas, stops = found.of("message_delta"), found.of("message_stop")
    for told in deltas:
        if count(members(told.value.get("usage")).get("output_tokens")) is None:
            yield Finding("usage.output_tokens", f"usage {brief(told.value.get('usage'))}", told.span)
    after = [t for t in found.told if t.kind in BLOCK_EVENTS and deltas and t.span > deltas[0].span]
    if after and (not stops or after[0].span < stops[0].span):
        yield Finding("no block behind message_delta", after[0].kind, after[0].span)
    if not stops:
        if not found.errors:
            whole(exchange)
            size = len(exchange.body)
            yield Finding("message_stop", "the end of the body without it", (max(0, size - 80), size))
        return
    if not any(t.span < stops[0].span for t in deltas):
        yield Finding("a message_delta", "message_stop without one", stops[0].span)
    for told in found.told:
        if told.span > stops[0].span:
            got = told.kind or brief(told.value)
            yield Finding("nothing behind message_stop", got, told.span, mild=not told.documented)


@server_rule(
    "ANT-012",
    "no [DONE]",
    group="sequence",
    keyword="SHOULD",
    basis="de-facto",
    source='Anthropic, Versions (https://platform.claude.com/docs/en/api/versioning), 2023-06-01: "Removed unnecessary '
    f'data: [DONE] event"; {PRACTICE}',
    applies=ANTHROPIC,
    good=HELLO,
    bad=HELLO + "data: [DONE]\n\n",
)
def no_done(exchange: Exchange) -> Iterator[Finding]:
    """An Anthropic stream does not end with data: [DONE]."""
    streamed(exchange)
    for frame in exchange.frames:
        if is_event(frame) and frame.data.strip() == DONE:
            yield Finding("message_stop as the end", DONE, frame.span)


@server_rule(
    "ANT-016",
    "stop_reason tool_use iff a tool was called",
    group="sequence",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{TYPES}/message.py: "tool_use: the model invoked one or more tools"',
    applies=ANTHROPIC,
    needs=("tools",),
    good=stream(opened(0, "tool_use"), closed(), tail=stopped("tool_use") + STOP),
    bad=stream(opened(0, "tool_use"), closed()),
)
def reason_tells_tools(exchange: Exchange) -> Iterator[Finding]:
    """A message with a tool_use block ends with tool_use (or is cut), and one without does not."""
    found = complete(exchange)
    called = any(block.kind == "tool_use" for block in found.blocks)
    if not found.reasons:
        raise NotApplicable("no stop_reason was sent")
    reason, span = found.reasons[-1]
    if called and reason == "end_turn":
        yield Finding("stop_reason tool_use", f"a tool_use block and stop_reason {brief(reason)}", span)
    elif not called and reason == "tool_use":
        yield Finding("a tool_use block, or another reason", "stop_reason 'tool_use' without one", span)
    elif not called:
        raise NotApplicable("no tool was called")
