"""Aggregate: the joined stream says what the non-streaming answer to the same request says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import structs

from streamgauge.dialects.openai_chat._samples import CALLS, REQUEST, chat, text, usage
from streamgauge.evidence import brief, deterministic, streamed
from streamgauge.message import Choice, Message, ServerToolCall, TokenUsage, ToolCall
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import Undecodable, elements, members, parse

SAID = Message("openai-chat", "complete", (Choice("Hello there", finish_reason="stop"),), TokenUsage(3, 2))
CALLED = Message(
    "openai-chat",
    "complete",
    (Choice(tool_calls=(ToolCall("x", "f", '{"a": 1}'), ToolCall("y", "g", "{}")), finish_reason="tool_calls"),),
)
ON_REQUEST = {"openai-chat", "openai-completions"}
"""Dialects that state the usage of a stream only where it was asked for."""
_CACHED = re.compile(rb'"cache_read_input_tokens"\s*:\s*[1-9]|"cacheReadInputTokens"\s*:\s*[1-9]')
DE_FACTO = "de facto: the same endpoint and request with and without stream; no reference promises it"


def _twin(exchange: Exchange) -> tuple[Message, Message]:
    """The streamed message and the non-streaming one, where the request makes them comparable."""
    streamed(exchange)
    if exchange.reference is None:
        raise NotApplicable("no non-streaming answer to the same request is known")
    deterministic(exchange)
    if exchange.message.ended != "complete":
        raise NotApplicable(f"the stream is not complete but {exchange.message.ended}")
    return exchange.message, exchange.reference


def _choices(exchange: Exchange) -> Iterator[tuple[int, Choice, Choice]]:
    streamed_message, reference = _twin(exchange)
    for number, expected in enumerate(reference.choices):
        got = streamed_message.choices[number] if number < len(streamed_message.choices) else Choice()
        yield number, got, expected


@server_rule(
    "AGG-001",
    "joined stream equals the non-stream answer: text",
    group="aggregate",
    keyword="MUST",
    basis="de-facto",
    source=DE_FACTO,
    applies=("all",),
    needs=("reference",),
    known=tuple(f"https://github.com/vllm-project/vllm/issues/{n}" for n in (30099, 23335, 28635, 31296, 41691)),
    good=Example(body=chat(text("Hello", " there")), reference=SAID, dialect="openai-chat"),
    bad=Example(body=chat(text("Hello", "there")), reference=SAID, dialect="openai-chat"),
)
def same_text(exchange: Exchange) -> Iterator[Finding]:
    """For a deterministic (recorded/mocked, or temperature 0 with seed) request the joined text equals the non-stream
    message text, byte for byte; so do reasoning and refusal.
    """
    for number, got, expected in _choices(exchange):
        for name in ("text", "reasoning", "refusal"):
            ours, theirs = getattr(got, name), getattr(expected, name)
            if ours != theirs:
                at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
                at = min(len(ours), len(theirs)) if at is None else at
                here = slice(max(0, at - 20), at + 40)
                yield Finding(
                    f"choice {number}, {name}: ...{brief(theirs[here])}",
                    f"...{brief(ours[here])} (differs from character {at} on)",
                )


@server_rule(
    "AGG-002",
    "joined stream equals the non-stream answer: tool calls",
    group="aggregate",
    keyword="MUST",
    basis="de-facto",
    source=DE_FACTO,
    applies=("all",),
    needs=("reference", "tools"),
    known=(
        "https://github.com/vllm-project/vllm/issues/47137",
        "https://github.com/vllm-project/vllm/issues/47903",
    ),
    good=Example(body=CALLS, reference=CALLED, dialect="openai-chat"),
    bad=Example(body=CALLS.replace('"name":"g"', '"name":"h"'), reference=CALLED, dialect="openai-chat"),
)
def same_calls(exchange: Exchange) -> Iterator[Finding]:
    """Names, ids count, order and arguments (as JSON values) are equal; so are the calls that the vendor ran itself."""
    pairs = list(_choices(exchange))
    if not any(c.tool_calls or c.server_tool_calls for _, *both in pairs for c in both):
        raise NotApplicable("no tool was called")
    for number, got, expected in pairs:
        ours, theirs = [*_calls(got.tool_calls), *_runs(got)], [*_calls(expected.tool_calls), *_runs(expected)]
        if ours != theirs:
            yield Finding(f"choice {number}: {brief(theirs)}", brief(ours))


def _calls(calls: Iterable[ToolCall | ServerToolCall]) -> list[tuple[Any, ...]]:
    """Name, whether there is an id, arguments as a JSON value where they are one."""
    found: list[tuple[Any, ...]] = []
    for call in calls:
        value = parse(call.arguments or "{}")
        found.append((call.name, bool(call.id), call.arguments if isinstance(value, Undecodable) else value))
    return found


def _runs(choice: Choice) -> list[tuple[Any, ...]]:
    """The same of the calls that the vendor ran itself, with what came of them."""
    runs = choice.server_tool_calls
    return [(*call, run.output) for call, run in zip(_calls(runs), runs, strict=True)]


@server_rule(
    "AGG-003",
    "finish/stop reason is equal",
    group="aggregate",
    keyword="MUST",
    basis="de-facto",
    source=DE_FACTO,
    applies=("all",),
    needs=("reference",),
    known=(
        "https://github.com/googleapis/python-genai/issues/2868",
        "https://github.com/vllm-project/vllm/issues/9209",
    ),
    good=Example(body=chat(text("Hello", " there")), reference=SAID, dialect="openai-chat"),
    bad=Example(body=chat(text("Hello", " there"), finish="length"), reference=SAID, dialect="openai-chat"),
)
def same_reason(exchange: Exchange) -> Iterator[Finding]:
    """The terminal reason is the same in both modes."""
    for number, got, expected in _choices(exchange):
        if got.finish_reason != expected.finish_reason:
            yield Finding(f"choice {number}: {brief(expected.finish_reason)}", brief(got.finish_reason))


@server_rule(
    "AGG-004",
    "usage is equal",
    group="aggregate",
    keyword="SHOULD",
    basis="de-facto",
    source=DE_FACTO + " (details of the counts are not kept in a message, so they are not compared)",
    applies=("all",),
    needs=("reference",),
    known=("https://github.com/BerriAI/litellm/issues/41071",),
    good=Example(
        body=chat(text("Hello", " there"), tail=usage() + "data: [DONE]\n\n"), reference=SAID, dialect="openai-chat"
    ),
    bad=Example(
        body=chat(text("Hello", " there"), tail=usage(completion=1) + "data: [DONE]\n\n"),
        reference=SAID,
        dialect="openai-chat",
    ),
)
def same_usage(exchange: Exchange) -> Iterator[Finding]:
    """Prompt token counts are equal; completion counts are equal for a deterministic request; cached and reasoning
    details are kept in the stream.
    """
    got, expected = _twin(exchange)
    if expected.usage is None:
        raise NotApplicable("the non-streaming answer states no usage")
    if got.usage is None and exchange.dialect.names & ON_REQUEST:
        raise NotApplicable("the stream states no usage, which this dialect sends on request only (see USE-001)")
    if _from_cache(exchange):
        # Anthropic and Bedrock count what was read from a cache beside the input, not in it.
        got_input = got.usage.input_tokens if got.usage else None
        expected = structs.replace(expected, usage=structs.replace(expected.usage, input_tokens=got_input))
    if got.usage != expected.usage:
        yield Finding(brief(expected.usage), brief(got.usage))


def _from_cache(exchange: Exchange) -> bool:
    """Whether either answer counts input that was read from a cache: the first of two equal requests fills it."""
    twin = exchange.siblings.get("non-stream")
    return any(_CACHED.search(body) for body in (exchange.body, twin.body if twin else b""))


@server_rule(
    "AGG-005",
    "logprobs are equal",
    group="aggregate",
    keyword="SHOULD",
    basis="de-facto",
    source=DE_FACTO,
    applies=("openai-chat",),
    needs=("reference",),
    known=(
        "https://github.com/ml-explore/mlx-lm/issues/1630",
        "https://github.com/sgl-project/sglang/issues/30188",
    ),
    good=Example(
        body=chat(text("Hello")).replace(
            '"finish_reason":null', '"logprobs":{"content":[{"token":"Hello"}]},"finish_reason":null'
        ),
        siblings={
            "non-stream": Example(body='{"choices":[{"logprobs":{"content":[{"token":"Hello"},{"token":"Hello"}]}}]}')
        },
        request={**REQUEST, "temperature": 0},
    ),
    bad=Example(
        body=chat(text("Hello")).replace(
            '"finish_reason":null', '"logprobs":{"content":[{"token":"Hello"}]},"finish_reason":null'
        ),
        siblings={"non-stream": Example(body='{"choices":[{"logprobs":{"content":[{"token":"Hello"}]}}]}')},
        request={**REQUEST, "temperature": 0},
    ),
)
def same_logprobs(exchange: Exchange) -> Iterator[Finding]:
    """Concatenated stream logprobs equal the non-stream list."""
    twin = exchange.siblings.get("non-stream")
    if twin is None:
        raise NotApplicable("the bytes of the non-streaming answer are not known")
    streamed(exchange)
    deterministic(exchange)
    expected = _tokens([members(parse(twin.body.decode("utf-8", "replace")))])
    if not expected:
        raise NotApplicable("the non-streaming answer has no logprobs")
    got = _tokens([value for value, _ in exchange.objects])
    if got != expected:
        yield Finding(f"{len(expected)} tokens: {brief(expected)}", f"{len(got)} tokens: {brief(got)}")


def _tokens(values: list[dict[str, Any]]) -> list[Any]:
    """The tokens that the first choice has logprobs for."""
    found: list[Any] = []
    for value in values:
        for choice in elements(value.get("choices")):
            if members(choice).get("index", 0) == 0:
                listed = elements(members(members(choice).get("logprobs")).get("content"))
                found.extend(members(entry).get("token") for entry in listed)
    return found
