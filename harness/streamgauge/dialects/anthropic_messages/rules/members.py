"""What events are made of: names, the message's head, stop reasons, errors."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType

from streamgauge.dialects.anthropic_messages import STOP_REASONS
from streamgauge.dialects.anthropic_messages._samples import (
    HELLO,
    STOP,
    event,
    opened,
    said,
    start,
    stopped,
    stream,
    text,
)
from streamgauge.dialects.anthropic_messages._sources import ERRORS, STREAMING, TYPES
from streamgauge.dialects.anthropic_messages._view import complete, view
from streamgauge.evidence import brief
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule
from streamgauge.vocabulary import may_be_new
from streamgauge.wire import count, members
from streamgauge.wire import text as text_of

ANTHROPIC = ("anthropic-messages",)
BETA_REASONS = ("compaction",)
BROKEN = start() + opened() + said(0, "Hello")
ERROR = {"type": "overloaded_error", "message": "Overloaded"}


@server_rule(
    "ANT-001",
    "the event's name is data.type",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}: "Each server-sent event includes a named event type and associated JSON data. Each event '
    'uses an SSE event name (for example, event: message_stop), and includes the matching event type in its data."',
    applies=ANTHROPIC,
    good=HELLO,
    bad=HELLO.replace("event: content_block_stop\n", ""),
)
def name_is_type(exchange: Exchange) -> Iterator[Finding]:
    """SSE event name and data.type are equal in every event."""
    found = view(exchange)
    for told in sorted([*found.told, *found.pings], key=lambda t: t.span):
        if told.name != told.kind:
            named = "no name" if told.name == "message" else f"event {brief(told.name)}"
            yield Finding("the same name and type", f"{named}, type {brief(told.value.get('type'))}", told.span)


@server_rule(
    "ANT-009",
    "stop_reason comes once, a documented word",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{TYPES}/stop_reason.py and message.py: "In streaming mode, it is null in the message_start event and '
    'non-null otherwise." The same word again counts as non-strict; `compaction` is documented as beta. So does a new '
    'word that is no other vendor\'s: Anthropic may "add new variants to enum-like output values" '
    "(https://platform.claude.com/docs/en/api/versioning)",
    applies=ANTHROPIC,
    good=HELLO,
    bad=stream(text("Hello"), tail=stopped("stop") + STOP),
)
def stop_reason_enum(exchange: Exchange) -> Iterator[Finding]:
    """stop_reason is null until message_delta and then one of the documented words; it is stated once."""
    found = view(exchange)
    if not found.of("message_delta"):
        raise NotApplicable("the stream has no message_delta")
    reasons = found.reasons
    if not reasons and found.complete:
        yield Finding("a stop_reason", "null to the end", found.of("message_delta")[-1].span)
    for reason, span in reasons:
        if reason not in (*STOP_REASONS, *BETA_REASONS):
            yield Finding(" | ".join(STOP_REASONS), brief(reason), span, mild=may_be_new(reason, STOP_REASONS))
    for reason, span in reasons[1:]:
        yield Finding("one stop_reason", f"{brief(reason)} again", span, mild=reason == reasons[0][0])


@server_rule(
    "ANT-014",
    "message_start has the message's head",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{TYPES}/message.py: id, model, role ("This will always be "assistant""), type ("For Messages, this is '
    'always "message""), usage, whose usage.py requires output_tokens; stop_sequence "will be a non-null string if one '
    'of your custom stop sequences was generated". The id and the model are strings: an empty one counts as non-strict',
    applies=ANTHROPIC,
    good=HELLO,
    bad=start(model=...) + text("Hello") + stopped() + STOP,
)
def message_head(exchange: Exchange) -> Iterator[Finding]:
    """The message of message_start has id, model, role assistant and type message, no stop_sequence yet, and a usage
    that states output_tokens.
    """
    starts = view(exchange).of("message_start")
    if not starts:
        raise NotApplicable("the stream has no message_start (see ANT-002)")
    for told in starts:
        message = members(told.value.get("message"))
        for name in ("id", "model"):
            value = message.get(name)
            if not isinstance(value, str) or not value:
                got = f"no {name}" if value is None else f"{name} {brief(value)}"
                yield Finding(f"{name}, a string that says something", got, told.span, mild=value == "")
        for name, word in (("role", "assistant"), ("type", "message")):
            if message.get(name) != word:
                yield Finding(f"{name} {word!r}", f"{name} {brief(message.get(name))}", told.span)
        if message.get("stop_sequence") is not None:
            yield Finding("stop_sequence null", f"stop_sequence {brief(message['stop_sequence'])}", told.span)
        if count(members(message.get("usage")).get("output_tokens")) is None:
            yield Finding("usage.output_tokens", f"usage {brief(message.get('usage'))}", told.span)


@server_rule(
    "ANT-017",
    "stop_sequence is stated iff it stopped the answer",
    group="chunk-schema",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{TYPES}/message.py: "This value will be a non-null string if one of your custom stop sequences was '
    'generated." Its absence is not counted where the reason is another one',
    applies=ANTHROPIC,
    good=stream(text("Hello"), tail=stopped("stop_sequence", sequence="END") + STOP),
    bad=stream(text("Hello"), tail=stopped("stop_sequence") + STOP),
)
def stop_sequence_stated(exchange: Exchange) -> Iterator[Finding]:
    """stop_reason stop_sequence comes with the sequence, any other with null."""
    found = complete(exchange)
    deltas = [(members(t.value.get("delta")), t.span) for t in found.of("message_delta")]
    stated = [(d, span) for d, span in deltas if d.get("stop_reason") is not None]
    if not stated:
        raise NotApplicable("no stop_reason was sent")
    delta, span = stated[-1]
    sequence = delta.get("stop_sequence")
    if not isinstance(sequence, (str, NoneType)):
        yield Finding("a string or null", f"stop_sequence {brief(sequence)}", span)
    elif (delta["stop_reason"] == "stop_sequence") != isinstance(sequence, str):
        want = "the sequence" if delta["stop_reason"] == "stop_sequence" else "stop_sequence null"
        yield Finding(want, f"stop_reason {brief(delta['stop_reason'])}, stop_sequence {brief(sequence)}", span)


@server_rule(
    "ERR-005",
    "an Anthropic error is an error event",
    group="errors",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}, Error events: event: error, data {{"type": "error", "error": {{"type": "overloaded_error", '
    f'"message": "Overloaded"}}}}}}; {ERRORS}, Error shapes: "The API always returns errors as JSON, with a top-level '
    'error object that always includes a type and message value." Events behind it count as non-strict: no sentence '
    "forbids them",
    applies=ANTHROPIC,
    known=(
        "https://github.com/ogx-ai/ogx/issues/6007",
        'ollama\'s docs on Anthropic compatibility: "error events during streaming" are not supported',
    ),
    good=BROKEN + event("error", error=ERROR),
    bad=BROKEN + event("error", error={"type": "overloaded_error"}),
)
def error_event(exchange: Exchange) -> Iterator[Finding]:
    """The frame is event: error, data {type: error, error: {type, message}}; nothing follows."""
    found = view(exchange)
    if not found.errors:
        raise NotApplicable("the stream reports no error")
    for told in found.errors:
        error = members(told.value.get("error"))
        if told.kind != "error":
            yield Finding('type "error"', f"an error in an event of type {brief(told.value.get('type'))}", told.span)
        elif missing := [name for name in ("type", "message") if not text_of(error.get(name))]:
            yield Finding("error.type and error.message", f"no {', '.join(missing)} in {brief(error)}", told.span)
    for told in found.told:
        if told.span > found.errors[0].span and told not in found.errors:
            yield Finding("nothing behind the error", told.kind or brief(told.value), told.span, mild=True)
