"""g4f's client (https://github.com/gpt4free/g4f, "Client API"), against an endpoint of one's own.

What its users meet on the way: it asks GET /models first; it strips the space that the first text begins with,
and adds a line end behind reasoning; it reads the first choice of each chunk as choice 0, and no refusal; where
no usage comes, it reports its own estimate. `AsyncClient(base_url=...)` ignores the URL, hence
`create_custom_provider`.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.events import Event
from streamgauge.provider import Connection, ProviderSpec
from streamgauge_providers._chat_chunks import ChunkReader, arguments
from streamgauge_providers._streams import awalk, walk


class G4FProvider:
    """`Client` and `AsyncClient` over one custom provider."""

    def __init__(self, connection: Connection) -> None:
        from g4f.client import AsyncClient, Client
        from g4f.client.factory import create_custom_provider

        # g4f asks aiohttp for a clean-up that newer Pythons do by themselves; nobody but g4f can change that.
        warnings.filterwarnings("ignore", "enable_cleanup_closed ignored", DeprecationWarning)
        provider = create_custom_provider(connection.base_url, api_key=connection.api_key or None)
        self._timeout = connection.timeout
        self._client = Client(provider=provider)
        self._async_client = AsyncClient(provider=provider)

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        create: Any = self._client.chat.completions.create
        return walk(lambda: closing(create(**self._arguments(request))), ChunkReader().read)

    def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        create: Any = self._async_client.chat.completions.create

        async def ask() -> Any:
            return aclosing(create(**self._arguments(request)))

        return awalk(ask, ChunkReader().read)

    def _arguments(self, request: ChatRequest) -> dict[str, Any]:
        """g4f drops arguments that it does not know: those go into the body by `extra_body`.

        `stream_timeout` is its name for the seconds between two chunks; its sync path takes no notice of it.
        """
        known = {"messages", "model", "stream", "max_tokens", "temperature", "stop", "tools", "stream_options"}
        body = arguments(request)
        extra = {name: body.pop(name) for name in body.keys() - known} | request.extra
        return body | {"stream_timeout": self._timeout} | ({"extra_body": extra} if extra else {})

    def close(self) -> None:
        """Close what the sync path leaves behind.

        Each sync call runs an event loop of its own and closes it, but not the connections that it kept for
        reuse; a table of g4f's holds them to the end of the process, one file descriptor a call.
        """
        from g4f.requests.aiohttp import _loop_connectors

        for loop in [loop for loop in list(_loop_connectors) if loop.is_closed()]:
            _disconnect(_loop_connectors.pop(loop))

    async def aclose(self) -> None:
        """Close the connections that the running loop's calls keep for reuse."""
        from g4f.requests.aiohttp import _loop_connectors

        connector = _loop_connectors.pop(asyncio.get_running_loop(), None)
        if connector is not None:
            await connector.close()


def _disconnect(connector: Any) -> None:
    """Close a connector whose loop is closed, which its own `close` can't do any more."""
    for pool in connector._conns.values():
        for handler, _ in pool:
            lost = getattr(handler.transport, "_call_connection_lost", None)
            if lost is not None:
                lost(None)
    connector._conns.clear()


PROVIDERS = (
    ProviderSpec(
        name="g4f",
        title="g4f, Client and AsyncClient",
        dialect="openai-chat",
        capabilities=frozenset(("sync", "async", "usage", "tools", "reasoning", "finish", "errors")),
        connect=G4FProvider,
        requires=("g4f", "aiohttp"),
        extra="g4f",
        modules=("g4f",),
        env="G4F_API_KEY",
    ),
)
