"""Mistral's Python library (https://github.com/mistralai/client-python, README, "Server-sent event streaming")."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.events import Event
from streamgauge.provider import Connection, PerLoop, ProviderSpec
from streamgauge_providers._chat_chunks import ChunkReader, arguments
from streamgauge_providers._streams import awalk, walk, without


class MistralProvider:
    """`chat.stream` and `chat.stream_async`; the library adds `/v1`, and retries nothing unless told to."""

    def __init__(self, connection: Connection) -> None:
        from mistralai.client import Mistral

        def make() -> Any:
            return Mistral(
                api_key=connection.api_key or "none",
                server_url=without(connection.base_url, "/v1"),
                timeout_ms=round(connection.timeout * 1000),
            )

        self._client = make()
        self._async_client = PerLoop(make)

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        return walk(lambda: self._client.chat.stream(**_arguments(request)), _reader())

    def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        return awalk(lambda: self._async_client.get().chat.stream_async(**_arguments(request)), _reader())

    def close(self) -> None:
        self._client.__exit__(None, None, None)

    async def aclose(self) -> None:
        await self._async_client.get().__aexit__(None, None, None)


def _reader() -> Any:
    """Reads the `data` of each event, which is a chunk."""
    reader = ChunkReader()
    return lambda event: reader.read(event.data)


def _arguments(request: ChatRequest) -> dict[str, Any]:
    """Mistral's names for the members; usage comes unasked. Members that the library has no name for are refused."""
    asked = arguments(request) | request.extra
    asked.pop("stream_options", None)
    if "seed" in asked:
        asked["random_seed"] = asked.pop("seed")
    return asked


PROVIDERS = (
    ProviderSpec(
        name="mistralai",
        title="mistralai, chat.stream and chat.stream_async",
        dialect="openai-chat",
        capabilities=frozenset(("sync", "async", "usage", "n", "finish", "errors")),
        connect=MistralProvider,
        requires=("mistralai",),
        extra="mistralai",
        modules=("mistralai",),
        env="MISTRAL_API_KEY",
        notes="not judged by tool calls: Mistral sends each whole, and the library refuses fragments",
    ),
)
