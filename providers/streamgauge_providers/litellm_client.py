"""LiteLLM's Python library (https://docs.litellm.ai/docs/completion/stream), towards four dialects.

Whatever the backend speaks, callers get OpenAI's chunks and OpenAI's words for why an answer ended, with LiteLLM's own
ids: except towards openai-chat it can't show the finish reason that was sent.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, aclosing, closing, nullcontext
from typing import Any

import msgspec

from streamgauge.chat import ChatRequest
from streamgauge.events import Event, ToolCallDelta
from streamgauge.provider import Capability, Connection, ProviderSpec
from streamgauge.wire import Undecodable, parse
from streamgauge_providers._chat_chunks import ChunkReader, arguments
from streamgauge_providers._streams import Read, awalk, walk, without


class LiteLLMProvider:
    """`completion` and `acompletion`, with the library's retries turned off.

    prefix: how LiteLLM's model names say which API to speak. suffix: what its `api_base` must not end in.
    whole_calls: the API sends the arguments of a call as one JSON value, which is LiteLLM's to write as text.
    """

    def __init__(self, connection: Connection, prefix: str, suffix: str, *, whole_calls: bool) -> None:
        # Otherwise the import downloads a list of prices.
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        import litellm

        # Without these it prints advice on standard output, and warnings about prices between our lines.
        litellm.suppress_debug_info = True
        logging.getLogger("LiteLLM").setLevel(logging.ERROR)
        self._litellm: Any = litellm
        self._prefix = prefix
        self._whole_calls = whole_calls
        self._options: dict[str, Any] = {
            "api_base": without(connection.base_url, suffix) if suffix else connection.base_url,
            "api_key": connection.api_key or "none",
            "num_retries": 0,
            "max_retries": 0,
            "timeout": connection.timeout,
        }

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        return walk(lambda: _closing(self._litellm.completion(**self._arguments(request))), self._reader())

    def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        async def ask() -> Any:
            return aclosing(await self._litellm.acompletion(**self._arguments(request)))

        return awalk(ask, self._reader())

    def _reader(self) -> Read:
        read = ChunkReader().read
        return (lambda chunk: map(_compact, read(chunk))) if self._whole_calls else read

    def _arguments(self, request: ChatRequest) -> dict[str, Any]:
        asked = {**arguments(request), **request.extra, **self._options}
        return asked | {"model": f"{self._prefix}/{request.model}"}

    def close(self) -> None:
        """LiteLLM keeps its connections for the whole process."""

    async def aclose(self) -> None:
        """Close the clients that it keeps for the running event loop, which nobody can use behind its end."""
        cache = self._litellm.in_memory_llm_clients_cache
        ours = cache.update_cache_key_with_event_loop("")
        for key in [key for key in list(cache.cache_dict) if key.endswith(ours)]:
            await cache.cache_dict.pop(key).close()


def _compact(event: Event) -> Event:
    """Arguments that were a JSON value on the wire, without the spaces that are nobody's but LiteLLM's."""
    if not isinstance(event, ToolCallDelta) or not event.arguments:
        return event
    value = parse(event.arguments)
    if isinstance(value, Undecodable):
        return event
    return msgspec.structs.replace(event, arguments=msgspec.json.encode(value).decode())


def _closing(stream: Any) -> AbstractContextManager[Any]:
    """Before 1.107 the stream of the sync path can't be closed: there it is left to whoever collects garbage."""
    return closing(stream) if hasattr(stream, "close") else nullcontext(stream)


def _spec(
    name: str, dialect: str, prefix: str, env: str, *more: Capability, suffix: str = "", whole_calls: bool = False
) -> ProviderSpec:
    return ProviderSpec(
        name=f"litellm-{name}",
        title=f"LiteLLM, completion(model='{prefix}/...', stream=True)",
        dialect=dialect,
        capabilities=frozenset(("sync", "async", "usage", "tools", "reasoning", "errors", *more)),
        connect=lambda connection: LiteLLMProvider(connection, prefix, suffix, whole_calls=whole_calls),
        requires=("litellm",),
        extra="litellm",
        modules=("litellm",),
        env=env,
    )


PROVIDERS = (
    _spec("openai", "openai-chat", "openai", "OPENAI_API_KEY", "n", "finish"),
    _spec("anthropic", "anthropic-messages", "anthropic", "ANTHROPIC_API_KEY", suffix="/v1"),
    _spec("gemini", "gemini-generate", "gemini", "GEMINI_API_KEY", whole_calls=True),
    _spec("ollama", "ollama-chat", "ollama_chat", "OLLAMA_API_KEY", whole_calls=True),
)
