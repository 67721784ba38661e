"""Client rules for Gemini: endings without content, blocked prompts, counts that repeat."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.dialects.gemini_generate._sources import PROTO
from streamgauge.events import End, Finish, KeepAlive, RefusalDelta, StreamError, Usage
from streamgauge.observation import Observation, Run
from streamgauge.rulebook.client_judging import (
    changed,
    loses_an_event,
    outcome,
    prerequisite,
    same_events,
)
from streamgauge.rules import Finding, NotApplicable, client_rule

_rule = partial(client_rule, applies=("gemini-generate",), keyword="MUST")


@_rule(
    "GEM-005",
    "a last chunk without parts is read",
    group="chunk-schema",
    basis="vendor-doc",
    source=f"{PROTO}, Candidate: content is no required member, finish_reason stands beside it, and usage_metadata in "
    "the response around both; ProtoJSON leaves out what is not set",
    statement="A client reads finishReason and usageMetadata of chunks without content or parts.",
    known=("https://github.com/agentjido/req_llm/issues/638",),
    faults=("end-without-content",),
    cases=("plain-text", "length"),
    broken=loses_an_event,
)
def end_without_content(seen: Observation) -> Iterator[Finding]:
    """The same events."""
    yield from same_events(seen)


@_rule(
    "GEM-006",
    "blocked prompts are not empty successes",
    group="chunk-schema",
    basis="vendor-doc",
    source=f'{PROTO}, PromptFeedback.block_reason: "If set, the prompt was blocked and no candidates are returned. '
    'Rephrase the prompt."',
    statement="A client reports promptFeedback.blockReason (HTTP 200, no candidates) as a refusal.",
    known=("https://github.com/ankit373/hydra/issues/855",),
    faults=("", "blocked"),
    cases=("blocked-prompt",),
    broken=lambda seen: changed(seen, events=(End("complete"),), times=(seen.run.duration,), raised=None),
)
def blocked_prompt(seen: Observation) -> Iterator[Finding]:
    """Anything that tells it from an answer without text will do."""
    if not _tells(seen.run):
        yield Finding("a sign that the prompt was blocked", outcome(seen.run))


def _tells(run: Run) -> bool:
    if run.raised or not run.succeeded:
        return True
    if any(isinstance(e, (Finish, RefusalDelta, StreamError)) for e in run.events):
        return True
    told = (e.reason if isinstance(e, End) else e.text for e in run.events if isinstance(e, (End, KeepAlive)))
    return any("block" in words.lower() for words in told)


@_rule(
    "USE-008",
    "Gemini usageMetadata: the last one counts",
    group="usage",
    basis="de-facto",
    source=f"de facto: Google's services state it in every chunk, counting up, which no page says. {PROTO}: it is "
    '"Metadata on the generation requests\' token usage", candidates_token_count the "Total number of tokens across '
    'all the generated response candidates"; Firebase, Count tokens '
    '(https://firebase.google.com/docs/ai-logic/count-tokens): "When streaming output, the usageMetadata attribute '
    'only appears on the last chunk of the stream."',
    statement="usageMetadata may repeat; it is cumulative; the client takes the last.",
    known=("https://github.com/ankit373/hydra/issues/855",),
    faults=("usage-counts-up",),
    cases=("plain-text",),
    broken=lambda seen: changed(
        seen, events=(*seen.run.events, Usage(1, 1)), times=(*seen.run.times, seen.run.duration)
    ),
)
def last_usage(seen: Observation) -> Iterator[Finding]:
    """The recording's numbers, which are the last."""
    if "usage" not in seen.capabilities:
        raise NotApplicable(f"{seen.subject} does not declare 'usage'")
    missing = list(prerequisite(seen))
    yield from missing
    got, want = seen.run.message(seen.dialect.name).usage, seen.expected.usage
    if not missing and got != want:
        yield Finding(str(want), f"{got}; {outcome(seen.run)}")
