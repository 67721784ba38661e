"""The table of docs/verdicts.md: what was seen of libraries by hand, and what the matrix says of them today."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from streamgauge.conformance import Conformance, Selection, plan
from streamgauge.provider import get_provider

PAGE = Path(__file__).resolve().parents[1] / "docs" / "verdicts.md"


@dataclass(frozen=True)
class Line:
    """One line of the table: the verdict, and a part of what came."""

    library: str
    rule: str
    fault: str
    verdict: str
    got: str


def lines() -> list[Line]:
    """The table, from its heading on."""
    found = re.findall(r"^\| ([\w-]+) \| [^|]+ \| ([A-Z]+-\d+) \| (\S+) \| ([^|]+) \|$", PAGE.read_text("utf-8"), re.M)
    parts = [(*row[:3], *re.fullmatch(r"([\w-]+)(?:: (.+?))?(?: \(\d\))?", row[3]).groups("")) for row in found]  # type: ignore[union-attr]
    return [Line(*part) for part in parts]


LIBRARIES = sorted({line.library for line in lines()})


def test_the_table_is_read_whole() -> None:
    """Every row below the heading is one line here: none is left out for its spelling."""
    table = PAGE.read_text("utf-8").partition("| library | seen by hand |")[2]
    assert len(lines()) == sum(row.startswith("| ") for row in table.splitlines()[2:])
    assert {"openai", "anthropic", "ollama", "g4f"} <= set(LIBRARIES)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_page_says_what_the_matrix_says(library: str) -> None:
    """Line for line, on both paths, for the libraries that are installed."""
    if get_provider(library).missing:
        pytest.skip(f"{library} is not installed: {get_provider(library).install}")
    wanted = [line for line in lines() if line.library == library]
    selection = Selection(
        providers=(library,),
        cases=("plain-text",),
        faults=tuple({line.fault for line in wanted}),
        rules=tuple({line.rule for line in wanted}),
    )
    report = Conformance(plan(selection)).run()
    for line in wanted:
        found = [v for v in report.verdicts if (v.rule, v.fault) == (line.rule, line.fault)]
        assert [(v.path, v.verdict) for v in found] == [("sync", line.verdict), ("async", line.verdict)], line
        assert all(line.got in v.got.replace("\\n", "\n") for v in found), (line, [v.got for v in found])
