"""Two rivals measured alternately, and their comparison on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from streamgauge.cli import main
from streamgauge.errors import BackendError, StreamgaugeError
from streamgauge.instrument.alternate import alternate, parse_rival
from streamgauge.instrument.load import Load
from streamgauge.measurement.result_files import load as load_result
from streamgauge.registry import get_dialect
from streamgauge.server import ReplayServer
from streamgauge.server.standalone import paced

pytestmark = pytest.mark.slow  # real processes and real time: nox -s slow


@pytest.mark.parametrize(
    ("text", "name", "path", "url"),
    [
        ("openai-chat", "openai-chat", "sync", None),
        ("openai-chat:async", "openai-chat", "async", None),
        ("openai-chat@http://127.0.0.1:8000/v1", "openai-chat", "sync", "http://127.0.0.1:8000/v1"),
        ("openai-chat:wire@http://127.0.0.1:8000/v1", "openai-chat", "wire", "http://127.0.0.1:8000/v1"),
    ],
)
def test_rivals_are_read(text: str, name: str, path: str, url: str | None) -> None:
    """A provider, its path, and where it streams from."""
    rival = parse_rival(text)
    assert (rival.spec.name, rival.path, rival.base_url) == (name, path, url)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("openai-chat:fast", "write PROVIDER"),
        ("", "write PROVIDER"),
        ("opanai-chat", "did you mean 'openai-chat'"),
        ("aiohttp:sync", "has no sync path"),
        ("openai-chat@localhost", "http"),
    ],
)
def test_a_wrong_rival_says_how_to_write_it(text: str, said: str) -> None:
    """One line."""
    with pytest.raises(StreamgaugeError, match=said):
        parse_rival(text)


def test_runs_alternate_and_come_in_pairs() -> None:
    """A warm-up each that is not kept; then pairs, every second one in the other order."""
    order: list[tuple[str, int]] = []
    rivals = parse_rival("openai-chat:sync"), parse_rival("anthropic-messages:wire")
    found = alternate(rivals, Load(requests=1, concurrency=1), 3, ran=lambda name, index: order.append((name, index)))
    one, other = "openai-chat", "anthropic-messages"
    assert order == [
        (other, -1), (one, -1), (one, 0), (other, 0), (other, 1), (one, 1), (one, 2), (other, 2)
    ]  # fmt: skip
    assert [[run.index for run in target.runs] for target in found.targets] == [[0, 1, 2]] * 2
    assert all(stream.succeeded and stream.delivery_delay for target in found.targets for stream in target.streams)


def test_an_interrupt_keeps_whole_pairs() -> None:
    """Ctrl-C in the middle of a pair: what was measured is there in pairs, and marked."""

    def ran(name: str, index: int) -> None:
        if (name, index) == ("openai-chat", 2):
            raise KeyboardInterrupt

    rivals = parse_rival("openai-chat:wire"), parse_rival("anthropic-messages:wire")
    found = alternate(rivals, Load(requests=1, concurrency=1), 9, ran=ran)
    assert found.partial
    assert [len(target.runs) for target in found.targets] == [2, 2]


def test_nothing_that_answers_is_said_at_once() -> None:
    """The warm-up finds out; the line names the address."""
    rivals = parse_rival("openai-chat:wire"), parse_rival("openai-chat:wire@http://127.0.0.1:9/v1")
    with pytest.raises(BackendError, match=r"nothing answers at http://127.0.0.1:9"):
        alternate(rivals, Load(requests=1, concurrency=1), 1)


def test_two_servers_are_compared_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One server is ten times slower to its first event than the other: worse, in pairs, and the result is kept."""
    dialect = get_dialect("openai-chat")
    with ReplayServer() as server:
        quick, slow = (server.mount(paced(dialect, [first, 0.005, 0.005])) for first in (0.03, 0.3))
        arguments = [f"openai-chat:wire@{mount.base_url}" for mount in (quick, slow)]
        kept = tmp_path / "kept.json"
        options = ["--runs", "6", "--requests", "1", "--metric", "ttft.p50", "--metric", "errors", "--save", str(kept)]
        code = main(["compare", "--interleave", *arguments, *options, "--json", "-"])
    assert code == 1
    found = json.loads(capsys.readouterr().out)
    assert found["paired"] is True
    rows = {row["figure"]: row for row in found["rows"]}
    assert rows["ttft.p50"]["verdict"] == "worse"
    assert rows["errors"]["verdict"] == "equal"
    assert [len(target.runs) for target in load_result(kept).targets] == [6, 6]


@pytest.mark.parametrize("kept", [True, False])
def test_an_interrupted_comparison_says_so(
    kept: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its exit code is no verdict: neither that nothing is worse, nor that the two can't be compared."""
    runs = 6 if kept else 1
    found = alternate((parse_rival("openai-chat:wire"),) * 2, Load(requests=1, concurrency=1), runs)
    monkeypatch.setattr("streamgauge.instrument.alternate.alternate", lambda *_, **__: replace(found, partial=True))
    assert main(["compare", "--interleave", "openai-chat:wire", "openai-chat:wire", "--metric", "errors"]) == 130
    assert "base: openai-chat wire" in capsys.readouterr().out
