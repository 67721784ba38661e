"""Cohere's Python library (https://github.com/cohere-ai/cohere-python, README, "Streaming"): `ClientV2.chat_stream`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from dataclasses import replace
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.dialects.cohere_chat.encoder import encode_request
from streamgauge.events import (
    Event,
    Finish,
    ReasoningDelta,
    Start,
    StreamError,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from streamgauge.provider import Connection, PerLoop, ProviderSpec
from streamgauge.wire import count
from streamgauge_providers._streams import awalk, walk, without


class CohereProvider:
    """`ClientV2` and `AsyncClientV2`, with the library's retries turned off. The library adds `/v2`."""

    def __init__(self, connection: Connection) -> None:
        from cohere import AsyncClientV2, ClientV2

        options: dict[str, Any] = {
            "base_url": without(connection.base_url, "/v2"),
            "api_key": connection.api_key or "none",
            "timeout": connection.timeout,
            "max_retries": 0,
        }
        self._client = ClientV2(**options)
        self._async_client = PerLoop(lambda: AsyncClientV2(**options))

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        return walk(lambda: closing(self._client.chat_stream(**_arguments(request))), _Reader().read)

    def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        async def ask() -> Any:
            return aclosing(self._async_client.get().chat_stream(**_arguments(request)))

        return awalk(ask, _Reader().read)

    def close(self) -> None:
        self._client.__exit__(None, None, None)

    async def aclose(self) -> None:
        await self._async_client.get().__aexit__(None, None, None)


def _arguments(request: ChatRequest) -> dict[str, Any]:
    """The keyword arguments of `chat_stream`: the members of the wire request, by their own names."""
    asked = encode_request(replace(request, extra={})).body
    del asked["stream"]  # the method says so
    if request.extra:
        asked["request_options"] = {"additional_body_parameters": request.extra}
    return asked


class _Reader:
    """Reads the events of one stream, in order."""

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}

    def read(self, event: Any) -> Iterator[Event]:
        match event.type:
            case "message-start":
                yield Start(event.id or "")
            case "content-start" | "content-delta":
                content = event.delta.message.content
                if thought := getattr(content, "thinking", None):
                    yield ReasoningDelta(thought)
                if said := getattr(content, "text", None):
                    yield TextDelta(said)
            case "tool-plan-delta":
                if plan := event.delta.message.tool_plan:
                    yield ReasoningDelta(plan)
            case "tool-call-start" | "tool-call-delta":
                yield from self._call(event.index, event.delta.message.tool_calls)
            case "message-end":
                yield from _end(event.delta)

    def _call(self, index: int, call: Any) -> Iterator[Event]:
        number = self._calls.setdefault(index, len(self._calls))
        function = call.function
        name = getattr(function, "name", None) or ""
        yield ToolCallDelta(number, getattr(call, "id", None) or "", name, function.arguments or "")


def _end(delta: Any) -> Iterator[Event]:
    if reason := delta.finish_reason:
        yield Finish(str(reason))
    if delta.usage and (tokens := delta.usage.tokens):
        yield Usage(count(tokens.input_tokens), count(tokens.output_tokens), "usage.tokens")
    if delta.error:
        yield StreamError(delta.error)


PROVIDERS = (
    ProviderSpec(
        name="cohere",
        title="cohere-python, ClientV2.chat_stream",
        dialect="cohere-chat",
        capabilities=frozenset(("sync", "async", "usage", "tools", "reasoning", "finish", "errors")),
        connect=CohereProvider,
        requires=("cohere",),
        extra="cohere",
        modules=("cohere",),
        env="CO_API_KEY",
    ),
)
