"""`streamgauge check`, and the requests that it sends."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from streamgauge.chat import ChatRequest
from streamgauge.cli import main
from streamgauge.errors import BackendError, StreamgaugeError
from streamgauge.events import End, Event, Finish, Start, TextDelta, ToolCallDelta, Usage
from streamgauge.message import Message
from streamgauge.probe import NO_SUCH_MODEL, Target, exchanges, first_model, probes
from streamgauge.probe.fitting import refused
from streamgauge.recordings import Recording, save, shipped
from streamgauge.registry import get_dialect
from streamgauge.script import Piece, Script
from streamgauge.server import Mount, Received, ReplayServer
from streamgauge.trace import Trace
from streamgauge.transport import UnreachableError

CHAT = get_dialect("openai-chat")
KEY = "a-key-that-nobody-may-see"
SAFETY = 60.0
STREAM = (("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no"))
JSON = (("Content-Type", "application/json"),)


def answer(body: bytes, status: int = 200, headers: tuple[tuple[str, str], ...] = JSON) -> Script:
    return Script(dialect=CHAT, pieces=(Piece(body),), status=status, headers=headers, framing="length")


def error(status: int, message: str) -> Script:
    return answer(CHAT.error_body(status, message), status)


def with_logprobs(frame: bytes) -> bytes:
    """The chunk of a server whose tokens are its deltas."""
    kind, _, data = frame.partition(b" ")
    chunk = json.loads(data) if data.startswith(b"{") else {}
    for choice in chunk.get("choices", ()):
        if said := choice["delta"].get("content"):
            choice["logprobs"] = logprobs(said)
    return b"%b %b\n\n" % (kind, json.dumps(chunk).encode()) if chunk else frame


def logprobs(*tokens: str) -> dict[str, Any]:
    return {
        "content": [{"token": t, "logprob": -0.5, "bytes": list(t.encode()), "top_logprobs": []} for t in tokens],
        "refusal": None,
    }


def events_for(asked: dict[str, Any]) -> list[Event]:
    """What a model that always says hello streams for a request."""
    events: list[Event] = [Start("c-1", asked["model"])]
    for choice in range(asked.get("n", 1)):
        if asked.get("tools"):
            events.append(ToolCallDelta(0, "call_1", "get_weather", '{"city":"Paris"}', choice=choice))
            events.append(Finish("tool_calls", choice))
        else:
            events += [TextDelta("Hello", choice), TextDelta(" thére", choice), Finish("stop", choice)]
    if (asked.get("stream_options") or {}).get("include_usage"):
        events.append(Usage(3, 2))
    return [*events, End("complete")]


def completion(asked: dict[str, Any]) -> bytes:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}
    message: dict[str, Any] = {"role": "assistant", "content": "Hello thére"}
    if asked.get("tools"):
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"message": message, "finish_reason": "tool_calls" if asked.get("tools") else "stop"}
    if asked.get("logprobs"):
        choice["logprobs"] = logprobs("Hello", " thére")
    choices = [{"index": index, **choice} for index in range(asked.get("n", 1))]
    head = {"id": "c-2", "object": "chat.completion", "created": 1_700_000_000, "model": asked["model"]}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return json.dumps({**head, "choices": choices, "usage": usage}).encode()


def good_server(received: Received) -> Script:
    """A server that does what the vendor's documents say."""
    try:
        asked = received.json
    except ValueError:
        return error(400, "the body is not JSON")
    if asked["model"] == NO_SUCH_MODEL:
        return error(404, "no such model")
    if not asked["messages"]:
        return error(400, "messages is empty")
    if not asked.get("stream"):
        return answer(completion(asked))
    frames = CHAT.encode(events_for(asked))
    pieces = tuple(Piece(with_logprobs(frame) if asked.get("logprobs") else frame) for frame in frames)
    return Script(dialect=CHAT, pieces=pieces, headers=STREAM)


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as running:
        yield running


@pytest.fixture
def mounted(server: ReplayServer) -> Iterator[Callable[..., Mount]]:
    mounts: list[Mount] = []

    def mount(script: Script | Callable[[Received], Script]) -> Mount:
        mounts.append(server.mount(script))
        return mounts[-1]

    yield mount
    for made in mounts:
        made.close()


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def one_error(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error, with nothing on standard output."""
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if not line.startswith("requests ")]
    assert not out
    assert len(lines) == 1, err
    assert lines[0].startswith("Error: ")
    return lines[0]


def test_a_good_endpoint_is_good(
    mounted: Callable[..., Mount], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A server that keeps the rules: exit code 0, and a report that says what was judged."""
    mount = mounted(good_server)
    report = tmp_path / "out.json"
    assert main(["check", mount.base_url, "--model", "m", "--json", str(report)]) == 0
    out = capsys.readouterr().out
    assert "No unexpected failure." in out
    found = json.loads(report.read_text())
    assert found["schema"] == "streamgauge.verdicts/1"
    assert found["subjects"][0] | {"version": ""} == {
        "name": mount.base_url,
        "role": "server",
        "dialect": "openai-chat",
        "version": "",
        "available": True,
        "install": "",
    }
    assert found["summary"]["pass"] > 50
    assert found["summary"]["fail"] == found["summary"]["error"] == 0
    assert {v["case"] for v in found["verdicts"]} > {"plain", "plain.twin", "tools", "bad-json", "disconnect"}
    passed = {(v["rule"], v["case"]) for v in found["verdicts"] if v["verdict"] == "pass"}
    assert passed > {("AGG-005", "logprobs"), ("OAC-025", "logprobs"), ("OAC-024", "two-choices")}


def test_every_kind_of_request_is_sent(mounted: Callable[..., Mount]) -> None:
    """Text, length, stop, tools, choices, usage and none, bad requests, the twin, and an early end."""
    mount = mounted(good_server)
    main(["check", mount.base_url, "--model", "m"])
    bodies = [r.body for r in mount.requests]
    asked = []
    for body in bodies:
        try:
            asked.append(json.loads(body))
        except ValueError:
            asked.append({})
    assert {} in asked, "a body that is not JSON"
    assert any(a.get("model") == NO_SUCH_MODEL for a in asked)
    assert any(a.get("messages") == [] for a in asked)
    assert any("stream" not in a and a for a in asked)
    assert any(a.get("stream") and "stream_options" not in a for a in asked)
    assert any(a.get("stream_options") for a in asked)
    assert any(a.get("n") == 2 for a in asked)
    assert any(a.get("stop") for a in asked)
    assert any(a.get("logprobs") and a.get("stream") for a in asked)
    assert sum(bool(a.get("tools")) for a in asked) >= 2
    assert len({a.get("max_tokens") for a in asked}) >= 3


REFUSALS = {
    "seed": "openai.UnsupportedParamsError: the model does not support parameters: ['seed']",
    "temperature": "Unsupported value: 'temperature' does not support 0 with this model.",
    "max_tokens": "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.",
}


def test_a_setting_that_is_refused_is_left_out(
    mounted: Callable[..., Mount], capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that takes no seed, no temperature and only the newer limit is judged by requests without them."""

    def strict_server(received: Received) -> Script:
        refusals = (error(400, said) for name, said in REFUSALS.items() if name in asked_in(received))
        return next(refusals, None) or good_server(received)

    mount = mounted(strict_server)
    assert main(["check", mount.base_url, "--model", "m"]) == 0
    assert "it refuses seed" in (said := "".join(capsys.readouterr()))
    assert "it refuses max_tokens" in said
    asked = [asked_in(received) for received in mount.requests]
    assert [sorted(REFUSALS.keys() & a) for a in asked[:3]] == [
        ["max_tokens", "seed", "temperature"],
        ["max_tokens", "temperature"],
        ["max_tokens"],
    ]
    assert not any(REFUSALS.keys() & a for a in asked[3:])
    assert {16, 128, 512} <= {a.get("max_completion_tokens") for a in asked[3:]}


def asked_in(received: Received) -> dict[str, Any]:
    """The request, {} where it is no JSON."""
    try:
        return cast("dict[str, Any]", received.json)
    except ValueError:
        return {}


def test_a_refusal_that_leaving_out_does_not_mend(
    mounted: Callable[..., Mount], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever names the settings in every refusal is asked once without each, and then believed."""
    mount = mounted(lambda _: error(400, "bad seed, temperature, max_tokens, stream_options"))
    assert main(["check", mount.base_url, "--model", "m"]) == 2
    assert "answers HTTP 400" in one_error(capsys)
    assert len(mount.requests) == 5


def test_an_endpoint_that_streams_only_errors_is_no_quiet_success(
    mounted: Callable[..., Mount], capsys: pytest.CaptureFixture[str]
) -> None:
    """A gateway whose upstream fails answers 200 and an error to all: nothing of that is wrong, but it is said."""
    body = CHAT.error_frame("no upstream for k-123456", "server_error") + b"data: [DONE]\n\n"
    mount = mounted(answer(body, headers=STREAM))
    main(["check", mount.base_url, "--model", "m", "--api-key", "k-123456"])
    said = "".join(capsys.readouterr())
    assert "answers the plain request with an error" in said
    assert "no upstream for ***" in said
    assert "k-123456" not in said


def test_a_limit_that_has_no_newer_name_stays() -> None:
    """Anthropic requires max_tokens: a refusal that names it is about its value."""
    request = probes(get_dialect("anthropic-messages"), "m")[0].request
    assert refused(get_dialect("anthropic-messages"), request, 400, b"max_tokens: too large") == ""
    assert refused(CHAT, request, 400, b"max_tokens: too large") == "max_tokens"
    assert refused(CHAT, request, 400, b"no seeds left") == ""
    assert refused(CHAT, request, 500, b"seed") == ""


def test_a_broken_rule_is_shown_with_its_evidence(
    mounted: Callable[..., Mount], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Exit code 1; the rule, its source, what was expected and got, where, and the command that shows it again."""

    def wrong_type(received: Received) -> Script:
        script = good_server(received)
        return script.but(headers=(("Content-Type", "text/plain"),)) if script.headers == STREAM else script

    mount = mounted(wrong_type)
    files = {kind: tmp_path / f"report.{kind}" for kind in ("junit", "html", "markdown")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    assert main(["check", mount.base_url, "--model", "m", *options]) == 1
    out = capsys.readouterr().out
    assert "FAIL       HTTP-001  SSE responses declare text/event-stream" in out
    assert "WHATWG HTML 9.2.3" in out
    assert "expected   Content-Type: text/event-stream" in out
    assert "got        Content-Type: text/plain" in out
    assert "plain, no-usage" in out
    assert f"streamgauge check {mount.base_url} --dialect openai-chat --model m --rule HTTP-001" in out
    assert all("HTTP-001" in path.read_text() for path in files.values())


def test_the_key_is_sent_and_never_shown(
    mounted: Callable[..., Mount], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key goes to the server, from the option or the environment, and into no output."""

    def echo(received: Received) -> Script:
        if received.headers.get("authorization") != "Bearer ***":
            return error(401, "no key")
        return good_server(received) if received.body[:1] == b"{" else error(400, KEY)

    report = tmp_path / "out.json"
    assert main(["check", mounted(echo).base_url, "--model", "m", "--api-key", KEY, "--json", str(report), "-v"]) == 0
    out, err = capsys.readouterr()
    assert KEY not in out + err + report.read_text()
    assert main(["check", mounted(echo).base_url, "--model", "m"]) == 2
    assert "give --api-key or set OPENAI_API_KEY" in one_error(capsys)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert main(["check", mounted(echo).base_url, "--model", "m"]) == 0


TOKEN = 'gateway/"token"+of-nobody'


def test_headers_of_one_s_own_are_sent_and_never_shown(
    mounted: Callable[..., Mount], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request carries them, the vendor's key of the environment stays at home, and their values are nowhere."""

    def echo(received: Received) -> Script:
        if received.headers.get("x-gateway") != f"Token {TOKEN}" or "authorization" in received.headers:
            return error(401, "who is it?")
        if received.body[:1] != b"{" or received.body[-1:] != b"}":
            return answer(json.dumps({"error": {"message": f"no JSON, {KEY}, {TOKEN}"}}).encode(), 400)
        script = good_server(received)
        return script.but(headers=(*script.headers, ("X-Echo", f"{KEY} {TOKEN}"), ("X-Accept", "text/event-stream")))

    mount = mounted(echo)
    kept, files = tmp_path / "kept", {kind: tmp_path / f"out.{kind}" for kind in ("json", "junit", "html", "markdown")}
    words = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    own = ["--header", f"api-key: {KEY}", "--header", f"X-Gateway:Token {TOKEN}", "--header=Accept: text/event-stream"]
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-for-somebody-else")
    assert main(["check", mount.base_url, *own, *words, "--keep", str(kept), "-v"]) == 0
    assert {r.headers.get("api-key") for r in mount.requests} == {"***"}
    assert {r.headers.get("x-gateway") for r in mount.requests} == {f"Token {TOKEN}"}
    shown = "".join(capsys.readouterr())
    shown += "".join(path.read_text() for path in (*files.values(), *kept.rglob("*.*")))
    assert KEY not in shown
    assert not [part for part in (TOKEN, TOKEN.split('"')[0], json.dumps(TOKEN)[1:-1]) if part in shown]
    report = json.loads(files["json"].read_text())
    assert {v["verdict"] for v in report["verdicts"] if v["rule"] == "HTTP-001"} == {"pass", "skip"}
    assert "--header 'api-key: ***' --header 'X-Gateway: ***'" in report["verdicts"][0]["reproduce"]


def test_a_gateway_s_token_goes_beside_the_vendor_s_key(
    mounted: Callable[..., Mount], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A header that is no API's own leaves the environment's key in its place; one of the same name replaces it."""
    mount = mounted(good_server)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    words = ["check", mount.base_url, "--model", "m", "--rule", "HTTP-001"]
    assert main([*words, "--header", "x-gateway: token"]) == 0
    assert {r.headers.get("authorization") for r in mount.requests} == {"Bearer ***"}
    assert main([*words, "--api-key", KEY, "--header", "authorization: Basic eDp5"]) == 0
    assert mount.requests[-1].headers["authorization"] == "Basic ***"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (KEY, "the one that was given has no colon"),
        (f"{KEY} : x", "what stands before the colon is no header's name"),
        (f": {KEY}", "what stands before the colon is no header's name"),
        ("api-key:  ", "the header api-key has no value"),
        (f"api-key: {KEY}\r\nx: y", "the value of the header api-key has characters that HTTP can't carry"),
        (f"api-key: {KEY}\u00e9", "the value of the header api-key has characters"),
        ("Content-Length: 1", "the header Content-Length is streamgauge's own to set"),
    ],
)
def test_a_header_in_bad_form(capsys: pytest.CaptureFixture[str], line: str, said: str) -> None:
    """One line that says what is wrong without repeating what may be a secret, exit code 2."""
    assert main(["check", "http://127.0.0.1:1/v1", "--header", line]) == 2
    shown = one_error(capsys)
    assert said in shown
    assert KEY not in shown


def test_headers_that_make_no_sense(capsys: pytest.CaptureFixture[str], stream: Path) -> None:
    """A header that is given twice, and one for a file."""
    assert main(["check", "http://127.0.0.1:1/v1", "--header", "a: b", "--header", "A: c"]) == 2
    assert "the header A is given twice" in one_error(capsys)
    assert main(["check", str(stream), "--header", "a: b"]) == 2
    assert "--header is for endpoints" in one_error(capsys)


def test_the_first_listed_model_is_asked(mounted: Callable[..., Mount], capsys: pytest.CaptureFixture[str]) -> None:
    """Without --model the endpoint's own list says whom to ask, and standard error says so."""
    mount = mounted(good_server)
    assert main(["check", mount.base_url, "--rule", "HTTP-001"]) == 0
    model = json.loads(mount.requests[1].body)["model"]
    assert f"asking {model}" in capsys.readouterr().err


def test_a_provider_stands_for_its_endpoint(
    mounted: Callable[..., Mount], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The endpoint is asked in the provider's dialect, with its key; of a library the reader is told who judges it."""
    mount = mounted(good_server)
    words = ["--base-url", mount.base_url, "--model", "m", "--rule", "OAC-001"]
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert main(["check", "openai-chat", *words]) == 0
    assert all(r.path.endswith("/chat/completions") for r in mount.requests)
    assert {r.headers.get("authorization") for r in mount.requests} == {"Bearer ***"}
    assert "judges the library" not in capsys.readouterr().err
    assert main(["check", "openai", *words]) == 0
    assert "streamgauge client openai judges the library itself" in capsys.readouterr().err


def test_a_file_comes_before_a_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is called like a provider is the file."""
    (tmp_path / "openai").write_bytes(BODY)
    monkeypatch.chdir(tmp_path)
    assert main(["check", "openai", "--rule", "OAC-001"]) == 0
    assert "openai: openai-chat, as an event has" in capsys.readouterr().err


def test_a_dialect_without_a_list_of_models() -> None:
    """The model has to be named, but for a dialect whose requests name none."""
    assert first_model("http://127.0.0.1:1", get_dialect("huggingface-tgi")) == ""
    with pytest.raises(StreamgaugeError, match="bedrock-converse has no list of models: name the --model"):
        first_model("http://127.0.0.1:1", get_dialect("bedrock-converse"))


@pytest.mark.parametrize("dialect", sorted({recording.dialect for recording in shipped().values()}))
def test_every_dialect_is_judged_live(server: ReplayServer, dialect: str, tmp_path: Path) -> None:
    """A recording that is played for each request is judged in every dialect: nothing errors, most rules pass."""
    report = tmp_path / "out.json"
    spoken = get_dialect(dialect)
    names = [name for name, recording in shipped().items() if recording.dialect == dialect]
    case = next((name for name in names if name.endswith("/plain-text")), names[0])
    url = f"{server.url}/play/{case}{spoken.base_path}"
    assert main(["check", url, "--dialect", dialect, "--model", "m", "--json", str(report)]) in (0, 1)
    found = json.loads(report.read_text())
    assert found["summary"]["error"] == 0
    assert found["summary"]["pass"] > 150
    # A recording is the same whatever was asked: it is not blamed for that.
    assert [v for v in found["verdicts"] if v["verdict"] == "fail"] == []
    assert [n for n in found["notes"] if "same bytes" in n]


def outcomes(report: Path, rule: str) -> dict[str, str]:
    """The verdict of a rule by case, as far as there is one."""
    found = json.loads(report.read_text())["verdicts"]
    return {v["case"]: v["verdict"] for v in found if v["rule"] == rule and v["verdict"] != "skip"}


@pytest.mark.parametrize(("whole", "verdict"), [(1, "non-strict"), (2, "fail")])
def test_a_server_that_ignores_n(mounted: Callable[..., Mount], tmp_path: Path, whole: int, verdict: str) -> None:
    """One choice where two were asked for is only noted, unless the answer without streaming shows that it knows n."""

    def one_choice(received: Received) -> Script:
        asked = json.loads(received.body) if received.body.endswith(b"}") else {}
        if not asked.get("n"):
            return good_server(received)
        if not asked.get("stream"):
            return answer(completion(asked | {"n": whole}))
        return Script(dialect=CHAT, pieces=tuple(map(Piece, CHAT.encode(events_for(asked | {"n": 1})))), headers=STREAM)

    report = tmp_path / "out.json"
    code = main(["check", mounted(one_choice).base_url, "--model", "m", "--json", str(report)])
    assert outcomes(report, "OAC-024") == {"two-choices": verdict}
    assert code == (verdict == "fail")


GEMINI = get_dialect("gemini-generate")


def gemini_server(received: Received) -> Script:
    """A server of Gemini's API: events with alt=sse, without it one array, and one object where no stream is wanted."""
    part = {"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP", "index": 0}
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    head = {"modelVersion": "m", "responseId": f"r-{len(received.body)}"}
    body = json.dumps({"candidates": [part], "usageMetadata": usage, **head}).encode()
    if ":stream" not in received.path:
        return answer(body)
    if "alt=sse" not in received.path:
        return answer(b"[" + body + b"]")
    return Script(dialect=GEMINI, pieces=(Piece(b"data: " + body + b"\r\n\r\n"),), headers=STREAM)


def test_a_whole_answer_is_not_judged_as_a_stream(mounted: Callable[..., Mount], tmp_path: Path) -> None:
    """Gemini's request says by its path that it wants no stream: its answer is one object, and that is right."""
    report = tmp_path / "out.json"
    url = mounted(gemini_server).url + "/v1beta"
    assert main(["check", url, "--dialect", GEMINI.name, "--model", "m", "--json", str(report)]) == 0
    for rule in ("GEM-001", "HTTP-008"):
        judged = outcomes(report, rule)
        assert "plain" in judged
        assert not [case for case in judged if case.endswith(".twin")]


def test_both_framings_are_asked_for(mounted: Callable[..., Mount], tmp_path: Path) -> None:
    """Gemini streams events with alt=sse and an array without: either is judged, and a key in the URL goes along."""
    report = tmp_path / "out.json"
    mount = mounted(gemini_server)
    words = ["--dialect", GEMINI.name, "--model", "m", "--json", str(report)]
    assert main(["check", f"{mount.url}/v1beta?key=a-key-in-the-url", *words]) == 0
    assert outcomes(report, "GEM-001")["plain"] == outcomes(report, "GEM-001")["no-query"] == "pass"
    asked = [r.path.partition("?")[2] for r in mount.requests if ":stream" in r.path]
    assert all(query.endswith("key=***") or query.endswith("key=a-key-in-the-url") for query in asked)
    assert sum(query.startswith("alt=sse&") for query in asked) == len(asked) - 1
    assert "a-key-in-the-url" not in report.read_text()


@pytest.mark.parametrize(
    ("query", "whole", "verdicts"),
    [
        ("", True, {"plain": "fail", "no-query": "non-strict"}),
        ("", False, {"plain": "fail", "no-query": "pass"}),
        ("alt=sse", False, {"plain": "pass", "no-query": "non-strict"}),
    ],
)
def test_the_framing_that_was_asked_for(
    mounted: Callable[..., Mount], tmp_path: Path, query: str, whole: bool, verdicts: dict[str, str]
) -> None:
    """A server that doesn't look at alt=sse answers in one framing whatever was asked, or with one object."""
    method = ":generateContent" if whole else ":streamGenerateContent"
    mount = mounted(lambda r: gemini_server(dataclasses.replace(r, path=f"/models/m{method}?{query}")))
    report = tmp_path / "out.json"
    words = ["--dialect", GEMINI.name, "--model", "m", "--json", str(report)]
    assert main(["check", f"{mount.url}/v1beta", *words]) == ("fail" in verdicts.values())
    found = outcomes(report, "GEM-001")
    assert {case: found[case] for case in verdicts} == verdicts


def test_what_was_answered_is_kept(
    mounted: Callable[..., Mount], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each answer is a file without the key, and judged again as a file it breaks the rules that it broke."""

    def no_end(received: Received) -> Script:
        script = good_server(received)
        return script.but(pieces=script.pieces[:-1]) if script.headers == STREAM else script

    kept, report = tmp_path / "kept", tmp_path / "out.json"
    words = ["--model", "m", "--api-key", KEY, "--keep", str(kept), "--json", str(report)]
    assert main(["check", mounted(no_end).base_url, *words]) == 1
    live = {case for case, verdict in outcomes(report, "SEQ-006").items() if verdict == "fail"}
    files = sorted(map(str, kept.glob("openai-chat/*.json")))
    assert (kept / "openai-chat" / "plain.twin.http").read_bytes().endswith(completion({"model": "m"}))
    assert not [path for path in kept.rglob("*.*") if KEY.encode() in path.read_bytes()]
    assert main(["check", *files, "--json", str(report)]) == 1
    assert {case for case, verdict in outcomes(report, "SEQ-006").items() if verdict == "fail"} == live
    assert {"plain", "stop", "tools"} <= live
    capsys.readouterr()
    assert main(["check", files[0], "--keep", str(kept)]) == 2
    assert "--keep is for endpoints" in one_error(capsys)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (error(401, "wrong key"), "(wrong key): it wants an API key: give --api-key or set OPENAI_API_KEY"),
        (error(503, "loading"), "HTTP 503 (loading)"),
        (answer(b"<!doctype html><p>hi", headers=(("Content-Type", "text/html"),)), "an HTML page"),
        (answer(b'{"status": "ok"}'), "not a server of openai-chat"),
        (answer(b"", 307, (("Location", "/elsewhere/chat/completions?key=1"),)), "/elsewhere/chat/completions: give"),
        (answer(b"", 302, (("Location", "http://[::1"),)), "redirects to what is no URL"),
        (answer(gzip.compress(b"data: {}"), 200, (*STREAM, ("Content-Encoding", "gzip"))), "turn compression off"),
        (answer(b"ok", headers=(("Content-Type", "text/plain"),)), "plain text ('ok')"),
        (answer(b'data: {"type":"RUN_STARTED"}\n\n', headers=STREAM), "AG-UI, which streamgauge does not speak: not a"),
    ],
)
def test_what_is_no_endpoint_is_not_judged(
    mounted: Callable[..., Mount], capsys: pytest.CaptureFixture[str], script: Script, said: str
) -> None:
    """A missing key, a server that is not up, or something else than a model server: one line, exit code 2."""
    assert main(["check", mounted(script).base_url, "--model", "m"]) == 2
    assert said in one_error(capsys)


def test_an_error_with_status_200_is_judged(mounted: Callable[..., Mount], capsys: pytest.CaptureFixture[str]) -> None:
    """A server of the dialect that answers 200 with an error breaks a rule: that is its fault, not the call's."""
    assert main(["check", mounted(answer(CHAT.error_body(500, "boom"))).base_url, "--model", "m"]) == 1
    assert "FAIL" in capsys.readouterr().out


def test_a_base_url_without_v1_is_explained(mounted: Callable[..., Mount], capsys: pytest.CaptureFixture[str]) -> None:
    """A 404 on the path comes with the URL to try; the URL of the path itself with the one in front of it."""

    def strict(received: Received) -> Script:
        return good_server(received) if "/v1/chat/" in received.path else error(404, "not here")

    mount = mounted(strict)
    assert main(["check", mount.url, "--model", "m"]) == 2
    assert f"try {mount.base_url}" in one_error(capsys)
    assert main(["check", mount.base_url + "/chat/completions"]) == 2
    assert one_error(capsys).endswith(f": {mount.base_url}")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"HTTP/1.1 404 Not Found\r\n", "/v1"),
        (b"HTTP/1.1 401 Unauthorized\r\n", "OPENAI_API_KEY"),
        (b"HTTP/1.1 200 OK\r\n", "name the --model"),
    ],
)
def test_a_list_without_models_says_what_to_do(head: bytes, said: str) -> None:
    """An endpoint that lists nothing: another URL, a key, or the model's name."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(head + b'Content-Length: 11\r\nConnection: close\r\n\r\n{"data":[]}')

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(BackendError, match=said):
            first_model(f"http://127.0.0.1:{listener.getsockname()[1]}", CHAT)
        thread.join(SAFETY)


@pytest.mark.parametrize("words", [["--model", "m"], []])
def test_an_unreachable_url(dead_port: int, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """Nobody there: one line, exit code 2."""
    assert main(["check", f"http://127.0.0.1:{dead_port}/v1", *words]) == 2
    assert "nothing answers at http://127.0.0.1" in one_error(capsys)


def test_an_endpoint_that_falls_silent(mounted: Callable[..., Mount]) -> None:
    """After its headers it is nothing that could be judged; in the middle of an answer it timed out."""
    last = Piece(b"data: [DONE]\n\n", delay=30.0)
    first = Piece(CHAT.encode(events_for({"model": "m"}))[0])
    for pieces in ((first, last), (last,)):
        mount = mounted(Script(dialect=CHAT, pieces=pieces, headers=STREAM))
        target = Target(base_url=mount.base_url, dialect=CHAT, model="m", timeout=0.2)
        asked = exchanges(target, probes(CHAT, "m")[1:2])
        if pieces == (last,):
            with pytest.raises(BackendError, match=r"answers HTTP 200 and then sends nothing for 0\.2 s"):
                next(asked)
        else:
            assert [e.trace.ended for e in asked] == ["timeout"]


def test_something_that_speaks_no_http(capsys: pytest.CaptureFixture[str]) -> None:
    """A peer that closes at once, or never says anything, is no HTTP server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        assert main(["check", url, "--model", "m", "--timeout", "0.2"]) == 2
        assert "no HTTP answer in 0.2 s" in one_error(capsys)
        assert main(["check", url, "--timeout", "0.2"]) == 2
        assert "gives no answer" in one_error(capsys)

        def hang_up() -> None:
            for _ in range(3):
                listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert main(["check", url, "--model", "m"]) == 2
        thread.join(SAFETY)
        said = one_error(capsys)
        assert "no HTTP answer (" in said
        assert "or rather one of https" in said


def test_a_server_that_goes_away_is_no_clean_run(
    mounted: Callable[..., Mount], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was judged before is shown with a note, and the exit code is 2."""
    from streamgauge.probe import sending as module

    real, calls = module.fetch, []

    def fetch(*args: Any, **options: Any) -> Trace:
        calls.append(args)
        if len(calls) == 3:
            raise UnreachableError("nothing answers any more")
        return real(*args, **options)

    monkeypatch.setattr(module, "fetch", fetch)
    assert main(["check", mounted(good_server).base_url, "--model", "m"]) == 2
    assert "note: the run ended early, after 3 of" in capsys.readouterr().out


def test_an_interrupted_run_keeps_what_it_judged(
    mounted: Callable[..., Mount], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ctrl-C: exit code 130, and the report holds the verdicts so far and says that it is partial."""
    from streamgauge.probe import sending as module

    real, calls = module.fetch, []

    def fetch(*args: Any, **options: Any) -> Trace:
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(module, "fetch", fetch)
    report = tmp_path / "out.json"
    assert main(["check", mounted(good_server).base_url, "--model", "m", "--json", str(report)]) == 130
    found = json.loads(report.read_text())
    assert found["partial"] is True
    assert {v["case"] for v in found["verdicts"]} == {"plain.twin", "plain", "no-usage"}


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_a_run_that_waits(mounted: Callable[..., Mount]) -> None:
    """A real interrupt while the server is silent: 130, no traceback."""

    def silent(received: Received) -> Script:
        return Script(dialect=CHAT, pieces=(Piece(b": wait\n\n"),), headers=STREAM, ending="hold")

    mount = mounted(silent)
    command = [sys.executable, "-m", "streamgauge", "check", mount.base_url, "--model", "m"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        until = time.monotonic() + SAFETY
        while not mount.sends and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SAFETY)
        assert process.returncode == 130
        assert b"Traceback" not in err + out


def test_a_dialect_gets_what_it_can_express() -> None:
    """Requests whose point a dialect can't put on the wire are left out."""
    assert {"stop", "two-choices", "tools", "no-usage", "unknown-model"} < {p.name for p in probes(CHAT, "m")}

    def bare(request: ChatRequest) -> Any:
        return CHAT.request(dataclasses.replace(request, n=1, stop=(), tools=(), include_usage=True, model="m"))

    few = probes(dataclasses.replace(CHAT, request=bare), "m")
    assert {"stop", "two-choices", "tools", "parallel-tools", "no-usage", "unknown-model"}.isdisjoint(
        {p.name for p in few}
    )
    assert {"plain", "length", "disconnect"} < {p.name for p in few}


@pytest.mark.parametrize(
    ("dialect", "asked"),
    [
        ("openai-chat", {"logprobs": True}),
        ("openai-completions", {"logprobs": 1}),
        ("openai-responses", {"include": ["message.output_text.logprobs"]}),
        ("gemini-generate", {"generationConfig": {"responseLogprobs": True}}),
        ("cohere-chat", {"logprobs": True}),
        ("ollama-chat", {"logprobs": True}),
        ("ollama-generate", {"logprobs": True}),
        ("anthropic-messages", {}),
        ("bedrock-converse", {}),
    ],
)
def test_log_probabilities_are_asked_for_in_each_spelling(dialect: str, asked: dict[str, Any]) -> None:
    """Where a dialect has them; elsewhere there is no such request."""
    spoken = get_dialect(dialect)
    plain, wanted = (spoken.request(dataclasses.replace(ChatRequest.of("hi"), logprobs=x)).body for x in (False, True))
    assert {name: value for name, value in wanted.items() if plain.get(name) != value} == asked
    assert ("logprobs" in {p.name for p in probes(spoken, "m")}) is bool(asked)


@pytest.mark.parametrize("name", ["models/m", "m"])
def test_gemini_s_list_names_what_can_be_asked(name: str) -> None:
    """The list has resource names, and no second models/ goes in front of them."""
    path = get_dialect("gemini-generate").request(ChatRequest.of("hi", model=name)).path
    assert path == "/models/m:streamGenerateContent?alt=sse"


def test_exchanges_know_their_twins(mounted: Callable[..., Mount]) -> None:
    """An exchange has the non-streaming answer as its reference, and its bytes as a sibling."""
    target = Target(base_url=mounted(good_server).base_url, dialect=CHAT, model="m")
    found = {e.case: e for e in exchanges(target, probes(CHAT, "m")[:2])}
    plain = found["plain"]
    assert plain.reference is not None
    assert plain.reference.choices[0].text == plain.message.choices[0].text == "Hello thére"
    assert plain.siblings["non-stream"] is found["plain.twin"]
    assert plain.siblings["no-usage"] is found["no-usage"]
    assert found["no-usage"].reference is None
    assert "non-stream" not in found["no-usage"].siblings


# Recorded files


BODY = b"".join(CHAT.encode(events_for({"model": "m", "stream_options": {"include_usage": True}})))
BROKEN = BODY.replace(b'" th\xc3\xa9re"', b'" th\xc3\xa9re')


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    path = tmp_path / "chat.sse"
    path.write_bytes(BODY)
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.sse"
    path.write_bytes(BROKEN)
    return path


def test_a_good_file(stream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A recorded stream is judged as far as its bytes go; its dialect is seen, and why is said."""
    assert main(["check", str(stream)]) == 0
    out, err = capsys.readouterr()
    assert "No unexpected failure" in out
    assert "openai-chat, as an event has" in err


def test_a_broken_file(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The bytes that break a rule are named by their place and shown."""
    assert main(["check", str(broken), "--dialect", "openai-chat"]) == 1
    out = capsys.readouterr().out
    start = BROKEN.index(b"data: ", BROKEN.index(b"Hello"))
    assert "FAIL       JSON-001" in out
    assert f"bytes {start}-" in out
    assert str(broken) in out


def test_several_files(stream: Path, broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each file is a subject; what is no stream is refused in a line, and makes the exit code 2."""
    report = tmp_path / "out.json"
    assert main(["check", str(stream), str(broken), "--json", str(report)]) == 1
    assert [s["name"] for s in json.loads(report.read_text())["subjects"]] == [str(stream), str(broken)]
    capsys.readouterr()
    assert main(["check", str(stream), "missing"]) == 2
    out, err = capsys.readouterr()
    assert "No unexpected failure" in out
    assert "Error: no such file: missing" in err
    assert main(["check", "missing", "missing too"]) == 2
    assert capsys.readouterr().out == ""


def test_json_on_standard_output(stream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json -` prints the report and nothing else."""
    assert main(["check", str(stream), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["summary"]["pass"] > 5


def test_only_the_named_rules(broken: Path, tmp_path: Path) -> None:
    """`--rule` narrows the run, and with it the exit code."""
    report = tmp_path / "out.json"
    words = ["check", str(broken), "--dialect", "openai-chat", "--json", str(report)]
    assert main([*words, "--rule", "SSE-007", "--rule", "SSE-020"]) == 0
    assert [v["rule"] for v in json.loads(report.read_text())["verdicts"]] == ["SSE-007", "SSE-020"]


def test_a_run_that_judged_nothing_is_not_good(stream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rule that needs what a file doesn't hold: exit code 2, and -v says what is missing."""
    assert main(["check", str(stream), "--rule", "HTTP-004", "-v"]) == 2
    out = capsys.readouterr().out
    assert "Nothing was judged" in out
    assert "the request is not known" in out


def test_a_capture_brings_its_headers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Transport rules judge an HTTP response that was kept whole; an error answer is one too."""
    path = tmp_path / "answer.raw"
    path.write_bytes(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + BODY)
    assert main(["check", str(path)]) == 1
    assert "HTTP-001" in capsys.readouterr().out
    path.write_bytes(b"HTTP/1.1 429 Too Many\r\nContent-Type: application/json\r\n\r\n" + CHAT.error_body(429, "slow"))
    assert main(["check", str(path), "--dialect", "openai-chat", "--rule", "HTTP-013"]) == 0
    assert "Retry-After" in capsys.readouterr().out


def test_a_recording_is_a_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON file of a recording brings dialect, request, headers and times."""
    trace = dataclasses.replace(Trace.of(BODY, request={"stream": True}), status=200, headers=STREAM)
    path = save(
        Recording(name="case", dialect="openai-chat", trace=trace, message=Message("openai-chat", "complete")), tmp_path
    )
    assert main(["check", str(path), "--rule", "HTTP-004", "--rule", "HTTP-001"]) == 0
    assert "2 satisfied" in capsys.readouterr().out


def test_every_shipped_recording_can_be_checked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The files that come with streamgauge are targets like any other, and their verdicts are never errors."""
    import streamgauge_fixtures

    folder = Path(streamgauge_fixtures.__path__[0])
    files = sorted(map(str, folder.glob("*/*.json")))
    report = tmp_path / "out.json"
    assert main(["check", *files, "--json", str(report)]) in (0, 1)
    found = json.loads(report.read_text())
    assert len(found["subjects"]) == len(files)
    assert found["summary"]["error"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["no/such/file"], "no such file: no/such/file"),
        (["opnai"], "no such file: opnai; did you mean the provider 'openai'?"),
        (["localhost:8000/v1"], "give its URL: http://localhost:8000/v1"),
        (["openai"], "streamgauge client openai"),
        (["openai-chat"], "openai-chat: which endpoint? give --base-url"),
        (["openai", "--base-url", "http://127.0.0.1:1/v1", "--dialect", "ollama-chat"], "openai speaks openai-chat"),
        (["x", "--base-url", "http://127.0.0.1:1/v1"], "--base-url goes with the name of a provider"),
        (["x", "--json", "."], "can't write .: it is a directory"),
        (["x", "--html", f"{__file__}/x"], "is no directory"),
        (["."], "is a directory"),
        (["x", "--dialect", "openai-caht"], "did you mean 'openai-chat'?"),
        (["x", "--dialect", "sse"], "sse is a framing"),
        (["x", "--rule", "HTTP-0001"], "did you mean 'HTTP-001'?"),
        (["http://", "--model", "m"], "URL"),
        (["ftp://host/x"], "neither a file nor an http URL"),
        (["http://127.0.0.1:1/v1", "--api-key", "k\u00e9y-that-is-long"], "API key has characters"),
        (["http://127.0.0.1:1/v1/messages"], "http://127.0.0.1:1/v1 --dialect anthropic-messages"),
        (["x", "--timeout", "0"], "0"),
    ],
)
def test_bad_calls(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    """One line that says what to do, exit code 2."""
    assert main(["check", *words]) == 2
    assert said in one_error(capsys)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\r\n\n", "only blank lines"),
        (BODY.decode().encode("utf-16")[:301], "UTF-16"),
        (b"interactions:\n- request:\n    body: null\n", "a VCR cassette"),
        (b'{"log": {"version": "1.2", "entries": []}}', "a HAR archive"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n\x8b\x03", "Content-Encoding br"),
        (gzip.compress(BODY), "gunzip"),
        (b"<html>", "HTML page"),
        (b'{"error":{"message":"bad key"}}', "'bad key'"),
        (bytes(range(256)), "binary data"),
        (b'event: invented.start\ndata: {"type":"invented.start"}\n\n', "invented.start"),
    ],
)
def test_what_is_no_stream_is_not_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, said: str
) -> None:
    """No verdict is given on what is no stream of the dialect."""
    path = tmp_path / "thing"
    path.write_bytes(data)
    assert main(["check", str(path), "--dialect", "openai-chat"]) == 2
    assert said in one_error(capsys)


def test_a_rule_that_does_not_fit(stream: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """A rule of other dialects leaves nothing to judge by."""
    from streamgauge.rules import get_rule

    rule = dataclasses.replace(get_rule("HTTP-001"), applies=("ndjson",))
    monkeypatch.setattr("streamgauge.cli._judging.rules_for", lambda dialect, role: iter(()))
    assert rule.fits(CHAT) is False
    assert main(["check", str(stream), "--dialect", "openai-chat", "--rule", "HTTP-001"]) == 2
    assert "HTTP-001 does not apply to openai-chat" in one_error(capsys)


def test_a_client_rule_is_sent_to_the_client_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Rules for client libraries are not judged here."""
    from streamgauge.rules import rulebook

    ids = [r.id for r in rulebook().values() if r.role == "client"]
    for rule_id in ids[:1]:
        assert main(["check", "x", "--rule", rule_id]) == 2
        assert "streamgauge client PROVIDER" in one_error(capsys)


@pytest.mark.shared
def test_real_captures_are_judged(shared: Path, tmp_path: Path) -> None:
    """Streams of real servers, as their sockets gave them: every rule comes to a verdict, none of them an error."""
    raws = sorted(map(str, (shared / "captures").glob("*/chat*.raw")))
    raws = [r for r in raws if "nonstream" not in r]
    report = tmp_path / "out.json"
    assert main(["check", *raws, "--dialect", "openai-chat", "--json", str(report)]) in (0, 1)
    found = json.loads(report.read_text())
    assert len(found["subjects"]) == len(raws) > 30
    assert found["summary"]["error"] == 0


def test_environment_is_not_needed() -> None:
    """The process needs nothing of the environment but its path."""
    done = subprocess.run(
        [sys.executable, "-m", "streamgauge", "check", "missing"],
        capture_output=True,
        env={"PATH": os.environ.get("PATH", "")},
        timeout=SAFETY,
    )
    assert done.returncode == 2
    assert done.stderr == b"Error: no such file: missing\n"


def test_what_was_not_read_is_told(stream: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An event over the limit of 16 MiB is judged by no rule: the report says that there was one."""
    first, _, rest = stream.read_bytes().partition(b"\n\n")
    long = tmp_path / "long.sse"
    long.write_bytes(first + b'\n\ndata: {"content":"' + b"x" * (17 * 1024 * 1024) + b'"}\n\n' + rest)
    main(["check", str(long), "--json", str(tmp_path / "report.json")])
    assert "1 of its events were not read" in "".join(capsys.readouterr())
    [told] = json.loads((tmp_path / "report.json").read_text())["notes"]
    assert "line longer than 16777216 bytes" in told
    main(["check", str(stream), "--json", str(tmp_path / "report.json")])
    assert json.loads((tmp_path / "report.json").read_text())["notes"] == []


def test_answers_that_fall_silent_are_counted(tmp_path: Path) -> None:
    """A server that sends its head and half of an answer leaves nothing to accuse: the report says what came of it."""
    report = tmp_path / "report.json"
    with ReplayServer(fault="stall") as server:
        url = f"{server.url}/v1"
        main(["check", url, "--model", "m", "--timeout", "0.2", "--rule", "HTTP-001", "--json", str(report)])
    told = [note for note in json.loads(report.read_text())["notes"] if "given up before their end" in note]
    assert len(told) == 1
    assert ", after 0.2 s of silence, or five times that in all: plain, no-usage, unicode ..." in told[0]
