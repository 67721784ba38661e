"""How a candidate ends, and what the stream states of itself and of its tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamgauge.dialects.gemini_generate._samples import HELLO, sse, text, usage
from streamgauge.dialects.gemini_generate._sources import PROTO, REASONS, RESPONSE
from streamgauge.dialects.gemini_generate._view import responses, view
from streamgauge.evidence import brief, whole
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule
from streamgauge.vocabulary import may_be_new
from streamgauge.wire import count, members

APPLIES = ("gemini-generate",)
COUNTED = ("promptTokenCount", "candidatesTokenCount", "toolUsePromptTokenCount", "thoughtsTokenCount")
OWN_TOOLS = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse")


@server_rule(
    "GEM-003",
    "finishReason only when the candidate stops",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{RESPONSE}: Candidate.finishReason: "If empty, the model has not stopped generating tokens." The same '
    "reason again counts as non-strict, because older models of the service state it in each chunk; so do parts "
    "without content behind it, and all that follows a tool of the service's own: the model stops for it and goes on",
    applies=APPLIES,
    known=(
        "https://github.com/windingwind/zotero-pdf-translate/issues/806",
        "https://github.com/Chevey339/kelivo/issues/1003",
    ),
    good=sse(*HELLO),
    bad=sse(text("Hello", finish="MAX_TOKENS"), HELLO[1]),
)
def finish_is_last(exchange: Exchange) -> Iterator[Finding]:
    """finishReason is absent until the candidate's last chunk."""
    finished: dict[int, Any] = {}
    resumed: set[int] = set()
    for candidate in responses(exchange).candidates:
        again = candidate.index in finished and (candidate.parts or candidate.reason is not None)
        if again:
            said = any(members(p).keys() - {"text"} or members(p).get("text") for p in candidate.parts)
            same = candidate.reason == finished[candidate.index] or (candidate.reason is None and not said)
            got = "more parts" if candidate.parts else f"finishReason {brief(candidate.reason)} again"
            want = f"nothing behind the finishReason of candidate {candidate.index}"
            yield Finding(want, got, candidate.span, mild=same or candidate.index in resumed)
        if candidate.reason is not None:
            finished[candidate.index] = candidate.reason
        if any(name in members(part) for part in candidate.parts for name in OWN_TOOLS):
            resumed.add(candidate.index)


@server_rule(
    "GEM-004",
    "a finishReason is always sent",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{PROTO}, Candidate.finish_reason: "The reason why the model stopped generating tokens. If empty, the '
    'model has not stopped generating tokens."; GenerateContentResponse: "Returns no candidates at all only if there '
    'was something wrong with the prompt (check prompt_feedback)"',
    applies=APPLIES,
    known=(
        "https://github.com/agentjido/req_llm/issues/638",
        "https://github.com/SamSaffron/term-llm/issues/954",
    ),
    good=sse(*HELLO),
    bad=sse(HELLO[0]),
    also_breaks=("ERR-001",),
)
def finish_sent(exchange: Exchange) -> Iterator[Finding]:
    """Each candidate's last chunk has a finishReason (it may have no content.parts)."""
    found = view(exchange)
    if found.errors or found.blocked:
        raise NotApplicable("the prompt was blocked" if found.blocked else "the stream reports an error")
    whole(exchange)
    last = {candidate.index: candidate for candidate in found.candidates}
    finished = {c.index for c in found.candidates if c.reason is not None}
    for index, candidate in last.items():
        if index not in finished:
            yield Finding("a finishReason", f"candidate {index} has none", candidate.span)
    if not last:
        yield Finding("a candidate, or a promptFeedback.blockReason", "neither")


@server_rule(
    "GEM-009",
    "totals add up",
    group="usage",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f"{RESPONSE}: totalTokenCount is the sum of prompt_token_count, candidates_token_count, "
    "tool_use_prompt_token_count, and thoughts_token_count",
    applies=APPLIES,
    good=sse(*HELLO),
    bad=sse(HELLO[0], text(" there", finish="STOP", usageMetadata=usage(totalTokenCount=6))),
)
def totals(exchange: Exchange) -> Iterator[Finding]:
    """totalTokenCount of the last usageMetadata is the sum of its parts."""
    stated = responses(exchange).usages
    every = [(v["usageMetadata"], span) for v, span in responses(exchange).responses if "usageMetadata" in v]
    if not every:
        raise NotApplicable("the stream states no usage")
    for value, place in every:
        if not isinstance(value, dict):
            yield Finding("usageMetadata that is an object", brief(value), place)
    if not stated:
        return
    for told, place in stated:
        for name in (*COUNTED, "totalTokenCount"):
            if name in told and count(told[name]) is None:
                yield Finding(f"{name}, a number", f"{name} {brief(told[name])}", place)
    counts, span = stated[-1]
    expected = sum(count(counts.get(name)) or 0 for name in COUNTED)
    total = count(counts.get("totalTokenCount"))
    if total is not None and total != expected:
        yield Finding(f"totalTokenCount {brief(expected)}", f"totalTokenCount {brief(total)}", span)


@server_rule(
    "GEM-011",
    "finishReason is one of the enum",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{RESPONSE}: FinishReason is one of {', '.join(REASONS)}. The enum's number counts as non-strict: "
    'ProtoJSON (https://protobuf.dev/programming-guides/json/) says that "Parsers accept both enum names and integer '
    'values". So does another word in capitals: the enum has grown with each model',
    applies=APPLIES,
    known=("measured: some of Google's own streams say 1",),
    good=sse(*HELLO),
    bad=sse(HELLO[0], text(" there", finish="stop")),
)
def finish_reason_enum(exchange: Exchange) -> Iterator[Finding]:
    """finishReason is a documented word."""
    for candidate in responses(exchange).candidates:
        reason = candidate.reason
        if reason is not None and (not isinstance(reason, str) or reason not in REASONS):
            new = type(reason) is int or may_be_new(reason, REASONS)
            yield Finding("a FinishReason", brief(reason), candidate.span, mild=new)


@server_rule(
    "GEM-013",
    "one responseId and modelVersion for the whole stream",
    group="chunk-schema",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{RESPONSE}: responseId is "used to identify each response", modelVersion "The model version used to '
    "generate "
    'the response."',
    applies=APPLIES,
    good=sse(*HELLO),
    bad=sse(HELLO[0], {**HELLO[1], "responseId": "r-2"}),
)
def identity(exchange: Exchange) -> Iterator[Finding]:
    """responseId and modelVersion do not change within a stream."""
    first: dict[str, object] = {}
    for value, span in responses(exchange).responses:
        for name in ("responseId", "modelVersion"):
            if name in value and not isinstance(value[name], str):
                yield Finding(f"{name}, a string", f"{name} {brief(value[name])}", span)
            elif name in value and first.setdefault(name, value[name]) != value[name]:
                yield Finding(f"{name} {brief(first[name])} as before", f"{name} {brief(value[name])}", span)


@server_rule(
    "GEM-014",
    "usageMetadata counts up",
    group="usage",
    keyword="SHOULD",
    basis="de-facto",
    source="de facto: what Google's services do; google-genai keeps the last one (see USE-008)",
    applies=APPLIES,
    good=sse(text("Hello", usageMetadata=usage(3, 1)), HELLO[1]),
    bad=sse(text("Hello", usageMetadata=usage(3, 5)), HELLO[1]),
)
def counts_up(exchange: Exchange) -> Iterator[Finding]:
    """candidatesTokenCount and thoughtsTokenCount never fall from one usageMetadata to the next that states them."""
    most: dict[str, int] = {}
    stated = responses(exchange).usages
    if not stated:
        raise NotApplicable("the stream states no usage")
    for counts, span in stated:
        for name in ("candidatesTokenCount", "thoughtsTokenCount"):
            number = count(counts.get(name))
            if number is not None and number < most.get(name, number):
                yield Finding(f"{name} of at least {brief(most[name])}", f"{name} {brief(number)}", span)
            elif number is not None:
                most[name] = number
