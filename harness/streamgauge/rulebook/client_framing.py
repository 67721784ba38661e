"""Client rules for server-sent events: what the standard says that a parser makes of the bytes.

Source: WHATWG HTML, 9.2.5 "Parsing an event stream" and 9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import msgspec

from streamgauge.events import TextDelta
from streamgauge.observation import Observation
from streamgauge.rulebook.client_judging import (
    changed,
    delivered_late,
    dies,
    holds_back,
    loses_an_event,
    outcome,
    prerequisite,
    said_before,
    same_events,
    visible,
)
from streamgauge.rules import Finding, client_rule

PARSING = (
    "WHATWG HTML 9.2.5 Parsing an event stream "
    "(https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream)"
)
INTERPRETING = (
    "WHATWG HTML 9.2.6 Interpreting an event stream "
    "(https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation)"
)
DECODING = "WHATWG Encoding, UTF-8 decode (https://encoding.spec.whatwg.org/#utf-8-decode); " + PARSING

_must = partial(client_rule, group="sse-framing", applies=("sse",), keyword="MUST", basis="standard")
_should = partial(client_rule, group="sse-framing", applies=("sse",), keyword="SHOULD")
TEXT = ("plain-text",)
SHAPES = ("plain-text", "parallel-tools", "reasoning-content")


@_must(
    "SSE-001",
    "lines end at LF, CR or CRLF only",
    source=PARSING,
    statement="A parser treats LF, CR and CRLF as line ends and nothing else (not U+2028, U+2029, U+0085, VT, FF, "
    "FS, GS, RS).",
    known=(
        "https://github.com/florimondmanca/httpx-sse/issues/34",
        "https://github.com/langchain-ai/langgraph/issues/2560",
        "https://github.com/modelcontextprotocol/python-sdk/issues/1356",
    ),
    faults=("line-ends:cr", "line-ends:mixed", "injection:separators", "injection:escaped"),
    cases=TEXT,
    broken=dies,
)
def line_ends(seen: Observation) -> Iterator[Finding]:
    """The same events, whatever ends the lines."""
    yield from same_events(seen)


@_must(
    "SSE-002",
    "CRLF split over two reads is one line end",
    source=PARSING,
    statement="A CR at the end of one read and an LF at the start of the next are one line end.",
    known=("https://github.com/rexxars/eventsource-parser/issues/17",),
    faults=("line-ends:crlf+cut-inside:crlf", "line-ends:crlf+byte-by-byte"),
    cases=TEXT,
    broken=loses_an_event,
)
def split_crlf(seen: Observation) -> Iterator[Finding]:
    """No event more or less."""
    yield from same_events(seen)


@_must(
    "SSE-003",
    "any split of the bytes gives the same events",
    source=PARSING,
    statement="The events do not depend on how the bytes are cut into reads or chunks (every position, byte by byte, "
    "all in one).",
    known=(
        "https://github.com/vllm-project/aibrix/issues/2653",
        "https://github.com/0xPlaygrounds/rig/issues/1758",
    ),
    faults=(
        "whole",
        "one-event-per-write",
        "byte-by-byte",
        "cut",
        "cut:1",
        "cut:7",
        "cut:-1",
        "cut:-2",
        "random-cuts:1",
        "random-cuts:2",
        "random-cuts:3",
        "cuts:1,2,9",
        "cut-inside:field",
        "cut-inside:escape",
        "cut-inside:terminator",
        "burst",
        "jitter",
    ),
    cases=SHAPES,
    broken=loses_an_event,
)
def any_split(seen: Observation) -> Iterator[Finding]:
    """Over sockets a few cuts; every position is tried in memory, where it takes no time."""
    yield from same_events(seen)


@_must(
    "SSE-004",
    "CRLF-framed streams work",
    source=PARSING,
    statement="Events framed with CRLF are dispatched one by one as they arrive.",
    known=("https://github.com/nyroway/nyro/issues/265",),
    faults=("line-ends:crlf", "line-ends:crlf+whole"),
    cases=SHAPES,
    broken=loses_an_event,
)
def crlf(seen: Observation) -> Iterator[Finding]:
    """The same events; when they come is SSE-010."""
    yield from same_events(seen)


@_must(
    "SSE-005",
    "UTF-8 is decoded across read boundaries",
    source=DECODING,
    statement="A multi-byte character cut by a read boundary is decoded whole.",
    known=(
        "https://github.com/ollama/ollama-js/issues/255",
        "https://github.com/BerriAI/litellm/issues/18842",
    ),
    faults=("cut-inside:utf-8",),
    cases=("plain-text", "reasoning-content"),
    broken=lambda seen: _replaced(seen),
)
def utf8_over_reads(seen: Observation) -> Iterator[Finding]:
    """Neither U+FFFD nor an exception."""
    yield from same_events(seen)


def _replaced(seen: Observation) -> Observation:
    """Each character that takes more than a byte comes out as U+FFFD."""
    garbled = [
        msgspec.structs.replace(e, text="".join(c if c.isascii() else "\ufffd" for c in e.text))
        if isinstance(e, TextDelta)
        else e
        for e in seen.run.events
    ]
    return changed(seen, events=tuple(garbled))


@_must(
    "SSE-006",
    "invalid UTF-8 becomes U+FFFD and does not end the stream",
    source=DECODING,
    statement="Ill-formed bytes are replaced; later events still arrive.",
    known=("measured: openai, anthropic, groq, mistralai, sseclient-py and g4f raise UnicodeDecodeError",),
    faults=("invalid-utf8",),
    cases=TEXT,
    broken=dies,
)
def invalid_utf8(seen: Observation) -> Iterator[Finding]:
    """The text of the plain run, with U+FFFD where the byte was."""
    missing = list(prerequisite(seen))
    yield from missing
    if missing or seen.baseline is None:
        return
    got = visible(seen.run.events)
    if not seen.run.succeeded:
        yield Finding("U+FFFD for the ill-formed byte, and the events behind it", outcome(seen.run))
    elif got.replace("\ufffd", "", 1) != visible(seen.baseline.events):
        yield Finding("the plain text with one U+FFFD in it", f"a text of {len(got)} characters that differs elsewhere")


@_must(
    "SSE-008",
    "one leading BOM is ignored",
    source=PARSING,
    statement="Exactly one U+FEFF at the very start of the stream is ignored, also when its bytes arrive in several "
    "reads.",
    known=("measured: httpx-sse, openai, anthropic, groq, cohere, sseclient-py, aiohttp-sse-client lose an event",),
    faults=(
        "bom",
        "bom+cut-inside:bom",
        "role-with-text+bom",
        "role-with-text+bom+cut-inside:bom",
        "role-with-text+bom+byte-by-byte",
    ),
    cases=TEXT,
    broken=loses_an_event,
)
def bom(seen: Observation) -> Iterator[Finding]:
    """ "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM), if any."."""
    yield from same_events(seen)


@_must(
    "SSE-009",
    "a blank line dispatches; EOF does not",
    source=INTERPRETING,
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
    source=INTERPRETING,
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
    source=INTERPRETING,
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
    source=INTERPRETING,
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
    source=INTERPRETING + "; OpenRouter docs, Streaming, and DeepSeek docs, Rate Limit, send them as keep-alives",
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
    source=INTERPRETING,
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
    """A lone retry, a lone id, a comment behind an event with an id."""
    yield from same_events(seen)


@_must(
    "SSE-016",
    "field names match exactly",
    source=INTERPRETING,
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
    source=INTERPRETING,
    statement="The last event id persists over events, an empty id clears it, an id containing NUL is ignored.",
    faults=("id-lines:inside", "nul:id"),
    cases=TEXT,
    broken=dies,
)
def ids(seen: Observation) -> Iterator[Finding]:
    """The id in force is nothing that a chat client shows: what shows is that events with ids are events."""
    yield from same_events(seen)


@_should(
    "SSE-019",
    "long lines work",
    basis="de-facto",
    source="de facto: images, embeddings and tool results come as one line (openai-go raised its limit)",
    statement="A client accepts single data lines of at least 16 MiB or fails with an explicit error; it never "
    "truncates in silence.",
    known=(
        "https://github.com/openai/openai-go/issues/368",
        "https://github.com/infiniflow/ragflow/issues/15381",
        "measured: aiohttp-sse-client LineTooLong at 1 MiB",
    ),
    faults=("oversized-line:65537", "oversized-line:1048577", "oversized-line:16700000"),
    cases=("length",),
    broken=loses_an_event,
)
def long_lines(seen: Observation) -> Iterator[Finding]:
    """The same events, or an error of the library's own: what a buffer below it says of itself explains nothing."""
    told = seen.run.raised.library if seen.run.raised else not (seen.run.succeeded or seen.run.hung)
    if not told:
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
