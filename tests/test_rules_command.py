"""`streamgauge rules`."""

from __future__ import annotations

import json

import pytest

from streamgauge.cli import main
from streamgauge.registry import get_dialect
from streamgauge.rulebook.unjudged import UNJUDGED
from streamgauge.rules import get_rule, rulebook, rules_for


def test_all_rules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Piped, each rule is a line with its id first; what is not judged is told apart."""
    assert main(["rules"]) == 0
    shown = capsys.readouterr()
    assert [line.split("\t")[0] for line in shown.out.splitlines()] == list(rulebook())
    assert all(name in shown.err for name in UNJUDGED)


@pytest.mark.parametrize("role", ["server", "client"])
def test_rules_of_a_dialect_in_a_role(role: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The options choose the rules that such a subject is judged by."""
    assert main(["rules", "--dialect", "openai-chat", "--role", role, "--json", "-"]) == 0
    found = [value["id"] for value in json.loads(capsys.readouterr().out)]
    assert found == [r.id for r in rules_for(get_dialect("openai-chat"), role)]  # type: ignore[arg-type]
    assert found


def test_one_rule_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """Statement, source, severity, known violations and both examples, whatever the case of the id."""
    assert main(["rules", "seq-006"]) == 0
    out = capsys.readouterr().out
    rule = get_rule("SEQ-006")
    for text in (rule.title, rule.statement, rule.source, "a departure is fail", rule.known[0]):
        assert text in out
    good, bad = out.split("an answer that satisfies it")[1].split("an answer that breaks it")
    assert "| data: [DONE]" in good
    assert "| data: [DONE]" not in bad


def test_evidence_beside_the_body_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """What makes an example break its rule shows, where it is not the body."""
    shown = {
        "HTTP-001": "Content-Type: text/plain",
        "HTTP-006": "ended    incomplete",
        "HTTP-013": "status   429",
        "USE-001": "include_usage",
        "TIM-001": "reads after 2.8 s",
        "AGG-001": "Hello there",
        "SSE-007": "\\xc3",
    }
    for rule_id, text in shown.items():
        assert main(["rules", rule_id]) == 0
        assert text in capsys.readouterr().out.split("an answer that breaks it")[1], rule_id


def test_one_rule_as_json_has_its_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` gives all of one rule, its examples whole."""
    assert main(["rules", "SSE-020", "--json", "-"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["id"], value["severity"]) == ("SSE-020", "fail")
    assert value["satisfies"] == value["breaks"] + "\n"
    assert value["finding"]["expected"] == "a blank line behind the last event"


def test_every_rule_can_be_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """No rule is left out, client rules included."""
    for rule in rulebook().values():
        assert main(["rules", rule.id]) == 0
        assert rule.statement in capsys.readouterr().out


def test_what_is_not_judged_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """A requirement without a rule says what is missing."""
    name = next(iter(UNJUDGED))
    assert main(["rules", name]) == 0
    assert UNJUDGED[name] in capsys.readouterr().out


def test_what_is_found_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    """Below the example that breaks a rule stands what the rule says of it, and its lines are marked."""
    assert main(["rules", "OAC-016"]) == 0
    bad = capsys.readouterr().out.split("an answer that breaks it")[1]
    assert "got      index 0 for 'a' and 'b'" in bad
    assert [('"id":"b"' in line) for line in bad.splitlines() if line.startswith("  > data")] == [True]


def test_a_client_rule_shows_what_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    """The lines that the fault changes, and no others; how to play them; what a client that breaks the rule does."""
    assert main(["rules", "ERR-004"]) == 0
    out = capsys.readouterr().out
    changed = [line.strip() for line in out.splitlines() if line.startswith(("  -", "  +"))]
    assert ['"finish_reason": "error"' in line for line in changed] == [False, True]
    assert "streamgauge serve --case openai-chat/plain-text --fault 'failed-finish'" in out
    assert "a client that breaks it\n  expected an error, or the finish_reason 'error'" in out
    assert "streamgauge client PROVIDER --rule ERR-004" in out
    assert main(["rules", "TIM-005"]) == 0
    assert "in how they are sent" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["rules", "SEQ-06"], ["rules", "--dialect", "openai-chatt"]])
def test_a_wrong_name_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt rule or dialect: one line with the nearest name, exit code 2."""
    assert main(words) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "did you mean" in err
