"""One request that the recorder sends itself, kept with the answer of its non-streaming twin."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from streamgauge.chat import ChatRequest
from streamgauge.dialect import Dialect
from streamgauge.errors import BackendError
from streamgauge.recorder.keep import Asked, Keeper
from streamgauge.recorder.proxy import Kept, request_bytes
from streamgauge.recorder.tap import Tap, Upstream, exchange
from streamgauge.trace import Headers
from streamgauge.transport import Outgoing, outgoing
from streamgauge.wire import Undecodable, parse


async def record_once(
    upstream: Upstream,
    dialect: Dialect,
    request: ChatRequest,
    keeper: Keeper,
    *,
    api_key: str = "",
    headers: Headers = (),
    reference: bool = True,
    timeout: float = 300.0,
) -> Kept:
    """Ask, and keep the answer, whatever it is: an error of the server is a recording too.

    headers: sent beside what the dialect sends, like the key kept in no recording.
    timeout: seconds for the whole answer, after which it is kept as it is, ended as "closed".
    Raises UnreachableError where the server does not answer, BackendError where what it sends is not HTTP.
    """
    out = outgoing(upstream.base_url, dialect, request, api_key=api_key, headers=headers)
    asked, tap = await _ask(upstream, out, timeout)
    if tap.reader.status is None:
        raise BackendError(f"{upstream.base_url} does not answer in HTTP/1.1: {tap.reader.broken or 'it says nothing'}")
    twin = None
    if reference and tap.reader.status == 200:
        whole = replace(request, stream=False)
        out = outgoing(upstream.base_url, dialect, whole, api_key=api_key, headers=headers)
        twin = await _twin(upstream, out, timeout)
    return Kept(*keeper.keep(dialect, asked, tap, twin))


async def _twin(upstream: Upstream, out: Outgoing, timeout: float) -> Any:
    """The JSON value of the non-streaming answer; None where there is none."""
    _, tap = await _ask(upstream, out, timeout)
    value = parse(tap.body.decode(errors="replace"))
    return None if tap.reader.status != 200 or isinstance(value, Undecodable) else value


async def _ask(upstream: Upstream, out: Outgoing, timeout: float) -> tuple[Asked, Tap]:
    url = urlsplit(out.url)
    target = url.path + (f"?{url.query}" if url.query else "")
    fields = {name.lower(): value for name, value in out.headers}
    asked = Asked(target.removeprefix(upstream.path), fields, out.content, out.secrets)
    tap = Tap()
    sent = {"host": upstream.host_header, **fields, "content-length": str(len(asked.body))}
    try:
        async with asyncio.timeout(timeout):
            await exchange(upstream, request_bytes("POST", target, sent, asked.body), tap)
    except TimeoutError:
        pass  # the tap has ended as "closed"
    return asked, tap
