"""Conformance in several processes: how the work is shared, that it comes out the same, and how it ends early."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable

import pytest

from streamgauge.conformance import Conformance, Selection, judge_in_processes, plan, processes_for
from streamgauge.conformance.processes import shares
from streamgauge.provider import ProviderSpec, added, get_provider
from streamgauge.verdicts import RunReport

TWO = Selection(providers=("openai-chat", "ollama-chat"), cases=("plain-text",), faults=("", "cut", "truncate", "fin"))


def judged(on_progress: Callable[[int, int, str], None]) -> RunReport:
    return judge_in_processes(plan(TWO), TWO, 2, on_progress)


def test_a_library_stays_in_one_process() -> None:
    """What imports the same library is judged in one place; the parts take about the same."""
    runs = Counter({"openai": 500, "openai-helper": 400, "groq": 450, "ollama": 200, "cohere": 200})
    parts = shares(runs, 2)
    assert sorted(name for part in parts for name in part) == sorted(runs)
    assert ("openai", "openai-helper") in parts
    assert shares(Counter({"groq": 1}), 4) == [("groq",)]


def test_a_provider_of_this_process_alone_is_judged_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """One library is worth one process; another process would not know what was added here."""
    monkeypatch.setattr("streamgauge.conformance.processes._cores", lambda: 8)
    assert processes_for(plan(TWO)) == 2
    assert processes_for(plan(Selection(providers=("openai-chat",)))) == 1
    real = get_provider("openai-chat")
    with added(
        ProviderSpec(
            name="here", title="", dialect="openai-chat", connect=real.connect, capabilities=frozenset(("sync",))
        )
    ):
        assert processes_for(plan(Selection(providers=("here", "ollama-chat")))) == 1


def test_processes_come_to_the_same_verdicts() -> None:
    """Verdict for verdict what one process says, subjects in the plan's order; progress counts every run once."""
    told: list[tuple[int, int, str]] = []
    report = judged(lambda *progress: told.append(progress))
    alone = Conformance(plan(TWO)).run()
    assert sorted(report.verdicts, key=str) == sorted(alone.verdicts, key=str)
    assert [s.name for s in report.subjects] == list(TWO.providers)
    assert list(dict.fromkeys(v.subject for v in report.verdicts)) == list(TWO.providers)
    runs = len(plan(TWO).jobs)
    assert [done for done, _, _ in told] == list(range(1, runs + 1))
    assert {total for _, total, _ in told} == {runs}
    assert not report.partial
    assert report.seconds > 0


def test_ctrl_c_keeps_what_the_processes_judged() -> None:
    """They hand in what they have; the report is partial, and nobody stays behind."""

    def interrupt(done: int, _total: int, _job: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    report = judged(interrupt)
    assert report.partial
    assert 0 < len(report.verdicts) <= plan(TWO).checks
    assert "interrupted after" in report.notes[-1]
    assert report.exit_code == 2
    assert multiprocessing.active_children() == []


def test_a_process_that_dies_is_not_overlooked() -> None:
    """What it would have judged is missing: the report says so, keeps the rest, and is not green."""

    def kill(done: int, _total: int, _job: str) -> None:
        if done == 1:
            multiprocessing.active_children()[0].kill()

    report = judged(kill)
    [note] = report.notes
    assert "ended with exit code" in note
    assert report.partial
    assert len({v.subject for v in report.verdicts}) == 1
    assert report.exit_code == 2
