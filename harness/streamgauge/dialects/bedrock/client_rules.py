"""Client rules for Bedrock's event streams: message types, checksums, headers, what follows messageStop."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.dialects.bedrock._sources import CONVERSE, GUIDE, SMITHY
from streamgauge.dialects.bedrock.encoder import EXCEPTIONS
from streamgauge.events import Usage
from streamgauge.observation import Observation
from streamgauge.rulebook.client_judging import changed, claims_success, dies, must_tell, outcome, same_events
from streamgauge.rules import Finding, NotApplicable, client_rule

_rule = partial(client_rule, applies=("bedrock-converse",), keyword="MUST")
CASES = ("plain-text", "parallel-tools")


def _without_usage(seen: Observation) -> Observation:
    kept = [(e, t) for e, t in zip(seen.run.events, seen.run.times, strict=True) if not isinstance(e, Usage)]
    return changed(seen, events=tuple(e for e, _ in kept), times=tuple(t for _, t in kept))


@_rule(
    "BRK-002",
    ":message-type decides",
    group="chunk-schema",
    basis="standard",
    source=f'{SMITHY}: of ":message-type", "The value of this header MUST always be event" in message events, '
    '"exception" in modeled errors, "error" in unmodeled ones, which "generally represent unexpected errors"; '
    f"{CONVERSE}: the exceptions",
    statement=":message-type is event, exception or error; a client raises on exception (:exception-type) and error "
    "(:error-code).",
    known=(
        "https://github.com/anomalyco/opencode/issues/38712",
        "https://github.com/aaif-goose/goose/issues/9579",
    ),
    faults=(*(f"exception-frame:{kind}" for kind in EXCEPTIONS), "unmodelled-error"),
    cases=("plain-text",),
    broken=claims_success,
)
def errors_are_told(seen: Observation) -> Iterator[Finding]:
    """The caller can tell that the answer failed."""
    yield from must_tell(seen, "an error for the message that is no event")


@_rule(
    "BRK-004",
    "a client reads on after messageStop",
    group="sequence",
    basis="vendor-doc",
    source=f'{GUIDE}: the picture of the events has metadata behind messageStop, "once per response; usage + metrics"; '
    '"The metadata includes the token usage in usage"',
    statement="A client reads until end of stream so that metadata (usage) is not lost.",
    known=("https://github.com/lastmile-ai/mcp-agent/issues/634",),
    faults=("",),
    cases=(*CASES, "length"),
    broken=_without_usage,
)
def metadata_is_read(seen: Observation) -> Iterator[Finding]:
    """The numbers of the metadata."""
    if "usage" not in seen.capabilities:
        raise NotApplicable(f"{seen.subject} does not declare 'usage'")
    got, want = seen.run.message(seen.dialect.name).usage, seen.expected.usage
    if got != want:
        yield Finding(str(want), f"{got}; {outcome(seen.run)}")


@_rule(
    "BRK-014",
    "a wrong checksum ends the stream with an error",
    group="chunk-schema",
    basis="standard",
    source=f'{SMITHY}: "Both clients and servers MUST validate these checksums. If either checksum is invalid, the '
    'stream MUST be terminated."',
    statement="A client validates both CRCs and reports a wrong one.",
    faults=("wrong-crc:message", "wrong-crc:prelude"),
    cases=CASES,
    broken=claims_success,
)
def checksums_are_validated(seen: Observation) -> Iterator[Finding]:
    """The caller can tell that the stream is damaged."""
    yield from must_tell(seen, "an error for the wrong checksum")


@_rule(
    "BRK-015",
    "further headers, and any order of them, change nothing",
    group="chunk-schema",
    basis="standard",
    source=f'{SMITHY}: "An event MAY have any number of headers. The order in which headers are encoded is '
    'meaningless"',
    statement="A client finds the headers that it needs by name.",
    faults=("more-headers",),
    cases=CASES,
    broken=dies,
)
def headers_by_name(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)
