"""Client rules for the bytes of server-sent events: reads, characters, line ends (WHATWG HTML 9.2.6)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import msgspec

from streamgauge.events import TextDelta
from streamgauge.observation import Observation
from streamgauge.rulebook.client_judging import (
    changed,
    dies,
    loses_an_event,
    outcome,
    prerequisite,
    same_events,
    visible,
)
from streamgauge.rules import Finding, client_rule

INTERPRETING = (
    "WHATWG HTML 9.2.6 Interpreting an event stream "
    "(https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation)"
)
PARSING = (
    INTERPRETING
    + ': "The stream must then be parsed by reading everything line by line", where CRLF, "a single U+000A '
    "LINE FEED (LF) character not preceded by a U+000D CARRIAGE RETURN (CR) character, and a single U+000D CARRIAGE "
    'RETURN (CR) character not followed by a U+000A LINE FEED (LF) character" are "the ways in which a line can end"'
)
DECODING = (
    INTERPRETING + ': "Streams must be decoded using the UTF-8 decode algorithm."; WHATWG Encoding 6 '
    "(https://encoding.spec.whatwg.org/#utf-8-decode): "
)
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
    source=DECODING
    + 'that algorithm processes one queue of bytes, whose reads are no part of it: "If ioQueue is empty, then wait '
    'until its size is at least 1."',
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
    source=DECODING + 'the error mode is "replacement": "Push U+FFFD to output.", and go on',
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
    source=INTERPRETING + ': "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM), if any."',
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
