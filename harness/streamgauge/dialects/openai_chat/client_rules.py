"""Client rules for chat completion chunks: what services send instead of what OpenAI's own does.

Sources: OpenAI API reference, "The chat completion chunk object"; openai/openai-openapi, openapi.yaml.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from streamgauge.events import Event, Finish, ReasoningDelta, TextDelta, Usage
from streamgauge.observation import Observation
from streamgauge.rulebook.client_judging import (
    changed,
    claims_success,
    dies,
    loses_an_event,
    outcome,
    prerequisite,
    same_events,
)
from streamgauge.rules import Finding, NotApplicable, client_rule

_rule = partial(client_rule, applies=("openai-chat",))
CHUNK = (
    "OpenAI API reference, The chat completion chunk object "
    "(https://platform.openai.com/docs/api-reference/chat-streaming)"
)
DELTA = "openai/openai-openapi openapi.yaml, ChatCompletionStreamResponseDelta and ChatCompletionMessageToolCallChunk"
OBSERVED = "de facto: services that call themselves OpenAI-compatible send it"
TEXT = ("plain-text",)
TOOLS = ("parallel-tools",)


@_rule(
    "SSE-026",
    "a client accepts the terminator without its blank line",
    group="sse-framing",
    keyword="SHOULD",
    basis="de-facto",
    source=f"{OBSERVED} (llama.cpp); the standard would drop the event, the finish_reason has come before it",
    statement="data: [DONE] followed by end of file counts as the terminator.",
    known=("https://github.com/darshi1337/apogee/issues/139",),
    faults=("unfinished-terminator",),
    cases=TEXT,
    broken=dies,
)
def unfinished_terminator(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_rule(
    "OAC-009",
    "null, absent and empty content are alike",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=DELTA + ": role and content may be absent, content may be null",
    statement='A client treats null, absent and "" content alike and never prints null/None.',
    known=("https://github.com/kyutai-labs/unmute/issues/80", "https://github.com/darshi1337/apogee/issues/139"),
    faults=("null-members:null", "null-members:absent", "null-members:role-repeated"),
    cases=("plain-text", "parallel-tools"),
    broken=lambda seen: changed(seen, events=(TextDelta("None"), *seen.run.events), times=(0.0, *seen.run.times)),
)
def null_content(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_rule(
    "OAC-010",
    "empty choices are tolerated",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=CHUNK + ': choices "can also be empty for the last chunk" with include_usage; Azure OpenAI, content '
    "filtering with streaming, sends a first chunk with none",
    statement="A client does not index choices[0] without a check.",
    known=(
        "https://github.com/pydantic/pydantic-ai/issues/164",
        "https://github.com/run-llama/llama_index/issues/7640",
        "https://github.com/langfuse/langfuse/issues/2833",
    ),
    faults=("empty-choices:empty", "empty-choices:no-delta", "empty-choices:no-choices"),
    cases=("plain-text", "parallel-tools"),
    broken=dies,
)
def empty_choices(seen: Observation) -> Iterator[Finding]:
    """An empty list is documented; a chunk without the member, or a choice without delta, is only seen."""
    mild = seen.fault != "empty-choices:empty"
    for finding in same_events(seen):
        yield replace(finding, mild=mild)


@_rule(
    "OAC-022",
    "a tool call's first fragment counts",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=DELTA + ": each fragment's arguments are part of the call",
    statement="A client accumulates arguments of the first delta too (it may be non-empty).",
    known=("https://github.com/ggml-org/llama.cpp/issues/22722",),
    faults=("opening-arguments", *(f"tool-call-fragments:{how}" for how in ("null", "empty", "repeated", "late-name"))),
    cases=TOOLS,
    broken=lambda seen: (dies if seen.fault.endswith(":repeated") else loses_an_event)(seen),
)
def opening_fragment(seen: Observation) -> Iterator[Finding]:
    """The same calls; fragments that state an empty identity, or the name late or again, are only seen."""
    _needs(seen, "tools")
    for finding in same_events(seen):
        yield replace(finding, mild=seen.fault != "opening-arguments")


@_rule(
    "OAC-023",
    "calls without index, or with gaps, are kept apart",
    group="chunk-schema",
    keyword="SHOULD",
    basis="de-facto",
    source=f"{OBSERVED}; OpenAI's schema requires index",
    statement="A client falls back (by index, then id, then order) instead of dropping or merging calls.",
    known=("https://github.com/BerriAI/litellm/issues/33223", "https://github.com/vercel/ai/issues/18440"),
    faults=("odd-tool-calls:no-index", "odd-tool-calls:gaps"),
    cases=TOOLS,
    broken=loses_an_event,
)
def odd_index(seen: Observation) -> Iterator[Finding]:
    """The same calls, or an error that says so."""
    _needs(seen, "tools")
    if not (seen.run.raised and seen.run.raised.library):
        yield from same_events(seen)


@_rule(
    "OAC-028",
    "both spellings of reasoning are read, once",
    group="chunk-schema",
    keyword="SHOULD",
    basis="de-facto",
    source=f"{OBSERVED}: DeepSeek says reasoning_content, OpenRouter and vLLM reasoning, some both",
    statement="A client accepts reasoning_content and reasoning and does not double them.",
    known=(
        "https://github.com/strands-agents/harness-sdk/issues/2191",
        "https://github.com/BerriAI/litellm/issues/22573",
    ),
    faults=("reasoning-spelling:reasoning", "reasoning-spelling:reasoning_content", "reasoning-spelling:both"),
    cases=("reasoning-content",),
    broken=lambda seen: changed(
        seen,
        events=(ReasoningDelta("again"), *seen.run.events),
        times=(0.0, *seen.run.times),
    ),
)
def reasoning_spellings(seen: Observation) -> Iterator[Finding]:
    """The same events as with the recording's own spelling."""
    _needs(seen, "reasoning")
    yield from same_events(seen)


@_rule(
    "OAC-040",
    "an empty finish_reason is no end",
    group="chunk-schema",
    keyword="SHOULD",
    basis="de-facto",
    source=f"{OBSERVED} where the schema has null",
    statement='A client goes on reading behind a finish_reason of "".',
    faults=("finish-reason",),
    cases=TEXT,
    broken=loses_an_event,
)
def empty_finish_reason(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_rule(
    "OAC-041",
    "a change of identity in the stream changes nothing",
    group="chunk-schema",
    keyword="SHOULD",
    basis="de-facto",
    source=f"{OBSERVED} when a gateway changes its upstream; the schema says that each chunk has the same id",
    statement="Text and calls do not depend on id, model and created.",
    faults=("identity-changes",),
    cases=TEXT,
    broken=loses_an_event,
)
def identity_changes(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_rule(
    "ERR-004",
    "finish_reason error is a failure",
    group="errors",
    keyword="MUST",
    basis="de-facto",
    source="OpenRouter docs, Streaming and Errors (https://openrouter.ai/docs/api_reference/streaming): a failure in "
    'the middle has finish_reason "error". Its text binds the clients of OpenRouter; for others it is practice',
    statement="An answer that ends with finish_reason error is not handed over as if it were complete: the client "
    "raises, or its caller sees the word.",
    known=("https://github.com/OleksandrChekhovskyi/hax/issues/15",),
    faults=("failed-finish",),
    cases=TEXT,
    broken=lambda seen: _without(claims_success(seen), Finish),
)
def failed_finish(seen: Observation) -> Iterator[Finding]:
    """A caller who neither gets an error nor the reason takes half an answer for the whole."""
    yield from prerequisite(seen)
    told = any(isinstance(e, Finish) and e.reason == "error" for e in seen.run.events)
    if seen.run.succeeded and not told:
        yield Finding("an error, or the finish_reason 'error'", outcome(seen.run))


@_rule(
    "USE-005",
    "the usage chunk is read",
    group="usage",
    keyword="MUST",
    basis="vendor-doc",
    source='openai/openai-openapi openapi.yaml, ChatCompletionStreamOptions.include_usage: "an additional chunk will '
    'be streamed before the `data: [DONE]` message"',
    statement="A client does not stop at finish_reason before the usage chunk when it asked for usage.",
    known=("https://github.com/ogx-ai/ogx/issues/6541", "https://github.com/lobehub/lobehub/issues/9220"),
    faults=("",),
    cases=("plain-text", "parallel-tools"),
    broken=lambda seen: _without_usage(seen),
)
def usage_chunk(seen: Observation) -> Iterator[Finding]:
    """The numbers that the chunk behind the finish_reason states."""
    _needs(seen, "usage")
    got, want = seen.run.message(seen.dialect.name).usage, seen.expected.usage
    if got != want:
        yield Finding(str(want), f"{got}; {outcome(seen.run)}")


def _without_usage(seen: Observation) -> Observation:
    return _without(seen, Usage)


def _without(seen: Observation, kind: type[Event]) -> Observation:
    kept = [(e, t) for e, t in zip(seen.run.events, seen.run.times, strict=True) if not isinstance(e, kind)]
    return changed(seen, events=tuple(e for e, _ in kept), times=tuple(t for _, t in kept))


@_rule(
    "USE-020",
    "usage is read where it comes",
    group="usage",
    keyword="SHOULD",
    basis="de-facto",
    source=f"{OBSERVED}: Mistral, Groq and others put it into the chunk that has the finish_reason, vLLM into each",
    statement="The last usage that the stream states is the answer's, in whichever chunk it is.",
    faults=("usage-in-finish", "odd-usage:everywhere"),
    cases=TEXT,
    broken=lambda seen: _without_usage(seen),
)
def usage_elsewhere(seen: Observation) -> Iterator[Finding]:
    """The recording's numbers."""
    _needs(seen, "usage")
    yield from prerequisite(seen)
    got, want = seen.run.message(seen.dialect.name).usage, seen.expected.usage
    if got != want:
        yield Finding(str(want), f"{got}; {outcome(seen.run)}")


def _needs(seen: Observation, capability: str) -> None:
    if capability not in seen.capabilities:
        raise NotApplicable(f"{seen.subject} does not declare {capability!r}")
