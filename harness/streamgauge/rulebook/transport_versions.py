"""Transport: the same answer over each version of HTTP."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.dialects.openai_chat._samples import HELLO, chat, text
from streamgauge.evidence import brief, streamed
from streamgauge.message import Message
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule

ASKED = {"model": "m", "messages": [], "stream": True, "temperature": 0}
PLAIN = {"plain": Example(body=HELLO, request=ASKED)}


@server_rule(
    "HTTP-017",
    "works the same over HTTP/2",
    group="transport",
    keyword="SHOULD",
    basis="standard",
    source='RFC 9113 8: "HTTP/2 is an instantiation of the HTTP message abstraction" and 8.1: "An HTTP response is '
    'complete after the server sends -- or the client receives -- a frame with the END_STREAM flag set". That two '
    "answers to one request are equal follows for what HTTP carries, not for the model behind it: another text than "
    "before is only noted",
    applies=("all",),
    needs=("request",),
    good=Example(body=HELLO, request=ASKED, http_version="HTTP/2", siblings=PLAIN, dialect="openai-chat"),
    bad=Example(
        body=chat(text("Hello"), finish="length"),
        request=ASKED,
        http_version="HTTP/2",
        siblings=PLAIN,
        dialect="openai-chat",
    ),
)
def same_over_http2(exchange: Exchange) -> Iterator[Finding]:
    """Event content, order and terminator are the same over HTTP/1.1 and HTTP/2."""
    if exchange.trace.http_version != "HTTP/2":
        raise NotApplicable(f"the answer came over {exchange.trace.http_version}")
    plain = exchange.siblings.get("plain")
    if plain is None or plain.trace.http_version == "HTTP/2":
        raise NotApplicable("the same request over HTTP/1.1 is not known")
    streamed(exchange)
    streamed(plain)
    if (got := _ending(exchange.message)) != (expected := _ending(plain.message)):
        yield Finding(f"{expected}, as over HTTP/1.1", got)
    elif exchange.message.choices != plain.message.choices:
        yield Finding(brief(plain.message.choices), brief(exchange.message.choices), mild=True)


def _ending(message: Message) -> str:
    """How an answer ended, and why."""
    return ", ".join([f"an answer that is {message.ended}", *(str(c.finish_reason) for c in message.choices)])
