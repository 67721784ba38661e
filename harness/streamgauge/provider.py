"""The provider interface: whatever streams an answer to a `ChatRequest`, on its sync and on its async path.

A provider is a `ProviderSpec` in the tuple `PROVIDERS` of a module: one of `streamgauge_providers`, or one that an
entry point in the group `streamgauge.providers` names (it may name the `ProviderSpec` itself, too).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Generic, Literal, Protocol, TypeVar, cast

from streamgauge.chat import ChatRequest
from streamgauge.errors import DuplicateNameError, StreamgaugeError, UnavailableError
from streamgauge.events import Event
from streamgauge.registry import by_name, extended, modules, pick

T = TypeVar("T")
Capability = Literal["sync", "async", "usage", "tools", "reasoning", "refusal", "n", "finish", "errors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where a provider connects to: the base URL (with `/v1` where the vendor's has it) and the key.

    timeout: seconds of silence after which a read fails.
    """

    base_url: str
    api_key: str = ""
    timeout: float = 60.0


class Provider(Protocol):
    """One client, connected. An iterator that is closed early closes its connection.

    What the stream said comes as events; what the client library raised is raised as it is.
    """

    def stream(self, request: ChatRequest, /) -> Iterator[Event]: ...
    def astream(self, request: ChatRequest, /) -> AsyncIterator[Event]: ...
    def close(self) -> None: ...
    async def aclose(self) -> None: ...


def closable(events: Iterator[Event]) -> Generator[Event, None, None]:
    """A provider's iterator as what `closing` needs: most are generators, and an iterator without close() has no
    early end that could be observed."""
    if hasattr(events, "close"):
        return cast("Generator[Event, None, None]", events)
    return (event for event in events)


def aclosable(events: AsyncIterator[Event]) -> AsyncGenerator[Event, None]:
    """The same for `aclosing`."""
    if hasattr(events, "aclose"):
        return cast("AsyncGenerator[Event, None]", events)
    return (event async for event in events)


class PerLoop(Generic[T]):
    """An async client that is reused while the event loop is the same: its kept connections belong to one loop.

    The first is made at once, so that its cost is not in the first stream's times.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._client = make()
        self._loop: asyncio.AbstractEventLoop | None = None

    def get(self) -> T:
        """The client of the running event loop."""
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop:
            self._client = self._make()
        self._loop = loop
        return self._client


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSpec:
    """What is known about a provider without importing its library.

    dialect: what its backend must speak. requires: the distributions it needs. extra: ours that installs them.
    capabilities: what it can show of an answer, and the paths it has. connect: makes the `Provider`.
    modules: the import names that count as the library's own, for telling whose exception was raised.
    env: the environment variable in which the library's users keep the key. command: the program that an adapter
    runs. release: the library's version, where no installed distribution tells it. not_for: tags and finish reasons
    of recordings that it can't be asked for: another endpoint of the same dialect, or an ending that its documentation
    says is an exception.
    """

    name: str
    title: str
    dialect: str
    capabilities: frozenset[Capability]
    connect: Callable[[Connection], Provider]
    kind: Literal["http", "library", "adapter"] = "library"
    requires: tuple[str, ...] = ()
    extra: str = ""
    modules: tuple[str, ...] = ()
    env: str = ""
    notes: str = ""
    command: tuple[str, ...] = ()
    release: str = ""
    not_for: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The version of the library (of the first distribution that is required); "" where it is not installed."""
        try:
            return version(self.requires[0]) if self.requires else self.release
        except PackageNotFoundError:
            return ""

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(name for name in self.requires if not _installed(name))

    @property
    def install(self) -> str:
        return f"pip install 'streamgauge[{self.extra}]'" if self.extra else f"pip install {' '.join(self.requires)}"

    def open(self, connection: Connection) -> Provider:
        """Connect; raises UnavailableError, which gives the install command, where the library is missing."""
        if self.missing:
            raise UnavailableError(
                f"provider {self.name!r} needs {', '.join(self.missing)}, not installed: {self.install}"
            )
        return self.connect(connection)

    def key(self, given: str | None) -> str:
        """The API key: the one given, else the environment's.

        Raises StreamgaugeError, which names the option and the variable, where there is none.
        """
        key = given or (os.environ.get(self.env, "") if self.env else "")
        if not key:
            where = f" or set {self.env}" if self.env else ""
            raise StreamgaugeError(f"no API key for {self.name}: give --api-key{where}")
        return key


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


@cache
def all_providers() -> dict[str, ProviderSpec]:
    """Every provider by name, installed or not."""
    found: list[tuple[str, ProviderSpec]] = []
    for module in modules("streamgauge_providers"):
        found += [(module.__name__, spec) for spec in getattr(module, "PROVIDERS", ())]
    found += extended("streamgauge.providers", "PROVIDERS", ProviderSpec)
    return by_name("provider", found, lambda spec: spec.name)


@contextmanager
def added(spec: ProviderSpec) -> Iterator[ProviderSpec]:
    """Make a provider known to this process for a while: one that no file and no package defines.

    Raises DuplicateNameError where its name is taken.
    """
    table = all_providers()
    if spec.name in table:
        raise DuplicateNameError(f"provider {spec.name!r} is there already: call this one otherwise")
    table[spec.name] = spec
    try:
        yield spec
    finally:
        table.pop(spec.name, None)


def get_provider(name: str) -> ProviderSpec:
    """The provider of that name; raises UnknownNameError."""
    return pick("provider", all_providers(), name)
