"""OpenAI's Python library, Chat Completions (https://github.com/openai/openai-python).

`openai` iterates the chunks (README, "Streaming responses"); `openai-helper` reads the events and the final completion
of `.stream()` (helpers.md, "Chat Completions API"). Those events do not say which choice they belong to, and none
carries reasoning.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.events import Event, Finish, RefusalDelta, Start, TextDelta, ToolCallDelta, Usage
from streamgauge.provider import Connection, PerLoop, ProviderSpec
from streamgauge.wire import count
from streamgauge_providers._chat_chunks import ChunkReader, arguments
from streamgauge_providers._streams import FINISHED, awalk, walk


def clients(connection: Connection) -> tuple[Any, PerLoop[Any]]:
    """`OpenAI` and `AsyncOpenAI`, with the library's retries turned off."""
    from openai import AsyncOpenAI, OpenAI

    options: dict[str, Any] = {
        "base_url": connection.base_url,
        "api_key": connection.api_key or "none",  # the library refuses to start without one
        "max_retries": 0,
        "timeout": connection.timeout,
    }
    return OpenAI(**options), PerLoop(lambda: AsyncOpenAI(**options))


class OpenAIProvider:
    """`chat.completions.create(stream=True)`."""

    def __init__(self, connection: Connection) -> None:
        self._client, self._async_client = clients(connection)

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        asked = arguments(request) | {"extra_body": request.extra or None}
        return walk(lambda: self._client.chat.completions.create(**asked), ChunkReader().read)

    def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        asked = arguments(request) | {"extra_body": request.extra or None}
        return awalk(lambda: self._async_client.get().chat.completions.create(**asked), ChunkReader().read)

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        await self._async_client.get().close()


class OpenAIHelperProvider(OpenAIProvider):
    """`chat.completions.stream()`, and its `get_final_completion()`."""

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        reader = _HelperReader()
        with self._client.chat.completions.stream(**_helped(request)) as stream:
            for event in stream:
                yield from reader.read(event)
            yield from reader.final(stream.get_final_completion())
        yield FINISHED

    async def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        reader = _HelperReader()
        async with self._async_client.get().chat.completions.stream(**_helped(request)) as stream:
            async for event in stream:
                for said in reader.read(event):
                    yield said
            for said in reader.final(await stream.get_final_completion()):
                yield said
        yield FINISHED


def _helped(request: ChatRequest) -> dict[str, Any]:
    asked = arguments(request) | {"extra_body": request.extra or None}
    del asked["stream"]  # the helper sets it
    return asked


class _HelperReader:
    """What comes as events is told as it comes; the final completion adds what no event says."""

    def read(self, event: Any) -> Iterator[Event]:
        match event.type:
            case "content.delta" if event.delta:
                yield TextDelta(event.delta)
            case "refusal.delta" if event.delta:
                yield RefusalDelta(event.delta)
            case "tool_calls.function.arguments.delta":
                yield ToolCallDelta(event.index, "", event.name, event.arguments_delta)

    def final(self, completion: Any) -> Iterator[Event]:
        yield Start(completion.id, completion.model)
        for choice in completion.choices:
            for index, call in enumerate(choice.message.tool_calls or ()):
                yield ToolCallDelta(index, call.id, choice=choice.index)
            if choice.finish_reason:
                yield Finish(choice.finish_reason, choice.index)
        if usage := completion.usage:
            yield Usage(count(usage.prompt_tokens), count(usage.completion_tokens))


PROVIDERS = (
    ProviderSpec(
        name="openai",
        title="openai-python, chat.completions.create(stream=True)",
        dialect="openai-chat",
        capabilities=frozenset(("sync", "async", "usage", "tools", "reasoning", "refusal", "n", "finish", "errors")),
        connect=OpenAIProvider,
        requires=("openai",),
        extra="openai",
        modules=("openai",),
        env="OPENAI_API_KEY",
    ),
    ProviderSpec(
        name="openai-helper",
        title="openai-python, chat.completions.stream() and get_final_completion()",
        dialect="openai-chat",
        capabilities=frozenset(("sync", "async", "usage", "tools", "refusal", "finish", "errors")),
        connect=OpenAIHelperProvider,
        requires=("openai",),
        extra="openai",
        modules=("openai",),
        env="OPENAI_API_KEY",
        # helpers.md of openai-python, of the parsing helpers, which stream() has too: with `finish_reason` set to
        # `length` or `content_filter`, LengthFinishReasonError / ContentFilterFinishReasonError "will be raised".
        not_for=("length", "content_filter"),
    ),
)
