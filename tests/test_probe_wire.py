"""The wire probe on real sockets: what it records, when, how it ends, and what it connects through."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamgauge.chat import ChatRequest
from streamgauge.errors import StreamgaugeError
from streamgauge.events import OUTPUT, TextDelta
from streamgauge.instrument import exchange as exchange_module
from streamgauge.instrument import response
from streamgauge.instrument.clocks import stamp_of, stamping, wall_offset
from streamgauge.instrument.exchange import Probed, Timeouts
from streamgauge.instrument.link import Endpoint
from streamgauge.instrument.proxies import proxy_for
from streamgauge.instrument.wire import WireProbe
from streamgauge.measurement.metrics import measure
from streamgauge.registry import all_dialects, get_dialect
from streamgauge.script import Piece, Script
from streamgauge.server import Received, ReplayServer
from streamgauge.server.standalone import paced
from streamgauge.transport import UnreachableError

CHAT = get_dialect("openai-chat")
SAY = ChatRequest.of("Say something")
LINUX = sys.platform == "linux"
SHORT = Timeouts(connect=5, first_event=20, idle=20, total=40)
"""Safety nets; nothing is expected to take that long."""
KEY = "sk-test-0123456789abcdef"

# Made for these tests: localhost, backend.test and 127.0.0.1, until 2126.
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBtzCCAV2gAwIBAgIUK5RG8v5L9kgia+cQznThLbCtB8UwCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQc3RyZWFtZ2F1Z2UgdGVzdDAgFw0yNjExMjIxNDM2NDhaGA8y
MTI2MTAyOTE0MzY0OFowGzEZMBcGA1UEAwwQc3RyZWFtZ2F1Z2UgdGVzdDBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABN6hirz4/8vYSR5obzmOX99MGFxRtOAcfttq
1v6Vd4TcoYyFpb5+fBr8Aqnf0nICn5NBadqgjrKMaWKUJHXhMHmjfTB7MB0GA1Ud
DgQWBBRMHXsc5ap5U+FvSsPDUSQghuQCWDAfBgNVHSMEGDAWgBRMHXsc5ap5U+Fv
SsPDUSQghuQCWDAoBgNVHREEITAfgglsb2NhbGhvc3SCDGJhY2tlbmQudGVzdIcE
fwAAATAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCaJKVivSXX
qA5w+qmFBaB6TGqNVGGE2ny84Xl7k0tcyAIge0+/8WK1SVL04dThXRSt1E701q0E
7Uf93cyLKMHUUtI=
-----END CERTIFICATE-----
"""
PRIVATE = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgavFilnpKZ41YGn7s
6sVSTG6nUznGmqcBZwNmi+/aLEKhRANCAATeoYq8+P/L2EkeaG85jl/fTBhcUbTg
HH7batb+lXeE3KGMhaW+fnwa/AKp39JyAp+TQWnaoI6yjGlilCR14TB5
-----END PRIVATE KEY-----
"""
BODY = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(BODY)
ANSWER = HEAD + BODY
LONG = ChatRequest.of("x" * 8_000_000)
"""A request larger than what the kernel keeps for a server that does not read."""


def loops() -> list[Any]:
    found = [pytest.param(asyncio.new_event_loop, id="asyncio")]
    if importlib.util.find_spec("uvloop"):
        import uvloop

        found.append(pytest.param(uvloop.new_event_loop, id="uvloop"))
    return found


@pytest.fixture(params=loops())
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """An event loop of each kind that is installed."""
    with asyncio.Runner(loop_factory=request.param) as found:
        yield found


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as found:
        yield found


def probe(
    runner: asyncio.Runner, base_url: str, *requests: ChatRequest, dialect: Any = CHAT, **options: Any
) -> list[Probed]:
    """Ask one after the other with one probe."""

    async def run() -> list[Probed]:
        found = WireProbe(dialect, base_url, **{"timeouts": SHORT, **options})
        try:
            return [await found.ask(request) for request in requests or (SAY,)]
        finally:
            await found.aclose()

    return runner.run(run())


def outcome(probed: Probed, dialect: Any = CHAT) -> str:
    async def judge() -> str:
        found = WireProbe(dialect, "http://127.0.0.1:1")
        try:
            return found.timeline(probed).outcome
        finally:
            await found.aclose()

    return asyncio.run(judge())


def read_request(connection: socket.socket) -> bytes:
    """One whole request with a Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    while lengths and len(body) < int(lengths[0]) and (more := connection.recv(65536)):
        body += more
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def raw_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A listener that hands each connection to a function, in a thread; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

        def handle(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError, ssl.SSLError):
                serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def answering(answer: bytes, seen: list[bytes] | None = None) -> Callable[[socket.socket], None]:
    """Answers every request of a connection with these bytes."""

    def serve(connection: socket.socket) -> None:
        while request := read_request(connection):
            if seen is not None:
                seen.append(request)
            connection.sendall(answer)

    return serve


# What it records


def test_reads_are_recorded_as_they_were_sent(runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each write of the server, made when the one before was read, is one read; the events are those of the script."""
    frames = [piece.data for piece in paced(CHAT, [0.0] * 5).pieces]
    taken = threading.Semaphore(0)
    read = exchange_module.Exchange.read

    def told(*arguments: Any) -> None:
        read(*arguments)
        taken.release()

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        length = sum(map(len, frames))
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {length}\r\n\r\n"
        for data in (head.encode(), *frames):
            connection.sendall(data)
            assert taken.acquire(timeout=60)

    monkeypatch.setattr(exchange_module.Exchange, "read", told)
    with raw_server(serve) as port:
        (found,) = probe(runner, f"http://127.0.0.1:{port}")
    assert [arrival.data for arrival in found.trace.arrivals] == frames
    assert (found.trace.status, found.trace.ended, found.connect is not None) == (200, "eof", True)
    assert found.trace.header("content-type") == "text/event-stream"
    texts = [e.text for e in CHAT.decode(found.trace.body) if isinstance(e, TextDelta)]
    assert texts == [f" word{n}" for n in range(5)]
    assert outcome(found) == "complete"


def test_nothing_arrives_before_it_was_sent(runner: asyncio.Runner, server: ReplayServer) -> None:
    """On the clock that both share: request, its receipt, each send, each arrival, each seeing, in this order."""
    mount = server.mount(paced(CHAT, [0.02] * 6))
    (found,) = probe(runner, mount.base_url)
    slack = 200e-6  # the distance of two clocks is measured, not known
    assert found.sent <= mount.requests[0].at + slack
    assert found.trace.headers_at is not None
    arrivals = [found.sent + a.at for a in found.trace.arrivals]
    sizes = [len(a.data) for a in found.trace.arrivals]
    sent, total = [], 0
    for send in mount.sends:
        total += send.size
        sent.append((total, send.at))
    received = 0
    for at, size in zip(arrivals, sizes, strict=True):
        received += size
        assert at >= max(moment for end, moment in sent if end <= received) - slack
    assert found.trace.headers_at <= found.trace.arrivals[0].at
    assert arrivals == sorted(arrivals)
    assert all(lag >= 0 for lag in found.lags)


@pytest.mark.skipif(not LINUX, reason="kernel receive timestamps are read on Linux")
def test_the_kernel_s_stamp_does_not_wait_for_us(runner: asyncio.Runner, server: ReplayServer) -> None:
    """While our process is held up, an arrival keeps its time, and how late we saw it is told apart."""
    script = paced(CHAT, [0.0, 0.0])
    mount = server.mount(lambda received: asked(received))
    held, holding = 0.3, threading.Event()

    def hold_up() -> None:
        holding.set()
        while len(mount.sends) < 2:
            time.sleep(0.001)
        time.sleep(held)

    def asked(_: Received) -> Script:
        """The server begins when the loop of the probe is held up, which is when it has sent its request."""
        runner.get_loop().call_soon_threadsafe(hold_up)
        assert holding.wait(60)
        return script

    async def run() -> Probed:
        found = WireProbe(CHAT, mount.base_url, timeouts=SHORT)
        first = WireProbe(CHAT, server.mount(script).base_url, timeouts=SHORT)
        try:
            while not (await first.ask(SAY)).lags:
                pass  # the kernel takes a moment to begin with its stamps, longer on a busy machine
            return await found.ask(SAY)
        finally:
            await first.aclose()
            await found.aclose()

    found = runner.run(run())
    assert found.clock == "kernel receive timestamps"
    assert max(found.lags) >= held
    first = next(s.at for s in mount.sends)
    assert found.sent + found.trace.arrivals[0].at < first + held


def test_a_wall_clock_that_was_set_is_noticed(
    runner: asyncio.Runner, server: ReplayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stamps of a clock that jumped are not used: the time at which we saw the bytes is."""
    steps = iter([0, 10**9])
    monkeypatch.setattr(exchange_module, "wall_offset", lambda: wall_offset() + next(steps))
    (found,) = probe(runner, server.mount(paced(CHAT, [0.0] * 3)).base_url)
    assert found.clock == "monotonic at read"
    assert found.lags == ()
    assert 0 <= found.trace.arrivals[0].at < 30


def test_stamps_are_read_from_ancillary_data_only() -> None:
    """What is no stamp is none."""
    assert stamp_of([]) is None
    assert stamp_of([(socket.SOL_SOCKET, 1, b"\0" * 16), (socket.SOL_SOCKET, 35, b"\0" * 4)]) is None
    assert stamp_of([(socket.SOL_SOCKET, 35, (7).to_bytes(8, sys.byteorder) + (5).to_bytes(8, sys.byteorder))]) == (
        7_000_000_005
    )
    with socket.socket() as sock:
        assert stamping(sock) is LINUX


@pytest.mark.parametrize("dialect", all_dialects().values(), ids=lambda d: d.name)
def test_every_dialect_is_probed(server: ReplayServer, dialect: Any) -> None:
    """Any dialect: the timeline has the script's output and says complete."""
    mount = server.mount(paced(dialect, [0.0, 0.001, 0.001]))
    with asyncio.Runner() as runner:
        (found,) = probe(runner, mount.base_url, dialect=dialect)
    assert sum(isinstance(e, OUTPUT) for e in dialect.decode(found.trace.body)) == 3
    assert outcome(found, dialect) == "complete"


def test_times_count_from_the_intended_start() -> None:
    """With an intended start every moment is later by the schedule delay, which is told apart."""
    with ReplayServer() as server, asyncio.Runner() as runner:
        (found,) = probe(runner, server.mount(paced(CHAT, [0.0] * 3)).base_url)
    judge = WireProbe(CHAT, "http://127.0.0.1:1")
    plain, late = judge.timeline(found), judge.timeline(found, due=found.sent - 2.0)
    asyncio.run(judge.aclose())
    assert measure(late).schedule_delay == pytest.approx(2.0)
    for name in ("ttfb", "ttfe", "ttft", "ttft_answer", "e2e"):
        assert getattr(measure(late), name) == pytest.approx(getattr(measure(plain), name) + 2.0)
    assert measure(late).gaps == pytest.approx(measure(plain).gaps)


# Connections


def test_connections_are_kept(runner: asyncio.Runner, server: ReplayServer) -> None:
    """The second request goes over the first one's connection, and says that none was made."""
    mount = server.mount(paced(CHAT, [0.0] * 3))
    first, second = probe(runner, mount.base_url, SAY, SAY)
    assert first.connect is not None
    assert second.connect is None
    assert len({r.connection for r in mount.requests}) == 1


@pytest.mark.parametrize("change", [{"keep_alive": False}, {"framing": "close"}, {"ending": "fin"}])
def test_a_connection_that_ends_is_not_kept(
    runner: asyncio.Runner, server: ReplayServer, change: dict[str, Any]
) -> None:
    """Where the server ends the connection the next request has one of its own."""
    mount = server.mount(paced(CHAT, [0.0] * 3).but(**change))
    assert all(found.connect is not None for found in probe(runner, mount.base_url, SAY, SAY))
    assert len({r.connection for r in mount.requests}) == 2


def test_a_kept_connection_that_the_server_closed_is_left(runner: asyncio.Runner) -> None:
    """A connection that was closed while nobody used it is not used for the next request."""
    closed = threading.Semaphore(0)

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(ANSWER)
        connection.shutdown(socket.SHUT_RDWR)
        closed.release()

    async def run(port: int) -> list[Probed]:
        found = WireProbe(CHAT, f"http://127.0.0.1:{port}", timeouts=SHORT)
        out = []
        for _ in range(2):
            out.append(await found.ask(SAY))
            await asyncio.to_thread(closed.acquire)
            await asyncio.sleep(0.05)
        await found.aclose()
        return out

    with raw_server(serve) as port:
        assert [p.trace.ended for p in runner.run(run(port))] == ["eof", "eof"]


def test_a_connection_that_is_closed_under_a_request_is_made_anew(runner: asyncio.Runner) -> None:
    """A server that closes a kept connection without an answer gets the request again, once, and the trace says so."""
    connections: list[int] = []

    def serve(connection: socket.socket) -> None:
        connections.append(1)
        read_request(connection)
        connection.sendall(ANSWER)
        if len(connections) < 3:
            read_request(connection)

    with raw_server(serve) as port:
        found = probe(runner, f"http://127.0.0.1:{port}", SAY, SAY)
    assert [(p.reconnected, p.trace.ended) for p in found] == [(False, "eof"), (True, "eof")]
    assert found[1].connect is not None
    assert len(connections) == 2


def test_a_new_connection_that_is_closed_is_not_tried_again(runner: asyncio.Runner) -> None:
    """Without an answer on a connection of its own a stream is cut: nothing is sent twice."""
    connections: list[int] = []

    def serve(connection: socket.socket) -> None:
        connections.append(1)
        read_request(connection)

    with raw_server(serve) as port:
        (found,) = probe(runner, f"http://127.0.0.1:{port}")
    assert (found.reconnected, found.trace.ended, outcome(found)) == (False, "incomplete", "cut")
    assert len(connections) == 1


def test_a_request_larger_than_the_socket_s_buffer_goes_out(runner: asyncio.Runner, server: ReplayServer) -> None:
    """Eight megabytes of prompt arrive whole."""
    mount = server.mount(paced(CHAT, [0.0]))
    (found,) = probe(runner, mount.base_url, LONG)
    assert mount.requests[0].json["messages"][0]["content"] == LONG.messages[0].content
    assert outcome(found) == "complete"


def test_the_clock_starts_with_the_last_bytes_of_the_request(runner: asyncio.Runner) -> None:
    """What a large request waits for a server that takes its time to read it is not charged to the answer."""
    read: list[float] = []

    def serve(connection: socket.socket) -> None:
        connection.recv(1)
        read.append(time.monotonic())
        read_request(connection)
        connection.sendall(ANSWER)

    with raw_server(serve) as port:
        (found,) = probe(runner, f"http://127.0.0.1:{port}", LONG)
    assert found.sent > read[0]
    assert outcome(found) == "complete"


@pytest.mark.parametrize(
    ("say", "status", "ended"),
    [
        (lambda connection: connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"), 413, "eof"),
        (lambda connection: connection.shutdown(socket.SHUT_WR), None, "incomplete"),
        (lambda _: None, None, "timeout"),
    ],
    ids=["answer", "end", "silence"],
)
def test_a_request_that_nobody_reads_to_its_end(
    runner: asyncio.Runner, say: Callable[[socket.socket], None], status: int | None, ended: str
) -> None:
    """The stream ends with what the server says instead, or with patience, and the connection is not used again."""
    over = threading.Event()
    connections: list[int] = []

    def serve(connection: socket.socket) -> None:
        connections.append(1)
        connection.recv(1)
        say(connection)
        over.wait()

    with raw_server(serve) as port:
        try:
            patience = Timeouts(idle=0.2 if ended == "timeout" else 60)
            found = probe(runner, f"http://127.0.0.1:{port}", LONG, LONG, timeouts=patience)
        finally:
            over.set()
    assert [(p.trace.status, p.trace.ended, p.reconnected) for p in found] == [(status, ended, False)] * 2
    assert len(connections) == 2


def test_many_streams_at_a_time(runner: asyncio.Runner, server: ReplayServer) -> None:
    """Sixty-four streams in one loop are all whole, on as many connections."""
    mount = server.mount(paced(CHAT, [0.01] * 5))

    async def run() -> list[Probed]:
        found = WireProbe(CHAT, mount.base_url, timeouts=SHORT)
        try:
            return await asyncio.gather(*(found.ask(SAY) for _ in range(64)))
        finally:
            await found.aclose()

    found = runner.run(run())
    assert {p.trace.body for p in found} == {mount.script.body}  # type: ignore[union-attr]
    assert len({r.connection for r in mount.requests}) == 64


def test_giving_up_closes_the_connection(runner: asyncio.Runner, server: ReplayServer) -> None:
    """A task that is cancelled leaves no connection behind."""
    mount = server.mount(paced(CHAT, [0.0] * 3).but(ending="hold"))

    async def run() -> None:
        found = WireProbe(CHAT, mount.base_url, timeouts=SHORT)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(found.ask(SAY), 0.2)
        await found.aclose()

    runner.run(run())
    assert mount.wait_closed(20)


# How it ends


@pytest.mark.parametrize(
    ("change", "ended", "how"),
    [
        ({"ending": "fin"}, "incomplete", "cut"),
        ({"ending": "reset"}, "reset", "cut"),
        ({"declared_length": 10_000, "framing": "length", "ending": "fin"}, "incomplete", "cut"),
    ],
)
def test_a_broken_connection_is_told(
    runner: asyncio.Runner, server: ReplayServer, change: dict[str, Any], ended: str, how: str
) -> None:
    """FIN, RST and a length that is not reached before the terminator are cuts, with what had come kept."""
    whole = paced(CHAT, [0.0] * 6)
    mount = server.mount(whole.but(pieces=whole.pieces[:4], **change))
    (found,) = probe(runner, mount.base_url)
    assert (found.trace.ended, outcome(found)) == (ended, how)
    assert found.trace.body == b"".join(p.data for p in whole.pieces[:4])


def test_a_clean_end_without_the_terminator_is_truncated(runner: asyncio.Runner, server: ReplayServer) -> None:
    """The HTTP message is whole, the stream is not: no success."""
    whole = paced(CHAT, [0.0] * 6)
    (found,) = probe(runner, server.mount(whole.but(pieces=whole.pieces[:4])).base_url)
    assert (found.trace.ended, outcome(found)) == ("eof", "truncated")


@pytest.mark.parametrize(
    ("script", "timeouts"),
    [
        (paced(CHAT, [0.0] * 3).but(head_delay=None), Timeouts(first_event=0.2)),
        (paced(CHAT, [0.0, 60.0]), Timeouts(idle=0.2)),
        (paced(CHAT, [0.02] * 500), Timeouts(total=0.3)),
    ],
    ids=["no head", "silence", "no end"],
)
def test_patience_ends(runner: asyncio.Runner, server: ReplayServer, script: Script, timeouts: Timeouts) -> None:
    """A server that never answers, falls silent or never ends is given up, and the stream counts as stalled."""
    (found,) = probe(runner, server.mount(script).base_url, timeouts=timeouts)
    assert (found.trace.ended, outcome(found)) == ("timeout", "stalled")
    assert found.trace.note


def test_the_dialect_s_end_is_enough(
    runner: asyncio.Runner, server: ReplayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that keeps the message open behind the terminator is not waited for until patience ends."""
    monkeypatch.setattr(exchange_module, "QUIET", 0.05)
    mount = server.mount(paced(CHAT, [0.0] * 3).but(ending="hold"))
    (found,) = probe(runner, mount.base_url, timeouts=Timeouts(idle=600))
    assert (found.trace.ended, outcome(found)) == ("closed", "complete")


def test_silence_is_not_the_end(runner: asyncio.Runner, server: ReplayServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause in which the probe looks for the dialect's end, and finds none, costs the stream nothing."""
    monkeypatch.setattr(exchange_module, "QUIET", 0.02)
    mount = server.mount(paced(CHAT, [0.0, 0.2, 0.2]))
    (found,) = probe(runner, mount.base_url)
    assert (found.trace.ended, outcome(found)) == ("eof", "complete")


@pytest.mark.parametrize(
    ("status", "media_type", "body", "how"),
    [
        (429, "application/json", b'{"error":{"message":"slow down"}}', "refused"),
        (302, "text/html", b"", "refused"),
        (200, "text/html", b"<html>down</html>", "refused"),
        (200, "application/json", b'{"error":{"message":"no"}}', "refused"),
        (200, "text/plain", BODY, "complete"),
        (200, "", BODY, "complete"),
    ],
)
def test_what_is_no_stream_is_refused(
    runner: asyncio.Runner, server: ReplayServer, status: int, media_type: str, body: bytes, how: str
) -> None:
    """Another status or another media type is no stream, save where the body is the dialect's all the same."""
    headers = (("Content-Type", media_type),) if media_type else ()
    mount = server.mount(Script(dialect=CHAT, pieces=(Piece(body),) if body else (), status=status, headers=headers))
    (found,) = probe(runner, mount.base_url)
    assert outcome(found) == how


def test_bytes_that_are_no_http_end_the_stream(runner: asyncio.Runner) -> None:
    """What can't be parsed is an incomplete message, not an exception."""
    with raw_server(answering(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")) as port:
        (found,) = probe(runner, f"http://127.0.0.1:{port}")
    assert (found.trace.ended, found.trace.status) == ("incomplete", None)
    assert found.trace.note


def test_nobody_listens(runner: asyncio.Runner) -> None:
    """No connection is an error of the call, with the URL in its one line."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UnreachableError, match=f"nothing answers at http://127.0.0.1:{port}"):
        probe(runner, f"http://127.0.0.1:{port}/v1")


@pytest.mark.skipif(not LINUX, reason="a full backlog drops connections on Linux")
def test_a_connection_that_never_comes_about_is_given_up(runner: asyncio.Runner) -> None:
    """Where the listener accepts nobody any more, connecting ends with its own patience."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        with pytest.raises(UnreachableError, match="no connection within"):
            probe(runner, f"http://127.0.0.1:{listener.getsockname()[1]}", timeouts=Timeouts(connect=0.3))


def test_names_are_resolved(runner: asyncio.Runner, server: ReplayServer) -> None:
    """A host name goes through the resolver, each of its addresses is tried."""
    url = server.mount(paced(CHAT, [0.0])).base_url.replace("127.0.0.1", "localhost")
    (found,) = probe(runner, url)
    assert outcome(found) == "complete"


# What is sent


def test_the_request_is_the_dialect_s(runner: asyncio.Runner) -> None:
    """One POST with the dialect's path, body and headers, the key where it belongs, the query of the base URL."""
    seen: list[bytes] = []
    with raw_server(answering(ANSWER, seen)) as port:
        probe(runner, f"http://user:pass%20word@127.0.0.1:{port}/v1?api-version=2", api_key=KEY)
    head, _, body = seen[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v1/chat/completions?api-version=2 HTTP/1.1"
    assert f"Host: 127.0.0.1:{port}" in lines
    assert f"Authorization: Bearer {KEY}" in lines
    assert b'"stream":true' in body
    assert sum(line.lower().startswith("authorization") for line in lines) == 1


def test_a_user_in_the_url_is_sent_where_no_key_is(runner: asyncio.Runner) -> None:
    """User and password of the URL are basic credentials."""
    seen: list[bytes] = []
    with raw_server(answering(ANSWER, seen)) as port:
        probe(runner, f"http://user:pass%20word@127.0.0.1:{port}")
    assert b"Authorization: Basic dXNlcjpwYXNzIHdvcmQ=" in seen[0]


def test_the_key_is_in_no_part_of_the_trace(runner: asyncio.Runner) -> None:
    """A backend that repeats the key in its headers or its body gets it into no record."""
    body = b'{"error":{"message":"%s is not valid"}}' % KEY.encode()
    head = (
        f"HTTP/1.1 401 No\r\nX-Echo: {KEY}\r\nSet-Cookie: session=crumb\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    with raw_server(answering(head + body)) as port:
        (found,) = probe(runner, f"http://127.0.0.1:{port}", api_key=KEY)
    assert KEY not in repr(found)
    assert "crumb" not in repr(found)
    assert len(found.trace.body) == len(body)


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("ftp://host", {}, "not an http URL"),
        ("http://host", {"api_key": "with\nline"}, "API key"),
    ],
)
def test_a_wrong_call_is_said_at_once(url: str, options: dict[str, Any], words: str) -> None:
    """What can't be asked is an error of the call before any stream."""
    with pytest.raises(StreamgaugeError, match=words):
        WireProbe(CHAT, url, **options)


# Without httptools


def test_without_httptools_the_same_is_recorded(
    runner: asyncio.Runner, server: ReplayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parser that needs nothing installed gives the same trace."""
    mount = server.mount(paced(CHAT, [0.02] * 4))
    monkeypatch.setattr(response, "fast", lambda: False)
    found, again = probe(runner, mount.base_url, SAY, SAY)
    assert found.trace.body == again.trace.body == mount.script.body  # type: ignore[union-attr]
    assert again.connect is None
    assert outcome(found) == "complete"


# TLS


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """The test certificate and its key in one file."""
    path = tmp_path / "server.pem"
    path.write_text(CERTIFICATE + PRIVATE)
    return path


@pytest.fixture
def trusted(pem: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, trusted by way of OpenSSL's own variable."""
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    return pem


def tls_server(pem: Path, seen: list[bytes] | None = None) -> contextlib.AbstractContextManager[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            answering(ANSWER, seen)(secure)

    return raw_server(serve)


def test_tls_is_stamped_where_it_is_read(runner: asyncio.Runner, trusted: Path) -> None:
    """Over TLS the stream is whole, connections are kept, and the report says that the clock is our own."""
    with tls_server(trusted) as port:
        first, second = probe(runner, f"https://localhost:{port}/v1", SAY, SAY)
    assert [outcome(p) for p in (first, second)] == ["complete", "complete"]
    assert first.clock == "monotonic at read"
    assert first.lags == ()
    assert first.connect is not None
    assert second.connect is None


def test_authorities_are_read_once(
    runner: asyncio.Runner, trusted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later connections don't hold the event loop up with it; another SSL_CERT_FILE is another trust."""
    made: list[ssl.SSLContext] = []
    create = ssl.create_default_context
    other = tmp_path / "other.pem"
    other.write_bytes(trusted.read_bytes())
    monkeypatch.setattr(ssl, "create_default_context", lambda: made.append(create()) or made[-1])
    with tls_server(trusted) as port:
        monkeypatch.setenv("SSL_CERT_FILE", str(other))
        for _ in range(2):  # two probes, so two connections
            (found,) = probe(runner, f"https://localhost:{port}/v1", SAY)
            assert found.connect is not None
    assert len(made) == 1


def test_an_unknown_authority_is_refused(runner: asyncio.Runner, pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that nobody vouches for is an error of the call that says so."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with tls_server(pem) as port, pytest.raises(UnreachableError, match="certificate"):
        probe(runner, f"https://localhost:{port}/v1")


# Proxies


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment without proxies."""
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme.upper()}_PROXY", raising=False)
    return monkeypatch


def test_http_goes_through_the_proxy(runner: asyncio.Runner, environment: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY gets the absolute form, with its credentials; they are not the backend's."""
    seen: list[bytes] = []
    with raw_server(answering(ANSWER, seen)) as port:
        environment.setenv("http_proxy", f"http://me:secret@127.0.0.1:{port}")
        (found,) = probe(runner, "http://backend.test/v1")
    assert seen[0].startswith(b"POST http://backend.test/v1/chat/completions HTTP/1.1\r\n")
    assert b"\r\nHost: backend.test\r\n" in seen[0]
    assert b"\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n" in seen[0]
    assert outcome(found) == "complete"


def tunnelling(port: int, asked: list[bytes], answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> Any:
    """A proxy that opens every tunnel to one port of this machine."""

    def copy(a: socket.socket, b: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)

    def serve(connection: socket.socket) -> None:
        asked.append(read_request(connection))
        connection.sendall(answer)
        with socket.create_connection(("127.0.0.1", port)) as backend:
            threading.Thread(target=copy, args=(backend, connection), daemon=True).start()
            copy(connection, backend)

    return raw_server(serve)


def test_https_goes_through_a_tunnel(runner: asyncio.Runner, environment: pytest.MonkeyPatch, trusted: Path) -> None:
    """HTTPS_PROXY is asked for a tunnel, and what goes through it is between us and the backend."""
    seen: list[bytes] = []
    asked: list[bytes] = []
    with tls_server(trusted, seen) as backend, tunnelling(backend, asked) as port:
        environment.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        (found,) = probe(runner, "https://backend.test/v1", api_key=KEY)
    assert asked[0].startswith(b"CONNECT backend.test:443 HTTP/1.1\r\n")
    assert KEY.encode() not in asked[0]
    assert KEY.encode() in seen[0]
    assert outcome(found) == "complete"


def test_a_proxy_that_opens_no_tunnel_is_named(runner: asyncio.Runner, environment: pytest.MonkeyPatch) -> None:
    """A refusal is the proxy's, and the message says whose."""
    with tunnelling(9, [], b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as port:
        environment.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        with pytest.raises(UnreachableError, match=r"opens no tunnel to backend\.test:443: status 407"):
            probe(runner, "https://backend.test/v1")


def test_which_proxy_the_environment_names(environment: pytest.MonkeyPatch) -> None:
    """By scheme, then for all; none for this machine and for the hosts of NO_PROXY."""
    assert proxy_for("http://backend.test/v1") is None
    environment.setenv("ALL_PROXY", "proxy.test:3128")
    found = proxy_for("https://backend.test/v1")
    assert found is not None
    assert (found.host, found.port) == ("proxy.test", 3128)
    assert proxy_for("http://127.0.0.1:8000/v1") is None
    assert proxy_for("http://localhost:8000/v1") is None
    environment.setenv("NO_PROXY", "backend.test,other.test:8443")
    assert proxy_for("https://backend.test/v1") is None
    assert proxy_for("https://other.test:8443/v1") is None
    assert proxy_for("https://third.test/v1") is not None


@pytest.mark.parametrize("proxy", ["socks5://me:hidden-word@127.0.0.1:1080", "https://127.0.0.1:3128"])
def test_a_proxy_of_another_kind_is_refused(environment: pytest.MonkeyPatch, proxy: str) -> None:
    """What the probe does not speak is an error that says what to do, without the proxy's password."""
    environment.setenv("ALL_PROXY", proxy)
    with pytest.raises(StreamgaugeError, match="NO_PROXY") as caught:
        WireProbe(CHAT, "https://backend.test/v1")
    assert "hidden-word" not in str(caught.value)


def test_the_parts_of_an_endpoint() -> None:
    """IPv6 addresses, default ports and paths come out as a socket and a request need them."""
    found = Endpoint("http://[::1]:8080/v1/x?y=z")
    assert (found.host, found.port, found.authority, found.target) == ("::1", 8080, "[::1]:8080", "/v1/x?y=z")
    found = Endpoint("https://backend.test/v1")
    assert (found.port, found.authority, found.tls, found.login) == (443, "backend.test", True, "")
