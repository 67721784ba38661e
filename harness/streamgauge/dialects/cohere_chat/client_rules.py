"""Client rules for Cohere's chat events: the end, documented extras, failures, the two kinds of counts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.dialects.cohere_chat._sources import REFERENCE, STREAMING
from streamgauge.events import Usage
from streamgauge.message import TokenUsage
from streamgauge.observation import Observation
from streamgauge.rulebook.client_judging import changed, claims_success, dies, must_tell, outcome, same_events
from streamgauge.rules import Finding, NotApplicable, client_rule
from streamgauge.wire import count, members, parse

_rule = partial(client_rule, applies=("cohere-chat",))
CASES = ("plain-text", "parallel-tools")


def _mixes_counts(seen: Observation) -> Observation:
    return changed(seen, events=(*seen.run.events, Usage(1, None)), times=(*seen.run.times, seen.run.duration))


@_rule(
    "USE-011",
    "Cohere's usage is tokens or billed units, not a mixture",
    group="usage",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{REFERENCE}, usage_tokens.py: "The number of tokens used as input to the model.", "The number of tokens '
    'produced by the model."; usage_billed_units.py: "The number of billed input tokens.", "The number of billed '
    'output tokens."',
    statement="A client that reports usage says which of usage.tokens and usage.billed_units it uses, the same in both "
    "modes. Judged here: what it reports are the counts of one of the two.",
    known=("https://github.com/ankit373/hydra/issues/859",),
    faults=("",),
    cases=CASES,
    broken=_mixes_counts,
)
def one_kind_of_counts(seen: Observation) -> Iterator[Finding]:
    """The pair of numbers that message-end states under one of the names."""
    if "usage" not in seen.capabilities:
        raise NotApplicable(f"{seen.subject} does not declare 'usage'")
    stated = _stated(seen)
    got = seen.run.message(seen.dialect.name).usage
    if got not in stated.values():
        yield Finding(" or ".join(f"{name} {pair}" for name, pair in stated.items()), f"{got}; {outcome(seen.run)}")


def _stated(seen: Observation) -> dict[str, TokenUsage]:
    found: dict[str, TokenUsage] = {}
    for frame in seen.dialect.framer().feed(seen.body):
        value = members(parse(getattr(frame, "data", "")))
        usage = members(members(value.get("delta")).get("usage"))
        for name in ("tokens", "billed_units"):
            if counts := members(usage.get(name)):
                found[name] = TokenUsage(count(counts.get("input_tokens")), count(counts.get("output_tokens")))
    return found


@_rule(
    "COH-010",
    "message-end is the end, whatever follows",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}: message-end is "The final event in the stream indicating the end of the streamed response."',
    statement="A client needs no [DONE] behind message-end.",
    faults=("no-done",),
    cases=CASES,
    broken=dies,
)
def message_end_ends(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_rule(
    "COH-011",
    "citations and debugging events disturb nothing",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{REFERENCE}: citation-start, citation-end and debug are events of the stream",
    statement="A client that does not show citations or debugging events skips them.",
    faults=("documented-extras:citations", "documented-extras:debug"),
    cases=CASES,
    broken=dies,
)
def extras_are_skipped(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_rule(
    "COH-012",
    "a failed message-end is a failure",
    group="errors",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{REFERENCE}: message-end\'s delta.error is "An error message if an error occurred during the generation."',
    statement="A client reports finish_reason ERROR and TIMEOUT as a failure.",
    faults=("failed-end:ERROR", "failed-end:TIMEOUT"),
    cases=("plain-text",),
    broken=claims_success,
)
def failed_ends_are_told(seen: Observation) -> Iterator[Finding]:
    """The caller can tell that the answer failed."""
    yield from must_tell(seen, "an error for the failed end")
