"""Client rules for Anthropic's message events: what may come anywhere, what follows the end, typed errors."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.dialects.anthropic_messages._sources import PRACTICE, STREAMING
from streamgauge.events import StreamError
from streamgauge.observation import Observation, Run
from streamgauge.rulebook.client_judging import (
    BROKEN_CLIENT,
    changed,
    dies,
    finishes_twice,
    loses_an_event,
    outcome,
    prerequisite,
    same_events,
)
from streamgauge.rules import Finding, client_rule

_rule = partial(client_rule, applies=("anthropic-messages",))
CASES = ("plain-text", "parallel-tools")
WORDS = {
    "overloaded_error": ("overloaded", "serviceunavailable", "529"),
    "rate_limit_error": ("ratelimit", "toomanyrequests", "429"),
    "api_error": ("apierror", "internalserver", "servererror", "500"),
    "authentication_error": ("authentication", "unauthorized", "401"),
    "invalid_request_error": ("invalidrequest", "badrequest", "400"),
}
"""What a class of error is called for each of Anthropic's types, in lower case and without underscores."""


@_rule(
    "ANT-010",
    "ping may come anywhere",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}: "Event streams may also include any number of ping events."; "There may be ping events '
    'dispersed throughout the response as well."',
    statement="A client ignores ping at any place, before message_start included.",
    known=("https://github.com/OpenCSGs/csgclaw/issues/595",),
    faults=("pings:everywhere", "pings:first"),
    cases=CASES,
    broken=dies,
)
def ping_anywhere(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_rule(
    "ANT-011",
    "unknown event types are ignored",
    group="chunk-schema",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{STREAMING}: "new event types may be added, and your code should handle unknown event types gracefully": '
    "should, so that no client fails by it. It is about events; that blocks and deltas grow too is practice",
    statement="A client ignores unknown events, and blocks and deltas of unknown types.",
    faults=("unknown-event", "novel-blocks:block", "novel-blocks:delta"),
    cases=CASES,
    broken=dies,
)
def unknown_types(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_rule(
    "ANT-013",
    "a client stops at message_stop",
    group="sequence",
    keyword="SHOULD",
    basis="de-facto",
    source=f"{PRACTICE}; the reference calls message_stop final",
    statement="Events after message_stop are not added to the message.",
    known=("measured: anthropic 2.12.0 appends deltas that follow message_stop",),
    faults=("after-terminator", "done-appended"),
    cases=CASES,
    broken=finishes_twice,
)
def stops_at_the_end(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_rule(
    "ERR-006",
    "Anthropic's error event is typed by the client",
    group="errors",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{STREAMING}: "an overloaded_error, which would normally correspond to an HTTP 529 in a non-streaming '
    'context"',
    statement="A client maps the in-stream error.type (overloaded_error ...) to the same class as the HTTP status "
    "would give, and keeps the partial text (which ERR-010 judges).",
    known=(
        "https://github.com/anthropics/anthropic-sdk-python/issues/1918",
        "https://github.com/anthropics/anthropic-sdk-python/issues/1258",
        "https://github.com/anthropics/anthropic-sdk-go/issues/200",
        "https://github.com/karthink/gptel/issues/1512",
    ),
    faults=tuple(f"typed-error:{kind}" for kind in WORDS),
    cases=("plain-text",),
    broken=lambda seen: changed(seen, raised=BROKEN_CLIENT),
)
def errors_are_typed(seen: Observation) -> Iterator[Finding]:
    """By the class of the exception, or by an error event that has the type."""
    missing = list(prerequisite(seen))
    yield from missing
    kind = seen.fault.partition(":")[2]
    if not missing and not _typed(seen.run, kind):
        yield Finding(f"an error whose class tells {kind}", outcome(seen.run))


def _typed(run: Run, kind: str) -> bool:
    if any(isinstance(e, StreamError) and e.error_type == kind for e in run.events):
        return True
    if run.raised is None:
        return False
    names = [name.rpartition(".")[2].lower().replace("_", "") for name in (run.raised.name, *run.raised.bases)]
    return any(word in name for name in names[:1] for word in WORDS[kind])


@_rule(
    "ANT-021",
    "odd blocks lose nothing silently",
    group="chunk-schema",
    keyword="SHOULD",
    basis="de-facto",
    source=f"{PRACTICE}; services that translate to this dialect send them",
    statement="Blocks without a stop, or whose indexes have gaps, give the same answer, or an error that says so.",
    faults=("no-block-stop", "block-index-gap"),
    cases=CASES,
    broken=loses_an_event,
)
def odd_blocks(seen: Observation) -> Iterator[Finding]:
    """The same events, or the library's own error."""
    if not (seen.run.raised and seen.run.raised.library):
        yield from same_events(seen)
