"""Written by hand: httpx with httpx-sse (https://github.com/florimondmanca/httpx-sse, README, "Quickstart")."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.events import Event
from streamgauge.provider import Connection, PerLoop, ProviderSpec
from streamgauge_providers._by_hand import CAPABILITIES, DONE, DataReader, asked
from streamgauge_providers._streams import FINISHED


class HttpxSSEProvider:
    """`connect_sse` and `aconnect_sse`."""

    def __init__(self, connection: Connection) -> None:
        import httpx

        self._connection = connection
        self._client = httpx.Client(timeout=connection.timeout)
        self._async_client = PerLoop(lambda: httpx.AsyncClient(timeout=connection.timeout))

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        from httpx_sse import connect_sse

        reader = DataReader()
        with connect_sse(self._client, "POST", **asked(self._connection, request)) as source:
            source.response.raise_for_status()
            for sse in source.iter_sse():
                if sse.data == DONE:
                    break
                yield from reader.read(sse.data)
        yield FINISHED

    async def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        from httpx_sse import aconnect_sse

        reader = DataReader()
        client: Any = self._async_client.get()
        async with aconnect_sse(client, "POST", **asked(self._connection, request)) as source:
            source.response.raise_for_status()
            async for sse in source.aiter_sse():
                if sse.data == DONE:
                    break
                for event in reader.read(sse.data):
                    yield event
        yield FINISHED

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        await self._async_client.get().aclose()


PROVIDERS = (
    ProviderSpec(
        name="httpx-sse",
        title="by hand: httpx with httpx-sse",
        dialect="openai-chat",
        capabilities=CAPABILITIES | {"sync", "async"},
        connect=HttpxSSEProvider,
        requires=("httpx-sse", "httpx"),
        extra="httpx-sse",
        modules=("httpx_sse", "httpx"),
        env="OPENAI_API_KEY",
    ),
)
