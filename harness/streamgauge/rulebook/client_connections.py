"""Client rules for what is below the messages: TLS, HTTP/2, connections that break or never come about.

Sources: RFC 8446 (TLS 1.3), RFC 9110 (HTTP Semantics), RFC 9112 (HTTP/1.1), RFC 9113 (HTTP/2).
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
    hangs,
    loses_an_event,
    must_tell,
    outcome,
    prerequisite,
    same_events,
)
from streamgauge.rules import Finding, NotApplicable, client_rule

_http = partial(client_rule, group="transport", applies=("all",))
TEXT = ("plain-text",)
CANCEL = 0x8
"""RFC 9113 7: the stream is no longer needed."""


def _over_http2(seen: Observation) -> None:
    """Raises NotApplicable where the client spoke HTTP/1.1: no document asks it for more."""
    if seen.served.protocols and "HTTP/2" not in seen.served.protocols:
        raise NotApplicable(f"{seen.subject} does not ask for HTTP/2")


def _trusting(seen: Observation) -> None:
    """Raises NotApplicable where the client does not take the harness's authority from the environment."""
    if (
        seen.run.raised
        and not seen.served.requests
        and "certificate verify failed" in seen.run.raised.traceback.lower()
    ):
        raise NotApplicable(f"{seen.subject} does not read SSL_CERT_FILE: it does not trust the harness's authority")


@_http(
    "HTTP-040",
    "over TLS the stream is the same",
    keyword="MUST",
    basis="standard",
    source='RFC 8446 5.1: "The record layer fragments information blocks into TLSPlaintext records"; RFC 9112 9.8: '
    '"When encountering an incomplete close, a client SHOULD treat as completed all requests for which it has received '
    '[...] the terminal zero-length chunk", so that a missing close_notify counts as non-strict',
    statement="Records of a few bytes change nothing, nor does a connection that ends without close_notify when the "
    "message was complete.",
    faults=("tls", "tls:small-records", "tls:no-close-notify"),
    cases=TEXT,
    broken=loses_an_event,
)
def over_tls(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    _trusting(seen)
    advised = seen.fault == "tls:no-close-notify"
    yield from (replace(finding, mild=True) if advised else finding for finding in same_events(seen))


@_http(
    "HTTP-041",
    "a certificate that does not stand for the host is refused",
    keyword="MUST",
    basis="standard",
    source='RFC 9110 4.3.4: "To establish a secured connection to dereference a URI, a client MUST verify that the '
    "service's identity is an acceptable match for the URI's origin server.\" RFC 5280 6.1.3: \"The certificate MUST "
    "satisfy each of the following: (1) The signature on the certificate can be verified [...] (2) The certificate "
    'validity period includes the current time."',
    statement="With a certificate that is expired, for another host, or signed by nobody that is trusted, no request "
    "is sent.",
    faults=("bad-certificate:expired", "bad-certificate:wrong-host", "bad-certificate:self-signed"),
    cases=TEXT,
    broken=lambda seen: replace(seen, served=replace(seen.served, requests=(("POST", "/", {}, b""),))),
)
def bad_certificate(seen: Observation) -> Iterator[Finding]:
    """A request that was sent has shown its key to whoever is there."""
    if seen.served.requests:
        yield Finding("no request to a server that does not prove who it is", "the request, with its key")
    elif seen.run.succeeded:
        yield Finding("an error", outcome(seen.run))


@_http(
    "HTTP-042",
    "over HTTP/2 the stream is the same",
    keyword="MUST",
    basis="standard",
    source='RFC 9113 6.1: "Padding octets that contain no application semantic value."; 8.1: a message has "zero or '
    'more DATA frames containing the message content"; 6.8: "GOAWAY allows an endpoint to gracefully stop accepting '
    'new streams while still finishing processing of previously established streams."',
    statement="Frames of a few bytes, padding, and a GOAWAY that does not concern the stream change nothing, for a "
    "client that asks for HTTP/2.",
    faults=("http2", "http2:tiny-frames", "http2:padded", "http2:farewell", "http2-cleartext"),
    cases=TEXT,
    broken=loses_an_event,
)
def over_http2(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    _trusting(seen)
    _over_http2(seen)
    yield from same_events(seen)


@_http(
    "HTTP-043",
    "an aborted HTTP/2 stream is not a success",
    keyword="MUST",
    basis="standard",
    source='RFC 9113 8.1: "An HTTP response is complete after the server sends -- or the client receives -- a frame '
    'with the END_STREAM flag set"; 6.4: RST_STREAM comes "to request cancellation of a stream or to indicate that an '
    'error condition has occurred"',
    statement="RST_STREAM and GOAWAY in the middle of an answer are told to the caller.",
    faults=tuple(f"http2-abort:{how}" for how in ("internal-error", "cancel", "refused-stream", "goaway")),
    cases=TEXT,
    broken=claims_success,
)
def aborted_stream(seen: Observation) -> Iterator[Finding]:
    """What was refused may have been sent again, and then have come."""
    _trusting(seen)
    _over_http2(seen)
    yield from must_tell(seen, "a sign that the answer is incomplete")


@_http(
    "HTTP-044",
    "a TLS connection that just ends does not end a body",
    keyword="MUST",
    basis="standard",
    source='RFC 9112 9.8: "A response that has neither chunked transfer coding nor Content-Length is complete only if '
    'a valid closure alert has been received."; 8: an incomplete response message the client "MUST record [...] as '
    'incomplete"; RFC 8446 6.1: "If a transport-level close is received prior to a "close_notify", the receiver cannot '
    'know that all the data that was sent has been received"',
    statement="Where only the end of the connection could end the body, and it comes without close_notify before the "
    "stream is over, the caller is told.",
    faults=("tls-truncated",),
    cases=TEXT,
    broken=claims_success,
)
def truncated_tls(seen: Observation) -> Iterator[Finding]:
    """By the missing alert or by the missing rest of the stream."""
    _trusting(seen)
    yield from must_tell(seen, "a sign that the answer is incomplete")


@_http(
    "HTTP-045",
    "a connection that broke is not used again",
    keyword="SHOULD",
    basis="de-facto",
    source="de facto: one broken answer is no reason to lose the next",
    statement="After a stream that broke, or that its caller left, the same client's next request gets its own answer, "
    "whole.",
    faults=("reuse:fin", "reuse:reset", "reuse:truncated", "reuse:left"),
    cases=TEXT,
    broken=dies,
)
def next_request(seen: Observation) -> Iterator[Finding]:
    """The second stream of one client says what a first one says."""
    yield from same_events(seen)


@_http(
    "HTTP-046",
    "what can't be reached is an error",
    keyword="SHOULD",
    basis="de-facto",
    source="de facto; RFC 9110 15.5.8 (407: the client has to authenticate itself to the proxy)",
    statement="A refused connection, an unknown host, and a proxy that wants credentials are raised as errors.",
    faults=("unreachable:refused", "unreachable:dns", "proxy-auth"),
    cases=TEXT,
    broken=claims_success,
)
def unreachable(seen: Observation) -> Iterator[Finding]:
    """At once: nothing is there that could take time."""
    if seen.run.succeeded or seen.run.hung:
        yield Finding("an error", outcome(seen.run))
    elif seen.fault == "proxy-auth" and "407" not in (seen.run.raised.message if seen.run.raised else ""):
        yield Finding("an error that names the status 407", outcome(seen.run))


@_http(
    "TIM-020",
    "a caller may take its time",
    group="timing",
    keyword="SHOULD",
    basis="de-facto",
    source="de facto: the read timeout is about the server's silence (TIM-005)",
    statement="A caller that reads nothing for longer than the read timeout, while the server has more to send, loses "
    "nothing.",
    faults=("slow-reader",),
    cases=TEXT,
    broken=lambda seen: hangs(changed(seen, raised=None)),
)
def slow_caller(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_http(
    "CAN-004",
    "HTTP/2 cancel resets one stream only",
    group="cancellation",
    keyword="SHOULD",
    basis="standard",
    source='RFC 9113 6.4: "RST_STREAM is sent to request cancellation of a stream"; 7, CANCEL: "The endpoint uses '
    'this error code to indicate that the stream is no longer needed."; 5.4.2: such an error "does not affect '
    'processing of other streams". No sentence obliges a client to cancel in this way',
    statement="Over HTTP/2 a cancelled request is reset with CANCEL; other streams on the connection go on.",
    faults=("http2+slow-drip:20",),
    cases=TEXT,
    needs=("stop",),
    broken=lambda seen: replace(seen, served=replace(seen.served, resets=())),
)
def cancel_resets(seen: Observation) -> Iterator[Finding]:
    """Where the connection is closed instead, no other stream could have gone on."""
    _trusting(seen)
    _over_http2(seen)
    yield from prerequisite(seen)
    if seen.run.stopped_at is None:
        yield Finding("a few events to stop after", outcome(seen.run))
    elif seen.served.resets != (CANCEL,):
        codes = ", ".join(f"RST_STREAM with code {code}" for code in seen.served.resets)
        left = "the connection was closed" if seen.served.closed_early is not None else "the stream was still open"
        yield Finding("RST_STREAM with code 8 (CANCEL)", codes or left)
