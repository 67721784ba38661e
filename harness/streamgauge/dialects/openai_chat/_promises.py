"""Who is bound by OpenAI's reference, as far as a stream shows whose it is.

OpenAI is, and a service that promises OpenAI's API, or the same thing in its own words. A recording doesn't name its
service, but the members of its chunks do. Where they are OpenAI's to the last one, or additions of a service whose
promise was read, its sentences bind. A member that is in neither list is of a service whose documents we don't know, or
that promises nothing: Writer, IBM watsonx.ai and others document chunks of their own beside OpenAI's.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamgauge.dialects.openai_chat._view import view
from streamgauge.rules import Exchange

OPENAI = frozenset(
    {
        *("id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint"),
        *("obfuscation", "moderation", "index", "delta", "text", "logprobs", "finish_reason"),
        *("role", "content", "refusal", "tool_calls", "function_call", "audio", "annotations"),
    }
)
"""Members of a chunk, a choice and a delta in OpenAI's reference, of a legacy completion too (openai 3.54.0)."""


@dataclass(frozen=True, slots=True)
class Promise:
    """A service's own sentence that binds it to end streams as OpenAI does, and what it adds to OpenAI's chunks."""

    service: str
    sentence: str
    source: str
    adds: frozenset[str]


PROMISES = (
    Promise(
        "Groq",
        "with the stream terminated by a `data: [DONE]` message",
        "API reference, Create chat completion, stream; read in groq 1.7.0",
        frozenset({"x_groq"}),
    ),
    Promise(
        "Mistral",
        "with the stream terminated by a data: [DONE] message",
        "API reference, Chat Completion, stream; read in mistralai 3.7.0",
        frozenset({"p"}),
    ),
    Promise(
        "Moonshot",
        "A chunk whose content is `[DONE]` marks the end of the transmission.",
        "https://platform.moonshot.ai/docs/guide/utilize-the-streaming-output-feature-of-kimi-api",
        frozenset({"reasoning_content"}),
    ),
    Promise(
        "Perplexity",
        "Streaming works exactly like OpenAI's API",
        "https://docs.perplexity.ai/docs/sonar/openai-compatibility",
        frozenset({"citations", "search_results", "images", "related_questions", "message"}),
    ),
    Promise(
        "vLLM",
        "vLLM provides an HTTP server that implements OpenAI's Completions API, Chat API, and more!",
        "https://docs.vllm.ai/en/stable/serving/openai_compatible_server/",
        frozenset({"reasoning", "stop_reason", "token_ids", "prompt_token_ids", "prompt_logprobs"}),
    ),
)
"""What was read, 2026-11-22. Services that add nothing to OpenAI's chunks need no entry."""

_KNOWN = OPENAI.union(*(promise.adds for promise in PROMISES))


def strange_members(exchange: Exchange) -> list[str]:
    """Members of chunks, choices and deltas that are of no service which is known to be bound; sorted."""
    found = view(exchange)
    seen = {name for value, _ in found.chunks for name in value}
    for part in found.parts:
        seen |= part.choice.keys() | part.delta.keys()
    return sorted(seen - _KNOWN)
