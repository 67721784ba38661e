"""Client rules for HTTP: what a client makes of framing, headers, statuses and connections.

Sources: RFC 9110 (HTTP Semantics) and RFC 9112 (HTTP/1.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from streamgauge.observation import Observation
from streamgauge.rulebook.client_judging import (
    changed,
    claims_success,
    dies,
    loses_an_event,
    merged,
    must_tell,
    outcome,
    prerequisite,
    said_before,
    same_events,
    visible,
)
from streamgauge.rules import Finding, NotApplicable, client_rule
from streamgauge.wire import members, parse, text

_http = partial(client_rule, group="transport", applies=("all",))
PROCESSING = (
    "WHATWG HTML 9.2.3 Processing model "
    "(https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model)"
)
TEXT = ("plain-text",)


@_http(
    "HTTP-014",
    "a client rejects a 200 that is not the expected media type",
    keyword="SHOULD",
    basis="standard",
    source=PROCESSING + " (fail the connection if the type is not text/event-stream)",
    statement="A client that gets 200 with another media type (text/html, application/json) raises an error that "
    "shows the body, and does not return an empty successful stream.",
    known=("https://github.com/langchain-ai/langgraphjs/issues/2718",),
    faults=("not-a-stream:json", "not-a-stream:html", "wrong-content-type"),
    cases=TEXT,
    broken=claims_success,
)
def other_media_type(seen: Observation) -> Iterator[Finding]:
    """A stream under a wrong label may also be read for what it is."""
    yield from prerequisite(seen)
    if seen.run.succeeded:
        whole = seen.baseline is not None and merged(seen.run.said) == merged(seen.baseline.said)
        if not (whole and seen.run.said):
            yield Finding("an error that shows the body", outcome(seen.run))
    elif not _shows(seen):
        yield Finding("an error that shows the body", outcome(seen.run))


def _shows(seen: Observation) -> bool:
    """Whether the exception's message holds something of the body: its error's message, or its first words."""
    said = seen.run.raised.message if seen.run.raised else outcome(seen.run)
    body = seen.body.decode("utf-8", "replace").strip()
    answer = members(parse(body))
    stated = answer.get("error", answer)  # Ollama's error is a text, Cohere's and Bedrock's message stands at the top
    error = text(stated) or text(members(stated).get("message"))
    readable = "\0" not in body[:24]  # nothing of a binary stream can be shown
    return not body or not readable or (error or body[:24]) in said or bool(seen.run.raised and "event-stream" in said)


@_http(
    "HTTP-015",
    "a client asks for the stream type",
    keyword="SHOULD",
    basis="standard",
    source=PROCESSING + " (Accept: text/event-stream); RFC 9110 12.5.1 (no Accept accepts anything)",
    statement="The client sends an Accept header that allows text/event-stream (or */*).",
    faults=("",),
    cases=TEXT,
    broken=lambda seen: _asking(seen, "application/json"),
)
def accepts_the_stream(seen: Observation) -> Iterator[Finding]:
    """Parameters and weights don't matter here."""
    if not seen.served.requests:
        raise NotApplicable("no request came")
    accept = seen.served.requests[0][2].get("accept", "*/*")
    media_type = seen.dialect.media_type
    offered = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    if not {media_type, media_type.partition("/")[0] + "/*", "*/*"} & set(offered):
        yield Finding(f"Accept: {media_type}, or */*", f"Accept: {accept}")


def _asking(seen: Observation, accept: str) -> Observation:
    method, path, headers, body = seen.served.requests[0]
    request = (method, path, {**headers, "accept": accept}, body)
    return replace(seen, served=replace(seen.served, requests=(request,)))


@_http(
    "HTTP-016",
    "a client resends nothing after partial output on its own",
    keyword="SHOULD",
    basis="standard",
    source="RFC 9110 9.2.2 (a user agent should not automatically retry a request with a non-idempotent method)",
    statement="A client library does not silently repeat a POST once any event was handed to the caller.",
    known=("https://github.com/anthropics/anthropic-sdk-python/issues/688",),
    faults=("fin", "reset", "length-too-long", "error-frame:middle"),
    cases=TEXT,
    broken=lambda seen: replace(seen, served=replace(seen.served, requests=seen.served.requests * 2)),
)
def sends_once(seen: Observation) -> Iterator[Finding]:
    """Counted at the server."""
    count = len(seen.served.requests)
    if count > 1 and visible(seen.run.events):
        yield Finding("one request", f"{count} requests, with output handed out")


@_http(
    "HTTP-018",
    "a redirect keeps what was asked, or is an error",
    keyword="SHOULD",
    basis="standard",
    source="RFC 9110 15.4.8, 15.4.9 (the method must not change) and 15.4.2-15.4.4",
    statement="307/308 keep method and body; 301/302/303 on a POST are not turned silently into a bodiless GET.",
    faults=("redirect:307", "redirect:308", "redirect:301", "redirect:302", "redirect:303"),
    cases=TEXT,
    broken=loses_an_event,
)
def redirects(seen: Observation) -> Iterator[Finding]:
    """Following is not required; an answer that looks like one and is none is what hurts."""
    yield from prerequisite(seen)
    if not seen.run.succeeded or seen.baseline is None:
        return
    if merged(seen.run.said) != merged(seen.baseline.said):
        yield Finding("the stream behind the redirect, or an error", outcome(seen.run))
    elif len(seen.served.requests) > 1 and seen.served.requests[-1][3] != seen.served.requests[0][3]:
        yield Finding("the same body again", f"{len(seen.served.requests[-1][3])} bytes")


_INCOMPLETE = (
    'RFC 9112 8 (https://www.rfc-editor.org/rfc/rfc9112#section-8): "A client that receives an incomplete response '
    'message [...] MUST record the message as incomplete."'
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
    source='RFC 9112 7.1 and 7.1.2: "A recipient MUST be able to parse and decode the chunked transfer coding", of '
    "which the trailer section is a part",
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
    source="RFC 9110 8.4 (content codings are decoded by the recipient) and 12.5.3 (Accept-Encoding names those that "
    "the client accepts)",
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
    source="RFC 9112 6.3 (message body length: chunked, Content-Length, or the end of the connection)",
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
        yield Finding("nothing from behind the Content-Length", f"{extra} characters from there")


@_http(
    "HTTP-037",
    "an error status is an error that shows itself",
    keyword="MUST",
    basis="standard",
    source='RFC 9110 15: "a client MUST understand the class of any status code"',
    statement="A 4xx or 5xx before the stream is raised as an error that shows the status and the body.",
    faults=(
        "status:400",
        "status:401",
        "status:403",
        "status:404",
        "status:429",
        "status:500",
        "status:529",
        "status:500,text",
        "status:502,html",
        "status:503,empty",
        "retry-after",
        "retry-after:99999999",
    ),
    cases=TEXT,
    broken=claims_success,
)
def error_status(seen: Observation) -> Iterator[Finding]:
    """That it is an error is the standard's; that it shows status and body is only what helps."""
    code = seen.fault.partition(":")[2].partition(",")[0] if seen.fault.startswith("status") else "429"
    told = outcome(seen.run) if seen.run.raised is None else seen.run.raised.message
    if seen.run.succeeded or seen.run.hung:
        yield Finding(f"an error for the status {code}", outcome(seen.run))
    elif code not in told:
        yield Finding(f"an error that names the status {code}", outcome(seen.run), mild=True)
    elif not seen.fault.endswith("html") and not _shows(seen):
        yield Finding("an error that shows the body", outcome(seen.run), mild=True)


@_http(
    "HTTP-038",
    "a status without a stream is no empty success",
    keyword="SHOULD",
    basis="de-facto",
    source="de facto; RFC 9110 15.3.5 to 15.3.7 and 15.4.5 say that these statuses carry no such answer, and 15.4: "
    '"A client SHOULD detect and intervene in cyclical redirections"',
    statement="204, 205, 206, 304 and a redirect to itself are reported as errors.",
    faults=("empty-status:204", "empty-status:205", "empty-status:206", "empty-status:304", "redirect:loop"),
    cases=TEXT,
    broken=claims_success,
)
def empty_status(seen: Observation) -> Iterator[Finding]:
    """Nothing was answered."""
    yield from must_tell(seen, "an error: there is no answer")
