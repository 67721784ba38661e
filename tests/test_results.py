"""The result file: what is kept comes back, what counts as a value, and files that are none."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from streamgauge.errors import StreamgaugeError
from streamgauge.measurement.calibrations import Calibration, CalibrationRow, Errors
from streamgauge.measurement.result_files import load, load_calibration, save
from streamgauge.measurement.results import BenchResult, Run, Stream, Target
from streamgauge.measurement.summaries import outcomes, rates, summarise, values

GOOD = Stream(outcome="complete", e2e=1.0, ttft=0.1, gaps=[0.01, 0.02], schedule_delay=0.05, delivery_delay=[0.001])
CUT = Stream(outcome="cut", e2e=0.5, ttft=0.2, gaps=[0.03], schedule_delay=0.07, error="reset")


def target(*runs: Run, **more: Any) -> Target:
    return Target(name="p", path="sync", concurrency=2, dialect="openai-chat", runs=list(runs), **more)


def run(*streams: Stream, index: int = 0, wall: float = 2.0, rss: int | None = None) -> Run:
    return Run(
        index=index,
        wall_seconds=wall,
        cpu_seconds=0.5,
        events=100,
        received_bytes=0,
        streams=list(streams),
        peak_rss_bytes=rss,
    )


def result(**more: Any) -> BenchResult:
    given = {"started": "2026-11-22T00:00:00Z", "versions": {}, "settings": {}, "clock": "monotonic at read"}
    return BenchResult(**{**given, "targets": [target(run(GOOD, CUT))], **more})


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    """A result, and the calibration inside it and by itself."""
    row = CalibrationRow(
        name="probe",
        path="wire",
        concurrency=1,
        clock="kernel receive timestamps",
        streams=9,
        ttft=Errors(count=9, p50=1e-5, p99=None, max=2e-5),
    )
    calibration = Calibration(started="2026-11-22T00:00:00Z", versions={}, rows=[row])
    whole = result(calibration=calibration, partial=True, tainted=["x"])
    save(whole, tmp_path / "bench.json")
    save(calibration, tmp_path / "calibration.json")
    assert load(tmp_path / "bench.json") == whole
    assert load_calibration(tmp_path / "calibration.json") == calibration
    assert calibration.at("wire", 1) == row
    assert calibration.at("wire", 8) is None
    assert json.loads((tmp_path / "bench.json").read_text())["schema"] == "streamgauge.bench/1"


def test_members_that_are_added_later_are_no_error(tmp_path: Path) -> None:
    """A file of a newer version is read as far as it is known."""
    save(result(), tmp_path / "bench.json")
    value = json.loads((tmp_path / "bench.json").read_text())
    value["later"] = value["targets"][0]["later"] = 1
    (tmp_path / "bench.json").write_text(json.dumps(value))
    assert load(tmp_path / "bench.json") == result()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not json", "is not JSON"),
        ("[]", "it has no schema"),
        ('{"schema": "streamgauge.verdicts/1"}', "streamgauge.verdicts/1"),
        ('{"schema": "streamgauge.bench/1"}', "missing required field"),
        ('{"schema": "streamgauge.bench/1", "started": 3}', "Expected `str`"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """One line says what the file is not."""
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(StreamgaugeError) as caught:
        load(file)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_missing_file_is_said() -> None:
    """So is one that is not there, and one that can't be written."""
    with pytest.raises(StreamgaugeError, match="can't read"):
        load(Path("no-such.json"))
    with pytest.raises(StreamgaugeError, match="can't write"):
        save(result(), Path("no-such-folder/x.json"))


def test_failures_are_infinite_for_what_the_backend_did() -> None:
    """A failed stream is +inf in TTFT, its gaps count beside one that never ended, its own delays are ours."""
    streams = [GOOD, CUT]
    assert values(streams, "ttft") == ([0.1], 1)
    assert values(streams, "gap") == ([0.01, 0.02, 0.03], 1)
    assert values(streams, "schedule_delay") == ([0.05, 0.07], 0)
    assert values(streams, "delivery_delay") == ([0.001], 0)
    assert values(streams, "tpot") == ([], 1)
    assert outcomes(streams) == {"complete": 1, "truncated": 0, "error": 0, "stalled": 0, "cut": 1, "refused": 0}


def test_a_summary_has_what_the_sample_carries() -> None:
    """Metrics that no stream has are absent; a tenth of failures makes the p99 infinite."""
    many = summarise(target(run(*[GOOD] * 900, *[CUT] * 100)))
    assert many["ttft"].failures == 100
    assert many["ttft"].p50 is not None
    assert many["ttft"].p50.value == 0.1
    assert many["ttft"].p99 is not None
    assert many["ttft"].p99.value == math.inf
    assert "connect" not in many
    few = summarise(target(run(GOOD)))
    assert few["ttft"].p50 is None
    assert few["ttft"].mean == pytest.approx(0.1)


def test_rates_are_of_whole_runs() -> None:
    """One value a run; successes only count as streams; what was not measured is absent."""
    found = rates(target(run(GOOD, CUT, rss=10**6), run(GOOD, GOOD, index=1, wall=4.0)))
    assert found["events_per_second"] == [50.0, 25.0]
    assert found["streams_per_second"] == [0.5, 0.5]
    assert found["cpu_per_event"] == [0.005, 0.005]
    assert found["peak_rss"] == [1e6]
    assert "bytes_per_second" not in found
