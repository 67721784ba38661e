"""The report's texts: the matrix behind all of them, JSON, JUnit XML, Markdown and the terminal."""

from __future__ import annotations

import io
import json
import re
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from streamgauge.errors import StreamgaugeError
from streamgauge.report import html, json_file, junit, markdown, terminal
from streamgauge.report.layout import blocks
from streamgauge.report.matrix import build
from streamgauge.report.summary import headline, verdict_line
from streamgauge.report.text import one_line, visible
from streamgauge.rules import Outcome, Verdict, get_rule, rulebook
from streamgauge.verdicts import RunReport, Subject

FIRST, SECOND, THIRD = sorted(rulebook())[:3]
HOSTILE = "</script><b onload=x> \x1b[31mred\x07 \u202egnp \ud83d a|b ``` @someone \x00\r\n]]>"


def said(rule: str, path: str, outcome: Outcome, fault: str = "", **facts: object) -> Verdict:
    defaults = {
        "subject": "openai",
        "case": "plain",
        "reproduce": f"streamgauge client openai --rule {rule} --path {path}",
    }
    return Verdict(rule=rule, path=path, verdict=outcome, fault=fault, **{**defaults, **facts})  # type: ignore[arg-type]


def a_report(*more: Verdict, **facts: object) -> RunReport:
    """A run with every outcome: a failure on one path only, an expected one, a stale entry, a missing library."""
    verdicts = (
        said(FIRST, "sync", "pass"),
        said(FIRST, "async", "pass"),
        said(
            FIRST, "sync", "fail", "bom", expected="two events", got=HOSTILE, span=(3, 9), excerpt=r"\xef\xbb\xbfdata"
        ),
        said(FIRST, "async", "pass", "bom"),
        said(SECOND, "sync", "fail", expected="an error", got="success", expected_failure=True),
        said(SECOND, "async", "fail", expected="an error", got="success", expected_failure=True),
        said(THIRD, "sync", "non-strict", expected="a header", got="none"),
        said(THIRD, "async", "skip", reason="the request is not known"),
        said(THIRD, "async", "error", "bom", reason="the rule itself failed: KeyError: 'x'"),
        said("OLD-001", "sync", "info", got="an old rule"),
        *more,
    )
    subjects = (
        Subject(name="openai", role="client", version="3.54.0", dialect="openai-chat"),
        Subject(name="idle", role="client", version="1.0"),
        Subject(name="g4f", role="client", available=False, install="pip install 'streamgauge[g4f]'"),
    )
    defaults = {"subjects": subjects, "verdicts": verdicts, "stale": ("openai SSE-900 sync",), "notes": ("a note",)}
    given = {**defaults, **facts}
    return RunReport(started="2026-11-22T12:00:00+00:00", versions={"streamgauge": "0.1.0"}, **given)  # type: ignore[arg-type]


def a_big_report(subjects: int) -> RunReport:
    """Many subjects with long names, each judged on both paths by every rule."""
    names = [f"library-number-{n}" for n in range(subjects)]
    verdicts = tuple(
        said(rule, path, "pass" if number % 3 else "fail", subject=name, expected="x" * 300, got="y " * 300)
        for name in names
        for number, rule in enumerate(sorted(rulebook())[:20])
        for path in ("sync", "async")
    )
    return RunReport(
        started="now", versions={}, subjects=tuple(Subject(name=n, role="client") for n in names), verdicts=verdicts
    )


def printed(report: RunReport, width: int = 80, **options: object) -> str:
    file = io.StringIO()
    terminal.print_report(report, Console(file=file, width=width, **options))  # type: ignore[arg-type]
    return file.getvalue()


def steers(text: str) -> list[str]:
    """Characters that would steer a terminal or a reader's eye, or that UTF-8 can't carry."""
    return re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("né 漢字 😀", "né 漢字 😀"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\u202eb", "a\\u202eb"),
        ("\ud83d", "\\ud83d"),
        ("a\r\nb\tc", "a\\r\nb\tc"),
        ("\x85\u2028\ufeff\uffff", "\\x85\\u2028\\ufeff\\uffff"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_can_not_be_seen_is_written_out(raw: str, shown: str) -> None:
    """Controls, bidirectional marks and lone surrogates become escapes; ordinary text stays as it is."""
    assert visible(raw) == shown
    assert one_line(raw) == shown.replace("\n", "\\n").replace("\t", "\\t")


def test_a_cell_shows_its_worst_outcome_and_an_expected_failure_as_that() -> None:
    """A pass beside a failure is a failure, beside a skip a pass; an error of the harness outweighs all."""
    matrix = build(a_report(said("OLD-002", "sync", "skip"), said("OLD-002", "sync", "pass", "bom")))
    states = {(rule, path): cell.state for (rule, _, path), cell in matrix.cells.items()}
    assert states == {
        (FIRST, "sync"): "fail",
        (FIRST, "async"): "pass",
        (SECOND, "sync"): "expected",
        (SECOND, "async"): "expected",
        (THIRD, "sync"): "non-strict",
        (THIRD, "async"): "error",
        ("OLD-001", "sync"): "info",
        ("OLD-002", "sync"): "pass",
    }


def test_rows_are_grouped_and_columns_put_sync_before_async() -> None:
    """Rules stand together by group, those that the rulebook lacks too; a subject's paths are in one order."""
    matrix = build(a_report(said(FIRST, "", "pass", subject="http://localhost:1/v1")))
    known = dict.fromkeys(get_rule(rule).group for rule in (FIRST, SECOND, THIRD))
    assert [name for name, _ in matrix.groups()] == [*known, "not in this rulebook"]
    assert [(c.subject.name, c.paths) for c in matrix.columns] == [
        ("openai", ("sync", "async")),
        ("http://localhost:1/v1", ("",)),
    ]
    assert [s.name for s in matrix.unavailable] == ["g4f"]
    assert [s.name for s in matrix.unjudged] == ["idle"]


def test_only_outcomes_about_the_subject_make_its_paths_differ() -> None:
    """The same case with pass here and fail there is a difference; a skip or a harness error is none."""
    found = build(a_report(said(THIRD, "sync", "pass", "bom"))).differences
    assert list(found) == [(FIRST, "openai")]
    (difference,) = found[FIRST, "openai"]
    assert (difference.case, difference.fault, difference.sync, difference.asynchronous) == (
        "plain",
        "bom",
        "fail",
        "pass",
    )


def test_a_known_failure_on_one_path_only_is_still_a_difference() -> None:
    """Listing a failure as expected does not hide that the other path passes."""
    report = a_report(
        said("OLD-003", "sync", "fail", expected_failure=True),
        said("OLD-003", "async", "pass"),
    )
    assert ("OLD-003", "openai") in build(report).differences


def test_failures_that_say_the_same_are_told_once() -> None:
    """Two paths and two faults with the same finding are one group with four verdicts."""
    verdicts = [said("OLD-004", p, "fail", f, expected="a", got="b") for p in ("sync", "async") for f in ("x", "y")]
    groups = build(a_report(*verdicts)).select("fail")
    assert [len(g.verdicts) for g in groups if g.first.rule == "OLD-004"] == [4]


def test_the_summary_says_what_was_judged_and_what_the_exit_code_stands_for() -> None:
    """Expected failures are counted apart, skips and errors are not judged, trouble comes first."""
    assert verdict_line(a_report()) == (
        "8 verdicts judged in 6 cells: "
        "3 pass, 1 non-strict, 1 fail, 1 info, 2 expected failures; not judged: 1 skip, 1 error"
    )
    assert headline(a_report()) == "1 error of the harness, 1 unexpected failure, 1 stale expectation"
    assert headline(a_report(verdicts=(said(FIRST, "sync", "pass"),), stale=())) == "No unexpected failure"
    assert headline(a_report(verdicts=(), stale=(), partial=True)) == "Interrupted. Nothing was judged"


def test_json_has_the_documented_shape() -> None:
    """Schema, versions, subjects, verdicts with their span as a pair, and the summary; one verdict a line."""
    report = a_report()
    text = json_file.dumps(report)
    document = json.loads(text)
    assert document["schema"] == "streamgauge.verdicts/1"
    assert document["summary"] == report.summary
    assert {"name", "role", "version", "dialect"} <= set(document["subjects"][0])
    bad = document["verdicts"][2]
    assert (bad["rule"], bad["subject"], bad["path"], bad["case"], bad["fault"]) == (
        FIRST,
        "openai",
        "sync",
        "plain",
        "bom",
    )
    assert (bad["verdict"], bad["expected"], bad["span"]) == ("fail", "two events", [3, 9])
    assert bad["reproduce"].startswith("streamgauge client")
    lines = [line for line in text.splitlines() if line.startswith('  {"rule"')]
    assert [json.loads(line.rstrip(","))["rule"] for line in lines] == [v.rule for v in report.verdicts]


def test_json_with_lone_surrogates_is_read_by_a_strict_reader() -> None:
    """The file is UTF-8 that a reader refusing lone surrogates takes, and says which one there was."""
    document = msgspec.json.decode(json_file.dumps(a_report()).encode())
    assert "\\ud83d" in document["verdicts"][2]["got"]


def test_junit_gives_each_outcome_the_result_that_ci_shows_for_it() -> None:
    """Fail and stale are failures, error an error, skip and expected failure are skipped, the rest passes."""
    root = ET.fromstring(junit.dumps(a_report()))
    assert (root.get("tests"), root.get("failures"), root.get("errors"), root.get("skipped")) == ("12", "2", "1", "4")
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["openai sync", "openai async", "expected failures", "unavailable"]
    results = {c.get("name"): [child.tag for child in c] for c in suites["openai sync"].iter("testcase")}
    title = get_rule(FIRST).title
    assert results[f"{FIRST} {title} [plain]"] == []
    assert results[f"{FIRST} {title} [plain under bom]"] == ["failure"]
    assert results[f"{SECOND} {get_rule(SECOND).title} [plain]"] == ["skipped", "system-out"]
    assert results[f"{THIRD} {get_rule(THIRD).title} [plain]"] == ["system-out"]
    stale = suites["expected failures"].find("testcase/failure")
    assert stale is not None
    assert "openai SSE-900 sync" in str(stale.get("message"))
    expected = suites["openai sync"].find("testcase/skipped")
    assert expected is not None
    assert str(expected.get("message")).startswith("expected failure: expected an error; got success")


def test_junit_failure_holds_what_is_needed_to_act() -> None:
    """Rule, source, expected, got, bytes and the command stand in the failure; control characters are escaped."""
    failure = ET.fromstring(junit.dumps(a_report())).find(".//failure")
    assert failure is not None
    text = str(failure.text)
    for part in (
        get_rule(FIRST).source,
        "expected: two events",
        "bytes [3, 9)",
        "reproduce: streamgauge client",
        "\\x1b[31m",
    ):
        assert part in text
    assert "</script>" in str(failure.get("message"))


def test_junit_counts_of_each_suite_add_up() -> None:
    """Every suite's numbers are those of its test cases, and the sums stand at the top."""
    root = ET.fromstring(junit.dumps(a_report()))
    for suite in root:
        assert int(str(suite.get("tests"))) == len(suite.findall("testcase"))
        assert int(str(suite.get("skipped"))) == len(suite.findall("testcase/skipped"))
    assert int(str(root.get("tests"))) == len(root.findall(".//testcase"))


def test_markdown_table_has_the_same_columns_in_each_row() -> None:
    """No text breaks the table: each row has as many unescaped bars as the heading."""
    report = a_report(said(FIRST, "sync", "pass", subject="a|b\n<i>"))
    rows = [line for line in markdown.dumps(report).splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert any(f"{FIRST} " in row and "❌ ✅ ≠" in row for row in rows)
    assert any(f"{SECOND} " in row and "🔶 🔶 |" in row for row in rows)


def test_markdown_lists_failures_and_nothing_in_it_is_live() -> None:
    """The failure stands with its command; hostile text is in a code span that it can't end, mentions are parted."""
    text = markdown.dumps(a_report(notes=("ask @someone about #12 <img src=x>",)))
    assert "reproduce: ` streamgauge client openai" in text
    got = next(line for line in text.splitlines() if line.startswith("- got:"))
    fence = got.removeprefix("- got: ").split(" ")[0]
    assert set(fence) == {"`"}
    assert got.count(fence) == 2
    assert "@someone" not in text.replace(got, "")
    assert "<img" not in text.replace("\\<img", "")
    assert "openai SSE-900 sync" in text
    assert "pip install 'streamgauge[g4f]'" in text


@pytest.mark.parametrize("module", [json_file, junit, markdown, html])
def test_write_makes_the_folder_and_says_plainly_when_it_can_not(module: object, tmp_path: object) -> None:
    """The file appears with its folder; a place that can't be written raises one clear error."""
    target = tmp_path / "new" / "report.out"  # type: ignore[operator]
    module.write(a_report(), target)  # type: ignore[attr-defined]
    assert target.read_text(encoding="utf-8") == module.dumps(a_report())  # type: ignore[attr-defined]
    with pytest.raises(StreamgaugeError, match="cannot write the report"):
        module.write(a_report(), target.parent)  # type: ignore[attr-defined]


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(), max_size=40), st.text(st.characters(), min_size=1, max_size=20))
def test_any_text_at_all_is_carried_by_every_report(text: str, name: str) -> None:
    """Whatever a wire said, each output can be made, encoded and read back, and steers nothing."""
    hostile = said(
        FIRST, "sync", "fail", text, subject=name, case=text, expected=text, got=text, excerpt=text, reason=text
    )
    report = a_report(
        hostile, stale=(text,), notes=(text,), subjects=(Subject(name=name, role="client", version=text),)
    )
    json.loads(json_file.dumps(report).encode())
    ET.fromstring(junit.dumps(report).encode())
    for shown in (markdown.dumps(report), html.dumps(report), printed(report)):
        assert steers(shown) == []
        shown.encode()


@pytest.mark.parametrize("subjects", [1, 3, 8, 15, 40])
@pytest.mark.parametrize("width", [80, 160])
def test_terminal_output_fits_its_width(subjects: int, width: int) -> None:
    """No line is wider than the terminal, save for the commands, which stay whole so that they can be copied."""
    lines = printed(a_big_report(subjects), width).splitlines()
    commands = [line for line in lines if line.startswith("    $ ")]
    assert commands
    assert max(len(line) for line in lines if line not in commands) <= width


def test_terminal_names_subjects_in_full_short_or_by_letter() -> None:
    """Three names fit in 160 columns, at 80 they are cut but told apart, and forty get letters with a key."""
    few = next(iter(blocks(build(a_big_report(3)), 160)))
    assert [slot.label for slot in few.slots] == ["library-number-0", "library-number-1", "library-number-2"]
    many = list(blocks(build(a_big_report(40)), 80))
    assert [slot.label for block in many for slot in block.slots][:3] == ["A", "B", "C"]
    assert sum(len(block.slots) for block in many) == 40
    assert max(len(b.slots) for b in many) - min(len(b.slots) for b in many) < len(many)


def test_terminal_shows_the_matrix_and_the_difference_of_the_paths() -> None:
    """Failing sync beside passing async is joined by the sign of a difference; expected failures look different."""
    lines = printed(a_report()).splitlines()
    row = {rule: next(line for line in lines if line.startswith(rule)).split()[-1] for rule in (FIRST, SECOND)}
    assert row[FIRST] == "✗≠✓"
    assert next(line for line in lines if line.startswith(SECOND)).endswith("◇ ◇")
    assert any(f"{FIRST} openai: sync fail, async pass (plain under bom)" in line for line in lines)


def test_terminal_tells_what_failed_with_the_command_that_shows_it_again() -> None:
    """Source, expected, got, bytes and the whole command; then stale entries, what is missing, and the sums."""
    text = printed(a_report(), 200)
    assert get_rule(FIRST).source.split("(")[0].strip() in text
    for part in (
        "expected: two events",
        "\\x1b[31mred",
        "[3, 9) \\xef",
        f"    $ streamgauge client openai --rule {FIRST} --path sync\n",
        "openai SSE-900 sync",
        "g4f: pip install 'streamgauge[g4f]'",
        "Installed, nothing judged",
        "8 verdicts judged",
        "KeyError",
    ):
        assert part in text
    assert "an error" not in text, "an expected failure is no news"


def test_terminal_says_when_nothing_was_judged() -> None:
    """An empty run has no matrix and does not look like a good one."""
    text = printed(a_report(verdicts=(), stale=()))
    assert "0 verdicts judged" in text
    assert "Nothing was judged." in text


def test_terminal_text_never_steers_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """With colours on, the only escape sequences are ours; NO_COLOR leaves no colour at all."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31m" not in printed(a_report(), color_system=None)
    coloured = printed(a_report(), force_terminal=True, color_system="standard")
    assert "\x1b[32m" in coloured
    assert "\\x1b[31mred" in coloured
    assert steers(re.sub("\x1b\\[[0-9;]*m", "", coloured)) == []
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(
        "\x1b\\[[0-9;]*(3[0-7]|9[0-7])m", printed(a_report(), force_terminal=True, color_system="standard")
    )


def test_terminal_without_unicode_gets_ascii() -> None:
    """On an ASCII terminal nothing fails and nothing is lost: symbols are letters, other text is escaped."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    console = Console(file=file, width=80)
    terminal.print_report(a_report(said(FIRST, "sync", "fail", "é", got="漢")), console)
    with terminal.Progress(console=console) as progress:
        progress.update(1, 2, "é 漢")
    text = raw.getvalue().decode("ascii")
    assert "F#." in text
    assert "x x" in text
    assert "\\u6f22" in text


def test_progress_on_a_pipe_is_an_occasional_line() -> None:
    """A thousand steps give a line for each tenth, with the count and the present step."""
    file = io.StringIO()
    with terminal.Progress("judging", Console(file=file, width=80)) as progress:
        for done in range(1001):
            progress.update(done, 1000, f"openai \x1b[2J fault {done}")
    lines = file.getvalue().splitlines()
    assert len(lines) == 11
    assert lines[5] == "judging 500 of 1,000  openai \\x1b[2J fault 500"


def test_progress_on_a_terminal_is_one_line_that_goes_away() -> None:
    """The bar is drawn with the present step, and the line is cleared at the end."""
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True, _environ={"TERM": "xterm"})
    with terminal.Progress("judging", console) as progress:
        progress.update(3, 10, "openai sync [bold]bom[/bold]\x07")
    text = file.getvalue()
    assert "3/10" in text
    assert "[bold]bom" in text
    assert "\x07" not in text
    assert text.rstrip("\n\r").endswith("\x1b[2K")


def test_progress_of_an_unknown_amount_does_not_fail() -> None:
    """A total of zero is no division."""
    file = io.StringIO()
    with terminal.Progress(console=Console(file=file)) as progress:
        progress.update(0, 0)
    assert "0 of 0" in file.getvalue()
