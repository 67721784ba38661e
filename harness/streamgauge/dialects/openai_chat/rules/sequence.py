"""The order of chunks: one finish for each choice, then the terminator, then nothing."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.dialects.openai_chat._samples import (
    CALLS,
    DONE,
    HELLO,
    ROLE,
    call,
    chat,
    chunk,
    first_call,
    text,
)
from streamgauge.dialects.openai_chat._sources import CHUNK, EXAMPLE, OPTIONS, PRACTICE
from streamgauge.dialects.openai_chat._view import carries, chunks, view
from streamgauge.evidence import brief, timed, times_of, whole
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule

SOON = 2.0
"""Seconds between [DONE] and the end of the message that SEQ-007 allows."""


@server_rule(
    "SEQ-001",
    "exactly one finish_reason per choice",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{CHUNK}: "The reason the model stopped generating tokens." The same reason said again counts as '
    "non-strict: OpenRouter and what is built on it repeat it in the usage chunk, and no reference forbids that",
    applies=("openai-chat", "openai-completions"),
    known=(
        "https://github.com/sgl-project/sglang/issues/8417",
        "https://github.com/Gitlawb/openclaude/issues/21",
        "https://github.com/foundation-model-stack/fms-guardrails-orchestrator/issues/482",
        "https://github.com/su-kaka/gcli2api/issues/403",
        "https://github.com/BerriAI/litellm/issues/376",
    ),
    good=HELLO,
    bad=chat(text("Hello"), chunk({}, "length")),
)
def one_finish(exchange: Exchange) -> Iterator[Finding]:
    """For each choice index exactly one chunk has a non-null finish_reason."""
    for number, finishes in chunks(exchange).finishes.items():
        stated = [finish for finish in finishes if finish[0] != ""]  # which says nothing (see OAC-004)
        for reason, span in stated[1:]:
            first = stated[0][0]
            got = f"choice {number}: {brief(reason)} after {brief(first)}"
            yield Finding("one finish_reason", got, span, mild=reason == first)


@server_rule(
    "SEQ-002",
    "a finish_reason is always sent",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{CHUNK}. Judged where [DONE] says that the stream ended normally; where it may not have been promised "
    "(see SEQ-006), the end of the body says so, and counts as non-strict",
    applies=("openai-chat", "openai-completions"),
    known=(
        "https://github.com/qualcomm/GenieX/issues/1246",
        "https://github.com/jakobdylanc/llmcord/issues/84 (Gemini compat)",
        "https://github.com/CommandCodeAI/command-code/issues/785",
    ),
    good=HELLO,
    bad=chat(text("Hello"), finish=None),
)
def finish_sent(exchange: Exchange) -> Iterator[Finding]:
    """A stream that ends normally has a finish_reason for every choice."""
    found = view(exchange)
    if found.errors:
        raise NotApplicable("the stream reports an error")
    if not found.done and not found.strange():
        raise NotApplicable("the stream has no [DONE] (see SEQ-006 and ERR-001)")
    whole(exchange)
    end = found.done[0] if found.done else chunks(exchange).chunks[-1][1]
    for number, finishes in chunks(exchange).finishes.items():
        if all(reason == "" for reason, _ in finishes):
            yield Finding("a finish_reason before the end", f"choice {number} has none", end, mild=not found.done)


@server_rule(
    "SEQ-003",
    "nothing follows finish_reason",
    group="sequence",
    keyword="MUST",
    basis="de-facto",
    source=PRACTICE,
    applies=("openai-chat", "openai-completions"),
    known=("https://github.com/su-kaka/gcli2api/issues/403",),
    good=HELLO,
    bad=chunk(ROLE) + chunk({}, "stop") + text("Hello") + DONE,
)
def nothing_after_finish(exchange: Exchange) -> Iterator[Finding]:
    """After a choice's finish_reason no chunk carries content or tool_calls for it."""
    finished: set[int] = set()
    for part in chunks(exchange).parts:
        if part.index in finished and (name := carries(part.delta)):
            yield Finding("no output after finish_reason", f"choice {part.index}: {name}", part.span)
        if part.choice.get("finish_reason") not in (None, ""):
            finished.add(part.index)


@server_rule(
    "SEQ-004",
    "the finish chunk has an empty delta",
    group="sequence",
    keyword="SHOULD",
    basis="de-facto",
    source=f"{EXAMPLE} (delta {{}} with finish_reason)",
    applies=("openai-chat",),
    known=(
        "https://github.com/vllm-project/vllm/issues/36944",
        "https://github.com/vllm-project/vllm/issues/44098",
        "https://github.com/vllm-project/vllm-ascend/issues/8327",
        "https://github.com/BerriAI/litellm/issues/2692",
    ),
    good=HELLO,
    bad=chunk(ROLE) + chunk({"content": "Hello"}, "stop") + DONE,
)
def finish_is_empty(exchange: Exchange) -> Iterator[Finding]:
    """The finish_reason chunk has delta {}; last text or arguments come before it."""
    for part in chunks(exchange).parts:
        if part.choice.get("finish_reason") not in (None, "") and (name := carries(part.delta)):
            yield Finding("delta {}", f"choice {part.index}: {name} beside finish_reason", part.span)


@server_rule(
    "SEQ-005",
    "finish_reason tool_calls iff tools were called",
    group="sequence",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{CHUNK}: "`tool_calls` if the model called a tool". A forced named function may end with stop',
    applies=("openai-chat",),
    needs=("tools",),
    known=(
        "https://github.com/ollama/ollama/issues/7963",
        "https://github.com/BerriAI/litellm/issues/35663",
        "https://github.com/vllm-project/vllm/issues/9209",
        "https://github.com/googleapis/python-genai/issues/2868",
        "https://github.com/ollama/ollama/issues/5995",
    ),
    good=CALLS,
    bad=chat(first_call(0), call(0, "{}"), finish="stop"),
)
def reason_tells_tools(exchange: Exchange) -> Iterator[Finding]:
    """A choice with tool call deltas ends with tool_calls (stop is tolerated only for a forced named function)."""
    found = chunks(exchange)
    called = {delta.choice for delta in found.calls}
    choice = (exchange.trace.request or {}).get("tool_choice")
    forced = isinstance(choice, dict) or choice == "required"
    reasons = [(n, reason, span) for n, finishes in found.finishes.items() for reason, span in finishes[-1:]]
    if not called and not any(reason == "tool_calls" for _, reason, _ in reasons):
        raise NotApplicable("no tool was called")
    for number, reason, span in reasons:
        if number in called and reason == "stop" and not forced:
            yield Finding("tool_calls", f"choice {number} called a tool and ends with {brief(reason)}", span)
        elif number not in called and reason == "tool_calls":
            yield Finding("tool call deltas, or another reason", f"choice {number} ends with tool_calls", span)


@server_rule(
    "SEQ-006",
    "[DONE] ends the stream, once",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source='OpenAI API reference: "with the stream terminated by a `data: [DONE]` message" (completions, stream); '
    f'"before the `data: [DONE]` message" ({OPTIONS}). That binds OpenAI, and who promises its API: a missing one '
    "counts as non-strict where chunks have members of a service that is not known to do so (Writer documents OpenAI's "
    "chunk and says nothing of the end). [DONE] behind an error event is judged by ERR-002, because only practice asks "
    "for it",
    applies=("openai-chat", "openai-completions"),
    known=(
        "https://github.com/chand1012/openai-cf-workers-ai/issues/7",
        "https://github.com/BerriAI/litellm/issues/39748",
        "measured: transformers serve, TGI 1.4, Perplexity and Writer send none",
    ),
    good=HELLO,
    bad=chat(text("Hello"), tail=""),
)
def done_once(exchange: Exchange) -> Iterator[Finding]:
    """The last event is data: [DONE]; it appears exactly once; nothing follows; also after an error frame."""
    found = view(exchange)
    if len(found.done) > 1:
        yield Finding("one [DONE]", f"{len(found.done)} of them", found.done[1])
    if found.after:
        yield Finding("nothing behind [DONE]", f"{len(found.after)} more events", found.after[0])
    if not found.done and not found.errors:
        whole(exchange)
        size = len(exchange.body)
        strange = found.strange()
        got = "the end of the body without it"
        got += f"; {', '.join(strange[:3])}: a service that may not have promised it" if strange else ""
        yield Finding("data: [DONE]", got, (max(0, size - 80), size), mild=bool(strange))


@server_rule(
    "SEQ-007",
    "connection ends soon after [DONE]",
    group="sequence",
    keyword="SHOULD",
    basis="de-facto",
    source=PRACTICE,
    applies=("openai-chat", "openai-completions"),
    needs=("timing",),
    known=("https://github.com/ltmoerdani/opencode-copilot-chat/issues/170",),
    good=Example(body=HELLO, sizes=(100, 10_000), times=(0.1, 0.2)),
    bad=Example(body=HELLO + ": bye\n\n", sizes=(len(HELLO), 100), times=(0.2, 5.2)),
)
def ends_after_done(exchange: Exchange) -> Iterator[Finding]:
    """The server completes the response right after [DONE]; the client stops reading at [DONE]."""
    timed(exchange)
    found = view(exchange)
    if not found.done:
        raise NotApplicable("the stream has no [DONE]")
    if exchange.trace.ended == "closed":
        raise NotApplicable("we closed the connection")
    waited = exchange.trace.ended_at - times_of(exchange, found.done[:1])[0]
    if waited > SOON:
        yield Finding(f"the end within {SOON:g} s of [DONE]", f"{waited:.1f} s", found.done[0])
