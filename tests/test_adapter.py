"""Programs as providers: the protocol line by line, the two adapters that are shipped as examples, the command."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any
from unittest.mock import Mock

import pytest

from streamgauge.adapter import AdapterPool, AdapterRaisedError, adapter
from streamgauge.adapter_process import AdapterProcess, ProtocolError
from streamgauge.chat import ChatRequest
from streamgauge.cli import main
from streamgauge.errors import DuplicateNameError, StreamgaugeError, UnknownNameError
from streamgauge.events import OUTPUT, End, Event, StreamError, TextDelta
from streamgauge.message import assemble
from streamgauge.provider import Connection, Provider, all_providers, get_provider
from streamgauge.recordings import get_recording
from streamgauge.script import script_of
from streamgauge.server import ReplayServer

ADAPTERS = Path(__file__).parent / "adapters"
PYTHON = (sys.executable, str(ADAPTERS / "python_stdlib.py"))
NODE = ("node", str(ADAPTERS / "openai_node.cjs"))
NODE_MODULES = Path(os.environ.get("NODE_PATH") or Path(tempfile.gettempdir()) / "streamgauge-node" / "node_modules")
SILENT = (sys.executable, "-c", "import time; time.sleep(60)")
ASK = ChatRequest.of("hello")
HELLO = {
    "type": "adapter",
    "protocol": 1,
    "name": "scripted",
    "version": "1.2",
    "dialect": "openai-chat",
    "capabilities": ["sync", "async"],
}


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as running:
        yield running


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The Node adapter; skips where Node or the library is not on this machine."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (NODE_MODULES / "openai").is_dir():
        pytest.skip(f"npm's openai is not there: npm install --prefix {NODE_MODULES.parent} openai")
    monkeypatch.setenv("NODE_PATH", str(NODE_MODULES))
    return NODE


def scripted(tmp_path: Path, answer: str, hello: dict[str, Any] | str = HELLO) -> tuple[str, ...]:
    """An adapter that introduces itself, and for each stream runs `answer`, which has `asked` and `say`."""
    said = hello if isinstance(hello, str) else json.dumps(hello)
    program = tmp_path / "adapter.py"
    head = f"import json, os, sys\nprint({said!r}, flush=True)\ndef say(**line): print(json.dumps(line), flush=True)\n"
    loop = "for line in sys.stdin:\n    asked = json.loads(line)\n    if asked['type'] == 'stream':\n"
    body = "".join(f"        {line}\n" for line in dedent(answer).strip().splitlines())
    program.write_text(head + loop + body, encoding="utf-8")
    return (sys.executable, str(program))


def opened(url: str = "http://127.0.0.1:1/v1") -> Provider:
    return get_provider("scripted").open(Connection(base_url=url, api_key="the-key", timeout=20))


def streamed(provider: Provider, path: str) -> list[Event]:
    """All events of one stream; the provider is closed behind it."""

    async def walk() -> list[Event]:
        try:
            return [event async for event in provider.astream(ASK)]
        finally:
            await provider.aclose()

    try:
        return asyncio.run(walk()) if path == "async" else list(provider.stream(ASK))
    finally:
        provider.close()


@pytest.mark.parametrize("path", ["sync", "async"])
def test_adapter_gets_what_it_needs(tmp_path: Path, path: str) -> None:
    """A stream's line has the address, the key, the path, the timeout and the dialect's request body."""
    with adapter(scripted(tmp_path, "say(type='text', text=json.dumps(asked)); say(type='done')")) as spec:
        (told, end) = streamed(opened("http://127.0.0.1:1/v1"), path)
        assert (spec.version, spec.kind, spec.missing) == ("1.2", "adapter", ())
    assert isinstance(told, TextDelta)
    asked = json.loads(told.text)
    assert asked.pop("request")["messages"] == [{"role": "user", "content": "hello"}]
    assert asked == {
        "type": "stream",
        "path": path,
        "dialect": "openai-chat",
        "base_url": "http://127.0.0.1:1/v1",
        "api_key": "the-key",
        "timeout": 20,
        "model": "gpt-4",
    }
    assert end == End("complete", "the adapter says that it is done")


def test_provider_is_known_for_a_while(tmp_path: Path) -> None:
    """The adapter is found by its name as long as its context lasts."""
    with adapter(scripted(tmp_path, "pass")):
        assert get_provider("scripted").dialect == "openai-chat"
    assert "scripted" not in all_providers()


def test_process_is_used_again(tmp_path: Path) -> None:
    """Streams that end in order share one process; a stream that was broken off costs the process its life."""
    with adapter(scripted(tmp_path, "say(type='text', text=str(os.getpid())); say(type='done')")):
        first, second = (streamed(opened(), "sync")[0] for _ in range(2))
        assert first == second
        provider = opened()
        stream: Any = provider.stream(ASK)
        assert next(stream) == first
        stream.close()
        provider.close()
        assert streamed(opened(), "sync")[0] != first


def test_adapter_that_floods_standard_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Standard error is passed on: however much comes, nothing waits for a reader."""
    with adapter(scripted(tmp_path, "sys.stderr.write('x' * 300_000); say(type='done')")):
        assert [type(event) for event in streamed(opened(), "sync")] == [End]
    assert capfd.readouterr().err.count("x") == 300_000


def test_process_of_another_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was started before the environment changed (whom to trust, say) is not used again."""
    with adapter(scripted(tmp_path, "say(type='text', text=os.environ.get('TRUSTED', '-')); say(type='done')")):
        assert streamed(opened(), "sync")[0] == TextDelta("-")
        monkeypatch.setenv("TRUSTED", "yes")
        assert streamed(opened(), "sync")[0] == TextDelta("yes")


def test_adapter_that_never_introduces_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended after a while, and the error says so."""
    monkeypatch.setattr("streamgauge.adapter_process.START", 0.2)
    with pytest.raises(ProtocolError, match="ended after 0 seconds without a line"), adapter(SILENT):
        pytest.fail("it was taken")


def test_interrupted_introduction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the program loads its library ends the program: Python would warn of one that runs on."""
    monkeypatch.setattr(AdapterProcess, "line", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt), adapter(SILENT):
        pytest.fail("it was taken")
    gc.collect()


def test_pool_closed_while_a_program_starts() -> None:
    """A thread that outlives an interrupted run leaves no process behind, and none that it has is missed twice."""
    told: list[StreamgaugeError] = []
    pool = AdapterPool(SILENT)

    def take() -> None:
        try:
            pool.take()
        except StreamgaugeError as error:
            told.append(error)

    thread = threading.Thread(target=take)
    thread.start()
    while not pool._all:
        time.sleep(0.001)
    (process,) = pool._all
    pool.close()
    thread.join()
    assert isinstance(told.pop(), ProtocolError)
    process.streaming = True
    pool.give(process)
    take()
    assert "was ended with the run" in str(told.pop())
    gc.collect()


@pytest.mark.skipif(os.name != "posix", reason="no process groups")
def test_program_behind_a_shell(tmp_path: Path) -> None:
    """What the command starts ends with it: a hanging program behind a shell held the pipe that was to be closed."""
    asked, survived = tmp_path / "asked", tmp_path / "survived"
    answer = f"open({str(asked)!r}, 'w'); import time; time.sleep(30); open({str(survived)!r}, 'w')"
    shell = ("sh", "-c", f"{shlex.join(scripted(tmp_path, answer))}; true")

    def stream() -> None:
        with pytest.raises(ProtocolError):
            list(opened().stream(ASK))

    with adapter(shell):
        thread = threading.Thread(target=stream)
        thread.start()
        while not asked.exists():
            time.sleep(0.01)
    thread.join()
    assert not survived.exists()


@pytest.mark.parametrize("path", ["sync", "async"])
def test_what_was_raised_is_raised(tmp_path: Path, path: str) -> None:
    """An exception has the name, the message and the kind that the adapter gave, behind the events before it."""
    answer = """
        say(type='text', text='half')
        say(type='raised', name='APITimeoutError', message='too slow', library=True, timeout=True)
    """
    with (
        adapter(scripted(tmp_path, answer)) as spec,
        pytest.raises(AdapterRaisedError, match="too slow") as caught,
    ):
        streamed(opened(), path)
    assert (type(caught.value).__module__, type(caught.value).__name__) == (spec.modules[0], "APITimeoutError")
    assert isinstance(caught.value, TimeoutError)


def test_foreign_exception(tmp_path: Path) -> None:
    """What is not the library's own class does not go by the library's name."""
    command = scripted(tmp_path, "say(type='raised', name='SyntaxError', message='bad JSON')")
    with adapter(command), pytest.raises(AdapterRaisedError, match="bad JSON") as caught:
        streamed(opened(), "sync")
    assert type(caught.value).__module__ == "builtins"
    assert not isinstance(caught.value, TimeoutError)


def test_error_as_data_ends_in_error(tmp_path: Path) -> None:
    """An error that the library handed over makes the end one in error, unless the adapter states the end itself."""
    with adapter(scripted(tmp_path, "say(type='error', message='busy'); say(type='done')")):
        error, end = streamed(opened(), "sync")
    assert error == StreamError("busy")
    assert isinstance(end, End)
    assert end.ended == "error"
    with adapter(scripted(tmp_path, "say(type='end', ended='truncated'); say(type='done')")):
        assert streamed(opened(), "sync") == [End("truncated")]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("print('hello?', flush=True)", "no JSON object: 'hello\\?'"),
        ("print('[1]', flush=True)", "no JSON object"),
        ("say(type='txet', text='a')", "no event.*txet.*adapter-protocol.md"),
        ("say(type='text', text=1)", "no event"),
        ("sys.exit(3)", "exit code 3"),
        ('os.write(1, b\'{"type": "te\'); sys.exit()', 'no JSON object: \'{"type": "te\''),
        ("os.write(1, b'\\xff\\n')", "no JSON object"),
        ("os.close(1); import time; time.sleep(60)", "closed its output"),
    ],
)
def test_adapter_that_breaks_the_protocol(tmp_path: Path, answer: str, message: str) -> None:
    """A line that is none, or a program that ends, is an error that says what was wrong."""
    with adapter(scripted(tmp_path, answer)), pytest.raises(ProtocolError, match=message):
        streamed(opened(), "sync")


@pytest.mark.parametrize(
    ("hello", "error", "message"),
    [
        ("", ProtocolError, "no JSON object"),
        ({"type": "text", "text": "hi"}, StreamgaugeError, "introduce itself.*adapter-protocol.md"),
        (HELLO | {"protocol": 2}, StreamgaugeError, "adapter of protocol 1"),
        (HELLO | {"capabilities": ["sync", "speed"]}, StreamgaugeError, "declares 'speed'; known are sync, async"),
        (HELLO | {"capabilities": ["usage"]}, StreamgaugeError, "must declare a path"),
        (HELLO | {"dialect": "openai-chta"}, UnknownNameError, "did you mean 'openai-chat'"),
        (HELLO | {"name": "openai-chat"}, DuplicateNameError, "'openai-chat' is there already"),
    ],
)
def test_wrong_introduction(
    tmp_path: Path, hello: dict[str, Any] | str, error: type[StreamgaugeError], message: str
) -> None:
    """A program that is no adapter of this protocol is refused, with what to do, and is not left running."""
    with pytest.raises(error, match=message), adapter(scripted(tmp_path, "pass", hello)):
        pytest.fail("it was taken")


def test_program_that_is_not_there() -> None:
    """A command that can't be run is the caller's mistake."""
    message = "can't run no-such-program-anywhere: No such file"
    with pytest.raises(StreamgaugeError, match=message), adapter(("no-such-program-anywhere",)):
        pytest.fail("it was run")


def read(server: ReplayServer, command: tuple[str, ...], case: str, path: str) -> None:
    """A recording through an adapter is the recording's message."""
    recording = get_recording(case)
    with adapter(command) as spec:
        mount = server.mount(script_of(recording))
        provider = spec.open(Connection(base_url=mount.base_url, api_key="k", timeout=20))
        message = assemble("openai-chat", streamed(provider, path))
    assert (message.choices, message.usage, message.ended) == (
        recording.message.choices,
        recording.message.usage,
        "complete",
    )


def closes(server: ReplayServer, command: tuple[str, ...], path: str) -> None:
    """The adapter closes the connection when it is told to stop, while its process lives on."""
    mount = server.mount(script_of(get_recording("plain-text")).but(ending="hold"))

    async def first(stream: Any) -> None:
        async for event in stream:
            if isinstance(event, OUTPUT):
                break
        await stream.aclose()

    with adapter(command) as spec:
        provider = spec.open(Connection(base_url=mount.base_url, api_key="k", timeout=20))
        if path == "async":
            asyncio.run(first(provider.astream(ASK)))
        else:
            stream: Any = provider.stream(ASK)
            next(event for event in stream if isinstance(event, OUTPUT))
            stream.close()
        assert mount.wait()
        assert mount.served().closed_early is not None
        provider.close()


@pytest.mark.parametrize("case", ["plain-text", "parallel-tools", "reasoning", "two-choices", "refusal"])
def test_python_adapter(server: ReplayServer, case: str) -> None:
    """The adapter of Python's standard library reads recordings as they are."""
    read(server, PYTHON, case, "sync")


def test_python_adapter_stops(server: ReplayServer) -> None:
    """It closes its connection when its caller has seen enough."""
    closes(server, PYTHON, "sync")


@pytest.mark.parametrize("case", ["plain-text", "parallel-tools", "reasoning", "two-choices", "refusal"])
def test_node_adapter(server: ReplayServer, node: tuple[str, ...], case: str) -> None:
    """OpenAI's library for Node reads recordings as they are."""
    read(server, node, case, "async")


def test_node_adapter_stops(server: ReplayServer, node: tuple[str, ...]) -> None:
    """It closes its connection when its caller has seen enough."""
    closes(server, node, "async")


def test_client_command_judges_an_adapter(capsys: pytest.CaptureFixture[str]) -> None:
    """`streamgauge client -- COMMAND` gives verdicts, each with the command that makes it alone."""
    options = ["--case", "plain-text", "--rule", "SSE-008", "--json", "-"]
    assert main(["client", *options, "--", *PYTHON]) == 1  # it keeps the BOM
    report = json.loads(capsys.readouterr().out)
    assert [(s["name"], s["available"]) for s in report["subjects"]] == [("python-stdlib", True)]
    failed = [v for v in report["verdicts"] if v["verdict"] == "fail"]
    assert failed
    assert all(v["reproduce"].endswith(f"-- {PYTHON[0]} {PYTHON[1]}") for v in failed)
    assert all("client --path sync --case plain-text" in v["reproduce"] for v in failed)


def test_client_command_beside_a_library(capsys: pytest.CaptureFixture[str]) -> None:
    """Providers named before `--` are judged too, in the same matrix."""
    options = ["--case", "plain-text", "--rule", "AGG-008", "--path", "sync", "--json", "-"]
    assert main(["client", "openai-chat", *options, "--", *PYTHON]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [s["name"] for s in report["subjects"]] == ["openai-chat", "python-stdlib"]


@pytest.mark.parametrize(
    ("words", "message"),
    [([], "behind -- stands the command"), (["no-such-program-anywhere"], "can't run no-such-program-anywhere")],
)
def test_client_command_without_a_program(words: list[str], message: str) -> None:
    """A missing or impossible command is exit 2, with one line."""
    command = [sys.executable, "-m", "streamgauge", "client", "--", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_documented_lines_are_the_protocol() -> None:
    """Each event that the page shows is one that is read."""
    page = (Path(__file__).parents[1] / "docs" / "adapter-protocol.md").read_text(encoding="utf-8")
    block = page.partition("from 0;")[0].rpartition("```json\n")[2].partition("```")[0]
    lines = block.strip().splitlines()
    assert {json.loads(line)["type"] for line in lines} >= {"text", "tool_call", "finish", "usage", "error"}
    from streamgauge.events import from_json

    for line in lines:
        from_json(line)
