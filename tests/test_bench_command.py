"""`streamgauge bench`: what it measures, reports and exits with, against the built-in server and others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from streamgauge.cli._frame import _root as program
from streamgauge.instrument import timings
from streamgauge.instrument.calibrate import Depth
from streamgauge.measurement.metrics import StreamMetrics
from streamgauge.measurement.result_files import load
from streamgauge.measurement.results import BenchResult
from streamgauge.measurement.summaries import outcomes, rates, summarise
from streamgauge.provider import get_provider
from streamgauge.registry import get_dialect
from streamgauge.server import ReplayServer
from streamgauge.server.standalone import paced

pytestmark = pytest.mark.slow  # real processes and real time: nox -s slow

CHAT = get_dialect("openai-chat")
KEY = "sk-bench-0123456789abcdef"
SMALL = ["--runs", "2", "--requests", "3", "--events", "4", "--first", "0.002", "--pace", "0.002"]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calibration along the way is made of few streams."""
    monkeypatch.setattr("streamgauge.instrument.calibrate.QUICK", Depth(2))


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as found:
        yield found


def bench(*words: str) -> Any:
    """Run the command in this process."""
    return CliRunner().invoke(program, ["bench", *words], standalone_mode=False)


def measured(tmp_path: Path, *words: str) -> tuple[Any, BenchResult]:
    """Run it and read the file that it wrote."""
    file = tmp_path / "bench.json"
    done = bench(*words, "--json", str(file))
    assert file.exists(), (done.output, done.exception)
    return done, load(file)


# The built-in server


def test_every_path_at_every_concurrency(tmp_path: Path) -> None:
    """The probe, the sync and the async path, at one stream and at two; the file has it all, the table names it."""
    done, found = measured(tmp_path, *SMALL, "--concurrency", "1,2")
    assert done.exception is None, done.output
    assert done.return_value == 0
    paths = [("probe:openai-chat", "wire"), ("openai-chat", "sync"), ("openai-chat", "async")]
    assert [(t.name, t.path, t.concurrency) for t in found.targets] == [(*p, c) for c in (1, 2) for p in paths]
    for target in found.targets:
        assert [run.index for run in target.runs] == [0, 1]
        assert outcomes(target.streams)["complete"] == 6
        assert target.base_url_kind == "built-in"
        summary = summarise(target)
        assert {"ttft", "gap", "e2e", "tpot", "delivery_delay"} <= set(summary)
        assert summary["gap"].count == 6 * 3
        assert summary["ttft"].p99 is None  # six values carry none
        assert {"events_per_second", "cpu_per_event"} <= set(rates(target))
    assert not found.partial
    assert found.settings["retries"] == 0
    assert found.calibration is not None
    assert [(r.path, r.concurrency) for r in found.calibration.rows] == [("wire", 1), ("wire", 2)]
    for text in ("probe:openai-chat", "async / sync", "calibration: measured minus true", "warm-up"):
        assert text in done.output


def test_runs_are_interleaved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A B A B: each round has every target once, in the same order."""
    from streamgauge.instrument import bench as module

    order: list[tuple[str, int]] = []
    real = module.measure_run

    def watched(subject: Any, load: Any, *, index: int = 0, **more: Any) -> Any:
        order.append((subject.path, index))
        return real(subject, load, index=index, **more)

    monkeypatch.setattr(module, "measure_run", watched)
    measured(tmp_path, *SMALL, "--concurrency", "1")
    warm_up = [("wire", -1), ("sync", -1), ("async", -1)]
    assert order == [*warm_up, *((path, n) for n in (0, 1) for path in ("wire", "sync", "async"))]


def test_reports_are_written(tmp_path: Path) -> None:
    """HTML, CSV and Markdown beside the JSON."""
    files = {kind: tmp_path / f"bench.{kind}" for kind in ("html", "csv", "markdown")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    measured(tmp_path, *SMALL, "--concurrency", "1", "--mode", "wire,sync", *options)
    assert files["html"].read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "probe:openai-chat" in files["csv"].read_text(encoding="utf-8")
    assert files["markdown"].read_text(encoding="utf-8").startswith("# ")


def test_json_alone_goes_to_standard_output(tmp_path: Path) -> None:
    """`--json -` prints the result and nothing else there."""
    words = [sys.executable, "-m", "streamgauge", "bench", *SMALL, "--mode", "wire", "--concurrency", "1"]
    done = subprocess.run([*words, "--json", "-"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["schema"] == "streamgauge.bench/1"


def test_an_open_loop(tmp_path: Path) -> None:
    """With a rate the starts are planned, and the schedule delay is a figure."""
    _, found = measured(tmp_path, *SMALL, "--rate", "200", "--mode", "wire", "--concurrency", "2")
    assert (found.settings["loop"], found.settings["rate"]) == ("open", 200.0)
    assert all(s.schedule_delay > 0 for t in found.targets for s in t.streams)


def test_a_calibration_can_be_given(tmp_path: Path) -> None:
    """The rows of a file are taken where it has the concurrency, and nothing is calibrated again."""
    _, first = measured(tmp_path, *SMALL, "--mode", "wire", "--concurrency", "1")
    assert first.calibration is not None
    file = tmp_path / "calibration.json"
    from streamgauge.measurement.result_files import save

    save(first.calibration, file)
    done, found = measured(tmp_path, *SMALL, "--mode", "wire", "--concurrency", "1", "--calibration", str(file))
    assert found.calibration == first.calibration
    assert "calibration: probe" not in done.output


def test_a_path_that_is_not_there_is_noted(tmp_path: Path) -> None:
    """A provider without a sync path is measured on the other, and the report says so."""
    pytest.importorskip("aiohttp")
    _, found = measured(tmp_path, "aiohttp", *SMALL, "--mode", "sync,async", "--concurrency", "1")
    assert [(t.name, t.path) for t in found.targets] == [("aiohttp", "async")]
    assert found.notes == ["aiohttp has no sync path"]


# Other servers


def test_another_server(tmp_path: Path, server: ReplayServer) -> None:
    """A base URL is measured as it is; the key reaches it and no report."""
    mount = server.mount(paced(CHAT, [0.002] * 4))
    html = tmp_path / "bench.html"
    options = ["--base-url", mount.base_url, "--api-key", KEY, "--concurrency", "2", "--html", str(html)]
    done, found = measured(tmp_path, *SMALL, *options)
    assert done.return_value == 0
    assert {t.base_url_kind for t in found.targets} == {"given"}
    assert all(s.delivery_delay is None for t in found.targets for s in t.streams)
    assert all(r.headers["authorization"] == "Bearer ***" for r in mount.requests if r.method == "POST")
    assert KEY not in done.output + (tmp_path / "bench.json").read_text() + html.read_text(encoding="utf-8")


def test_library_retries_are_off(tmp_path: Path, server: ReplayServer) -> None:
    """A server that always fails gets one request for each stream."""
    mount = server.mount(paced(CHAT, [0.0]).but(status=503))
    options = ["--base-url", mount.base_url, "--concurrency", "1", "--runs", "1", "--requests", "2"]
    done, found = measured(tmp_path, *options)
    streams = [s for t in found.targets for s in t.streams]
    assert [s.outcome for s in streams] == ["refused"] * 6
    assert "nothing was measured" in str(done.exception), "a refusal may be the call's own fault: exit code 2"
    assert sum(r.method == "POST" for r in mount.requests) == 9  # with one of warm-up on each path


@pytest.mark.parametrize(("change", "outcome"), [({}, "truncated"), ({"ending": "reset"}, "cut")])
def test_streams_that_are_not_whole_are_no_success(
    tmp_path: Path, server: ReplayServer, change: dict[str, Any], outcome: str
) -> None:
    """A backend that always truncates, or breaks the connection, falls short: exit code 1, with the count."""
    whole = paced(CHAT, [0.0] * 4)
    mount = server.mount(whole.but(pieces=whole.pieces[:3], **change))
    options = ["--base-url", mount.base_url, "--concurrency", "1", "--mode", "wire,sync"]
    done, found = measured(tmp_path, *SMALL, *options)
    assert done.return_value == 1, done.exception
    assert f"failed: no stream was complete (12 {outcome})" in done.output
    assert {s.outcome for t in found.targets for s in t.streams} == {outcome}


def test_a_stall_ends(tmp_path: Path, server: ReplayServer) -> None:
    """Silence ends with the patience that was asked for; the report has it as stalled."""
    mount = server.mount(paced(CHAT, [0.0, 60.0]))
    options = ["--base-url", mount.base_url, "--concurrency", "1", "--idle-timeout", "0.3", "--warmup", "0"]
    _, found = measured(tmp_path, *options, "--runs", "1", "--requests", "1")
    assert [(t.path, s.outcome) for t in found.targets for s in t.streams] == [
        ("wire", "stalled"),
        ("sync", "stalled"),
        ("async", "stalled"),
    ]


# Exit codes


def run(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "streamgauge", "bench", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **more)


def test_thresholds_decide() -> None:
    """A threshold that was passed is exit code 1 and is named; one that holds is 0."""
    small = [*SMALL, "--mode", "wire", "--concurrency", "1"]
    held = run(*small, "--fail-if", "errors > 0", "--fail-if", "ttft.p50 > 60s")
    assert held.returncode == 0, held.stderr
    passed = run(*small, "--fail-if", "ttft.p50 > 1us")
    assert passed.returncode == 1
    assert "ttft.p50" in passed.stderr.splitlines()[-1]


def test_nobody_there() -> None:
    """A dead port is exit code 2 with one line that names the URL."""
    done = run("--base-url", "http://127.0.0.1:9/v1", "--runs", "1", "--concurrency", "1")
    assert done.returncode == 2
    assert "nothing answers at http://127.0.0.1:9/v1" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not get_provider("mistralai").missing, reason="mistralai is installed")
def test_a_library_that_is_missing_is_named_once() -> None:
    """One line with the command that installs it, exit code 2."""
    done = run("mistralai")
    assert done.returncode == 2
    assert done.stderr.count("not installed") == len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["no-such-provider"], "unknown provider"),
        (["--fail-if", "ttft.p99 is bad"], "threshold"),
        (["--base-url", "ftp://x"], "not an http URL"),
        (["--concurrency", "1,-3"], "numbers above 0"),
        (["--calibration", "no-such-file.json"], "can't read no-such-file.json"),
        (["--base-url", "http://model.test/v1"], "no API key for openai-chat"),
    ],
)
def test_a_wrong_call_is_refused(words: list[str], said: str, tmp_path: Path) -> None:
    """One line, exit code 2, before anything is measured."""
    environment = {k: v for k, v in os.environ.items() if k != "OPENAI_API_KEY"}
    done = run(*words, cwd=tmp_path, env=environment)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("mode", ["wire", "sync", "async"])
def test_an_interrupt_writes_what_was_measured(tmp_path: Path, mode: str) -> None:
    """Ctrl-C: exit code 130, and the file has the streams that had ended, marked partial."""
    file = tmp_path / "bench.json"
    words = ["--mode", mode, "--concurrency", "1", "--runs", "1", "--requests", "10000", "--events", "2"]
    command = [sys.executable, "-m", "streamgauge", "bench", *words, "--json", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        begun = 0
        for line in process.stderr:
            begun += line.startswith("warm-up: ")
            if begun == 2:  # the calibration's, then the target's
                break
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(30) == 130, rest
    assert "Traceback" not in rest
    found = load(file)
    assert found.partial
    (target,) = found.targets
    assert 0 < len(target.streams) < 10_000
    assert all(s.succeeded for s in target.streams)


# The server's own figures


class Llama(BaseHTTPRequestHandler):
    """Answers like llama.cpp: timings in the last chunk, counters at /metrics."""

    protocol_version = "HTTP/1.1"
    tokens = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        done = '"usage":{"prompt_tokens":3,"completion_tokens":3}'
        chunks = [f'{{"choices":[{{"index":0,"delta":{{"content":"{c}"}}}}]}}' for c in "abc"]
        chunks.append('{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}')
        times = '"timings":{"prompt_ms":2.5,"predicted_ms":20.0,"predicted_n":3,"predicted_per_second":100.0}'
        chunks.append(f'{{"choices":[],{done},{times}}}')
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        type(self).tokens += 3
        for chunk in [*chunks, "[DONE]"]:
            self.wfile.write(f"data: {chunk}\n\n".encode())
            time.sleep(0.01)
        self.close_connection = True

    def do_GET(self) -> None:
        lines = [
            "# HELP llamacpp:tokens_predicted_total Number of generation tokens processed.",
            "# TYPE llamacpp:tokens_predicted_total counter",
            f"llamacpp:tokens_predicted_total {self.tokens}",
            f"llamacpp:tokens_predicted_seconds_total {self.tokens / 100}",
        ]
        body = "\n".join(lines).encode() if self.path == "/metrics" else b""
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def llama() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Llama) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}/v1"
        found.shutdown()
        thread.join()


def test_a_server_s_own_figures_stand_beside_ours(tmp_path: Path, llama: str) -> None:
    """llama.cpp's timings and its counters are in the report, with the difference."""
    done, found = measured(
        tmp_path, "--base-url", llama, "--mode", "wire", "--concurrency", "1", "--runs", "2", "--requests", "2"
    )
    (target,) = found.targets
    from_chunk, from_metrics = target.server_timings
    first = from_chunk.figures["ttft beside prompt_ms"]
    assert first["server"] == pytest.approx(0.0025)
    assert first["streams"] == 4
    assert first["ours"] - first["server"] == pytest.approx(first["difference"])
    span = from_chunk.figures["last - first output beside predicted_ms"]
    assert span["server"] == pytest.approx(0.02)
    assert span["ours"] >= 0.019
    assert from_chunk.figures["tokens per second"]["server"] == pytest.approx(100.0)
    assert from_metrics.figures["output tokens"] == {"server": 12.0, "ours": 12.0, "difference": 0.0}
    assert from_metrics.figures["tokens per second of generation"]["server"] == pytest.approx(100.0)
    assert "ttft beside prompt_ms" in done.output


def metrics(ttft: float, *gaps: float) -> StreamMetrics:
    return StreamMetrics(
        outcome="complete",
        ttfb=None,
        ttfe=ttft,
        ttft=ttft,
        ttft_answer=ttft,
        gaps=gaps,
        tpot=None,
        e2e=1.0,
        events=1,
        output_events=1,
        output_tokens=len(gaps) + 1,
        token_source="usage",
        schedule_delay=0.25,
        received=0,
    )


def test_prometheus_text_is_read() -> None:
    """Labels are added up, comments and what is no sample are left out."""
    text = '# TYPE a counter\na{model="x"} 2\na{model="y"} 3.5\nb 1e3\nb_bucket{le="+Inf"} 7\nnonsense\n'
    assert timings.samples(text) == {"a": 5.5, "b": 1000.0, "b_bucket": 7.0}


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_histograms_are_means_of_the_time_between(engine: str) -> None:
    """Sum over count of what came between two looks, beside our mean, which counts from the sending."""
    name = f"{engine}:time_to_first_token_seconds"
    before, after = {f"{name}_sum": 10.0, f"{name}_count": 100.0}, {f"{name}_sum": 10.6, f"{name}_count": 102.0}
    found = timings.published(before, after, [metrics(0.5), metrics(0.6)])
    assert found is not None
    assert found.figures["mean TTFT"] == pytest.approx({"server": 0.3, "ours": 0.3, "difference": 0.0, "streams": 2.0})
    assert timings.published(after, after, [metrics(0.5)]) is None
    assert timings.published({}, {}, [metrics(0.5)]) is None
