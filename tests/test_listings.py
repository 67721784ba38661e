"""`streamgauge providers`, `dialects` and `recordings`."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
from typing import Any

import pytest

from streamgauge.cli import main
from streamgauge.provider import all_providers, get_provider
from streamgauge.recordings import shipped
from streamgauge.registry import all_dialects

NAMES = {"providers": all_providers, "dialects": all_dialects, "recordings": shipped}


@pytest.mark.parametrize("what", NAMES)
def test_everything_is_listed(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Piped, each thing is a line with its name first, and tabs between the cells."""
    assert main([what]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == list(NAMES[what]())
    assert all(line.split("\t")[-1] for line in lines)


@pytest.mark.parametrize("what", NAMES)
def test_json_lists_everything(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json -` gives one object for each thing."""
    assert main([what, "--json", "-"]) == 0
    assert [o["name"] for o in json.loads(capsys.readouterr().out)] == list(NAMES[what]())


@pytest.mark.parametrize("what", NAMES)
def test_one_by_name(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name explains that one thing, as text or as one JSON object."""
    name = next(iter(NAMES[what]()))
    assert main([what, name]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == [what.removesuffix("s"), name]
    assert main([what, name, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == name


@pytest.mark.parametrize("what", NAMES)
def test_a_wrong_name_suggests_the_nearest(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt name: one line, exit code 2."""
    name = next(iter(NAMES[what]()))
    assert main([what, name[:-1] + "~"]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "did you mean" in err


def test_a_recording_by_its_case(capsys: pytest.CaptureFixture[str]) -> None:
    """The case alone is enough where only one dialect has it."""
    assert main(["recordings", "plain-text"]) == 0
    assert "openai-chat/plain-text" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["F-A09", "f-a09", "bom"])
def test_a_fault_by_its_id(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The list shows ids first, so that they are what is typed."""
    assert main(["faults", name]) == 0
    assert "bom" in capsys.readouterr().out.splitlines()[0]


def test_a_missing_library_shows_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not installed is listed as unavailable, with the command that helps."""
    spec = dataclasses.replace(get_provider("openai"), requires=("no-such-distribution",), extra="")
    monkeypatch.setattr("streamgauge.cli.providers.all_providers", lambda: {"openai": spec})
    monkeypatch.setattr("streamgauge.cli.providers.get_provider", lambda name: spec)
    assert main(["providers"]) == 0
    assert "unavailable\tpip install no-such-distribution" in capsys.readouterr().out
    assert main(["providers", "openai"]) == 0
    assert "pip install no-such-distribution" in capsys.readouterr().out
    assert main(["providers", "--json", "-"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["available"], found["install"]) == (False, "pip install no-such-distribution")


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the list has a heading."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["dialects"]) == 0
    lines = terminal.getvalue().splitlines()
    assert any(line.split()[:2] == ["dialect", "framing"] for line in lines)
    assert any(line.split()[:2] == ["openai-chat", "sse"] for line in lines)


def test_json_to_a_file(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json FILE` writes there; a place that can't be written is a wrong call."""
    path = tmp_path / "dialects.json"
    assert main(["dialects", "--json", str(path)]) == 0
    assert json.loads(path.read_text())
    assert main(["dialects", "--json", str(path / "where.json")]) == 2
    assert "can't write" in capsys.readouterr().err
