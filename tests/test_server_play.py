"""Recordings by URL, for clients of any language, and `streamgauge serve`."""

from __future__ import annotations

import gc
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from streamgauge.chat import ChatRequest
from streamgauge.cli import main
from streamgauge.errors import StreamgaugeError
from streamgauge.faults import apply_faults
from streamgauge.recordings import get_recording, shipped
from streamgauge.script import script_of
from streamgauge.server import ReplayServer

ASK = {"model": "gpt-4", "stream": True, "messages": []}
PLAIN = get_recording("plain-text").trace.body


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    """One server, as `streamgauge serve` runs it."""
    with ReplayServer() as running:
        yield running


def post(url: str, body: Any = ASK) -> httpx2.Response:
    """A request as a client library sends it."""
    return httpx2.post(url, json=body)


@pytest.mark.parametrize("prefix", ["", "/v1", "/openai/v1", "/some/proxy"])
def test_default_case(server: ReplayServer, prefix: str) -> None:
    """A request without a selector gets plain-text, below any prefix."""
    assert post(f"{server.url}{prefix}/chat/completions").content == PLAIN


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_recording(server: ReplayServer, name: str) -> None:
    """Each shipped recording can be asked for by its whole name and by its case, which a path that dialects share
    takes for one of the dialect that is no profile of another."""
    recording = shipped()[name]
    dialect = recording.get_dialect()
    wire = dialect.request(ChatRequest.of("Hi"))
    path = dialect.base_path + wire.path
    assert post(f"{server.url}/play/{name}{path}", wire.body).content == recording.trace.body
    if not dialect.profile_of:
        assert post(f"{server.url}/play/{recording.name}{path}", wire.body).content == recording.trace.body


@pytest.mark.parametrize("spec", ["bom", "line-ends:crlf+comments", "truncate:3", "line-ends%3Acr%2Bbom"])
def test_faults_by_url(server: ReplayServer, spec: str) -> None:
    """Faults stand behind the case, percent-encoded or not."""
    wanted = apply_faults(script_of(get_recording("plain-text")), spec.replace("%3A", ":").replace("%2B", "+")).body
    assert post(f"{server.url}/play/plain-text/{spec}/v1/chat/completions").content == wanted
    assert post(f"{server.url}/play/openai-chat/plain-text/{spec}/chat/completions").content == wanted


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/play/plain-txt/v1/chat/completions", "did you mean 'openai-chat/plain-text'"),
        ("/play/plain-text/bomb/v1/chat/completions", "did you mean 'bom'"),
        ("/play/plain-text/cut:x/v1/chat/completions", "'x' is not a position"),
        ("/play/v1/chat/completions", "unknown case"),
        ("/v1/chat/complete", "nothing is at /v1/chat/complete"),
        ("/m/nobody/v1/chat/completions", "this mount is not there"),
    ],
)
def test_what_is_not_there(server: ReplayServer, path: str, said: str) -> None:
    """A 404 names the nearest, instead of playing something else."""
    answer = post(server.url + path)
    assert answer.status_code == 404
    assert said in answer.json()["error"]["message"]


def test_404_says_what_exists(server: ReplayServer) -> None:
    """Paths are in the body of the refusal, cases too where one was asked for."""
    assert "/v1/chat/completions" in post(f"{server.url}/nothing").json()["error"]["paths"]
    assert "openai-chat/plain-text" in post(f"{server.url}/play/x/v1/chat/completions").json()["error"]["cases"]


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/play/plain-text/bom/v1/models"])
def test_models(server: ReplayServer, path: str) -> None:
    """Clients that look models up first find some."""
    names = [m["id"] for m in httpx2.get(server.url + path).json()["data"]]
    assert names[0] == "gpt-4"
    assert len(names) == len(set(names))


@pytest.mark.parametrize("body", [{"model": "gpt-4", "messages": []}, {"stream": False}])
def test_non_streaming_request(server: ReplayServer, body: dict[str, Any]) -> None:
    """What asks for one whole answer is told that there is none."""
    answer = post(f"{server.url}/v1/chat/completions", body)
    assert answer.status_code == 501
    assert '"stream": true' in answer.json()["error"]["message"]


def test_get_on_a_stream(server: ReplayServer) -> None:
    """A browser gets a sentence."""
    answer = httpx2.get(f"{server.url}/v1/chat/completions")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_pace() -> None:
    """With a pace each event is sent by itself."""
    with ReplayServer(pace=0.0) as own, httpx2.stream("POST", f"{own.url}/v1/chat/completions", json=ASK) as response:
        assert response.read() == PLAIN


def test_default_case_and_fault_of_a_server() -> None:
    """A server may have another default than plain-text, and a fault for it."""
    with ReplayServer(case="refusal", fault="bom") as own:
        body = post(f"{own.url}/v1/chat/completions").content
    assert body == b"\xef\xbb\xbf" + get_recording("refusal").trace.body


def serve(*arguments: str) -> subprocess.Popen[str]:
    """`streamgauge serve` in a process of its own."""
    command = [sys.executable, "-W", "error", "-m", "streamgauge", "serve", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_serve_until_interrupt() -> None:
    """The first line says where to connect; Ctrl-C ends it with a stream still open, without a traceback."""
    with serve("--case", "plain-text", "--fault", "keep-open") as process:
        assert process.stdout is not None
        try:
            facts = json.loads(process.stdout.readline())
            assert facts["base_url"] == facts["url"] + "/v1" == facts["dialects"]["openai-chat"]
            assert facts["cases"] == sorted(shipped())
            with httpx2.stream("POST", f"{facts['base_url']}/chat/completions", json=ASK) as response:
                assert next(response.iter_bytes())
                process.send_signal(signal.SIGINT)
                _, complaints = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    assert complaints.strip() == ""


def test_serve_has_a_url_for_a_profile() -> None:
    """Open Responses is asked at the paths of OpenAI's: its own URL gives its recording, which ends in [DONE]."""
    with serve("--case", "plain-text", "--fault", "line-ends:crlf+bom") as process:
        assert process.stdout is not None
        try:
            facts = json.loads(process.stdout.readline())
            urls = [facts["dialects"][name] for name in ("open-responses", "openai-responses")]
            bodies = [post(f"{url}/responses").content for url in urls]
            code = main(["check", urls[0], "--dialect", "open-responses", "--rule", "OAR-006"])
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
    assert [body.endswith(b"data: [DONE]\r\n\r\n") for body in bodies] == [True, False]
    assert all(body.startswith(b"\xef\xbb\xbf") for body in bodies)
    assert code == 0


@pytest.mark.parametrize("arguments", [("--fault", "http2:padded"), ("--tls", "valid", "--http2")])
def test_serve_in_tls(arguments: tuple[str, ...]) -> None:
    """A fault that needs TLS brings it along, with the file of the authority that clients have to trust."""
    with serve(*arguments) as process:
        assert process.stdout is not None
        try:
            facts = json.loads(process.stdout.readline())
            context = ssl.create_default_context(cafile=facts["ca_file"])
            with httpx2.Client(http2=True, verify=context, trust_env=False) as client:
                answer = client.post(f"{facts['base_url']}/chat/completions", json=ASK)
            assert (answer.content, answer.http_version) == (PLAIN, "HTTP/2")
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
        finally:
            process.kill()


def test_serve_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    """One line says which port, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    said = capsys.readouterr()
    assert f"port {port} on 127.0.0.1 is in use: give another --port" in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--case", "plain-txt"], "did you mean 'openai-chat/plain-text'"),
        (["--fault", "bomb"], "did you mean 'bom'"),
        (["--speed", "1", "--pace", "1"], "give one of them"),
        (["--port", "70000"], "70000"),
        (["--fault", "unreachable"], "nothing to serve"),
        (["--tls", "none"], "'expired'"),
    ],
)
def test_serve_bad_call(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong name is refused before anything listens."""
    assert main(["serve", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_faults_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Every fault is in the list, one a line."""
    from streamgauge.faults import all_faults

    assert main(["faults"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert {row[1] for row in rows} == set(all_faults())
    assert rows == sorted(rows, key=lambda row: row[0])


def test_fault_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """One fault tells its arguments and what a client should do."""
    assert main(["faults", "stall"]) == 0
    said = capsys.readouterr().out
    assert "stall:headers" in said
    assert "timeout error" in said


def test_faults_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The same for programs."""
    assert main(["faults", "cut", "--json", "-"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["id"], value["effect"], value["layer"]) == ("F-A03", "lossless", "bytes")
    assert "cut:1" in value["specs"]
    assert "openai-chat" in value["dialects"]


def test_unknown_fault_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt name gets the nearest."""
    assert main(["faults", "stal"]) == 2
    assert "did you mean 'stall'" in capsys.readouterr().err


def test_a_connection_that_comes_with_the_end_is_closed() -> None:
    """Whoever is accepted while the server closes is closed with it: Python would warn of its socket."""
    for _ in range(100):
        with ReplayServer() as server, socket.create_connection(urlsplit(server.url).netloc.split(":")):
            pass
    gc.collect()


def test_a_mount_that_comes_with_the_end_leaves_no_listener() -> None:
    """Threads that outlive an interrupted run go on mounting while the server closes: they are told, and no socket of
    theirs stays open, of which Python would warn."""
    script = script_of(get_recording("plain-text"))
    told: list[StreamgaugeError] = []

    def mount(server: ReplayServer) -> None:
        try:
            while True:
                with server.mount(script):
                    pass
        except StreamgaugeError as error:
            told.append(error)

    for _ in range(30):
        with ReplayServer() as server:
            workers = [threading.Thread(target=mount, args=(server,)) for _ in range(3)]
            for worker in workers:
                worker.start()
        for worker in workers:
            worker.join()
    gc.collect()
    assert len(told) == 30 * 3
