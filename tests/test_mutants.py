"""Mutants: every operator shows in every dialect, the score is honest, and what is no damage is told apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from itertools import islice
from typing import Any

import pytest

from streamgauge.cli import main
from streamgauge.mutants import Edit, Operator, all_operators, get_operator, operator
from streamgauge.mutants.engine import Subject, judge, mutants, run, streams_of
from streamgauge.mutants.flow import Flow
from streamgauge.mutants.outcomes import MutationReport, difference
from streamgauge.mutants.stream import Stream
from streamgauge.recordings import get_recording, shipped
from streamgauge.registry import defined, get_dialect
from streamgauge.rules import Exchange, Finding, rulebook

DIALECTS = sorted({recording.dialect for recording in shipped().values()})
SERVER = {rule.id for rule in rulebook().values() if rule.role == "server"}


@cache
def subjects(dialect: str) -> tuple[Subject, ...]:
    """The good streams of a dialect."""
    found = (Subject(s) for r in shipped().values() if r.dialect == dialect for s in streams_of(r))
    return tuple(subject for subject in found if subject.good)


@cache
def stream(name: str) -> Stream:
    return Stream.of(get_recording(name))


def fitting(dialect: str, used: Operator) -> Iterator[tuple[Subject, list[Edit]]]:
    """The streams of a dialect that an operator can change."""
    for subject in subjects(dialect):
        if used.fits(subject.stream) and (edits := list(used.edits(subject.stream))):
            yield subject, edits


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_operator_shows(dialect: str) -> None:
    """On the first recording that it can damage, each operator's mutants are noticed by a rule that it names."""
    made = 0
    for used in all_operators().values():
        for subject, _ in islice(fitting(dialect, used), 1):
            for mutant in mutants(subject, used, positions=1):
                made += 1
                good = ("tolerated",) if used.effect == "harmless" else ("right", "equivalent", "named")
                assert mutant.fate in good, mutant
    assert made > 100


@pytest.mark.parametrize("used", all_operators().values(), ids=lambda o: o.name)
def test_operator_is_declared(used: Operator) -> None:
    """An operator says what it does and who must notice, by rules that there are; it is of use, and pure."""
    assert used.title
    assert used.applies
    assert set(used.noticed_by) <= SERVER
    found = next((pair for dialect in DIALECTS for pair in fitting(dialect, used)), None)
    assert found, "it changes none of the recordings"
    subject, edits = found
    body, pieces = subject.stream.body, subject.stream.pieces
    assert [e.what for e in edits] == [e.what for e in used.edits(subject.stream)]
    for edit in edits[:3]:
        assert set(edit.noticed_by) <= SERVER
        assert edit.make().exchange.trace == edit.make().exchange.trace
    assert subject.stream.body == body
    assert subject.stream.pieces == pieces
    if used.effect == "harmless":
        assert not used.noticed_by


def test_flows_name_what_there_is() -> None:
    """What a dialect's flow says of operators and rules is of operators and rules that there are."""
    flows = [flow for _, flow in defined("streamgauge.mutants", Flow)]
    assert {name for flow in flows for name in flow.applies} == set(DIALECTS)
    for flow in flows:
        assert set(flow.notices) <= set(all_operators())
        fitting = {r.id for r in rulebook().values() if any(r.fits(get_dialect(name)) for name in flow.applies)}
        assert {rule for rules in flow.notices.values() for rule in rules} <= SERVER & fitting


def test_a_file_is_only_its_body() -> None:
    """Of a bare stream nothing is known but the bytes: no rule that needs more has anything to say."""
    bare = stream("openai-chat/plain-text").but(bare=True)
    assert (bare.exchange.trace.status, bare.exchange.trace.headers, bare.exchange.reference) == (None, None, None)
    assert bare.exchange.body == stream("openai-chat/plain-text").body


@pytest.mark.slow
def test_every_server_rule_notices_a_mutant() -> None:
    """No server rule is without an operator that must make it speak."""
    report = run(positions=1)
    noticed = {name for mutant in report.mutants for name in mutant.noticed}
    assert {mutant.fate for mutant in report.bad} == set()
    assert SERVER - noticed == set()
    assert not report.unused


@pytest.mark.parametrize("name", shipped())
def test_a_stream_is_its_recording(name: str) -> None:
    """Cut into pieces a recording is the same bytes; each piece that holds JSON can be written anew, as valid."""
    recording = shipped()[name]
    whole = stream(name)
    assert whole.body == recording.trace.body
    assert whole.exchange.message == recording.message
    anew = whole.with_pieces(p if p.value is None else whole.say(p.value, p) for p in whole.pieces)
    assert anew.exchange.message == recording.message
    assert len(whole.spoken) == len(whole.pieces)
    assert sum(map(len, whole.spoken)) >= len(whole.events) - 1  # an End at the end of the bytes has no place


def fake(edits: Any, **facts: Any) -> Operator:
    return operator("fake", "For a test", applies=("all",), **facts)(edits)


def tried(edits: Any, name: str = "openai-chat/plain-text", **facts: Any) -> list[str]:
    """The fates of an operator's mutants."""
    return [m.fate for m in mutants(Subject(stream(name)), fake(edits, **facts))]


def test_unnoticed_damage_survives() -> None:
    """What no rule speaks of is a survivor, with its diff, and makes the exit code 1."""

    def edits(whole: Stream) -> Iterator[Edit]:
        yield Edit("x", partial(whole.changed, 3, lambda value: {**value, "service_tier": "gold"}))

    (mutant,) = mutants(Subject(stream("openai-chat/plain-text")), fake(edits, noticed_by=("OAC-001",)))
    assert mutant.fate == "survived"
    assert mutant.expected == ("OAC-001",)
    assert any("gold" in line for line in mutant.diff if line.startswith("+"))
    report = MutationReport(mutants=(mutant,), recordings=())
    assert report.exit_code == 1
    assert report.total.share == 0
    assert report.bad == (mutant,)


def test_a_rule_less_is_a_survivor_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the rule that must notice, its mutants survive: the score depends on the rules."""
    subject = Subject(stream("openai-chat/plain-text"))
    used = get_operator("done-twice")
    assert {m.fate for m in mutants(subject, used)} == {"right"}
    monkeypatch.setitem(subject.__dict__, "rules", {n: r for n, r in subject.rules.items() if n != "SEQ-006"})
    assert {m.fate for m in mutants(subject, used)} == {"survived"}


def test_another_rule_is_not_the_right_one() -> None:
    """What only an undeclared rule notices counts as noticed, but not by the right rule."""

    def edits(whole: Stream) -> Iterator[Edit]:
        yield Edit("no [DONE]", partial(whole.instead, len(whole.pieces) - 1))

    (mutant,) = mutants(Subject(stream("openai-chat/plain-text")), fake(edits, noticed_by=("OAC-001",)))
    assert mutant.fate == "other"
    assert "SEQ-006" in mutant.noticed
    report = MutationReport(mutants=(mutant,), recordings=())
    assert (report.exit_code, report.total.share) == (0, 0.0)


def test_what_changes_nothing_is_equivalent() -> None:
    """The same values in other bytes, or the same events where only they count, are no damage."""

    def spelled(whole: Stream) -> Iterator[Edit]:
        yield Edit("x", partial(whole.changed, 2, lambda value: dict(reversed(value.items()))))

    def meant(whole: Stream) -> Iterator[Edit]:
        yield Edit("x", partial(whole.changed, 2, lambda value: {**value, "service_tier": "gold"}))

    assert tried(spelled) == ["equivalent"]
    assert tried(meant) == ["survived"]
    assert tried(meant, by_meaning=True) == ["equivalent"]
    assert tried(meant, equivalent=lambda before, after: "nobody reads it") == ["named"]


def test_a_name_or_a_header_is_no_spelling() -> None:
    """Mutants that differ in an event's name, in the status or in time are never taken for the same."""

    def edits(whole: Stream) -> Iterator[Edit]:
        yield Edit("name", partial(whole.instead, 1, b"event: x\n" + whole.pieces[1].raw), group="a")
        yield Edit("status", partial(whole.but, status=201), group="b")
        yield Edit("time", partial(whole.but, over=99.0), group="c")

    assert "equivalent" not in tried(edits)


def test_an_accused_harmless_change_is_bad() -> None:
    """A harmless change that a rule notices is a false accusation, and makes the exit code 1."""

    def edits(whole: Stream) -> Iterator[Edit]:
        yield Edit("no [DONE]", partial(whole.instead, len(whole.pieces) - 1))

    (mutant,) = mutants(Subject(stream("openai-chat/plain-text")), fake(edits, effect="harmless"))
    assert mutant.fate == "accused"
    assert "SEQ-006" in mutant.noticed
    assert MutationReport(mutants=(mutant,), recordings=()).exit_code == 1


def test_a_rule_that_fails_is_not_a_detection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that raises has noticed nothing: the mutant is an error, and the exit code 2."""

    def broken(exchange: Exchange) -> Iterator[Finding]:
        raise KeyError("oops")

    subject = Subject(stream("openai-chat/plain-text"))
    assert subject.before
    rule = replace(subject.rules["SEQ-006"], judge=broken)
    monkeypatch.setitem(subject.__dict__, "rules", {**subject.rules, "SEQ-006": rule})
    used = get_operator("done-twice")
    (edit,) = used.edits(subject.stream)
    mutant = judge(subject, used, edit)
    assert mutant.fate == "error"
    assert "KeyError" in mutant.reason
    assert MutationReport(mutants=(mutant,), recordings=()).exit_code == 2


def test_only_what_is_new_is_noticed() -> None:
    """A rule that finds as much in the recording as in the mutant has noticed nothing."""
    subject = Subject(stream("openai-chat/llama-two-choices"))
    assert subject.before["USE-002"]
    assert list(subject.noticed(subject.stream, subject.rules)) == []


def test_twin_only() -> None:
    """A text that lacks a word is a text: only the non-streaming answer can tell."""
    (mutant, *_) = mutants(Subject(stream("openai-chat/plain-text")), get_operator("lost-character"))
    assert (mutant.fate, mutant.noticed, mutant.by_twin) == ("right", ("AGG-001",), True)
    (other, *_) = mutants(Subject(stream("openai-chat/plain-text")), get_operator("done-twice"))
    assert not other.by_twin


def test_places_are_sampled_by_seed() -> None:
    """So many places of each kind, the first and the last among them, the same for the same seed."""
    subject = Subject(stream("openai-chat/plain-text"))
    used = get_operator("lost-output")
    every = [e.what for e in used.edits(subject.stream)]
    some = [m.what for m in mutants(subject, used, positions=4, seed=1)]
    assert len(some) == 4
    assert (some[0], some[-1]) == (every[0], every[-1])
    assert some == [m.what for m in mutants(subject, used, positions=4, seed=1)]
    assert some != [m.what for m in mutants(subject, used, positions=4, seed=2)]
    assert [m.what for m in mutants(subject, used, positions=10_000)] == every


def test_binary_and_array_streams_are_rebuilt() -> None:
    """A changed payload gets right checksums, also inside base64; an array's elements get their commas."""
    chunk = stream("bedrock-converse/invoke-llama")
    said = chunk.changed(1, lambda value: {**value, "generation": " sing"})
    assert "Llamas sing" in said.exchange.message.choices[0].text
    assert not any(m.reason for m in said.exchange.events if m.__class__.__name__ == "Malformed")
    (_, array) = streams_of(get_recording("gemini-generate/plain-text"))
    assert array.framing == array.exchange.framing == "json-array"
    assert array.exchange.message == stream("gemini-generate/plain-text").exchange.message
    assert json.loads(array.instead(0).body)


def test_difference_is_short() -> None:
    """Long lines are shown around where they differ."""
    whole = stream("openai-chat/plain-text")
    lines = difference(whole, whole.changed(5, lambda value: {**value, "model": "other"}))
    assert len(lines) == 2
    assert all(len(line) < 180 for line in lines)
    assert '"model":"other"' in lines[1]


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints a line an operator and the shares, and writes the report as JSON."""
    assert (
        main(["mutants", "--dialect", "ollama-generate", "--operator", "done-early", "--operator", "broken-json"]) == 0
    )
    out = capsys.readouterr().out
    assert [line.split("\t")[0] for line in out.splitlines() if "\t" in line][:2] == ["done-early", "broken-json"]
    assert "100.0% noticed, 100.0% by the right rule, 0 survived" in out
    assert main(["mutants", "--dialect", "ollama-generate", "--operator", "done-early", "--json", "-"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["schema"] == "streamgauge.mutants/1"
    assert value["total"]["right"] == value["total"]["damaging"] > 0
    assert value["operators"][0]["operator"] == "done-early"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--operator", "done-twise"], "did you mean 'done-twice'?"),
        (["--dialect", "openai"], "unknown dialect"),
        (["--positions", "0"], "at least one position"),
        (["--dialect", "ollama-chat", "--operator", "done-twice"], "nothing"),
    ],
)
def test_command_complains(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is unknown, or leaves nothing to do, is said in one line, with exit code 2."""
    assert main(["mutants", *words]) == 2
    assert said in capsys.readouterr().err
