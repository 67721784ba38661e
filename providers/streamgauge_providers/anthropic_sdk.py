"""Anthropic's Python library (https://github.com/anthropics/anthropic-sdk-python).

`anthropic` iterates the events of `messages.create(stream=True)` (README, "Streaming responses"); `anthropic-helper`
reads the events and the final message of `messages.stream()` (helpers.md, "Streaming Helpers").
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.dialects.anthropic_messages.encoder import encode_request
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
from streamgauge_providers._streams import FINISHED, awalk, walk, without


class AnthropicProvider:
    """`messages.create(stream=True)` of `Anthropic` and `AsyncAnthropic`, with the library's retries turned off."""

    def __init__(self, connection: Connection) -> None:
        from anthropic import Anthropic, AsyncAnthropic

        options: dict[str, Any] = {
            "base_url": without(connection.base_url, "/v1"),
            "api_key": connection.api_key or "none",
            "max_retries": 0,
            "timeout": connection.timeout,
        }
        self._client = Anthropic(**options)
        self._async_client = PerLoop(lambda: AsyncAnthropic(**options))

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        return walk(lambda: self._client.messages.create(**_arguments(request)), _Reader().read)

    def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        return awalk(lambda: self._async_client.get().messages.create(**_arguments(request)), _Reader().read)

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        await self._async_client.get().close()


class AnthropicHelperProvider(AnthropicProvider):
    """`messages.stream()`, and its `get_final_message()`."""

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        reader = _HelperReader()
        with self._client.messages.stream(**_helped(request)) as stream:
            for event in stream:
                yield from reader.read(event)
            yield from reader.final(stream.get_final_message())
        yield FINISHED

    async def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        reader = _HelperReader()
        async with self._async_client.get().messages.stream(**_helped(request)) as stream:
            async for event in stream:
                for said in reader.read(event):
                    yield said
            for said in reader.final(await stream.get_final_message()):
                yield said
        yield FINISHED


def _arguments(request: ChatRequest) -> dict[str, Any]:
    """The keyword arguments of `messages.create`: the members of the wire request, by their own names.

    The library has no argument for the temperature any more, though the API has the member.
    """
    asked = encode_request(replace(request, extra={})).body
    extra = {name: asked.pop(name) for name in ("temperature",) if name in asked} | request.extra
    return {**asked, "extra_body": extra or None}


def _helped(request: ChatRequest) -> dict[str, Any]:
    asked = _arguments(request)
    del asked["stream"]  # the helper sets it
    return asked


class _Reader:
    """Reads the events of one stream, in order."""

    def __init__(self) -> None:
        self._calls: dict[int, ToolCallDelta] = {}

    def read(self, event: Any) -> Iterator[Event]:
        match event.type:
            case "message_start":
                yield Start(event.message.id, event.message.model)
                yield from _usage(event.message.usage)
            case "content_block_start":
                yield from self._block(event.index, event.content_block)
            case "content_block_delta":
                yield from self._delta(event.index, event.delta)
            case "message_delta":
                if event.delta.stop_reason:
                    yield Finish(event.delta.stop_reason)
                yield from _usage(event.usage)
            case "error":
                yield StreamError(event.error.message, "", event.error.type)

    def _block(self, index: int, block: Any) -> Iterator[Event]:
        if block.type == "text" and block.text:
            yield TextDelta(block.text)
        elif block.type == "thinking" and block.thinking:
            yield ReasoningDelta(block.thinking)
        elif block.type in ("tool_use", "server_tool_use"):
            server = block.type == "server_tool_use"
            call = ToolCallDelta(len(self._calls), block.id, block.name, server=server)
            self._calls[index] = call
            yield call

    def _delta(self, index: int, delta: Any) -> Iterator[Event]:
        if delta.type == "text_delta" and delta.text:
            yield TextDelta(delta.text)
        elif delta.type == "thinking_delta" and delta.thinking:
            yield ReasoningDelta(delta.thinking)
        elif delta.type == "input_json_delta" and delta.partial_json and index in self._calls:
            call = self._calls[index]
            yield ToolCallDelta(call.index, arguments=delta.partial_json, server=call.server)


class _HelperReader:
    """What comes as the helper's own events is told as it comes; the final message adds what none of them says."""

    def __init__(self) -> None:
        self._call = ToolCallDelta(-1)

    def read(self, event: Any) -> Iterator[Event]:
        match event.type:
            case "text" if event.text:
                yield TextDelta(event.text)
            case "thinking" if event.thinking:
                yield ReasoningDelta(event.thinking)
            case "content_block_start" if event.content_block.type in ("tool_use", "server_tool_use"):
                block = event.content_block
                server = block.type == "server_tool_use"
                self._call = ToolCallDelta(self._call.index + 1, block.id, block.name, server=server)
                yield self._call
            case "input_json" if event.partial_json:
                # It does not say which block it belongs to: the one that was opened last.
                yield ToolCallDelta(self._call.index, arguments=event.partial_json, server=self._call.server)

    def final(self, message: Any) -> Iterator[Event]:
        yield Start(message.id, message.model)
        if message.stop_reason:
            yield Finish(message.stop_reason)
        yield from _usage(message.usage)


def _usage(usage: Any) -> Iterator[Event]:
    if usage and (usage.input_tokens is not None or usage.output_tokens is not None):
        yield Usage(count(usage.input_tokens), count(usage.output_tokens))


PROVIDERS = (
    ProviderSpec(
        name="anthropic",
        title="anthropic-sdk-python, messages.create(stream=True)",
        dialect="anthropic-messages",
        capabilities=frozenset(("sync", "async", "usage", "tools", "reasoning", "finish", "errors")),
        connect=AnthropicProvider,
        requires=("anthropic",),
        extra="anthropic",
        modules=("anthropic",),
        env="ANTHROPIC_API_KEY",
    ),
    ProviderSpec(
        name="anthropic-helper",
        title="anthropic-sdk-python, messages.stream() and get_final_message()",
        dialect="anthropic-messages",
        capabilities=frozenset(("sync", "async", "usage", "tools", "reasoning", "finish", "errors")),
        connect=AnthropicHelperProvider,
        requires=("anthropic",),
        extra="anthropic",
        modules=("anthropic",),
        env="ANTHROPIC_API_KEY",
    ),
)
