"""Shrinking: the smallest part that fails, the smallest stream, and its way into the next run."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

import streamgauge.provider
from streamgauge.chat import ChatRequest
from streamgauge.cli import main
from streamgauge.conformance import Conformance, Selection, plan
from streamgauge.engine import judge
from streamgauge.errors import DuplicateNameError, StreamgaugeError
from streamgauge.events import End, Event
from streamgauge.faults import apply_faults
from streamgauge.provider import Connection, ProviderSpec
from streamgauge.recordings import beside_shipped, get_recording, load_folder, save, shipped
from streamgauge.registry import all_dialects, get_dialect
from streamgauge.rules import Exchange
from streamgauge.script import script_of
from streamgauge.shrink import Case, Shrinker, seed_of, with_body
from streamgauge.shrinking import drawn_answer, seeded
from streamgauge.smaller import smallest
from streamgauge.soundness import Soundness
from streamgauge.verdicts import RunReport

CHAT = get_dialect("openai-chat")
PLAIN = get_recording("plain-text")


@given(st.sets(st.integers(0, 40), max_size=5), st.integers(0, 60))
def test_smallest_is_what_it_takes(needed: set[int], more: int) -> None:
    """Exactly the items that are needed are left, in their order."""
    items = list(range(41 + more))
    assert smallest(items, lambda kept: needed <= set(kept)) == sorted(needed)


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(1, 20))
def test_nothing_single_can_go(items: list[int], least: int) -> None:
    """Also where the items work together: it fails with what is left, and without any one of it no longer."""
    kept = smallest(items, lambda some: sum(some) >= least)
    if sum(items) >= least:
        assert sum(kept) >= least
        assert all(sum(kept) - item < least for item in kept if item)
        assert 0 not in kept
    else:
        assert kept == items


def text_of(case: Case) -> str:
    return "".join(c.text for c in case.recording.message.choices)


def test_frames_and_texts_go() -> None:
    """What has nothing to do with the failure is left out, and what is left is a stream that nobody objects to."""
    shrinker = Shrinker(lambda case: "walk" in text_of(case))
    small = shrinker.shrink(Case(PLAIN, "bom"))
    assert text_of(small) == "walk"
    assert small.fault == "bom"
    assert len(CHAT.cut(small.body)) == 5  # role, text, finish reason, usage, [DONE]
    assert len(small.body) < len(PLAIN.trace.body) / 12
    assert small.recording.message == CHAT.read(small.body)
    assert small.recording.message.ended == "complete"
    exchange = Exchange(CHAT, small.recording.trace)
    assert [v.rule for v in judge(exchange) if v.verdict in ("fail", "error")] == []
    merely = {v.rule for v in judge(exchange) if v.verdict == "non-strict"}
    assert merely <= {v.rule for v in judge(Exchange(CHAT, PLAIN.trace)) if v.verdict == "non-strict"}
    sound, frames = Soundness(PLAIN), CHAT.cut(small.body)
    assert sound.of(small.recording)
    for n in range(len(frames)):  # nothing single can go: what is left without it says less, or somebody objects
        less = replace(small, recording=with_body(small.recording, [*frames[:n], *frames[n + 1 :]]))
        assert text_of(less) != "walk" or not sound.of(less.recording), frames[n]


def test_shrinking_is_deterministic_and_bounded() -> None:
    """The same case shrinks to the same; at the limit the smallest so far counts."""

    def shrunk(limit: int) -> tuple[Case, int]:
        shrinker = Shrinker(lambda case: "folder" in text_of(case), limit)
        return shrinker.shrink(Case(PLAIN, "")), shrinker.runs

    whole, runs = shrunk(300)
    assert shrunk(300) == (whole, runs)
    cut, used = shrunk(6)
    assert used == 6 < runs
    assert len(whole.body) < len(cut.body) < len(PLAIN.trace.body)
    assert "folder" in text_of(cut)


def test_the_smallest_so_far_outlives_an_interrupt() -> None:
    """Whoever ends the search early has what it found."""
    asked = 0

    def departs(case: Case) -> bool:
        nonlocal asked
        asked += 1
        if asked == 6:
            raise KeyboardInterrupt
        return "folder" in text_of(case)

    shrinker = Shrinker(departs)
    with pytest.raises(KeyboardInterrupt):
        shrinker.shrink(Case(PLAIN, ""))
    assert shrinker.best is not None
    assert "folder" in text_of(shrinker.best)
    assert len(shrinker.best.body) < len(PLAIN.trace.body)


@pytest.mark.parametrize("fault", ["random-cuts:7", "byte-by-byte", "bom+random-cuts:5", "comments+random-cuts:5"])
def test_cuts_become_positions(fault: str) -> None:
    """Of drawn cuts only those are left that the failure needs, wherever the frames around them went."""

    def departs(case: Case) -> bool:
        """A client that minds a cut inside the word content."""
        played = apply_faults(script_of(case.recording), case.fault)
        cuts = set(accumulate(len(piece.data) for piece in played.pieces))
        words = [m.span() for m in re.finditer(rb"content", played.body)]
        return any(cuts & set(range(a + 1, b)) for a, b in words)

    start = Case(PLAIN, fault)
    assert departs(start)
    small = Shrinker(departs).shrink(start)
    assert departs(small)
    before, _, last = small.fault.rpartition("+")
    assert before == fault.rpartition("+")[0]
    name, _, positions = last.partition(":")
    assert name == "cuts"
    assert positions.isdigit()
    if fault != "comments+random-cuts:5":  # behind faults that add frames, cuts can't go with theirs
        assert len(small.body) < len(PLAIN.trace.body) / 10


def test_what_breaks_the_stream_is_not_tried() -> None:
    """Every stream that the client is shown ends like the first, is readable, and says some text."""
    tried: list[Case] = []

    def departs(case: Case) -> bool:
        tried.append(case)
        return True

    Shrinker(departs).shrink(Case(PLAIN, ""))
    assert len(tried) > 5
    assert {c.recording.message.ended for c in tried} == {"complete"}
    assert {c.recording.message.malformed for c in tried} == {0}
    assert all(text_of(c) for c in tried)


def test_binary_frames_shrink() -> None:
    """Where a frame is no text, whole frames go."""
    recording = shipped()["bedrock-converse/plain-text"]
    small = Shrinker(lambda case: bool(text_of(case))).shrink(Case(recording, ""))
    assert len(small.body) < len(recording.trace.body)
    assert recording.get_dialect().read(small.body).malformed == 0


def test_seeds() -> None:
    """The seed of a fault is known, and a fault without one can't be searched."""
    assert seed_of("bom+random-cuts:41") == 41
    assert seed_of("bom") is None
    assert seed_of("chunk-size:7") is None
    assert list(seeded("bom+random-cuts", 2)) == ["bom+random-cuts:0", "bom+random-cuts:1"]
    with pytest.raises(StreamgaugeError, match="takes no seed"):
        seeded("chunk-size", 3)


@pytest.mark.parametrize("name", sorted(all_dialects()))
def test_drawn_answers(name: str) -> None:
    """A seed is an answer, in every dialect: good by the rules for servers, and said as it was drawn."""
    dialect = get_dialect(name)
    for seed in range(20):
        recording = drawn_answer(dialect, seed)
        assert recording == drawn_answer(dialect, seed)
        assert recording.message.ended == "complete"
        assert recording.message.malformed == 0
        assert recording.message.choices[0].text
        verdicts = judge(Exchange(dialect, recording.trace))
        assert [(v.rule, v.got) for v in verdicts if v.verdict in ("fail", "error")] == []
    assert len({drawn_answer(dialect, seed).trace.body for seed in range(20)}) == 20


# With clients, over the command line.


class Reads:
    """A client that takes each read for whole lines, as one does that calls `splitlines` on what came."""

    def __init__(self, connection: Connection) -> None:
        self._url = connection.base_url + CHAT.request(ChatRequest.of("")).path
        self._client = httpx2.Client(timeout=connection.timeout)

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        with self._client.stream("POST", self._url, json={"stream": True}) as response:
            for data in response.iter_raw():
                lines = [
                    line for line in data.splitlines() if line.startswith(b"data:") and line.endswith((b"}", b"]"))
                ]
                for event in CHAT.decode(b"".join(line + b"\n\n" for line in lines)):
                    if not isinstance(event, End):
                        yield event
        yield End("complete")

    async def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        for event in self.stream(request):
            yield event

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        self.close()


Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a provider as an entry point would, beside those that are shipped."""

    def put(**facts: object) -> None:
        settings: dict[str, object] = {
            "name": "reads",
            "title": "reads",
            "dialect": "openai-chat",
            "capabilities": frozenset(("sync", "usage", "tools", "n", "finish", "errors")),
            "connect": Reads,
        }
        made = ProviderSpec(**(settings | facts))  # type: ignore[arg-type]
        monkeypatch.setattr(streamgauge.provider, "extended", lambda *_: [("the test", made)])
        streamgauge.provider.all_providers.cache_clear()

    yield put
    monkeypatch.undo()
    streamgauge.provider.all_providers.cache_clear()


@pytest.mark.slow
def test_a_found_case_is_judged_from_then_on(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Found by a seed, shrunk, kept; the file alone makes it part of the next run, for every client of the dialect."""
    install()
    assert main(["shrink", "reads", "--rule", "SSE-003", "--seeds", "20", "--out", str(tmp_path)]) == 0
    assert "streamgauge client reads --recordings" in capsys.readouterr().out
    [recording] = load_folder(tmp_path)
    facts = recording.provenance
    assert facts["kind"] == "written"
    assert facts["shrunk_from"] == "openai-chat/plain-text"
    assert facts["drawn_as"] == f"random-cuts:{facts['seed']}"
    assert facts["fault"].startswith("cuts:")
    assert "," not in facts["fault"]
    assert (facts["rule"], facts["client"], facts["path"]) == ("SSE-003", "reads", "sync")
    assert len(recording.trace.body) < len(PLAIN.trace.body) / 10

    report = tmp_path / "report.json"
    options = ["--recordings", str(tmp_path), "--case", recording.name, "--json", str(report)]
    assert main(["client", "reads", "openai-chat", *options]) == 1
    [bad, *good] = sorted(json.loads(report.read_text())["verdicts"], key=lambda v: v["subject"] != "reads")
    assert (bad["subject"], bad["verdict"], bad["rule"], bad["fault"]) == ("reads", "fail", "SSE-003", facts["fault"])
    assert f"--recordings {tmp_path}" in bad["reproduce"]
    assert {(v["subject"], v["verdict"]) for v in good} == {("openai-chat", "pass")}
    assert len(good) == 2


def test_an_interrupt_keeps_the_smallest_so_far(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C while the client is asked is no bug of ours: what was found is kept, and the exit code says so."""
    install()
    run = Conformance.run
    runs = 0

    def interrupted(self: Conformance) -> RunReport:
        nonlocal runs
        runs += 1
        return run(self) if runs < 4 else replace(run(self), partial=True, verdicts=())

    monkeypatch.setattr(Conformance, "run", interrupted)
    words = ["shrink", "reads", "--rule", "SSE-003", "--fault", "byte-by-byte", "--out", str(tmp_path)]
    assert main(words) == 130
    assert "kept" in capsys.readouterr().out
    [recording] = load_folder(tmp_path)
    assert recording.provenance["rule"] == "SSE-003"


@pytest.mark.slow
def test_drawn_contents(install: Install, tmp_path: Path) -> None:
    """A client that takes U+2028 for a line end is found by what answers say, and one such character is left."""

    class Lines(Reads):
        def stream(self, request: ChatRequest) -> Iterator[Event]:
            with self._client.stream("POST", self._url, json={"stream": True}) as response:
                lines = response.read().decode().splitlines()
            kept = "".join(f"{line}\n\n" for line in lines if line.startswith("data:"))
            yield from CHAT.decode(kept.encode())

    install(connect=Lines)
    assert main(["shrink", "reads", "--rule", "AGG-008", "--contents", "40", "--out", str(tmp_path)]) == 0
    [recording] = load_folder(tmp_path)
    assert recording.message.choices[0].text in ("\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e")
    assert recording.provenance["seed"] == int(recording.provenance["shrunk_from"].rpartition("-")[2])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["openai-chat", "--rule", "SSE-008", "--fault", "bom"], "nothing to shrink: openai-chat sync keeps SSE-008"),
        (["openai-chat", "--rule", "SSE-003", "--seeds", "2"], "in 2 of 2 runs"),
        (["openai-chat", "--rule", "SEQ-010"], "not judged under no fault: give a --fault like those"),
        (["openai-chat", "--rule", "SEQ-010", "--fault", "bom"], "SEQ-010 is not judged under bom"),
        (["openai-chat", "--rule", "AGG-008", "--fault", "truncate"], "is judged under: no fault"),
        (["openai-chat", "--rule", "HTTP-001"], "is a rule for servers"),
        (["openai-chat", "--rule", "SSE-008", "--case", "no-such"], "unknown case 'no-such'"),
        (["openai-chat", "--rule", "SSE-008", "--fault", "bomb"], "did you mean 'bom'"),
        (["ollama-chat", "--rule", "SSE-008", "--fault", "whole"], "SSE-008 is not for ollama-chat"),
        (["openai-chatt", "--rule", "SSE-008"], "did you mean 'openai-chat'"),
        (["openai-chat", "--rule", "SSE-003", "--fault", "whole", "--seeds", "3"], "takes no seed"),
        (["reads", "--rule", "SSE-003", "--path", "async"], "has no async path"),
    ],
)
def test_bad_calls(
    install: Install, arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What can't be shrunk is refused with the reason, and nothing is written."""
    install()
    assert main(["shrink", *arguments, "--out", str(tmp_path / "kept")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "kept").exists()


def test_a_library_that_is_missing(install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not said to keep the rule, but to be missing."""
    install(requires=("no-such-distribution",))
    assert main(["shrink", "reads", "--rule", "SSE-003", "--out", str(tmp_path)]) == 2
    assert "not installed: pip install no-such-distribution" in capsys.readouterr().err


def test_recordings_of_a_folder(tmp_path: Path) -> None:
    """They come beside the shipped ones, and never in their place."""
    with pytest.raises(StreamgaugeError, match="has no recordings"):
        beside_shipped(tmp_path)
    save(PLAIN, tmp_path)
    with pytest.raises(DuplicateNameError, match="plain-text"):
        beside_shipped(tmp_path)
    other = tmp_path / "other"
    save(replace(PLAIN, name="mine", provenance={"kind": "written"}), other)
    found = beside_shipped(other)
    assert len(found) == len(shipped()) + 1
    jobs = plan(Selection(providers=("openai-chat",), cases=("mine",)), found.values()).jobs
    assert {job.case for job in jobs} == {"mine"}
    assert {rule.id for rules in jobs.values() for rule in rules} >= {"AGG-008"}
