"""TGI's own API: tokens, the last event, errors, what rules forgive and what not, and what was recorded of it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from streamgauge.dialects.huggingface_tgi._samples import ERROR, FIRST, HELLO, details, last, sse, token
from streamgauge.engine import judge
from streamgauge.events import End, Event, Finish, KeepAlive, Start, StreamError, TextDelta, Usage
from streamgauge.faults import apply_faults
from streamgauge.message import assemble
from streamgauge.recordings import get_recording
from streamgauge.registry import get_dialect
from streamgauge.rules import Exchange
from streamgauge.script import script_of
from streamgauge.server import ReplayServer
from streamgauge.trace import Arrival, Trace
from streamgauge.wire import members

TGI = get_dialect("huggingface-tgi")
SAID = (Start(), TextDelta("Hi"), TextDelta(" 中"), Finish("eos_token"), Usage(3, 2), End("complete"))


def objects(frames: list[bytes]) -> list[dict[str, Any]]:
    """The events' JSON."""
    return [json.loads(frame[6:]) for frame in frames if frame.startswith(b"data: ")]


def test_what_is_encoded_comes_back() -> None:
    """Text, reason and counts survive; the special end token is no text."""
    message = TGI.read(b"".join(TGI.encode(SAID)))
    assert message.choices[0].text == "Hi 中"
    assert message.choices[0].finish_reason == "eos_token"
    assert message.usage is not None
    assert (message.usage.input_tokens, message.usage.output_tokens) == (3, 2)
    assert message.ended == "complete"


@pytest.mark.parametrize(
    ("reason", "number", "special"), [("eos_token", 3, True), ("length", 2, False), ("stop_sequence", 2, False)]
)
def test_the_last_event(reason: str, number: int, special: bool) -> None:
    """Only where the model ended the answer has its end a token of its own, which is special; else it is the text's."""
    told = objects(TGI.encode([*SAID[:3], Finish(reason), End("complete")]))
    assert [value["index"] for value in told] == list(range(1, number + 1))
    assert told[-1]["token"]["special"] is special
    assert told[-1]["generated_text"] == "Hi 中"
    assert told[-1]["details"]["finish_reason"] == reason
    assert {(value["generated_text"], value["details"]) for value in told[:-1]} == {(None, None)}


def test_nothing_follows_the_last_event() -> None:
    """What came behind the last text stays before the end."""
    said: list[Event] = [Start(), TextDelta("Hi"), KeepAlive("x"), Finish("length"), End("complete")]
    frames = TGI.encode(said)
    assert frames[1].startswith(b":")
    assert [type(e) for e in TGI.decode(b"".join(frames))] == [TextDelta, KeepAlive, Finish, End]


def test_without_the_last_event_it_is_truncated() -> None:
    """Tokens alone don't end a stream."""
    assert TGI.read(b"".join(TGI.encode(SAID)[:-1])).ended == "truncated"


def test_an_error_is_reported() -> None:
    """An error event is the stream's own word for failure."""
    body = TGI.encode(SAID)[0] + TGI.error_frame("overloaded", "overloaded")
    message = TGI.read(body)
    assert message.ended == "error"
    assert message.errors[0].type == "overloaded"
    assert any(isinstance(e, StreamError) for e in TGI.decode(body))


def test_the_answer_in_one_piece() -> None:
    """/generate says in one object what the stream says in events."""
    answer = [
        {"generated_text": "Hi 中", "details": {"finish_reason": "length", "generated_tokens": 2, "prefill": [{}]}}
    ]
    message = TGI.message(answer)
    assert (message.choices[0].text, message.choices[0].finish_reason) == ("Hi 中", "length")
    assert message.usage is not None
    assert (message.usage.input_tokens, message.usage.output_tokens) == (1, 2)


@pytest.mark.parametrize("path", ["", "/", "/generate_stream"])
def test_it_is_served_where_tgi_serves_it(path: str) -> None:
    """At its own path and at the root, of a server and of a mount."""
    recording = get_recording("huggingface-tgi/length")
    with ReplayServer(case="length") as server:
        mount = server.mount(script_of(recording, speed=None))
        for base in (mount.base_url, server.url):
            asked = urllib.request.Request(f"{base}{path}", b'{"inputs":"Hi","stream":true}')
            with urllib.request.urlopen(asked) as answer:
                assert TGI.read(answer.read()) == recording.message


@pytest.mark.parametrize("name", ["top-tokens", "no-index"])
def test_faults_lose_nothing(name: str) -> None:
    """The same message, and each event changed."""
    recording = get_recording("huggingface-tgi/plain-text")
    script = apply_faults(script_of(recording), name)
    assert assemble(TGI.name, TGI.decode(script.body)) == recording.message
    told = objects(script.frames())
    assert {"top_tokens" in value for value in told} == {name == "top-tokens"}
    assert {"index" in value for value in told} == {name != "no-index"}


def found(body: str, request: dict[str, Any] | None = None) -> dict[str, str]:
    """What the dialect's own rules say, by rule."""
    exchange = Exchange(TGI, Trace(arrivals=(Arrival(0.0, body.encode()),), request=request))
    return {v.rule: v.verdict for v in judge(exchange) if v.rule.startswith("TGI-")}


WHOLE = "Hello there"
ASKED = {"inputs": "Say it: ", "parameters": {"return_full_text": True}}
EARLY = [{name: value for name, value in event.items() if name != "index"} for event in HELLO]
FORGIVEN: dict[str, tuple[str, str, str, dict[str, Any] | None]] = {
    "no index, before 1.4": (sse(*EARLY), "TGI-001", "non-strict", None),
    "no input_length": (
        sse(*FIRST, last(3, WHOLE, details=details(3, input_length=...))),
        "TGI-005",
        "non-strict",
        None,
    ),
    "a new reason": (
        sse(*FIRST, last(3, WHOLE, details=details(3, finish_reason="paused"))),
        "TGI-006",
        "non-strict",
        None,
    ),
    "[DONE]": (sse(*HELLO) + "data: [DONE]\n\n", "TGI-003", "non-strict", None),
    "top_tokens null": (sse(token(1, "Hello", top_tokens=None), *HELLO[1:]), "TGI-001", "non-strict", None),
    "tokens behind an error": (sse(FIRST[0], ERROR, FIRST[1]), "TGI-009", "non-strict", None),
    "white space around": (sse(*FIRST, last(3, f" {WHOLE}\n")), "TGI-004", "info", {"inputs": "Hi"}),
    "the prompt, asked for": (sse(*FIRST, last(3, f"Say it: {WHOLE}")), "TGI-004", "pass", ASKED),
    "the prompt, perhaps asked for": (sse(*FIRST, last(3, f"Say it: {WHOLE}")), "TGI-004", "pass", None),
    "the prompt, not asked for": (sse(*FIRST, last(3, f"Say it: {WHOLE}")), "TGI-004", "non-strict", {"inputs": "Hi"}),
    "no stop sequence": (
        sse(*FIRST, last(3, WHOLE, "!", details=details(3, finish_reason="stop_sequence"))),
        "TGI-004",
        "pass",
        None,
    ),
    "no details": (sse(*FIRST, last(3, WHOLE, details=None)), "TGI-003", "pass", None),
    "a new member": (sse(*FIRST, last(3, WHOLE, future=1)), "TGI-001", "pass", None),
    "members left out that are null": (
        sse(token(1, "Hello", generated_text=..., details=...), *HELLO[1:]),
        "TGI-003",
        "pass",
        None,
    ),
}


@pytest.mark.parametrize("name", FORGIVEN)
def test_what_no_document_forbids_does_not_fail(name: str) -> None:
    """Each counts as it should, and no rule of the dialect fails."""
    body, rule, verdict, request = FORGIVEN[name]
    verdicts = found(body, request)
    assert verdicts[rule] == verdict
    assert "fail" not in verdicts.values()


FORBIDDEN = {
    "logprob as text": ("TGI-001", sse(token(1, "Hello", token={**HELLO[0]["token"], "logprob": "0"}), *HELLO[1:])),
    "no special": ("TGI-001", sse(token(1, "Hello", token={"id": 1, "text": "Hello", "logprob": None}), *HELLO[1:])),
    "a top token without text": ("TGI-001", sse(token(1, "Hello", top_tokens=[{"id": 1}]), *HELLO[1:])),
    "details too early": ("TGI-003", sse(token(1, "Hello", details=details(1)), *HELLO[1:])),
    "a number as the whole text": ("TGI-003", sse(*FIRST, last(3, 7))),
    "no end": ("TGI-003", sse(*FIRST)),
    "details as a list": ("TGI-005", sse(*FIRST, last(3, WHOLE, details=[]))),
    "a negative seed": ("TGI-005", sse(*FIRST, last(3, WHOLE, details=details(3, seed=-1)))),
    "Gemini's reason": ("TGI-006", sse(*FIRST, last(3, WHOLE, details=details(3, finish_reason="STOP")))),
    "an error without its type": ("TGI-009", sse(*FIRST, {"error": "boom"})),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_the_reference_forbids_fails(name: str) -> None:
    """The leniency ends where the reference speaks."""
    rule, body = FORBIDDEN[name]
    assert found(body)[rule] == "fail"


@pytest.mark.shared
def test_real_streams(shared: Path) -> None:
    """Each recorded stream is complete, with the text of its tokens; no rule of the dialect fails on it."""
    files = sorted((shared / "streams" / "huggingface-tgi").glob("*.sse"))
    assert files
    for file in files:
        body = file.read_bytes()
        tokens = [json.loads(line[5:])["token"]["text"] for line in body.splitlines() if line.startswith(b"data:")]
        message = TGI.read(body)
        assert (message.ended, message.malformed) == ("complete", 0), file.name
        assert message.choices[0].text == "".join(tokens), file.name
        assert "fail" not in found(body.decode()).values(), file.name
        stated = members(json.loads(body.splitlines()[0][5:]).get("details"))
        assert message.choices[0].finish_reason == stated.get("finish_reason"), file.name
