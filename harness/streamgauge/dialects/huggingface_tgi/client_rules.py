"""Client rules for Text Generation Inference's token events: members that come beside those that are used."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.dialects.huggingface_tgi._sources import OPENAPI, TYPES
from streamgauge.observation import Observation
from streamgauge.rulebook.client_judging import dies, loses_an_event, same_events
from streamgauge.rules import Finding, client_rule

_rule = partial(client_rule, applies=("huggingface-tgi",))
CASES = ("plain-text", "length")


@_rule(
    "TGI-010",
    "top_tokens disturb nothing",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{OPENAPI}: a StreamResponse may have top_tokens, an array of tokens; {TYPES}: "Most likely tokens"',
    statement="A client takes the text of token, also where top_tokens stand beside it.",
    faults=("top-tokens",),
    cases=CASES,
    broken=loses_an_event,
)
def top_tokens_are_no_text(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_rule(
    "TGI-011",
    "events without index are read",
    group="chunk-schema",
    keyword="SHOULD",
    basis="de-facto",
    source="de facto: servers before 1.4 send no index (the recorded streams of theirs that are known have none)",
    statement="A client needs no index to know the text of an event.",
    known=("https://github.com/huggingface/huggingface_hub/issues/2005",),
    faults=("no-index",),
    cases=CASES,
    broken=dies,
)
def index_is_not_needed(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)
