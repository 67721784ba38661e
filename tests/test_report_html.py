"""The HTML page: whole, self-contained, safe whatever a wire said, and its cells open."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from streamgauge.report import html
from streamgauge.rules import Verdict, rulebook
from streamgauge.verdicts import RunReport, Subject

FIRST, SECOND = sorted(rulebook())[:2]
HOSTILE = "</script><script>alert('got')</script><!-- \x1b[31m \u202e \ud83d &amp; \x00"
VOID = {"meta", "link", "input", "wbr", "br"}
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def a_report(**facts: Any) -> RunReport:
    """Two subjects whose names give the same slug, a failure on one path, an expected one, a skip."""

    def said(rule: str, path: str, **more: Any) -> Verdict:
        return Verdict(**{"rule": rule, "subject": "a/b", "path": path, "verdict": "pass", "case": "plain", **more})

    bad = {"verdict": "fail", "fault": "bom", "expected": "two events", "got": HOSTILE, "span": (3, 9)}
    shown = {"excerpt": HOSTILE, "reproduce": f"streamgauge client a/b --rule {FIRST} --fault bom"}
    verdicts = (
        said(FIRST, "sync"),
        said(FIRST, "sync", **bad, **shown),
        said(FIRST, "async", fault="bom"),
        said(SECOND, "sync", verdict="fail", expected_failure=True, got="success"),
        said(SECOND, "async", verdict="skip", reason="not declared"),
        said("OLD-001", "", subject="a?b", verdict="non-strict", got=HOSTILE),
    )
    subjects = (
        Subject(name="a/b", role="client", version="1.0<i>"),
        Subject(name="g4f", role="client", available=False, install="pip install 'streamgauge[g4f]'"),
    )
    given = {"subjects": subjects, "verdicts": verdicts, "stale": ("a/b OLD-002 <b>",), "notes": (HOSTILE,), **facts}
    return RunReport(started="2026-11-22T12:00:00+00:00", versions={"python": "3.11"}, **given)


class Page(HTMLParser):
    """Reads a page, checks that its elements nest, and keeps what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.inside: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> without an element"
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self.open:
            self.inside.setdefault(self.open[-1], []).append(data)

    def attributes(self, name: str) -> list[str]:
        return [found[name] for _, found in self.elements if name in found]


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_elements_nest_and_ids_are_unique() -> None:
    """Each element that opens closes in order, whatever text is in it."""
    page = Page(html.dumps(a_report()))
    assert page.open == []
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert {"matrix", "filters", "data", "details"} <= set(ids)


def test_nothing_is_loaded_from_elsewhere() -> None:
    """No source, style or script has an address; the policy forbids what would, and no handler is inline."""
    page = Page(html.dumps(a_report()))
    assert page.attributes("src") == []
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        if tag != "a":
            assert attributes.get("href", "data:,") == "data:,"
    style = "".join(page.inside["style"])
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_admits_exactly_this_style_and_this_script() -> None:
    """The hashes in the content security policy are those of the text between the tags."""
    text = html.dumps(a_report())
    page = Page(text)
    policy = next(found["content"] for tag, found in page.elements if found.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    for tag in ("style", "script"):
        (body,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = b64encode(sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_hostile_text_stays_text() -> None:
    """Markup from a wire makes no element, ends no script, and what steers an eye is written out."""
    text = html.dumps(a_report())
    page = Page(text)
    assert [tag for tag, _ in page.elements].count("script") == 2
    assert [tag for tag, _ in page.elements if tag in ("i", "img")] == []
    assert "alert('got')</script>" not in text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\ud800-\udfff]", text)
    assert any("</script><script>alert('got')" in piece for piece in data_of(text)["texts"])


def test_each_judged_cell_is_a_link_to_its_data() -> None:
    """Every link within the page leads to a cell or a rule that the script can draw, and no cell is unreachable."""
    text = html.dumps(a_report())
    data = data_of(text)
    links = {href[1:] for href in Page(text).attributes("href") if href.startswith("#")}
    assert {link for link in links if link.startswith("cell-")} == set(data["cells"])
    assert {f"rule-{FIRST}", f"rule-{SECOND}"} <= links
    assert f"cell-{FIRST}-a-b-sync" in links, "anchors are stable: links in bug reports depend on them"
    assert "cell-OLD-001-a-b-2" in links, "two names of one slug stay apart"


def test_a_cell_holds_what_is_needed_to_act_on_it() -> None:
    """Expected, got, bytes with their span and the command are there; passes are one line of names."""
    data = data_of(html.dumps(a_report()))
    texts = data["texts"]
    rule, slug, path, (failed, passed) = data["cells"][f"cell-{FIRST}-a-b-sync"]
    assert (rule, data["subjects"][slug][0], path) == (FIRST, "a/b", "sync")
    state, outcome, expected, got, _, count, (case,) = failed
    assert (state, outcome, texts[expected], count) == ("fail", "fail", "two events", 1)
    assert texts[got].startswith("</script><script>alert('got')")
    assert [texts[i] for i in case[:3]] == ["plain", "bom", f"streamgauge client a/b --rule {FIRST} --fault bom"]
    assert texts[case[3]].startswith("</script>")
    assert case[4:] == [3, 9]
    assert (passed[0], texts[passed[-1]]) == ("pass", "plain: no fault")
    assert data["rules"][FIRST][4] == rulebook()[FIRST].source
    (difference,) = data["differences"][f"{FIRST} {slug}"]
    assert [texts[difference[0]], *difference[1:]] == ["plain under bom", "fail", "pass"]


def test_a_server_s_answers_are_named_without_faults() -> None:
    """An endpoint is under no fault; and one failure is one, however often each of its answers shows it."""
    url = "http://127.0.0.1:8000/v1"
    bad = {"rule": FIRST, "subject": url, "verdict": "fail", "expected": "two events", "got": "one"}
    verdicts = (
        Verdict(case="plain", reason="the first of 3 findings", **bad),
        Verdict(case="long", reason="the first of 9 findings", **bad),
        *(Verdict(rule=FIRST, subject=url, verdict="pass", case=case) for case in ("tools", "stop")),
    )
    text = html.dumps(a_report(subjects=(Subject(name=url, role="server"),), verdicts=verdicts, stale=()))
    data = data_of(text)
    ((_, _, _, (failed, passed)),) = data["cells"].values()
    assert failed[5] == 2
    assert data["texts"][passed[-1]] == "tools, stop"
    assert "Unexpected failures: 1 distinct" in text
    assert f"{url}</a>" in text


def test_the_matrix_marks_states_and_differences_by_more_than_colour() -> None:
    """A failing cell has its class, its sign and its name for a screen reader; both paths of a pair are marked."""
    text = html.dumps(a_report())
    cell = re.search(rf'<td class="([^"]*)"><a [^>]*href="#cell-{FIRST}-a-b-sync" aria-label="([^"]*)">(.)</a>', text)
    assert cell
    assert cell.groups() == ("fail first differs", "fail, differs", "✗")
    assert re.search(
        rf'<td class="expected first"><a [^>]*#cell-{SECOND}-a-b-sync" aria-label="expected failure">◇', text
    )
    assert '<td class="none' in text, "what was not judged is an empty cell"


def test_the_page_says_what_ran_and_what_is_wrong() -> None:
    """The heading, stale entries, missing libraries and unexpected failures stand in the page itself."""
    page = Page(html.dumps(a_report()))
    text = re.sub(r"\s+", " ", " ".join(piece for pieces in page.inside.values() for piece in pieces))
    for part in (
        "1 unexpected failure, 1 stale expectation",
        "5 verdicts judged",
        "a/b OLD-002 <b>",
        "pip install 'streamgauge[g4f]'",
        "2026-11-22T12:00:00+00:00",
    ):
        assert part in text


def test_a_run_without_verdicts_is_a_page_too() -> None:
    """Nothing judged is said, and there is no empty table."""
    text = html.dumps(a_report(verdicts=(), stale=()))
    page = Page(text)
    assert "Nothing was judged" in "".join(page.inside["title"])
    assert "table" not in [tag for tag, _ in page.elements]


def test_ten_thousand_verdicts_make_a_small_page() -> None:
    """Passes collapse and texts are kept once: well under a megabyte."""
    verdicts = tuple(
        Verdict(
            rule=rule,
            subject=f"library-{s}",
            path=path,
            verdict="fail" if (s + n) % 10 == 0 else "pass",
            case=f"case-{n % 5}",
            fault=f"fault-{n}",
            expected="the same events as without the fault",
            got=f"{s} events",
            reproduce=f"streamgauge client library-{s} --path {path} --rule {rule} --fault fault-{n}",
        )
        for s in range(13)
        for rule in sorted(rulebook())[:20]
        for path in ("sync", "async")
        for n in range(20)
    )
    assert len(verdicts) > 10_000
    assert len(html.dumps(a_report(verdicts=verdicts)).encode()) < 1_000_000


def test_the_templates_are_package_data() -> None:
    """They are found through importlib.resources, as in an installed wheel."""
    folder = files("streamgauge.report").joinpath("templates")
    assert {entry.name for entry in folder.iterdir()} >= {"verdicts.html.j2", "verdicts.css", "verdicts.js"}


@pytest.mark.skipif(not BROWSER, reason="needs a Chromium browser on the PATH")
def test_a_link_to_a_cell_opens_it_in_a_browser(tmp_path: Path) -> None:
    """From file://, by its fragment: the dialog shows the rule, the finding and the command, and runs nothing."""
    html.write(a_report(), tmp_path / "report.html")
    command = [
        str(BROWSER),
        *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
        *("--disable-sync", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"),
        f"{(tmp_path / 'report.html').as_uri()}#cell-{FIRST}-a-b-sync",
    ]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    page = done.stdout.decode()
    (dialog,) = re.findall(r"<dialog [^>]*>.*?</dialog>", page, re.DOTALL)
    assert re.match(r"<dialog [^>]*\bopen\b", dialog)
    for part in (
        FIRST,
        re.split("[&<>]", rulebook()[FIRST].statement)[0],
        "two events",
        "bytes [3, 9)",
        "--fault bom",
        "Copy",
    ):
        assert part in dialog
    assert "&lt;/script&gt;&lt;script&gt;alert" in dialog
    assert "sync and async differ" in dialog
