"""The provider that every dialect has of itself: its request over httpx2, its decoder on what comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from streamgauge.chat import ChatRequest
from streamgauge.dialect import Dialect
from streamgauge.errors import BackendError
from streamgauge.events import End, Event, excerpt
from streamgauge.provider import Capability, Connection, PerLoop, ProviderSpec
from streamgauge.transport import (
    NEVER_SENT,
    Outgoing,
    advice,
    ending,
    is_loopback,
    masked,
    outgoing,
    patience,
    shown,
    trust,
    unreachable,
)
from streamgauge.wire import members, parse, text

REFUSAL_LIMIT = 64 * 1024
"""Bytes of an error's body that are read; an excerpt of it is shown."""

CAPABILITIES: frozenset[Capability] = frozenset(
    ("sync", "async", "usage", "tools", "reasoning", "refusal", "n", "finish", "errors")
)
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=None)


class StatusError(BackendError):
    """The backend refused the request. `retry_after` is the header's value as sent: seconds or a date."""

    def __init__(self, message: str, status: int, body: str, retry_after: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        self.retry_after = retry_after


class MediaTypeError(BackendError):
    """A 200 that is not a stream of the dialect; `body` is an excerpt of what it is."""

    def __init__(self, message: str, media_type: str, body: str) -> None:
        super().__init__(message)
        self.media_type = media_type
        self.body = body


class BrokenStreamError(BackendError):
    """The connection ended in the middle of the answer; the events before it were handed out."""


class SilenceError(BackendError, TimeoutError):
    """Nothing came for as long as the connection's timeout; the events before it were handed out."""


class EventReceiver:
    """One response without I/O, which both shells drive: `accepts`, then `feed` until `ended`, then `eof`."""

    def __init__(self, dialect: Dialect, base_url: str, api_key: str) -> None:
        self._dialect = dialect
        self._base_url = base_url
        self._key = api_key
        self._decoder = dialect.decoder()
        self._status = 0
        self._media_type = ""
        self._retry_after = ""
        self._location = ""
        self.ended = False

    def accepts(self, status: int, headers: Mapping[str, str]) -> bool:
        """Whether the head promises a stream; where it doesn't, the body goes to `refusal`.

        "If the response's status is not 200, or if its Content-Type is not text/event-stream, fail the connection"
        (WHATWG HTML 9.2.3), except that a missing Content-Type is let through.
        """
        self._status = status
        self._media_type = headers.get("Content-Type", "")
        self._retry_after = headers.get("Retry-After", "")
        self._location = headers.get("Location", "")
        essence = self._media_type.partition(";")[0].strip().lower()
        return status == 200 and essence in ("", self._dialect.media_type, *self._dialect.other_media_types)

    def refusal(self, body: bytes) -> BackendError:
        """The error of a response that is no stream."""
        said = masked(body.decode("utf-8", "replace"), self._key)
        why = excerpt(_message(said) or " ".join(said.split()) or "an empty body")
        if self._status == 200:
            message = f"200 with {self._media_type}, not {self._dialect.media_type}: {why}"
            return MediaTypeError(message, self._media_type, excerpt(said))
        hint = advice(self._base_url, self._dialect, self._status)
        again = f"retry after {self._retry_after}" if self._retry_after else ""
        # Followed silently, a redirect would take the key to another host, or turn the POST into a GET.
        moved = f"it redirects to {self._location}: give that as the base URL" if self._location else ""
        message = "; ".join(filter(None, (f"status {self._status}: {why}", again, moved, hint)))
        return StatusError(message, self._status, excerpt(said), self._retry_after)

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete, up to the dialect's end."""
        yield from self._until_end(self._decoder.feed(data))

    def eof(self) -> Iterator[Event]:
        """What the end of the bytes means: at least whether the answer was whole."""
        yield from self._until_end(self._decoder.eof())

    def _until_end(self, events: list[Event]) -> Iterator[Event]:
        for event in events:
            if isinstance(event, End):
                self.ended = True
            yield event
            if self.ended:
                return


class HTTPProvider:
    """Any dialect over httpx2; one client for the sync path and one for the async path, reused across calls.

    Raises while iterating: UnreachableError, StatusError, MediaTypeError, BrokenStreamError, SilenceError.
    """

    def __init__(self, dialect: Dialect, connection: Connection) -> None:
        self._dialect = dialect
        self._connection = connection
        # Proxies are for the world outside: one between us and this machine would be measured with it.
        options: dict[str, Any] = {
            "timeout": patience(connection.timeout),
            "trust_env": not is_loopback(connection.base_url),
            "limits": _LIMITS,
            "verify": trust(),
        }
        self._client = httpx2.Client(**options)
        self._async_client = PerLoop(lambda: httpx2.AsyncClient(**options))

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        out, receiver = self._begin(request)
        with (
            _told_apart(out.url, self._connection),
            self._client.stream("POST", out.url, headers=out.headers, content=out.content) as response,
        ):
            if not receiver.accepts(response.status_code, response.headers):
                raise receiver.refusal(_some(response))
            for data in response.iter_bytes():
                yield from receiver.feed(data)
                if receiver.ended:
                    return
            yield from receiver.eof()

    async def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        out, receiver = self._begin(request)
        client = self._async_client.get()
        with _told_apart(out.url, self._connection):
            async with client.stream("POST", out.url, headers=out.headers, content=out.content) as response:
                if not receiver.accepts(response.status_code, response.headers):
                    raise receiver.refusal(await _some_async(response))
                async for data in response.aiter_bytes():
                    for event in receiver.feed(data):
                        yield event
                    if receiver.ended:
                        return
                for event in receiver.eof():
                    yield event

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        await self._async_client.get().aclose()

    def _begin(self, request: ChatRequest) -> tuple[Outgoing, EventReceiver]:
        base_url, key = self._connection.base_url, self._connection.api_key
        out = outgoing(base_url, self._dialect, request, api_key=key)
        return out, EventReceiver(self._dialect, base_url, key)


def http_provider(dialect: Dialect) -> ProviderSpec:
    """The provider of a dialect over HTTP; it has the dialect's name."""
    return ProviderSpec(
        name=dialect.name,
        title=f"{dialect.title} over HTTP (httpx2)",
        dialect=dialect.name,
        capabilities=CAPABILITIES,
        connect=lambda connection: HTTPProvider(dialect, connection),
        kind="http",
        requires=("httpx2",),
        modules=("streamgauge",),
        env=dialect.auth.env,
    )


@contextmanager
def _told_apart(url: str, connection: Connection) -> Iterator[None]:
    """Transport failures as errors of ours that say what happened; httpx2's own is kept as the cause."""
    try:
        yield
    except NEVER_SENT as error:
        raise unreachable(url, error) from error
    except httpx2.RequestError as error:
        why = masked(str(error) or type(error).__name__, connection.api_key)
        if ending(error) == "timeout":
            raise SilenceError(f"nothing came from {shown(url)} for {connection.timeout:g} s") from error
        raise BrokenStreamError(f"the connection broke: {why}") from error


def _some(response: httpx2.Response) -> bytes:
    """The beginning of a body; a failure on the way does not hide the status."""
    body = b""
    try:
        for data in response.iter_bytes():
            body += data
            if len(body) > REFUSAL_LIMIT:
                break
    except httpx2.RequestError:
        pass
    return body[:REFUSAL_LIMIT]


async def _some_async(response: httpx2.Response) -> bytes:
    body = b""
    try:
        async for data in response.aiter_bytes():
            body += data
            if len(body) > REFUSAL_LIMIT:
                break
    except httpx2.RequestError:
        pass
    return body[:REFUSAL_LIMIT]


def _message(body: str) -> str:
    """The message of an error body in the shape that most services share, else ""."""
    error = members(parse(body)).get("error")
    return text(error) or text(members(error).get("message"))
