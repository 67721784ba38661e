"""OpenAI's Python library (https://github.com/openai/openai-python, "Streaming responses")."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.events import Event
from streamgauge.provider import Connection, PerLoop, ProviderSpec
from streamgauge_providers._chat_chunks import FINISHED, ChunkReader, arguments


class OpenAIProvider:
    """`OpenAI` and `AsyncOpenAI`, with the library's retries turned off."""

    def __init__(self, connection: Connection) -> None:
        from openai import AsyncOpenAI, OpenAI

        options: dict[str, Any] = {
            "base_url": connection.base_url,
            "api_key": connection.api_key or "none",  # the library refuses to start without one
            "max_retries": 0,
            "timeout": connection.timeout,
        }
        self._client = OpenAI(**options)
        self._async_client = PerLoop(lambda: AsyncOpenAI(**options))

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        reader = ChunkReader()
        chunks: Any = self._client.chat.completions.create(**arguments(request), extra_body=request.extra or None)
        with chunks:
            for chunk in chunks:
                yield from reader.read(chunk)
        yield FINISHED

    async def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        reader = ChunkReader()
        client = self._async_client.get()
        chunks: Any = await client.chat.completions.create(**arguments(request), extra_body=request.extra or None)
        async with chunks:
            async for chunk in chunks:
                for event in reader.read(chunk):
                    yield event
        yield FINISHED

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        await self._async_client.get().close()


PROVIDERS = (
    ProviderSpec(
        name="openai",
        title="openai-python, chat.completions.create(stream=True)",
        dialect="openai-chat",
        capabilities=frozenset(("sync", "async", "usage", "tools", "reasoning", "refusal", "n", "finish", "errors")),
        connect=OpenAIProvider,
        requires=("openai",),
        extra="openai",
        modules=("openai",),
        env="OPENAI_API_KEY",
    ),
)
