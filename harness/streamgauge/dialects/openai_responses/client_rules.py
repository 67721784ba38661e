"""Client rules for Responses: what servers other than OpenAI's leave out of a stream, or add to it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.dialects.openai_responses._sources import EVENTS, OPEN
from streamgauge.observation import Observation
from streamgauge.rulebook.client_judging import dies, loses_an_event, same_events
from streamgauge.rules import Finding, client_rule

_rule = partial(client_rule, applies=("openai-responses",), keyword="SHOULD", cases=("plain-text", "parallel-tools"))


@_rule(
    "OAR-030",
    "[DONE] is accepted, and not waited for",
    group="events",
    basis="vendor-doc",
    source=f'{OPEN}: "The terminal event MUST be the literal string `[DONE]`."; OpenAI\'s own service sends none',
    statement="A client reads streams that end with data: [DONE], and streams that end without it.",
    faults=("done-sentinel",),
    broken=dies,
)
def done_sentinel(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_rule(
    "OAR-031",
    "events are told by the type in their data",
    group="events",
    basis="vendor-doc",
    source=f"{EVENTS}: the type is a member of every event's data, and its schema says nothing of the SSE event field; "
    "transformers serve and LiteLLM send none",
    statement="A client reads events whose SSE event field is missing.",
    faults=("no-event-names",),
    broken=loses_an_event,
)
def unnamed(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_rule(
    "OAR-032",
    "events without sequence_number are read",
    group="events",
    basis="de-facto",
    source="de facto: llama.cpp and LiteLLM send none, though OpenAI's schemas require it",
    statement="Text and calls do not depend on sequence_number.",
    faults=("no-sequence-numbers",),
    broken=loses_an_event,
)
def unnumbered(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)
