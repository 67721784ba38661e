"""The replay server over real sockets: exact bytes, cuts, endings, connections, the log."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import pairwise
from unittest.mock import Mock
from urllib.parse import urlsplit

import httpx2
import pytest

from streamgauge.errors import StreamgaugeError
from streamgauge.events import End, Finish, Start, TextDelta
from streamgauge.faults import apply_faults
from streamgauge.registry import get_dialect
from streamgauge.script import Piece, Script
from streamgauge.server import Mount, Received, ReplayServer

CHAT = get_dialect("openai-chat")
EVENTS = [Start("c-1", "gpt-4"), *(TextDelta(f" wörd{n}") for n in range(5)), Finish("stop"), End("complete")]
SCRIPT = Script(
    dialect=CHAT,
    pieces=tuple(map(Piece, CHAT.encode(EVENTS))),
    headers=(("Content-Type", CHAT.media_type),),
)
ASK = b'{"model":"gpt-4","stream":true,"messages":[]}'


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    """One server for the module: mounts keep tests apart."""
    with ReplayServer() as running:
        yield running


def connect(url: str) -> socket.socket:
    """A plain connection; the timeout is a safety net only."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)


def request(mount: Mount, *, body: bytes = ASK, head: str = "", version: str = "1.1", method: str = "POST") -> bytes:
    """The bytes of a request for a mount's stream."""
    path = urlsplit(mount.base_url).path + "/chat/completions"
    lines = f"{method} {path} HTTP/{version}\r\nHost: x\r\nContent-Length: {len(body)}\r\n{head}\r\n"
    return lines.encode() + body


def read_all(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    read = b""
    while data := connection.recv(65536):
        read += data
    return read


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """Everything up to these bytes, which must come last."""
    read = b""
    while not read.endswith(end):
        data = connection.recv(65536)
        assert data, read
        read += data
    return read


def raw(mount: Mount, *, head: str = "Connection: close\r\n", version: str = "1.1", method: str = "POST") -> bytes:
    """The whole answer as bytes, on a connection of its own."""
    with closing(connect(mount.url)) as connection:
        connection.sendall(request(mount, head=head, version=version, method=method))
        return read_all(connection)


def split(answer: bytes) -> tuple[list[str], bytes]:
    """Status line and header lines, and the body with its framing."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode().split("\r\n"), body


def test_chunked_bytes(server: ReplayServer) -> None:
    """Each piece is one chunk, and the last chunk ends the message."""
    head, body = split(raw(server.mount(SCRIPT)))
    assert head[0] == "HTTP/1.1 200 OK"
    assert "Content-Type: text/event-stream" in head
    assert "Transfer-Encoding: chunked" in head
    assert "Connection: close" in head
    assert body == b"".join(b"%x\r\n%s\r\n" % (len(p.data), p.data) for p in SCRIPT.pieces) + b"0\r\n\r\n"


def test_content_length_bytes(server: ReplayServer) -> None:
    """With Content-Length the body goes as it is."""
    head, body = split(raw(server.mount(SCRIPT.but(framing="length"))))
    assert f"Content-Length: {len(SCRIPT.body)}" in head
    assert not any(line.startswith("Transfer-Encoding") for line in head)
    assert body == SCRIPT.body


def test_close_delimited_bytes(server: ReplayServer) -> None:
    """Without any framing the end of the connection is the end of the body, also for a client that keeps alive."""
    head, body = split(raw(server.mount(SCRIPT.but(framing="close")), head=""))
    assert "Connection: close" in head
    assert not any(line.startswith(("Transfer-Encoding", "Content-Length")) for line in head)
    assert body == SCRIPT.body


def test_http_1_0_gets_no_chunks(server: ReplayServer) -> None:
    """An HTTP/1.0 client can't read chunks (RFC 9112 7.1)."""
    head, body = split(raw(server.mount(SCRIPT), head="", version="1.0"))
    assert not any(line.startswith("Transfer-Encoding") for line in head)
    assert body == SCRIPT.body


def test_reads_keep_the_cuts(server: ReplayServer) -> None:
    """What is written apart, with a pause, arrives apart."""
    cuts = [SCRIPT.body[:7], SCRIPT.body[7:100], SCRIPT.body[100:]]
    mount = server.mount(SCRIPT.but(pieces=tuple(Piece(c, 0.05) for c in cuts), framing="close"))

    def reads() -> list[bytes]:
        with closing(connect(mount.url)) as connection:
            connection.sendall(request(mount))
            read_until(connection, b"\r\n\r\n")
            return [connection.recv(65536) for _ in cuts]

    # A reader that the machine holds up for longer than a pause finds two pieces in one read: hence several tries.
    assert any(reads() == cuts for _ in range(10))


def test_fin_leaves_out_the_last_chunk(server: ReplayServer) -> None:
    """The connection is closed in an orderly way, the message is not complete."""
    _, body = split(raw(server.mount(SCRIPT.but(ending="fin")), head=""))
    assert body.endswith(SCRIPT.pieces[-1].data + b"\r\n")


def test_reset_is_a_reset(server: ReplayServer) -> None:
    """All pieces arrive, then RST."""
    mount = server.mount(SCRIPT.but(ending="reset"))
    with closing(connect(mount.url)) as connection:
        connection.sendall(request(mount))
        read_until(connection, SCRIPT.pieces[-1].data + b"\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_hold_keeps_the_connection_open(server: ReplayServer) -> None:
    """The pieces come and then nothing, not even an end."""
    mount = server.mount(SCRIPT.but(ending="hold"))
    with closing(connect(mount.url)) as connection:
        connection.sendall(request(mount))
        read_until(connection, SCRIPT.pieces[-1].data + b"\r\n")
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert mount.unfinished == 1
    assert mount.wait_closed()


def test_stall_before_headers(server: ReplayServer) -> None:
    """Not a byte comes, and the server notices when the client gives up."""
    mount = server.mount(SCRIPT.but(head_delay=None))
    with closing(connect(mount.url)) as connection:
        connection.sendall(request(mount))
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert mount.wait_closed()
    assert mount.served().closed_early == 0.0


def test_lengths_that_lie(server: ReplayServer) -> None:
    """A declared length goes out as declared, and the connection ends behind the answer."""
    longer = split(raw(server.mount(apply_faults(SCRIPT, "length-too-long:9")), head=""))
    assert f"Content-Length: {len(SCRIPT.body) + 9}" in longer[0]
    assert longer[1] == SCRIPT.body
    shorter = split(raw(server.mount(apply_faults(SCRIPT, "length-too-short:9")), head=""))
    assert "Content-Length: 9" in shorter[0]
    assert "Connection: close" in shorter[0]


def test_extras_on_the_wire(server: ReplayServer) -> None:
    """Interim answers, chunk extensions, trailers and odd header names are sent as the fault says."""
    interim = raw(server.mount(apply_faults(SCRIPT, "http-extras:interim")))
    assert interim.startswith(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n")
    _, body = split(raw(server.mount(apply_faults(SCRIPT, "http-extras:extensions"))))
    assert body.startswith(b'%x;sg="a;b"\r\n' % len(SCRIPT.pieces[0].data))
    head, body = split(raw(server.mount(apply_faults(SCRIPT, "http-extras:trailers"))))
    assert "Trailer: X-Streamgauge-Trailer" in head
    assert body.endswith(b"0\r\nX-Streamgauge-Trailer: yes\r\n\r\n")
    head, _ = split(raw(server.mount(apply_faults(SCRIPT, "http-extras:header-case"))))
    assert "cOnTeNt-tYpE: text/event-stream" in head


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_content_coding(server: ReplayServer, coding: str) -> None:
    """Each piece is decodable when it arrives; a client that did not offer the coding gets none."""
    mount = server.mount(apply_faults(SCRIPT, f"content-coding:{coding}"))
    url = mount.base_url + "/chat/completions"
    with httpx2.stream("POST", url, content=ASK, headers={"Accept-Encoding": coding}) as response:
        assert response.headers["content-encoding"] == coding
        assert b"".join(response.iter_bytes()) == SCRIPT.body
    plain = httpx2.post(url, content=ASK, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == SCRIPT.body
    assert [s.size for s in mount.sends] == 2 * [len(p.data) for p in SCRIPT.pieces]


def test_truncated_coding(server: ReplayServer) -> None:
    """The compressed body ends without its end."""
    mount = server.mount(apply_faults(SCRIPT, "truncated-coding:gzip"))
    _, body = split(raw(mount, head="Connection: close\r\nAccept-Encoding: gzip\r\n"))
    assert body.endswith(b"\x00\x00\xff\xff\r\n0\r\n\r\n")  # the mark of a flush, not of an end


def test_split_framing(server: ReplayServer) -> None:
    """The framing is the same, only its writes are not."""
    mount = server.mount(apply_faults(SCRIPT, "split-framing"))
    assert split(raw(mount))[1] == split(raw(server.mount(SCRIPT)))[1]
    assert len(mount.sends) == len(SCRIPT.pieces)


def test_keep_alive(server: ReplayServer) -> None:
    """Two requests on one connection are answered on it, and the log shows the reuse."""
    mount = server.mount(SCRIPT)
    with httpx2.Client() as client:
        bodies = [client.post(mount.base_url + "/chat/completions", content=ASK).content for _ in range(2)]
        assert mount.open_connections == 1
    assert bodies == [SCRIPT.body, SCRIPT.body]
    assert len({r.connection for r in mount.requests}) == 1
    assert [s.request for s in mount.sends] == [0] * len(SCRIPT.pieces) + [1] * len(SCRIPT.pieces)
    assert mount.wait_closed()


def test_pipelined_requests(server: ReplayServer) -> None:
    """Requests that come at once are answered in order."""
    mount = server.mount(SCRIPT.but(framing="length"))
    with closing(connect(mount.url)) as connection:
        connection.sendall(request(mount) + request(mount, head="Connection: close\r\n"))
        assert read_all(connection).count(SCRIPT.body) == 2


def test_script_without_keep_alive(server: ReplayServer) -> None:
    """The server closes behind the answer, whatever the client wants."""
    head, _ = split(raw(server.mount(SCRIPT.but(keep_alive=False)), head=""))
    assert "Connection: close" in head


def test_request_byte_by_byte(server: ReplayServer) -> None:
    """A request may come cut anywhere."""
    mount = server.mount(SCRIPT)
    with closing(connect(mount.url)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request(mount, head="Connection: close\r\n"):
            connection.sendall(bytes((byte,)))
        assert SCRIPT.pieces[0].data in read_all(connection)
    assert mount.requests[0].json["stream"] is True


def test_chunked_request(server: ReplayServer) -> None:
    """A request body may be chunked, with extensions and trailers."""
    mount = server.mount(SCRIPT)
    path = urlsplit(mount.base_url).path + "/chat/completions"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    body = b"a;x=y\r\n" + ASK[:10] + b"\r\n%X\r\n" % len(ASK[10:]) + ASK[10:] + b"\r\n0\r\nT: 1\r\n\r\n"
    with closing(connect(mount.url)) as connection:
        connection.sendall(head + body)
        assert b"200 OK" in read_all(connection)
    assert mount.requests[0].body == ASK


def test_expect_continue(server: ReplayServer) -> None:
    """A client that waits for leave to send its body gets it."""
    mount = server.mount(SCRIPT)
    whole = request(mount, head="Expect: 100-continue\r\nConnection: close\r\n")
    head, _, body = whole.partition(b"\r\n\r\n")
    with closing(connect(mount.url)) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert read_until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert read_all(connection).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"POST / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"x" * 70_000,
    ],
)
def test_bad_requests(server: ReplayServer, sent: bytes) -> None:
    """What is no request gets a 400 that says why, and the end of the connection."""
    with closing(connect(server.url)) as connection:
        connection.sendall(sent)
        head, body = split(read_all(connection))
    assert head[0] == "HTTP/1.1 400 Bad Request"
    assert b"not a request that this server can read" in body


def test_send_log(server: ReplayServer) -> None:
    """One entry a piece, in order of time, between the request and now; the sizes are the pieces'."""
    mount = server.mount(apply_faults(SCRIPT, "byte-by-byte"))
    before = time.monotonic()
    raw(mount)
    after = time.monotonic()
    assert [s.size for s in mount.sends] == [1] * len(SCRIPT.body)
    times = [mount.requests[0].at, *(s.at for s in mount.sends)]
    assert all(a <= b for a, b in pairwise(times))
    assert before <= times[0] <= times[-1] <= after


def test_delays_are_kept(server: ReplayServer) -> None:
    """A piece is never sent before its time, and pauses don't add their errors up."""
    mount = server.mount(SCRIPT.but(pieces=tuple(Piece(p.data, 0.02) for p in SCRIPT.pieces)))
    raw(mount)
    start = mount.requests[0].at
    for number, sent in enumerate(mount.sends, 1):
        assert sent.at - start > number * 0.02 - 0.003  # the loop's clock has a resolution too


def test_no_secret_is_kept(server: ReplayServer) -> None:
    """Keys in headers and in the URL are masked before anything is stored."""
    mount = server.mount(SCRIPT)
    headers = {"Authorization": "Bearer sk-topsecret", "x-api-key": "topsecret", "Cookie": "s=topsecret"}
    httpx2.post(mount.base_url + "/chat/completions?key=topsecret&x=1", headers=headers, content=ASK)
    httpx2.post(mount.url + "/topsecret-is-no-path", headers=headers, content=ASK)
    assert mount.requests[0].headers["authorization"] == "Bearer ***"
    assert mount.requests[0].headers["x-api-key"] == "***"
    assert "key=***&x=1" in mount.requests[0].path
    assert "topsecret" not in repr(mount.requests[0])
    assert "topsecret" not in repr(mount.served().requests[0])


def test_early_close_is_seen(server: ReplayServer) -> None:
    """A client that leaves in the middle is told from a server that ended."""
    mount = server.mount(apply_faults(SCRIPT, "stall"))
    connection = connect(mount.url)
    connection.sendall(request(mount))
    connection.recv(65536)
    assert mount.unfinished == 1
    assert mount.served().closed_early is None
    ended = time.monotonic()
    connection.close()
    assert mount.wait()
    served = mount.served(ended)
    assert served.closed_early is not None
    assert 0 <= served.closed_early <= time.monotonic() - ended
    assert mount.wait_closed()
    assert mount.served(ended).open_connections == 0


def test_close_while_sending_stops_the_stream(server: ReplayServer) -> None:
    """Nothing more is sent to a client that is gone."""
    mount = server.mount(SCRIPT.but(pieces=tuple(Piece(b"data: {}\n\n", 0.005) for _ in range(100_000))))
    connection = connect(mount.url)
    connection.sendall(request(mount))
    connection.recv(65536)
    connection.close()
    assert mount.wait()
    assert mount.wait_closed()
    count = len(mount.sends)
    time.sleep(0.05)
    assert len(mount.sends) == count


def test_no_noise_when_clients_leave(server: ReplayServer, caplog: pytest.LogCaptureFixture) -> None:
    """A client that leaves a fast stream is everyday business, and nothing is written about it."""
    mount = server.mount(SCRIPT.but(pieces=(Piece(b"data: {}\n\n"),) * 200_000))
    for _ in range(10):
        with closing(connect(mount.url)) as connection:
            connection.sendall(request(mount))
            connection.recv(65536)
        assert mount.wait()
    assert mount.wait_closed()
    assert caplog.records == []


def test_server_end_is_no_early_close(server: ReplayServer) -> None:
    """A complete answer was ended by the server, however the client leaves."""
    mount = server.mount(SCRIPT)
    with httpx2.Client() as client:
        client.post(mount.base_url + "/chat/completions", content=ASK)
    assert mount.wait_closed()
    assert mount.served().closed_early is None


def test_many_streams_at_once(server: ReplayServer) -> None:
    """A hundred paced streams run side by side and each gets its own bytes."""
    paced = SCRIPT.but(pieces=tuple(Piece(p.data, 0.02) for p in SCRIPT.pieces))
    mounts = [server.mount(paced.with_body([f"data: {n}\n\n".encode(), *paced.frames()])) for n in range(100)]

    async def ask(client: httpx2.AsyncClient, mount: Mount) -> bytes:
        response = await client.post(mount.base_url + "/chat/completions", content=ASK)
        return response.content

    async def ask_all() -> list[bytes]:
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(limits=limits, timeout=60) as client:
            return await asyncio.gather(*(ask(client, m) for m in mounts))

    bodies = asyncio.run(ask_all())
    assert bodies == [f"data: {n}\n\n".encode() + SCRIPT.body for n in range(100)]
    assert [len(m.requests) for m in mounts] == [1] * 100


def test_slow_reader_blocks_nobody(server: ReplayServer) -> None:
    """A client that stops reading costs one piece of memory, and the others go on."""
    large = server.mount(SCRIPT.but(pieces=(Piece(b"x" * 65536),) * 1000))
    with closing(connect(large.url)) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.sendall(request(large))
        slow.recv(1)
        assert SCRIPT.pieces[0].data in raw(server.mount(SCRIPT))
        count = -1
        while count != len(large.sends):  # until the kernel's buffers are full
            count = len(large.sends)
            time.sleep(0.1)
        assert count < 1000
        assert SCRIPT.pieces[0].data in raw(server.mount(SCRIPT))
    assert large.wait_closed()


def test_mount_by_function(server: ReplayServer) -> None:
    """A function picks the script by the request; its mistakes reach the client."""

    def pick(received: Received) -> Script:
        return SCRIPT.with_body([f"data: {received.json['n']}\n\n".encode()])

    mount = server.mount(pick)
    url = mount.base_url + "/chat/completions"
    assert httpx2.post(url, json={"n": 7}).content == b"data: 7\n\n"
    wrong = httpx2.post(url, json={})
    assert wrong.status_code == 500
    assert "KeyError" in wrong.json()["error"]["message"]


def test_then(server: ReplayServer) -> None:
    """The next request to the same mount gets the script that follows."""
    mount = server.mount(apply_faults(SCRIPT, "retry-then-success"))
    url = mount.base_url + "/chat/completions"
    first, second, third = (httpx2.post(url, content=ASK) for _ in range(3))
    assert (first.status_code, first.headers["retry-after"]) == (503, "0")
    assert second.content == third.content == SCRIPT.body


@pytest.mark.parametrize("code", [307, 308])
def test_redirect(server: ReplayServer, code: int) -> None:
    """A client that follows gets the stream, and asked with the same body."""
    mount = server.mount(apply_faults(SCRIPT, f"redirect:{code}"))
    answer = httpx2.post(mount.base_url + "/chat/completions", content=ASK, follow_redirects=True)
    assert answer.content == SCRIPT.body
    assert [r.body for r in mount.requests] == [ASK, ASK]


@pytest.mark.parametrize("http2", [False, True])
def test_redirect_elsewhere(server: ReplayServer, http2: bool) -> None:
    """The same server under another host's name; httpx2 leaves the Authorization behind, and gets the stream."""
    spec = "http2-cleartext+redirect:elsewhere" if http2 else "redirect:elsewhere"
    mount = server.mount(apply_faults(SCRIPT, spec))
    with httpx2.Client(follow_redirects=True, http1=not http2, http2=http2) as client:
        key = {"Authorization": "Bearer x"}
        answer = client.post(mount.base_url + "/chat/completions", content=ASK, headers=key)
    assert answer.content == SCRIPT.body
    asked, again = mount.requests
    assert (asked.headers["host"].partition(":")[0], again.headers["host"].partition(":")[0]) == (
        "127.0.0.1",
        "localhost",
    )
    assert ("authorization" in asked.headers, "authorization" in again.headers) == (True, False)


@pytest.mark.parametrize("prefix", ["", "/v1", "/openai/v1", "/any/other/prefix"])
def test_prefixes(server: ReplayServer, prefix: str) -> None:
    """A mount answers below any base path that a client library puts there."""
    mount = server.mount(SCRIPT)
    assert httpx2.post(f"{mount.url}{prefix}/chat/completions", content=ASK).content == SCRIPT.body
    assert httpx2.get(f"{mount.url}{prefix}/models").json()["data"][0]["id"] == "gpt-4"


def test_look_ups_are_no_requests(server: ReplayServer) -> None:
    """GET /models, and a POST where nothing streams, are logged, but they are not what a client rule counts."""
    mount = server.mount(SCRIPT)
    httpx2.post(mount.url + "/api/show", json={"name": "gpt-4"})
    httpx2.get(mount.base_url + "/models")
    httpx2.post(mount.base_url + "/chat/completions", content=ASK)
    assert [r.method for r in mount.requests] == ["POST", "GET", "POST"]
    served = mount.served()
    assert [(method, body) for method, _, _, body in served.requests] == [("POST", ASK)]
    assert len(served.sent) == len(SCRIPT.pieces)


def test_wrong_paths(server: ReplayServer) -> None:
    """A path that is not the dialect's is refused with those that are; so is a wrong method."""
    mount = server.mount(SCRIPT)
    missing = httpx2.post(mount.base_url + "/nothing", content=ASK)
    assert missing.status_code == 404
    assert "/v1/chat/completions" in missing.json()["error"]["paths"]
    wrong = httpx2.get(mount.base_url + "/chat/completions")
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "POST"


def test_head_and_options(server: ReplayServer) -> None:
    """HEAD has headers and no body; OPTIONS says what is allowed."""
    mount = server.mount(SCRIPT)
    with httpx2.Client() as client:
        answer = client.head(mount.base_url + "/models")
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) > 0
        assert "POST" in client.options(mount.base_url + "/chat/completions").headers["allow"]
        assert client.post(mount.base_url + "/chat/completions", content=ASK).content == SCRIPT.body


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_body(server: ReplayServer, status: int) -> None:
    """No framing header and no body (RFC 9110 6.4.1)."""
    head, body = split(raw(server.mount(apply_faults(SCRIPT, f"empty-status:{status}"))))
    assert head[0].startswith(f"HTTP/1.1 {status} ")
    assert body == b""
    assert not any(line.startswith(("Transfer-Encoding", "Content-Length")) for line in head)


def test_unknown_status_has_no_phrase(server: ReplayServer) -> None:
    """529 is nobody's registered status."""
    assert raw(server.mount(apply_faults(SCRIPT, "status:529"))).startswith(b"HTTP/1.1 529 \r\n")


def test_mount_taken_down(server: ReplayServer) -> None:
    """Behind its block a mount is gone; its log stays."""
    with server.mount(SCRIPT) as mount:
        httpx2.post(mount.base_url + "/chat/completions", content=ASK)
    assert httpx2.post(mount.base_url + "/chat/completions", content=ASK).status_code == 404
    assert len(mount.requests) == 1


def threads() -> set[threading.Thread]:
    """The server's threads that run."""
    return {t for t in threading.enumerate() if t.name == "streamgauge-replay"}


@pytest.mark.parametrize("spec", ["stall", "slow-drip:1", "stall:headers"])
def test_close_ends_everything(spec: str) -> None:
    """Closing drops connections in any state, and leaves no thread behind."""
    before = threads()
    with ReplayServer() as own:
        mount = own.mount(apply_faults(SCRIPT, spec))
        connection = connect(own.url)
        connection.sendall(request(mount))
        assert mount._log.wait(lambda: bool(mount.requests), 10)
    with closing(connection), suppress(ConnectionResetError):
        read_all(connection)  # ends, be it by FIN or RST
    assert threads() == before
    with pytest.raises(ConnectionRefusedError):
        connect(mount.url)
    own.close()


def test_port_in_use() -> None:
    """The error says which port, and what to do."""
    with ReplayServer() as first, pytest.raises(StreamgaugeError, match=r"port \d+ on 127.0.0.1 is in use: give"):
        ReplayServer(port=int(first.url.rpartition(":")[2])).start()


@pytest.mark.parametrize("port", [-1, 65536])
def test_no_port(port: int) -> None:
    """A number that is no port is refused with one line, and nobody waits for a server that can't listen."""
    with pytest.raises(StreamgaugeError, match=f"{port} is no port"):
        ReplayServer(port=port).start()


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), RuntimeError("no loop")])
def test_start_that_fails_is_told(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever keeps the server's thread from listening reaches who starts it, who would else wait for ever."""
    monkeypatch.setattr("asyncio.events.new_event_loop", Mock(side_effect=error))
    with pytest.raises(StreamgaugeError, match=r"can't listen on .*(Too many open files|no loop)"):
        ReplayServer().start()


def test_interrupted_start_leaves_nothing() -> None:
    """Ctrl-C while the server starts ends its thread and its listener: nobody else would."""

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            super().wait(timeout)
            self.wait = super().wait
            raise KeyboardInterrupt

    server = ReplayServer()
    server._started = Interrupted()
    before = threading.enumerate()
    with pytest.raises(KeyboardInterrupt):
        server.start()
    assert threading.enumerate() == before
    with server:  # it can be started again
        pass


def test_url_needs_a_running_server() -> None:
    """Before the start there is no address."""
    with pytest.raises(StreamgaugeError, match="does not run"):
        _ = ReplayServer().url


def test_async_with() -> None:
    """It is an async context manager too."""

    async def use() -> bytes:
        async with ReplayServer() as own, httpx2.AsyncClient() as client:
            mount = own.mount(SCRIPT)
            return (await client.post(mount.base_url + "/chat/completions", content=ASK)).content

    assert asyncio.run(use()) == SCRIPT.body


def test_loopback_only(server: ReplayServer, record_property: Callable[[str, object], None]) -> None:
    """Nobody else on the network reaches it."""
    assert urlsplit(server.url).hostname == "127.0.0.1"
    others = {i[4][0] for i in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    record_property("addresses", sorted(map(str, others)))
    for address in others:
        if not str(address).startswith("127."):
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((str(address), urlsplit(server.url).port or 0), timeout=30)
