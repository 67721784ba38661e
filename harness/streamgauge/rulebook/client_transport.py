"""Client rules for the HTTP message around a stream: its length, chunks, fields, codings (RFC 9110, RFC 9112)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.observation import Observation
from streamgauge.rulebook.client_judging import (
    changed,
    claims_success,
    dies,
    loses_an_event,
    must_tell,
    prerequisite,
    said_before,
    same_events,
    visible,
)
from streamgauge.rules import Finding, client_rule

_http = partial(client_rule, group="transport", applies=("all",))
TEXT = ("plain-text",)
_INCOMPLETE = (
    'RFC 9112 8 (https://www.rfc-editor.org/rfc/rfc9112#section-8): "A client that receives an incomplete response '
    "message, which can occur when a connection is closed prematurely or when decoding a supposedly chunked transfer "
    'coding fails, MUST record the message as incomplete."'
)


@_http(
    "HTTP-030",
    "an incomplete HTTP message is not a success",
    keyword="MUST",
    basis="standard",
    source=_INCOMPLETE,
    statement="Where the zero-sized chunk does not come, or fewer bytes than the Content-Length, and the stream had "
    "not ended before, the caller is told.",
    known=("measured: eight benchmark tools count it as success",),
    faults=("fin", "length-too-long", "reset"),
    cases=("plain-text", "parallel-tools"),
    broken=claims_success,
)
def incomplete_message(seen: Observation) -> Iterator[Finding]:
    """By an exception, an error event, or an end that is not complete."""
    yield from must_tell(seen, "a sign that the answer is incomplete")


@_http(
    "HTTP-031",
    "chunk extensions are ignored",
    keyword="MUST",
    basis="standard",
    source='RFC 9112 7.1.1: "A recipient MUST ignore unrecognized chunk extensions."',
    statement="Chunk extensions change nothing.",
    faults=("http-extras:extensions",),
    cases=TEXT,
    broken=dies,
)
def chunk_extensions(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_http(
    "HTTP-032",
    "trailers are read as what they are",
    keyword="MUST",
    basis="standard",
    source='RFC 9112 7.1: "A recipient MUST be able to parse and decode the chunked transfer coding", of which the '
    'grammar has a trailer-section; 7.1.2: a recipient "MAY selectively retain or discard the received trailer fields"',
    statement="Trailer fields change nothing.",
    faults=("http-extras:trailers",),
    cases=TEXT,
    broken=dies,
)
def trailers(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_http(
    "HTTP-033",
    "interim answers are skipped",
    keyword="MUST",
    basis="standard",
    source='RFC 9110 15.2: "A client MUST be able to parse one or more 1xx responses received prior to a final '
    'response, even if the client does not expect one."',
    statement="A 103 before the answer changes nothing.",
    faults=("http-extras:interim",),
    cases=TEXT,
    broken=dies,
)
def interim(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_http(
    "HTTP-034",
    "field names are compared without case",
    keyword="MUST",
    basis="standard",
    source='RFC 9110 5.1: "Field names are case-insensitive"',
    statement="The spelling of header names changes nothing.",
    faults=("http-extras:header-case",),
    cases=TEXT,
    broken=dies,
)
def header_case(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_http(
    "HTTP-035",
    "chunks have nothing to do with events",
    keyword="MUST",
    basis="standard",
    source='RFC 9112 7.1: "A recipient MUST be able to parse and decode the chunked transfer coding."',
    statement="Chunk bounds, and cuts inside the chunk framing, change nothing.",
    faults=("split-framing", "chunk-size:7", "chunk-size:1000", "split-framing+chunk-size:7"),
    cases=("plain-text", "parallel-tools"),
    broken=loses_an_event,
)
def chunk_bounds(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_http(
    "HTTP-039",
    "a content coding that was asked for is taken off as it comes",
    keyword="MUST",
    basis="standard",
    source='RFC 9110 12.5.3: "Accept-Encoding indicates the content codings acceptable in a response"; 8.4: '
    'Content-Encoding says "what decoding mechanisms have to be applied in order to obtain data in the media type '
    'referenced by the Content-Type header field"',
    statement="A compressed stream, flushed at each event, carries the same events, for a client that accepts it.",
    faults=(
        "content-coding:gzip",
        "content-coding:deflate",
        "content-coding:br",
        "content-coding:zstd",
        "content-coding:gzip+byte-by-byte",
    ),
    cases=TEXT,
    broken=dies,
)
def content_coding(seen: Observation) -> Iterator[Finding]:
    """The server compresses only where the client's Accept-Encoding names the coding."""
    yield from same_events(seen)


@_http(
    "HTTP-036",
    "the length of a message is what its framing says",
    keyword="MUST",
    basis="standard",
    source='RFC 9112 6.3: a Content-Length\'s "decimal value defines the expected message body length in octets"; '
    'without length and chunks "the message body length is determined by the number of octets received prior to the '
    'server closing the connection". Of what comes behind a Content-Length "a user agent MAY discard the remaining '
    'data or attempt to determine if that data belongs as part of the prior message body", so that reading it is '
    "non-strict",
    statement="A stream with a Content-Length, or ended by the connection, is read like a chunked one, and no further "
    "than its length.",
    faults=("framing:length", "framing:close", "http-extras:no-keep-alive", "length-too-short"),
    cases=TEXT,
    broken=lambda seen: changed(seen, events=seen.run.events * 2, times=seen.run.times * 2),
)
def body_length(seen: Observation) -> Iterator[Finding]:
    """Behind a Content-Length that is too short there is nothing; whether that is reported is SEQ-010."""
    if seen.fault != "length-too-short":
        yield from same_events(seen)
        return
    yield from prerequisite(seen)
    extra = len(visible(seen.run.events)) - said_before(seen)
    if extra > 0:
        yield Finding("nothing from behind the Content-Length", f"{extra} characters from there", mild=True)
