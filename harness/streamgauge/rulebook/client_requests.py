"""Client rules for what is asked: which type, how often, and where a redirect leads (RFC 9110)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from streamgauge.observation import Observation
from streamgauge.rulebook.client_answers import PROCESSING
from streamgauge.rulebook.client_judging import loses_an_event, merged, outcome, prerequisite, visible
from streamgauge.rules import Finding, NotApplicable, client_rule

_http = partial(client_rule, group="transport", applies=("all",))
TEXT = ("plain-text",)


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
    source='RFC 9110 9.2.2: "A client SHOULD NOT automatically retry a request with a non-idempotent method unless it '
    "has some means to know that the request semantics are actually idempotent, regardless of the method, or some "
    'means to detect that the original request was never applied."',
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
    source='RFC 9110 15.4: "the user agent SHOULD resend the original request message"; 15.4.8: with a 307 it "MUST '
    'NOT change the request method", and 15.4 says the same of 308 ("to unambiguously indicate method-preserving '
    'redirects"). With a 301 or 302 it "MAY change the request method from POST to GET", and a 303 asks for it: an '
    "answer that this loses is only noted",
    statement="307/308 keep method and body; 301/302/303 on a POST are not turned silently into a bodiless GET that "
    "looks like an answer.",
    faults=("redirect:307", "redirect:308", "redirect:301", "redirect:302", "redirect:303"),
    cases=TEXT,
    broken=loses_an_event,
)
def redirects(seen: Observation) -> Iterator[Finding]:
    """Following is not required; an answer that looks like one and is none is what hurts."""
    yield from prerequisite(seen)
    if not seen.run.succeeded or seen.baseline is None:
        return
    kept = seen.fault in ("redirect:307", "redirect:308")
    if merged(seen.run.said) != merged(seen.baseline.said):
        yield Finding("the stream behind the redirect, or an error", outcome(seen.run), mild=not kept)
    elif kept and len(seen.served.requests) > 1 and seen.served.requests[-1][3] != seen.served.requests[0][3]:
        yield Finding("the same body again", f"{len(seen.served.requests[-1][3])} bytes")
