"""Taints folded: one line a target."""

from __future__ import annotations

from streamgauge.measurement.taints import folded


def test_runs_of_one_target_are_one_line() -> None:
    """The first is told in full and the others are counted; what is said of no run stays as it is."""
    found = folded(
        [
            "openai sync x1 run 5: loop lag p99 34.7 ms is over 20 ms",
            "openai async x64 run 0: loop lag p99 1030.6 ms is over 20 ms",
            "openai async x64 run 1: this process used 96% of a core, over 90%",
            "openai async x64 run 2: loop lag p99 943.4 ms is over 20 ms",
            "calibration at 64: gaps are wrong by 6.0 ms (p99), over 5 ms",
        ]
    )
    assert found == [
        "openai sync x1 run 5: loop lag p99 34.7 ms is over 20 ms",
        "openai async x64 run 0: loop lag p99 1030.6 ms is over 20 ms; and 2 more of its runs",
        "calibration at 64: gaps are wrong by 6.0 ms (p99), over 5 ms",
    ]
