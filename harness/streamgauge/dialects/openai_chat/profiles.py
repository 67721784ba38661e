"""Services that speak Chat Completions: where each sends reasoning, filter results and usage, and what it promises.

`source` says where each was read: a page, a package that is generated from the service's own specification, or, where
neither could be had, the recorded streams that show it.
"""

from __future__ import annotations

from streamgauge.dialects.openai_chat._samples import DONE, ROLE, choice, chunk, sse, text, usage, whole_chunk
from streamgauge.profile import Profile

COUNTS = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
LAST = "the last chunk before [DONE], whose choices are empty, where stream_options.include_usage asks"
WITH_FINISH = "the chunk with the finish_reason, unasked"
HARMLESS = {"hate": {"filtered": False, "severity": "safe"}}
THOUGHT = {"reasoning_content": "Hm."}


def _finish(reason: str = "stop", **members: object) -> str:
    return sse(whole_chunk([choice({}, reason)], **members))


def _stream(*events: str) -> bytes:
    return "".join((chunk(ROLE), *events, DONE)).encode()


AZURE = Profile(
    name="azure",
    title="Azure OpenAI",
    source="Microsoft Learn, Content streaming (https://learn.microsoft.com/azure/ai-foundry/openai/concepts/"
    "content-streaming); usage and the filter results' places as in recorded streams",
    filters=("prompt_filter_results", "choices.content_filter_results", "choices.content_filter_offsets"),
    usage=("usage",),
    usage_when=LAST,
    adds=frozenset({"prompt_filter_results", "content_filter_results", "content_filter_offsets"}),
    example=(
        sse(
            {"id": "", "object": "", "created": 0, "model": "", "choices": []}
            | {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": HARMLESS}]}
        )
        + chunk(ROLE)
        + sse(whole_chunk([choice({"content": "Hello"}, content_filter_results={})]))
        + sse(whole_chunk([choice({}, content_filter_results=HARMLESS, content_filter_offsets={"check_offset": 0})]))
        + _finish()
        + usage()
        + DONE
    ).encode(),
)
OPENROUTER = Profile(
    name="openrouter",
    title="OpenRouter",
    source="OpenRouter docs, Reasoning tokens (https://openrouter.ai/docs/use-cases/reasoning-tokens), Streaming "
    "(https://openrouter.ai/docs/api_reference/streaming), Usage accounting "
    '(https://openrouter.ai/docs/use-cases/usage-accounting): "included in the last SSE message for streaming '
    'responses"',
    reasoning=("choices.delta.reasoning", "choices.delta.reasoning_details"),
    usage=("usage",),
    usage_when="the last chunk before [DONE], unasked; it repeats the choice with its finish_reason",
    adds=frozenset({"provider", "reasoning", "reasoning_details", "native_finish_reason", "error"}),
    finish_reasons=("error",),
    example=b": OPENROUTER PROCESSING\n\n"
    + _stream(
        sse(
            whole_chunk(
                [
                    choice(
                        {"reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
                        native_finish_reason=None,
                    )
                ],
                provider="Somebody",
            )
        ),
        text("Hello"),
        _finish(provider="Somebody"),
        _finish(provider="Somebody", usage={**COUNTS, "cost": 0.1}),
    ),
)
MISTRAL = Profile(
    name="mistral",
    title="Mistral",
    source="Mistral API reference, Chat Completion; read as generated in mistralai 3.7.0: CompletionChunk, ThinkChunk, "
    "CompletionResponseStreamChoice",
    reasoning=("choices.delta.content.thinking",),
    usage=("usage",),
    usage_when=WITH_FINISH,
    adds=frozenset({"p"}),
    finish_reasons=("error", "model_length"),
    promise="with the stream terminated by a data: [DONE] message",
    example=_stream(
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]}, p="ab"),
        text("Hello"),
        _finish(usage=COUNTS),
    ),
)
DEEPSEEK = Profile(
    name="deepseek",
    title="DeepSeek",
    source="DeepSeek API docs, Thinking mode (https://api-docs.deepseek.com/guides/thinking_mode) and Create chat "
    'completion (https://api-docs.deepseek.com/api/create-chat-completion), in a public copy: "no separate usage-only '
    'chunk is emitted: the statistics ride on the last content chunk"',
    reasoning=("choices.delta.reasoning_content",),
    usage=("usage",),
    usage_when=WITH_FINISH,
    adds=frozenset({"reasoning_content"}),
    finish_reasons=("insufficient_system_resource",),
    promise="with the stream terminated by a `data: [DONE]` message",
    example=_stream(chunk(THOUGHT), text("Hello"), _finish(usage={**COUNTS, "prompt_cache_hit_tokens": 1})),
)
VLLM = Profile(
    name="vllm",
    title="vLLM",
    source="vLLM docs, OpenAI-compatible server (https://docs.vllm.ai/en/stable/serving/openai_compatible_server/) and "
    'Reasoning outputs (https://docs.vllm.ai/en/stable/features/reasoning_outputs/): "reasoning used to be called '
    'reasoning_content"',
    reasoning=("choices.delta.reasoning", "choices.delta.reasoning_content"),
    usage=("usage",),
    usage_when=f"{LAST}; in each chunk where continuous_usage_stats asks",
    adds=frozenset({"reasoning", "reasoning_content"})
    | {"stop_reason", "token_ids", "prompt_token_ids", "prompt_logprobs"},
    promise="vLLM provides an HTTP server that implements OpenAI's Completions API, Chat API, and more!",
    example=_stream(
        chunk({"reasoning": "H", "reasoning_content": "H"}),
        chunk({"reasoning_content": "m."}),
        text("Hello"),
        sse(whole_chunk([choice({}, "stop", stop_reason=None)])),
        usage(),
    ),
)
LLAMA_CPP = Profile(
    name="llama.cpp",
    title="llama.cpp's server",
    source="llama.cpp tools/server/README.md: --reasoning-format, timings; our recordings of it",
    reasoning=("choices.delta.reasoning_content",),
    usage=("usage", "timings"),
    usage_when=LAST,
    adds=frozenset({"reasoning_content", "timings"}),
    example=_stream(
        chunk(THOUGHT),
        text("Hello"),
        _finish(),
        sse(whole_chunk([], usage=COUNTS, timings={"prompt_n": 3, "predicted_n": 2})),
    ),
)
GROQ = Profile(
    name="groq",
    title="Groq",
    source="Groq API reference, Create chat completion; read as generated in groq 1.7.0",
    reasoning=("choices.delta.reasoning",),
    usage=("x_groq.usage", "usage"),
    usage_when=f"x_groq: {WITH_FINISH}; usage: {LAST}",
    adds=frozenset({"x_groq", "reasoning"}),
    promise="with the stream terminated by a `data: [DONE]` message",
    example=_stream(chunk({"reasoning": "Hm."}), text("Hello"), _finish(x_groq={"usage": COUNTS}), usage()),
)
MOONSHOT = Profile(
    name="moonshot",
    title="Moonshot",
    source="Moonshot docs, Streaming (https://platform.moonshot.ai/docs/guide/"
    "utilize-the-streaming-output-feature-of-kimi-api)",
    reasoning=("choices.delta.reasoning_content",),
    usage=("choices.usage",),
    usage_when=WITH_FINISH,
    adds=frozenset({"reasoning_content", "usage"}),
    promise="A chunk whose content is `[DONE]` marks the end of the transmission.",
    example=_stream(chunk(THOUGHT), text("Hello"), sse(whole_chunk([choice({}, "stop", usage=COUNTS)]))),
)
PERPLEXITY = Profile(
    name="perplexity",
    title="Perplexity",
    source="Perplexity docs, OpenAI compatibility (https://docs.perplexity.ai/docs/sonar/openai-compatibility); usage "
    "as in recorded streams",
    usage=("usage",),
    usage_when="each chunk, counted up",
    adds=frozenset({"citations", "search_results", "images", "related_questions", "message"}),
    promise="Streaming works exactly like OpenAI's API",
    example=_stream(
        sse(whole_chunk([choice({"content": "Hello"})], usage=COUNTS, citations=["https://example.com"])),
        _finish(usage=COUNTS, search_results=[]),
    ),
)
TOGETHER = Profile(
    name="together",
    title="Together",
    source="Together API reference, Create chat completion; read as generated in together 3.1.1, "
    "types/chat/chat_completion_chunk.py; usage's place and choices.text as in recorded streams",
    reasoning=("choices.delta.reasoning", "choices.delta.reasoning_content"),
    usage=("usage",),
    usage_when=WITH_FINISH,
    adds=frozenset({"text", "seed", "token_id", "reasoning", "reasoning_content"}),
    finish_reasons=("eos",),
    promise="The stream terminates with `data: [DONE]`.",
    example=_stream(
        chunk({"reasoning": "H", "reasoning_content": "H"}),
        chunk({"reasoning_content": "m."}),
        sse(whole_chunk([choice({"content": "Hello", "token_id": 7}, text="Hello", seed=None)])),
        _finish("eos", usage=COUNTS),
    ),
)
ZAI = Profile(
    name="z.ai",
    title="Z.ai",
    source="Z.ai's own types, zai-sdk 0.2.3, types/chat/chat_completion_chunk.py, and recorded streams; the reference "
    "(https://docs.z.ai/api-reference/llm/chat-completion) could not be read: the words for finish_reason are those "
    "that its clients know",
    reasoning=("choices.delta.reasoning_content",),
    usage=("usage",),
    usage_when=WITH_FINISH,
    adds=frozenset({"reasoning_content"}),
    finish_reasons=("sensitive", "network_error", "model_context_window_exceeded"),
    example=_stream(chunk(THOUGHT), text("Hello"), _finish(usage=COUNTS)),
)
PROFILES = (AZURE, OPENROUTER, MISTRAL, DEEPSEEK, VLLM, LLAMA_CPP, GROQ, MOONSHOT, PERPLEXITY, TOGETHER, ZAI)

OPENAI = frozenset(
    {
        *("id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint"),
        *("obfuscation", "moderation", "index", "delta", "text", "logprobs", "finish_reason"),
        *("role", "content", "refusal", "tool_calls", "function_call", "audio", "annotations"),
    }
)
"""Members of a chunk, a choice and a delta in OpenAI's reference, of a legacy completion too (openai 3.54.0)."""

ZAI_CHUNK = frozenset(
    {
        *("id", "created", "model", "choices", "usage", "index", "delta", "finish_reason"),
        *("role", "content", "reasoning_content", "tool_calls", "audio"),
    }
)
"""Members of a chunk, a choice and a delta in Z.ai's own types (zai-sdk 0.2.3): a chunk has no object, and
finish_reason may be left out."""

_PROMISED = frozenset[str]().union(*(profile.adds for profile in PROFILES if profile.promise))
_FREE = frozenset[str]().union(*(profile.adds for profile in PROFILES if not profile.promise))
BOUND = OPENAI | (_PROMISED - _FREE)
"""Members of services that are bound to [DONE]: OpenAI, and who promises its API or the same in its own words.

A recording does not name its service, but the members of its chunks do. Where they are OpenAI's to the last one, or
additions that only services with a promise make, the reference's sentences bind. Any other member may be of a service
that promises nothing: Writer, IBM watsonx.ai and others document chunks of their own.
"""
FINISH_REASONS = {reason: profile.title for profile in PROFILES for reason in profile.finish_reasons}
"""Words beyond OpenAI's that are a service's own, so that using them breaks no promise."""
