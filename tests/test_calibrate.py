"""Calibration: the instrument against known times, the server process that knows them, and the command."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from click.testing import CliRunner

from streamgauge.chat import ChatRequest
from streamgauge.cli.calibrate import command
from streamgauge.errors import StreamgaugeError
from streamgauge.events import OUTPUT, Event
from streamgauge.instrument import calibrate as module
from streamgauge.instrument import cost
from streamgauge.instrument.backend import ReplayProcess, Served, Stage
from streamgauge.instrument.calibrate import Depth, calibrate, delays, errors
from streamgauge.instrument.exchange import Timeouts
from streamgauge.instrument.subjects import LibrarySubject, ProbeSubject, wire_runner
from streamgauge.instrument.taint import calibration_reasons
from streamgauge.measurement.calibrations import CalibrationRow, Errors
from streamgauge.measurement.result_files import load_calibration
from streamgauge.provider import Connection, Provider, ProviderSpec, get_provider
from streamgauge.registry import all_dialects, get_dialect
from streamgauge.server.standalone import output_pieces, paced
from streamgauge.tags import tagged
from streamgauge.transport import fetch

pytestmark = pytest.mark.slow  # real processes and real time: nox -s slow

CHAT = get_dialect("openai-chat")
FEW = Depth(6)
SLACK = 200e-6
"""Seconds by which two clocks' measured distance may be off, on a machine that is busy."""


@pytest.fixture(scope="module")
def backend() -> Iterator[ReplayProcess]:
    with ReplayProcess() as found:
        yield found


class Slowed:
    """Another provider whose events are handed over later than they came."""

    def __init__(self, inner: Provider, delay: float, *, hold_back: bool) -> None:
        self._inner, self._delay, self._hold_back = inner, delay, hold_back

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        events = self._inner.stream(request)
        for event in list(events) if self._hold_back else events:
            if isinstance(event, OUTPUT) and not self._hold_back:
                time.sleep(self._delay)
            yield event

    async def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        async for event in self._inner.astream(request):
            yield event

    def close(self) -> None:
        self._inner.close()

    async def aclose(self) -> None:
        await self._inner.aclose()


def slowed(delay: float, *, hold_back: bool = False) -> ProviderSpec:
    spec = get_provider("openai-chat")

    def connect(connection: Connection) -> Provider:
        return Slowed(spec.open(connection), delay, hold_back=hold_back)

    return ProviderSpec(
        name="slowed", title="slowed", dialect=spec.dialect, capabilities=spec.capabilities, connect=connect
    )


def row(backend: ReplayProcess, spec: ProviderSpec | None, path: Any = "sync", concurrency: int = 1) -> CalibrationRow:
    """A short calibration of a provider, or of the probe."""
    stage = backend.stage("openai-chat", delays(concurrency))
    with asyncio.Runner() as loop, wire_runner() as wire_loop:
        subject: Any = ProbeSubject(CHAT, stage.base_url, wire_loop, timeouts=Timeouts())
        if spec is not None:
            subject.close()
            subject = LibrarySubject(spec, Connection(base_url=stage.base_url, api_key="none"), path, loop)
        try:
            return calibrate(subject, backend, stage, concurrency, FEW)
        finally:
            subject.close()


# Rows


@pytest.mark.parametrize("concurrency", [1, 8])
def test_the_probe_is_not_early(backend: ReplayProcess, concurrency: int) -> None:
    """Each stream counts, each of its gaps, and nothing is measured before it was sent."""
    found = row(backend, None, concurrency=concurrency)
    assert (found.path, found.concurrency, found.failed) == ("wire", concurrency, 0)
    assert found.streams == max(6, concurrency)
    assert found.ttft is not None
    assert found.gap is not None
    assert found.request_way is not None
    assert found.ttft.count == found.streams
    assert found.gap.count == found.streams * len(module.RHYTHM)
    assert found.ttft.min > -SLACK
    assert found.request_way.min > -SLACK
    assert found.ttft.min <= found.ttft.p50 <= found.ttft.max
    assert found.ttft.p99 is None


@pytest.mark.parametrize("path", ["sync", "async"])
def test_a_library_is_calibrated(backend: ReplayProcess, path: str) -> None:
    """A provider's rows are of its own path, and never early either."""
    found = row(backend, get_provider("openai-chat"), path, 4)
    assert (found.name, found.path, found.failed) == ("openai-chat", path, 0)
    assert found.ttft is not None
    assert found.ttft.min > -SLACK
    assert found.clock == "monotonic at read"
    assert found.client_lag is None


def test_what_a_client_adds_is_seen(backend: ReplayProcess) -> None:
    """Thirty milliseconds before each output are in the error of every TTFT."""
    found = row(backend, slowed(0.03))
    assert found.ttft is not None
    assert found.ttft.min >= 0.03


def test_a_client_that_holds_back_is_seen(backend: ReplayProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that are handed over together are late by what was left of the stream, and their gaps are too short.

    What was left, and which gaps there were, the send log knows: a busy server is late with one event and catches up
    with the next ones, so that what it sent is not what the script asked for.
    """
    logs: list[dict[int, Served]] = []
    log = backend.log

    def logged(stage: Stage) -> dict[int, Served]:
        logs.append(log(stage))
        return logs[-1]

    monkeypatch.setattr(backend, "log", logged)
    found = row(backend, slowed(0.0, hold_back=True))
    sends = [served.sends for served in logs[-1].values()]
    left = errors([sent[-1] - sent[0] for sent in sends])
    gaps = errors([after - before for sent in sends for before, after in pairwise(sent)])
    assert found.ttft is not None
    assert found.gap is not None
    assert left is not None
    assert gaps is not None
    assert (
        (left.count, gaps.count)
        == (found.ttft.count, found.gap.count)
        == (FEW.streams, len(module.RHYTHM) * FEW.streams)
    )
    assert found.ttft.min >= left.min
    assert found.ttft.p50 >= left.p50
    assert found.ttft.max >= left.max
    assert found.gap.p50 < -0.5 * gaps.p50


def test_errors_are_order_statistics() -> None:
    """Signed, never interpolated, and a p99 from a hundred values on only."""
    assert errors([]) is None
    assert errors([0.3, -0.1, 0.2]) == Errors(count=3, p50=0.2, p99=None, max=0.3, min=-0.1)
    found = errors([n / 1000 for n in range(1, 101)])
    assert found is not None
    assert (found.p50, found.p99, found.max) == (0.05, 0.099, 0.1)


def test_scripts_keep_within_what_the_server_can_send() -> None:
    """At any concurrency all streams together stay below the stated rate, and gaps differ from each other."""
    for concurrency in (1, 16, 64, 256, 1000):
        gaps = delays(concurrency)[1:]
        assert len(set(gaps)) == len(gaps)
        assert concurrency * len(gaps) / sum(gaps) <= module.MOST_EVENTS * 1.01


def test_a_calibration_that_is_off_taints() -> None:
    """Gaps that are wrong by more than the bound are a reason, others are none."""

    def of(p99: float) -> CalibrationRow:
        gap = Errors(count=100, p50=0.0, p99=p99, max=p99)
        return CalibrationRow(
            name="probe", path="wire", concurrency=8, clock="kernel receive timestamps", streams=8, gap=gap
        )

    assert list(calibration_reasons(of(0.0001))) == []
    (reason,) = calibration_reasons(of(0.02))
    assert "calibration at 8" in reason
    assert "20.0 ms" in reason


# The server process


@pytest.mark.parametrize("dialect", all_dialects().values(), ids=lambda d: d.name)
def test_a_paced_script_has_one_output_a_piece(dialect: Any) -> None:
    """As many pieces with output as delays, each with its own; the whole is a complete answer."""
    script = paced(dialect, [0.5, 0.25, 0.125])
    outputs = output_pieces(dialect, [p.data for p in script.pieces])
    assert [script.pieces[n].delay for n in outputs] == [0.5, 0.25, 0.125]
    assert sum(p.delay for p in script.pieces) == 0.875
    assert dialect.read(script.body).ended == "complete"


def test_the_log_tells_streams_apart(backend: ReplayProcess) -> None:
    """By the tag in its prompt each stream finds its own sends, once."""
    stage = backend.stage("openai-chat", [0.0, 0.02])
    for tag in (7, 1234567):
        fetch(stage.base_url, CHAT, ChatRequest.of(tagged("hello [stream 3]", tag)))
    fetch(stage.base_url, CHAT, ChatRequest.of("no tag"))
    found = backend.log(stage)
    assert set(found) == {7, 1234567}
    for served in found.values():
        assert len(served.sends) == 2
        assert served.received <= served.sends[0] <= served.sends[1] <= time.monotonic()
        assert served.sends[1] - served.sends[0] > 0.015
    assert backend.log(stage) == {}


def test_a_server_process_that_died_is_an_error_of_ours() -> None:
    """Whoever asks a process that is gone is told so in one line."""
    with ReplayProcess() as process:
        process._process.kill()
        process._process.wait()
        with pytest.raises(StreamgaugeError, match="server's process ended"):
            process.stage("openai-chat", [0.0])


def test_the_server_process_ends_with_its_input() -> None:
    """Nobody has to stop it; a command that it doesn't know is answered, not its end."""
    command = [sys.executable, "-m", "streamgauge.server.standalone"]
    asked = '{"do": "dance"}\n{"do": "mount", "dialect": "openai-chat", "delays": [0.0]}\n'
    done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert done.stderr == ""
    refused, mounted = map(json.loads, done.stdout.splitlines())
    assert "no such command" in refused["error"]
    assert mounted["base_url"].startswith("http://127.0.0.1:")


# The command


def test_calibrate_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row for the probe and each path of the provider, at each concurrency, in the table and in the file."""
    monkeypatch.setattr("streamgauge.instrument.calibration.QUICK", Depth(3))
    file = tmp_path / "calibration.json"
    words = ["openai-chat", "--quick", "--concurrency", "1,2", "--json", str(file)]
    done = CliRunner().invoke(command, words, standalone_mode=False)
    assert done.exception is None, done.output
    assert done.return_value == 0
    found = load_calibration(file)
    wanted = [("probe:openai-chat", "wire"), ("openai-chat", "sync"), ("openai-chat", "async")]
    assert [(r.name, r.path, r.concurrency) for r in found.rows] == [(*w, c) for c in (1, 2) for w in wanted]
    assert all(r.ttft and r.gap and not r.failed for r in found.rows)
    assert found.settings["depth"] == "quick"
    for r in found.rows:
        assert r.name in done.output


def test_the_probe_alone_and_its_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`probe` names the probe among providers; --cost sets its CPU time beside the floor's, and prints it."""
    pytest.importorskip("httptools", reason="the floor is measured with it")
    monkeypatch.setattr("streamgauge.instrument.calibration.QUICK", Depth(3))
    monkeypatch.setattr("streamgauge.instrument.cost.ROUNDS", 2)
    file = tmp_path / "calibration.json"
    words = ["probe", "--quick", "--concurrency", "2", "--cost", "--json", str(file)]
    done = CliRunner().invoke(command, words, standalone_mode=False)
    assert done.return_value == 0, done.output
    found = load_calibration(file)
    assert [(r.path, r.concurrency) for r in found.rows] == [("wire", 2)]
    assert found.cost is not None
    assert found.cost.rounds == 2
    assert found.cost.seconds_per_event > 0
    assert found.cost.floor_per_event > 0
    assert found.cost.share_of_a_core == pytest.approx(found.cost.seconds_per_event * 10_000)
    assert "10,000 events a second take" in done.output


def test_a_cost_that_can_not_be_measured_is_told_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not behind the minutes of calibration, whose rows would be lost with it."""
    monkeypatch.setattr(cost, "fast", lambda: False)
    backends = Mock()
    monkeypatch.setattr("streamgauge.instrument.calibration.ReplayProcess", backends)
    with pytest.raises(StreamgaugeError, match=r"httptools, not installed: pip install 'streamgauge\[bench\]'"):
        CliRunner().invoke(command, ["probe", "--cost"], standalone_mode=False, catch_exceptions=False)
    backends.assert_not_called()


def test_an_interrupted_cost_leaves_no_connection(backend: ReplayProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between the connections of the floor and their streams closes them: Python would warn of each."""
    pytest.importorskip("httptools", reason="the floor is measured with it")
    monkeypatch.setattr(cost, "_received", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        cost.measure(backend)
    gc.collect()


def test_a_cost_whose_server_dies_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The floor says what happened, and waits for no stream that can't come."""
    pytest.importorskip("httptools", reason="the floor is measured with it")
    received = cost._received

    async def orphaned(links: Any, message: bytes) -> int:
        process._process.kill()
        return await received(links, message)

    monkeypatch.setattr(cost, "_received", orphaned)
    monkeypatch.setattr(cost.Alternating, "_probed", lambda _: 0.0)
    with ReplayProcess() as process, pytest.raises(StreamgaugeError, match="process broke off"):
        cost.Alternating(process, pace=60.0).__enter__()


def test_an_interrupt_keeps_what_was_measured(tmp_path: Path) -> None:
    """Ctrl-C during the second row: the file has the first, says partial, and the exit code is the signal's."""
    file = tmp_path / "calibration.json"
    words = ["calibrate", "probe", "--quick", "--concurrency", "1,4000", "--json", str(file)]
    with subprocess.Popen(
        [sys.executable, "-m", "streamgauge", *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert "x1:" in first
    assert (process.returncode, errors) == (130, "")
    assert "probe:openai-chat" in output
    found = load_calibration(file)
    assert found.partial
    assert [row.concurrency for row in found.rows] == [1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["probe", "--mode", "sync"], "nothing to calibrate"),
        (["--concurrency", "0"], "numbers above 0"),
        (["--concurrency", "1,x"], "numbers above 0"),
        (["--mode", "sideways"], "not one of sync, async, wire"),
        (["no-such-provider"], "unknown provider"),
    ],
)
def test_a_wrong_call_is_refused(words: list[str], said: str) -> None:
    """One line, exit code 2, before anything is measured."""
    done = subprocess.run(
        [sys.executable, "-m", "streamgauge", "calibrate", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
