"""The replay server below HTTP messages: HTTP/2 and TLS over real sockets, and ports and hosts that are not there."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events
import httpx2
import pytest

import streamgauge.server.needs
from streamgauge.errors import StreamgaugeError, UnavailableError
from streamgauge.faults import all_faults, apply_faults
from streamgauge.recordings import get_recording
from streamgauge.script import Script, script_of
from streamgauge.server import Mount, ReplayServer

RECORDING = get_recording("plain-text")
PLAIN = script_of(RECORDING)
ASK = b'{"model":"gpt-4","stream":true,"messages":[]}'
SAFETY = 30.0
"""Seconds after which a test fails instead of hanging."""


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    """One server for the module: mounts keep tests apart."""
    with ReplayServer() as running:
        yield running


def faulty(spec: str) -> Script:
    return apply_faults(PLAIN, spec)


def trusting(server: ReplayServer, *protocols: str) -> ssl.SSLContext:
    """A client's context that trusts the server's authority and asks for these protocols."""
    context = ssl.create_default_context(cafile=str(server.ca_file))
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def plain_connection(mount: Mount) -> socket.socket:
    parts = urlsplit(mount.url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=SAFETY)


def tls_connection(server: ReplayServer, mount: Mount, *protocols: str, ragged: bool = True) -> ssl.SSLSocket:
    """ragged: whether an end without close_notify is an error."""
    context = trusting(server, *protocols)
    return context.wrap_socket(plain_connection(mount), server_hostname="127.0.0.1", suppress_ragged_eofs=not ragged)


def request(mount: Mount, head: str = "Connection: close\r\n") -> bytes:
    path = urlsplit(mount.base_url).path + "/chat/completions"
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(ASK)}\r\n{head}\r\n".encode() + ASK


def read_all(connection: socket.socket) -> bytes:
    read = b""
    while data := connection.recv(65536):
        read += data
    return read


def read_until_broken(connection: socket.socket) -> bytes:
    """Everything up to an end that no close_notify announced."""
    read = b""
    try:
        while data := connection.recv(65536):
            read += data
    except ssl.SSLEOFError:
        return read
    raise AssertionError("the end was announced")


def unchunked(body: bytes) -> bytes:
    """A body without its chunked coding; what is cut ends it."""
    out = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        out += rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]
        if size == b"0":
            break
    return out


class Talk:
    """An HTTP/2 client that shows frames and codes, on a connection of its own."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.state.initiate_connection()
        self.events: list[Any] = []
        self.flush()

    def flush(self) -> None:
        self.connection.sendall(self.state.data_to_send())

    def ask(self, mount: Mount, *, acknowledge: bool = True) -> int:
        """Send a request; the number of its stream."""
        number: int = self.state.get_next_available_stream_id()
        path = urlsplit(mount.base_url).path + "/chat/completions"
        fields = [(":method", "POST"), (":path", path), (":scheme", "https"), (":authority", "x")]
        self.state.send_headers(number, [*fields, ("authorization", "Bearer sk-secret")])
        self.state.send_data(number, ASK, end_stream=True)
        self.flush()
        return number

    def read(self, until: type[Any], *, acknowledge: bool = True) -> list[Any]:
        """Everything up to an event of this kind, or the end of the connection."""
        with suppress(ConnectionResetError, ssl.SSLEOFError):
            while not any(isinstance(e, until) for e in self.events) and (data := self.connection.recv(65536)):
                events = self.state.receive_data(data)
                for event in events:
                    if isinstance(event, h2.events.DataReceived) and acknowledge:
                        self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                self.events += events
                with suppress(ConnectionError, ssl.SSLEOFError):  # who is gone needs no window: what came before counts
                    self.flush()
        return self.events

    def data(self, number: int = 1) -> list[Any]:
        return [e for e in self.events if isinstance(e, h2.events.DataReceived) and e.stream_id == number]

    def body(self, number: int = 1) -> bytes:
        return b"".join(e.data for e in self.data(number))


@pytest.fixture
def talk(server: ReplayServer, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Makes HTTP/2 connections, which are closed behind the test."""
    made: list[Talk] = []

    def make(mount: Mount) -> Talk:
        tls = mount.url.startswith("https")
        made.append(Talk(tls_connection(server, mount, "h2", ragged=False) if tls else plain_connection(mount)))
        return made[-1]

    yield make
    for one in made:
        one.connection.close()


# Every fault, through a client that speaks all of it.

WIRED = [
    pytest.param(spec, id=spec)
    for fault in all_faults().values()
    if fault.effect == "lossless" and fault.layer in ("http", "bytes") and fault.fits(PLAIN.dialect)
    for variant in fault.variants
    for spec in [f"{fault.name}:{variant}" if variant else fault.name]
]


@pytest.mark.parametrize("http2", [True, False], ids=["http2", "http1"])
@pytest.mark.parametrize("spec", WIRED)
def test_lossless_faults_say_the_same(server: ReplayServer, spec: str, http2: bool) -> None:
    """Over HTTP/2 as over HTTP/1.1, and through TLS, the events are the recording's."""
    if spec == "http2:farewell" and http2:
        pytest.skip("httpx2 gives up streams that a GOAWAY lets go on: test_farewell and curl read it")
    over = spec if "http2" in spec or "tls" in spec else f"{spec}+http2"
    mount = server.mount(faulty(over))
    with (
        httpx2.Client(http2=http2, verify=trusting(server), trust_env=False, timeout=SAFETY) as client,
        client.stream("POST", mount.base_url + "/chat/completions", content=ASK) as response,
    ):
        body = b"".join(response.iter_bytes())
    assert PLAIN.dialect.read(body) == RECORDING.message
    spoken = "HTTP/1.1" if spec == "http2-cleartext" or spec.startswith("tls") or not http2 else "HTTP/2"
    assert mount.served().protocols == (spoken,)
    assert mount.url.startswith("http://" if spec == "http2-cleartext" else "https://")


CURLED = ["http2", "http2:tiny-frames", "http2:padded", "http2:farewell", "http2-cleartext", "http2+byte-by-byte"]


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not on this machine")
@pytest.mark.parametrize("spec", CURLED)
def test_curl(server: ReplayServer, spec: str) -> None:
    """A client with another HTTP/2 library (nghttp2) gets the same bytes."""
    if b"HTTP2" not in subprocess.run(["curl", "--version"], capture_output=True, check=True).stdout:
        pytest.skip("this curl does not speak HTTP/2")
    mount = server.mount(faulty(spec))
    way = ["--http2-prior-knowledge"] if spec == "http2-cleartext" else ["--http2", "--cacert", str(server.ca_file)]
    command = ["curl", "-sSN", "--noproxy", "*", *way, "-d", "{}", mount.base_url + "/chat/completions"]
    answer = subprocess.run(command, capture_output=True, timeout=SAFETY, check=False)
    assert answer.stderr == b""
    assert answer.stdout == PLAIN.body
    assert mount.served().protocols == ("HTTP/2",)


# HTTP/2, frame by frame.


def test_pieces_are_frames(server: ReplayServer, talk: Any) -> None:
    """A piece is a DATA frame; connection-specific fields are not sent (RFC 9113 8.2.2), END_STREAM ends it."""
    mount = server.mount(faulty("http2"))
    client = talk(mount)
    client.ask(mount)
    events = client.read(h2.events.StreamEnded)
    assert [e.data for e in client.data() if e.data] == [p.data for p in PLAIN.pieces]
    head = next(e for e in events if isinstance(e, h2.events.ResponseReceived))
    fields = dict(head.headers)
    assert fields[":status"] == "200"
    assert fields["content-type"] == "text/event-stream"
    assert not {"connection", "transfer-encoding"} & fields.keys()


def test_tiny_and_padded_frames(server: ReplayServer, talk: Any) -> None:
    """No frame has more than 7 bytes; each has a hundred bytes of padding."""
    mount = server.mount(faulty("http2:tiny-frames+one-event-per-write"))
    client = talk(mount)
    client.ask(mount)
    client.read(h2.events.StreamEnded)
    assert max(len(e.data) for e in client.data()) == 7
    assert client.body() == PLAIN.body
    mount = server.mount(faulty("http2:padded"))
    client = talk(mount)
    client.ask(mount)
    client.read(h2.events.StreamEnded)
    assert {e.flow_controlled_length - len(e.data) for e in client.data() if e.data} == {101}
    assert client.body() == PLAIN.body


@pytest.mark.parametrize(("how", "code"), [("internal-error", 2), ("cancel", 8), ("refused-stream", 7)])
def test_reset_streams(server: ReplayServer, talk: Any, how: str, code: int) -> None:
    """RST_STREAM with the code, behind half of the events or (refused) before anything; the connection stays."""
    mount = server.mount(faulty(f"http2-abort:{how}"))
    client = talk(mount)
    client.ask(mount)
    events = client.read(h2.events.StreamReset)
    assert [int(e.error_code) for e in events if isinstance(e, h2.events.StreamReset)] == [code]
    assert client.body() == mount.script.body
    assert any(isinstance(e, h2.events.ResponseReceived) for e in events) == (how != "refused-stream")
    client.events.clear()
    assert client.ask(mount) == 3
    client.read(h2.events.StreamReset)
    assert client.body(3) == mount.script.body


def test_goaway(server: ReplayServer, talk: Any) -> None:
    """Half of the events, a GOAWAY with an error, and the end of the connection."""
    mount = server.mount(faulty("http2-abort:goaway"))
    client = talk(mount)
    client.ask(mount)
    events = client.read(h2.events.ConnectionTerminated)
    assert client.body() == mount.script.body
    gone = events[-1]
    assert (gone.error_code, gone.last_stream_id) == (2, 1)
    assert client.connection.recv(1) == b""


def test_farewell(server: ReplayServer) -> None:
    """A GOAWAY without an error, and behind it the rest of the stream, and then the end of the connection."""
    from hyperframe.frame import DataFrame, Frame, GoAwayFrame

    mount = server.mount(faulty("http2:farewell"))
    with closing(tls_connection(server, mount, "h2")) as connection:
        Talk(connection).ask(mount)
        read = read_all(connection)
    frames = []
    while read:
        frame, length = Frame.parse_frame_header(memoryview(read[:9]))
        frame.parse_body(memoryview(read[9 : 9 + length]))
        frames.append(frame)
        read = read[9 + length :]
    at = next(n for n, frame in enumerate(frames) if isinstance(frame, GoAwayFrame))
    before, behind = ([f.data for f in part if isinstance(f, DataFrame)] for part in (frames[:at], frames[at:]))
    assert (frames[at].error_code, frames[at].last_stream_id) == (0, 1)
    assert before == [PLAIN.pieces[0].data]
    assert b"".join(before + behind) == PLAIN.body


@pytest.mark.parametrize("spec", ["http2+fin", "http2+reset"])
def test_http2_connection_drops(server: ReplayServer, talk: Any, spec: str) -> None:
    """The connection ends with neither END_STREAM nor GOAWAY."""
    mount = server.mount(faulty(spec))
    client = talk(mount)
    client.ask(mount)
    events = client.read(h2.events.StreamEnded)
    assert client.body() == mount.script.body
    assert not any(isinstance(e, (h2.events.StreamEnded, h2.events.ConnectionTerminated)) for e in events)


def test_streams_side_by_side(server: ReplayServer, talk: Any) -> None:
    """A stream that is silent holds up no other on the same connection; a reset of it leaves the others alone."""
    silent = server.mount(faulty("http2+stall"))
    spoken = server.mount(faulty("http2"))
    client = talk(silent)
    first, second = client.ask(silent), client.ask(spoken)
    client.read(h2.events.StreamEnded)
    assert client.body(second) == PLAIN.body
    client.state.reset_stream(first, 8)
    client.flush()
    assert silent.wait(SAFETY)
    assert silent.served().resets == (8,)
    assert silent.served().closed_early == 0.0
    client.events.clear()
    third = client.ask(spoken)
    client.read(h2.events.StreamEnded)
    assert client.body(third) == PLAIN.body
    assert len({r.connection for r in (*silent.requests, *spoken.requests)}) == 1


def test_flow_control(server: ReplayServer, talk: Any) -> None:
    """What the client's window does not allow is not sent, and comes when it does."""
    mount = server.mount(faulty("http2+oversized-line:200000"))
    client = talk(mount)
    client.ask(mount)
    client.connection.settimeout(0.5)
    with pytest.raises(TimeoutError):
        client.read(h2.events.StreamEnded, acknowledge=False)
    assert len(client.body()) == 65535
    client.connection.settimeout(SAFETY)
    client.state.increment_flow_control_window(10_000_000)
    client.state.increment_flow_control_window(10_000_000, 1)
    client.flush()
    client.read(h2.events.StreamEnded)
    assert client.body() == mount.script.body


def test_no_secret_of_http2_is_kept(server: ReplayServer, talk: Any) -> None:
    """The key is masked in the log, pseudo-header fields are not headers."""
    mount = server.mount(faulty("http2"))
    client = talk(mount)
    client.ask(mount)
    client.read(h2.events.StreamEnded)
    [received] = mount.requests
    assert received.headers["authorization"] == "Bearer ***"
    assert (received.method, received.protocol, received.body) == ("POST", "HTTP/2", ASK)
    assert not [name for name in received.headers if name.startswith(":")]


def test_unasked_http2_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that begins with HTTP/2 is told what is missing."""
    monkeypatch.setattr("streamgauge.server.listeners.find_spec", lambda name: None)
    with ReplayServer() as server:
        mount = server.mount(PLAIN)
        with closing(plain_connection(mount)) as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            assert b"streamgauge[http2]" in read_all(connection)


def test_what_is_missing_is_named(server: ReplayServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that needs a library which is not there is refused before anything is served, with the command."""
    monkeypatch.setattr(streamgauge.server.needs, "find_spec", lambda name: None)
    for spec, extra in (
        ("http2", "http2"),
        ("tls", "tls"),
        ("content-coding:br", "codings"),
        ("content-coding:zstd", "codings"),
        ("tls+retry-then-success", "tls"),
    ):
        with pytest.raises(UnavailableError, match=rf"pip install 'streamgauge\[{extra}\]'"):
            server.mount(faulty(spec))
    with pytest.raises(UnavailableError, match="cryptography"):
        ReplayServer(tls="valid").start()
    server.mount(PLAIN)


# TLS.


def test_tls_bytes(server: ReplayServer) -> None:
    """The answer inside TLS is the answer, and its end is announced."""
    mount = server.mount(faulty("tls"))
    with closing(tls_connection(server, mount)) as connection:
        connection.sendall(request(mount))
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert unchunked(body) == PLAIN.body
    assert body.endswith(b"0\r\n\r\n")


def test_no_close_notify(server: ReplayServer) -> None:
    """Behind the last chunk the connection just ends: a client that asks to be told is told."""
    mount = server.mount(faulty("tls:no-close-notify"))
    with closing(tls_connection(server, mount)) as connection:
        connection.sendall(request(mount))
        read = read_until_broken(connection)
    assert unchunked(read.partition(b"\r\n\r\n")[2]) == PLAIN.body
    assert read.endswith(b"0\r\n\r\n")


def test_tls_truncated(server: ReplayServer) -> None:
    """Half of the events, without any framing, and no close_notify."""
    script = faulty("tls-truncated")
    mount = server.mount(script)
    with closing(tls_connection(server, mount)) as connection:
        connection.sendall(request(mount))
        read = read_until_broken(connection)
    head, _, body = read.partition(b"\r\n\r\n")
    assert body == script.body
    assert b"Content-Length" not in head
    assert b"Transfer-Encoding" not in head


def test_small_records(server: ReplayServer) -> None:
    """A record carries at most 7 bytes: what the records weigh shows it."""
    mount = server.mount(faulty("tls:small-records"))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting(server).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with closing(plain_connection(mount)) as connection:

        def step(do: Any) -> Any:
            """Run a step of TLS, with what it needs from the wire."""
            while True:
                try:
                    result = do()
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
                    incoming.write(connection.recv(65536))
                else:
                    connection.sendall(outgoing.read())
                    return result

        step(tls.do_handshake)
        step(lambda: tls.write(request(mount)))
        read = b""
        sizes = []
        while data := step(lambda: tls.read(65536)):
            sizes.append(len(data))  # a read gives one record
            read += data
    assert unchunked(read.partition(b"\r\n\r\n")[2]) == PLAIN.body
    assert max(sizes) == 7


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("expired", "certificate has expired"),
        ("wrong-host", "IP address mismatch"),
        ("self-signed", "self-signed certificate"),
    ],
)
def test_bad_certificates(server: ReplayServer, kind: str, said: str) -> None:
    """Each has exactly the fault that it is named after, and the server survives the client's alert."""
    mount = server.mount(faulty(f"bad-certificate:{kind}"))
    with closing(plain_connection(mount)) as connection, pytest.raises(ssl.SSLCertVerificationError, match=said):
        trusting(server).wrap_socket(connection, server_hostname="127.0.0.1")
    assert mount.served().requests == ()
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    careless.check_hostname = False
    careless.verify_mode = ssl.CERT_NONE
    with closing(careless.wrap_socket(plain_connection(mount))) as connection:
        connection.sendall(request(mount))
        assert unchunked(read_all(connection).partition(b"\r\n\r\n")[2]) == PLAIN.body


def test_valid_for_each_name_of_the_host(server: ReplayServer) -> None:
    """The good certificate is for localhost by name and by address."""
    mount = server.mount(faulty("tls"))
    for name in ("localhost", "127.0.0.1", "::1"):
        with closing(trusting(server).wrap_socket(plain_connection(mount), server_hostname=name)) as connection:
            assert connection.version() in ("TLSv1.2", "TLSv1.3")


def test_cleartext_on_a_tls_port(server: ReplayServer) -> None:
    """Bytes that are no TLS end the connection, and nothing else."""
    mount = server.mount(faulty("tls"))
    with closing(plain_connection(mount)) as connection:
        connection.sendall(request(mount))
        with suppress(ConnectionResetError):
            read_all(connection)
    assert mount.served().requests == ()
    with closing(tls_connection(server, mount)) as connection:
        connection.sendall(request(mount))
        assert read_all(connection).startswith(b"HTTP/1.1 200")


def test_leaving_is_seen_through_tls(server: ReplayServer) -> None:
    """A client that says goodbye, and one that does not, have both left."""
    for goodbye in (True, False):
        mount = server.mount(faulty("tls+stall"))
        connection = tls_connection(server, mount)
        connection.sendall(request(mount))
        connection.recv(1)
        below: socket.socket = connection
        if goodbye:
            with suppress(TimeoutError, ssl.SSLError, OSError):
                below = connection.unwrap()
        below.close()
        connection.close()
        assert mount.wait_closed(SAFETY)
        assert mount.served().closed_early == 0.0


def test_many_tls_streams_at_once(server: ReplayServer) -> None:
    """A hundred clients, each whole."""
    mount = server.mount(faulty("tls"))

    def one(_: int) -> bool:
        with closing(tls_connection(server, mount)) as connection:
            connection.sendall(request(mount))
            return unchunked(read_all(connection).partition(b"\r\n\r\n")[2]) == PLAIN.body

    with ThreadPoolExecutor(10) as pool:
        assert all(pool.map(one, range(100)))


def test_a_server_in_tls() -> None:
    """The server's own URL can be TLS with HTTP/2; mounts that need nothing else are there, others are elsewhere."""
    with ReplayServer(tls="valid", http2=True) as server:
        own = server.mount(PLAIN)
        assert server.url.startswith("https://127.0.0.1:")
        assert own.url.startswith(server.url)
        assert not server.mount(faulty("bad-certificate:expired")).url.startswith(server.url)
        with httpx2.Client(http2=True, verify=trusting(server), trust_env=False, timeout=SAFETY) as client:
            assert client.post(own.base_url + "/chat/completions", content=ASK).http_version == "HTTP/2"
            played = client.post(server.url + "/play/plain-text/tls/v1/chat/completions", content=ASK)
        assert played.content == PLAIN.body


def test_faults_that_a_url_can_not_have(server: ReplayServer) -> None:
    """A fault that needs TLS is refused where it is picked by the URL of a server without it."""
    answer = httpx2.post(server.url + "/play/plain-text/tls/v1/chat/completions", content=ASK, trust_env=False)
    assert answer.status_code == 501
    assert "streamgauge serve --fault tls" in answer.text


def test_the_authority(server: ReplayServer) -> None:
    """One authority; its file is there as long as the server, and only it is in it."""
    assert server.ca_file.read_bytes() == server.ca_pem
    assert server.ca_pem.count(b"BEGIN CERTIFICATE") == 1
    assert b"PRIVATE KEY" not in server.ca_pem
    with ReplayServer() as other:
        path: Path = other.ca_file
        assert path.exists()
    assert not path.exists()


def test_no_authority_without_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is missing each time that somebody asks: clients would be told to trust a file that is not there."""
    monkeypatch.setattr("streamgauge.server.replay.authority", Mock(side_effect=UnavailableError("no cryptography")))
    with ReplayServer() as server:
        for _ in range(2):
            with pytest.raises(UnavailableError):
                _ = server.ca_file


@pytest.mark.parametrize("spec", ["tls+stall", "http2+stall", "http2+slow-drip:5"])
def test_close_ends_every_kind_of_connection(spec: str) -> None:
    """No socket and no thread outlive the server, whatever the connection spoke; one that never shook hands neither."""
    before = set(threading.enumerate())
    with ReplayServer() as server:
        mount = server.mount(faulty(spec))
        mute = plain_connection(mount)
        if "http2" in spec:
            client = Talk(tls_connection(server, mount, "h2", ragged=False))
            client.ask(mount)
            client.read(h2.events.DataReceived)
            connection = client.connection
        else:
            connection = tls_connection(server, mount)
            connection.sendall(request(mount))
            connection.recv(1)
    for left in (mute, connection):
        with closing(left), suppress(OSError):
            read_all(left)
    assert {t for t in set(threading.enumerate()) - before if t.name == "streamgauge-replay"} == set()


def test_slow_reader_makes_the_server_wait(server: ReplayServer) -> None:
    """Behind a reader who does not read, most of the stream is unsent; when it reads, all of it comes."""
    script = faulty("slow-reader")
    mount = server.mount(script)
    with closing(plain_connection(mount)) as connection:
        connection.sendall(request(mount))
        begun = connection.recv(1)
        seen = 0
        while len(mount.sends) != seen or not seen:  # until the server has stopped
            seen = len(mount.sends)
            time.sleep(0.1)
        assert seen < len(script.pieces) / 2
        body = (begun + read_all(connection)).partition(b"\r\n\r\n")[2]
    assert PLAIN.dialect.read(unchunked(body)) == RECORDING.message


# What is not there.


def test_a_port_that_refuses(server: ReplayServer) -> None:
    """Connections are refused, each time, and the port is nobody else's."""
    mount = server.mount(faulty("unreachable:refused"))
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            plain_connection(mount)
    port = urlsplit(mount.url).port
    with closing(socket.socket()) as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))


def test_a_host_that_is_unknown(server: ReplayServer) -> None:
    """The name is one that no resolver may know (RFC 6761 6.4)."""
    mount = server.mount(faulty("unreachable:dns"))
    assert (urlsplit(mount.url).hostname or "").endswith(".invalid")
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(urlsplit(mount.url).hostname, 80)


def test_proxy_wants_credentials(server: ReplayServer) -> None:
    """A client that goes through a proxy gets its 407, whatever host it asked for."""
    mount = server.mount(faulty("proxy-auth"))
    url = "http://model.example" + urlsplit(mount.base_url).path + "/chat/completions"
    proxy = mount.url.partition("/m/")[0]
    with httpx2.Client(proxy=proxy, trust_env=False, timeout=SAFETY) as client:
        answer = client.post(url, content=ASK)
    assert answer.status_code == 407
    assert answer.headers["proxy-authenticate"].startswith("Basic")


def test_a_server_can_be_started_again() -> None:
    """Closed and started, it listens anew, also in TLS."""
    server = ReplayServer()
    for _ in range(2):
        with server:
            for spec in ("", "tls"):
                mount = server.mount(faulty(spec))
                with httpx2.Client(verify=trusting(server), trust_env=False, timeout=SAFETY) as client:
                    assert client.post(mount.base_url + "/chat/completions", content=ASK).content == PLAIN.body
    with pytest.raises(StreamgaugeError, match="does not run"):
        server.mount(PLAIN)
