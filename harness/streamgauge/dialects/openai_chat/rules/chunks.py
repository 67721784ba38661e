"""What every chunk is made of."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Any

from streamgauge.dialects.openai_chat._samples import HELLO, WITH_USAGE, chat, chunk, sse, text, usage, whole_chunk
from streamgauge.dialects.openai_chat._sources import CHUNK, DELTA, OPTIONS
from streamgauge.dialects.openai_chat._view import View, chunks, is_filter
from streamgauge.dialects.openai_chat.profiles import FINISH_REASONS, OPENAI, ZAI_CHUNK
from streamgauge.evidence import brief
from streamgauge.rules import Example, Exchange, Finding, server_rule
from streamgauge.wire import elements

REQUIRED = ("id", "object", "created", "model", "choices")
OBJECT = "chat.completion.chunk"
EXTENSION = f"extensions.{OBJECT}"
"""What Azure OpenAI On Your Data says (https://learn.microsoft.com/answers/a/1844539)."""
REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")


@server_rule(
    "OAC-001",
    "required chunk members",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{CHUNK}: required are id, choices, created, model, object. What states nothing of the completion, as "
    "Azure's filter results and what gateways add, counts as non-strict: OpenAI may add event types, too. So does no "
    "object beside a model_id: IBM documents a chunk of its own without one (watsonx.ai, TextChatStreamItem, "
    "https://ibm.github.io/watsonx-ai-node-sdk). So does no object in a stream of Z.ai's shape: its own types have "
    "none, and leave finish_reason out until the end (zai-sdk 0.2.3, types/chat/chat_completion_chunk.py)",
    applies=("openai-chat", "openai-completions"),
    known=(
        "https://github.com/ROCm/ATOM/issues/1711",
        "https://github.com/microsoft/autogen/issues/6465",
        "https://github.com/anomalyco/opencode/issues/42918",
    ),
    good=HELLO,
    bad=chat(chunk({"content": "Hi"}, created=...)),
)
def required_members(exchange: Exchange) -> Iterator[Finding]:
    """Every chunk has id, object, created, model and choices."""
    found = chunks(exchange)
    without = [(value, span, [name for name in REQUIRED if name not in value]) for value, span in found.chunks]
    lacking = [entry for entry in without if entry[2]]
    zai = bool(lacking) and _is_zai(found)
    for value, span, missing in lacking:
        own = _is_watsonx(value, missing) or (zai and missing == ["object"])
        mild = is_filter(value) or not _is_chunk(value) or own
        yield Finding("id, object, created, model, choices", f"no {', '.join(missing)}", span, mild=mild)


def _is_watsonx(value: dict[str, Any], missing: list[str]) -> bool:
    """Whether a chunk is IBM's own: object is none of its members, and model a copy of model_id that may be missing."""
    return "model_id" in value and set(missing) <= {"object", "model"}


def _is_zai(found: View) -> bool:
    """Whether a stream has nothing of OpenAI's chunk that Z.ai's has not: no object, and no finish_reason that is
    null before the end.
    """
    early = any(part.choice.get("finish_reason", "") is None for part in found.parts)
    return not early and found.members().isdisjoint(OPENAI - ZAI_CHUNK)


def _is_chunk(value: dict[str, Any]) -> bool:
    """Whether an object says that it is a chunk, or has a choice."""
    return bool(value.get("choices")) or value.get("object") == OBJECT


@server_rule(
    "OAC-002",
    "object is chat.completion.chunk",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{CHUNK}: "The object type, which is always `chat.completion.chunk`." Azure\'s filter result chunks, which '
    "Microsoft documents with an empty object, are not counted; its extensions.chat.completion.chunk is non-strict",
    applies=("openai-chat",),
    known=(
        'https://github.com/seratch/ChatGPT-in-Slack/issues/49 (Azure first chunk has object "")',
        "measured: TGI 1.4 says text_completion, Perplexity says chat.completion",
    ),
    good=HELLO,
    bad=chat(chunk({"content": "Hi"}, object="chat.completion")),
)
def object_type(exchange: Exchange) -> Iterator[Finding]:
    """object is exactly chat.completion.chunk."""
    for value, span in chunks(exchange).chunks:
        kind = value.get("object", OBJECT)
        if kind != OBJECT and not (kind == "" and is_filter(value)):
            yield Finding(OBJECT, brief(kind), span, mild=kind == EXTENSION)


@server_rule(
    "OAC-003",
    "choices[] members",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{CHUNK}: required are delta, finish_reason, index. Three things count as non-strict: a missing "
    "finish_reason, because xAI and Z.ai leave it out until the end, and xAI's own documentation shows its chunks so; "
    "logprobs that are neither an object nor null; and null for choices or for a delta, which says that there is none",
    applies=("openai-chat",),
    known=(
        "https://github.com/microsoft/autogen/issues/6465 (Azure choice without delta)",
        "https://github.com/Mintplex-Labs/anything-llm/issues/1475 (finish_reason absent)",
    ),
    good=HELLO,
    bad=chat(sse(whole_chunk([{"index": 0, "finish_reason": None}]))),
)
def choice_members(exchange: Exchange) -> Iterator[Finding]:
    """Each choice has index, delta and finish_reason (finish_reason present, null until the end); logprobs, where they
    are sent, are an object or null.
    """
    found = chunks(exchange)
    for value, span in found.chunks:
        if not isinstance(value.get("choices", []), list):
            yield Finding("an array of choices", brief(value["choices"]), span, mild=value["choices"] is None)
    for value, span in found.plain:
        for entry in elements(value.get("choices")):
            if not isinstance(entry, dict):
                yield Finding("a choice that is an object", brief(entry), span)
                continue
            if type(entry.get("index")) is not int:
                yield Finding("an integer index", f"index {brief(entry.get('index'))}", span)
            if not isinstance(entry.get("delta"), dict):
                nothing = "delta" in entry and entry["delta"] is None
                yield Finding("a delta that is an object", f"delta {brief(entry.get('delta'))}", span, mild=nothing)
            if "finish_reason" not in entry:
                yield Finding("finish_reason, null until the end", "no finish_reason", span, mild=True)
            if not isinstance(entry.get("logprobs"), (dict, NoneType)):
                yield Finding("logprobs that are an object or null", brief(entry["logprobs"]), span, mild=True)


@server_rule(
    "OAC-004",
    "finish_reason is null or one of the enum",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{CHUNK}: finish_reason is one of {', '.join(REASONS)}. Words that another vendor documents for its own "
    f'service ({", ".join(FINISH_REASONS)}) count as non-strict, and so does "" in the place of null',
    applies=("openai-chat",),
    known=(
        "https://github.com/ollama/ollama/issues/4357",
        "https://github.com/qualcomm/GenieX/issues/1246",
        "https://github.com/BerriAI/litellm/issues/12481",
    ),
    good=HELLO,
    bad=chat(text("Hi"), finish="eos_token"),
)
def finish_reason_enum(exchange: Exchange) -> Iterator[Finding]:
    """finish_reason is null, stop, length, tool_calls, content_filter or function_call; never "", never a vendor
    word.
    """
    for finishes in chunks(exchange).finishes.values():
        for reason, span in finishes:
            if not isinstance(reason, str) or reason not in REASONS:
                documented = isinstance(reason, str) and (reason in FINISH_REASONS or not reason)
                yield Finding(" | ".join(REASONS), brief(reason), span, mild=documented)


@server_rule(
    "OAC-007",
    "content is a string or null",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{DELTA}. A list of typed parts counts as non-strict: Mistral documents it for reasoning and for "
    "references (https://docs.mistral.ai/capabilities/reasoning)",
    applies=("openai-chat",),
    good=HELLO,
    bad=chat(chunk({"content": ["Hi"]})),
)
def content_is_text(exchange: Exchange) -> Iterator[Finding]:
    """delta.content is a string, null or absent; never a list or number."""
    for part in chunks(exchange).parts:
        content = part.delta.get("content")
        if content is None or isinstance(content, str):
            continue
        listed = elements(content)
        typed = bool(listed) and all(isinstance(p, dict) and isinstance(p.get("type"), str) for p in listed)
        yield Finding("a string or null", brief(content), part.span, mild=typed)


@server_rule(
    "OAC-011",
    "empty choices only where documented",
    group="chunk-schema",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{CHUNK}: choices "can also be empty for the last chunk if you set stream_options"; a moderation chunk; '
    f"{OPTIONS}; Azure's filter result chunks",
    applies=("openai-chat",),
    known=("https://github.com/anomalyco/opencode/issues/42918",),
    good=Example(body=chat(text("Hi"), tail=usage() + "data: [DONE]\n\n"), request=WITH_USAGE),
    bad=chat(sse(whole_chunk([]))),
)
def empty_choices(exchange: Exchange) -> Iterator[Finding]:
    """choices is empty only in the usage chunk, which is the last (and in vendor-documented filter chunks)."""
    plain = chunks(exchange).plain
    last = max((span for value, span in plain if value.get("choices") or value.get("usage")), default=None)
    for value, span in plain:
        if value.get("choices") != []:
            continue
        if not any(value.get(name) for name in ("usage", "moderation", "error")):
            yield Finding("a choice, or usage", "choices [] and no usage", span)
        elif value.get("usage") and span != last:
            yield Finding("choices [] and usage in the last chunk", "them, and another chunk behind it", span)
