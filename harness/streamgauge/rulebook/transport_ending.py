"""Transport: how the HTTP message ends (RFC 9112)."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.dialects.openai_chat._samples import HELLO
from streamgauge.evidence import answered, streamed
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule


@server_rule(
    "HTTP-006",
    "the message ends with its proper terminator",
    group="transport",
    keyword="MUST",
    basis="standard",
    source='RFC 9112 7.1: chunked-body = *chunk last-chunk trailer-section CRLF, and RFC 9110 2.2: "A sender MUST NOT '
    'generate protocol elements that do not match the grammar defined by the corresponding ABNF rules."; RFC 9112 8: '
    '"A message body that uses the chunked transfer coding is incomplete if the zero-sized chunk that terminates the '
    'encoding has not been received."; RFC 9113 8.1: "The last frame in the sequence bears an END_STREAM flag"',
    applies=("all",),
    needs=("headers",),
    known=(
        "https://github.com/npuichigo/openai_trtllm/issues/31",
        "https://github.com/opensandbox-group/OpenSandbox/issues/1461",
    ),
    good=Example(body=HELLO, dialect="openai-chat"),
    bad=Example(body=HELLO, ended="incomplete", dialect="openai-chat"),
)
def message_completed(exchange: Exchange) -> Iterator[Finding]:
    """After the dialect's last event the server completes the HTTP message (zero-length chunk or END_STREAM) and does
    not just drop the connection.
    """
    ended = exchange.trace.ended
    if exchange.trace.status is None:
        raise NotApplicable("only the body is known, not how the HTTP message ended")
    answered(exchange)
    if ended in ("timeout", "closed"):
        raise NotApplicable(f"the response was not read to its end ({ended})")
    if ended in ("incomplete", "reset"):
        size = len(exchange.body)
        how = "reset" if ended == "reset" else "closed"
        yield Finding(
            "a complete HTTP message", f"the connection was {how} in the middle of it", (max(0, size - 80), size)
        )


@server_rule(
    "HTTP-007",
    "no RST after the last byte",
    group="transport",
    keyword="SHOULD",
    basis="standard",
    source='RFC 9112 9.6: "If a server performs an immediate close of a TCP connection, there is a significant risk '
    "that the client will not be able to read the last HTTP response. [...] To avoid the TCP reset problem, servers "
    'typically close a connection in stages." It describes what servers do, and has no keyword for it',
    applies=("all",),
    needs=("headers",),
    known=("https://github.com/opensandbox-group/OpenSandbox/issues/1461",),
    good=Example(body=HELLO, dialect="openai-chat"),
    bad=Example(body=HELLO, ended="reset", dialect="openai-chat"),
    also_breaks=("HTTP-006",),
)
def no_reset(exchange: Exchange) -> Iterator[Finding]:
    """The server does not reset the TCP connection right after the body, so that no unread bytes are lost."""
    if exchange.trace.status is None:
        raise NotApplicable("only the body is known, not how the connection ended")
    streamed(exchange)
    if exchange.message.ended == "truncated":
        raise NotApplicable("the answer was not over (see HTTP-006 and ERR-001)")
    if exchange.trace.ended == "reset":
        size = len(exchange.body)
        yield Finding("an orderly close", "the connection was reset after the last event", (max(0, size - 80), size))
