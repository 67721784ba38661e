"""Groq's Python library (https://github.com/groq/groq-python): `chat.completions.create(stream=True)`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.events import Event
from streamgauge.provider import Connection, PerLoop, ProviderSpec
from streamgauge_providers._chat_chunks import ChunkReader, arguments
from streamgauge_providers._streams import awalk, walk, without


class GroqProvider:
    """`Groq` and `AsyncGroq`, with the library's retries turned off. The library adds `/openai/v1` to its base URL."""

    def __init__(self, connection: Connection) -> None:
        from groq import AsyncGroq, Groq

        options: dict[str, Any] = {
            "base_url": without(without(connection.base_url, "/v1"), "/openai"),
            "api_key": connection.api_key or "none",
            "max_retries": 0,
            "timeout": connection.timeout,
        }
        self._client = Groq(**options)
        self._async_client = PerLoop(lambda: AsyncGroq(**options))

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        return walk(lambda: self._client.chat.completions.create(**_arguments(request)), ChunkReader().read)

    def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        create = self._async_client.get().chat.completions.create
        return awalk(lambda: create(**_arguments(request)), ChunkReader().read)

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        await self._async_client.get().close()


def _arguments(request: ChatRequest) -> dict[str, Any]:
    """`stream_options` is a member of the API that the library's signature does not have."""
    asked = arguments(request)
    extra = {name: asked.pop(name) for name in ("stream_options",) if name in asked} | request.extra
    return {**asked, "extra_body": extra or None}


PROVIDERS = (
    ProviderSpec(
        name="groq",
        title="groq-python, chat.completions.create(stream=True)",
        dialect="openai-chat",
        capabilities=frozenset(("sync", "async", "usage", "tools", "reasoning", "n", "finish", "errors")),
        connect=GroqProvider,
        requires=("groq",),
        extra="groq",
        modules=("groq",),
        env="GROQ_API_KEY",
    ),
)
