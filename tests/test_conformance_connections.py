"""Conformance below the messages: clients that speak HTTP/2, that trust too much, that keep what is broken."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, ClassVar

import httpx2
import pytest

import streamgauge.provider
from streamgauge.chat import ChatRequest
from streamgauge.conformance import Conformance, Selection, plan
from streamgauge.events import End, Event
from streamgauge.provider import Connection, ProviderSpec
from streamgauge.registry import get_dialect
from streamgauge.server import ReplayServer
from streamgauge.surroundings import TRUST, surroundings

CHAT = get_dialect("openai-chat")
Install = Callable[..., ProviderSpec]


class Client:
    """A client on httpx2 that decodes with our decoder; `options` are those of httpx2.Client."""

    options: ClassVar[dict[str, Any]] = {}

    def __init__(self, connection: Connection) -> None:
        self._url = connection.base_url + CHAT.request(ChatRequest.of("")).path
        self._client = httpx2.Client(timeout=connection.timeout, **self.options)

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        decoder = CHAT.decoder()
        with self._client.stream("POST", self._url, json={"stream": True}) as response:
            response.raise_for_status()
            for data in response.iter_bytes():
                for event in decoder.feed(data):
                    yield event
                    if isinstance(event, End):
                        return
            yield from decoder.eof()

    async def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        for event in self.stream(request):
            yield event

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        self.close()


class Modern(Client):
    """Asks for HTTP/2."""

    options: ClassVar[dict[str, Any]] = {"http2": True}


class Careless(Client):
    """Believes every certificate."""

    options: ClassVar[dict[str, Any]] = {"verify": False}


class OneTry(Client):
    """Keeps its first failure for ever, as a client does that never takes a connection out of its pool."""

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        if self._client.is_closed:
            raise RuntimeError("the connection is broken")
        whole = False
        try:
            for event in super().stream(request):
                whole = isinstance(event, End) and event.ended == "complete"
                yield event
        finally:
            if not whole:
                self._client.close()


class Impatient(Client):
    """Counts the time that its caller takes as the server's silence."""

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        from time import monotonic

        last = monotonic()
        for event in super().stream(request):
            if monotonic() - last > 1.0:
                raise TimeoutError("silence")
            last = monotonic()
            yield event
            if monotonic() - last > 1.0:
                raise TimeoutError("silence")


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a provider as an entry point would, beside those that are shipped."""

    def put(kind: type[Client]) -> ProviderSpec:
        capabilities = frozenset(("sync", "usage", "tools", "reasoning", "refusal", "n", "finish", "errors"))
        made = ProviderSpec(
            name="it", title="it", dialect=CHAT.name, capabilities=capabilities, connect=kind, modules=("httpx2",)
        )  # type: ignore[arg-type]
        monkeypatch.setattr(streamgauge.provider, "extended", lambda *_: [("the test", made)])
        streamgauge.provider.all_providers.cache_clear()
        return made

    yield put
    monkeypatch.undo()
    streamgauge.provider.all_providers.cache_clear()


def verdicts(*rules: str) -> dict[tuple[str, str], str]:
    """What the client did about these rules, by rule and fault."""
    report = Conformance(plan(Selection(providers=("it",), paths=("sync",), rules=rules))).run()
    return {(v.rule, v.fault): v.verdict if v.verdict != "error" else v.reason for v in report.verdicts}


def test_a_client_of_http2_is_judged(install: Install) -> None:
    """Where HTTP/2 is asked for, its rules have something to judge; httpx2 gives up a stream that a GOAWAY spares."""
    install(Modern)
    found = verdicts("HTTP-042", "HTTP-043", "CAN-004")
    assert found.pop(("HTTP-042", "http2:farewell")) in ("pass", "fail")
    assert found.pop(("CAN-004", "http2+slow-drip:20")) in ("pass", "non-strict")
    assert found.pop(("HTTP-042", "http2-cleartext")) == "skip"
    assert set(found.values()) == {"pass"}
    assert len(found) == 7


def test_a_client_of_http_1_1_is_not_asked_for_more(install: Install) -> None:
    """What it never asked for is not judged; TLS, refusals and second requests are."""
    install(Client)
    found = verdicts("HTTP-040", "HTTP-041", "HTTP-042", "HTTP-043", "HTTP-045", "HTTP-046", "CAN-004", "TIM-020")
    skipped = {rule for (rule, _), verdict in found.items() if verdict == "skip"}
    assert skipped == {"HTTP-042", "HTTP-043", "CAN-004"}
    assert {v for (rule, _), v in found.items() if rule not in skipped} == {"pass"}


def test_a_careless_client_is_caught(install: Install) -> None:
    """It has sent its request, with the key, to whoever is there."""
    install(Careless)
    assert set(verdicts("HTTP-041").values()) == {"fail"}


def test_a_client_that_keeps_what_is_broken_is_caught(install: Install) -> None:
    """Its second stream fails for the sake of its first."""
    install(OneTry)
    assert set(verdicts("HTTP-045").values()) == {"non-strict"}


def test_a_client_that_counts_its_callers_time_is_caught(install: Install) -> None:
    """It times out though the server was waiting for it."""
    install(Impatient)
    assert set(verdicts("TIM-020").values()) == {"non-strict"}


def test_a_missing_library_is_a_skip(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that can't be played here is nobody's fault, and says what would let it be played."""
    install(Client)
    monkeypatch.setattr("streamgauge.server.needs.find_spec", lambda name: None if name == "h2" else name)
    report = Conformance(plan(Selection(providers=("it",), rules=("HTTP-042",), faults=("http2",)))).run()
    assert {v.verdict for v in report.verdicts} == {"skip"}
    assert all("streamgauge[http2]" in v.reason for v in report.verdicts)


def test_surroundings_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside, clients trust the server's authority and use no proxy; behind it, everything is as it was."""
    monkeypatch.setenv("SSL_CERT_FILE", "/somewhere/else.pem")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    before = dict(os.environ)
    with ReplayServer() as server, surroundings(server):
        assert {os.environ[name] for name in TRUST} == {str(server.ca_file)}
        assert os.environ["NO_PROXY"] == "*"
    assert dict(os.environ) == before
