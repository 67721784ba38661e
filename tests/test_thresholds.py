"""Thresholds: read, judged, and never met by absence."""

from __future__ import annotations

import math

import pytest
from tests.synthetic import result, run, stream, target

from streamgauge.errors import StreamgaugeError
from streamgauge.measurement.thresholds import Judgement, judge, parse

GOOD = target([run(n, [stream(0.1, 0.02), stream(0.2, 0.02)]) for n in range(5)])


def only(text: str, *targets) -> Judgement:
    (found,) = judge([parse(text)], result(*targets))
    return found


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("ttft.p99 > 300ms", 0.3),
        ("gap.p50 >= 20 ms", 0.02),
        ("gap.p50<1.5s", 1.5),
        ("cpu_per_event > 250us", 250e-6),
        ("cpu_per_event > 250µs", 250e-6),
        ("errors > 0", 0.0),
        ("errors.stalled >= 2", 2.0),
        ("errors > 1.5%", 0.015),
        ("events_per_second < 10k/s", 10_000.0),
        ("events_per_second < 500", 500.0),
        ("peak_rss > 100MiB", 100 * 1024**2),
    ],
)
def test_thresholds_are_read(text: str, bound: float) -> None:
    """Times have units; rates may; streams are counted, or a share of them."""
    assert parse(text).bound == pytest.approx(bound)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ttft.p99 300ms", "write it like"),
        ("ttft.p99 = 300ms", "write it like"),
        ("", "write it like"),
        ("ttft.p99 > fast", "write it like"),
        ("ttft.p99 > 300", "it needs a unit: take one of s, ms, us"),
        ("ttft.p99 > 300min", "'min' is no unit of it"),
        ("ttft.p99 > 5%", "'%' is no unit of it"),
        ("errors > 5ms", "'ms' is no unit of it"),
        ("ttft > 300ms", "needs a statistic"),
        ("p99 > 300ms", "unknown figure 'p99'"),
    ],
)
def test_a_wrong_threshold_says_how_to_write_it(text: str, said: str) -> None:
    """One line, and what would be right."""
    with pytest.raises(StreamgaugeError, match=said) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


def test_what_is_within_its_threshold_passes() -> None:
    """The sentence gives the value and its interval."""
    found = only("ttft.p50 > 300ms", GOOD)
    assert found.passed
    assert found.value == 0.1
    assert found.sentence == "openai-chat sync x1: ttft.p50 is 100 ms (95 % interval 100 ms to 200 ms), not > 300ms"


@pytest.mark.parametrize(
    "text", ["ttft.p50 >= 100ms", "ttft.mean > 149ms", "gap.max > 19ms", "streams_per_second < 1000"]
)
def test_what_passes_its_threshold_fails(text: str) -> None:
    """Each comparison is what it says."""
    assert not only(text, GOOD).passed


def test_an_absent_figure_is_a_failure() -> None:
    """Ten streams have no p99: that is no reason to be green."""
    found = only("ttft.p99 > 300ms", GOOD)
    assert not found.passed
    assert found.value is None
    assert "can't be told, which is a failure: 10 values can't carry p99: it takes 368" in found.sentence


@pytest.mark.parametrize("text", ["tpot.p50 > 1s", "delivery_delay.p50 > 1s", "peak_rss > 1GB", "client_lag.max > 1s"])
def test_what_was_not_measured_is_a_failure(text: str) -> None:
    """A figure that no stream has."""
    found = only(text, GOOD)
    assert not found.passed
    assert "can't be told" in found.sentence


def test_no_target_is_a_failure() -> None:
    """A run that was interrupted before its first target, or a target without a stream, passes nothing."""
    assert not only("errors > 0").passed
    assert not only("errors > 0", target([])).passed
    assert not only("errors > 0", target([run(0, [])])).passed


def test_errors_by_number_and_by_share() -> None:
    """Of ten streams one failed: more than none, not more than ten percent."""
    one = target([run(0, [stream()] * 9 + [stream(outcome="truncated")])])
    assert only("errors > 0", GOOD).passed
    assert not only("errors > 0", one).passed
    assert only("errors > 10%", one).passed
    assert not only("errors >= 10%", one).passed
    assert not only("errors.truncated > 0", one).passed
    assert only("errors.stalled > 0", one).passed
    assert "errors is 10.00%, not > 10%" in only("errors > 10%", one).sentence


@pytest.mark.parametrize("text", ["ttft.p50 > 300ms", "ttft.p50 < 1ms"])
def test_failed_streams_meet_no_bound(text: str) -> None:
    """A median that is infinite, because most streams failed, is a failure whichever way the bound looks."""
    failing = target([run(0, [stream(outcome="error")] * 20)])
    found = only(text, failing)
    assert not found.passed
    assert found.value == math.inf


def test_every_threshold_is_judged_on_every_target() -> None:
    """Four judgements of two thresholds on two targets."""
    slow = target([run(0, [stream(0.5)] * 10)], name="slow")
    found = judge([parse("ttft.p50 > 300ms"), parse("errors > 0")], result(GOOD, slow))
    assert [(j.target, j.passed) for j in found] == [
        ("openai-chat sync x1", True),
        ("slow sync x1", False),
        ("openai-chat sync x1", True),
        ("slow sync x1", True),
    ]
