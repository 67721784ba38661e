"""Results of benchmarks that nobody ran, with a truth that is known."""

from __future__ import annotations

import math
import random
from typing import Any

from streamgauge.measurement.calibrations import PathName
from streamgauge.measurement.metrics import Outcome
from streamgauge.measurement.results import BenchResult, Run, Stream, Target


def stream(ttft: float = 0.05, gap: float = 0.01, *, outcome: Outcome = "complete", gaps: int = 4) -> Stream:
    """A stream of equal gaps; one that failed has them too, and nothing else."""
    times = {"ttft": ttft, "ttft_answer": ttft, "ttfe": ttft * 0.8} if outcome == "complete" else {}
    e2e = ttft + gap * gaps
    facts: dict[str, Any] = {"events": gaps + 4, "output_events": gaps + 1, "received": 900}
    return Stream(outcome=outcome, e2e=e2e, gaps=[gap] * gaps, **times, **facts)


def run(index: int, streams: list[Stream], *, cpu: float = 0.01) -> Run:
    """A run that lasts as long as its streams one after the other."""
    return Run(
        index=index,
        wall_seconds=sum(s.e2e for s in streams) or 1.0,
        cpu_seconds=cpu,
        events=sum(s.events for s in streams),
        received_bytes=sum(s.received for s in streams),
        streams=streams,
    )


def target(runs: list[Run], *, name: str = "openai-chat", path: PathName = "sync", concurrency: int = 1) -> Target:
    return Target(name=name, path=path, concurrency=concurrency, dialect="openai-chat", version="1.0", runs=runs)


def noisy(
    rng: random.Random, *, runs: int = 10, shift: float = 1.0, spread: float = 0.03, drift: list[float] | None = None
) -> Target:
    """Runs whose luck varies log-normally around a shift; `drift` multiplies the n-th run."""
    made = []
    for index in range(runs):
        luck = shift * math.exp(rng.gauss(0, spread)) * (drift[index] if drift else 1.0)
        made.append(run(index, [stream(0.05 * luck, 0.01 * luck) for _ in range(3)], cpu=0.01 * luck))
    return target(made)


def result(*targets: Target, **facts: Any) -> BenchResult:
    given: dict[str, Any] = {
        "started": "2026-11-22T12:00:00+00:00",
        "versions": {"streamgauge": "0.1.0", "python": "3.11.7", "platform": "Linux"},
        "settings": {"prompt": "hello", "requests": 3},
        "clock": "monotonic at read",
        **facts,
    }
    return BenchResult(targets=list(targets), **given)
