"""Faults below the HTTP message: HTTP/2 in place of HTTP/1.1, and TLS."""

from __future__ import annotations

from streamgauge.faults import fault
from streamgauge.faults._edit import halfway, one_of
from streamgauge.script import Script

CODES = {"internal-error": 0x2, "cancel": 0x8, "refused-stream": 0x7, "goaway": 0x2}
"""Error codes of RFC 9113 7."""


@fault(
    "F-A14",
    "http2",
    "HTTP/2 over TLS, for clients that ask for it by ALPN",
    layer="http",
    effect="lossless",
    argument="whole, tiny-frames (of 7 bytes), padded, or farewell (a GOAWAY without an error in the middle)",
    variants=("", "tiny-frames", "padded", "farewell"),
    expected="the same events",
)
def http2(script: Script, argument: str) -> Script:
    """RFC 9113 6.1 (padding is no data), 8.1 (frames have nothing to do with messages) and 6.8 (streams that a GOAWAY
    does not exclude go on). A client that does not ask gets HTTP/1.1 over TLS."""
    script = script.over(certificate="valid", http2=True)
    match one_of(argument, "whole", "tiny-frames", "padded", "farewell"):
        case "tiny-frames":
            return script.over(frame_size=7)
        case "padded":
            return script.over(padding=100)
        case "farewell":
            return script.over(farewell=True)
        case _:
            return script


@fault(
    "F-A14b",
    "http2-cleartext",
    "HTTP/2 without TLS, for clients that begin with it unasked",
    layer="http",
    effect="lossless",
    expected="the same events",
)
def http2_cleartext(script: Script, _: str) -> Script:
    """RFC 9113 3.3, "prior knowledge". A client that does not begin with it gets HTTP/1.1."""
    return script.over(http2=True)


@fault(
    "F-A16",
    "tls",
    "TLS: records that have nothing to do with events, and an end of the connection that nobody announces",
    layer="http",
    effect="lossless",
    argument="plain, small-records (of 7 bytes) or no-close-notify (behind the last chunk)",
    variants=("", "small-records", "no-close-notify"),
    expected="the same events",
)
def tls(script: Script, argument: str) -> Script:
    """RFC 9112 9.8: where the last chunk was received, the response is complete even if the close was not."""
    script = script.over(certificate="valid")
    match one_of(argument, "plain", "small-records", "no-close-notify"):
        case "small-records":
            return script.over(record_size=7)
        case "no-close-notify":
            return script.over(close_notify=False).but(keep_alive=False)
        case _:
            return script


@fault(
    "F-A16b",
    "tls-truncated",
    "TLS that ends without close_notify, in a body that only the end of the connection ends",
    layer="loss",
    effect="broken",
    argument="the number of events that are kept (negative: all but so many; without one: half)",
    expected="an error that says the stream is incomplete, with what had come",
)
def tls_truncated(script: Script, argument: str) -> Script:
    """RFC 8446 6.1: a truncation attack looks like this."""
    kept = script.with_body(script.frames()[: halfway(script, argument)])
    return kept.over(certificate="valid", close_notify=False).but(framing="close", keep_alive=False, ending="fin")


@fault(
    "F-C08",
    "http2-abort",
    "The HTTP/2 stream is reset, or the connection is given up with a GOAWAY",
    layer="loss",
    effect="broken",
    argument="internal-error, cancel, refused-stream (RST_STREAM with that code) or goaway",
    variants=("internal-error", "cancel", "refused-stream", "goaway"),
    expected="the library's connection error, with what had come; REFUSED_STREAM may be sent again",
)
def http2_abort(script: Script, argument: str) -> Script:
    """Half of the events come before; before REFUSED_STREAM, which promises that nothing was done, none. Over HTTP/1.1
    the connection ends without the last chunk."""
    how = one_of(argument, *CODES)
    kept = [] if how == "refused-stream" else script.frames()[: halfway(script)]
    script = script.over(certificate="valid", http2=True, error=CODES[how]).with_body(kept)
    return script.but(framing="chunked", ending="goaway" if how == "goaway" else "rst-stream")
