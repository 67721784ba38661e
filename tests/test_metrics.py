"""Metrics: each definition on a stream whose truth is known."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from streamgauge.events import End, Finish, KeepAlive, ReasoningDelta, Start, TextDelta, Usage
from streamgauge.measurement.metrics import Timeline, measure, outcome_of, quantile, reasoning_seconds, timeline_of
from streamgauge.registry import get_dialect
from streamgauge.trace import Arrival, Trace

TIMELINE = Timeline(
    events=(
        (0.02, Start("id", "m")),
        (0.05, KeepAlive()),
        (0.08, ReasoningDelta("hm")),
        (0.09, ReasoningDelta("so")),
        (0.20, TextDelta("a")),
        (0.30, TextDelta("b")),
        (0.31, Finish("stop")),
        (0.32, Usage(3, 5)),
        (0.33, End("complete")),
    ),
    outcome="complete",
    ended_at=0.4,
    headers_at=0.01,
)


def test_each_moment_is_where_its_definition_says():
    """TTFT is the first output of any kind, not the role chunk; TTFT-answer the first visible text."""
    m = measure(TIMELINE)
    assert (m.ttfb, m.ttfe, m.ttft, m.ttft_answer, m.e2e) == (0.01, 0.02, 0.08, 0.20, 0.33)
    assert m.gaps == pytest.approx((0.01, 0.11, 0.10))
    assert m.tpot == pytest.approx((0.30 - 0.08) / 4)
    assert (m.output_events, m.output_tokens, m.token_source) == (4, 5, "usage")
    assert reasoning_seconds(TIMELINE) == pytest.approx(0.12)


def test_no_usage_means_no_token_count():
    """Tokens are never guessed: without a source there is no count and no TPOT."""
    events = tuple(e for e in TIMELINE.events if not isinstance(e[1], Usage))
    m = measure(Timeline(events=events, outcome="complete", ended_at=1.0))
    assert (m.output_tokens, m.tpot, m.token_source) == (None, None, "none")


def test_an_empty_stream_has_no_moments():
    """Nothing came: each moment is absent, not zero."""
    m = measure(Timeline(events=(), outcome="cut", ended_at=2.0))
    assert (m.ttfe, m.ttft, m.ttft_answer, m.gaps, m.e2e) == (None, None, None, (), 2.0)


@pytest.mark.parametrize(
    ("ended", "trace_end", "outcome"),
    [
        ("complete", "reset", "complete"),
        ("truncated", "eof", "truncated"),
        ("truncated", "timeout", "stalled"),
        ("truncated", "reset", "cut"),
        ("malformed", "incomplete", "cut"),
        ("error", "eof", "error"),
    ],
)
def test_only_the_dialect_says_complete(ended, trace_end, outcome):
    """A clean end of the bytes is no success, a terminator is one whatever the connection did after it."""
    assert outcome_of(ended, trace_end) == outcome


def test_a_trace_gives_each_event_the_time_of_the_read_that_completed_it():
    """An event cut over two reads is there with the second."""
    first, second = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n', b"\ndata: [DONE]\n\n"
    trace = Trace(arrivals=(Arrival(0.1, first), Arrival(0.5, second)), ended_at=0.6, status=200, timed=True)
    timeline = timeline_of(trace, get_dialect("openai-chat").name)
    assert [(at, type(e)) for at, e in timeline.events] == [(0.5, TextDelta), (0.5, End)]
    assert timeline.outcome == "complete"
    assert timeline_of(Trace(arrivals=(), status=429), "openai-chat").outcome == "refused"


def test_failures_are_infinite_and_small_samples_have_no_tail():
    """Ten values carry a median and no p99; a tenth of failures makes the p95 infinite."""
    assert quantile(list(range(10)), 0.99) is None
    assert quantile([], 0.5) is None
    median = quantile([float(v) for v in range(1, 101)], 0.5)
    assert median is not None
    assert median.value == 50.0
    assert median.low < 50 < median.high
    tail = quantile([1.0] * 900, 0.95, failures=100)
    assert tail is not None
    assert tail.value == math.inf


def test_the_interval_covers_the_true_quantile_as_often_as_it_says():
    """Over 400 samples of 60 values the 95 % interval of the median misses it about one time in twenty."""
    draw = random.Random(7)
    found = [quantile([draw.random() for _ in range(60)], 0.5) for _ in range(400)]
    covered = sum(1 for q in found if q is not None and q.low <= 0.5 <= q.high)
    assert covered >= 0.92 * 400


def test_ranks_of_large_samples_are_those_of_the_whole_sum():
    """Leaving out what is beyond twelve standard deviations changes no interval."""
    for n, q in ((900, 0.5), (5000, 0.99), (20_000, 0.9)):
        chances = [
            math.exp(
                math.lgamma(n + 1)
                - math.lgamma(k + 1)
                - math.lgamma(n - k + 1)
                + k * math.log(q)
                + (n - k) * math.log1p(-q)
            )
            for k in range(n + 1)
        ]
        below = list(itertools.accumulate(chances))
        low = max(k for k in range(1, n + 1) if below[k - 1] <= 0.025)
        high = min(k + 1 for k in range(n + 1) if 1 - below[k] <= 0.025)
        found = quantile([float(v) for v in range(1, n + 1)], q)
        assert found is not None
        assert (found.low, found.value, found.high) == (low, math.ceil(n * q), high)


def test_a_rank_is_not_moved_by_rounding():
    """100 * 0.07 is 7.000000000000001 in floating point, and the seventh value is meant."""
    found = quantile([float(v) for v in range(1, 101)], 0.07)
    assert found is not None
    assert found.value == 7.0
