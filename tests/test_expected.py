"""Expected failures: what is listed is not red, what is new or no longer fails is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streamgauge.conformance import Selection
from streamgauge.errors import StreamgaugeError
from streamgauge.expected import apply, load
from streamgauge.rules import Outcome, Verdict
from streamgauge.verdicts import RunReport, Subject

Write = Callable[[str], Path]
BOM = """
[[expected]]
subject = "openai"
rule = "SSE-008"
reason = "loses the first event"
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def save(text: str) -> Path:
        path = tmp_path / "expected.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return save


def verdict(rule: str = "SSE-008", outcome: Outcome = "fail", **facts: str) -> Verdict:
    known = {"subject": "openai", "path": "sync", "case": "plain-text", "fault": "bom"} | facts
    return Verdict(rule=rule, verdict=outcome, **known)


def report(*verdicts: Verdict, available: bool = True, partial: bool = False) -> RunReport:
    subjects = (Subject(name="openai", role="client", available=available), Subject(name="g4f", role="client"))
    return RunReport(started="now", versions={}, subjects=subjects, verdicts=verdicts, partial=partial)


EVERYTHING = Selection()


def test_a_listed_failure_is_not_red(write: Write) -> None:
    """The failure is marked and counted as expected, on both paths, and the run is green."""
    run = apply(report(verdict(), verdict(path="async")), load(write(BOM)), EVERYTHING)
    assert [v.expected_failure for v in run.verdicts] == [True, True]
    assert run.summary["expected_failures"] == 2
    assert run.exit_code == 0


def test_a_new_failure_is_red(write: Write) -> None:
    """A failure of another rule, or of another subject, is not covered."""
    entries = load(write(BOM))
    assert apply(report(verdict(), verdict("SSE-006")), entries, EVERYTHING).exit_code == 1
    assert apply(report(verdict(), verdict(subject="g4f")), entries, EVERYTHING).exit_code == 1


@pytest.mark.parametrize("narrow", ['path = "async"', 'case = "length"', 'fault = "no-space"'])
def test_a_narrow_entry_covers_no_more(write: Write, narrow: str) -> None:
    """An entry for one path, case or fault leaves the others red."""
    run = apply(report(verdict()), load(write(BOM + narrow)), EVERYTHING)
    assert not run.verdicts[0].expected_failure
    assert run.exit_code == 1


def test_an_entry_that_no_longer_fails_is_red(write: Write) -> None:
    """A stale entry is named with its file and line, and turns an otherwise green run red."""
    path = write("# a comment\n" + BOM)
    run = apply(report(verdict(outcome="pass")), load(path), EVERYTHING)
    assert run.exit_code == 1
    [stale] = run.stale
    assert stale.startswith(f"{path}:3: openai SSE-008")


def test_an_entry_for_both_paths_is_red_where_one_has_become_good(write: Write) -> None:
    """It says too much; with its path it is right again, and a path that was not judged is no news."""
    better = report(verdict(), verdict(path="async", outcome="pass"))
    run = apply(better, load(write(BOM)), EVERYTHING)
    [stale] = run.stale
    assert "does not fail on the async path" in stale
    assert run.exit_code == 1
    assert apply(better, load(write(BOM + 'path = "sync"\n')), EVERYTHING).exit_code == 0
    skipped = report(verdict(), verdict(path="async", outcome="skip"))
    assert apply(skipped, load(write(BOM)), EVERYTHING).exit_code == 0


def test_an_entry_that_a_missing_package_kept_from_judging_is_not_stale(write: Write) -> None:
    """Nothing is known about it; a skip for another reason says that the entry stands for nothing, and is red."""
    unplayed = verdict(outcome="skip", reason="this takes cryptography, not installed: pip install 'streamgauge[tls]'")
    entries = load(write(BOM))
    good = verdict(rule="SSE-003", outcome="pass")
    assert apply(report(unplayed, good), entries, EVERYTHING).exit_code == 0
    assert apply(report(verdict(outcome="skip", reason="no HTTP/2"), good), entries, EVERYTHING).exit_code == 1
    kept_elsewhere = verdict(fault="bom+cut-inside:bom", outcome="pass")
    assert apply(report(unplayed, kept_elsewhere), entries, EVERYTHING).exit_code == 0


def test_one_failing_case_keeps_an_entry(write: Write) -> None:
    """An entry is stale only when nothing that it covers fails any more."""
    run = apply(report(verdict(outcome="pass"), verdict(case="length")), load(write(BOM)), EVERYTHING)
    assert run.stale == ()


def test_a_departure_that_is_not_strict_may_be_listed(write: Write) -> None:
    """It would not be red by itself; listed, it counts as expected and its entry is not stale."""
    run = apply(report(verdict(outcome="non-strict")), load(write(BOM)), EVERYTHING)
    assert run.summary["expected_failures"] == 1
    assert run.exit_code == 0


def test_an_error_of_the_harness_is_never_expected(write: Write) -> None:
    """What the harness did wrong is no failure of the subject: it stays an error."""
    run = apply(report(verdict(outcome="error"), verdict()), load(write(BOM)), EVERYTHING)
    assert run.exit_code == 2


@pytest.mark.parametrize(
    "selection",
    [
        Selection(providers=("g4f",)),
        Selection(rules=("SSE-006",)),
        Selection(paths=("sync",)),
        Selection(cases=("length",)),
        Selection(faults=("no-space",)),
    ],
)
def test_a_restricted_run_leaves_other_entries_alone(write: Write, selection: Selection) -> None:
    """An entry that the run could not have met in full is not stale."""
    assert apply(report(verdict("SSE-003", "pass")), load(write(BOM)), selection).stale == ()


def test_a_restricted_run_judges_the_entries_in_its_scope(write: Write) -> None:
    """An entry whose path and rule were run, and that did not fail, is stale."""
    selection = Selection(providers=("openai",), rules=("SSE-008",), paths=("sync",))
    run = apply(report(verdict(outcome="pass")), load(write(BOM + 'path = "sync"')), selection)
    assert len(run.stale) == 1


def test_nothing_is_stale_where_nothing_could_be_judged(write: Write) -> None:
    """Neither in an interrupted run nor for a library that is not installed."""
    entries = load(write(BOM))
    assert apply(report(verdict(outcome="pass"), partial=True), entries, EVERYTHING).stale == ()
    assert apply(report(available=False), entries, EVERYTHING).stale == ()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[expected]\n", "is not TOML"),
        ("[[expectd]]\n", "unknown table 'expectd'"),
        ("expected = 3\n", "must be an array of tables"),
        ('\n[[expected]]\nsubject = "openai"\nrul = "SSE-008"\n', ":2: unknown key 'rul'"),
        ('[[expected]]\nsubject = "openai"\nrule = "SSE-008"\n', ":1: the entry has no 'reason'"),
        (BOM.replace("openai", "opena"), "did you mean 'openai'?"),
        (BOM.replace("SSE-008", "SSE-0008"), "unknown rule 'SSE-0008'"),
        (BOM.replace("SSE-008", "HTTP-001"), "is a rule for servers"),
        (BOM + 'fault = "bomb"\n', "unknown fault 'bomb'"),
        (BOM + 'path = "both"\n', "path is 'sync' or 'async'"),
        (BOM + "link = 3\n", "'link' must be a string"),
        (BOM + BOM, ":7: says the same as"),
    ],
)
def test_a_mistake_in_the_file_is_named(write: Write, text: str, complaint: str) -> None:
    """A typo is an error that names the entry's line, not an entry that matches nothing."""
    with pytest.raises(StreamgaugeError) as caught:
        load(write(text))
    assert complaint in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A path that is not there is the caller's mistake."""
    with pytest.raises(StreamgaugeError, match="can't read the expected failures"):
        load(tmp_path / "nowhere.toml")


def test_the_repositorys_own_file_is_right() -> None:
    """Every entry names a rule whose departure would be red, with a reason."""
    from streamgauge.rules import get_rule

    entries = load(Path(__file__).resolve().parents[1] / "expected-failures.toml")
    assert entries
    for entry in entries:
        assert get_rule(entry.rule).severity == "fail", entry
