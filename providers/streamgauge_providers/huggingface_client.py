"""Hugging Face's Python library (https://huggingface.co/docs/huggingface_hub/guides/inference, "Streaming")."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.events import Event
from streamgauge.provider import Connection, PerLoop, ProviderSpec
from streamgauge_providers._chat_chunks import ChunkReader, arguments
from streamgauge_providers._streams import awalk, walk


class HuggingFaceProvider:
    """`InferenceClient.chat_completion(stream=True)` and `AsyncInferenceClient`'s; the library makes no retries."""

    def __init__(self, connection: Connection) -> None:
        from huggingface_hub import AsyncInferenceClient, InferenceClient

        options: dict[str, Any] = {
            "base_url": connection.base_url,
            "api_key": connection.api_key or None,
            "timeout": connection.timeout,
        }
        self._client = InferenceClient(**options)
        self._async_client = PerLoop(lambda: AsyncInferenceClient(**options))

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        create: Any = self._client.chat_completion
        return walk(lambda: closing(create(**_arguments(request))), ChunkReader().read)

    def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        async def ask() -> Any:
            create: Any = self._async_client.get().chat_completion
            return aclosing(await create(**_arguments(request)))

        return awalk(ask, ChunkReader().read)

    def close(self) -> None:
        self._client.exit_stack.close()

    async def aclose(self) -> None:
        await self._async_client.get().close()


def _arguments(request: ChatRequest) -> dict[str, Any]:
    return arguments(request) | {"extra_body": request.extra or None}


PROVIDERS = (
    ProviderSpec(
        name="huggingface-hub",
        title="huggingface_hub, InferenceClient.chat_completion(stream=True)",
        dialect="openai-chat",
        capabilities=frozenset(("sync", "async", "usage", "tools", "reasoning", "n", "finish", "errors")),
        connect=HuggingFaceProvider,
        requires=("huggingface-hub",),
        extra="huggingface-hub",
        modules=("huggingface_hub",),
        env="HF_TOKEN",
    ),
)
