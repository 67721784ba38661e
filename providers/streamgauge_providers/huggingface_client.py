"""Hugging Face's Python library (https://huggingface.co/docs/huggingface_hub/guides/inference, "Streaming")."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from functools import partial
from typing import Any, NamedTuple

from streamgauge.chat import ChatRequest
from streamgauge.dialects.huggingface_tgi.encoder import encode_request
from streamgauge.events import Event, Finish, TextDelta, Usage
from streamgauge.provider import Connection, PerLoop, ProviderSpec
from streamgauge.wire import count
from streamgauge_providers._chat_chunks import ChunkReader, arguments
from streamgauge_providers._streams import Read, awalk, walk


class Task(NamedTuple):
    """One of the clients' methods: its name, its arguments for a request, what reads the objects of its stream."""

    method: str
    arguments: Callable[[ChatRequest], dict[str, Any]]
    reader: Callable[[], Read]


class HuggingFaceProvider:
    """A method of `InferenceClient` with stream=True, and `AsyncInferenceClient`'s; the library makes no retries."""

    def __init__(self, task: Task, connection: Connection) -> None:
        from huggingface_hub import AsyncInferenceClient, InferenceClient

        options: dict[str, Any] = {
            "base_url": connection.base_url,
            "api_key": connection.api_key or None,
            "timeout": connection.timeout,
        }
        self._task = task
        self._client = InferenceClient(**options)
        self._async_client = PerLoop(lambda: AsyncInferenceClient(**options))

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        create = getattr(self._client, self._task.method)
        return walk(lambda: closing(create(**self._task.arguments(request))), self._task.reader())

    def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        async def ask() -> Any:
            create = getattr(self._async_client.get(), self._task.method)
            return aclosing(await create(**self._task.arguments(request)))

        return awalk(ask, self._task.reader())

    def close(self) -> None:
        self._client.exit_stack.close()

    async def aclose(self) -> None:
        await self._async_client.get().close()


def _chat_arguments(request: ChatRequest) -> dict[str, Any]:
    return arguments(request) | {"extra_body": request.extra or None}


def _text_arguments(request: ChatRequest) -> dict[str, Any]:
    """The prompt and the parameters of the wire request, by their own names; `text_generation` takes no others."""
    body = encode_request(request).body
    return {"prompt": body["inputs"], "stream": True, **body["parameters"]}


def _read_token(output: Any) -> Iterator[Event]:
    """With `details=True` each object is an event of TGI's; special tokens are for the caller to leave out."""
    if output.token.text and not output.token.special:
        yield TextDelta(output.token.text)
    if output.details is not None:
        if output.details.finish_reason:
            yield Finish(output.details.finish_reason)
        given, made = count(output.details.input_length), count(output.details.generated_tokens)
        if given is not None or made is not None:
            yield Usage(given, made, "details")


CHAT = Task("chat_completion", _chat_arguments, lambda: ChunkReader().read)
TEXT = Task("text_generation", _text_arguments, lambda: _read_token)

PROVIDERS = (
    ProviderSpec(
        name="huggingface-hub",
        title="huggingface_hub, InferenceClient.chat_completion(stream=True)",
        dialect="openai-chat",
        capabilities=frozenset(("sync", "async", "usage", "tools", "reasoning", "n", "finish", "errors")),
        connect=partial(HuggingFaceProvider, CHAT),
        requires=("huggingface-hub",),
        extra="huggingface-hub",
        modules=("huggingface_hub",),
        env="HF_TOKEN",
    ),
    ProviderSpec(
        name="huggingface-text",
        title="huggingface_hub, InferenceClient.text_generation(stream=True, details=True)",
        dialect="huggingface-tgi",
        capabilities=frozenset(("sync", "async", "usage", "finish", "errors")),
        connect=partial(HuggingFaceProvider, TEXT),
        requires=("huggingface-hub",),
        extra="huggingface-hub",
        modules=("huggingface_hub",),
        env="HF_TOKEN",
    ),
)
