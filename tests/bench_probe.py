"""What measuring costs: the wire probe's CPU per event beside a raw protocol with httptools, in the same run.

`streamgauge calibrate probe --cost` prints the same. `x_floor` is the probe's cost as a multiple of the floor's, both
with the decoding that the probe puts off; `share_of_a_core` is what 10,000 events a second take.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from streamgauge.instrument.backend import ReplayProcess
from streamgauge.instrument.cost import RATE, ROUNDS, STREAMS, Alternating

pytest.importorskip("httptools", reason="pip install 'streamgauge[bench]'")

PACES = {"10,000 events a second": STREAMS / RATE, "as fast as they come": 0.0}


@pytest.fixture(scope="module")
def backend() -> Iterator[ReplayProcess]:
    with ReplayProcess() as found:
        yield found


@pytest.mark.parametrize("pace", PACES)
def test_cost_of_measuring(benchmark: BenchmarkFixture, backend: ReplayProcess, pace: str) -> None:
    """The probe and the floor in turn, on the same script."""
    benchmark.group = f"cost of measuring, {STREAMS} streams, {pace}"
    with Alternating(backend, PACES[pace]) as both:
        benchmark.pedantic(both.probe, setup=both.floor, rounds=ROUNDS)
    found = both.costs.found
    benchmark.extra_info |= {
        "us_per_event": round(found.seconds_per_event * 1e6, 2),
        "us_per_event_floor": round(found.floor_per_event * 1e6, 2),
        "x_floor": round(found.x_floor, 2),
        "share_of_a_core_at_10000_events_per_second": round(found.share_of_a_core, 3),
        "events_per_second": round(found.events_per_second),
    }
