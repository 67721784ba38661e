"""Client rules for Ollama's lines: how they are cut, and what stands between them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.dialects.ollama._sources import ERRORS, STREAMING
from streamgauge.observation import Observation
from streamgauge.rulebook.client_judging import claims_success, dies, loses_an_event, must_tell, same_events
from streamgauge.rules import Finding, client_rule

APPLIES = ("ollama-chat", "ollama-generate")
_rule = partial(client_rule, applies=APPLIES)
SPEC = "ndjson-spec (https://github.com/ndjson/ndjson-spec)"


@_rule(
    "OLL-004",
    "NDJSON client buffers partial lines",
    group="framing",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{STREAMING}: newline-delimited JSON; nothing says that a line comes in one read",
    statement="A client cuts at LF over read boundaries, UTF-8 included.",
    known=("https://github.com/0xPlaygrounds/rig/issues/1758", "https://github.com/ollama/ollama-js/issues/255"),
    faults=("byte-by-byte", "cut-inside:utf-8", "random-cuts:7", "whole"),
    cases=("plain-text",),
    broken=loses_an_event,
)
def partial_lines(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_rule(
    "OLL-006",
    "blank lines are tolerated",
    group="framing",
    keyword="SHOULD",
    basis="de-facto",
    source=f'{SPEC}: "The parser MAY silently ignore empty lines, e.g. \\n\\n."; a line may end in CRLF',
    statement="A client skips empty lines.",
    known=("measured: ollama 0.6.3 raises JSONDecodeError",),
    faults=("blank-lines", "crlf-lines"),
    cases=("plain-text",),
    broken=dies,
)
def blank_lines(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_rule(
    "OLL-021",
    "only LF ends a line",
    group="framing",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}: application/x-ndjson; {SPEC}: "Each JSON text MUST conform to the [RFC8259] standard and '
    'MUST be written to the stream followed by the newline character \\n (0x0A)."',
    statement="U+2028, U+2029 and U+0085, which may stand in a JSON string as they are, do not end a line. (Go's "
    "encoder escapes the first two, and not the third.)",
    faults=("injection:separators",),
    cases=("plain-text",),
    broken=dies,
)
def only_lf_ends_a_line(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_rule(
    "OLL-020",
    "an error is an error, whatever follows it",
    group="errors",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{ERRORS}: "If an error occurs mid-stream, the error will be returned as an object in the '
    '`application/x-ndjson` format with an `error` property."',
    statement='A client reports {"error": string} also where an object with done: true comes behind it.',
    faults=("error-then-done",),
    cases=("plain-text",),
    broken=claims_success,
)
def error_then_done(seen: Observation) -> Iterator[Finding]:
    """A sign that the caller can't overlook."""
    yield from must_tell(seen, "the error that the stream reports")
