"""Figures: their names, what they are worth, and when they are worth nothing."""

from __future__ import annotations

import math

import pytest
from tests.synthetic import run, stream, target

from streamgauge.errors import StreamgaugeError
from streamgauge.measurement.figures import Reading, least_sample, parse_figure, reading, run_reading, shown
from streamgauge.measurement.metrics import quantile
from streamgauge.measurement.summaries import METRICS

TEN = target([run(n, [stream(0.1 + 0.01 * n)]) for n in range(10)])


@pytest.mark.parametrize("name", [*(f"{metric}.p99" for metric in METRICS), "gap.p99.9", "e2e.max", "errors.stalled"])
def test_every_metric_has_figures(name: str) -> None:
    """Each metric of a result can be asked for by any quantile."""
    assert parse_figure(name).name == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ttft", "needs a statistic: take ttft.p50"),
        ("ttft.p0", "has no 'p0'"),
        ("ttft.median", "has no 'median'"),
        ("tfft.p50", "did you mean 'ttft'"),
        ("errors.complete", "told apart as truncated"),
        ("events_per_second.p50", "did you mean 'events_per_second'"),
        ("zzz", "known: ttfb"),
    ],
)
def test_a_wrong_name_says_what_was_meant(name: str, said: str) -> None:
    """One line that names the nearest figure, or all of them."""
    with pytest.raises(StreamgaugeError, match=said) as caught:
        parse_figure(name)
    assert "\n" not in str(caught.value)


def test_quantiles_come_with_their_interval() -> None:
    """Over all runs of a target, as `metrics.quantile` defines it."""
    carried = quantile([0.1 + 0.01 * n for n in range(10)], 0.5)
    assert carried
    assert reading(TEN, parse_figure("ttft.p50")) == Reading(carried.value, "", carried.low, carried.high)


def test_a_quantile_that_the_sample_cannot_carry_is_absent() -> None:
    """With the number of values that it takes, which is the least at which there is one."""
    found = reading(TEN, parse_figure("ttft.p99"))
    assert found == Reading(None, "10 values can't carry p99: it takes 368")
    for q in (0.5, 0.9, 0.99):
        assert quantile([1.0] * least_sample(q), q)
        assert quantile([1.0] * (least_sample(q) - 1), q) is None


def test_failures_are_infinite_and_counted_by_class() -> None:
    """A mean or a maximum with a failure in it is infinite; the smallest value is what it was."""
    mixed = target([run(0, [stream(), stream(outcome="stalled"), stream(outcome="truncated")])])
    assert reading(mixed, parse_figure("ttft.mean")).value == math.inf
    assert reading(mixed, parse_figure("ttft.max")).value == math.inf
    assert reading(mixed, parse_figure("ttft.min")).value == 0.05
    assert reading(mixed, parse_figure("errors")).value == 2
    assert reading(mixed, parse_figure("errors.stalled")).value == 1
    assert reading(mixed, parse_figure("errors.cut")).value == 0


def test_one_run_has_a_median_of_few_and_no_far_quantile() -> None:
    """A run's own value needs no interval, but five values beyond it: forty-nine gaps have no 90th percentile."""
    few = run(0, [stream(gap=0.01 * n, gaps=1) for n in range(1, 50)])
    assert run_reading(target([few]), few, parse_figure("gap.p50")) == Reading(0.25)
    reason = "49 values in a run can't carry p90: it takes 50"
    assert run_reading(target([few]), few, parse_figure("gap.p90")) == Reading(None, reason)
    enough = run(0, [stream(gap=0.01 * n, gaps=1) for n in range(1, 51)])
    assert run_reading(target([enough]), enough, parse_figure("gap.p90")) == Reading(0.45)


def test_a_run_whose_half_failed_has_an_infinite_median() -> None:
    """The failures of a run stand above its values."""
    half = run(0, [stream(0.1), stream(0.2), stream(outcome="cut"), stream(outcome="cut"), stream(outcome="cut")])
    assert run_reading(target([half]), half, parse_figure("ttft.p50")).value == math.inf


def test_rates_are_of_whole_runs() -> None:
    """Events a second by the wall clock; over several runs their mean."""
    one, two = run(0, [stream(0.05, 0.01)]), run(1, [stream(0.15, 0.01)])
    of = target([one, two])
    rates = [8 / 0.09, 8 / 0.19]
    assert run_reading(of, one, parse_figure("events_per_second")).value == pytest.approx(rates[0])
    assert reading(of, parse_figure("events_per_second")).value == pytest.approx(sum(rates) / 2)
    assert reading(of, parse_figure("peak_rss")).reason == "no run has a peak_rss"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.5, "seconds", "1.50 s"),
        (0.0123, "seconds", "12.3 ms"),
        (0.00045, "seconds", "450 µs"),
        (1234.5, "per second", "1,234/s"),
        (45.12e6, "bytes", "45.1 MB"),
        (2.0, "streams", "2"),
        (0.012, "share of streams", "1.20%"),
        (math.inf, "seconds", "infinite"),
    ],
)
def test_values_are_shown_with_their_unit(value: float, unit, text: str) -> None:
    """Three digits that count."""
    assert shown(value, unit) == text
