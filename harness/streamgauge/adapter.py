"""Programs in any language as providers: `docs/adapter-protocol.md` says what both sides write, line by line."""

from __future__ import annotations

import asyncio
import shlex
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, get_args

import msgspec

from streamgauge.adapter_process import AdapterProcess, ProtocolError
from streamgauge.chat import ChatRequest
from streamgauge.dialect import Dialect
from streamgauge.errors import StreamgaugeError
from streamgauge.events import End, Event, StreamError
from streamgauge.provider import Capability, Connection, ProviderSpec, added
from streamgauge.registry import get_dialect
from streamgauge.wire import elements, members, text

PROTOCOL = 1
HELP = "see docs/adapter-protocol.md"


class AdapterRaisedError(Exception):
    """What the adapter's library raised; its subclasses go by the names that the adapter gave."""


class AdapterPool:
    """The processes of one command: one stream at a time each, used again when it has ended in order."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._lock = threading.Lock()
        self._idle: list[AdapterProcess] = []
        self._all: set[AdapterProcess] = set()
        self._closed = False

    def take(self) -> AdapterProcess:
        """An idle process that can still be used, or a new one, whose introduction is in `hello`.

        Raises StreamgaugeError where the program can't be run or the pool is closed, ProtocolError where the program
        does not introduce itself.
        """
        with self._lock:
            if self._closed:  # by a run that was interrupted, whose threads go on
                raise StreamgaugeError(f"{shlex.join(self._command)} was ended with the run that it belongs to")
            while self._idle:
                process = self._idle.pop()
                if process.usable:
                    return process
                self._end(process)
            process = AdapterProcess(self._command)
            self._all.add(process)
        try:
            process.introduce()
        except BaseException:  # Ctrl-C too: nobody else knows of it
            with self._lock:
                self._end(process)
            raise
        return process

    def give(self, process: AdapterProcess) -> None:
        """Take back a process: for the next stream where it has ended its last, else to the end of its life."""
        with self._lock:
            if process.streaming:
                self._end(process)
            else:
                self._idle.append(process)

    def _end(self, process: AdapterProcess) -> None:
        process.kill()
        self._all.discard(process)

    def close(self) -> None:
        """End all processes, also those that have not introduced themselves yet."""
        with self._lock:
            self._closed = True
            for process in self._all:
                process.kill()
            self._all.clear()
            self._idle.clear()


class AdapterProvider:
    """One stream at a time through a process of the pool."""

    def __init__(self, pool: AdapterPool, dialect: Dialect, library: str, connection: Connection) -> None:
        self._pool = pool
        self._dialect = dialect
        self._library = library
        self._connection = connection
        self._lock = threading.Lock()
        self._process: AdapterProcess | None = None

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        process, reader = self._begin("sync", request)
        try:
            while not reader.over:
                yield from reader.read(process.line())
        finally:
            self._leave(process)

    async def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        process, reader = await asyncio.to_thread(self._begin, "async", request)
        try:
            while not reader.over:
                for event in reader.read(await asyncio.to_thread(process.line)):
                    yield event
        finally:
            self._leave(process)

    def close(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            self._pool.give(process)

    async def aclose(self) -> None:
        self.close()

    def _begin(self, path: str, request: ChatRequest) -> tuple[AdapterProcess, _Reader]:
        self.close()
        process = self._pool.take()
        with self._lock:
            self._process = process
        process.streaming = True
        process.say(
            {
                "type": "stream",
                "dialect": self._dialect.name,
                "path": path,
                "base_url": self._connection.base_url,
                "api_key": self._connection.api_key,
                "timeout": self._connection.timeout,
                "model": request.model,
                "request": self._dialect.request(request).body,
            }
        )
        return process, _Reader(process, self._library)

    def _leave(self, process: AdapterProcess) -> None:
        """Where the caller has seen enough, say so; whether the adapter obeys shows at the server."""
        if process.streaming:
            process.say({"type": "stop"})


class _Reader:
    """Reads the lines of one stream."""

    def __init__(self, process: AdapterProcess, library: str) -> None:
        self._process = process
        self._library = library
        self._ended = False
        self._failed = False
        self.over = False

    def read(self, line: dict[str, Any]) -> Iterator[Event]:
        """The event of a line, if it is one; raises what the adapter says its library raised."""
        match line.get("type"):
            case "done":
                self._finish()
                if not self._ended:
                    yield End("error" if self._failed else "complete", "the adapter says that it is done")
            case "raised":
                self._finish()
                raise self._raised(line)
            case _:
                yield self._event(line)

    def _finish(self) -> None:
        self.over = True
        self._process.streaming = False

    def _event(self, line: dict[str, Any]) -> Event:
        try:
            event: Event = msgspec.convert(line, type=Event)
        except msgspec.ValidationError as error:
            raise ProtocolError(f"the adapter wrote a line that is no event ({error}): {line}; {HELP}") from None
        self._ended = self._ended or isinstance(event, End)
        self._failed = self._failed or isinstance(event, StreamError)
        return event

    def _raised(self, line: dict[str, Any]) -> Exception:
        """An exception of a class that has the name, and the place in the order of things, that the adapter gave."""
        bases = (AdapterRaisedError, TimeoutError) if line.get("timeout") is True else (AdapterRaisedError,)
        module = self._library if line.get("library") is True else "builtins"
        kind = type(text(line.get("name")) or "Error", bases, {"__module__": module})
        error: Exception = kind(text(line.get("message")))
        return error


@contextmanager
def adapter(command: Sequence[str]) -> Iterator[ProviderSpec]:
    """The provider that a program is; it is known by its name as long as the context lasts, then ended.

    Raises StreamgaugeError where the program can't be run, or does not introduce itself as it should.
    """
    pool = AdapterPool(command)
    try:
        first = pool.take()
        spec = _spec(first.hello, pool, tuple(command))
        pool.give(first)
        with added(spec):
            yield spec
    finally:
        pool.close()


def _spec(hello: dict[str, Any], pool: AdapterPool, command: tuple[str, ...]) -> ProviderSpec:
    told = members(hello)
    name, capabilities = text(told.get("name")), frozenset(map(str, elements(told.get("capabilities"))))
    if told.get("type") != "adapter" or told.get("protocol") != PROTOCOL or not name:
        raise _wrong(command, f"must introduce itself as an adapter of protocol {PROTOCOL} with a name", hello)
    if unknown := sorted(capabilities - set(get_args(Capability))):
        raise _wrong(command, f"declares {unknown[0]!r}; known are {', '.join(get_args(Capability))}", hello)
    if not capabilities & {"sync", "async"}:
        raise _wrong(command, "must declare a path, 'sync' or 'async', among its capabilities", hello)
    dialect = get_dialect(text(told.get("dialect")))
    return ProviderSpec(
        name=name,
        title=text(told.get("title")) or shlex.join(command),
        dialect=dialect.name,
        capabilities=capabilities,  # type: ignore[arg-type]  # checked above
        connect=lambda connection: AdapterProvider(pool, dialect, name, connection),
        kind="adapter",
        modules=(name,),
        command=command,
        release=text(told.get("version")),
    )


def _wrong(command: tuple[str, ...], why: str, hello: dict[str, Any]) -> StreamgaugeError:
    return StreamgaugeError(f"{shlex.join(command)} {why}; it wrote {msgspec.json.encode(hello).decode()}; {HELP}")
