"""How the objects are framed: one on each line, in a body that says so."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.dialects.ollama._samples import HELLO, TYPE, chat, end, lines
from streamgauge.dialects.ollama._sources import STREAMING
from streamgauge.evidence import answered, brief, header, media_type, streamed
from streamgauge.frames import DONE
from streamgauge.rules import Example, Exchange, Finding, is_event, server_rule

APPLIES = ("ollama-chat", "ollama-generate")


@server_rule(
    "HTTP-002",
    "NDJSON responses declare application/x-ndjson",
    group="transport",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}: "These responses are provided in the newline-delimited JSON format (i.e. the '
    '`application/x-ndjson` content type)."',
    applies=APPLIES,
    needs=("headers",),
    known=("https://github.com/ollama/ollama/issues/294", "measured: Ollama's own cloud models say application/json"),
    good=lines(*HELLO),
    bad=Example(body=lines(*HELLO), headers=(("Content-Type", "application/json"), *TYPE[1:])),
)
def declares_ndjson(exchange: Exchange) -> Iterator[Finding]:
    """A streamed NDJSON response has Content-Type application/x-ndjson."""
    answered(exchange)
    header(exchange, "Content-Type")
    streamed(exchange)
    if media_type(exchange) != "application/x-ndjson":
        got = f"Content-Type: {media_type(exchange) or '(none)'}"
        yield Finding("Content-Type: application/x-ndjson", got, (0, min(80, len(exchange.body))))


@server_rule(
    "OLL-001",
    "one JSON object per line",
    group="framing",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}: "newline-delimited JSON format"; ndjson-spec 3.1 (https://github.com/ndjson/ndjson-spec): '
    '"Each '
    "JSON text MUST conform to the [RFC8259] standard and MUST be written to the stream followed by the newline "
    'character". A last line without it counts as non-strict: only the spec demands it',
    applies=APPLIES,
    known=(
        "https://github.com/0xPlaygrounds/rig/issues/1758",
        "https://github.com/code-yeongyu/oh-my-openagent/issues/1120",
    ),
    good=lines(*HELLO),
    bad=lines(chat("Hello")) + lines(chat(" there")).replace(',"done"', ',\n"done"') + lines(end()),
    also_breaks=("JSON-001",),
)
def one_object_a_line(exchange: Exchange) -> Iterator[Finding]:
    """Each line is one JSON object ended by LF; no raw LF inside."""
    streamed(exchange)
    for payload in exchange.payloads:
        if not isinstance(payload.value, dict):
            yield Finding("one JSON object", brief(payload.frame.data), payload.span)
    for frame in exchange.frames:
        if is_event(frame) and frame.data.strip() == DONE:
            yield Finding("one JSON object", f"{DONE}, which ends server-sent events", frame.span)
    size = len(exchange.body)
    if exchange.trace.ended == "eof" and not exchange.body.endswith(b"\n"):
        yield Finding("a line end behind the last object", "none", (max(0, size - 80), size), mild=True)
    if exchange.body.startswith(b"\xef\xbb\xbf"):
        yield Finding("no byte order mark (RFC 8259 8.1)", "one", (0, 3))
