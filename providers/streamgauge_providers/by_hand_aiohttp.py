"""Written by hand: aiohttp (https://docs.aiohttp.org, "Streaming Response Content"), which has no events: its lines.

The loop is the one of countless programs: a line that starts with `data:` is an event.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from streamgauge.chat import ChatRequest
from streamgauge.errors import StreamgaugeError
from streamgauge.events import Event
from streamgauge.provider import Connection, ProviderSpec
from streamgauge_providers._by_hand import CAPABILITIES, DONE, DataReader, asked
from streamgauge_providers._streams import FINISHED


class AiohttpProvider:
    """`ClientSession.post`, and the lines of `response.content`; a session a call."""

    def __init__(self, connection: Connection) -> None:
        import aiohttp

        self._connection = connection
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connection.timeout, sock_read=connection.timeout)

    def stream(self, _request: ChatRequest) -> Iterator[Event]:
        raise StreamgaugeError("aiohttp has no sync path")

    async def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        from aiohttp import ClientSession

        reader = DataReader()
        async with (
            ClientSession(timeout=self._timeout, raise_for_status=True) as session,
            session.post(**asked(self._connection, request)) as response,
        ):
            async for line in response.content:
                text = line.decode().strip()
                if not text.startswith("data:"):
                    continue
                data = text.removeprefix("data:").strip()
                if data == DONE:
                    break
                for event in reader.read(data):
                    yield event
        yield FINISHED

    def close(self) -> None:
        """Nothing is kept between calls."""

    async def aclose(self) -> None:
        """Nothing is kept between calls."""


PROVIDERS = (
    ProviderSpec(
        name="aiohttp",
        title="by hand: aiohttp, line by line",
        dialect="openai-chat",
        capabilities=CAPABILITIES | {"async"},
        connect=AiohttpProvider,
        requires=("aiohttp",),
        extra="aiohttp",
        modules=("aiohttp",),
        env="OPENAI_API_KEY",
    ),
)
