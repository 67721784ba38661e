"""LiteLLM's Python library (https://docs.litellm.ai/docs/completion/stream), towards four dialects.

Whatever the backend speaks, callers get OpenAI's chunks and OpenAI's words for why an answer ended, with LiteLLM's own
ids: except towards openai-chat it can't show the finish reason that was sent.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, aclosing, closing, nullcontext
from typing import Any

import msgspec

from streamgauge.chat import ChatRequest
from streamgauge.events import Event, ToolCallDelta, to_json
from streamgauge.provider import Capability, Connection, PerLoop, ProviderSpec
from streamgauge.wire import Undecodable, parse
from streamgauge_providers._chat_chunks import ChunkReader, arguments
from streamgauge_providers._streams import Read, awalk, walk, without

OPENAI = "openai"
_MADE_UP = re.compile(r"call_[0-9a-f]{28}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class LiteLLMProvider:
    """`completion` and `acompletion`, with the library's retries turned off.

    prefix: how LiteLLM's model names say which API to speak. suffix: what its `api_base` must not end in.
    whole_calls: the API sends the arguments of a call as one JSON value, which is LiteLLM's to write as text.
    """

    def __init__(self, connection: Connection, prefix: str, suffix: str, *, whole_calls: bool) -> None:
        # Otherwise the import downloads a list of prices.
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        import litellm
        from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler, HTTPHandler

        # Without these it prints advice on standard output, and warnings about prices between our lines.
        litellm.suppress_debug_info = True
        logging.getLogger("LiteLLM").setLevel(logging.ERROR)
        self._litellm: Any = litellm
        self._prefix = prefix
        self._whole_calls = whole_calls
        self._options: dict[str, Any] = {
            "api_base": without(connection.base_url, suffix) if suffix else connection.base_url,
            "api_key": connection.api_key or "none",
            "num_retries": 0,
            "max_retries": 0,
            "timeout": connection.timeout,
        }
        # By default one client of the process's serves every event loop, which several loops at a time break. These
        # are the same, one each (docs, "Custom HTTP Handler"). Towards OpenAI there is one for each loop anyway.
        self._client = HTTPHandler(timeout=connection.timeout)
        self._async_client = PerLoop(lambda: AsyncHTTPHandler(timeout=connection.timeout))

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        asked = self._arguments(request, self._client)
        return walk(lambda: _closing(self._litellm.completion(**asked)), self._reader())

    def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        async def ask() -> Any:
            asked = self._arguments(request, self._async_client.get())
            return aclosing(await self._litellm.acompletion(**asked))

        return awalk(ask, self._reader())

    def _reader(self) -> Read:
        read = ChunkReader().read
        return (lambda chunk: map(_compact, read(chunk))) if self._whole_calls else read

    def _arguments(self, request: ChatRequest, client: Any) -> dict[str, Any]:
        asked = {**arguments(request), **request.extra, **self._options, "model": f"{self._prefix}/{request.model}"}
        return asked if self._prefix == OPENAI else asked | {"client": client}

    def close(self) -> None:
        """Towards OpenAI, LiteLLM keeps its connections for the whole process."""
        self._client.close()

    async def aclose(self) -> None:
        """Close the client, and what LiteLLM keeps towards OpenAI for the running loop, which nobody can use later."""
        await self._async_client.get().close()
        cache = self._litellm.in_memory_llm_clients_cache
        ours = cache.update_cache_key_with_event_loop("")
        for key, client in list(cache.cache_dict.items()):
            if key.endswith(ours) and type(client).__name__ == "AsyncOpenAI":
                del cache.cache_dict[key]
                await client.close()


def _compact(event: Event) -> Event:
    """A call that was a JSON value on the wire, without what is nobody's but LiteLLM's.

    That is the spaces in its arguments, and the id that it makes up because OpenAI's shape wants one.
    """
    if not isinstance(event, ToolCallDelta):
        return event
    value = parse(event.arguments) if event.arguments else Undecodable("")
    arguments = event.arguments if isinstance(value, Undecodable) else to_json(value)
    call_id = "" if _MADE_UP.fullmatch(event.id) else event.id
    return msgspec.structs.replace(event, id=call_id, arguments=arguments)


def _closing(stream: Any) -> AbstractContextManager[Any]:
    """Before 1.107 the stream of the sync path can't be closed: there it is left to whoever collects garbage."""
    return closing(stream) if hasattr(stream, "close") else nullcontext(stream)


def _spec(
    name: str, dialect: str, prefix: str, env: str, *more: Capability, suffix: str = "", whole_calls: bool = False
) -> ProviderSpec:
    return ProviderSpec(
        name=f"litellm-{name}",
        title=f"LiteLLM, completion(model='{prefix}/...', stream=True)",
        dialect=dialect,
        capabilities=frozenset(("sync", "async", "usage", "tools", "reasoning", "errors", *more)),
        connect=lambda connection: LiteLLMProvider(connection, prefix, suffix, whole_calls=whole_calls),
        requires=("litellm",),
        extra="litellm",
        modules=("litellm",),
        env=env,
    )


PROVIDERS = (
    _spec("openai", "openai-chat", OPENAI, "OPENAI_API_KEY", "n", "finish"),
    _spec("anthropic", "anthropic-messages", "anthropic", "ANTHROPIC_API_KEY", suffix="/v1"),
    _spec("gemini", "gemini-generate", "gemini", "GEMINI_API_KEY", whole_calls=True),
    _spec("ollama", "ollama-chat", "ollama_chat", "OLLAMA_API_KEY", whole_calls=True),
)
