"""What a client costs: the same answer through bare clients, the wire probe and every installed provider.

Every benchmark runs in turn with the floor, a raw socket that reads the same bytes, so that its figures are multiples
of the floor's in the same run; who is first changes from round to round. A burst (500 events at once) gives what the
code costs, and how many events a second one core can take; a paced answer (10 ms to the first event, then 4 ms each)
gives CPU per event with one event a read, TTFT, gaps and the delivery delay: from the server's send log, in another
process on the same monotonic clock, to the event in the caller's hands.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import math
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
PACED = (0.01, *[0.004] * 23)
ROUNDS = 7
LEAST_CPU = 0.01
"""Seconds of CPU time that the bursts of a round take at least: of the floor, one alone takes too little to tell."""
MOST_BURSTS = 20
CHUNK = json.dumps(
    {
        "id": "chatcmpl-abc",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4",
        "choices": [{"index": 0, "delta": {"content": " word1234"}, "logprobs": None, "finish_reason": None}],
    }
)
"""What the second floor parses: of a burst the raw socket is nearly all kernel, whose cost beside Python's differs from
machine to machine and from minute to minute; `json.loads` of as many chunks is what a burst is judged by."""
PARSED = 1000
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
    """What one client did, a value for each round. Seconds.

    bursts: answers in a row that make up a round's burst. own_ttft: the part of the TTFT that is not the server's.
    """

    client: Client
    bursts: int = 1
    burst_cpu: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    ttft: list[float] = field(default_factory=list)
    own_ttft: list[float] = field(default_factory=list)
    gap: list[float] = field(default_factory=list)
    delay: list[float] = field(default_factory=list)
    held: list[int] = field(default_factory=list)

    def warm(self, events: int) -> float:
        """An answer that doesn't count, of which every event must come; its CPU time."""
        before = time.process_time()
        assert len(self.client.run(next(TAGS))) == events
        return time.process_time() - before

    def settle(self) -> None:
        """How many bursts it takes to have something to measure; the first answer had the connection to make."""
        self.warm(EVENTS)
        self.bursts = max(1, min(MOST_BURSTS, math.ceil(LEAST_CPU / self.warm(EVENTS))))

    def burst(self) -> None:
        """All events of an answer at once, a few answers in a row: what the code costs, with few reads."""
        gc.collect()
        before = time.process_time()
        for _ in range(self.bursts):
            self.client.run(next(TAGS))
        self.burst_cpu.append((time.process_time() - before) / EVENTS / self.bursts)

    def paced(self, server: ReplayProcess, stage: Stage) -> None:
        """One event a read, as a model sends them: the system calls and wake-ups too, and all that is about time."""
        tag = next(TAGS)
        gc.collect()
        began, before = time.monotonic(), time.process_time()
        times = self.client.run(tag)
        self.cpu.append((time.process_time() - before) / len(times))
        served = server.log(stage)[tag]
        self.ttft.append(times[0] - began)
        self.own_ttft.append(times[0] - began - (served.sends[0] - served.received))
        self.gap.append(statistics.median(b - a for a, b in pairwise(times)))
        self.delay.append(statistics.median(at - sent for at, sent in zip(times, served.sends, strict=True)))
        if (held := held_back(served.sends, times)) is not None:
            self.held.append(held)


def parse() -> float:
    """CPU seconds that `json.loads` takes for a chunk."""
    before = time.process_time()
    for _ in range(PARSED):
        json.loads(CHUNK)
    return (time.process_time() - before) / PARSED


@contextmanager
def connected(entry: Entry, stage: Stage, runner: asyncio.Runner) -> Iterator[tuple[Client, Client]]:
    """The client and the floor on one script. What other clients left in memory is no part of this one's garbage
    collections: it is frozen meanwhile."""
    with ExitStack() as stack:
        found: list[Client] = []
        for made in (entry.connect(stage, runner), RawSocket(entry.dialect, stage)):
            stack.callback(made.close)
            found.append(made)
        gc.collect()
        gc.freeze()
        stack.callback(gc.unfreeze)
        yield found[0], found[1]


@pytest.mark.parametrize("entry", CLIENTS, ids=lambda entry: f"{entry.name}-{entry.path}".replace(" ", "-"))
def test_client(
    benchmark: BenchmarkFixture, server: ReplayProcess, bursts: dict[str, str], costs: list[Cost], entry: Entry
) -> None:
    """One client on one path beside the floor: the same events, over the same kind of connection."""
    benchmark.group = "client"
    burst = Stage(bursts[entry.dialect], 0, (0.0,) * EVENTS)
    with asyncio.Runner() as runner:
        with connected(entry, burst, runner) as (client, base):
            seen, floor = Seen(client), Seen(base)
            for one in (seen, floor):
                one.settle()

            parsing: list[float] = []

            def floors() -> None:
                floor.burst()
                parsing.append(parse())

            def before() -> None:
                if len(seen.burst_cpu) % 2 == 0:
                    floors()

            def behind() -> None:
                if len(parsing) < len(seen.burst_cpu):
                    floors()

            benchmark.pedantic(seen.burst, setup=before, teardown=behind, rounds=ROUNDS)
        paced = _stage(server, entry.dialect)
        with connected(entry, paced, runner) as (client, base):
            seen.client, floor.client = client, base
            for one in (seen, floor):
                one.warm(len(PACED))
            for number in range(ROUNDS):
                for one in (floor, seen) if number % 2 else (seen, floor):
                    one.paced(server, paced)
    cost = _cost(entry, seen, floor, parsing)
    benchmark.extra_info |= msgspec.to_builtins(cost)
    costs.append(cost)


def _stage(server: ReplayProcess, dialect: str) -> Stage:
    if dialect not in STAGES:
        STAGES[dialect] = server.stage(dialect, PACED)
    return STAGES[dialect]


def _cost(entry: Entry, seen: Seen, floor: Seen, parsing: list[float]) -> Cost:
    """Costs and times beside the floor's, round by round."""
    return Cost(
        client=entry.name,
        path=entry.path,
        dialect=entry.dialect,
        version=entry.version,
        cpu_us=_us(seen.cpu),
        floor_cpu_us=_us(floor.cpu),
        x_floor=_times(floor.cpu, seen.cpu),
        burst_cpu_us=_us(seen.burst_cpu),
        burst_x_floor=_times(floor.burst_cpu, seen.burst_cpu),
        json_us=_us(parsing),
        x_floor_json=_times(parsing, seen.burst_cpu),
        events_per_core_second=round(1 / statistics.median(seen.burst_cpu)),
        ttft_us=_us(seen.ttft),
        added_ttft_us=_us(_added(floor.own_ttft, seen.own_ttft)),
        ttft_x_floor=_times(_late(floor.own_ttft), _late(seen.own_ttft)),
        gap_us=_us(seen.gap),
        delivery_us=_us(seen.delay),
        added_delivery_us=_us(_added(floor.delay, seen.delay)),
        delivery_x_floor=_times(_late(floor.delay), _late(seen.delay)),
        held_back=statistics.median_low(seen.held) if seen.held else None,
    )


def _us(values: list[float]) -> float:
    return round(statistics.median(values) * 1e6, 2)


def _added(floor: list[float], seen: list[float]) -> list[float]:
    return [b - a for a, b in zip(floor, seen, strict=True)]


def _late(values: list[float]) -> list[float]:
    """Below a microsecond all is alike: a stamp of the kernel's may be no later than the sending."""
    return [max(value, 1e-6) for value in values]


def _times(floor: list[float], seen: list[float]) -> Ratio:
    found = ratio_interval(floor, seen, paired=True)
    assert found
    return Ratio(round(found.ratio, 3), round(found.low, 3), round(found.high, 3))
