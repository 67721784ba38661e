"""`fetch` records what the wire did; only a backend that is not there is an exception."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from streamgauge.chat import ChatRequest
from streamgauge.errors import StreamgaugeError
from streamgauge.faults import apply_faults
from streamgauge.recordings import get_recording
from streamgauge.registry import get_dialect
from streamgauge.script import Piece, Script, script_of
from streamgauge.server import ReplayServer
from streamgauge.transport import (
    TIMEOUT,
    UnreachableError,
    diagnose,
    fetch,
    fetch_json,
    is_loopback,
    join_url,
    masked,
    secrets_in,
    shown,
)
from streamgauge.transport.address import advice

CHAT = get_dialect("openai-chat")
ASK = ChatRequest.of("hello")
KEY = "sk-transport-secret"
RECORDING = get_recording("plain-text")


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as running:
        yield running


@pytest.fixture
def dead_url(dead_port: int) -> str:
    """A URL on loopback at which nothing listens."""
    return f"http://127.0.0.1:{dead_port}/v1"


def faulty(spec: str) -> Script:
    return apply_faults(script_of(RECORDING), spec)


def answer(body: bytes, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Script:
    return Script(dialect=CHAT, pieces=(Piece(body),), status=status, headers=headers)


def test_each_read_is_an_arrival_with_its_time(server: ReplayServer) -> None:
    """Pieces that are sent one after another are arrivals of their own, in order of time, and join to the body."""
    pieces = tuple(Piece(frame, 0.005) for frame in script_of(RECORDING).frames()[:8])
    trace = fetch(server.mount(script_of(RECORDING).but(pieces=pieces)).base_url, CHAT, ASK)
    assert [a.data for a in trace.arrivals] == [p.data for p in pieces]
    times = [trace.headers_at or 0.0, *(a.at for a in trace.arrivals), trace.ended_at]
    assert all(a <= b for a, b in pairwise(times))
    assert times[0] >= 0
    assert trace.timed


def test_head_and_request_are_in_the_trace(server: ReplayServer) -> None:
    """Status, headers and the JSON body that asked are kept."""
    trace = fetch(server.mount(script_of(RECORDING)).base_url, CHAT, ASK)
    assert (trace.status, trace.header("content-type"), trace.ended) == (200, "text/event-stream", "eof")
    assert trace.request is not None
    assert trace.request["messages"] == [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize(
    ("fault", "ended"),
    [
        ("truncate", "eof"),
        ("fin", "incomplete"),
        ("length-too-long", "incomplete"),
        ("reset", "reset"),
        ("stall", "timeout"),
        ("keep-open", "timeout"),
    ],
)
def test_how_it_ended_is_data(server: ReplayServer, fault: str, ended: str) -> None:
    """However the connection ends, the trace says so and keeps what came before."""
    script = faulty(fault)
    trace = fetch(server.mount(script).base_url, CHAT, ASK, timeout=0.3 if ended == "timeout" else TIMEOUT)
    assert (trace.ended, trace.status, trace.body) == (ended, 200, script.delivered)


def test_silence_before_the_head_is_data(server: ReplayServer) -> None:
    """A backend that accepts and never answers gives a trace without a status."""
    trace = fetch(server.mount(faulty("stall:headers")).base_url, CHAT, ASK, timeout=0.3)
    assert (trace.ended, trace.status, trace.arrivals) == ("timeout", None, ())


def test_bytes_behind_the_terminator_are_recorded(server: ReplayServer) -> None:
    """The trace goes on to the end of the HTTP message, whatever the dialect said before."""
    script = faulty("after-terminator")
    assert fetch(server.mount(script).base_url, CHAT, ASK).body == script.body


def test_early_disconnect(server: ReplayServer) -> None:
    """After so many events the connection is closed, and the server sees that."""
    pieces = tuple(Piece(frame, 0.01) for frame in script_of(RECORDING).frames())
    mount = server.mount(script_of(RECORDING).but(pieces=pieces, ending="hold"))
    trace = fetch(mount.base_url, CHAT, ASK, stop_after=3)
    assert trace.ended == "closed"
    assert 3 <= len(CHAT.decoder().feed(trace.body)) < len(pieces)
    assert mount.wait_closed()
    assert mount.served().closed_early is not None


def test_deadline_ends_a_stream_that_never_does(server: ReplayServer) -> None:
    """A backend that always sends something in time is left at the deadline."""
    drip = script_of(RECORDING).but(pieces=(Piece(b": still here\n\n", 0.02),) * 3000)
    trace = fetch(server.mount(drip).base_url, CHAT, ASK, deadline=0.2)
    assert trace.ended == "timeout"
    assert 0 < len(trace.arrivals) < 3000


def test_body_is_bounded(server: ReplayServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that is over the limit is not read to its end."""
    monkeypatch.setattr("streamgauge.transport.exchange.BODY_LIMIT", 1000)
    trace = fetch(server.mount(answer(b"x" * 2_000_000)).base_url, CHAT, ASK)
    assert trace.ended == "closed"
    assert 1000 < len(trace.body) < 2_000_000


def test_refused(dead_url: str) -> None:
    """A port at which nothing listens is one clear line, without the key."""
    with pytest.raises(UnreachableError, match="is the server running") as caught:
        fetch(dead_url, CHAT, ASK, api_key=KEY)
    assert dead_url in str(caught.value)
    assert KEY not in str(caught.value)


def test_no_such_host() -> None:
    """A name that does not resolve is unreachable (RFC 6761: `.invalid` never does)."""
    with pytest.raises(UnreachableError, match=r"nothing answers at http://streamgauge\.invalid/v1"):
        fetch("http://streamgauge.invalid/v1", CHAT, ASK)


def test_tls_to_a_plain_server(server: ReplayServer) -> None:
    """A failed TLS handshake is unreachable too: no request was sent."""
    with pytest.raises(UnreachableError, match="nothing answers at https://"):
        fetch(server.url.replace("http:", "https:") + "/v1", CHAT, ASK, timeout=0.5)


def test_an_unknown_authority() -> None:
    """A certificate that nobody here vouches for: the message says where to put who does."""
    pytest.importorskip("cryptography")
    with ReplayServer(tls="valid") as running, pytest.raises(UnreachableError, match="authority in SSL_CERT_FILE"):
        fetch(running.url, CHAT, ASK)


@pytest.mark.parametrize("slash", ["", "/", "//"])
def test_trailing_slash_does_not_matter(server: ReplayServer, slash: str) -> None:
    """A base URL with and without slashes at its end asks the same path."""
    mount = server.mount(script_of(RECORDING))
    assert fetch(mount.base_url + slash, CHAT, ASK).status == 200
    assert mount.requests[0].path.endswith("/v1/chat/completions")
    assert "//" not in mount.requests[0].path


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "localhost:8000",
        "ftp://localhost/v1",
        "http://",
        "http://[::1/v1",
        "http://localhost:99999/v1",
        "http://..",
        "/v1",
    ],
)
def test_no_url(base_url: str) -> None:
    """What is no http URL is the caller's mistake, with an example of a right one."""
    with pytest.raises(StreamgaugeError, match="give one like http://localhost:8000/v1"):
        join_url(base_url, "/chat/completions")


def test_query_stays_behind_the_path() -> None:
    """A base URL with a query (Azure's api-version) keeps it at the end."""
    assert join_url("https://x.example/v1/?a=b", "/chat/completions") == "https://x.example/v1/chat/completions?a=b"
    assert join_url("https://x.example/v1beta?key=b", "/m:s?alt=sse") == "https://x.example/v1beta/m:s?alt=sse&key=b"


def test_404_below_a_base_url_without_its_base_path(server: ReplayServer) -> None:
    """The trace's note says which URL to try, and says nothing where the base path is there."""
    mount = server.mount(answer(b"{}", status=404))
    assert fetch(mount.url, CHAT, ASK).note == f"the base URL does not end in /v1: try {mount.url}/v1"
    assert fetch(mount.base_url, CHAT, ASK).note == ""


def test_key_is_sent_but_not_kept(server: ReplayServer) -> None:
    """The key goes into the dialect's header; where the backend repeats it, the trace has asterisks of its length."""
    said = b'{"error": "incorrect key ' + KEY.encode() + b'"}'
    pieces = (Piece(said[:30]), Piece(said[30:]))
    mount = server.mount(answer(b"", 401, (("X-Seen", f"Bearer {KEY}"),)).but(pieces=pieces))
    trace = fetch(mount.base_url, CHAT, ASK, api_key=KEY)
    assert mount.requests[0].headers["authorization"] == "Bearer ***"
    assert trace.body == said.replace(KEY.encode(), b"*" * len(KEY))
    assert KEY not in repr(trace)
    assert len(trace.arrivals[0].data) == 30


def test_no_key_no_header(server: ReplayServer) -> None:
    """Without a key no Authorization header is sent."""
    mount = server.mount(script_of(RECORDING))
    fetch(mount.base_url, CHAT, ASK)
    assert "authorization" not in mount.requests[0].headers


@pytest.mark.parametrize("key", ["clé-secrète", "line\nend"])
def test_key_that_no_header_can_carry(key: str) -> None:
    """Such a key is the caller's mistake, and is not repeated."""
    with pytest.raises(StreamgaugeError, match="API key") as caught:
        fetch("http://127.0.0.1:1/v1", CHAT, ASK, api_key=key)
    assert key not in str(caught.value)


def test_headers_of_the_caller_win(server: ReplayServer) -> None:
    """A header that the caller gives replaces ours of that name, whatever its case."""
    mount = server.mount(script_of(RECORDING))
    fetch(mount.base_url, CHAT, ASK, headers=[("ACCEPT", "*/*"), ("X-Test", "1")])
    headers = mount.requests[0].headers
    assert (headers["accept"], headers["x-test"], headers["accept-encoding"]) == ("*/*", "1", "identity")


def test_non_streaming_twin(server: ReplayServer) -> None:
    """The twin asks for one JSON body and brings it with its status."""
    mount = server.mount(answer(b'{"choices": []}', headers=(("Content-Type", "application/json"),)))
    twin = fetch_json(mount.base_url, CHAT, ASK)
    assert (twin.status, twin.body) == (200, b'{"choices": []}')
    assert "stream" not in mount.requests[0].json
    assert mount.requests[0].headers["accept"] == "application/json"


def test_diagnose(server: ReplayServer, dead_url: str) -> None:
    """Nothing there, the wrong base path, and neither of them are told apart."""
    assert isinstance(diagnose(dead_url, CHAT), UnreachableError)
    odd = replace(CHAT, models_path="/none")
    assert f"try {server.url}/x/v1" in str(diagnose(f"{server.url}/x", odd))
    assert diagnose(f"{server.url}/v1", CHAT) is None


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:80/v1", True),
        ("http://127.9.9.9/v1", True),
        ("http://[::1]:80/v1", True),
        ("http://localhost/v1", True),
        ("http://api.localhost/v1", True),
        ("http://10.0.0.1/v1", False),
        ("https://localhost.example.com/v1", False),
        ("https://api.example.com/v1", False),
    ],
)
def test_loopback(url: str, loopback: bool) -> None:
    """Only this machine is loopback."""
    assert is_loopback(url) is loopback


def test_shown_url_has_no_secrets() -> None:
    """User, password and query don't get into messages."""
    assert shown("https://me:secret@example.com:8443/v1?key=secret#x") == "https://example.com:8443/v1"


def test_short_keys_are_no_secrets() -> None:
    """A made-up key does not deface a text."""
    assert masked("exact x text", "x") == "exact x text"
    assert masked(f"no {KEY}!", KEY) == "no " + "*" * len(KEY) + "!"


def test_a_secret_is_found_in_each_spelling() -> None:
    """As it is, in a JSON string, in a URL; and where one holds another, all of it goes."""
    secret = 'a/b"c+secret'
    for spelled in (secret, r"a/b\"c+secret", r"a\/b\"c+secret", "a%2Fb%22c%2Bsecret"):
        assert masked(f"<{spelled}>", "c+secret", secret) == f"<{'*' * len(spelled)}>"


def test_what_is_secret_in_a_header() -> None:
    """Its value, and what is behind the scheme, whatever its name; but not what HTTP itself says of content."""
    own = (("X-Any", "Token abc"), ("Accept", "text/event-stream"), ("anthropic-beta", "x"), ("Cookie", "a=1; b=2"))
    assert set(secrets_in(own)) == {"Token abc", "abc", "a=1; b=2", "b=2", "1", "2"}


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("http://x/v1beta", "http://x/v1"),
        ("http://x/v1alpha2", "http://x/v1"),
        ("http://x/m/v2sS7fvq", "http://x/m/v2sS7fvq/v1"),
        ("http://x/vllm", "http://x/vllm/v1"),
    ],
)
def test_only_a_version_makes_way(given: str, right: str) -> None:
    """The advice for a 404 puts the dialect's version in another's place, and not in that of a name that begins so."""
    assert advice(given, CHAT, 404) == f"the base URL does not end in /v1: try {right}"
