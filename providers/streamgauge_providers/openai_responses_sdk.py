"""OpenAI's Python library, Responses (https://github.com/openai/openai-python).

`openai-responses-sdk` iterates the events of `responses.create(stream=True)` (README, "Streaming responses");
`openai-responses-helper` those of `responses.stream()`, and asks for its final response (helpers.md).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.dialects.openai_responses.encoder import encode_request
from streamgauge.events import (
    Event,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Start,
    StreamError,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from streamgauge.provider import Connection, ProviderSpec
from streamgauge.wire import count
from streamgauge_providers._streams import FINISHED, awalk, walk
from streamgauge_providers.openai_sdk import clients

DELTAS: dict[str, type[TextDelta | ReasoningDelta | RefusalDelta]] = {
    "response.output_text.delta": TextDelta,
    "response.reasoning_summary_text.delta": ReasoningDelta,
    "response.reasoning_text.delta": ReasoningDelta,
    "response.refusal.delta": RefusalDelta,
}


class OpenAIResponsesProvider:
    """`responses.create(stream=True)`."""

    def __init__(self, connection: Connection) -> None:
        self._client, self._async_client = clients(connection)

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        return walk(lambda: self._client.responses.create(**_arguments(request)), ResponsesReader().read)

    def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        create = self._async_client.get().responses.create
        return awalk(lambda: create(**_arguments(request)), ResponsesReader().read)

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        await self._async_client.get().close()


class OpenAIResponsesHelperProvider(OpenAIResponsesProvider):
    """`responses.stream()`, and its `get_final_response()`, which raises where no `response.completed` came."""

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        reader = ResponsesReader()
        with self._client.responses.stream(**_helped(request)) as stream:
            for event in stream:
                yield from reader.read(event)
            stream.get_final_response()
        yield FINISHED

    async def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        reader = ResponsesReader()
        async with self._async_client.get().responses.stream(**_helped(request)) as stream:
            async for event in stream:
                for said in reader.read(event):
                    yield said
            await stream.get_final_response()
        yield FINISHED


def _arguments(request: ChatRequest) -> dict[str, Any]:
    """The keyword arguments of `responses.create`: the members of the wire request, by their own names."""
    return {**encode_request(replace(request, extra={})).body, "extra_body": request.extra or None}


def _helped(request: ChatRequest) -> dict[str, Any]:
    asked = _arguments(request)
    del asked["stream"]  # the helper sets it
    return asked


class ResponsesReader:
    """Reads the events of one stream, in order."""

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}

    def read(self, event: Any) -> Iterator[Event]:
        kind = event.type
        if kind in DELTAS:
            if event.delta:
                yield DELTAS[kind](event.delta)
        elif kind in ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta"):
            yield ToolCallDelta(self._number(event.output_index), arguments=event.delta)
        elif kind == "response.output_item.added" and event.item.type in ("function_call", "custom_tool_call"):
            yield ToolCallDelta(self._number(event.output_index), event.item.call_id, event.item.name)
        elif kind == "error":
            yield StreamError(event.message, event.code or "")
        elif kind == "response.created":
            yield Start(event.response.id, event.response.model)
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            yield from self._end(event.response)

    def _number(self, output_index: int) -> int:
        return self._calls.setdefault(output_index, len(self._calls))

    def _end(self, response: Any) -> Iterator[Event]:
        if error := response.error:
            yield StreamError(error.message, error.code or "")
        if response.status:
            yield Finish(response.status)
        if usage := response.usage:
            yield Usage(count(usage.input_tokens), count(usage.output_tokens), "response.usage")


PROVIDERS = (
    ProviderSpec(
        name="openai-responses-sdk",
        title="openai-python, responses.create(stream=True)",
        dialect="openai-responses",
        capabilities=frozenset(("sync", "async", "usage", "tools", "reasoning", "refusal", "finish", "errors")),
        connect=OpenAIResponsesProvider,
        requires=("openai",),
        extra="openai",
        modules=("openai",),
        env="OPENAI_API_KEY",
    ),
    ProviderSpec(
        name="openai-responses-helper",
        title="openai-python, responses.stream() and get_final_response()",
        dialect="openai-responses",
        capabilities=frozenset(("sync", "async", "usage", "tools", "reasoning", "refusal", "finish", "errors")),
        connect=OpenAIResponsesHelperProvider,
        requires=("openai",),
        extra="openai",
        modules=("openai",),
        env="OPENAI_API_KEY",
    ),
)
