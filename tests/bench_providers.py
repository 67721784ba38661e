"""What a client costs: the same answer through bare clients, the wire probe and every installed provider.

Every benchmark runs in turn with the floor, a raw socket that reads the same bytes, so that its figures are multiples
of the floor's in the same run. A burst (500 events at once) gives what the code costs, and how many events a second
one core can take; a paced answer (20 ms to the first event, then 5 ms each) gives CPU per event with one event a
read, TTFT, gaps and the delivery delay: from the server's send log, in another process on the same monotonic clock,
to the event in the caller's hands.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tests.bench_clients import Client, Entry, RawSocket, bare, library

from streamgauge.instrument.backend import ReplayProcess, Stage
from streamgauge.measurement.delivery import held_back
from streamgauge.measurement.library_costs import Cost, Ratio
from streamgauge.measurement.resampling import ratio_interval
from streamgauge.provider import all_providers

EVENTS = 500
PACED = (0.02, *[0.005] * 23)
ROUNDS = 7
WARMUPS = 2
BURSTS = 3  # a round: of the floor one alone takes too little CPU time to tell
INSTALLED = [spec for spec in all_providers().values() if not spec.missing]
CLIENTS = [
    *bare("openai-chat"),
    *(library(spec, path) for spec in INSTALLED for path in ("sync", "async") if path in spec.capabilities),
]
TAGS = itertools.count(1)
STAGES: dict[str, Stage] = {}


@pytest.fixture(scope="module")
def bursts() -> Iterator[dict[str, str]]:
    """Base URLs by dialect of an answer that comes in one write, from another process."""
    command = [sys.executable, str(Path(__file__).with_name("bench_server.py")), str(EVENTS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(10)


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayProcess]:
    """The server in another process; it is the module's only one, so that its scripts can be kept by dialect."""
    with ReplayProcess() as process:
        yield process


@dataclass
class Seen:
    """What one client did, a value for each round. Seconds."""

    burst_cpu: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    ttft: list[float] = field(default_factory=list)
    gap: list[float] = field(default_factory=list)
    delay: list[float] = field(default_factory=list)
    held: list[int] = field(default_factory=list)

    def burst(self, client: Client) -> None:
        """All events of an answer at once, a few answers in a row: what the code costs, with few reads."""
        gc.collect()
        before = time.process_time()
        for _ in range(BURSTS):
            client.run(next(TAGS))
        self.burst_cpu.append((time.process_time() - before) / EVENTS / BURSTS)

    def paced(self, client: Client, server: ReplayProcess, stage: Stage) -> None:
        """One event a read, as a model sends them: the system calls and wake-ups too, and all that is about time."""
        tag = next(TAGS)
        gc.collect()
        began, before = time.monotonic(), time.process_time()
        times = client.run(tag)
        self.cpu.append((time.process_time() - before) / len(times))
        sends = server.log(stage)[tag].sends
        self.ttft.append(times[0] - began)
        self.gap.append(statistics.median(b - a for a, b in pairwise(times)))
        self.delay.append(statistics.median(at - sent for at, sent in zip(times, sends, strict=True)))
        if (held := held_back(sends, times)) is not None:
            self.held.append(held)


@contextmanager
def connected(entry: Entry, stage: Stage, runner: asyncio.Runner) -> Iterator[tuple[Client, Client]]:
    """The client and the floor on one script, both warm, both seeing every event."""
    with ExitStack() as stack:
        found: list[Client] = []
        for made in (entry.connect(stage, runner), RawSocket(entry.dialect, stage)):
            stack.callback(made.close)
            found.append(made)
            for _ in range(WARMUPS):
                assert len(made.run(next(TAGS))) == len(stage.delays)
        yield found[0], found[1]


@pytest.mark.parametrize("entry", CLIENTS, ids=lambda entry: f"{entry.name}-{entry.path}".replace(" ", "-"))
def test_client(
    benchmark: BenchmarkFixture, server: ReplayProcess, bursts: dict[str, str], costs: list[Cost], entry: Entry
) -> None:
    """One client on one path beside the floor: the same events, over the same kind of connection."""
    benchmark.group = "client"
    seen, floor = Seen(), Seen()
    burst = Stage(bursts[entry.dialect], 0, (0.0,) * EVENTS)
    paced = _stage(server, entry.dialect)
    with asyncio.Runner() as runner:
        with connected(entry, burst, runner) as (client, base):
            benchmark.pedantic(seen.burst, args=(client,), setup=lambda: floor.burst(base), rounds=ROUNDS)
        with connected(entry, paced, runner) as (client, base):
            for _ in range(ROUNDS):
                floor.paced(base, server, paced)
                seen.paced(client, server, paced)
    cost = _cost(entry, seen, floor)
    benchmark.extra_info |= msgspec.to_builtins(cost)
    costs.append(cost)


def _stage(server: ReplayProcess, dialect: str) -> Stage:
    if dialect not in STAGES:
        STAGES[dialect] = server.stage(dialect, PACED)
    return STAGES[dialect]


def _cost(entry: Entry, seen: Seen, floor: Seen) -> Cost:
    """Costs as multiples of the floor's, times as what they add to the floor's, round by round."""
    return Cost(
        client=entry.name,
        path=entry.path,
        dialect=entry.dialect,
        version=entry.version,
        cpu_us=_us(seen.cpu),
        x_floor=_times(floor.cpu, seen.cpu),
        burst_cpu_us=_us(seen.burst_cpu),
        x_floor_burst=_times(floor.burst_cpu, seen.burst_cpu),
        events_per_core_second=round(1 / statistics.median(seen.burst_cpu)),
        ttft_us=_us(seen.ttft),
        added_ttft_us=_us(_added(floor.ttft, seen.ttft)),
        gap_us=_us(seen.gap),
        delivery_us=_us(seen.delay),
        added_delivery_us=_us(_added(floor.delay, seen.delay)),
        held_back=statistics.median_low(seen.held) if seen.held else None,
    )


def _us(values: list[float]) -> float:
    return round(statistics.median(values) * 1e6, 2)


def _added(floor: list[float], seen: list[float]) -> list[float]:
    return [b - a for a, b in zip(floor, seen, strict=True)]


def _times(floor: list[float], seen: list[float]) -> Ratio:
    found = ratio_interval(floor, seen, paired=True)
    assert found
    return Ratio(round(found.ratio, 3), round(found.low, 3), round(found.high, 3))
