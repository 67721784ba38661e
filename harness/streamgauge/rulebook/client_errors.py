"""Client rules for errors: what a caller gets to know, whose exception it is, and what is left of the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from streamgauge.events import StreamError, Usage
from streamgauge.observation import Observation
from streamgauge.rulebook.client_judging import (
    changed,
    claims_success,
    must_tell,
    outcome,
    prerequisite,
    said_before,
    visible,
)
from streamgauge.rules import Finding, NotApplicable, client_rule

_rule = partial(client_rule, applies=("all",))
TEXT = ("plain-text",)
BREAKS = ("fin", "reset", "length-too-long")


@_rule(
    "ERR-003",
    "an error inside the stream is raised",
    group="errors",
    keyword="MUST",
    basis="de-facto",
    source="openai-python, openai-go and openai-node stream decoders; OpenRouter docs, Streaming, and Errors "
    "(https://openrouter.ai/docs/api_reference/streaming)",
    statement="A chunk with a top-level error is raised as an error, even if choices is empty or has finish_reason "
    "error.",
    known=(
        "https://github.com/diegosouzapw/OmniRoute/issues/8210",
        "measured: aiperf, vllm bench, sglang bench and inference-perf count it as success",
    ),
    faults=("error-frame:middle", "error-frame:first", "error-frame:terminated"),
    cases=TEXT,
    broken=claims_success,
)
def in_band_error(seen: Observation) -> Iterator[Finding]:
    """And it says what the stream said."""
    yield from prerequisite(seen)
    wire = next((e.message for e in seen.dialect.decode(seen.body) if isinstance(e, StreamError)), "")
    shown = [e.message for e in seen.run.events if isinstance(e, StreamError)]
    if seen.run.raised:
        shown.append(seen.run.raised.message)
    if seen.run.succeeded:
        yield Finding(f"the error {wire!r}", outcome(seen.run))
    elif not any(wire in text for text in shown):
        yield Finding(f"an error with the message {wire!r}", outcome(seen.run))


@_rule(
    "ERR-010",
    "partial output survives an error",
    group="errors",
    keyword="SHOULD",
    basis="de-facto",
    source="de facto: half an answer is paid for, and often enough",
    statement="A client hands over what it received before the error, with the error.",
    known=("https://github.com/genkit-ai/genkit/issues/6079",),
    faults=("fin+slow-drip:50", "reset+slow-drip:50", "error-frame:middle", "stall:middle"),
    cases=TEXT,
    also_breaks=("CAN-003",),
    broken=lambda seen: changed(seen, events=(), times=()),
)
def partial_output(seen: Observation) -> Iterator[Finding]:
    """Where the connection breaks, what is not read yet may be lost with it: there half is enough, and the server
    takes its time."""
    missing = list(prerequisite(seen))
    yield from missing
    want, got = said_before(seen), len(visible(seen.run.events))
    enough = want // 2 if "slow-drip" in seen.fault else want
    if not missing and got < enough:
        yield Finding(f"the {want} characters that came before the error", f"{got} characters")


@_rule(
    "ERR-012",
    "failures in the stream are the library's own errors",
    group="errors",
    keyword="SHOULD",
    basis="de-facto",
    source="de facto: callers catch the library's errors, not those of what it is built on",
    statement="Reset, incomplete chunked read, timeout and decode errors in the stream surface as the library's "
    "connection error, not as bare transport exceptions.",
    known=(
        "https://github.com/AgentFlocks/flocks/issues/515",
        "measured: openai 2.54.0 and anthropic 2.12.0 raise httpx ReadError/ReadTimeout, JSONDecodeError",
    ),
    faults=(*BREAKS, "stall:middle", "stall:headers", "invalid-json"),
    cases=TEXT,
    also_breaks=("CAN-003",),
    broken=lambda seen: (
        changed(seen, raised=replace(seen.run.raised, name="httpx.ReadError", library=False))
        if seen.run.raised
        else seen
    ),
)
def own_errors(seen: Observation) -> Iterator[Finding]:
    """Where nothing was raised there is no class to judge."""
    raised = seen.run.raised
    if raised is None:
        raise NotApplicable(f"nothing was raised: {outcome(seen.run)}")
    if not raised.library:
        yield Finding("an exception of the library's own", f"{raised.name}: {raised.message}")


@_rule(
    "ERR-013",
    "an empty 200 stream is an error",
    group="errors",
    keyword="SHOULD",
    basis="de-facto",
    source="de facto: no model answers with nothing at all",
    statement="A stream with no event at all is reported as failure.",
    known=(
        "https://github.com/maruakshay/miii-cli/issues/71",
        "measured: openai and anthropic iterate zero events; their helpers raise AssertionError",
    ),
    faults=("not-a-stream:empty", "truncate:0"),
    cases=TEXT,
    broken=claims_success,
)
def empty_stream(seen: Observation) -> Iterator[Finding]:
    """An empty success is not told from an empty answer."""
    yield from must_tell(seen, "an error: nothing came")


@_rule(
    "USE-013",
    "usage that did not come is unknown",
    group="usage",
    keyword="SHOULD",
    basis="vendor-doc",
    source='OpenAI API reference, stream_options.include_usage: "If the stream is interrupted, you may not receive '
    'the final usage chunk"',
    statement="A client that saw no usage reports it as unknown, not zero.",
    faults=("truncate", "odd-usage:missing"),
    cases=TEXT,
    broken=lambda seen: changed(seen, events=(Usage(0, 0), *seen.run.events), times=(0.0, *seen.run.times)),
)
def unknown_usage(seen: Observation) -> Iterator[Finding]:
    """Neither zero nor an estimate that looks like the vendor's count; Anthropic states the input at the start."""
    yield from prerequisite(seen)
    came = seen.dialect.read(seen.body).usage
    told = seen.run.message(seen.dialect.name).usage
    if told != came:
        yield Finding(f"{came}" if came else "no usage: none came", f"{told}")
