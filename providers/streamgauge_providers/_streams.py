"""What library providers share: walking a library's stream, what its silence means, and their base URLs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, TypeAlias

from streamgauge.events import End, Event, StreamError

FINISHED = End("complete", "the library's iteration ended without an exception")
"""What a library claims when it stops without raising, whether or not the stream was whole."""
FAILED = End("error", "the library handed over an error that the stream reported")

Read: TypeAlias = Callable[[Any], Iterable[Event]]
"""What one object of the library's stream says."""


def walk(ask: Callable[[], AbstractContextManager[Any]], read: Read) -> Iterator[Event]:
    """The events of the library's stream that `ask` opens; it is closed behind them, or when the caller has enough."""
    failed = False
    with ask() as items:
        for item in items:
            for event in read(item):
                failed = failed or isinstance(event, StreamError)
                yield event
    yield FAILED if failed else FINISHED


async def awalk(ask: Callable[[], Awaitable[AbstractAsyncContextManager[Any]]], read: Read) -> AsyncIterator[Event]:
    """As `walk`, on the async path, where libraries have their calls awaited."""
    failed = False
    async with await ask() as items:
        async for item in items:
            for event in read(item):
                failed = failed or isinstance(event, StreamError)
                yield event
    yield FAILED if failed else FINISHED


def without(base_url: str, suffix: str) -> str:
    """A base URL without the version path, for libraries that append it themselves."""
    return base_url.rstrip("/").removesuffix(suffix)
