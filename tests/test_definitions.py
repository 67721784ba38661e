"""Metrics are defined once: what the code measures, what the page says, what OpenTelemetry calls it."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamgauge.measurement.definitions import DEFINITIONS, OTEL, page
from streamgauge.measurement.figures import RATES, least_sample, parse_figure, run_reading
from streamgauge.measurement.results import Run, Stream, Target
from streamgauge.measurement.summaries import METRICS
from streamgauge.measurement.thresholds import parse

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"


def test_all_that_is_measured_is_defined_and_nothing_else() -> None:
    """Metrics of a stream, rates of a run, and errors; with the unit that figures have."""
    assert sorted(DEFINITIONS) == sorted([*METRICS, *RATES, "errors"])
    for name, one in DEFINITIONS.items():
        assert parse_figure(f"{name}.p50" if name in METRICS else name).unit == one.unit


def test_the_page_says_how_many_values_a_99th_percentile_takes() -> None:
    """The number in the text is the code's."""
    assert f"a 99th percentile takes {least_sample(0.99)} values" in page()


def test_each_has_a_source() -> None:
    """Nothing is there without saying where it comes from."""
    assert all(one.text and one.source for one in DEFINITIONS.values())


def test_the_page_is_what_the_code_says() -> None:
    """docs/metrics.md is made from the definitions."""
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "write it anew: python -m streamgauge.measurement.definitions > docs/metrics.md"
    )


def test_names_of_opentelemetry_are_the_clients() -> None:
    """What a server measures of itself is another thing, and OpenTelemetry's first chunk may be an empty one."""
    assert all(name.startswith("gen_ai.client.operation.") for name in OTEL.values())
    assert OTEL["ttfe"] == "gen_ai.client.operation.time_to_first_chunk"
    assert "ttft" not in OTEL


@pytest.mark.parametrize(
    ("stream", "stalls"),
    [
        (Stream(outcome="complete", e2e=3.0, gaps=[0.1, 0.999]), 0),
        (Stream(outcome="complete", e2e=3.0, gaps=[1.0, 0.1, 2.5]), 2),
        (Stream(outcome="stalled", e2e=30.0, gaps=[0.1]), 1),
    ],
)
def test_stalls_are_long_gaps_and_streams_given_up(stream: Stream, stalls: int) -> None:
    """A gap of a second is one, and so is silence that nobody waited for; thresholds can ask for none."""
    run = Run(index=0, wall_seconds=3, cpu_seconds=0.1, events=3, received_bytes=0, streams=[stream])
    target = Target(name="x", path="sync", concurrency=1, dialect="openai-chat", runs=[run])
    found = run_reading(target, run, parse_figure("stalls")).value
    assert found == stalls
    assert parse("stalls > 0").exceeded(found) == bool(stalls)
