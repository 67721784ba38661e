"""Every requirement of the catalogue is a rule, or stands as not judged; none is harsher than its basis allows."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from streamgauge.rulebook.unjudged import UNJUDGED
from streamgauge.rules import rulebook

SEVERITY = {"MUST": "fail", "SHOULD": "non-strict", "MAY": "info"}
HARSH = ["info", "non-strict", "fail"]

pytestmark = pytest.mark.shared


@cache
def catalogue(shared: Path) -> dict[str, dict[str, str]]:
    """The entries by id: their members that stand on one line."""
    text = (shared / "catalogue" / "rules.yaml").read_text(encoding="utf-8")
    blocks = re.split(r"(?m)^(?=- id: )", text)[1:]
    entries = (dict(re.findall(r"(?m)^[- ] (\w+): (\S.*)$", block)) for block in blocks)
    return {entry["id"]: entry for entry in entries}


def allowed(entry: dict[str, str]) -> str:
    """The worst that a departure may count as: only a MUST with a document as its basis accuses."""
    severity = SEVERITY[entry["severity"]]
    return "non-strict" if severity == "fail" and entry["basis"] == "de-facto" else severity


def test_every_requirement_is_judged_or_says_why_not(shared: Path) -> None:
    """All 190 ids, each in one place; nothing stands as not judged that is no requirement."""
    wanted = set(catalogue(shared))
    assert len(wanted) == 190
    assert wanted - set(rulebook()) == set(UNJUDGED)


def test_no_rule_is_harsher_than_the_catalogue(shared: Path) -> None:
    """Role and severity of each rule are the requirement's own, or milder."""
    for name, entry in catalogue(shared).items():
        if rule := rulebook().get(name):
            assert rule.role == entry["role"], name
            assert HARSH.index(rule.severity) <= HARSH.index(allowed(entry)), name


SOFTER = {
    "ANT-011": 'the page says that "your code should handle unknown event types gracefully"',
    "COH-002": "the reference requires neither finish_reason nor usage of message-end",
    "COH-003": "the reference requires no index, and no sentence says that the events of a block share it",
    "ERR-004": "OpenRouter's documentation binds its own clients, and every chat client is judged",
    "HTTP-010": "RFC 9110 12.5.3 says SHOULD of an answer without a coding that is acceptable",
    "OAC-020": 'OpenAI\'s reference: "Note that the model does not always generate valid JSON"',
    "OAR-004": "the reference says when response.created is emitted, not that it is the first",
    "USE-008": "no page says that usageMetadata repeats and which one counts: Google's services do it",
}


def test_what_is_softer_has_a_reason(shared: Path) -> None:
    """Only these count less than the catalogue says, because the source that was read again does not say more."""
    softer = {
        name
        for name, entry in catalogue(shared).items()
        if name in rulebook() and rulebook()[name].severity != allowed(entry)
    }
    assert softer == set(SOFTER)
