"""Several reports as one: subjects, verdicts and expected failures of environments that can't be one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from streamgauge.cli import main
from streamgauge.errors import StreamgaugeError
from streamgauge.merge import load, merge
from streamgauge.report import json_file
from streamgauge.rules import Verdict
from streamgauge.verdicts import RunReport, Subject

RULE = "AGG-008"
HERE = Subject(name="openai", role="client", version="3.54.0", dialect="openai-chat")
ABSENT = replace(HERE, name="litellm-openai", version="", available=False, install="pip install 'streamgauge[litellm]'")
THERE = replace(ABSENT, version="1.106.2", available=True, install="")


def verdict(subject: Subject, outcome: str = "pass", **facts: object) -> Verdict:
    place = {"path": "sync", "case": "plain-text"}
    return Verdict(rule=RULE, subject=subject.name, verdict=outcome, **place, **facts)  # type: ignore[arg-type]


def report(started: str, *subjects: Subject, verdicts: tuple[Verdict, ...] = (), **facts: object) -> RunReport:
    versions = {"streamgauge": "0.1.0"} | {s.name: s.version for s in subjects if s.available}
    return RunReport(started=started, versions=versions, subjects=subjects, verdicts=verdicts, **facts)  # type: ignore[arg-type]


FIRST = report(
    "2026-01-01T10:00:00+00:00",
    HERE,
    ABSENT,
    verdicts=(verdict(HERE),),
    notes=("litellm-openai is not installed and was not judged: pip install 'streamgauge[litellm]'", "slow machine"),
)
SECOND = report(
    "2026-01-01T09:00:00+00:00",
    THERE,
    verdicts=(verdict(THERE, "fail", expected="a", got="b", span=(3, 9), reproduce="streamgauge client"),),
)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Both reports as the command writes them."""
    paths = [tmp_path / "first.json", tmp_path / "second.json"]
    for path, part in zip(paths, (FIRST, SECOND), strict=True):
        json_file.write(part, path)
    return [str(path) for path in paths]


def test_file_is_read_as_it_was_written(files: list[str]) -> None:
    """A report survives its file, spans and expected failures included."""
    assert load(Path(files[0])) == FIRST
    assert load(Path(files[1])) == SECOND


def test_subject_is_taken_from_where_it_was_judged() -> None:
    """A library that was missing here and judged there is judged, and the remark that it is missing goes."""
    merged = merge([FIRST, SECOND])
    assert merged.subjects == (HERE, THERE)
    assert merged.verdicts == FIRST.verdicts + SECOND.verdicts
    assert merged.notes == ("slow machine",)
    assert merged.started == SECOND.started
    assert merged.versions == {"streamgauge": "0.1.0", "openai": "3.54.0", "litellm-openai": "1.106.2"}
    assert merged.exit_code == 1
    assert merge([SECOND, FIRST]).subjects == (THERE, HERE)


def test_what_is_missing_everywhere_stays_missing() -> None:
    """The remark stays where no run had the library."""
    merged = merge([FIRST, replace(SECOND, subjects=(), verdicts=())])
    assert merged.subjects == (HERE, ABSENT)
    assert merged.notes == FIRST.notes


def test_interrupted_part_makes_the_whole_partial() -> None:
    """A report that was cut short can't make a whole one."""
    merged = merge([FIRST, replace(SECOND, partial=True)])
    assert merged.partial
    assert merged.exit_code == 2


def test_same_subject_twice() -> None:
    """Two verdicts on one library, perhaps of two versions, can't stand in one cell."""
    with pytest.raises(StreamgaugeError, match="two reports judge openai"):
        merge([FIRST, FIRST])


def test_nothing_to_merge() -> None:
    """No reports are no result."""
    with pytest.raises(StreamgaugeError, match="nothing to merge"):
        merge([])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "schema is 'not named'"),
        ('{"schema": "streamgauge.bench/1"}', "schema is 'streamgauge.bench/1'"),
        ('{"schema": "streamgauge.verdicts/1"}', "no whole report of verdicts: 'started'"),
        (
            '{"schema": "streamgauge.verdicts/1", "started": "", "versions": {}, "subjects": [{}], "verdicts": []}',
            "no whole report.*name",
        ),
    ],
)
def test_file_that_is_no_report(tmp_path: Path, content: str, message: str) -> None:
    """What is no report of verdicts is refused, and the file is named."""
    path = tmp_path / "other.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(StreamgaugeError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_command_merges_and_judges(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command writes one matrix, and its exit code is that of the whole."""
    page = tmp_path / "matrix.html"
    assert main(["merge", *files, "--json", "-", "--html", str(page)]) == 1
    merged = json.loads(capsys.readouterr().out)
    assert merged["summary"]["pass"] == merged["summary"]["fail"] == 1
    assert "litellm-openai" in page.read_text(encoding="utf-8")


def test_expected_failures_are_judged_over_all(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An entry covers a verdict of any part; one that no longer fails in any of them is stale."""
    known = tmp_path / "expected.toml"
    entry = f'[[expected]]\nsubject = "litellm-openai"\nrule = "{RULE}"\nreason = "known"\n'
    known.write_text(entry, encoding="utf-8")
    assert main(["merge", *files, "--json", "-", "--expected-failures", str(known)]) == 0
    assert json.loads(capsys.readouterr().out)["summary"]["expected_failures"] == 1
    known.write_text(entry + entry.replace("litellm-openai", "openai"), encoding="utf-8")
    assert main(["merge", *files, "--json", "-", "--expected-failures", str(known)]) == 1
    assert json.loads(capsys.readouterr().out)["summary"]["stale"] == 1


def test_command_without_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there is exit 2."""
    assert main(["merge", "no-such-report.json"]) == 2
    assert "can't read the report no-such-report.json: No such file" in capsys.readouterr().err
