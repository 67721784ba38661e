"""SSE framing: what the bytes of an event stream must be (WHATWG HTML 9.2.5 to 9.2.7)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, pairwise

from streamgauge.dialects.openai_chat._samples import HELLO, chat, text
from streamgauge.events import Span, TextDelta
from streamgauge.evidence import answered, brief, is_stream, streamed, timed
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule, unreadable
from streamgauge.sse import Comment, Unfinished
from streamgauge.wire import text as string

WHATWG = "https://html.spec.whatwg.org/multipage/server-sent-events.html"
BOM = b"\xef\xbb\xbf"
SILENCE = 16.0
"""Seconds: the standard advises a comment "every 15 seconds or so"; one second is left for the network."""


@server_rule(
    "SSE-007",
    "servers send valid UTF-8",
    group="sse-framing",
    keyword="MUST",
    basis="standard",
    source=f'WHATWG HTML 9.2.5 ({WHATWG}#parsing-an-event-stream): "Event streams in this format must always be '
    'encoded as UTF-8."; RFC 8259 8.1: "JSON text exchanged between systems that are not part of a closed ecosystem '
    'MUST be encoded using UTF-8". U+FFFD is UTF-8 itself, and no standard speaks of what it stands for: it counts as '
    "non-strict, and only where the non-streaming answer lacks it, or where it stands on both sides of the cut between "
    "two deltas",
    applies=("sse", "ndjson", "json-array"),
    known=(
        "https://github.com/ggml-org/llama.cpp/issues/28926",
        "https://github.com/ardanlabs/kronk/issues/275",
        "https://github.com/jjang-ai/vmlx/issues/129",
        "https://github.com/m5stack/StackFlow/issues/7",
    ),
    good=Example(body=chat(text("Grüße ", "\U0001f44b")), dialect="openai-chat"),
    bad=Example(body=chat(text("Grüße ")).encode().replace("ß".encode(), b"\xc3"), dialect="openai-chat"),
)
def valid_utf8(exchange: Exchange) -> Iterator[Finding]:
    """The server never sends ill-formed UTF-8 and never sends U+FFFD in place of the bytes of a half-generated
    character; it holds incomplete characters back.
    """
    streamed(exchange)
    body = exchange.body
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        if exchange.trace.ended == "eof" or error.end < len(body):
            yield Finding("well-formed UTF-8", f"{error.reason} at byte {error.start}", (error.start, error.end))
        return
    yield from _replaced(exchange)


def _replaced(exchange: Exchange) -> Iterator[Finding]:
    if not any(spelling in exchange.body for spelling in (b"\xef\xbf\xbd", b"\\ufffd", b"\\uFFFD")):
        return
    expected = "the bytes of the character, once they are all there"
    texts = [e for e in exchange.events if isinstance(e, TextDelta)]
    reference = exchange.reference
    if reference and not any("\ufffd" in c.text for c in reference.choices):
        for event in texts:
            if "\ufffd" in event.text:
                yield Finding(
                    expected, f"U+FFFD in {brief(event.text)}, not in the non-streaming answer", event.span, True
                )
                return
    for before, after in pairwise(texts):
        if before.choice == after.choice and before.text.endswith("\ufffd") and after.text.startswith("\ufffd"):
            yield Finding(expected, f"U+FFFD on both sides of a cut: {brief(after.text)}", after.span, True)


@server_rule(
    "SSE-020",
    "servers end every event with a blank line",
    group="sse-framing",
    keyword="MUST",
    basis="standard",
    source=f'WHATWG HTML 9.2.5 ({WHATWG}#parsing-an-event-stream): "The event stream format is as described by the '
    'stream production of the following ABNF", with event = *( comment / field ) end-of-line; 9.2.6: "the last still '
    'has to end with a blank line, the end of the stream is not enough to trigger the dispatch of the last event"',
    applies=("sse",),
    known=(
        "https://github.com/darshi1337/apogee/issues/139 (llama-server: [DONE] without the last LF)",
        "https://github.com/ggml-org/llama.cpp/issues/14268",
        "https://github.com/mokksy/ai-mocks/issues/703",
    ),
    good=Example(body=HELLO, dialect="openai-chat"),
    bad=Example(body=HELLO[:-1], dialect="openai-chat"),
)
def last_event_ended(exchange: Exchange) -> Iterator[Finding]:
    """Each event, the last one included, ends with an empty line."""
    streamed(exchange)
    if exchange.trace.ended != "eof":
        raise NotApplicable("the stream was cut, so that its last event may be too")
    for frame in exchange.frames:
        if isinstance(frame, Unfinished):
            yield Finding("a blank line behind the last event", f"the body ends in {brief(frame.data)}", frame.span)


# Searched in the body behind an LF, so that each line, the first too, begins behind a line end. One BOM may lead it.
_OUTSIDE = re.compile(rb"[\r\n](?!(?:data|event|id|retry)(?:[:\r\n]|\Z)|[:\r\n])([^\r\n]+)(?=[\r\n])")


@server_rule(
    "SSE-021",
    "no bytes outside the grammar",
    group="sse-framing",
    keyword="SHOULD",
    basis="standard",
    source=f"WHATWG HTML 9.2.5 ({WHATWG}#parsing-an-event-stream), ABNF; 9.2.6: other field names are ignored",
    applies=("sse",),
    good=Example(body=": note\n\nid: 1\nretry: 10\n" + HELLO, dialect="openai-chat"),
    bad=Example(body=chat(text("Hello"), '{"note":"bare"}\n\n'), dialect="openai-chat"),
)
def only_grammar(exchange: Exchange) -> Iterator[Finding]:
    """Servers send only fields, comments and blank lines (no bare JSON lines, no HTML)."""
    answered(exchange)
    kind = exchange.trace.header("Content-Type")
    if not is_stream(exchange) and kind is not None and "text/event-stream" not in kind.lower():
        raise NotApplicable("the body is no SSE stream (see HTTP-004)")
    body = exchange.body.removeprefix(BOM)
    before = len(exchange.body) - len(body) - 1
    for match in _OUTSIDE.finditer(b"\n" + body):
        line = match[1][:100].decode("utf-8", "replace")
        span = (match.start(1) + before, match.end(1) + before)
        yield Finding("data, event, id or retry fields, comments, blank lines", brief(line), span)


_BARE = re.compile(rb"[\r\n](event(?::[^\r\n]*)?)(?:\r\n|\n|\r(?!\n))(?=[\r\n])")
_LIFE = re.compile(
    r"[\s.:]*|(?::\s*)?(?:ping|pong|keep[-_ ]?alive|heart[-_ ]?beat)[\s.!]*|: ?OPENROUTER PROCESSING", re.IGNORECASE
)


@server_rule(
    "SSE-022",
    "keep-alives are comments or dialect no-ops",
    group="sse-framing",
    keyword="SHOULD",
    basis="standard",
    source=f"WHATWG HTML 9.2.7 Authoring notes ({WHATWG}#authoring-notes); OpenRouter docs, Streaming "
    "(https://openrouter.ai/docs/api_reference/streaming); DeepSeek docs, Rate Limit "
    "(https://api-docs.deepseek.com/quick_start/rate_limit)",
    applies=("sse",),
    known=(
        "https://github.com/mnfst/llm-gateway/issues/2053",
        "https://github.com/diegosouzapw/OmniRoute/issues/1146",
        "https://github.com/jundot/omlx/issues/1011",
        "https://github.com/diegosouzapw/OmniRoute/issues/7031",
    ),
    good=Example(body=": keep-alive\n\n" + HELLO, dialect="openai-chat"),
    bad=Example(body=chat(text("Hello"), "event: ping\n\n"), dialect="openai-chat"),
)
def keepalives_are_comments(exchange: Exchange) -> Iterator[Finding]:
    """Keep-alive bytes are comments, or the dialect's own no-op event (Anthropic ping). They are never data: fields
    with non-JSON text and never bare event: lines that older parsers dispatch.
    """
    streamed(exchange)
    for payload in exchange.payloads:
        if unreadable(payload.value) and len(payload.frame.data) < 80 and _LIFE.fullmatch(payload.frame.data):
            yield Finding("a comment, as in ': keep-alive'", f"data {brief(payload.frame.data)}", payload.span)
    for line, span in _bare_events(exchange.body):
        yield Finding("a comment, as in ': keep-alive'", f"a bare {brief(line)}", span)


def _bare_events(body: bytes) -> Iterator[tuple[str, Span]]:
    """The `event` lines that stand alone between two blank lines."""
    if b"event" not in body:
        return
    padded = b"\n\n" + body
    for match in _BARE.finditer(padded):
        start, end = match.span(1)
        if padded[max(0, start - 4) : start].endswith((b"\n\n", b"\r\r", b"\r\n\r\n")):
            yield match[1][:60].decode("utf-8", "replace"), (start - 2, end - 2)


@server_rule(
    "SSE-023",
    "keep-alive at most every 15 s of silence",
    group="sse-framing",
    keyword="SHOULD",
    basis="standard",
    source=f'WHATWG HTML 9.2.7 Authoring notes ({WHATWG}#authoring-notes): "Legacy proxy servers are known to, in '
    "certain cases, drop HTTP connections after a short timeout. To protect against such proxy servers, authors can "
    "include a comment line (one starting with a ':' character) every 15 seconds or so.\"",
    applies=("sse",),
    needs=("timing",),
    known=("https://github.com/ogx-ai/ogx/issues/6007",),
    good=Example(body=HELLO, sizes=(60, 60, 1000), times=(0.5, 15.2, 30.0), dialect="openai-chat"),
    bad=Example(body=HELLO, sizes=(60, 60, 1000), times=(0.5, 20.2, 30.0), dialect="openai-chat"),
)
def never_silent_for_long(exchange: Exchange) -> Iterator[Finding]:
    """While no event is ready for 15 s the server sends a keep-alive."""
    timed(exchange)
    streamed(exchange)
    trace = exchange.trace
    # Before the headers nothing can be sent, so that silence counts from there.
    start = trace.arrivals[0].at if trace.headers_at is None else trace.headers_at
    offset = 0
    for before, arrival in pairwise(chain([None], trace.arrivals)):
        last = start if before is None else before.at
        if arrival is not None and arrival.at - last > SILENCE:
            yield Finding(
                "a keep-alive every 15 s", f"{arrival.at - last:.1f} s of silence", (offset, offset + len(arrival.data))
            )
        offset += len(arrival.data) if arrival is not None else 0


_COMMENT = re.compile(r":|OPENROUTER PROCESSING")


@server_rule(
    "SSE-025",
    "proxies forward comments as comments",
    group="sse-framing",
    keyword="MUST",
    basis="standard",
    source=f'WHATWG HTML 9.2.6 Interpreting an event stream ({WHATWG}#event-stream-interpretation): "If the line '
    'starts with a U+003A COLON character (:) Ignore the line.", which binds the proxy, too, as a reader. Seen from '
    "outside: data that is itself such a line",
    applies=("sse",),
    known=("https://github.com/mnfst/llm-gateway/issues/2053",),
    good=Example(body=": OPENROUTER PROCESSING\n\n" + HELLO, dialect="openai-chat"),
    bad=Example(body="data: : OPENROUTER PROCESSING\n\n" + HELLO, dialect="openai-chat"),
    also_breaks=("JSON-001", "SSE-022"),
)
def comments_stay_comments(exchange: Exchange) -> Iterator[Finding]:
    """A proxy that rewrites the stream passes comments on as comments or drops them."""
    streamed(exchange)
    turned = [p for p in exchange.payloads if unreadable(p.value) and _COMMENT.match(string(p.frame.data))]
    if not turned and not any(isinstance(f, Comment) for f in exchange.frames):
        raise NotApplicable("the stream has no comment")
    for payload in turned:
        yield Finding("a comment, or nothing", f"data {brief(payload.frame.data)}", payload.span)
