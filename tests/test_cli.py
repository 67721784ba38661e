"""The command line's frame: how commands are found, and what becomes of whatever goes wrong."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from streamgauge.cli import _frame, main
from streamgauge.cli._secrets import mask
from streamgauge.errors import StreamgaugeError

CHUNK = 'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
COMMAND = [sys.executable, "-m", "streamgauge"]
SAFETY = 60.0


def run(*words: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *words], input=stdin, capture_output=True, timeout=SAFETY, env={**os.environ, **environment}
    )


@pytest.fixture
def commands() -> Iterator[dict[str, click.Command]]:
    """A place for a test's own commands."""
    before = dict(_frame._root.commands)
    yield _frame._root.commands
    _frame._root.commands.clear()
    _frame._root.commands.update(before)


def raising(commands: dict[str, click.Command], monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make `streamgauge decode X` raise this."""

    @click.command()
    @click.argument("words", nargs=-1)
    @click.option("--api-key")
    def command(words: tuple[str, ...], api_key: str) -> None:
        raise error

    monkeypatch.setattr("streamgauge.cli.decode.command", command)


def test_help_lists_every_command_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A module that defines `command` is a command, and its docstring is its help."""
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    decode = next(line for line in lines if line.split()[:1] == ["decode"])
    assert len(decode.split()) > 4
    folder = Path(_frame.__file__).parent
    modules = {p.stem.rstrip("_") for p in folder.glob("[a-z]*.py") if "command" in p.read_text()}
    listed = {line.split()[0] for line in lines if line.startswith("  ") and line.split()}
    assert {m.replace("_", "-") for m in modules} <= listed


def test_help_imports_no_command() -> None:
    """Listing the commands is cheap: only the one that is invoked is imported."""
    code = (
        "import sys; from streamgauge.cli import main; main(['--help']);"
        "print([m for m in sys.modules if m.startswith('streamgauge.cli.') and '._' not in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=SAFETY, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_importing_the_package_imports_nothing_else() -> None:
    """The entry point itself costs next to nothing."""
    code = "import sys; import streamgauge.cli; print('click' in sys.modules, 'msgspec' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=SAFETY, text=True)
    assert done.stdout.split() == ["False", "False"]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints the version and is good."""
    assert main(["--version"]) == 0
    assert "0." in capsys.readouterr().out


def test_no_command_shows_the_help_and_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """A call without a command is a wrong call, which is helped."""
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["decoed"], "did you mean 'decode'?"),
        (["xyzzy"], "streamgauge --help"),
        (["decode"], "Missing argument"),
        (["decode", "--nope", "x"], "--nope"),
        (["decode", "--limit", "zero", "x"], "zero"),
        (["decode", "no-such-file"], "no such file: no-such-file"),
    ],
)
def test_a_wrong_call_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Bad arguments: exit code 2, one line that says what to do, nothing on standard output."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert not out
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_process_gives_the_same_exit_code() -> None:
    """The console script and `python -m` end with what main returns, without a traceback."""
    done = run("decode", "no-such-file")
    assert done.returncode == 2
    assert done.stderr == b"Error: no such file: no-such-file\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StreamgaugeError("two\nlines"), "Error: two lines"),
        (click.ClickException("no"), "Error: no"),
        (PermissionError(13, "Permission denied", "secret.txt"), "Error: secret.txt: Permission denied"),
    ],
)
def test_expected_errors_are_one_line(
    commands: dict[str, click.Command],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    said: str,
) -> None:
    """The caller's mistakes end a command with their own words and exit code 2."""
    raising(commands, monkeypatch, error)
    assert main(["decode", "x"]) == 2
    assert capsys.readouterr().err == said + "\n"


def test_a_bug_says_that_it_is_ours(
    commands: dict[str, click.Command], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unexpected exception is the harness's fault: exit code 2, one line, and a way to its traceback."""
    raising(commands, monkeypatch, KeyError("member"))
    assert main(["decode", "x"]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "which is a bug: KeyError: 'member'" in err
    assert "test_cli.py:" in err
    monkeypatch.setenv("STREAMGAUGE_TRACEBACK", "1")
    assert main(["decode", "x"]) == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_no_key_is_ever_shown(
    commands: dict[str, click.Command], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key that the call or the environment gave is blotted out of errors and tracebacks."""
    monkeypatch.setenv("SOME_API_KEY", "environment-key-1")
    monkeypatch.setenv("STREAMGAUGE_TRACEBACK", "1")
    raising(commands, monkeypatch, ValueError("sent given-key-1 and environment-key-1"))
    assert main(["decode", "x", "--api-key", "given-key-1"]) == 2
    assert main(["decode", "x", "--api-key=given-key-1"]) == 2
    err = capsys.readouterr().err
    assert "***" in err
    assert "given-key-1" not in err
    assert "environment-key-1" not in err


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdef",
        "key sk-proj-0123456789abcdef",
        "http://user:pass-word@host/v1",
        "hf_0123456789abcdef",
    ],
)
def test_what_looks_like_a_key_is_blotted_out(text: str) -> None:
    """Keys are known by their looks too, for those that came from elsewhere."""
    assert "***" in mask(text)
    assert not any(part in mask(text) for part in ("abcdef", "pass-word"))


def test_a_short_value_is_no_key() -> None:
    """The made-up key "x" does not blot out every x."""
    assert mask("extra", ["--api-key", "x"]) == "extra"


@pytest.mark.parametrize(("stop", "code"), [(SystemExit(1), 1), (SystemExit(None), 0), (KeyboardInterrupt(), 130)])
def test_stops_keep_their_exit_code(
    commands: dict[str, click.Command], monkeypatch: pytest.MonkeyPatch, stop: BaseException, code: int
) -> None:
    """A command may exit as it likes; Ctrl-C is 130."""
    raising(commands, monkeypatch, stop)
    assert main(["decode", "x"]) == code


def test_a_message_as_exit_code_is_an_error(
    commands: dict[str, click.Command], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`sys.exit("words")` prints the words and is a wrong call."""
    raising(commands, monkeypatch, SystemExit("words"))
    assert main(["decode", "x"]) == 2
    assert capsys.readouterr().err == "Error: words\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_reader_that_goes_away_is_no_failure(tmp_path: Path) -> None:
    """`streamgauge decode ... | head -1` says nothing on standard error, and does not end with 1."""
    file = tmp_path / "long.sse"
    file.write_text(CHUNK * 20_000)
    with subprocess.Popen(
        [*COMMAND, "decode", "--dialect", "openai-chat", str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(SAFETY) == 141


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_matrix_whose_reader_goes_away_is_no_failure(tmp_path: Path) -> None:
    """rich ends the process with 1 then, which would say that a subject fell short."""
    shown = [*COMMAND, "client", "openai-chat", "--rule", "SSE-011", "--case", "plain-text", "--path", "sync"]
    with subprocess.Popen(shown, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert all(line.startswith("runs ") for line in process.stderr)
        assert process.wait(SAFETY) == 141


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
@pytest.mark.parametrize(
    ("words", "code"), [("rules OAC-016 >&-", 0), ("rules NOPE 2>&-", 2), ("rules NOPE >&- 2>&- <&-", 2)]
)
def test_closed_standard_streams(words: str, code: int) -> None:
    """A standard stream that the caller closed is none to write to, and no bug of ours."""
    done = subprocess.run(
        ["sh", "-c", f"exec {shlex.join(COMMAND)} {words}"], capture_output=True, timeout=SAFETY, text=True
    )
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
def test_closed_standard_input_is_empty() -> None:
    """A command that is to read it says so."""
    done = subprocess.run(
        ["sh", "-c", f"exec {shlex.join(COMMAND)} decode - <&-"], capture_output=True, timeout=SAFETY, text=True
    )
    assert done.returncode == 2
    assert done.stderr == "Error: standard input is empty: there is nothing in it\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_is_no_bug() -> None:
    """Output that can't be written ends the command with one line that says why."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*COMMAND, "rules"], stdout=full, stderr=subprocess.PIPE, timeout=SAFETY)
    assert done.returncode == 2
    assert done.stderr.startswith(b"Error: can't write the output: ")


def test_a_long_list_of_names_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that resembles none is answered by one line that can be read."""
    assert main(["rules", "xyzzy"]) == 2
    err = capsys.readouterr().err
    assert "unknown rule 'XYZZY'; known: AGG-001" in err
    assert " more" in err
    assert len(err) < 600


@pytest.mark.parametrize(
    "words",
    [
        ["client", "--html", f"{__file__}/x"],
        ["client", "--json", "."],
        ["bench", "--csv", f"{__file__}/x"],
        ["calibrate", "--json", f"{__file__}/x"],
        ["mutants", "--json", "."],
        ["rules", "--json", f"{__file__}/x"],
    ],
)
def test_an_unwritable_report_is_found_before_the_work(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Minutes of measurement are not lost to a file that can't be written: the call is refused at once."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert not out
    assert len(err.splitlines()) == 1
    assert "directory" in err


def test_a_report_makes_its_folder(tmp_path: Path) -> None:
    """A folder that is missing is made, whichever command writes."""
    target = tmp_path / "new" / "folder" / "rules.json"
    assert main(["rules", "OAC-016", "--json", str(target)]) == 0
    assert target.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_keeps_what_was_written() -> None:
    """An interrupt ends a command that waits for its input, with 130, no traceback, and its output intact."""
    with subprocess.Popen(
        [*COMMAND, "decode", "--dialect", "openai-chat", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(CHUNK.encode())
        process.stdin.flush()
        assert b'"start"' in process.stdout.readline()
        assert b'"text":"a"' in process.stdout.readline()
        time.sleep(0.1)  # let it go back to waiting
        process.send_signal(signal.SIGINT)
        assert process.wait(SAFETY) == 130
        assert b"Traceback" not in process.stderr.read()
        assert process.stdout.read() == b""
