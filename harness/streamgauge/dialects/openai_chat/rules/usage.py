"""Usage: where the token counts stand, and that they add up."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Any

from streamgauge.dialects.openai_chat._samples import DONE, HELLO, REQUEST, WITH_USAGE, chat, chunk, text, usage
from streamgauge.dialects.openai_chat._sources import CHUNK, OPTIONS
from streamgauge.dialects.openai_chat._view import View, chunks
from streamgauge.events import Span
from streamgauge.evidence import brief, option, whole
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import count, members

TAIL = usage() + DONE


def _asked(exchange: Exchange) -> bool:
    """Whether the request asks for usage, in OpenAI's way or in OpenRouter's."""
    return option(exchange, "stream_options", "include_usage") is True or option(exchange, "usage", "include") is True


def _stated(view: View) -> list[tuple[dict[str, Any], Span]]:
    return [(value, span) for value, span in view.chunks if members(value.get("usage"))]


@server_rule(
    "USE-001",
    "usage chunk comes last before [DONE]",
    group="usage",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{OPTIONS}: "If set, an additional chunk will be streamed before the `data: [DONE]` message. The `usage` '
    "field on this chunk shows the token usage statistics for the entire request, and the `choices` field will "
    'always be an empty array." Usage in a chunk that has choices, or before the finish_reason, counts as '
    "non-strict: others document only that it comes",
    applies=("openai-chat", "openai-completions"),
    needs=("request",),
    known=(
        "https://github.com/ggml-org/llama.cpp/issues/15444",
        "https://github.com/huggingface/text-generation-inference/issues/3003",
        "https://github.com/anomalyco/opencode/issues/42918",
    ),
    good=Example(body=chat(text("Hello"), tail=TAIL), request=WITH_USAGE),
    bad=Example(body=HELLO, request=WITH_USAGE),
)
def usage_comes_last(exchange: Exchange) -> Iterator[Finding]:
    """With include_usage one extra chunk with choices [] and usage comes after the finish_reason chunk and before
    [DONE].
    """
    if option(exchange, "stream_options", "include_usage") is not True:
        raise NotApplicable("the request did not set include_usage")
    whole(exchange)
    found = chunks(exchange)
    # "If the stream is interrupted, you may not receive the final usage chunk".
    if found.errors or not found.finished:
        raise NotApplicable("the answer is not complete")
    stated = _stated(found)
    if not stated:
        yield Finding("a chunk with usage and choices []", "no usage", found.chunks[-1][1])
        return
    value, span = stated[-1]
    if value.get("choices"):
        yield Finding("usage in a chunk with choices []", "usage in a chunk with choices", span, mild=True)
    elif any(place > span for finishes in found.finishes.values() for _, place in finishes):
        yield Finding("usage after the finish_reason", "usage before it", span, mild=True)


@server_rule(
    "USE-002",
    "usage is null in all other chunks",
    group="usage",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{OPTIONS}: "All other chunks will also include a `usage` field, but with a null value."',
    applies=("openai-chat", "openai-completions"),
    needs=("request",),
    known=("https://github.com/huggingface/text-generation-inference/issues/3003",),
    good=Example(body=chat(text("Hello"), tail=TAIL), request=WITH_USAGE),
    bad=Example(
        body=chat(
            chunk({"content": "Hi"}, usage={"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}), tail=TAIL
        ),
        request=WITH_USAGE,
    ),
)
def usage_null_elsewhere(exchange: Exchange) -> Iterator[Finding]:
    """With include_usage other chunks have usage null (absence is tolerated)."""
    if option(exchange, "stream_options", "include_usage") is not True:
        raise NotApplicable("the request did not set include_usage")
    stated = [(v["usage"], span) for v, span in chunks(exchange).chunks if v.get("usage") is not None]
    for value, span in stated[:-1]:
        yield Finding("usage null", f"usage {brief(value)}", span)


@server_rule(
    "USE-003",
    "no usage chunk unless asked",
    group="usage",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{CHUNK}: "An optional field that will only be present when you set `stream_options: '
    '{"include_usage": true}` in your request." Where include_usage is not set at all, it counts as non-strict: '
    'Mistral, Cohere, Together and TGI always send it, and OpenRouter documents that "full usage details are now '
    'always included automatically in every response" (https://openrouter.ai/docs/use-cases/usage-accounting)',
    applies=("openai-chat", "openai-completions"),
    needs=("request",),
    known=(
        "https://github.com/Arthur-Ficial/apfel/issues/100",
        "https://github.com/ggml-org/llama.cpp/issues/15443",
    ),
    good=Example(body=HELLO, request=REQUEST),
    bad=Example(body=chat(text("Hello"), tail=TAIL), request={**REQUEST, "stream_options": {"include_usage": False}}),
)
def no_usage_unasked(exchange: Exchange) -> Iterator[Finding]:
    """Without include_usage there is no usage chunk and no chunk with empty choices."""
    if _asked(exchange):
        raise NotApplicable("the request asked for usage")
    refused = option(exchange, "stream_options", "include_usage") is False
    for value, span in _stated(chunks(exchange)):
        bare = not value.get("choices")
        got = "a chunk with usage and choices []" if bare else "usage beside choices"
        yield Finding("no usage, because it was not asked for", got, span, mild=not (bare and refused))


PROMPT_DETAILS = ("cached_tokens", "audio_tokens")
COMPLETION_DETAILS = ("reasoning_tokens", "audio_tokens", "accepted_prediction_tokens")


@server_rule(
    "USE-004",
    "totals add up",
    group="usage",
    keyword="MUST",
    basis="vendor-doc",
    source='OpenAI CompletionUsage, total_tokens: "Total number of tokens used in the request (prompt + completion)." '
    "(read in openai 3.54.0, types/completion_usage.py). Two things count as non-strict, because xAI and Gemini count "
    "reasoning beside the completion, and gateways pass that on: a total above the sum, and details that exceed their "
    "total",
    applies=("openai-chat", "openai-completions"),
    good=Example(body=chat(text("Hello"), tail=TAIL), request=WITH_USAGE),
    bad=Example(body=chat(text("Hello"), tail=usage(total_tokens=4) + DONE), request=WITH_USAGE),
)
def totals(exchange: Exchange) -> Iterator[Finding]:
    """total_tokens = prompt_tokens + completion_tokens; details do not exceed their totals."""
    found = chunks(exchange)
    stated = _stated(found)
    odd = [(v["usage"], span) for v, span in found.chunks if not isinstance(v.get("usage"), (dict, NoneType))]
    if not stated and not odd:
        raise NotApplicable("the stream states no usage")
    for value, span in odd:
        yield Finding("usage that is an object or null", f"usage {brief(value)}", span)
    for value, span in stated:
        yield from _sums(members(value.get("usage")), span)


def _sums(stated: dict[str, Any], span: Span) -> Iterator[Finding]:
    prompt, completion, total = (count(stated.get(n)) for n in ("prompt_tokens", "completion_tokens", "total_tokens"))
    if prompt is None or completion is None or total is None:
        yield Finding("prompt_tokens, completion_tokens, total_tokens", f"usage {brief(stated)}", span, mild=True)
        return
    details = members(stated.get("completion_tokens_details"))
    if total != prompt + completion:
        more = total > prompt + completion
        yield Finding(f"total_tokens {brief(prompt + completion)}", f"total_tokens {brief(total)}", span, mild=more)
    bounds = [
        (members(stated.get("prompt_tokens_details")), PROMPT_DETAILS, prompt),
        (details, COMPLETION_DETAILS, completion),
    ]
    for table, names, bound in bounds:
        for name in names:
            if (part := count(table.get(name)) or 0) > bound:
                yield Finding(f"{name} of at most {brief(bound)}", f"{name} {brief(part)}", span, mild=True)
