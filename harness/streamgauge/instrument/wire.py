"""The wire probe: asks an endpoint over HTTP/1.1 and stamps what comes as near to the wire as Python gets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.dialect import Dialect
from streamgauge.events import to_json
from streamgauge.instrument.clocks import KeepStamping
from streamgauge.instrument.connecting import connect
from streamgauge.instrument.exchange import Exchange, Probed, Timeouts
from streamgauge.instrument.link import Endpoint, Link
from streamgauge.instrument.proxies import proxy_for
from streamgauge.measurement.metrics import Timeline, timeline_of
from streamgauge.trace import Headers, Trace
from streamgauge.transport import Outgoing, masked, outgoing, reason, unreachable
from streamgauge.transport.exchange import masked_arrivals

AGENT = "streamgauge"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as it goes out: made before the load begins, so that making it delays no stream."""

    endpoint: Endpoint
    message: bytes
    body: dict[str, Any]


class WireProbe:
    """Any dialect over HTTP/1.1, without a client library; connections are kept and used again.

    Plain TCP has the kernel's receive timestamps where the platform gives them (Linux); TLS and other platforms have
    the time at which the process saw the bytes. The proxy variables of the environment are honoured. Nothing is
    retried. One probe belongs to one event loop; close it with `aclose`.

    Raises StreamgaugeError for a base URL that is none, for a key that no header can carry, and for a proxy of
    another kind.
    """

    def __init__(
        self,
        dialect: Dialect,
        base_url: str,
        *,
        api_key: str = "",
        timeouts: Timeouts | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        self.dialect = dialect
        self._base_url = base_url
        self._key = api_key
        self._timeouts = timeouts or Timeouts()
        self._headers = tuple(headers)
        self._free: dict[Endpoint, list[Link]] = {}
        self._heads: dict[tuple[str, Headers], tuple[Endpoint, bytes]] = {}
        # What is wrong with the call is said here, not at the first stream.
        tls = self.prepare(ChatRequest.of("")).endpoint.tls
        self._stamping = KeepStamping()
        self.stamps = self._stamping.works and not tls

    def prepare(self, request: ChatRequest) -> Prepared:
        """What will be sent for a request."""
        wire = self.dialect.request(request)
        known = self._heads.get((wire.path, wire.headers))
        if known is None:
            out = outgoing(self._base_url, self.dialect, request, api_key=self._key, headers=self._headers)
            endpoint = Endpoint(out.url, proxy_for(out.url))
            known = self._heads[wire.path, wire.headers] = (endpoint, _head(endpoint, out))
        endpoint, head = known
        content = to_json(wire.body).encode()
        return Prepared(endpoint, head % len(content) + content, wire.body)

    async def ask(self, asked: ChatRequest | Prepared) -> Probed:
        """Ask once and record each read until the message ends, or patience does.

        A server may close a kept connection at any time, also while a request is on its way (RFC 9112 9.5): where
        not a byte of an answer came, the request goes out again over a new connection, as curl does it, and the
        result says so. Raises UnreachableError where no connection came about.
        """
        request = self.prepare(asked) if isinstance(asked, ChatRequest) else asked
        link, took = await self._link(request)
        exchange = await self._exchange(link, request)
        again = took is None and exchange.untouched
        if again:
            link, took = await self._connect(request)
            exchange = await self._exchange(link, request)
        probed = exchange.probed(request.body, took, stamped=link.stamped)
        return self._masked(replace(probed, reconnected=again))

    async def _exchange(self, link: Link, request: Prepared) -> Exchange:
        """The request over this connection, which is kept behind it where it can be."""
        done = asyncio.Event()
        exchange = link.exchange = Exchange(self.dialect, self._timeouts, done.set, link.look)
        try:
            try:
                exchange.start(await link.send(request.message, done, self._timeouts.idle))
            except TimeoutError as error:
                exchange.start(time.monotonic_ns())
                exchange.end("timeout", exchange.sent, note=str(error))
            except OSError as error:
                exchange.start(time.monotonic_ns())
                exchange.lost(error)
            await done.wait()
        finally:
            link.exchange = None
            if exchange.reusable and link.alive:
                self._free.setdefault(request.endpoint, []).append(link)
            else:
                link.close()
        return exchange

    def timeline(self, probed: Probed, *, due: float | None = None) -> Timeline:
        """The events of a stream with the times of the reads that completed them.

        due: when the request was meant to be sent (`time.monotonic` seconds), from which times then count.
        """
        line = timeline_of(probed.trace, self.dialect.name)
        if refuses(probed.trace, self.dialect):
            line = replace(line, outcome="refused")
        return line if due is None else later(line, probed.sent - due)

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        for link in (link for links in self._free.values() for link in links):
            link.close()
        self._free.clear()
        self._stamping.close()
        await asyncio.sleep(0)  # transports close in the loop's next turn

    async def _link(self, request: Prepared) -> tuple[Link, float | None]:
        """A connection, and the seconds that it took, None for one that was kept."""
        free = self._free.get(request.endpoint, [])
        while free:
            link = free.pop()
            link.look()
            if link.alive:
                return link, None
        return await self._connect(request)

    async def _connect(self, request: Prepared) -> tuple[Link, float]:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeouts.connect):
                link = await connect(request.endpoint)
        except TimeoutError:
            late = OSError(f"no connection within {self._timeouts.connect:g} s")
            raise unreachable(request.endpoint.url, late) from None
        except OSError as error:
            raise unreachable(request.endpoint.url, OSError(masked(reason(error), self._key))) from error
        return link, time.monotonic() - began

    def _masked(self, probed: Probed) -> Probed:
        """The same without the key, wherever the backend repeated it."""
        trace = probed.trace
        headers = tuple((n, masked(v, self._key)) for n, v in trace.headers or () if n.lower() != "set-cookie")
        return replace(
            probed,
            trace=replace(
                trace,
                arrivals=tuple(masked_arrivals(list(trace.arrivals), self._key)),
                headers=headers if trace.headers is not None else None,
                note=masked(trace.note, self._key),
            ),
        )


def _head(endpoint: Endpoint, out: Outgoing) -> bytes:
    """The head of a request as a template, in which the length of the content is still to be said (%d)."""
    fields = {"host": ("Host", endpoint.authority), "user-agent": ("User-Agent", AGENT)}
    if endpoint.login:
        fields["authorization"] = ("Authorization", endpoint.login)
    if endpoint.proxy and not endpoint.tls and endpoint.proxy.authorization:
        fields["proxy-authorization"] = ("Proxy-Authorization", endpoint.proxy.authorization)
    fields |= {name.lower(): (name, value) for name, value in out.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.values())
    head = f"POST {endpoint.target} HTTP/1.1\r\n{lines}".encode("latin-1")
    return head.replace(b"%", b"%%") + b"Content-Length: %d\r\n\r\n"


def refuses(trace: Trace, dialect: Dialect) -> bool:
    """Whether a response is no stream of the dialect by its status or its media type.

    A media type that is another counts where nothing in the body is the dialect's either: some servers stream
    server-sent events as text/plain.
    """
    if trace.status is None or not 200 <= trace.status < 300:
        return trace.status is not None
    essence = (trace.header("content-type") or "").partition(";")[0].strip().lower()
    if essence in ("", dialect.media_type):
        return False
    return dialect.detect(trace.body[:4096]) is None


def later(line: Timeline, delay: float) -> Timeline:
    """The same timeline counted from a moment so many seconds earlier: when the request was meant to be sent."""
    return replace(
        line,
        events=tuple((at + delay, event) for at, event in line.events),
        ended_at=line.ended_at + delay,
        headers_at=None if line.headers_at is None else line.headers_at + delay,
        sent=delay,
    )
