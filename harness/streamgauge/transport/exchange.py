"""One request over HTTP/1.1, recorded as it comes.

No retries, no redirects, no proxy towards loopback, and `Accept-Encoding: identity`: content coding buffers,
and a trace is of the bytes that the dialect speaks of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import httpx2

from streamgauge.chat import ChatRequest
from streamgauge.dialect import Decoder, Dialect
from streamgauge.events import to_json
from streamgauge.trace import Arrival, Headers, Trace, TraceEnd
from streamgauge.transport.address import (
    MASK,
    NEVER_SENT,
    advice,
    ending,
    headers_can_carry,
    is_loopback,
    join_url,
    masked,
    patience,
    reason,
    spellings,
    unreachable,
)
from streamgauge.transport.headers import merged, secrets_in
from streamgauge.transport.trust import trust

TIMEOUT = 60.0
"""Seconds of silence after which a stream has failed, where nothing else is asked for."""

BODY_LIMIT = 256 * 1024 * 1024
"""Bytes of a body after which `fetch` disconnects: a backend that never stops must not fill the memory."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One HTTP request, ready to be sent; `secrets` of it must not be shown."""

    url: str
    headers: Headers
    body: dict[str, Any]
    secrets: tuple[str, ...] = ()

    @property
    def content(self) -> bytes:
        return to_json(self.body).encode()


def outgoing(
    base_url: str, dialect: Dialect, request: ChatRequest, *, api_key: str = "", headers: Iterable[tuple[str, str]] = ()
) -> Outgoing:
    """What a dialect sends to a base URL for a request; `headers` come last and replace those of the same name.

    The key is a secret, and so is what the headers hold.

    Raises StreamgaugeError for a base URL that is none, and for a key that no header can carry.
    """
    key = headers_can_carry(api_key)
    wire = dialect.request(request)
    accept = dialect.media_type if request.stream else "application/json"
    usual = (("Content-Type", "application/json"), ("Accept", accept), ("Accept-Encoding", "identity"))
    own = tuple(headers)
    sent = merged(usual, dialect.auth.headers(key), wire.headers, own)
    return Outgoing(join_url(base_url, wire.path), sent, wire.body, (*secrets_in(own), key))


class Recorder:
    """Records one response; it does no I/O. `sent` starts the clock, `trace` is what was recorded so far.

    The decoder, where one is given, counts events, so that the caller can stop after some of them.
    """

    def __init__(self, request: Outgoing, decoder: Decoder | None = None) -> None:
        self._request = request
        self._decoder = decoder
        self._start = perf_counter()
        self._arrivals: list[Arrival] = []
        self._head: dict[str, Any] = {}
        self._end: dict[str, Any] = {}
        self.events = 0
        self.size = 0

    @property
    def now(self) -> float:
        return perf_counter() - self._start

    def on_trace(self, name: str, _info: Any) -> None:
        """httpcore's trace hook: the request is sent when its body has been handed to the kernel."""
        if name in ("http11.send_request_body.complete", "http2.send_request_body.complete"):
            self._start = perf_counter()

    def head(self, response: httpx2.Response) -> None:
        headers = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in response.headers.raw)
        self._head = {
            "headers_at": self.now,
            "status": response.status_code,
            "headers": tuple((n, masked(v, *self._request.secrets)) for n, v in headers if n.lower() != "set-cookie"),
            "http_version": response.http_version,
        }

    def feed(self, data: bytes) -> None:
        self._arrivals.append(Arrival(self.now, data))
        self.size += len(data)
        if self._decoder is not None:
            self.events += len(self._decoder.feed(data))

    def ended(self, how: TraceEnd, note: str = "") -> None:
        self._end = {"ended": how, "ended_at": self.now, "note": masked(note, *self._request.secrets)}

    def trace(self) -> Trace:
        return Trace(
            arrivals=tuple(masked_arrivals(self._arrivals, *self._request.secrets)),
            request=self._request.body,
            timed=True,
            accept_encoding={n.lower(): v for n, v in self._request.headers}.get("accept-encoding"),
            **self._head,
            **self._end,
        )


def fetch(
    base_url: str,
    dialect: Dialect,
    request: ChatRequest,
    *,
    api_key: str = "",
    timeout: float = TIMEOUT,
    headers: Iterable[tuple[str, str]] = (),
    stop_after: int | None = None,
    deadline: float | None = None,
    http2: bool = False,
) -> Trace:
    """Ask once and record each read until the HTTP message ends, whatever the dialect says on the way.

    timeout: seconds of silence until the trace ends in "timeout"; deadline: the same for the whole, in seconds
    since the request was sent, looked at with each read. stop_after: disconnect after that many events ("closed").
    http2: offer HTTP/2 too, which needs https and the library h2; the trace says what was spoken.
    The note of a 404 says where the base URL is likely to be wrong. Neither the key nor what the headers hold is in
    any part of the trace.

    Raises UnreachableError where nothing could be reached, StreamgaugeError for a base URL that is none.
    """
    out = outgoing(base_url, dialect, request, api_key=api_key, headers=headers)
    recorder = Recorder(out, dialect.decoder() if stop_after is not None else None)
    try:
        with (
            httpx2.Client(
                http2=http2, timeout=patience(timeout), trust_env=not is_loopback(out.url), verify=trust()
            ) as client,
            client.stream(
                "POST", out.url, headers=out.headers, content=out.content, extensions={"trace": recorder.on_trace}
            ) as response,
        ):
            recorder.head(response)
            _record(response.iter_raw(), recorder, stop_after, deadline)
    except NEVER_SENT as error:
        raise unreachable(out.url, error) from None
    except httpx2.RequestError as error:
        recorder.ended(ending(error), reason(error))
    trace = recorder.trace()
    hint = advice(base_url, dialect, trace.status)
    return replace(trace, note=hint) if hint else trace


def fetch_json(
    base_url: str,
    dialect: Dialect,
    request: ChatRequest,
    *,
    api_key: str = "",
    timeout: float = TIMEOUT,
    headers: Iterable[tuple[str, str]] = (),
) -> Trace:
    """The non-streaming twin of a request: the trace's status, headers and body are the answer; raises as `fetch`."""
    twin = replace(request, stream=False)
    return fetch(base_url, dialect, twin, api_key=api_key, timeout=timeout, headers=headers)


def _record(reads: Iterator[bytes], recorder: Recorder, stop_after: int | None, deadline: float | None) -> None:
    for data in reads:
        recorder.feed(data)
        if stop_after is not None and recorder.events >= stop_after:
            recorder.ended("closed", f"disconnected after {recorder.events} events")
            return
        if recorder.size > BODY_LIMIT:
            recorder.ended("closed", f"disconnected after {recorder.size} bytes")
            return
        if deadline is not None and recorder.now > deadline:
            recorder.ended("timeout", f"not at its end after {deadline:g} s")
            return
    recorder.ended("eof")


def masked_arrivals(arrivals: list[Arrival], *secrets: str) -> Iterator[Arrival]:
    """The same reads; a secret that the backend repeats in its body (in an error, say) is as many asterisks."""
    whole = body = b"".join(a.data for a in arrivals)
    for spelled in spellings(secrets):
        body = body.replace(spelled.encode(), MASK.encode() * len(spelled.encode()))
    if body == whole:
        yield from arrivals
        return
    start = 0
    for arrival in arrivals:
        yield Arrival(arrival.at, body[start : start + len(arrival.data)])
        start += len(arrival.data)
