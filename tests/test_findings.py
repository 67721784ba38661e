"""The pages of `reports/findings/`: each is whole, agrees with its program, and is in the list."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from streamgauge.rules import get_rule

PAGES = Path(__file__).parents[1] / "reports" / "findings"
FINDINGS = sorted(path for path in PAGES.glob("*.md") if path.name != "README.md")
FACTS = ("project", "version", "severity", "rule", "source")


def test_there_are_enough() -> None:
    """At least twenty, of at least eight projects; each page has its program and each program its page."""
    projects = {fact(path.read_text(encoding="utf-8"), "project") for path in FINDINGS}
    assert len(FINDINGS) >= 20
    assert len(projects) >= 8
    assert {path.stem for path in FINDINGS} == {path.stem for path in PAGES.glob("*.py")}


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.stem)
def test_page(path: Path) -> None:
    """It names what it must, the rule is one, the program is the file beside it, and short; the list has it."""
    page = path.read_text(encoding="utf-8")
    program = path.with_suffix(".py").read_text(encoding="utf-8")
    assert all(fact(page, name) for name in FACTS)
    assert fact(page, "severity").partition(":")[0] in ("high", "medium", "low")
    rule = get_rule(fact(page, "rule").partition(",")[0])
    assert f"```python\n{program.rstrip()}\n```" in page
    assert len(program.splitlines()) < 20
    assert "streamgauge" not in {name.partition(".")[0] for name in imported(program)}
    assert re.search(rf"`streamgauge (client|check) .*--rule {rule.id}`$", page, re.MULTILINE)
    assert f"]({path.name})" in (PAGES / "README.md").read_text(encoding="utf-8")


def fact(page: str, name: str) -> str:
    """What the table of a page says under a name."""
    found = re.search(rf"(?m)^\| {name} \| (.+) \|$", page)
    return found[1] if found else ""


def imported(program: str) -> set[str]:
    """The modules that a program imports."""
    nodes = list(ast.walk(ast.parse(program)))
    direct = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return direct | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
