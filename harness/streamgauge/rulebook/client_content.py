"""Client rules for JSON and for the sequence of a stream: what is unknown, unreadable, missing or too much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from streamgauge.events import End
from streamgauge.observation import Observation
from streamgauge.rulebook.client_judging import (
    claims_success,
    dies,
    finishes_twice,
    hangs,
    must_tell,
    outcome,
    prerequisite,
    same_events,
)
from streamgauge.rules import Finding, NotApplicable, client_rule

_rule = partial(client_rule, applies=("all",))
COMPATIBLE = (
    "OpenAI API reference, Backward compatibility "
    "(https://platform.openai.com/docs/api-reference/backward-compatibility), of changes that break nothing: "
    '"Adding new properties to JSON response objects or event data"; Anthropic, Versions '
    '(https://platform.claude.com/docs/en/api/versioning): it may "Add additional values to the output" and "Add new '
    'variants to enum-like output values (for example, streaming event types)"; Google AIP-180 '
    '(https://google.aip.dev/180): "Old clients must be able to work against newer servers". Ollama, Cohere and AWS '
    "say nothing of it, and there it counts as non-strict"
)
TERMINATED = (
    "OpenAI API reference, Create completion, stream "
    '(https://platform.openai.com/docs/api-reference/completions/create; read as generated in openai 3.54.0): "with '
    'the stream terminated by a `data: [DONE]` message", as Create chat completion said, too, which now has "before '
    'the `data: [DONE]` message" (stream_options)'
)
COMPLETE = (
    TERMINATED
    + '; Anthropic: "A final message_stop event"; Responses: response.completed is "Emitted when the model response '
    'is complete."; Gemini, finishReason: "If empty, the model has not stopped generating tokens."; Ollama, done: '
    '"Indicates whether the chat response has finished"; Cohere: message-end is "The final event in the stream"; '
    'Bedrock: messageStop "Indicates the end of the message"; TGI, generated_text: "Only available when the generation '
    'is finished". None adds what a client does without: that half an answer is no whole one follows, as RFC 9112 8 '
    "has it of HTTP messages"
)
TEXT = ("plain-text",)


TYPED_EVENTS = ("anthropic-messages", "openai-responses", "open-responses")
"""Dialects whose references announce that event types will be added."""
GROWING = (*TYPED_EVENTS, "openai-chat", "openai-completions", "gemini-generate")
"""Dialects whose references announce that members will be added."""


@_rule(
    "JSON-004",
    "unknown members and event types are tolerated",
    group="json",
    keyword="MUST",
    basis="vendor-doc",
    source=COMPATIBLE,
    statement="A client ignores members and event types it does not know.",
    known=("measured: ollama 0.6.3 raises ValidationError", "https://github.com/openai/openai-java/issues/561"),
    faults=("unknown-members", "unknown-event"),
    cases=("plain-text", "parallel-tools"),
    broken=dies,
)
def unknown_members(seen: Observation) -> Iterator[Finding]:
    """The same events.

    Anthropic and Open Responses say in words that event types may be added; OpenAI and Google speak of members only, so
    that there an unknown event counts as non-strict. (OpenAI adds event types, too, where its events have types.)
    """
    documented = seen.dialect.name in (GROWING if seen.fault == "unknown-members" else TYPED_EVENTS)
    yield from (finding if documented else replace(finding, mild=True) for finding in same_events(seen))


@_rule(
    "JSON-006",
    "invalid JSON mid-stream is an error, not silence",
    group="json",
    keyword="MUST",
    basis="de-facto",
    source="de facto: an event that can't be read is output that is lost",
    statement="A client that cannot parse an event raises a stream error that carries the offending text and keeps "
    "what was already delivered.",
    known=("measured: openai and anthropic raise a bare JSONDecodeError outside their own error classes",),
    faults=("invalid-json", "two-objects:together", "two-objects:apart"),
    cases=TEXT,
    broken=claims_success,
)
def invalid_json(seen: Observation) -> Iterator[Finding]:
    """Whose class the exception is, is ERR-012."""
    yield from must_tell(seen, "an error for the event that is not JSON")


@_rule(
    "SEQ-010",
    "a missing terminator is an incomplete stream",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=COMPLETE,
    statement="A client that reaches EOF with no dialect terminator (no [DONE] and no finish_reason) reports an "
    "incomplete stream and not success.",
    known=(
        "https://github.com/NVIDIA/TensorRT-LLM/issues/18289",
        "https://github.com/griffinwork40/agent-afk/issues/635",
        "measured: openai, anthropic, ollama and g4f all return success on a cleanly ended cut",
    ),
    faults=(
        "truncate",
        "close-truncate",
        "truncate-mid-event",
        "unfinished-event",
        "truncated-coding:gzip",
    ),
    cases=("plain-text", "parallel-tools"),
    broken=claims_success,
)
def missing_terminator(seen: Observation) -> Iterator[Finding]:
    """A caller who can't tell half an answer from a whole one acts on half an answer.

    A Content-Length that is too short is left out: whether a client complains about what comes behind it depends on
    the read in which it comes.
    """
    yield from must_tell(seen, "a sign that the answer is incomplete")


@_rule(
    "SEQ-020",
    "the first terminator ends the stream",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=TERMINATED,
    statement="What comes behind the terminator, a second one too, changes nothing.",
    known=("measured: anthropic 2.12.0 appends deltas behind message_stop to the text",),
    faults=("after-terminator", "double-terminator"),
    cases=("plain-text", "parallel-tools"),
    broken=finishes_twice,
)
def after_the_terminator(seen: Observation) -> Iterator[Finding]:
    """The same events; what a client says about the rest is its own affair.

    Only OpenAI's reference says in words that a message terminates the stream; elsewhere it is practice.
    """
    documented = seen.dialect.terminator.startswith(b"data: [DONE]")
    yield from (finding if documented else replace(finding, mild=True) for finding in same_events(seen))


@_rule(
    "SEQ-021",
    "a client returns at the terminator",
    group="sequence",
    keyword="SHOULD",
    basis="vendor-doc",
    source=TERMINATED,
    statement="A client does not wait for the end of the HTTP message once the stream has ended.",
    faults=("keep-open",),
    cases=TEXT,
    broken=hangs,
)
def returns_at_the_terminator(seen: Observation) -> Iterator[Finding]:
    """The connection is held open behind it; the client was given a short read timeout."""
    if not any(isinstance(e, End) and e.span[0] < e.span[1] for e in seen.dialect.decode(seen.body)):
        raise NotApplicable(f"{seen.dialect.name} has no terminator: only the end of the message tells")
    yield from prerequisite(seen)
    if not seen.run.succeeded:
        yield Finding("the whole answer, at once", outcome(seen.run))
