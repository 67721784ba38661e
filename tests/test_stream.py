"""`streamgauge stream`: both paths as they arrive, failures behind what had arrived, and exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner, Result

from streamgauge.cli import main
from streamgauge.cli.stream import command
from streamgauge.events import End, Finish, RefusalDelta, TextDelta
from streamgauge.faults import apply_faults
from streamgauge.provider import all_providers, get_provider
from streamgauge.recordings import get_recording
from streamgauge.registry import get_dialect
from streamgauge.script import Piece, Script, script_of
from streamgauge.server import ReplayServer

PROMPT = "How can I recursively list all files in a directory in Python?"
CHAT = get_dialect("openai-chat")
PLAIN = get_recording("plain-text")
TEXT = PLAIN.message.choices[0].text
KEY = "sk-stream-command-secret"
WHOLE = f"Synchronous Stream:\n{TEXT}\n\nAsynchronous Stream:\n{TEXT}\n"
# One over HTTP, an official library, and the one that the project began with; the others are the conformance run's.
SHOWN = ("openai-chat", "openai", "g4f")
each_provider = pytest.mark.parametrize("provider", [name for name in SHOWN if not all_providers()[name].missing])


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No key of whoever runs the tests is used, and g4f writes its log elsewhere."""
    for spec in all_providers().values():
        if spec.env:
            monkeypatch.delenv(spec.env, raising=False)
    monkeypatch.setenv("G4F_CONFIG_DIR", str(tmp_path_factory.getbasetemp() / "g4f"))


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as running:
        yield running


def stream(*arguments: str) -> Result:
    return CliRunner().invoke(command, [PROMPT, *arguments], standalone_mode=False)


def said(events: list[object]) -> Script:
    """The script of these events."""
    pieces = tuple(Piece(frame) for frame in CHAT.encode(events))  # type: ignore[arg-type]
    return Script(dialect=CHAT, pieces=pieces, headers=(("Content-Type", CHAT.media_type),))


@each_provider
def test_both_paths(server: ReplayServer, provider: str) -> None:
    """Heading, answer, blank line, heading, answer."""
    mount = server.mount(script_of(PLAIN))
    result = stream("--base-url", mount.base_url, "--provider", provider, "--model", "gpt-4")
    assert result.stdout == WHOLE
    assert (result.stderr, result.return_value) == ("", 0)
    asked = [r.json for r in mount.requests if r.method == "POST"]
    assert [a["model"] for a in asked] == ["gpt-4", "gpt-4"]
    assert all(a["messages"][-1]["content"] == PROMPT for a in asked)


def test_without_a_base_url_it_runs_at_once() -> None:
    """With no more than a prompt the answer comes from the built-in server, on both paths; no key is needed."""
    done = subprocess.run(
        [sys.executable, "-m", "streamgauge", "stream", PROMPT], capture_output=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode("utf-8") == WHOLE.replace("\n", os.linesep)


@pytest.mark.parametrize(("option", "heading"), [("--sync", "Synchronous"), ("--async", "Asynchronous")])
def test_one_path_only(server: ReplayServer, option: str, heading: str) -> None:
    """Either path can be had alone."""
    mount = server.mount(script_of(PLAIN))
    assert stream("--base-url", mount.base_url, option).stdout == f"{heading} Stream:\n{TEXT}\n"
    assert len(mount.requests) == 1


class running:
    """The command in a process of its own, unbuffered on our side."""

    def __init__(self, *arguments: str) -> None:
        words = [sys.executable, "-m", "streamgauge", "stream", PROMPT, *arguments]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)

    def __enter__(self) -> subprocess.Popen[bytes]:
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
@pytest.mark.parametrize("path", ["--sync", "--async"])
@each_provider
def test_ctrl_c_keeps_what_was_printed(server: ReplayServer, provider: str, path: str) -> None:
    """What arrives is printed while the rest is held back; Ctrl-C then ends the command with 130, no traceback."""
    frames = script_of(PLAIN).frames()
    shown = "".join(e.text for e in CHAT.decode(b"".join(frames[:6])) if isinstance(e, TextDelta))
    mount = server.mount(script_of(PLAIN).but(pieces=tuple(Piece(f) for f in frames[:6]), ending="hold"))
    heading = "Synchronous" if path == "--sync" else "Asynchronous"
    with running("--base-url", mount.base_url, "--provider", provider, path) as process:
        assert process.stdout is not None
        wanted = f"{heading} Stream:\n{shown}".encode()
        got = b""
        while len(got) < len(wanted):
            got += process.stdout.read(len(wanted) - len(got))
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=30)
    assert got == wanted
    assert process.returncode == 130
    assert b"Traceback" not in complaint


@each_provider
@pytest.mark.parametrize("fault", ["reset", "error-frame"])
def test_failure_behind_what_had_arrived(server: ReplayServer, provider: str, fault: str) -> None:
    """Both paths are tried; each prints what came and then its own error to standard error."""
    script = apply_faults(script_of(PLAIN), fault)
    # The pause keeps a reset from overtaking the bytes in the client's kernel.
    slow = script.but(pieces=(*script.pieces, Piece(CHAT.keepalive, 0.2)))
    result = stream("--base-url", server.mount(slow).base_url, "--provider", provider)
    assert result.return_value == 1
    first, _, second = result.stdout.partition("\n\nAsynchronous Stream:\n")
    for part in (first.removeprefix("Synchronous Stream:\n"), second.rstrip("\n")):
        assert part
        assert TEXT.startswith(part)
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("An error occurred: ") for line in lines)


@pytest.mark.parametrize("provider", ["openai-chat", "openai"])
def test_truncation_is_an_error(server: ReplayServer, provider: str) -> None:
    """An answer that ends without its end is no success, also where the library says it is."""
    mount = server.mount(apply_faults(script_of(PLAIN), "truncate"))
    result = stream("--base-url", mount.base_url, "--provider", provider)
    assert result.return_value == 1
    assert result.stderr.count("An error occurred: the stream ended truncated") == 2


def test_error_status(server: ReplayServer) -> None:
    """A refusal is the subject's fault: exit code 1, with the backend's words."""
    result = stream("--base-url", server.mount(apply_faults(script_of(PLAIN), "status:503")).base_url)
    assert result.return_value == 1
    assert "An error occurred: status 503: " in result.stderr


@each_provider
def test_nothing_answers(dead_port: int, provider: str) -> None:
    """An unreachable backend is one line whatever the provider, and exit code 2."""
    result = stream("--base-url", f"http://127.0.0.1:{dead_port}/v1", "--provider", provider)
    assert result.return_value == 2
    assert result.stderr.startswith("An error occurred: nothing answers at http://127.0.0.1:")
    assert result.stderr.count("\n") == 1


class _NotFound(BaseHTTPRequestHandler):
    """A backend that, unlike the replay server, has nothing outside of /v1."""

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_error(404)

    do_GET = do_POST = _refuse

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@each_provider
def test_base_url_without_its_base_path(provider: str) -> None:
    """A base URL that lacks /v1 is one line that gives the right one, and exit code 2."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _NotFound) as backend:
        threading.Thread(target=backend.serve_forever).start()
        url = f"http://127.0.0.1:{backend.server_port}"
        result = stream("--base-url", url, "--provider", provider)
        backend.shutdown()
    assert result.return_value == 2
    assert f"try {url}/v1" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--provider", "openai-chatt"], "unknown provider 'openai-chatt'; did you mean 'openai-chat'?"),
        (["--base-url", "localhost:8000"], "is not an http URL: give one like http://localhost:8000/v1"),
        (["--base-url", "https://api.example.com/v1"], "give --api-key or set OPENAI_API_KEY"),
        (["--base-url", "http://127.0.0.1:1/v1", "--api-key", "clé"], "the API key has characters"),
    ],
)
def test_wrong_call(arguments: list[str], line: str) -> None:
    """A wrong call is one line that says what to do, and exit code 2."""
    result = stream(*arguments)
    assert result.return_value == 2
    assert line in result.stderr
    assert result.stderr.count("\n") == 1


def test_provider_with_one_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that has no async path says which option to give."""
    half = replace(get_provider("openai-chat"), capabilities=frozenset(("sync",)))
    monkeypatch.setattr("streamgauge.cli.stream.get_provider", lambda name: half)
    result = stream()
    assert result.return_value == 2
    assert result.stderr == "An error occurred: openai-chat has no async path: give --sync\n"


def test_usage_errors_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    """A missing prompt and a bad number are wrong calls too."""
    assert main(["stream"]) == 2
    assert main(["stream", PROMPT, "--timeout", "0"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider whose library is not installed gives the command that installs it."""
    monkeypatch.setattr("streamgauge.provider._installed", lambda name: False)
    result = stream("--provider", "openai")
    assert result.return_value == 2
    assert "pip install 'streamgauge[openai]'" in result.stderr


@each_provider
def test_key_reaches_the_backend_and_nothing_else(server: ReplayServer, provider: str) -> None:
    """The key is sent; an error that repeats it is shown without it."""
    body = b'{"error": {"message": "incorrect API key provided: ' + KEY.encode() + b'"}}'
    headers = (("Content-Type", "application/json"),)
    mount = server.mount(Script(dialect=CHAT, pieces=(Piece(body),), status=401, headers=headers))
    result = stream("--base-url", mount.base_url, "--provider", provider, "--api-key", KEY)
    assert result.return_value == 1
    assert "An error occurred: " in result.stderr
    assert KEY not in result.output
    posts = [r for r in mount.requests if r.method == "POST"]
    assert posts[0].headers["authorization"] == "Bearer ***"


def test_key_of_the_environment(server: ReplayServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --api-key the provider's usual variable is used."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    mount = server.mount(script_of(PLAIN))
    stream("--base-url", mount.base_url, "--sync")
    assert "authorization" in mount.requests[0].headers


def test_refusals_are_shown(server: ReplayServer) -> None:
    """A refusal is what the model answers, so it is printed."""
    mount = server.mount(said([RefusalDelta("I can't"), Finish("stop"), End("complete")]))
    assert stream("--base-url", mount.base_url, "--sync").stdout == "Synchronous Stream:\nI can't\n"


def test_surrogates(server: ReplayServer) -> None:
    """A pair that is cut between two chunks is its character; half a pair alone does not end the command."""
    texts = (rb"a\ud83d", rb"\ude00b\ud83d", b"c")
    frames = [b'data: {"choices": [{"index": 0, "delta": {"content": "' + t + b'"}}]}\n\n' for t in texts]
    done = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    mount = server.mount(said([]).with_body([*frames, done]))
    result = stream("--base-url", mount.base_url, "--sync")
    assert result.stdout == "Synchronous Stream:\na\U0001f600b?c\n"
    assert result.return_value == 0


def test_output_that_goes_away_ends_it() -> None:
    """`| head` ends the command without a word about a failed stream."""
    with running() as process:
        assert process.stdout is not None
        process.stdout.read(30)
        process.stdout.close()
        assert process.stderr is not None
        complaint = process.stderr.read()
        process.wait(60)
    assert b"An error occurred" not in complaint
    assert b"Traceback" not in complaint
