"""Google's Python library for Gemini (https://github.com/googleapis/python-genai, README, "Streaming")."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.dialects.gemini_generate.decoder import GenerateInterpreter
from streamgauge.dialects.gemini_generate.encoder import encode_request
from streamgauge.events import NO_SPAN, Event, Finish, KeepAlive, ReasoningDelta, Start, TextDelta, ToolCallDelta, Usage
from streamgauge.provider import Connection, PerLoop, ProviderSpec
from streamgauge.wire import count
from streamgauge_providers._streams import awalk, walk, without

VERSION = "v1beta"


class GoogleProvider:
    """`client.models.generate_content_stream` and `client.aio.models...`, with the library's retries turned off."""

    def __init__(self, connection: Connection) -> None:
        from google import genai

        # The library derives a class from aiohttp's session on its first async call; nobody but it can change that.
        warnings.filterwarnings("ignore", "Inheritance class AiohttpClientSession", DeprecationWarning)
        options: dict[str, Any] = {
            "base_url": without(connection.base_url, f"/{VERSION}"),
            "api_version": VERSION,
            "timeout": round(connection.timeout * 1000),
            "retry_options": {"attempts": 1},
        }
        key = connection.api_key or "none"
        # One client has both paths, but its async half belongs to the event loop that first used it.
        self._client = genai.Client(api_key=key, vertexai=False, http_options=options)
        self._async_client = PerLoop(lambda: genai.Client(api_key=key, vertexai=False, http_options=options))

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        create = self._client.models.generate_content_stream
        return walk(lambda: closing(create(**_arguments(request))), _Reader().read)

    def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        async def ask() -> Any:
            chunks = await self._async_client.get().aio.models.generate_content_stream(**_arguments(request))
            return aclosing(chunks)

        return awalk(ask, _Reader().read)

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        await self._async_client.get().aio.aclose()


def _arguments(request: ChatRequest) -> dict[str, Any]:
    """The wire request's members where the library wants them: `contents`, and the rest in `config`."""
    body = encode_request(request).body
    config: dict[str, Any] = {**body.pop("generationConfig", {})}
    config |= {name: body.pop(name) for name in ("systemInstruction", "tools") if name in body}
    contents = body.pop("contents")
    if body:
        config["httpOptions"] = {"extraBody": body}
    # The request's functions are the caller's to run: nothing is to be called, and nothing asked again, by itself.
    config["automaticFunctionCalling"] = {"disable": True}
    return {"model": request.model, "contents": contents, "config": config}


class _Reader:
    """Reads the chunks of one stream, in order."""

    def __init__(self) -> None:
        self._calls = GenerateInterpreter()
        self._started = False

    def read(self, chunk: Any) -> Iterator[Event]:
        if not self._started and (chunk.response_id or chunk.model_version):
            self._started = True
            yield Start(chunk.response_id or "", chunk.model_version or "")
        if (feedback := chunk.prompt_feedback) and feedback.block_reason:
            # No event stands for it: it is no output, no finish of a candidate and no failure of the stream.
            yield KeepAlive(f"the prompt was blocked: {feedback.block_reason.value}")
        for candidate in chunk.candidates or ():
            choice = candidate.index or 0
            if candidate.content:
                for part in candidate.content.parts or ():
                    yield from self._part(part, choice)
            if candidate.finish_reason:
                yield Finish(candidate.finish_reason.value, choice)
        if usage := chunk.usage_metadata:
            given, made = count(usage.prompt_token_count), count(usage.candidates_token_count)
            if given is not None or made is not None:
                yield Usage(given, made, "usageMetadata")

    def _part(self, part: Any, choice: int) -> Iterator[Event]:
        if part.text:
            yield ReasoningDelta(part.text, choice) if part.thought else TextDelta(part.text, choice)
        if part.function_call is not None:
            yield from self._call(part.function_call, choice)

    def _call(self, call: Any, choice: int) -> list[Event]:
        """A whole call, or a piece of one, whose arguments a caller has to put together: our decoder can."""
        told = {"id": call.id, "name": call.name, "args": call.args, "willContinue": call.will_continue}
        if call.partial_args:
            told["partialArgs"] = [_piece(arg) for arg in call.partial_args]
        part = {"functionCall": {name: value for name, value in told.items() if value is not None}}
        out: list[Event] = []
        self._calls.payload({"candidates": [{"index": choice, "content": {"parts": [part]}}]}, NO_SPAN, out)
        return [event for event in out if isinstance(event, ToolCallDelta)]


def _piece(arg: Any) -> dict[str, Any]:
    told = {"jsonPath": arg.json_path, "stringValue": arg.string_value, "numberValue": arg.number_value}
    told |= {"boolValue": arg.bool_value, "nullValue": arg.null_value}
    return {name: value for name, value in told.items() if value is not None}


PROVIDERS = (
    ProviderSpec(
        name="google-genai",
        title="python-genai, models.generate_content_stream",
        dialect="gemini-generate",
        capabilities=frozenset(("sync", "async", "usage", "tools", "reasoning", "n", "finish", "errors")),
        connect=GoogleProvider,
        requires=("google-genai",),
        extra="google-genai",
        modules=("google.genai",),
        env="GEMINI_API_KEY",
    ),
)
