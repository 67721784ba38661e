"""Transport: the header fields of a streaming response (RFC 9110, 9111, 9112; WHATWG HTML 9.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from streamgauge.dialects.bedrock._samples import HELLO as CONVERSED
from streamgauge.dialects.openai_chat._samples import HELLO
from streamgauge.events import Span
from streamgauge.evidence import answered, header, is_stream, media_type, streamed
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule

SSE = (("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no"))


def sse_with(*headers: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """The headers of a correct stream with some replaced or added."""
    names = {name for name, _ in headers}
    return (*(h for h in SSE if h[0] not in names), *headers)


def _head(exchange: Exchange) -> Span:
    return (0, min(len(exchange.body), 80))


@server_rule(
    "HTTP-001",
    "SSE responses declare text/event-stream",
    group="transport",
    keyword="MUST",
    basis="standard",
    source="WHATWG HTML 9.2.3 Processing model "
    "(https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model): \"if res's status is not "
    '200, or if res\'s Content-Type is not text/event-stream, then fail the connection"; 9.2.5: "This event stream '
    'format\'s MIME type is text/event-stream."; Open Responses specification: "servers MUST return header '
    'Content-Type: text/event-stream"',
    applies=("sse",),
    needs=("headers",),
    known=(
        "https://github.com/microsoft/foundry-dev-tools/issues/195",
        "https://github.com/Lightning-AI/LitServe/issues/359",
        "https://github.com/sigoden/aichat/issues/651",
        "https://github.com/ollama/ollama/issues/8991",
    ),
    good=Example(body=HELLO, dialect="openai-chat"),
    bad=Example(body=HELLO, headers=sse_with(("Content-Type", "text/plain")), dialect="openai-chat"),
)
def declares_event_stream(exchange: Exchange) -> Iterator[Finding]:
    """A 200 response that streams SSE has Content-Type essence text/event-stream (parameters allowed)."""
    answered(exchange)
    kind = media_type(exchange)
    if not is_stream(exchange):
        raise NotApplicable("the body is no SSE stream (see HTTP-004)")
    if kind != "text/event-stream":
        yield Finding("Content-Type: text/event-stream", f"Content-Type: {kind or '(none)'}", _head(exchange))


EVENT_STREAM = "application/vnd.amazon.eventstream"


@server_rule(
    "HTTP-019",
    "event streams declare their media type",
    group="transport",
    keyword="SHOULD",
    basis="vendor-doc",
    source="Smithy, Amazon Event Stream Specification (https://smithy.io/2.0/aws/amazon-eventstream.html): the wire "
    f"format is {EVENT_STREAM}; what Amazon Bedrock's streaming operations answer with",
    applies=("eventstream",),
    needs=("headers",),
    good=Example(body=CONVERSED, headers=(("Content-Type", EVENT_STREAM), *SSE[1:])),
    bad=Example(body=CONVERSED, headers=(("Content-Type", "application/json"), *SSE[1:])),
)
def declares_amazon_event_stream(exchange: Exchange) -> Iterator[Finding]:
    """A 200 response that streams binary messages has Content-Type application/vnd.amazon.eventstream."""
    answered(exchange)
    kind = media_type(exchange)
    if not is_stream(exchange):
        raise NotApplicable("the body is no event stream (see HTTP-004)")
    if kind != EVENT_STREAM:
        yield Finding(f"Content-Type: {EVENT_STREAM}", f"Content-Type: {kind or '(none)'}", _head(exchange))


@server_rule(
    "HTTP-005",
    "no Content-Length on a live stream",
    group="transport",
    keyword="SHOULD",
    basis="standard",
    source='RFC 9112 6.3: "Since there is no way to distinguish a successfully completed, close-delimited response '
    "message from a partially received message interrupted by network failure, a server SHOULD generate encoding or "
    'length-delimited messages whenever possible." A Content-Length that equals the body is not counted',
    applies=("all",),
    needs=("headers",),
    good=Example(body=HELLO, headers=sse_with(("Transfer-Encoding", "chunked")), dialect="openai-chat"),
    bad=Example(body=HELLO, headers=sse_with(("Connection", "close")), dialect="openai-chat"),
)
def framed_by_chunks(exchange: Exchange) -> Iterator[Finding]:
    """A stream produced incrementally uses chunked coding (HTTP/1.1) or DATA frames (HTTP/2, HTTP/3); if Content-Length
    is present it equals the bytes sent.
    """
    length = header(exchange, "Content-Length")
    streamed(exchange)
    if length is not None and not header(exchange, "Content-Encoding"):
        if exchange.trace.ended != "eof":
            raise NotApplicable("the body was not read whole, so its length can't be compared")
        if length.strip() != str(len(exchange.body)):
            yield Finding(f"no Content-Length, or {len(exchange.body)}", f"Content-Length: {length}")
        return
    closes = "close" in (header(exchange, "Connection") or "").lower()
    if length is None and closes and not header(exchange, "Transfer-Encoding"):
        yield Finding("Transfer-Encoding: chunked", "a body that only the closing of the connection ends")


@server_rule(
    "HTTP-008",
    "caching is off",
    group="transport",
    keyword="SHOULD",
    basis="de-facto",
    source="de facto: what vendors send. No standard asks a server for it: RFC 9111 5.2.2.4 and 5.2.2.5 say what "
    'no-cache and no-store mean, and RFC 9110 9.3.3 that "Responses to POST requests are only cacheable when they '
    'include explicit freshness information"',
    applies=("all",),
    needs=("headers",),
    known=("https://github.com/ggml-org/llama.cpp/issues/20872",),
    good=Example(body=HELLO, headers=sse_with(("Cache-Control", "private, No-Store")), dialect="openai-chat"),
    bad=Example(body=HELLO, headers=sse_with(("Cache-Control", "max-age=60")), dialect="openai-chat"),
)
def caching_off(exchange: Exchange) -> Iterator[Finding]:
    """Streaming responses carry Cache-Control: no-cache or no-store."""
    control = header(exchange, "Cache-Control")
    streamed(exchange)
    wanted = {"no-cache", "no-store"}
    if not wanted & {part.partition("=")[0].strip().lower() for part in (control or "").split(",")}:
        yield Finding("Cache-Control: no-cache or no-store", f"Cache-Control: {control or '(none)'}")


@server_rule(
    "HTTP-009",
    "intermediaries are told not to buffer",
    group="transport",
    keyword="SHOULD",
    basis="de-facto",
    source="nginx documentation, proxy_buffering: X-Accel-Buffering (what proxies and servers do; no standard)",
    applies=("all",),
    needs=("headers",),
    known=(
        "https://github.com/ggml-org/llama.cpp/issues/20872",
        "https://github.com/BerriAI/litellm/issues/29557",
        "https://github.com/langgenius/dify/issues/41755",
    ),
    good=Example(body=HELLO, dialect="openai-chat"),
    bad=Example(body=HELLO, headers=SSE[:2], dialect="openai-chat"),
)
def buffering_off(exchange: Exchange) -> Iterator[Finding]:
    """Streaming responses carry X-Accel-Buffering: no (or the deployment documents the proxy settings)."""
    value = header(exchange, "X-Accel-Buffering")
    streamed(exchange)
    if (value or "").strip().lower() != "no":
        yield Finding("X-Accel-Buffering: no", f"X-Accel-Buffering: {value or '(none)'}")


@server_rule(
    "HTTP-010",
    "only an acceptable content coding is used",
    group="transport",
    keyword="SHOULD",
    basis="standard",
    source='RFC 9110 12.5.3: "If a non-empty Accept-Encoding header field is present in a request and none of the '
    "available representations for the response have a content coding that is listed as acceptable, the origin server "
    'SHOULD send a response without any content coding unless the identity coding is indicated as unacceptable."; a '
    'listed coding "is acceptable unless it is accompanied by a qvalue of 0". That an encoder is flushed after each '
    "event shows in TIM-001",
    applies=("all",),
    needs=("headers",),
    known=("https://github.com/blinkk/rootjs/issues/1209",),
    good=Example(body=HELLO, accept_encoding="identity", dialect="openai-chat"),
    bad=Example(
        body=HELLO,
        headers=sse_with(("Content-Encoding", "gzip")),
        accept_encoding="identity",
        dialect="openai-chat",
    ),
)
def acceptable_coding(exchange: Exchange) -> Iterator[Finding]:
    """A content coding is used only if the request's Accept-Encoding allows it."""
    accepted = exchange.trace.accept_encoding
    used = header(exchange, "Content-Encoding")
    if accepted is None:
        raise NotApplicable("the request's Accept-Encoding is not known")
    listed = {name.strip().lower(): not _ZERO.search(weight) for name, _, weight in _parts(accepted)}
    for coding in filter(None, (part.strip().lower() for part in (used or "").split(","))):
        if coding != "identity" and not listed.get(coding, listed.get("*", False)):
            yield Finding(f"a coding of {accepted!r}, or none", f"Content-Encoding: {coding}", _head(exchange))


_ZERO = re.compile(r"(?:^|;)\s*[qQ]\s*=\s*0(?:\.0{0,3})?\s*(?:;|$)")
"""A weight of 0, which RFC 9110 12.4.2 gives to what is not acceptable."""


def _parts(accepted: str) -> Iterator[tuple[str, str, str]]:
    return (part.partition(";") for part in accepted.split(","))


@server_rule(
    "HTTP-011",
    "body is UTF-8 whatever the charset parameter says",
    group="transport",
    keyword="MUST",
    basis="standard",
    source="WHATWG HTML 9.2.5 Parsing an event stream "
    '(https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream): "Event streams in this '
    'format must always be encoded as UTF-8."; the registration of text/event-stream in the same standard (as quoted '
    'by others): charset "serves no purpose; it is only allowed for compatibility with legacy servers"',
    applies=("sse",),
    needs=("headers",),
    good=Example(
        body=HELLO, headers=sse_with(("Content-Type", 'text/event-stream; charset="UTF-8"')), dialect="openai-chat"
    ),
    bad=Example(
        body=HELLO, headers=sse_with(("Content-Type", "text/event-stream; charset=latin1")), dialect="openai-chat"
    ),
)
def charset_utf8(exchange: Exchange) -> Iterator[Finding]:
    """The stream is UTF-8; a charset parameter other than utf-8 is not sent."""
    kind = header(exchange, "Content-Type") or ""
    streamed(exchange)
    for parameter in kind.split(";")[1:]:
        name, _, value = parameter.partition("=")
        charset = value.strip().strip('"').lower()
        if name.strip().lower() == "charset" and charset != "utf-8":
            yield Finding("charset=utf-8, or none", f"Content-Type: {kind}")
