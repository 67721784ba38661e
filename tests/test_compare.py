"""Comparing two results: verdicts on data of known truth, what is not comparable, and the command."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.synthetic import noisy, result, run, stream, target

from streamgauge.cli.compare import command
from streamgauge.measurement.calibrations import Calibration, CalibrationRow, Errors
from streamgauge.measurement.compare import Method, NotComparableError, Row, compare, compare_targets
from streamgauge.measurement.result_files import save
from streamgauge.measurement.results import Target

QUICK = Method(resamples=400)
OTHER_DIALECT = Target(name="openai-chat", path="sync", concurrency=1, dialect="ollama-chat", runs=[])


def rows(base: Target, new: Target, **facts: Any) -> dict[str, Row]:
    return {row.figure: row for row in compare(result(base), result(new), **facts).rows}


def verdict(base: Target, new: Target, figure: str = "ttft.p50", method: Method = QUICK) -> Row:
    return rows(base, new, figures=[figure], method=method)[figure]


# What it says on data of known truth.


def test_the_same_thing_twice_is_rarely_different() -> None:
    """A/A: with an effect of interest as large as the noise, at most 1 in 100 is a false alarm."""
    rng = random.Random(1)
    found = Counter(verdict(noisy(rng), noisy(rng)).verdict for _ in range(200))
    assert found["better"] + found["worse"] <= 2
    assert found["equal"] >= 120


def test_false_alarms_of_the_interval_are_near_their_level() -> None:
    """Without an effect of interest to speak of, the verdicts on A/A are wrong about as often as 95 % says."""
    rng = random.Random(2)
    tiny = Method(smallest=1e-9, resamples=400)
    found = Counter(verdict(noisy(rng), noisy(rng), method=tiny).verdict for _ in range(400))
    assert 6 <= found["better"] + found["worse"] <= 42
    assert found["better"] >= 2
    assert found["worse"] >= 2


@pytest.mark.parametrize(("shift", "said"), [(1.1, "worse"), (1 / 1.1, "better")])
def test_a_shift_of_ten_percent_is_found(shift: float, said: str) -> None:
    """Ten runs that vary by 2 % find it in nearly every case, and never find the opposite."""
    rng = random.Random(3)
    found = Counter(verdict(noisy(rng, spread=0.02), noisy(rng, shift=shift, spread=0.02)).verdict for _ in range(100))
    assert found[said] >= 95
    assert set(found) <= {said, "can't tell"}


def test_at_the_smallest_effect_few_are_called_worse() -> None:
    """A true shift of exactly 5 % is called worse in about 2.5 of 100 cases: the level that the verdict has."""
    rng = random.Random(4)
    found = Counter(verdict(noisy(rng), noisy(rng, shift=1.05)).verdict for _ in range(300))
    assert found["worse"] <= 18
    assert found["better"] == 0


def test_more_noise_is_no_more_alarms() -> None:
    """What can't be told is said not to be told, with the number of runs that would tell."""
    rng = random.Random(5)
    found = [verdict(noisy(rng, spread=0.2), noisy(rng, spread=0.2)) for _ in range(50)]
    assert sum(row.verdict == "can't tell" for row in found) >= 48
    assert all("runs of each would tell" in row.reason for row in found if row.verdict == "can't tell")


def test_the_runs_that_would_tell_do_tell() -> None:
    """The number that is asked for is about right: with it, equal things are mostly called equal."""
    rng = random.Random(6)
    asked = verdict(noisy(rng, runs=6, spread=0.06), noisy(rng, runs=6, spread=0.06))
    assert asked.verdict == "can't tell"
    needed = int(asked.reason.split()[1])
    found = Counter(
        verdict(noisy(rng, runs=needed, spread=0.06), noisy(rng, runs=needed, spread=0.06)).verdict for _ in range(20)
    )
    assert found["equal"] >= 10


def test_pairs_see_through_drift() -> None:
    """Interleaved runs on a machine that slows down by half: the shift is found, and A/A is equal."""
    rng = random.Random(7)
    drift = [1 + 0.05 * n for n in range(10)]
    paired = Method(resamples=400, paired=True)
    base, same, slower = (noisy(rng, shift=s, spread=0.01, drift=drift) for s in (1.0, 1.0, 1.1))
    assert verdict(base, same, method=paired).verdict == "equal"
    assert verdict(base, slower, method=paired).verdict == "worse"
    assert verdict(base, slower).verdict == "can't tell"


def test_a_rate_is_better_when_it_is_higher() -> None:
    """Slower streams mean fewer events a second: worse, with a ratio below one and its interval in order."""
    rng = random.Random(8)
    row = verdict(noisy(rng, spread=0.01), noisy(rng, shift=1.2, spread=0.01), "events_per_second")
    assert row.verdict == "worse"
    assert row.ratio
    assert row.low
    assert row.high
    assert row.low < row.ratio < row.high < 0.9
    assert row.base
    assert row.new
    assert row.new / row.base == pytest.approx(row.ratio)


# Failures.


def failing(share: int, runs: int = 6) -> Target:
    """Runs of 20 streams of which so many fail."""
    return target([run(n, [stream(outcome="truncated")] * share + [stream()] * (20 - share)) for n in range(runs)])


def test_errors_are_compared() -> None:
    """No errors on either side are equal; two in twenty are worse, though times are the same."""
    assert verdict(failing(0), failing(0), "errors").verdict == "equal"
    worse = rows(failing(0), failing(2), method=QUICK)
    assert worse["errors"].verdict == "worse"
    assert (worse["errors"].base, worse["errors"].new) == (0, pytest.approx(0.1))
    assert worse["ttft.p50"].verdict == "equal"
    assert verdict(failing(2), failing(0), "errors").verdict == "better"


def test_runs_that_failed_are_infinitely_slow() -> None:
    """A backend does not get faster by failing: worse, without a finite ratio."""
    row = verdict(failing(0), failing(15))
    assert (row.verdict, row.ratio, row.new, row.failed_runs) == ("worse", None, None, (0, 6))
    assert verdict(failing(15), failing(0)).verdict == "better"


def test_a_few_failed_runs_leave_it_open() -> None:
    """One run in six that failed: its time is unbounded, so that nothing can be told of it."""
    mixed = target([*failing(0, 5).runs, *failing(15, 1).runs])
    row = verdict(failing(0), mixed)
    assert row.verdict == "can't tell"
    assert "0 runs of the one and 1 of the other failed" in row.reason
    assert verdict(mixed, mixed).verdict == "can't tell"


# What can't be told.


def test_too_few_runs_say_how_many_it_takes() -> None:
    """Four runs have no interval, whatever they say."""
    row = verdict(noisy(random.Random(1), runs=4), noisy(random.Random(1), runs=9, shift=3))
    assert (row.verdict, row.reason) == ("can't tell", "4 and 9 runs are too few: it takes 5 of each")
    paired = verdict(
        noisy(random.Random(1), runs=5), noisy(random.Random(1), runs=5), method=Method(resamples=400, paired=True)
    )
    assert paired.reason == "5 and 5 runs are too few: it takes 6 of each"


def test_a_figure_that_runs_cannot_carry_is_left_out_or_explained() -> None:
    """Three streams a run have no p99: left out with a note by default, a row when it was asked for."""
    base, new = noisy(random.Random(1)), noisy(random.Random(2))
    comparison = compare(result(base), result(new), method=QUICK)
    assert "ttft.p99" not in {row.figure for row in comparison.rows}
    assert "ttft.p99 is left out: 3 values in a run can't carry p99: it takes 500" in comparison.notes
    asked = verdict(base, new, "ttft.p99")
    assert (asked.verdict, asked.reason) == ("can't tell", "3 values in a run can't carry p99: it takes 500")


def test_less_than_the_instruments_error_is_not_told() -> None:
    """Gaps of 40 and 60 microseconds differ by half; an instrument that errs by 100 can't tell."""
    calibration = Calibration(
        started="",
        versions={},
        rows=[
            CalibrationRow(
                name="openai-chat", path="sync", concurrency=1, clock="monotonic at read", streams=9,
                gap=Errors(count=999, p50=-1e-4, p99=1e-3, max=1e-2),
            )
        ],
    )  # fmt: skip
    base, new = (target([run(n, [stream(0.05, gap)]) for n in range(6)]) for gap in (4e-5, 6e-5))
    assert verdict(base, new, "gap.p50").verdict == "worse"
    (row,) = compare(result(base, calibration=calibration), result(new), figures=["gap.p50"]).rows
    assert row.verdict == "can't tell"
    assert row.reason == "they differ by less than the instrument's own error, 100 µs"


def test_gaps_of_nothing_are_alike() -> None:
    """Events of one read are nanoseconds apart: below the resolution there is no ratio."""
    base, new = (target([run(n, [stream(0.05, gap)]) for n in range(6)]) for gap in (0.0, 4e-7))
    assert verdict(base, new, "gap.p50").verdict == "equal"


# What is not comparable.


@pytest.mark.parametrize(
    ("facts", "targets", "said"),
    [
        ({"settings": {"prompt": "bye", "requests": 3}}, None, "prompt is 'hello' in base and 'bye' in new"),
        ({"settings": {"prompt": "hello"}}, None, "requests is 3 in base and None in new"),
        ({}, [noisy(random.Random(1)), target([], name="more")], "only new has more sync x1"),
        ({}, [target([], concurrency=8)], "only base has openai-chat sync x1"),
        ({}, [OTHER_DIALECT], "speaks openai-chat in base"),
    ],
)
def test_different_things_are_not_compared(facts: dict[str, Any], targets: list[Target] | None, said: str) -> None:
    """Other settings or targets: one line that names the first difference."""
    base = noisy(random.Random(1))
    with pytest.raises(NotComparableError, match=said):
        compare(result(base), result(*(targets or [base]), **facts))


def test_arrivals_of_different_clocks_are_not_compared() -> None:
    """The kernel's stamps are earlier than ours."""
    wire = target([], path="wire")
    with pytest.raises(NotComparableError, match="different clocks"):
        compare(result(wire), result(wire, clock="kernel receive timestamps"))


def test_the_number_of_runs_and_the_address_may_differ() -> None:
    """More runs of the same, or another server under test, is what comparing is for."""
    facts = {"prompt": "hello", "requests": 3, "runs": 4, "base_url": "http://127.0.0.1:1/v1"}
    assert compare(result(noisy(random.Random(1))), result(noisy(random.Random(1)), settings=facts)).rows


def test_taints_and_versions_are_noted() -> None:
    """What makes a result doubtful is said, with whose it is."""
    base = noisy(random.Random(1))
    notes = compare(
        result(base, partial=True),
        result(base, tainted=["the loop was late"], versions={"streamgauge": "0.1.0", "python": "3.12.1"}),
    ).notes
    assert "base is partial: it was interrupted" in notes
    assert "new is tainted: the loop was late" in notes
    assert "python: 3.11.7 in base, 3.12.1 in new" in notes


def test_two_targets_can_be_paired_by_hand() -> None:
    """The sync and the async path of one provider, under a label that names both."""
    rng = random.Random(1)
    sync, slower = noisy(rng, spread=0.01), noisy(rng, shift=1.5, spread=0.01)
    other = Target(name="openai-chat", path="async", concurrency=1, dialect="openai-chat", runs=slower.runs)
    comparison = compare_targets([(sync, other)], names=("sync", "async"), method=Method(paired=True, resamples=400))
    assert comparison.rows[0].target == "openai-chat sync x1 -> openai-chat async x1"
    assert comparison.exit_code == 1


# The command.


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Results in files: a base, one like it, one that is slower, one of few runs, one of something else."""
    rng = random.Random(9)
    made = {
        "base": result(noisy(rng, spread=0.01)),
        "same": result(noisy(rng, spread=0.01)),
        "slow": result(noisy(rng, spread=0.01, shift=1.3)),
        "few": result(noisy(rng, runs=2)),
        "other": result(noisy(rng), settings={"prompt": "bye"}),
    }
    for name, found in made.items():
        save(found, tmp_path / f"{name}.json")
    return {name: str(tmp_path / f"{name}.json") for name in made}


def test_exit_codes(files: dict[str, str]) -> None:
    """0: nothing worse, better included. 1: worse."""

    def code(base: str, new: str) -> int:
        done = CliRunner().invoke(command, [files[base], files[new]], standalone_mode=False)
        assert done.exception is None
        found: int = done.return_value
        return found

    assert code("base", "same") == 0
    assert code("base", "slow") == 1
    assert code("slow", "base") == 0


@pytest.mark.parametrize(("new", "said"), [("few", "nothing could be told"), ("other", "prompt is 'hello'")])
def test_what_cannot_be_told_or_compared_exits_2(files: dict[str, str], new: str, said: str, capsys) -> None:
    """A run that decided nothing is no success."""
    from streamgauge.cli import main

    assert main(["compare", files["base"], files[new]]) == 2
    assert said in capsys.readouterr().err


def test_the_table_names_effect_interval_and_method(files: dict[str, str]) -> None:
    """What a reader needs to believe it: both values, the ratio with its interval, the smallest effect."""
    done = CliRunner().invoke(command, [files["base"], files["slow"], "--smallest", "2.5 %"], standalone_mode=False)
    line = next(line for line in done.output.splitlines() if "ttft.p50" in line and "left out" not in line)
    assert line.split()[0] == "worse"
    assert "ms ->" in line
    assert "[+" in line
    assert "smallest effect of interest 2.5%; 95% intervals of new / base by bootstrap over runs" in done.output


def test_json_is_the_whole_comparison(files: dict[str, str], tmp_path: Path) -> None:
    """The same verdicts, versioned, on standard output or in a file; valid JSON also where runs failed."""
    done = CliRunner().invoke(command, [files["base"], files["slow"], "--json", "-"], standalone_mode=False)
    found = json.loads(done.output)
    assert found["schema"] == "streamgauge.comparison/1"
    assert {row["figure"]: row["verdict"] for row in found["rows"]}["ttft.p50"] == "worse"
    save(result(failing(20)), tmp_path / "failing.json")
    save(result(failing(0)), tmp_path / "fine.json")
    arguments = [str(tmp_path / "fine.json"), str(tmp_path / "failing.json"), "--json", str(tmp_path / "out.json")]
    CliRunner().invoke(command, arguments, standalone_mode=False)
    row = json.loads((tmp_path / "out.json").read_text(), parse_constant=lambda name: pytest.fail(name))["rows"][0]
    assert (row["verdict"], row["ratio"], row["failed_runs"]) == ("worse", None, [0, 6])


def test_the_confidence_can_be_raised(files: dict[str, str]) -> None:
    """A wider interval, and fewer verdicts by chance, which the command counts."""

    def shown(*options: str) -> tuple[float, str]:
        done = CliRunner().invoke(
            command, [files["base"], files["slow"], "--json", "-", *options], standalone_mode=False
        )
        row = json.loads(done.output)["rows"][0]
        said = CliRunner().invoke(command, [files["base"], files["slow"], *options], standalone_mode=False).output
        return row["high"] - row["low"], said

    (width, said), (wider, less) = shown(), shown("--confidence", "99%")
    assert wider > width
    assert "95% intervals" in said
    assert "99% intervals" in less
    rows = int(said.rpartition(" figures:")[0].split()[-1])
    assert f"in up to {1 - 0.975**rows:.0%} of comparisons" in said
    assert f"in up to {1 - 0.995**rows:.0%} of comparisons" in less


@pytest.mark.parametrize("percent", ["0%", "5", "-1%", "200%", "five"])
def test_the_smallest_effect_is_a_percentage(files: dict[str, str], percent: str, capsys) -> None:
    """Anything else is refused in a line that shows how to write it."""
    from streamgauge.cli import main

    assert main(["compare", files["base"], files["same"], f"--smallest={percent}"]) == 2
    assert "write it like 5%" in capsys.readouterr().err


def test_a_file_that_is_no_result_is_refused(files: dict[str, str], tmp_path: Path, capsys) -> None:
    """The message says what the file is not."""
    from streamgauge.cli import main

    (tmp_path / "wrong.json").write_text('{"schema": "streamgauge.verdicts/1"}')
    assert main(["compare", files["base"], str(tmp_path / "wrong.json")]) == 2
    assert "is not a benchmark's result" in capsys.readouterr().err
