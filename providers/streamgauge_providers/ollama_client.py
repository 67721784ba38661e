"""Ollama's Python library (https://github.com/ollama/ollama-python, README, "Streaming responses")."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import Any

import msgspec

from streamgauge.chat import ChatRequest
from streamgauge.dialects.ollama.encoder import encode_chat
from streamgauge.events import Event, Finish, ReasoningDelta, Start, TextDelta, ToolCallDelta, Usage
from streamgauge.provider import Connection, PerLoop, ProviderSpec
from streamgauge.wire import count
from streamgauge_providers._streams import awalk, walk


class OllamaProvider:
    """`Client` and `AsyncClient`; the library makes no retries, and passes httpx's options on."""

    def __init__(self, connection: Connection) -> None:
        from ollama import AsyncClient, Client

        headers = {"Authorization": f"Bearer {connection.api_key}"} if connection.api_key else {}
        options: dict[str, Any] = {"host": connection.base_url, "timeout": connection.timeout, "headers": headers}
        self._client = Client(**options)
        self._async_client = PerLoop(lambda: AsyncClient(**options))

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        return walk(lambda: closing(self._client.chat(**_arguments(request))), _Reader().read)

    def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        async def ask() -> Any:
            return aclosing(await self._async_client.get().chat(**_arguments(request)))

        return awalk(ask, _Reader().read)

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        await self._async_client.get().close()


def _arguments(request: ChatRequest) -> dict[str, Any]:
    """The keyword arguments of `chat`: the members of the wire request, by their own names; it takes no others."""
    return encode_chat(request).body


class _Reader:
    """Reads the parts of one stream, in order."""

    def __init__(self) -> None:
        self._calls = 0
        self._started = False

    def read(self, part: Any) -> Iterator[Event]:
        if part.model and not self._started:
            self._started = True
            yield Start("", part.model)
        if part.message.thinking:
            yield ReasoningDelta(part.message.thinking)
        if part.message.content:
            yield TextDelta(part.message.content)
        for call in part.message.tool_calls or ():
            arguments = msgspec.json.encode(dict(call.function.arguments)).decode()
            yield ToolCallDelta(self._calls, getattr(call, "id", None) or "", call.function.name, arguments)
            self._calls += 1
        if part.done:
            if part.done_reason:
                yield Finish(part.done_reason)
            given, made = count(part.prompt_eval_count), count(part.eval_count)
            if given is not None or made is not None:
                yield Usage(given, made, "eval_count")


PROVIDERS = (
    ProviderSpec(
        name="ollama",
        title="ollama-python, Client.chat(stream=True)",
        dialect="ollama-chat",
        capabilities=frozenset(("sync", "async", "usage", "tools", "reasoning", "finish", "errors")),
        connect=OllamaProvider,
        requires=("ollama",),
        extra="ollama",
        modules=("ollama",),
        env="OLLAMA_API_KEY",
    ),
)
