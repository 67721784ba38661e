"""Each installed provider on the replay server, sync beside async, over the floor of a raw socket in the same run.

The server runs in a process of its own and sends one write an event. `fast` (500 events, no delays) gives chunks a
second and client CPU per chunk; `paced` (20 ms to the first event, then 4 ms each) gives TTFT and gaps.
"""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from streamgauge.chat import ChatRequest
from streamgauge.events import OUTPUT, Event
from streamgauge.metrics import StreamMetrics, Timeline, measure
from streamgauge.provider import Connection, Provider, ProviderSpec, all_providers

REQUEST = ChatRequest.of("Say something long")
PROVIDERS = [spec for spec in all_providers().values() if spec.dialect == "openai-chat" and not spec.missing]
Rows = dict[tuple[str, str], dict[str, float]]
EVENTS = 500
PACED_RUNS = 7


@pytest.fixture(scope="module")
def backend() -> Iterator[dict[str, str]]:
    """Base URLs of the fast and of the paced script, in another process."""
    server = Path(__file__).with_name("bench_server.py")
    with subprocess.Popen([sys.executable, server], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()  # type: ignore[union-attr]
            process.wait(10)


def raw_stream(base_url: str) -> Callable[[], list[float]]:
    """The floor: a blocking socket, the arrival time of each output event, no HTTP, SSE or JSON library."""
    parts = urlsplit(base_url)
    body = b'{"model":"gpt-4","stream":true,"messages":[]}'
    head = f"POST {parts.path}/chat/completions HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def run() -> list[float]:
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            connection.sendall(request)
            times: list[float] = []
            tail, done = b"", False
            while not done:
                read = connection.recv(65536)
                assert read, "the server closed the connection before [DONE]"
                now = time.perf_counter()
                *events, tail = (tail + read).split(b"\n\n")
                times += [now for event in events if b'"content":" ' in event]
                done = any(b"[DONE]" in event for event in events)
            return times

    return run


def run_sync(provider: Provider) -> list[tuple[float, Event]]:
    return [(time.perf_counter(), event) for event in provider.stream(REQUEST)]


async def run_async(provider: Provider) -> list[tuple[float, Event]]:
    return [(time.perf_counter(), event) async for event in provider.astream(REQUEST)]


def timed(run: Callable[[], list[tuple[float, Event]]]) -> StreamMetrics:
    start = time.perf_counter()
    events = tuple((at - start, event) for at, event in run())
    return measure(Timeline(events=events, outcome="complete", ended_at=time.perf_counter() - start))


def record(
    benchmark: Any, name: str, path: str, run: Callable[[], Any], chunks: Callable[[Any], int], rows: Rows
) -> None:
    """Run the fast script as the benchmark; keep CPU per chunk and chunks a second beside it."""
    cpu: list[float] = []

    def once() -> Any:
        before = time.process_time()
        result = run()
        cpu.append((time.process_time() - before) / EVENTS)
        return result

    assert chunks(benchmark.pedantic(once, rounds=7, warmup_rounds=2)) == EVENTS
    seconds = benchmark.stats.stats.median
    facts = {"cpu_us_per_chunk": statistics.median(cpu) * 1e6, "chunks_per_second": EVENTS / seconds}
    benchmark.extra_info.update(facts, provider=name, path=path)
    rows.setdefault((name, path), {}).update(facts)


def _outputs(events: list[tuple[float, Event]]) -> int:
    return sum(isinstance(event, OUTPUT) for _, event in events)


def test_raw_socket(benchmark, backend, bench_rows: Rows):
    """The floor of this run: what reading these bytes costs without any library."""
    benchmark.group = "provider"
    record(benchmark, "raw socket", "sync", raw_stream(backend["fast"]), len, bench_rows)
    paced = raw_stream(backend["paced"])
    found = []
    for _ in range(PACED_RUNS):
        start = time.perf_counter()
        times = paced()
        found.append((times[0] - start, statistics.median(b - a for a, b in zip(times, times[1:], strict=False))))
    _paced(benchmark, bench_rows[("raw socket", "sync")], found)


@pytest.mark.parametrize("path", ["sync", "async"])
@pytest.mark.parametrize("spec", PROVIDERS, ids=lambda spec: spec.name)
def test_provider(benchmark, backend, bench_rows: Rows, spec: ProviderSpec, path: str):
    """One provider on one path: the same script, the same events, over the same socket."""
    benchmark.group = "provider"
    with asyncio.Runner() as runner:
        runs = {}
        for pace in ("fast", "paced"):
            provider = spec.open(Connection(base_url=backend[pace], api_key="sk-bench"))
            runs[pace] = (
                (lambda p=provider: run_sync(p)) if path == "sync" else (lambda p=provider: runner.run(run_async(p))),
                provider,
            )
        record(benchmark, spec.name, path, runs["fast"][0], _outputs, bench_rows)
        metrics = [timed(runs["paced"][0]) for _ in range(PACED_RUNS)]
        found = [(m.ttft or 0.0, statistics.median(m.gaps)) for m in metrics]
        _paced(benchmark, bench_rows[(spec.name, path)], found)
        for _, provider in runs.values():
            provider.close()
            runner.run(provider.aclose())


def _paced(benchmark: Any, row: dict[str, float], found: list[tuple[float, float]]) -> None:
    facts = {
        "ttft_ms": statistics.median(ttft for ttft, _ in found) * 1e3,
        "gap_ms": statistics.median(gap for _, gap in found) * 1e3,
    }
    benchmark.extra_info.update(facts)
    row.update(facts)
