"""Client conformance: the plan, the runs over real sockets, the report, and the command."""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import shlex
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import streamgauge.provider
from streamgauge.chat import ChatRequest
from streamgauge.cli import INTERRUPTED, main
from streamgauge.conformance import Conformance, Job, Selection, plan, request_of
from streamgauge.conformance.showing import disturbed
from streamgauge.errors import StreamgaugeError
from streamgauge.events import End, Event
from streamgauge.provider import Connection, ProviderSpec
from streamgauge.recordings import get_recording, shipped
from streamgauge.registry import get_dialect
from streamgauge.rules import Verdict
from streamgauge.verdicts import RunReport

Install = Callable[..., None]


class Plain:
    """A client on http.client that decodes with our decoder; subclasses spoil one thing each."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def stream(self, request: ChatRequest, /) -> Iterator[Event]:
        url = urlsplit(self.connection.base_url)
        http_connection = http.client.HTTPConnection(url.netloc, timeout=self.connection.timeout)
        try:
            http_connection.request("POST", f"{url.path}/chat/completions", b"{}", {"Accept": "text/event-stream"})
            yield from self.read(http_connection.getresponse())
        finally:
            http_connection.close()

    def read(self, response: http.client.HTTPResponse) -> Iterator[Event]:
        decoder = get_dialect("openai-chat").decoder()
        while data := response.read1(65536):
            for event in decoder.feed(data):
                yield event
                if isinstance(event, End):
                    return
        yield from self.end(decoder.eof())

    def end(self, events: list[Event]) -> list[Event]:
        return events

    async def astream(self, request: ChatRequest, /) -> AsyncIterator[Event]:
        events = self.stream(request)
        while (event := await asyncio.to_thread(next, events, None)) is not None:
            yield event

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


class Gullible(Plain):
    """Takes the end of the bytes for the end of the answer."""

    def end(self, events: list[Event]) -> list[Event]:
        return [End("complete")]


class Broken(Plain):
    """Fails on everything."""

    def read(self, response: http.client.HTTPResponse) -> Iterator[Event]:
        raise RuntimeError("no luck")


class Hanging(Plain):
    """Waits for ever once the stream is over."""

    def end(self, events: list[Event]) -> list[Event]:
        threading.Event().wait(60)
        return events


def spec(name: str, kind: type[Plain], **facts: object) -> ProviderSpec:
    known = {"sync", "async", "usage", "tools", "reasoning", "refusal", "n", "finish", "errors"}
    settings = {"dialect": "openai-chat", "capabilities": frozenset(known), "modules": (__name__,)} | facts
    return ProviderSpec(name=name, title=name, connect=kind, **settings)  # type: ignore[arg-type]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install providers as an entry point would, beside those that are shipped."""

    def put(*specs: ProviderSpec) -> None:
        monkeypatch.setattr(streamgauge.provider, "extended", lambda *_: [("the test", spec) for spec in specs])
        streamgauge.provider.all_providers.cache_clear()

    yield put
    monkeypatch.undo()
    streamgauge.provider.all_providers.cache_clear()


def run(selection: Selection) -> RunReport:
    return Conformance(plan(selection)).run()


def outcomes(report: RunReport) -> dict[tuple[str, str, str], set[str]]:
    found: dict[tuple[str, str, str], set[str]] = {}
    for v in report.verdicts:
        found.setdefault((v.rule, v.case, v.fault), set()).add(v.verdict)
    return found


def test_each_run_is_made_once_with_its_baseline_first() -> None:
    """Rules that name the same fault share its run; what a run is compared with is run before it."""
    chosen = Selection(providers=("openai-chat",), rules=("ERR-012", "HTTP-016", "HTTP-030"), cases=("plain-text",))
    planned = plan(chosen)
    jobs = list(planned.jobs)
    assert len(jobs) == len(set(jobs))
    fin = Job("openai-chat", "sync", "plain-text", "fin")
    assert {r.id for r in planned.jobs[fin]} == {"ERR-012", "HTTP-016", "HTTP-030"}
    assert planned.jobs[fin.baseline] == ()
    assert jobs.index(fin.baseline) < jobs.index(fin)
    assert {j.path for j in jobs} == {"sync", "async"}


def test_a_selection_is_obeyed() -> None:
    """Paths, faults, cases and rules restrict the plan; the baseline comes along without a rule."""
    planned = plan(Selection(providers=("openai-chat",), paths=("async",), faults=("bom",), rules=("SSE-008",)))
    assert list(planned.jobs) == [
        Job("openai-chat", "async", "plain-text"),
        Job("openai-chat", "async", "plain-text", "bom"),
    ]
    assert planned.checks == 1


@pytest.mark.parametrize(
    ("selection", "complaint"),
    [
        (Selection(providers=("opena",)), "did you mean 'openai'?"),
        (Selection(cases=("plain",)), "unknown case 'plain'"),
        (Selection(faults=("bomb",)), "unknown fault 'bomb'"),
        (Selection(rules=("SSE-999",)), "unknown rule 'SSE-999'"),
        (Selection(rules=("HTTP-001",)), "is a rule for servers"),
    ],
)
def test_an_unknown_name_is_the_callers_mistake(selection: Selection, complaint: str) -> None:
    """It is said before anything is run."""
    with pytest.raises(StreamgaugeError) as caught:
        plan(selection)
    assert complaint in str(caught.value)


def test_a_good_client_passes_over_real_sockets() -> None:
    """The project's own provider keeps the rules on both paths, under a fault of each kind."""
    faults = ("", "byte-by-byte", "bom", "fin", "truncate", "not-a-stream:html", "error-frame:middle", "status:429")
    report = run(Selection(providers=("openai-chat",), cases=("plain-text",), faults=faults))
    assert {v.path for v in report.verdicts} == {"sync", "async"}
    assert {v.fault for v in report.verdicts} == set(faults)
    assert [v for v in report.verdicts if v.verdict != "pass"] == []
    assert report.exit_code == 0


def test_a_client_that_takes_truncation_for_success_fails(install: Install) -> None:
    """The verdict names what was expected, what came, the bytes and the command, on both paths."""
    install(spec("gullible", Gullible))
    report = run(Selection(providers=("gullible",), rules=("SEQ-010", "SSE-003"), faults=("truncate", "byte-by-byte")))
    found = outcomes(report)
    assert found["SEQ-010", "plain-text", "truncate"] == {"fail"}
    assert found["SSE-003", "plain-text", "byte-by-byte"] == {"pass"}
    failure = next(v for v in report.verdicts if v.verdict == "fail")
    assert "incomplete" in failure.expected
    assert "as a success" in failure.got
    assert failure.excerpt
    assert report.exit_code == 1


def test_no_garbage_collector_closes_what_a_client_left_open(install: Install) -> None:
    """It is off while callers leave streams early, and on again afterwards."""
    collected: dict[str, bool] = {}

    class Watching(Plain):
        def stream(self, request: ChatRequest, /) -> Iterator[Event]:
            collected["left" if collected else "plain"] = gc.isenabled()
            yield from super().stream(request)

    install(spec("watching", Watching, capabilities=frozenset(("sync",))))
    report = run(Selection(providers=("watching",), rules=("CAN-003",), faults=("slow-drip:20",)))
    assert collected == {"plain": True, "left": False}
    assert [v.verdict for v in report.verdicts] == ["pass"]
    assert gc.isenabled()


def test_what_a_busy_machine_may_have_taken_is_looked_at_again(install: Install) -> None:
    """A client that fell behind the server's pace once lost nothing by itself; one that always loses it, does."""
    asked: dict[str, int] = {"unlucky": 0, "careless": 0}

    def losing(name: str, times: range) -> type[Plain]:
        class Losing(Plain):
            def stream(self, request: ChatRequest, /) -> Iterator[Event]:
                asked[name] += 1
                if asked[name] in times:
                    raise ConnectionResetError
                yield from super().stream(request)

        return Losing

    only = frozenset(("sync",))
    unlucky, careless = losing("unlucky", range(2, 3)), losing("careless", range(2, 99))
    install(spec("unlucky", unlucky, capabilities=only), spec("careless", careless, capabilities=only))
    report = run(Selection(providers=tuple(asked), rules=("ERR-010",), faults=("reset+slow-drip:50",)))
    assert {v.subject: v.verdict for v in report.verdicts} == {"unlucky": "pass", "careless": "non-strict"}
    assert asked == {"unlucky": 3, "careless": 4}


def test_the_command_of_a_verdict_shows_it_again(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    """It runs that one check, and comes out the same."""
    install(spec("gullible", Gullible))
    report = run(Selection(providers=("gullible",), rules=("SEQ-010",), faults=("truncate",), cases=("plain-text",)))
    failure = next(v for v in report.verdicts if v.path == "async")
    program, *words = shlex.split(failure.reproduce)
    assert program == "streamgauge"
    assert main([*words, "--json", "-"]) == 1
    [again] = json.loads(capsys.readouterr().out)["verdicts"]
    same = ("rule", "subject", "path", "case", "fault", "verdict", "expected", "got")
    assert {n: again[n] for n in same} == {n: getattr(failure, n) for n in same}


def test_a_client_whose_plain_run_fails_gets_no_skips(install: Install) -> None:
    """A missing prerequisite counts against it, and says so."""
    install(spec("broken", Broken))
    report = run(Selection(providers=("broken",), rules=("SSE-003",), faults=("cut",), cases=("plain-text",)))
    assert [v.verdict for v in report.verdicts] == ["fail", "fail"]
    assert "plain recording" in report.verdicts[0].expected
    assert "no luck" in report.verdicts[0].got


def test_a_client_that_hangs_holds_up_nothing(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up at its deadline, and judged by what it did until then."""
    monkeypatch.setattr("streamgauge.conformance.playing.PATIENCE", 1.0)
    install(spec("hanging", Hanging, capabilities=frozenset(("sync",))))
    report = run(Selection(providers=("hanging",), rules=("ERR-013",), faults=("truncate:0",)))
    assert [v.verdict for v in report.verdicts] == ["pass"], "a client that hangs does not claim success"
    report = run(Selection(providers=("hanging",), rules=("HTTP-037",), faults=("status:500",)))
    assert [v.verdict for v in report.verdicts] == ["fail"]
    assert "gave up" in report.verdicts[0].got


def test_a_library_that_is_missing_is_named_and_not_judged(install: Install) -> None:
    """It is a subject with the command that installs it; alone, it makes a run that judged nothing."""
    install(spec("absent", Plain, requires=("no-such-distribution",), extra="absent"))
    report = run(Selection(providers=("absent",)))
    [subject] = report.subjects
    assert not subject.available
    assert subject.install == "pip install 'streamgauge[absent]'"
    assert report.verdicts == ()
    assert subject.install in report.notes[0]
    assert report.exit_code == 2


def test_a_provider_without_recordings_is_noted(install: Install) -> None:
    """By default, what has no recordings of its dialect is no subject, and is named in a note."""
    install(spec("elsewhere", Plain, dialect="ollama-chat"))
    planned = plan(Selection(), [r for r in shipped().values() if r.dialect == "openai-chat"])
    assert "elsewhere" not in {s.name for s in planned.subjects}
    assert "elsewhere" in planned.notes[0]
    assert {s.name for s in planned.subjects} >= {"openai-chat", "openai", "g4f"}


def test_a_path_that_is_not_declared_is_not_run(install: Install) -> None:
    """A client without an async path is judged on its sync path alone."""
    install(spec("sync-only", Plain, capabilities=frozenset(("sync", "finish"))))
    report = run(Selection(providers=("sync-only",), rules=("SSE-004",), cases=("plain-text",)))
    assert {v.path for v in report.verdicts} == {"sync"}


def test_a_failure_of_the_harness_is_not_the_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that can't be made is an error of ours, and exit code 2."""

    def fail(*_: object) -> None:
        raise OSError("no sockets today")

    monkeypatch.setattr("streamgauge.conformance.playing.run_of", fail)
    report = run(Selection(providers=("openai-chat",), rules=("SSE-008",), faults=("bom",)))
    assert {v.verdict for v in report.verdicts} == {"error"}
    assert "no sockets today" in report.verdicts[0].reason
    assert report.exit_code == 2


def interrupt(_done: int, _total: int, _job: Job, verdicts: tuple[Verdict, ...]) -> None:
    if verdicts:
        raise KeyboardInterrupt


def test_ctrl_c_keeps_what_was_judged() -> None:
    """The report of an interrupted run holds its verdicts, says that it is partial, and is not green."""
    selection = Selection(providers=("openai-chat",), rules=("SSE-003",), cases=("plain-text",))
    report = Conformance(plan(selection), interrupt).run()
    assert report.partial
    assert 1 <= report.judged < plan(selection).checks
    assert any("interrupted" in note for note in report.notes)
    assert report.exit_code == 2


def test_an_interrupted_command_writes_its_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The files are there after Ctrl-C, and the exit code is that of an interrupted program."""
    monkeypatch.setattr("streamgauge.report.terminal.Progress.update", lambda *_: interrupt(0, 0, None, (None,)))  # type: ignore[arg-type]
    target = tmp_path / "report.json"
    code = main(["client", "openai-chat", "--rule", "SSE-008", "--json", str(target)])
    assert code == INTERRUPTED
    assert json.loads(target.read_text())["partial"] is True


EXPECTED = '[[expected]]\nsubject = "gullible"\nrule = "SEQ-010"\nreason = "believes everything"\n'


def test_the_command_is_green_with_what_is_expected(install: Install, tmp_path: Path) -> None:
    """A listed failure is green, a new one red, an entry that no longer fails red; reports are written."""
    install(spec("gullible", Gullible), spec("plain", Plain))
    listed = tmp_path / "expected.toml"
    listed.write_text(EXPECTED)
    narrow = ["--rule", "SEQ-010", "--case", "plain-text"]
    files = {kind: tmp_path / f"out.{kind}" for kind in ("json", "junit", "html", "markdown")}
    asked = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    assert main(["client", "gullible", "--rule", "SEQ-010", "--expected-failures", str(listed), *asked]) == 0
    summary = json.loads(files["json"].read_text())["summary"]
    assert summary["fail"] == 0
    assert summary["expected_failures"] > 0
    assert all(path.stat().st_size for path in files.values())

    assert main(["client", "gullible", *narrow]) == 1

    listed.write_text(EXPECTED.replace("gullible", "plain"))
    target = tmp_path / "stale.json"
    code = main(["client", "plain", "--rule", "SEQ-010", "--expected-failures", str(listed), "--json", str(target)])
    assert code == 1
    [stale] = json.loads(target.read_text())["stale"]
    assert "plain SEQ-010" in stale


def test_the_command_says_when_nothing_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    """A fault that no rule is judged under gives exit code 2."""
    assert main(["client", "openai-chat", "--fault", "cut:999"]) == 2


@pytest.mark.parametrize("name", ["openai", "g4f"])
def test_the_installed_libraries_do_what_the_repositorys_file_says(name: str, tmp_path: Path) -> None:
    """On a few rules of each kind, real libraries come out green with the expected-failures file, and red without."""
    pytest.importorskip(name)
    listed = Path(__file__).resolve().parents[1] / "expected-failures.toml"
    rules = [word for rule in ("SEQ-010", "SSE-006", "HTTP-030") for word in ("--rule", rule)]
    call = ["client", name, "--case", "plain-text", *rules]
    assert main([*call, "--expected-failures", str(listed)]) == 0
    assert main([*call]) == 1


def test_the_disturbed_bytes_are_located() -> None:
    """What was changed, put in, or where the body now ends."""
    assert disturbed(b"abc", b"abc") == (0, 0)
    assert disturbed(b"abcdef", b"abXdef") == (2, 3)
    assert disturbed(b"abcdef", b"\xef\xbb\xbfabcdef") == (0, 3)
    assert disturbed(b"abcdef", b"abc") == (0, 3)
    assert disturbed(b"aaaa", b"aaaaaa") == (4, 6)


def test_the_request_is_the_recordings() -> None:
    """The caller asks what was asked when the answer was recorded: model, turns, tools, usage."""
    request = request_of(get_recording("parallel-tools"))
    assert [t.name for t in request.tools] == ["get_weather", "get_time"]
    assert request.messages[0].content == "Weather and time in Paris?"
    assert request.include_usage
    assert request_of(get_recording("two-choices")).n == 2


def test_an_ending_that_a_client_documents_as_an_exception_is_not_asked_of_it(install: Install) -> None:
    """By the recording's finish reason or by its tags; everything else is."""
    install(spec("strict", Plain, not_for=("length", "reasoning")))
    cases = {job.case for job in plan(Selection(providers=("strict",))).jobs}
    assert "plain-text" in cases
    assert not {"length", "llama-length", "reasoning"} & cases
