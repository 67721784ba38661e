"""Faults of the HTTP message: framing and headers that RFC 9112 allows, and that clients must see through."""

from __future__ import annotations

from streamgauge.faults import fault
from streamgauge.faults._edit import number, one_of
from streamgauge.script import Script

SAME = "the same events"


@fault(
    "F-A06",
    "split-framing",
    "Cuts inside the chunk-size line and inside the line end behind a chunk",
    layer="http",
    effect="lossless",
    expected=SAME,
)
def split_framing(script: Script, _: str) -> Script:
    """What a TCP segment boundary may do to chunked coding."""
    return script.but(split_framing=True)


@fault(
    "F-A07",
    "chunk-size",
    "HTTP chunks whose bounds have nothing to do with events",
    layer="http",
    effect="lossless",
    argument="bytes a chunk",
    variants=("7", "1000"),
    expected=SAME,
)
def chunk_size(script: Script, argument: str) -> Script:
    """One event over many chunks, or many events in one."""
    size = number(argument, 7)
    if size < 1:
        raise ValueError("a chunk has at least one byte")
    body = script.body
    return script.with_body(body[i : i + size] for i in range(0, len(body), size))


@fault(
    "F-A07b",
    "framing",
    "Content-Length, or a body that the end of the connection ends",
    layer="http",
    effect="lossless",
    argument="length, close or chunked",
    variants=("length", "close"),
    expected=SAME,
)
def framing(script: Script, argument: str) -> Script:
    """RFC 9112 6.3: the three ways in which a message can end."""
    match one_of(argument, "length", "close", "chunked"):
        case "length":
            return script.but(framing="length")
        case "close":
            return script.but(framing="close", keep_alive=False)
        case _:
            return script.but(framing="chunked")


@fault(
    "F-A13",
    "content-coding",
    "A compressed body, flushed at each event",
    layer="http",
    effect="lossless",
    argument="gzip, deflate, br or zstd",
    variants=("gzip", "deflate", "br", "zstd"),
    expected="the same events, each as soon as it has come",
)
def content_coding(script: Script, argument: str) -> Script:
    """RFC 9110 8.4; only for clients whose Accept-Encoding names it."""
    return script.but(coding=one_of(argument, "gzip", "deflate", "br", "zstd"))


@fault(
    "F-A15",
    "http-extras",
    "Chunk extensions, trailers, 1xx answers, header names in mixed case",
    layer="http",
    effect="lossless",
    argument="extensions, trailers, interim, header-case or no-keep-alive",
    variants=("extensions", "trailers", "interim", "header-case", "no-keep-alive"),
    expected=SAME,
)
def http_extras(script: Script, argument: str) -> Script:
    """RFC 9112 7.1.1 and 7.1.2, RFC 9110 15.2 and 5.1: recipients ignore or skip all of these."""
    match one_of(argument, "extensions", "trailers", "interim", "header-case", "no-keep-alive"):
        case "extensions":
            return script.but(chunk_extension='sg="a;b"')
        case "trailers":
            return script.but(trailers=(("X-Streamgauge-Trailer", "yes"),))
        case "interim":
            return script.but(interim=(103,))
        case "header-case":
            return script.but(headers=tuple((_mixed(name), value) for name, value in script.headers))
        case _:
            return script.but(keep_alive=False)


def _mixed(name: str) -> str:
    return "".join(c.upper() if i % 2 else c.lower() for i, c in enumerate(name))
