"""Accepted baselines: ratios to a floor, judged by wide bounds, accepted on purpose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streamgauge.cli import main
from streamgauge.errors import StreamgaugeError
from streamgauge.measurement.baseline import BOUND, BOUNDS, accept, judge, load, save

ROOT = Path(__file__).parents[1]


def measured(folder: Path, **ratios: Any) -> Path:
    """A file of pytest-benchmark: decoders with a number, clients with an interval."""
    path = folder / "bench.json"
    benchmarks = [
        {
            "fullname": f"tests/{'bench_sse' if 'sse' in name else 'bench_providers'}.py::test_x[{name}]",
            "extra_info": info,
        }
        for name, info in ratios.items()
    ]
    path.write_text(json.dumps({"machine_info": {"python_version": "3.11.7"}, "benchmarks": benchmarks}))
    return path


def interval(ratio: float, low: float, high: float) -> dict[str, Any]:
    return {"x_floor": {"ratio": ratio, "low": low, "high": high}, "cpu_us": 3.0}


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    """Accepted: a decoder at twice its floor, a client at ten times."""
    found = accept(measured(tmp_path, sse={"x_floor": 2.0}, client=interval(10, 9, 11)), "2026-01-01")
    save(found, tmp_path / "base.json")
    return tmp_path / "base.json"


def test_a_baseline_holds_ratios_only(baseline: Path) -> None:
    """What is accepted has no seconds in it, and names its benchmark without a folder."""
    found = load(baseline)
    assert found.ratios == {
        "bench_providers.py::test_x[client] x_floor": 10.0,
        "bench_sse.py::test_x[sse] x_floor": 2.0,
    }
    assert found.machine["python"] == "3.11.7"
    assert (found.bounds, found.bound) == (BOUNDS, BOUND)


@pytest.mark.parametrize(
    ("sse", "client", "changes"),
    [
        (2.0, interval(10, 9, 11), ["as accepted", "as accepted"]),
        (2.9, interval(19, 17, 23), ["as accepted", "as accepted"]),
        (3.1, interval(10, 9, 11), ["as accepted", "worse"]),
        (2.0, interval(24, 21, 27), ["worse", "as accepted"]),
        (2.0, interval(24, 19, 27), ["as accepted", "as accepted"]),
        (1.3, interval(4, 3, 4.5), ["better", "better"]),
    ],
)
def test_beyond_its_bound_is_worse(
    tmp_path: Path, baseline: Path, sse: float, client: dict[str, Any], changes: list[str]
) -> None:
    """1.5 times for decoders, twice for clients, whose whole interval must be beyond."""
    findings = judge(load(baseline), measured(tmp_path, sse={"x_floor": sse}, client=client))
    assert [judged.change for judged in findings.judged] == changes
    assert findings.exit_code == int("worse" in changes)


def alone(ratio: float, floor: float) -> dict[str, Any]:
    """A client at that many times a floor which takes that many microseconds, where parsing takes four."""
    return interval(ratio, ratio * 0.9, ratio * 1.1) | {"floor_cpu_us": floor, "json_us": 4.0}


@pytest.mark.parametrize(("floor", "change"), [(80.0, "worse"), (8.0, "as accepted"), (800.0, "as accepted")])
def test_where_system_calls_cost_otherwise_the_bound_of_single_events_is_wider(
    tmp_path: Path, floor: float, change: str
) -> None:
    """Three times the accepted ratio is worse on a like machine only; ratios to json.loads keep their bound."""
    info = alone(30, floor) | {"x_floor_json": 30.0}
    known = accept(measured(tmp_path, client=alone(10, 80.0) | {"x_floor_json": 10.0}), "2026-01-01")
    single, burst = judge(known, measured(tmp_path, client=info)).judged
    assert known.kernel == 20.0
    assert (single.key.rpartition(" ")[2], single.change) == ("x_floor", change)
    assert (burst.key.rpartition(" ")[2], burst.change, burst.bound) == ("x_floor_json", "worse", BOUND)


def test_accepting_less_says_what_is_gone(tmp_path: Path, baseline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of fewer benchmarks makes a smaller baseline, and names what was lost."""
    fewer = str(measured(tmp_path, sse={"x_floor": 2.0}))
    assert main(["compare", "--baseline", str(baseline), "--accept", fewer]) == 0
    assert "no longer in it" in (said := capsys.readouterr().err)
    assert "test_x[client] x_floor" in said


def test_what_only_one_side_has_is_named(tmp_path: Path, baseline: Path) -> None:
    """A client that is not installed here is not measured; a new benchmark is not accepted yet."""
    findings = judge(load(baseline), measured(tmp_path, sse={"x_floor": 2.0}, new={"x_floor": 5.0, "x_ours": 3}))
    assert findings.unmeasured == ["bench_providers.py::test_x[client] x_floor"]
    assert findings.unaccepted == ["bench_providers.py::test_x[new] x_floor"]
    assert findings.exit_code == 0


def test_nothing_in_common_is_no_success(tmp_path: Path, baseline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that judged nothing exits 2."""
    other = measured(tmp_path, new={"x_floor": 5.0})
    assert main(["compare", "--baseline", str(baseline), str(other)]) == 2
    assert "has none of the ratios" in capsys.readouterr().err


def test_the_command_exits_1_on_a_regression(
    tmp_path: Path, baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a regression: with the line that says what, from what, to what, and by which bound."""
    slow = measured(tmp_path, sse={"x_floor": 4.0}, client=interval(10, 9, 11))
    assert main(["compare", "--baseline", str(baseline), str(slow)]) == 1
    out = capsys.readouterr().out
    assert "worse   bench_sse.py::test_x[sse] x_floor: 2 -> 4 (2.00 times, bound 1.5)" in out
    assert "2 ratios to the floor of the same run: 1 worse than accepted, 0 better." in out
    assert main(["compare", "--baseline", str(baseline), "--json", "-", str(slow)]) == 1
    assert {j["change"] for j in json.loads(capsys.readouterr().out)["judged"]} == {"as accepted", "worse"}


def test_accepting_is_on_purpose(tmp_path: Path, baseline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After it the same figures are as accepted; without a baseline to write there is nothing to accept into."""
    slow = str(measured(tmp_path, sse={"x_floor": 4.0}, client=interval(10, 9, 11)))
    assert main(["compare", "--baseline", str(baseline), "--accept", slow]) == 0
    assert "2 ratios accepted" in capsys.readouterr().out
    assert main(["compare", "--baseline", str(baseline), slow]) == 0
    assert main(["compare", "--accept", slow]) == 2


def test_files_of_another_kind_are_refused(tmp_path: Path, baseline: Path) -> None:
    """Each message says what the file is not, or how to make one."""
    (tmp_path / "empty.json").write_text('{"benchmarks": []}')
    (tmp_path / "wrong.json").write_text('{"schema": "streamgauge.bench/1"}')
    with pytest.raises(StreamgaugeError, match=r"accept one with streamgauge compare --baseline .* --accept"):
        load(tmp_path / "none.json")
    with pytest.raises(StreamgaugeError, match="is no baseline"):
        load(tmp_path / "wrong.json")
    with pytest.raises(StreamgaugeError, match="no benchmark with a ratio"):
        accept(tmp_path / "empty.json", "2026-01-01")
    with pytest.raises(StreamgaugeError, match="no file of pytest-benchmark"):
        judge(load(baseline), tmp_path / "wrong.json")
    with pytest.raises(StreamgaugeError, match="can't read"):
        accept(tmp_path / "none.json", "2026-01-01")


def test_the_accepted_baseline_is_one() -> None:
    """The file in the repository can be judged against, and holds clients and decoders."""
    found = load(ROOT / "reports" / "baselines" / "bench.json")
    files = {key.partition("::")[0] for key in found.ratios}
    assert {"bench_providers.py", "bench_sse.py", "bench_dialects.py"} <= files
    assert all(ratio > 0 for ratio in found.ratios.values())
