"""Client rules for the lines of server-sent events: fields, comments, and when an event is dispatched (9.2.6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from streamgauge.events import TextDelta
from streamgauge.observation import Observation
from streamgauge.rulebook.client_judging import (
    changed,
    delivered_late,
    dies,
    holds_back,
    loses_an_event,
    prerequisite,
    said_before,
    same_events,
    visible,
)
from streamgauge.rulebook.client_sse_lines import INTERPRETING
from streamgauge.rules import Finding, client_rule

_must = partial(client_rule, group="sse-framing", applies=("sse",), keyword="MUST", basis="standard")
_should = partial(client_rule, group="sse-framing", applies=("sse",), keyword="SHOULD")
TEXT = ("plain-text",)
SHAPES = ("plain-text", "parallel-tools", "reasoning-content")


@_must(
    "SSE-009",
    "a blank line dispatches; EOF does not",
    source=INTERPRETING
    + ': "If the line is empty (a blank line) Dispatch the event"; "Once the end of the file is reached, any '
    'pending data must be discarded."',
    statement="An event is dispatched at a blank line; data pending at end of file is discarded.",
    known=("measured: sseclient-py, mistralai, google-genai and parse-sse dispatch it",),
    faults=("unfinished-event", "truncate-mid-event"),
    cases=TEXT,
    broken=lambda seen: _adds(seen, " more"),
)
def unfinished_event(seen: Observation) -> Iterator[Finding]:
    """No more text than the finished events carry; whether the end is reported is SEQ-010."""
    missing = list(prerequisite(seen))
    yield from missing
    extra = len(visible(seen.run.events)) - said_before(seen)
    if not missing and extra > 0:
        yield Finding("nothing of the event that its blank line did not end", f"{extra} characters more")


def _adds(seen: Observation, text: str) -> Observation:
    at = seen.run.times[-1] if seen.run.times else 0.0
    return changed(seen, events=(TextDelta(text), *seen.run.events), times=(at, *seen.run.times))


@_should(
    "SSE-010",
    "events are dispatched at once",
    basis="standard",
    source=INTERPRETING + ': "Lines must be processed, in the order they are received". 9.2.5: "UAs should ensure that '
    "appropriate buffering is used. In particular, [...] line buffering with different expected line endings can cause "
    'delays in event dispatch."',
    statement="An event is handed to the caller when its blank line has arrived, before the next read.",
    known=("measured: openai, anthropic and sseclient-py wait for the next bytes after LF CRLF",),
    faults=("line-ends:crlf+slow-drip:10", "line-ends:cr+slow-drip:10", "line-ends:mixed+slow-drip:10"),
    cases=("length",),
    needs=("timing",),
    broken=holds_back,
)
def at_once(seen: Observation) -> Iterator[Finding]:
    """Judged by order, not by time: most events must be there before the server sends on."""
    yield from delivered_late(seen, "each event before the server sends further bytes")


@_must(
    "SSE-011",
    "data lines are joined with LF",
    source=INTERPRETING
    + ', field data: "Append the field value to the data buffer, then append a single U+000A LINE FEED (LF) '
    'character to the data buffer."',
    statement="Several data fields of one event are joined by LF; one final LF is removed.",
    known=("measured: g4f's sse_stream parses each line on its own",),
    faults=("multi-line",),
    cases=SHAPES,
    broken=dies,
)
def joined_data(seen: Observation) -> Iterator[Finding]:
    """A JSON value over several lines is one value."""
    yield from same_events(seen)


@_must(
    "SSE-012",
    "exactly one optional space is removed",
    source=INTERPRETING + ': "If value starts with a U+0020 SPACE character, remove it from value."',
    statement="One U+0020 after the colon is removed; other leading or trailing whitespace is kept; no space is "
    "needed.",
    known=("measured: google-genai needs 'data: '",),
    faults=("no-space",),
    cases=TEXT,
    broken=loses_an_event,
)
def optional_space(seen: Observation) -> Iterator[Finding]:
    """JSON hides whitespace, so that what shows is the space that is not needed."""
    yield from same_events(seen)


@_must(
    "SSE-013",
    "comments are ignored",
    source=INTERPRETING
    + ': "If the line starts with a U+003A COLON character (:) Ignore the line."; OpenRouter docs, Streaming, '
    "and DeepSeek docs, Rate Limit, send them as keep-alives",
    statement="Lines starting with a colon are ignored anywhere, before, between and inside events.",
    known=(
        "https://github.com/deepnoodle-ai/dive/issues/206",
        "https://github.com/TheR1D/shell_gpt/issues/358",
        "https://github.com/continuedev/continue/issues/13144",
    ),
    faults=("comments", "keepalive-stall"),
    cases=SHAPES,
    broken=dies,
)
def comments(seen: Observation) -> Iterator[Finding]:
    """Keep-alives of a proxy are nothing."""
    yield from same_events(seen)


@_must(
    "SSE-014",
    "a blank line without data dispatches nothing",
    source=INTERPRETING
    + ': "If the data buffer is an empty string, set the data buffer and the event type buffer to the empty string and '
    'return." is said of browsers; what others do at a blank line is "implementation dependent", so that an event too '
    'many counts as non-strict. What comes behind it must not be lost: "Lines must be processed, in the order they are '
    'received"',
    statement="If the data buffer is empty at a blank line nothing is dispatched, even when event, id or retry was "
    "set before.",
    known=(
        "https://github.com/openai/openai-python/issues/2722",
        "measured: httpx-sse, openai, anthropic, groq and cohere yield an empty event",
    ),
    faults=("retry-lines:alone", "retry-lines", "id-lines:alone", "id-lines", "comments:with-id"),
    cases=TEXT,
    broken=dies,
)
def no_data_no_event(seen: Observation) -> Iterator[Finding]:
    """A lone retry, a lone id, a comment behind an event with an id.

    The standard leaves it to each client what it makes of a blank line, not whether it reads on.
    """
    before = seen.baseline.events if seen.baseline else ()
    whole = seen.run.succeeded and visible(seen.run.events) == visible(before)
    yield from (replace(finding, mild=True) if whole else finding for finding in same_events(seen))


@_must(
    "SSE-016",
    "field names match exactly",
    source=INTERPRETING
    + ': "Field names must be compared literally, with no case folding performed."; otherwise "The field is '
    'ignored."',
    statement="Only event, data, id, retry (case-sensitive, no spaces) are fields; all else is ignored.",
    faults=("unknown-fields", "retry-lines:inside", "nul:field"),
    cases=TEXT,
    broken=dies,
)
def field_names(seen: Observation) -> Iterator[Finding]:
    """DATA, datax and a vendor's fields change nothing."""
    yield from same_events(seen)


@_must(
    "SSE-017",
    "an id changes no event",
    source=INTERPRETING
    + ': "If the field value does not contain U+0000 NULL, then set the last event ID buffer to the field '
    'value. Otherwise, ignore the field."',
    statement="The last event id persists over events, an empty id clears it, an id containing NUL is ignored.",
    faults=("id-lines:inside", "nul:id"),
    cases=TEXT,
    broken=dies,
)
def ids(seen: Observation) -> Iterator[Finding]:
    """The id in force is nothing that a chat client shows: what shows is that events with ids are events."""
    yield from same_events(seen)


@_should(
    "SSE-024",
    "keep-alives reset the client's idle timer",
    basis="de-facto",
    source="de facto: vendors send comments so that clients and proxies don't give up (OpenRouter, DeepSeek)",
    statement="Any received byte, comments included, counts as life for the read timeout.",
    known=(
        "https://github.com/openclaw/openclaw/issues/152535",
        "https://github.com/anthropics/anthropic-sdk-typescript/issues/749",
    ),
    faults=("keepalive-stall:0.35",),
    cases=TEXT,
    needs=("timing",),
    broken=dies,
)
def keepalives_count(seen: Observation) -> Iterator[Finding]:
    """The pause is longer than the read timeout that the client was given, the pauses between keep-alives shorter."""
    yield from same_events(seen)
