"""The recorder keeps what was sent, as it was sent, and no secret of whoever asked."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.chat import ChatRequest
from streamgauge.cli.record import command
from streamgauge.errors import BackendError, StreamgaugeError
from streamgauge.message import Message
from streamgauge.recorder import Keeper, Kept, Label, RecordingProxy, Upstream, record_once
from streamgauge.recorder.keep import public_name
from streamgauge.recorder.response import HEAD_LIMIT, LINE_LIMIT, ResponseReader
from streamgauge.recorder.secrets import Scrubber, secret_field, secret_member, secrets_of
from streamgauge.recordings import Recording, get_recording, load
from streamgauge.registry import get_dialect
from streamgauge.script import script_of
from streamgauge.server import ReplayServer
from streamgauge.trace import Trace
from streamgauge.transport import UnreachableError

CHAT = get_dialect("openai-chat")
SOON = 20.0
"""Seconds after which a test that hangs is given up."""

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nServer: raw/1.2\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


def event(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode() + b"\n\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


EVENTS = (event("Caf"), event("é "), event("🦙", "stop"), b"data: [DONE]\n\n")


# The response reader


def read(pieces: Sequence[bytes], method: str = "POST") -> tuple[ResponseReader, list[bytes]]:
    reader = ResponseReader(method)
    return reader, [part for piece in pieces for part in reader.feed(piece)]


RESPONSES = {
    "chunked": (CHUNKED + b"".join(map(chunk, EVENTS)) + LAST, b"".join(EVENTS), True),
    "extensions and trailers": (CHUNKED + b"3;a=b\r\nabc\r\n0\r\nX: y\r\nZ: \r\n\r\n", b"abc", True),
    "LF only": (CHUNKED + b"3\nabc\n0\n\n", b"abc", True),
    "length": (OK + b"Content-Length: 5\r\n\r\nhello", b"hello", True),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "length zero": (OK + b"Content-Length: 0\r\n\r\n", b"", True),
    "until the end": (OK + b"\r\nhello", b"hello", False),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\n" + CHUNKED + LAST, b"", True),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_response_cut_anywhere(name: str) -> None:
    """Body and end are found whole, cut at each position, and byte by byte."""
    raw, body, complete = RESPONSES[name]
    cuts = [[raw], [raw[n : n + 1] for n in range(len(raw))]]
    cuts += [[raw[:n], raw[n:]] for n in range(1, len(raw))]
    for pieces in cuts:
        reader, parts = read(pieces)
        assert b"".join(parts) == body
        assert reader.complete is complete
        assert reader.eof()
        assert not reader.broken


@pytest.mark.parametrize("name", [name for name, (_, _, complete) in RESPONSES.items() if complete])
def test_response_ends_before_what_follows(name: str) -> None:
    """Bytes behind the end are no part of the body."""
    raw, body, _ = RESPONSES[name]
    reader, parts = read([raw + b"HTTP/1.1 200 OK\r\n\r\n", b"more"])
    assert b"".join(parts) == body
    assert reader.complete


@pytest.mark.parametrize("name", RESPONSES)
def test_response_cut_short(name: str) -> None:
    """What ends early does not count as ended, wherever it was cut."""
    raw, _, complete = RESPONSES[name]
    head = raw.rindex(b"\r\n\r\n") + 4 if not complete else len(raw)
    for length in range(head):
        reader, _ = read([raw[:length]])
        assert not reader.complete
        assert not reader.eof()


def test_response_head_without_body() -> None:
    """The answer to HEAD ends with its head, whatever length it states."""
    reader, parts = read([OK + b"Content-Length: 5\r\n\r\n"], "HEAD")
    assert reader.complete
    assert parts == []


def test_response_pieces_are_chunks() -> None:
    """One read that holds several chunks is cut where they end; a chunk in two reads is two pieces."""
    _, parts = read([CHUNKED + b"".join(map(chunk, EVENTS)) + LAST])
    assert parts == list(EVENTS)
    raw = chunk(EVENTS[0])
    _, parts = read([CHUNKED, raw[:10], raw[10:]])
    assert len(parts) == 2
    assert b"".join(parts) == EVENTS[0]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "no HTTP/1 status line"),
        (b"HTTP/1.1 20x OK\r\n\r\n", "no HTTP/1 status line"),
        (OK + b"no colon\r\n\r\n", "without a colon"),
        (OK + b"Content-Length: 5, 6\r\n\r\n", "Content-Length"),
        (OK + b"Content-Length: -1\r\n\r\n", "Content-Length"),
        (CHUNKED + b"xyz\r\n", "no chunk size"),
        (CHUNKED + b"-1\r\n", "no chunk size"),
        (CHUNKED + b"3\r\nabcdef\r\n", "no line end behind a chunk"),
        (CHUNKED + b"1;" + b"x" * LINE_LIMIT, "longer than"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * HEAD_LIMIT, "longer than"),
    ],
)
def test_response_that_is_none(raw: bytes, why: str) -> None:
    """What is not HTTP is named, whole and byte by byte, and nothing behind it is read."""
    for pieces in ([raw], [raw[n : n + 1] for n in range(len(raw))]):
        reader, _ = read(pieces)
        assert why in reader.broken
        assert reader.feed(b"more\n") == []
        assert not reader.eof()


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=20), st.sampled_from([b"", CHUNKED, OK + b"\r\n"]))
def test_response_of_any_bytes(pieces: list[bytes], head: bytes) -> None:
    """No bytes at all make the reader raise."""
    reader, parts = read([head, *pieces])
    reader.eof()
    assert len(b"".join(parts)) <= sum(map(len, pieces))


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (CHUNKED, True),
        (OK + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        (CHUNKED.replace(b"1.1", b"1.0"), False),
        (CHUNKED.replace(b"1.1", b"1.0").replace(b"Server", b"Connection: Keep-Alive\r\nServer"), True),
    ],
)
def test_response_reusable(head: bytes, reusable: bool) -> None:
    """The connection may carry on unless one side said otherwise (RFC 9112 9.3)."""
    reader, _ = read([head + LAST])
    assert reader.reusable is reusable


# Secrets

SECRET_FIELDS = "authorization proxy-authorization x-api-key api-key X-Goog-Api-Key x-auth-token cookie set-cookie"
SECRET_FIELDS += " ocp-apim-subscription-key x-amz-security-token key access_token sig x-amz-signature"
SECRET_FIELDS += " openai-organization"
PLAIN_FIELDS = "content-type server date x-request-id retry-after x-ratelimit-remaining-tokens keep-alive alt"
PLAIN_FIELDS += " cache-control max_tokens prompt_cache_key monkey"


def test_secret_names() -> None:
    """Keys and cookies are told by their names; counts and cache keys are none."""
    assert [name for name in SECRET_FIELDS.split() if not secret_field(name)] == []
    assert [name for name in PLAIN_FIELDS.split() if secret_field(name)] == []
    assert secret_member("api_key")
    assert secret_member("access_token")
    assert not any(map(secret_member, ("author", "max_tokens", "prompt_cache_key", "signature", "token", "key")))


def test_secrets_of_a_request() -> None:
    """Header values without their scheme, cookies' values, query parameters and secret members are all found."""
    headers = (("Authorization", "Bearer sk-abcdef"), ("Cookie", 'a=cookie1; b="cookie2"'), ("Accept", "text/html"))
    body = {
        "api_key": "member-key",
        "tools": [{"api_key": {"type": "string"}}],
        "messages": [{"content": "hello there"}],
    }
    found = secrets_of(headers, "/chat?key=query-key&alt=sse", body)
    assert {"sk-abcdef", "cookie1", "cookie2", "query-key", "member-key"} <= found
    assert not found & {"sse", "text/html", "hello there", "string", "Bearer"}


def test_dummy_keys_are_no_secrets() -> None:
    """A key like "x" is a word of any text."""
    assert secrets_of((("Authorization", "Bearer x"),), "/?key=none") == {"Bearer x"}


def test_body_keeps_its_size() -> None:
    """An echoed key is overwritten in each spelling, and the change is stated."""
    scrub = Scrubber({'s3"cret/key'})
    body = b'{"a": "s3\\"cret/key", "u": "?k=s3%22cret%2Fkey", "plain": "s3"cret/key"}'
    scrubbed = scrub.body(body)
    assert len(scrubbed) == len(body)
    assert b"cret" not in scrubbed
    assert scrub.changes == ["body: the request's key, which it repeated, overwritten with *"]


def test_nothing_to_scrub_is_no_change() -> None:
    """Without a secret everything stays, and no change is stated."""
    scrub = Scrubber({"sk-abcdef"})
    assert scrub.body(b"text") == b"text"
    assert scrub.headers((("Server", "x"),)) == (("Server", "x"),)
    assert scrub.json({"model": "m", "n": [1, None]}) == {"model": "m", "n": [1, None]}
    assert scrub.target("/a?alt=sse") == "/a?alt=sse"
    assert scrub.changes == []


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.openai.com", "api.openai.com"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("10.0.0.7", ""),
        ("localhost", ""),
        ("gpu-box", ""),
        ("gpu.local", ""),
    ],
)
def test_public_name(host: str, name: str) -> None:
    """Names of one's own machines do not get into a recording."""
    assert public_name(host) == name


# A raw server, a proxy, a raw client

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(handler: Handler) -> AsyncIterator[str]:
    """A server of which the test writes each byte; gives its base URL."""
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await handler(reader, writer)
        except (asyncio.CancelledError, asyncio.IncompleteReadError):
            pass  # the proxy only looked whether somebody listens, or the test is over
        finally:
            running.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def request_of(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of one request."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:-2])
    return head, await reader.readexactly(int(lines.get(b"content-length", b"0")))


def answering(*writes: bytes) -> Handler:
    """Each request is answered with these writes, after which the connection ends."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        for data in writes:
            writer.write(data)
            await writer.drain()

    return handle


def asking(path: str = "/v1/chat/completions", *fields: str, keep: bool = False, **members: Any) -> bytes:
    """A request for a stream, after which the connection is to close unless it is to be kept."""
    fields = fields if keep else ("Connection: close", *fields)
    body = json.dumps({"model": "m", "messages": [], "stream": True, **members}).encode()
    head = "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *fields, f"Content-Length: {len(body)}", "", ""])
    return head.encode() + body


class Client:
    """A connection to the proxy."""

    def __init__(self, base_url: str) -> None:
        url = httpx2.URL(base_url)
        self._place = (url.host, url.port)

    async def __aenter__(self) -> Client:
        self.reader, self.writer = await asyncio.open_connection(*self._place)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def get(self, request: bytes) -> bytes:
        """All bytes till the connection's end."""
        self.writer.write(request)
        return await self.reader.read()


class Taped:
    """A proxy in front of a server, with what it reported."""

    def __init__(self, base_url: str, folder: Path, label: Label | None = None) -> None:
        self.kept: list[Kept] = []
        self.notes: list[str] = []
        self.folder = folder
        self.changed = asyncio.Event()
        self._proxy = RecordingProxy(Upstream(base_url), Keeper(folder, label), self._report)

    def _report(self, what: Kept | str) -> None:
        (self.notes if isinstance(what, str) else self.kept).append(what)  # type: ignore[arg-type]
        self.changed.set()

    async def __aenter__(self) -> Taped:
        await self._proxy.__aenter__()
        self.base_url = self._proxy.base_url
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._proxy.__aexit__(None, None, None)

    async def reported(self, count: int = 1) -> None:
        """Wait until so many things were reported."""
        while len(self.kept) + len(self.notes) < count:
            self.changed.clear()
            await self.changed.wait()

    @property
    def recording(self) -> Recording:
        """The only recording, read back from its files."""
        assert self.notes == []
        assert len(self.kept) == 1
        return load(self.kept[0].file)

    @property
    def trace(self) -> Trace:
        return self.recording.trace


def pieces(trace: Trace) -> list[bytes]:
    return [a.data for a in trace.arrivals]


def within(test: Callable[..., Awaitable[None]]) -> Any:
    """Give a test that hangs up after a while."""

    @pytest.mark.asyncio
    async def run(tmp_path: Path) -> None:
        async with asyncio.timeout(SOON):
            await test(tmp_path)

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@within
async def test_bytes_pass_unchanged(tmp_path: Path) -> None:
    """The client gets exactly the server's bytes, framing and odd header spelling included."""
    raw = CHUNKED.replace(b"Server:", b"sErVer:  ") + chunk(EVENTS[0]) + b"0\r\nTrailer-x: y\r\n\r\n"
    async with raw_server(answering(raw)) as url, Taped(url, tmp_path) as taped:
        async with Client(taped.base_url) as client:
            client.writer.write(asking())
            assert await client.reader.readexactly(len(raw)) == raw
        await taped.reported()
    assert pieces(taped.trace) == [EVENTS[0]]


@within
async def test_bytes_pass_as_they_come(tmp_path: Path) -> None:
    """The server sends each event only once the client has the one before; cuts and gaps are kept."""
    seen = asyncio.Semaphore(0)
    pause = 0.03

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(CHUNKED)
        for data in EVENTS:
            writer.write(chunk(data))
            await seen.acquire()
            await asyncio.sleep(pause)
        writer.write(LAST)

    async with raw_server(handle) as url, Taped(url, tmp_path) as taped:
        async with Client(taped.base_url) as client:
            client.writer.write(asking())
            await client.reader.readexactly(len(CHUNKED))
            for data in EVENTS:
                await client.reader.readexactly(len(chunk(data)))
                seen.release()
            assert await client.reader.readexactly(len(LAST)) == LAST
        await taped.reported()
    trace = taped.trace
    assert pieces(trace) == list(EVENTS)
    times = [a.at for a in trace.arrivals]
    assert all(b - a >= pause for a, b in zip(times, times[1:], strict=False))
    assert trace.ended_at >= times[-1] + pause
    assert trace.headers_at is not None
    assert 0 < trace.headers_at <= times[0]
    assert trace.timed


@within
async def test_what_is_kept(tmp_path: Path) -> None:
    """Status, headers, request, message and provenance are in the recording."""
    raw = CHUNKED + b"".join(map(chunk, EVENTS)) + LAST
    async with raw_server(answering(raw)) as url, Taped(url, tmp_path, Label(case="first")) as taped:
        async with Client(taped.base_url) as client:
            await client.get(asking(seed=7))
        await taped.reported()
    recording = taped.recording
    assert taped.kept[0].file == tmp_path / "openai-chat" / "first.json"
    assert recording.trace.status == 200
    assert recording.trace.headers == (
        ("Content-Type", "text/event-stream"),
        ("Server", "raw/1.2"),
        ("Transfer-Encoding", "chunked"),
    )
    assert recording.trace.request == {"model": "m", "messages": [], "stream": True, "seed": 7}
    assert recording.trace.ended == "eof"
    assert recording.message.choices[0].text == "Café 🦙"
    assert recording.message.ended == "complete"
    known = {"kind": "recorded", "server": "raw", "version": "1.2", "path": "/chat/completions"}
    assert recording.provenance.items() >= known.items()
    assert recording.provenance["recorder"].startswith("streamgauge ")
    assert "changed" not in recording.provenance


@within
async def test_truncated(tmp_path: Path) -> None:
    """A FIN in the middle of a chunk reaches the client as one, and what came is kept as incomplete."""
    raw = CHUNKED + chunk(EVENTS[0]) + chunk(EVENTS[1])[:20]
    async with raw_server(answering(raw)) as url, Taped(url, tmp_path) as taped:
        async with Client(taped.base_url) as client:
            assert await client.get(asking()) == raw
        await taped.reported()
    assert taped.trace.ended == "incomplete"
    assert taped.trace.body == EVENTS[0] + chunk(EVENTS[1])[:20].partition(b"\r\n")[2]
    assert taped.recording.message.ended == "truncated"


@within
async def test_reset(tmp_path: Path) -> None:
    """An RST reaches the client as one, behind all bytes that came before it."""
    seen = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(CHUNKED + chunk(EVENTS[0]))
        await seen.wait()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SOL_SOCKET, SO_LINGER: on, for no time
        writer.transport.abort()

    async with raw_server(handle) as url, Taped(url, tmp_path) as taped:
        async with Client(taped.base_url) as client:
            client.writer.write(asking())
            await client.reader.readexactly(len(CHUNKED + chunk(EVENTS[0])))
            seen.set()
            with pytest.raises(ConnectionResetError):
                await client.reader.read()
        await taped.reported()
    assert taped.trace.ended == "reset"
    assert taped.trace.body == EVENTS[0]


@within
async def test_closed_without_framing(tmp_path: Path) -> None:
    """A body without a length ends in order with its connection."""
    raw = OK + b"\r\n" + b"".join(EVENTS)
    async with raw_server(answering(raw)) as url, Taped(url, tmp_path) as taped:
        async with Client(taped.base_url) as client:
            assert await client.get(asking()) == raw
        await taped.reported()
    assert taped.trace.ended == "eof"
    assert taped.trace.body == b"".join(EVENTS)


async def forever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One event and then silence, till the other side leaves."""
    await request_of(reader)
    writer.write(CHUNKED + chunk(EVENTS[0]))
    assert await reader.read() == b""


@within
async def test_client_leaves(tmp_path: Path) -> None:
    """When the client leaves, so does the proxy, and what had come is kept as closed by us."""
    left = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await forever(reader, writer)
        left.set()

    async with raw_server(handle) as url, Taped(url, tmp_path) as taped:
        async with Client(taped.base_url) as client:
            client.writer.write(asking())
            await client.reader.readexactly(len(CHUNKED + chunk(EVENTS[0])))
        await left.wait()
        await taped.reported()
    assert taped.trace.ended == "closed"
    assert pieces(taped.trace) == [EVENTS[0]]


@within
async def test_client_leaves_at_the_terminator(tmp_path: Path) -> None:
    """A client that leaves at [DONE] does not hide how the server ended its message."""
    left = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(CHUNKED + b"".join(map(chunk, EVENTS)))
        await left.wait()
        while not all(peer.ended for peer in taped._proxy._clients):  # until the proxy knows
            await asyncio.sleep(0)
        writer.write(LAST)

    async with raw_server(handle) as url, Taped(url, tmp_path) as taped:
        async with Client(taped.base_url) as client:
            client.writer.write(asking())
            await client.reader.readuntil(b"[DONE]\n\n\r\n")
        left.set()
        await taped.reported()
    assert taped.trace.ended == "eof"


@within
async def test_stopping_keeps_what_came(tmp_path: Path) -> None:
    """When the proxy ends, running streams are kept as far as they came."""
    async with raw_server(forever) as url, Taped(url, tmp_path) as taped, Client(taped.base_url) as client:
        client.writer.write(asking())
        await client.reader.readexactly(len(CHUNKED + chunk(EVENTS[0])))
        await taped.__aexit__()
        assert pieces(taped.trace) == [EVENTS[0]]
        assert taped.trace.ended == "closed"


@within
async def test_several_at_once(tmp_path: Path) -> None:
    """Streams that overlap are kept apart, each under its own name."""
    barrier = asyncio.Barrier(6)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await request_of(reader)
        seed = json.loads(body)["seed"]
        writer.write(CHUNKED)
        for number in range(10):
            await barrier.wait()
            writer.write(chunk(event(f"{seed}:{number} ")))
            await writer.drain()
        writer.write(LAST)

    async with raw_server(handle) as url, Taped(url, tmp_path, Label(case="many")) as taped:

        async def ask(seed: int) -> None:
            async with Client(taped.base_url) as client:
                await client.get(asking(seed=seed))

        await asyncio.gather(*map(ask, range(6)))
        await taped.reported(6)
    recordings = [load(kept.file) for kept in taped.kept]
    assert {r.name for r in recordings} == {"many", "many-2", "many-3", "many-4", "many-5", "many-6"}
    for recording in recordings:
        seed = (recording.trace.request or {})["seed"]
        assert recording.message.choices[0].text == "".join(f"{seed}:{number} " for number in range(10))
        assert len(recording.trace.arrivals) == 10
    assert {(r.trace.request or {})["seed"] for r in recordings} == set(range(6))


@within
async def test_kept_alive(tmp_path: Path) -> None:
    """One connection carries several requests, also when they come at once."""
    raw = CHUNKED + chunk(EVENTS[0]) + LAST
    async with raw_server(answering(raw)) as url, Taped(url, tmp_path) as taped:
        async with Client(taped.base_url) as client:
            client.writer.write(asking(seed=1, keep=True) + asking(seed=2, keep=True))
            assert await client.reader.readexactly(2 * len(raw)) == 2 * raw
        await taped.reported(2)
    assert [load(kept.file).trace.request["seed"] for kept in taped.kept] == [1, 2]  # type: ignore[index]


@within
async def test_only_streams_are_kept(tmp_path: Path) -> None:
    """Look-ups and whole answers pass, and are not kept."""
    raw = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    heads: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, _ = await request_of(reader)
        heads.append(head)
        writer.write(raw)

    async with raw_server(handle) as url, Taped(url, tmp_path) as taped, Client(taped.base_url) as client:
        client.writer.write(b"GET /v1/models?x=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await client.reader.readexactly(len(raw)) == raw
        client.writer.write(asking(stream=False))
        assert await client.reader.readexactly(len(raw)) == raw
    assert heads[0].startswith(b"GET /v1/models?x=1 HTTP/1.1\r\n")
    assert not taped.kept
    assert not taped.notes


@within
async def test_errors_of_streams_are_kept(tmp_path: Path) -> None:
    """A refusal of a request that wanted a stream is a recording."""
    raw = b"HTTP/1.1 429 Slow Down\r\nContent-Type: application/json\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}"
    async with raw_server(answering(raw)) as url, Taped(url, tmp_path) as taped:
        async with Client(taped.base_url) as client:
            await client.get(asking())
        await taped.reported()
    assert taped.trace.status == 429
    assert taped.trace.header("retry-after") == "7"
    assert taped.trace.body == b"{}"


@within
async def test_request_reaches_the_server(tmp_path: Path) -> None:
    """Method, path, fields and body go on; the host is the server's and content coding is turned off."""
    got: list[tuple[bytes, bytes]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await request_of(reader))
        writer.write(CHUNKED + LAST)

    async with raw_server(handle) as url, Taped(url, tmp_path) as taped:
        async with httpx2.AsyncClient() as client:
            headers = {"Authorization": "Bearer sk-secret", "Accept-Encoding": "gzip"}
            chunked = aiter_of(b'{"stream"', b": true}")
            await client.post(f"{taped.base_url}/chat/completions?a=b", headers=headers, content=chunked)
        await taped.reported()
    head, body = got[0]
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == "post /v1/chat/completions?a=b http/1.1"
    assert "authorization: bearer sk-secret" in lines
    assert "accept-encoding: identity" in lines
    assert f"host: {httpx2.URL(url).netloc.decode()}" in lines
    assert "content-length: 16" in lines
    assert not any(line.startswith("transfer-encoding") for line in lines)
    assert body == b'{"stream": true}'


async def aiter_of(*items: bytes) -> AsyncIterator[bytes]:
    for item in items:
        yield item


SECRETS = ("sk-header-secret", "x-api-secret", "cookie-secret", "query-secret", "member-secret", "set-cookie-secret")


@within
async def test_no_secret_is_kept(tmp_path: Path) -> None:
    """Keys in headers, cookies, the URL and the body are in no file, also where the server repeats them."""
    echo = event(" ".join(SECRETS[:5]))
    raw = OK + b"Set-Cookie: id=set-cookie-secret\r\nX-Echo: sk-header-secret\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw += b"".join(chunk(echo[n : n + 7]) for n in range(0, len(echo), 7)) + LAST
    fields = ("Authorization: Bearer sk-header-secret", "X-Api-Key: x-api-secret", "Cookie: a=cookie-secret")
    path = "/v1/chat/completions?alt=sse&key=query-secret"
    async with raw_server(answering(raw)) as url, Taped(url, tmp_path) as taped:
        async with Client(taped.base_url) as client:
            assert await client.get(asking(path, *fields, api_key="member-secret", user="Bearer x-api-secret")) == raw
        await taped.reported()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 2
    for secret in SECRETS:
        assert all(secret.encode() not in path.read_bytes() for path in written)
    recording = taped.recording
    assert len(recording.trace.body) == len(echo)
    assert [len(piece) for piece in pieces(recording.trace)][:-1] == [7] * (len(echo) // 7)
    assert recording.provenance["path"] == "/chat/completions?alt=sse&key=REDACTED"
    assert recording.provenance["changed"] == [
        "body: the request's key, which it repeated, overwritten with *",
        "header Set-Cookie: value replaced",
        "header X-Echo: value replaced",
        "request member api_key: value replaced",
    ]


@within
async def test_compressed_is_not_kept(tmp_path: Path) -> None:
    """A compressed answer, which nobody asked for, passes and is reported."""
    raw = OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
    async with raw_server(answering(raw)) as url, Taped(url, tmp_path) as taped:
        async with Client(taped.base_url) as client:
            client.writer.write(asking())
            assert await client.reader.readexactly(len(raw)) == raw
        await taped.reported()
    assert taped.kept == []
    assert "compressed (gzip)" in taped.notes[0]


@within
async def test_no_http_is_not_kept(tmp_path: Path) -> None:
    """What is no HTTP passes and is reported."""
    async with raw_server(answering(b"SSH-2.0-x\r\n\r\n")) as url, Taped(url, tmp_path) as taped:
        async with Client(taped.base_url) as client:
            assert await client.get(asking()) == b"SSH-2.0-x\r\n\r\n"
        await taped.reported()
    assert taped.kept == []
    assert "no HTTP/1 status line" in taped.notes[0]


@within
async def test_server_gone_later(tmp_path: Path) -> None:
    """A server that is gone when a request comes makes a 502 that names it; what is no request a 400."""
    async with raw_server(answering()) as url:
        taped = Taped(url, tmp_path)
        await taped.__aenter__()
    async with Client(taped.base_url) as client:
        assert (await client.get(asking())).startswith(b"HTTP/1.1 502 ")
    async with Client(taped.base_url) as client:
        assert (await client.get(b"what?\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    assert taped.notes[0].startswith(f"nothing answers at {url}")
    await taped.__aexit__()


@within
async def test_expect_continue(tmp_path: Path) -> None:
    """A client that waits for 100 (Continue) gets it from the proxy."""
    raw = CHUNKED + LAST
    async with raw_server(answering(raw)) as url, Taped(url, tmp_path) as taped:
        async with Client(taped.base_url) as client:
            head, _, body = asking("/v1/chat/completions", "Expect: 100-continue").partition(b"\r\n\r\n")
            client.writer.write(head + b"\r\n\r\n")
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.writer.write(body)
            assert await client.reader.readexactly(len(raw)) == raw
        await taped.reported()


@within
async def test_large_answer_to_a_slow_client(tmp_path: Path) -> None:
    """Megabytes pass whole to a client that does not read at first."""
    data = b": " + b"x" * 65_000 + b"\n\n"
    writes = [CHUNKED, *([chunk(data)] * 64), LAST]
    async with raw_server(answering(*writes)) as url, Taped(url, tmp_path) as taped:
        async with Client(taped.base_url) as client:
            client.writer.write(asking())
            await asyncio.sleep(0.2)
            assert await client.reader.readexactly(sum(map(len, writes))) == b"".join(writes)
        await taped.reported()
    assert taped.trace.body == data * 64
    assert taped.trace.ended == "eof"


@within
async def test_names_are_not_taken_twice(tmp_path: Path) -> None:
    """What is there already stays, unless it is to be overwritten."""
    raw = CHUNKED + chunk(EVENTS[0]) + LAST
    names = []
    for overwrite in (False, False, True):
        label = Label(case="case", overwrite=overwrite)
        async with raw_server(answering(raw)) as url, Taped(url, tmp_path, label) as taped:
            async with Client(taped.base_url) as client:
                await client.get(asking())
            await taped.reported()
        names.append(taped.recording.name)
    assert names == ["case", "case-2", "case"]


@within
async def test_through_the_replay_server(tmp_path: Path) -> None:
    """A recording that is played and recorded again has the same cuts and the same message."""
    original = get_recording("plain-text")
    with ReplayServer() as server, server.mount(script_of(original)) as mount:
        async with Taped(mount.base_url, tmp_path) as taped:
            async with httpx2.AsyncClient() as client:
                answer = await client.post(f"{taped.base_url}/chat/completions", json=original.trace.request)
            await taped.reported()
    assert answer.content == original.trace.body
    assert pieces(taped.trace) == pieces(original.trace)
    assert taped.recording.message == original.message
    assert taped.recording.trace.request == original.trace.request


# One request of its own


@within
async def test_once_with_its_twin(tmp_path: Path) -> None:
    """The request is sent streaming and whole, with the key; the reference is what the whole answer says."""
    got: list[tuple[bytes, dict[str, Any]]] = []
    whole = {
        "id": "c",
        "model": "m",
        "choices": [{"index": 0, "message": {"content": "Café 🦙"}, "finish_reason": "stop"}],
    }

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, body = await request_of(reader)
        got.append((head, json.loads(body)))
        if got[-1][1].get("stream"):
            writer.write(CHUNKED + b"".join(map(chunk, EVENTS)) + LAST)
        else:
            content = json.dumps(whole).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content)

    request = ChatRequest.of("Hi.", model="m")
    async with raw_server(handle) as url:
        kept = await record_once(Upstream(url), CHAT, request, Keeper(tmp_path), api_key="sk-secret")
    recording = load(kept.file)
    assert pieces(recording.trace) == list(EVENTS)
    assert recording.reference is not None
    assert recording.reference.choices == recording.message.choices
    assert [body.get("stream") for _, body in got] == [True, None]
    assert all(b"authorization: bearer sk-secret" in head.lower() for head, _ in got)
    assert all(b"sk-secret" not in path.read_bytes() for path in tmp_path.rglob("*.*"))


@within
async def test_once_refused(tmp_path: Path) -> None:
    """A refusal is kept, without the key that it repeats and without a twin."""
    body = b'{"error": {"message": "Incorrect API key provided: sk-secret"}}'
    raw = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with raw_server(answering(raw)) as url:
        kept = await record_once(Upstream(url), CHAT, ChatRequest.of("Hi."), Keeper(tmp_path), api_key="sk-secret")
    recording = load(kept.file)
    assert recording.trace.status == 401
    assert recording.trace.body == body.replace(b"sk-secret", b"*" * 9)
    assert recording.reference is None


@within
async def test_once_with_a_header_of_one_s_own(tmp_path: Path) -> None:
    """It is sent, whatever it is called, and what it holds is in no file."""
    got: list[bytes] = []
    body = b'{"error": {"message": "not for a-gateway-token"}}'

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append((await request_of(reader))[0])
        head = b"HTTP/1.1 403 Forbidden\r\nX-Seen: a-gateway-token\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(body) + body)

    own = (("X-Gateway", "Token a-gateway-token"),)
    async with raw_server(handle) as url:
        kept = await record_once(Upstream(url), CHAT, ChatRequest.of("Hi."), Keeper(tmp_path), headers=own)
    assert b"x-gateway: token a-gateway-token" in got[0].lower()
    assert load(kept.file).trace.body == body.replace(b"a-gateway-token", b"*" * 15)
    assert all(b"a-gateway-token" not in path.read_bytes() for path in tmp_path.rglob("*.*"))


@within
async def test_once_too_long(tmp_path: Path) -> None:
    """An answer that does not end is kept as far as it came."""
    async with raw_server(forever) as url:
        kept = await record_once(
            Upstream(url), CHAT, ChatRequest.of("Hi."), Keeper(tmp_path), reference=False, timeout=0.3
        )
    assert kept.recording.trace.ended == "closed"
    assert kept.recording.trace.body == EVENTS[0]


@within
async def test_once_without_an_answer(tmp_path: Path) -> None:
    """Nobody there, and somebody who speaks no HTTP, are errors that say so."""
    async with raw_server(answering(b"hello\r\n\r\n")) as url:
        with pytest.raises(BackendError, match=r"does not answer in HTTP/1\.1"):
            await record_once(Upstream(url), CHAT, ChatRequest.of("Hi."), Keeper(tmp_path))
    with pytest.raises(UnreachableError, match="nothing answers at"):
        await record_once(Upstream(url), CHAT, ChatRequest.of("Hi."), Keeper(tmp_path))
    assert list(tmp_path.rglob("*.json")) == []


# The caller's mistakes


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a b", "é"])
def test_case_names(name: str) -> None:
    """A case is a file's name on any system."""
    if name:
        with pytest.raises(StreamgaugeError, match="can't be the name of a case"):
            Label(case=name)
    else:
        Label(case=name)


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://x/v1", "http://", "http://x/v1?key=1"])
def test_base_urls(url: str) -> None:
    """What is no base URL is said before anything is sent."""
    with pytest.raises(StreamgaugeError):
        Upstream(url)


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    """A folder that can't be made is named, before anything is recorded."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StreamgaugeError, match=r"can't write to .*file.*--out FOLDER"):
        Keeper(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_not_writable(tmp_path: Path) -> None:
    """So is one that is not ours to write to."""
    tmp_path.chmod(0o500)
    with pytest.raises(StreamgaugeError, match="can't write to"):
        Keeper(tmp_path)


@within
async def test_port_in_use(tmp_path: Path) -> None:
    """A port that is taken is named with the option that changes it."""
    async with raw_server(answering()) as url:
        port = httpx2.URL(url).port
        assert port is not None
        proxy = RecordingProxy(Upstream(url), Keeper(tmp_path), print, port=port)
        with pytest.raises(StreamgaugeError, match=rf"port {port} .*--port"):
            async with proxy:
                pass


# The command


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--prompt", "Hi."), "needs --model"),
        (("--model", "m"), "--model goes with --prompt"),
        (("--header", "a: b"), "--header goes with --prompt"),
        (("--prompt", "Hi.", "--model", "m", "--set", "temperature"), "give NAME=JSON"),
        (("--prompt", "Hi.", "--model", "m", "--set", "stop=END"), "give NAME=JSON"),
        (("--dialect", "openai-chatt"), "unknown dialect"),
        (("--case", "a/b"), "name of a case"),
        ((), "nothing answers at http://127.0.0.1:9/v1"),
    ],
)
def test_command_called_wrongly(words: tuple[str, ...], why: str, tmp_path: Path) -> None:
    """Each mistake is told in one line."""
    arguments = ["--upstream", "http://127.0.0.1:9/v1", "--out", str(tmp_path / "out"), *words]
    result = CliRunner().invoke(command, arguments)
    assert isinstance(result.exception, StreamgaugeError)
    assert why in str(result.exception)


def test_command_once(tmp_path: Path) -> None:
    """With --prompt one line says what was recorded, and the request holds what was set."""
    original = get_recording("plain-text")
    with ReplayServer() as server, server.mount(script_of(original)) as mount:
        arguments = ["--upstream", mount.base_url, "--out", str(tmp_path), "--prompt", "Hi.", "--model", "gpt-4"]
        arguments += ["--case", "once", "--set", "temperature=0", "--no-reference", "--server", "replay"]
        result = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert result.exception is None
    line = json.loads(result.stdout)
    assert line["case"] == "once"
    assert line["message"] == "complete"
    recording = load(Path(line["file"]))
    assert recording.trace.body == original.trace.body
    assert (recording.trace.request or {})["temperature"] == 0
    assert recording.provenance["server"] == "replay"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_ends_with_what_came(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C in the middle of a stream: exit code 0, no traceback, and the recording is there."""
    original = get_recording("plain-text")
    stalled = script_of(original).but(ending="hold")
    with ReplayServer() as server, server.mount(stalled) as mount:
        words = ["record", "--upstream", mount.base_url, "--out", str(tmp_path), "--case", "cut"]
        process = subprocess.Popen(
            [sys.executable, "-m", "streamgauge", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdout is not None
        try:
            base_url = json.loads(process.stdout.readline())["base_url"]
            url = f"{base_url}/chat/completions"
            with httpx2.Client(timeout=SOON) as client, client.stream("POST", url, json={"stream": True}) as answer:
                got = b""
                for data in answer.iter_raw():
                    got += data
                    if got == original.trace.body:
                        break
                process.send_signal(number)
                out, err = process.communicate(timeout=SOON)
        finally:
            process.kill()
    assert process.returncode == 0
    assert err == ""
    recording = load(Path(json.loads(out)["file"]))
    assert recording.trace.body == original.trace.body
    assert recording.trace.ended == "closed"
    assert isinstance(recording.message, Message)
