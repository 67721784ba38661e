"""Faults of the connection: it does not come about, the client must not want it, or its caller makes it end."""

from __future__ import annotations

from typing import cast

from streamgauge.faults import fault
from streamgauge.faults._edit import halfway, json_of, number, one_of, seconds
from streamgauge.faults.status import MESSAGE
from streamgauge.script import Caller, Certificate, Script

FILLING = 16 * 1024
"""Bytes of white space in each JSON value: together more than the buffers between a server and one who does not read,
each less than anybody's limit of a line."""


@fault(
    "F-F07",
    "unreachable",
    "Nobody listens, or there is no such host",
    layer="connection",
    effect="refused",
    argument="refused or dns",
    variants=("refused", "dns"),
    expected="the library's connection error",
)
def unreachable(script: Script, argument: str) -> Script:
    """A port that nobody listens on; a host in .invalid, which no resolver knows (RFC 6761 6.4)."""
    return script.over(missing="port" if one_of(argument, "refused", "dns") == "refused" else "host")


@fault(
    "F-F07b",
    "bad-certificate",
    "TLS with a certificate that does not stand for the server",
    layer="connection",
    effect="refused",
    argument="expired, wrong-host or self-signed",
    variants=("expired", "wrong-host", "self-signed"),
    expected="the library's connection error, before any request is sent",
)
def bad_certificate(script: Script, argument: str) -> Script:
    """A client that takes it gets the stream."""
    kind = one_of(argument, "expired", "wrong-host", "self-signed")
    return script.over(certificate=cast("Certificate", kind))


@fault(
    "F-F07c",
    "proxy-auth",
    "407: a proxy wants credentials",
    layer="connection",
    effect="refused",
    expected="the library's status error, with the status",
)
def proxy_auth(script: Script, _: str) -> Script:
    """RFC 9110 15.5.8. To a client that speaks http to its proxy, what answers in the proxy's place is the proxy."""
    refused = script.with_body([script.dialect.error_body(407, MESSAGE)])
    headers = (("Content-Type", "application/json"), ("Proxy-Authenticate", 'Basic realm="streamgauge"'))
    return refused.but(status=407, headers=headers, framing="length", ending="complete")


@fault(
    "F-F08",
    "leave",
    "The caller leaves: it closes the iterator",
    layer="connection",
    effect="lossless",
    argument="the output events after which it leaves",
    variants=("1",),
    expected="the connection is closed promptly, nothing is left behind",
)
def leave(script: Script, argument: str) -> Script:
    """The stream is whole; whoever runs the client does this, a server that plays the script can't."""
    count = number(argument, 1)
    if count < 1:
        raise ValueError("at least one event")
    return script.but(caller=Caller(leaves_after=count))


@fault(
    "F-B07",
    "slow-reader",
    "The caller stops reading for a while",
    layer="time",
    effect="lossless",
    argument="seconds",
    expected="the same events: the caller's time is not the server's silence",
)
def slow_reader(script: Script, argument: str) -> Script:
    """The JSON values are filled with white space, which RFC 8259 2 allows, until the stream fits into no buffer: the
    server has to wait for the reader. Whoever runs the client does the pausing."""
    waited = script.but(caller=Caller(pause=seconds(argument, 1.5))).over(send_buffer=FILLING)
    return waited.edit(lambda frames: [_filled(frame, script) for frame in frames])


def _filled(frame: bytes, script: Script) -> bytes:
    found = json_of(frame, script.dialect)
    if found is None or not isinstance(found[2], dict):
        return frame
    return frame[: found[0] + 1] + b" " * FILLING + frame[found[0] + 1 :]


@fault(
    "F-C10",
    "reuse",
    "A stream that breaks, then another one from the same client",
    layer="loss",
    effect="lossless",
    argument="how the first one ends: fin, reset, truncated, or left (by its caller)",
    variants=("fin", "reset", "truncated", "left"),
    expected="the same events: the client does not use the broken connection again",
)
def reuse(script: Script, argument: str) -> Script:
    """The first stream of the mount is broken half-way, the second is whole. Whoever runs the client asks twice."""
    how = one_of(argument, "fin", "reset", "truncated", "left")
    kept = script.with_body(script.frames()[: halfway(script)])
    match how:
        case "fin" | "reset":
            first = kept.but(framing="chunked", ending=how)
        case "truncated":
            first = kept
        case _:
            first = kept.but(ending="hold")
    return first.but(then=script, caller=Caller(before=(1 if how == "left" else 0,)))
