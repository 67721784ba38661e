"""The in-process mock: clients on httpx and on httpx2, sync and async, get the recording without a socket."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import httpx
import httpx2
import openai
import pytest

from streamgauge.errors import UnavailableError
from streamgauge.mock import BASE_URL, mock_provider
from streamgauge.recordings import get_recording, shipped
from streamgauge.script import Script, script_of
from streamgauge.server import Received

PLAIN = get_recording("plain-text")
CHAT = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
URL = f"{BASE_URL}/chat/completions"
TEXTS = [r.name for r in shipped().values() if r.dialect == "openai-chat" and r.message.ended == "complete"]
LIBRARIES = [pytest.param(httpx, id="httpx"), pytest.param(httpx2, id="httpx2")]


def text_of(chunks: list[Any]) -> str:
    """The text of the first choice."""
    choices = [c for chunk in chunks for c in chunk.choices or () if c.index == 0]
    return "".join(c.delta.content or "" for c in choices if c.delta)


def ask_sync() -> list[Any]:
    """All chunks that the openai library makes of the mock, on its sync path."""
    with openai.OpenAI(base_url=BASE_URL, api_key="sk-secret", max_retries=0) as client:
        return list(client.chat.completions.create(**CHAT))


async def ask_async() -> list[Any]:
    """The same on its async path."""
    async with openai.AsyncOpenAI(base_url=BASE_URL, api_key="sk-secret", max_retries=0) as client:
        return [chunk async for chunk in await client.chat.completions.create(**CHAT)]


@pytest.mark.parametrize("name", TEXTS)
def test_openai_library(name: str) -> None:
    """Both paths of the openai library say what the recording says, and each asked once."""
    recording = get_recording(name)
    with mock_provider(recording) as backend:
        said = [text_of(ask_sync()), text_of(asyncio.run(ask_async()))]
    expected = recording.message.choices[0].text if recording.message.choices else ""
    assert said == [expected, expected]
    assert [r.json["stream"] for r in backend.requests] == [True, True]
    assert backend.unfinished == 0


@pytest.mark.parametrize("library", LIBRARIES)
def test_pieces_stay_apart(library: Any) -> None:
    """A reader gets the pieces as they are cut, a second one too."""
    script = script_of(PLAIN)
    with mock_provider(script) as backend, library.Client() as client:
        for _ in range(2):
            with client.stream("POST", URL, json=CHAT) as response:
                assert response.headers["content-type"] == "text/event-stream"
                assert list(response.iter_raw()) == [p.data for p in script.pieces]
    assert [s.request for s in backend.sends] == [0] * len(script.pieces) + [1] * len(script.pieces)


@pytest.mark.parametrize("library", LIBRARIES)
def test_pieces_stay_apart_async(library: Any) -> None:
    """The same on the async path."""
    script = script_of(PLAIN)

    async def read() -> list[bytes]:
        async with library.AsyncClient() as client, client.stream("POST", URL, json=CHAT) as response:
            return [piece async for piece in response.aiter_raw()]

    with mock_provider(script):
        assert asyncio.run(read()) == [p.data for p in script.pieces]


def read_into(library: Any, pieces: list[bytes]) -> None:
    """Stream once and keep what comes, also when it breaks."""
    with library.Client() as client, client.stream("POST", URL, json=CHAT) as response:
        pieces.extend(response.iter_raw())


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("fin", "RemoteProtocolError"),
        ("reset", "ReadError"),
        ("stall", "ReadTimeout"),
        ("stall:headers", "ReadTimeout"),
        ("length-too-long", "RemoteProtocolError"),
    ],
)
def test_broken_transport(library: Any, fault: str, name: str) -> None:
    """A broken script raises the library's own exception, behind what had come."""
    read: list[bytes] = []
    with mock_provider(PLAIN, fault=fault) as backend, pytest.raises(getattr(library, name)):
        read_into(library, read)
    assert PLAIN.trace.body.startswith(b"".join(read))
    assert bool(read) == (fault != "stall:headers")
    assert backend.unfinished == 0


def test_broken_transport_async() -> None:
    """The async iterator raises it too."""

    async def read() -> bytes:
        async with httpx2.AsyncClient() as client:
            return (await client.post(URL, json=CHAT)).content

    with mock_provider(PLAIN, fault="reset"), pytest.raises(httpx2.ReadError):
        asyncio.run(read())


@pytest.mark.parametrize("library", LIBRARIES)
def test_status_and_look_up(library: Any) -> None:
    """Errors, look-ups and unknown paths are answered as the replay server answers them."""
    with mock_provider(PLAIN, fault="retry-after:7") as backend, library.Client() as client:
        refused = client.post(URL, json=CHAT, headers={"Authorization": "Bearer sk-secret"})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
        assert client.get(f"{BASE_URL}/models").json()["data"][0]["id"] == "gpt-4"
        assert client.post(f"{BASE_URL}/nothing").status_code == 404
    assert backend.requests[0].headers["authorization"] == "Bearer ***"
    assert [r.method for r in backend.requests] == ["POST", "GET", "POST"]


def test_function_of_the_request() -> None:
    """A function picks the script for each request."""

    def pick(received: Received) -> Script:
        return script_of(get_recording(received.json["model"]))

    with mock_provider(pick), httpx2.Client() as client:
        for name in ("plain-text", "refusal"):
            assert client.post(URL, json=CHAT | {"model": name}).content == get_recording(name).trace.body


def test_early_close_is_the_clients() -> None:
    """A reader that leaves early is told from one that read to the end."""
    with mock_provider(PLAIN) as backend, httpx2.Client() as client, client.stream("POST", URL, json=CHAT) as response:
        pieces = response.iter_raw()
        next(pieces)
        assert backend.unfinished == 1
    assert backend.unfinished == 0
    assert backend._mount.served().closed_early is not None


def test_delays_are_kept() -> None:
    """Paced scripts are paced here too, sync and async."""
    paced = script_of(PLAIN).but(pieces=script_of(PLAIN, speed=20.0).pieces[:5])
    with mock_provider(paced) as backend:
        httpx.post(URL, json=CHAT)

        async def read() -> None:
            async with httpx.AsyncClient() as client:
                await client.post(URL, json=CHAT)

        asyncio.run(read())
    wanted = sum(p.delay for p in paced.pieces[1:])
    for request in (0, 1):
        times = [s.at for s in backend.sends if s.request == request]
        assert times[-1] - times[0] > wanted - 0.003


def test_other_hosts_are_not_answered() -> None:
    """What is not mocked fails, instead of going out."""
    with mock_provider(PLAIN), pytest.raises(AssertionError, match="not mocked"):
        httpx2.get("https://other.invalid/v1/models")


def test_two_mocks_at_once() -> None:
    """Each host has its own script."""
    other = "https://other.invalid/v1"
    with mock_provider(PLAIN), mock_provider(get_recording("refusal"), other), httpx2.Client() as client:
        assert client.post(URL, json=CHAT).content == PLAIN.trace.body
        assert client.post(f"{other}/chat/completions", json=CHAT).content == get_recording("refusal").trace.body


def test_nothing_stays_mocked() -> None:
    """Behind the block the clients are what they were."""
    from respx.mocks import Mocker

    with mock_provider(PLAIN):
        pass
    assert not any(Mocker.registry[name].routers for name in ("httpcore", "httpcore2"))
    with pytest.raises(httpx2.ConnectError):
        httpx2.get("http://127.0.0.1:1/v1/models")


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without respx the error gives the command that installs it."""
    monkeypatch.setitem(sys.modules, "respx.mocks", None)
    with pytest.raises(UnavailableError, match=r"pip install 'streamgauge\[mock\]'"), mock_provider(PLAIN):
        pass
