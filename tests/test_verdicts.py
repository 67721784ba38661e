"""Run reports: shape, counts, exit codes."""

from __future__ import annotations

import json
from datetime import datetime
from typing import get_args

import pytest

from streamgauge.rules import Outcome, Verdict
from streamgauge.verdicts import OUTCOMES, RunReport, Subject, base_versions, for_want_of_packages, now


def report(*verdicts: Verdict, stale: tuple[str, ...] = ()) -> RunReport:
    return RunReport(started=now(), versions=base_versions(), verdicts=verdicts, stale=stale)


def verdict(outcome: Outcome, *, expected: bool = False) -> Verdict:
    return Verdict(rule="X-1", subject="s", verdict=outcome, expected_failure=expected)


def test_summary_counts_each_verdict_once() -> None:
    """An expected failure is counted apart, so that `fail` is what nobody expected."""
    run = report(verdict("pass"), verdict("fail"), verdict("fail", expected=True), verdict("skip"), stale=("a",))
    assert run.summary == {
        "pass": 1,
        "non-strict": 0,
        "fail": 1,
        "info": 0,
        "skip": 1,
        "error": 0,
        "expected_failures": 1,
        "stale": 1,
    }


def test_outcomes_are_all_counted() -> None:
    """Every outcome of the contract has its key in the summary."""
    assert set(OUTCOMES) == set(get_args(Outcome))


@pytest.mark.parametrize(
    ("verdicts", "stale", "code"),
    [
        ([verdict("pass"), verdict("non-strict"), verdict("info")], (), 0),
        ([verdict("pass"), verdict("fail")], (), 1),
        ([verdict("fail", expected=True)], (), 0),
        ([verdict("pass")], ("SSE-008 openai",), 1),
        ([], (), 2),
        ([verdict("skip")], (), 2),
        ([verdict("pass"), verdict("error")], (), 2),
        ([verdict("fail"), verdict("error")], (), 2),
    ],
)
def test_exit_code(verdicts: list[Verdict], stale: tuple[str, ...], code: int) -> None:
    """0 good, 1 an unexpected failure or a stale expectation, 2 nothing judged or the harness failed."""
    assert report(*verdicts, stale=stale).exit_code == code


def test_json_has_the_documented_shape() -> None:
    """The members that DESIGN.md promises are there, and broken text from a subject does not spoil the file."""
    run = RunReport(
        started=now(),
        versions=base_versions(),
        subjects=(Subject(name="openai", role="client", version="1", dialect="openai-chat"),),
        verdicts=(Verdict(rule="SSE-008", subject="openai", verdict="fail", got="\ud83d", span=(0, 3)),),
    )
    value = json.loads(run.to_json().encode("utf-8"))
    assert value["schema"] == "streamgauge.verdicts/1"
    assert datetime.fromisoformat(value["started"]).tzinfo is not None
    assert {"streamgauge", "python"} <= set(value["versions"])
    assert {"name", "role", "version", "dialect"} <= set(value["subjects"][0])
    members = {"rule", "subject", "path", "case", "fault", "verdict", "expected", "got", "span", "reproduce"}
    assert members <= set(value["verdicts"][0])
    assert value["verdicts"][0]["span"] == [0, 3]
    assert value["summary"] == run.summary


def test_missing_packages_are_named() -> None:
    """Each with what installs it, and with how many verdicts wait for it; other skips are none of them."""
    tls, other = "this takes cryptography, not installed: pip install 'streamgauge[tls]'", "does not ask for HTTP/2"
    skipped = [Verdict(rule="R", subject="s", verdict="skip", reason=reason) for reason in (tls, other, tls)]
    assert for_want_of_packages([*skipped, verdict("pass")]) == (f"2 of the skipped: {tls}",)
