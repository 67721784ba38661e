"""The HTTP provider: events as they arrive, failures as errors that say what happened, sync and async alike."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from streamgauge.chat import ChatRequest
from streamgauge.errors import BackendError
from streamgauge.events import End, Event, TextDelta
from streamgauge.faults import all_faults, apply_faults
from streamgauge.http_provider import BrokenStreamError, HTTPProvider, MediaTypeError, SilenceError, StatusError
from streamgauge.message import assemble
from streamgauge.provider import Connection, get_provider
from streamgauge.recordings import Recording, get_recording, shipped
from streamgauge.registry import all_dialects, get_dialect
from streamgauge.script import Piece, Script, script_of
from streamgauge.server import Mount, ReplayServer
from streamgauge.surroundings import surroundings
from streamgauge.transport import UnreachableError

CHAT = get_dialect("openai-chat")
ASK = ChatRequest.of("hello")
KEY = "sk-provider-secret"
PLAIN = get_recording("plain-text")
PATHS = ("sync", "async")
LOSSLESS = [
    f"{name}:{variant}".rstrip(":")
    for name, fault in all_faults().items()
    if fault.effect == "lossless" and fault.layer in ("bytes", "http") and fault.fits(CHAT)
    for variant in fault.variants
]


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    """One server whose authority is trusted."""
    with ReplayServer() as running, surroundings(running):
        yield running


def collect(path: str, mount: Mount | str, *, timeout: float = 20.0, key: str = "") -> tuple[list[Event], Any]:
    """The events of one stream and what it raised; the provider is closed behind it."""
    base_url = mount if isinstance(mount, str) else mount.base_url
    provider = HTTPProvider(CHAT, Connection(base_url=base_url, timeout=timeout, api_key=key))
    got: list[Event] = []

    async def walk() -> None:
        try:
            async for event in provider.astream(ASK):
                got.append(event)  # noqa: PERF401 - what came before a failure is kept
        finally:
            await provider.aclose()

    try:
        if path == "async":
            asyncio.run(walk())
        else:
            for event in provider.stream(ASK):
                got.append(event)  # noqa: PERF402 - as above
    except BackendError as error:
        return got, error
    finally:
        provider.close()
    return got, None


def faulty(spec: str) -> Script:
    return apply_faults(script_of(PLAIN), spec)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("recording", shipped().values(), ids=lambda r: f"{r.dialect}/{r.name}")
def test_every_recording_comes_whole(server: ReplayServer, recording: Recording, path: str) -> None:
    """The provider's events are those of the dialect's decoder up to the end, and carry the recording's message."""
    dialect = recording.get_dialect()
    mount = server.mount(script_of(recording))
    provider = get_provider(dialect.name).open(Connection(base_url=mount.base_url))

    async def walk() -> list[Event]:
        try:
            return [event async for event in provider.astream(ASK)]
        finally:
            await provider.aclose()

    got = asyncio.run(walk()) if path == "async" else list(provider.stream(ASK))
    provider.close()
    events = dialect.decode(recording.trace.body)
    end = next(n for n, event in enumerate(events) if isinstance(event, End))
    assert got == events[: end + 1]  # behind message-end Cohere sends [DONE], which nobody waits for
    assert assemble(dialect.name, got) == recording.message


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("fault", LOSSLESS)
def test_lossless_faults_change_nothing(server: ReplayServer, fault: str, path: str) -> None:
    """However the bytes are cut, framed and decorated, the message is the recording's."""
    got, error = collect(path, server.mount(faulty(fault)))
    assert error is None
    assert assemble("openai-chat", got) == PLAIN.message


@pytest.mark.parametrize("path", PATHS)
def test_events_come_as_they_arrive(server: ReplayServer, path: str) -> None:
    """The first text is handed out while the server still holds the rest back."""
    frames = script_of(PLAIN).frames()
    mount = server.mount(script_of(PLAIN).but(pieces=(Piece(frames[0] + frames[1]),), ending="hold"))
    provider = HTTPProvider(CHAT, Connection(base_url=mount.base_url))

    async def first() -> Event:
        stream: Any = provider.astream(ASK)
        try:
            async for event in stream:
                if isinstance(event, TextDelta):
                    return event
        finally:
            await stream.aclose()
            await provider.aclose()
        raise AssertionError("no text")

    event = (
        asyncio.run(first()) if path == "async" else next(e for e in provider.stream(ASK) if isinstance(e, TextDelta))
    )
    assert PLAIN.message.choices[0].text.startswith(event.text)
    provider.close()
    assert mount.wait_closed()


@pytest.mark.parametrize("path", PATHS)
def test_truncation_is_said(server: ReplayServer, path: str) -> None:
    """A body that ends cleanly without the terminator ends in `truncated`, not in success."""
    got, error = collect(path, server.mount(faulty("truncate")))
    assert error is None
    assert isinstance(got[-1], End)
    assert got[-1].ended == "truncated"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("reset", BrokenStreamError),
        ("fin", BrokenStreamError),
        ("length-too-long", BrokenStreamError),
        ("stall", SilenceError),
    ],
)
def test_broken_transport_raises_behind_the_partial_answer(
    server: ReplayServer, fault: str, kind: type[BackendError], path: str
) -> None:
    """What had arrived is handed out first; the error names the failure and keeps httpx2's as its cause."""
    script = faulty(fault)
    got, error = collect(path, server.mount(script), timeout=0.4 if fault == "stall" else 20.0)
    assert type(error) is kind
    assert error.__cause__ is not None
    assert got == CHAT.decoder().feed(script.delivered)
    assert any(isinstance(e, TextDelta) for e in got)
    assert not any(isinstance(e, End) for e in got)


def test_silence_is_a_timeout() -> None:
    """Callers who catch TimeoutError catch silence too."""
    assert issubclass(SilenceError, TimeoutError)


@pytest.mark.parametrize("path", PATHS)
def test_early_close_closes_the_connection(server: ReplayServer, path: str) -> None:
    """Closing the iterator closes the connection at once, though the provider stays open."""
    mount = server.mount(script_of(PLAIN).but(ending="hold"))
    provider = HTTPProvider(CHAT, Connection(base_url=mount.base_url))
    sync_stream: Any = provider.stream(ASK)
    if path == "sync":
        next(sync_stream)
        sync_stream.close()
        assert mount.wait_closed()

    async def walk() -> bool:
        stream: Any = provider.astream(ASK)
        await anext(stream)
        await stream.aclose()
        closed = await asyncio.to_thread(mount.wait_closed)
        await provider.aclose()
        return closed

    if path == "async":
        assert asyncio.run(walk())
    assert mount.served().closed_early is not None
    provider.close()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_error_status(server: ReplayServer, status: int, path: str) -> None:
    """An error status raises with the status and the backend's own message."""
    got, error = collect(path, server.mount(faulty(f"status:{status}")))
    assert got == []
    assert isinstance(error, StatusError)
    assert error.status == status
    assert f"status {status}: " in str(error)
    assert "this failure is part of the test" in str(error)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("ending", ["complete", "reset"])
def test_error_body_is_read_as_far_as_it_is_good(server: ReplayServer, ending: Any, path: str) -> None:
    """An error body that is endless, or breaks off, does not hide the status."""
    pieces = (Piece(b"because " * (20_000 if ending == "complete" else 20)), Piece(b"!", 0.2))
    script = Script(dialect=CHAT, pieces=pieces, status=500, ending=ending)
    _, error = collect(path, server.mount(script))
    assert isinstance(error, StatusError)
    assert (error.status, error.body[:8]) == (500, "because ")
    assert len(error.body) < 1000


@pytest.mark.parametrize("path", PATHS)
def test_retry_after_is_given(server: ReplayServer, path: str) -> None:
    """A 429 carries the header's value, and exactly one request was made."""
    mount = server.mount(faulty("retry-after:7"))
    _, error = collect(path, mount)
    assert isinstance(error, StatusError)
    assert (error.status, error.retry_after) == (429, "7")
    assert len(mount.requests) == 1


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("fault", "media_type"), [("json", "application/json"), ("html", "text/html")])
def test_200_that_is_no_stream(server: ReplayServer, fault: str, media_type: str, path: str) -> None:
    """A 200 with another media type raises, and shows what came (WHATWG HTML 9.2.3)."""
    got, error = collect(path, server.mount(faulty(f"not-a-stream:{fault}")))
    assert got == []
    assert isinstance(error, MediaTypeError)
    assert error.media_type.startswith(media_type)
    assert error.body


@pytest.mark.parametrize("path", PATHS)
def test_redirect_is_not_followed(server: ReplayServer, path: str) -> None:
    """A redirect is an error that says where to: the key goes to no other host, and the POST stays one."""
    mount = server.mount(faulty("redirect:307"))
    _, error = collect(path, mount)
    assert isinstance(error, StatusError)
    assert "give that as the base URL" in str(error)
    assert len(mount.requests) == 1


@pytest.mark.parametrize("path", PATHS)
def test_404_without_base_path_says_so(server: ReplayServer, path: str) -> None:
    """A 404 below a base URL that lacks /v1 says which to try."""
    mount = server.mount(faulty("status:404"))
    _, error = collect(path, mount.url)
    assert f"try {mount.url}/v1" in str(error)


@pytest.mark.parametrize("path", PATHS)
def test_dead_port(dead_port: int, path: str) -> None:
    """A port at which nothing listens is one clear line."""
    url = f"http://127.0.0.1:{dead_port}/v1"
    got, error = collect(path, url, key=KEY)
    assert got == []
    assert isinstance(error, UnreachableError)
    assert url in str(error)


@pytest.mark.parametrize("path", PATHS)
def test_key_is_sent_and_never_shown(server: ReplayServer, path: str) -> None:
    """An error body that repeats the key is shown without it, also in the exception's members."""
    said = b'{"error": {"message": "incorrect API key: ' + KEY.encode() + b'"}}'
    script = Script(dialect=CHAT, pieces=(Piece(said),), status=401, headers=(("Content-Type", "application/json"),))
    mount = server.mount(script)
    _, error = collect(path, mount, key=KEY)
    assert mount.requests[0].headers["authorization"] == "Bearer ***"
    assert isinstance(error, StatusError)
    assert "incorrect API key" in str(error)
    assert KEY not in f"{error} {error!r} {vars(error)}"


def test_one_client_for_many_calls(server: ReplayServer) -> None:
    """The provider can be used again and again, also from one event loop after another."""
    mount = server.mount(script_of(PLAIN))
    provider = HTTPProvider(CHAT, Connection(base_url=mount.base_url))

    async def walk() -> None:
        for _ in range(2):
            got = [event async for event in provider.astream(ASK)]
            assert assemble("openai-chat", got) == PLAIN.message
        await provider.aclose()

    for _ in range(2):
        assert assemble("openai-chat", provider.stream(ASK)) == PLAIN.message
        asyncio.run(walk())
    provider.close()
    assert len(mount.requests) == 6


def test_many_streams_at_once(server: ReplayServer) -> None:
    """More streams than httpx2 allows by default run side by side."""
    pieces = tuple(Piece(frame, 0.002) for frame in script_of(PLAIN).frames())
    mount = server.mount(script_of(PLAIN).but(pieces=pieces))
    provider = HTTPProvider(CHAT, Connection(base_url=mount.base_url, timeout=60))

    async def one() -> bool:
        got = [event async for event in provider.astream(ASK)]
        return assemble("openai-chat", got) == PLAIN.message

    async def walk() -> list[bool]:
        try:
            return await asyncio.gather(*(one() for _ in range(120)))
        finally:
            await provider.aclose()

    assert all(asyncio.run(walk()))
    provider.close()


def test_every_dialect_has_one() -> None:
    """Adding a dialect adds its HTTP provider, by the dialect's name."""
    for name in all_dialects():
        spec = get_provider(name)
        assert (spec.kind, spec.dialect, spec.missing) == ("http", name, ())
