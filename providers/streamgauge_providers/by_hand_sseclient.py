"""Written by hand: requests with sseclient-py (https://github.com/mpetazzoni/sseclient, README, "Usage")."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import closing

from streamgauge.chat import ChatRequest
from streamgauge.errors import StreamgaugeError
from streamgauge.events import Event
from streamgauge.provider import Connection, ProviderSpec
from streamgauge_providers._by_hand import CAPABILITIES, DONE, DataReader, asked
from streamgauge_providers._streams import FINISHED


class SSEClientProvider:
    """`SSEClient(requests.post(stream=True)).events()`."""

    def __init__(self, connection: Connection) -> None:
        import requests

        self._connection = connection
        self._session = requests.Session()

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        from sseclient import SSEClient

        reader = DataReader()
        response = self._session.post(**asked(self._connection, request), stream=True, timeout=self._connection.timeout)
        with response, closing(SSEClient(response)) as client:
            response.raise_for_status()
            for event in client.events():
                if event.data == DONE:
                    break
                yield from reader.read(event.data)
        yield FINISHED

    def astream(self, _request: ChatRequest) -> AsyncIterator[Event]:
        raise StreamgaugeError("sseclient-py has no async path")

    def close(self) -> None:
        self._session.close()

    async def aclose(self) -> None:
        self._session.close()


PROVIDERS = (
    ProviderSpec(
        name="sseclient-py",
        title="by hand: requests with sseclient-py",
        dialect="openai-chat",
        capabilities=CAPABILITIES | {"sync"},
        connect=SSEClientProvider,
        requires=("sseclient-py", "requests"),
        extra="sseclient-py",
        modules=("sseclient", "requests"),
        env="OPENAI_API_KEY",
    ),
)
