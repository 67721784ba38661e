"""A real model server, llama.cpp's: judged as an endpoint, streamed from through every provider, recorded, broken.

What the tiny model says is known; SmolLM2 is compared with its own non-streaming answer (temperature 0, fixed seed).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from streamgauge.chat import ChatMessage, ChatRequest, Tool
from streamgauge.events import OUTPUT, End, Event
from streamgauge.measurement.metrics import StreamMetrics, Timeline, measure, outcome_of, timeline_of
from streamgauge.message import Choice, Message, ToolCall
from streamgauge.observation import Run
from streamgauge.provider import Connection, Provider, ProviderSpec, all_providers, get_provider
from streamgauge.recorder import Keeper, Kept, RecordingProxy, Upstream
from streamgauge.recordings import load
from streamgauge.registry import get_dialect
from streamgauge.runner import Watch, observe_async, observe_sync
from streamgauge.transport import fetch, fetch_json
from streamgauge.wire import members

# A warning of a library that is judged must not become an exception inside it, which its users would not see.
pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("default")]

CHAT = get_dialect("openai-chat")
ELSEWHERE = {"groq"}
"""Libraries that ask at another path than llama.cpp has: Groq's adds /openai/v1 to whatever base URL it is given."""
WAYS = [
    pytest.param(spec, path, id=f"{spec.name}-{path}")
    for spec in all_providers().values()
    if spec.dialect == CHAT.name and spec.name not in ELSEWHERE
    for path in ("sync", "async")
    if path in spec.capabilities
]
SCRIPTS = ("text", "think", "tool", "json", "empty", "loop")
LIMIT = 64
TIMEOUT = 60.0
"""Seconds after which a run is given up: a safety net, nothing is expected to take that long."""
SMOLLM2 = "SmolLM2-135M-Instruct"
QUESTION = "How can I recursively list all files in a directory in Python?"
FAILING: dict[str, set[str]] = {
    CHAT.name: set(),
    "openai-completions": set(),
    "openai-responses": {"OAR-002", "OAR-012", "USE-009"},
    "anthropic-messages": set(),
}
"""The dialects that llama.cpp speaks, and the rules that it is known to break with the verdict `fail` in each.

Another one, or one that it no longer breaks, turns the session red.
"""

each_way = pytest.mark.parametrize(("spec", "path"), WAYS)


# Asking


def ask(prompt: str, model: str = "tiny-scripted", **more: Any) -> ChatRequest:
    """A request with one answer."""
    more = {"max_tokens": LIMIT, **more}
    return ChatRequest(messages=(ChatMessage("user", prompt),), model=model, temperature=0, seed=1, **more)


def asking(tiny: Any, script: str) -> ChatRequest:
    """The request that makes the tiny model follow a script."""
    tool = tiny.WEATHER
    tools = (Tool(tool["name"], tool["description"], tool["parameters"]),) if script == "tool" else ()
    return ask(tiny.PROMPTS[script], tools=tools)


def run(spec: ProviderSpec, path: str, base_url: str, request: ChatRequest, **more: Any) -> Run:
    """One stream through a provider."""
    return run_with(lambda c: spec.open(c), spec, path, base_url, request, **more)


def run_with(
    connect: Callable[[Connection], Provider],
    spec: ProviderSpec,
    path: str,
    base_url: str,
    request: ChatRequest,
    *,
    api_key: str = "sk-live-test",
    timeout: float = TIMEOUT,
    patience: float = TIMEOUT,
) -> Run:
    """The same with a provider that is connected otherwise. timeout: the client's; patience: ours."""
    installed(spec)
    provider = connect(Connection(base_url=base_url, api_key=api_key, timeout=timeout))
    watch = Watch(timeout=patience, modules=spec.modules)
    if path == "async":
        return observe_async(lambda: provider, request, watch)
    return observe_sync(provider, request, watch)


def installed(spec: ProviderSpec) -> None:
    """Skip where the library is missing; not in a thread, where pytest does not hear of it."""
    if spec.missing:
        pytest.skip(f"{spec.name} is not installed: {spec.install}")


def whole(base_url: str, request: ChatRequest) -> Message:
    """The non-streaming answer."""
    trace = fetch_json(base_url, CHAT, request)
    assert trace.status == 200
    return CHAT.message(json.loads(trace.body))


# Comparing


def scripted(tiny: Any, script: str) -> Choice:
    """The choice that the tiny model's text is known to make."""
    text = tiny.EXPECTED[script]
    if script == "tool":
        found = re.fullmatch(r'<tool_call>\n\{"name": "(\w+)", "arguments": (.*)\}\n</tool_call>', text)
        assert found is not None
        return Choice(tool_calls=(ToolCall(name=found[1], arguments=found[2]),), finish_reason="tool_calls")
    thought, marked, said = text.removeprefix("<think>").rpartition("</think>")
    reason = "length" if script == "loop" else "stop"
    return Choice(text=said, reasoning=thought if marked else "", finish_reason=reason)


def said(message: Message) -> tuple[Choice, ...]:
    """The choices without the ids of calls, which are random. No choice at all is one that says nothing."""
    return tuple(
        structs.replace(choice, tool_calls=tuple(structs.replace(call, id="") for call in choice.tool_calls))
        for choice in message.choices
    )


def as_g4f_says(choice: Choice) -> Choice:
    """The first text loses the space that it begins with, and reasoning gains a line end."""
    reasoning = choice.reasoning and f"{choice.reasoning}\n"
    return structs.replace(choice, text=choice.text.lstrip(" "), reasoning=reasoning)


REWRITTEN: dict[str, Callable[[Choice], Choice]] = {"g4f": as_g4f_says}
RAISES = {("openai-helper", "length"): "openai.LengthFinishReasonError"}
"""What a library is documented to raise behind the whole of an answer, by its finish_reason."""
ONE_FINISH = {"litellm-openai"}
"""Libraries that hand out one finish_reason a stream: of two choices, the second is without."""
NO_EXTRA = {"mistralai"}
"""Libraries that take no members of the request but those that they know: not the one that asks for usage either."""
OTHER_WORDS = {"mistralai"}
"""Libraries to which an error in the stream is a chunk that lacks members: they raise, but not with its words."""


def expected(spec: ProviderSpec, choice: Choice, findings: Any) -> tuple[Choice, ...]:
    """What a provider is to say, as far as it can show it; where it is known to rewrite, the session says so."""
    shown = choice if "reasoning" in spec.capabilities else structs.replace(choice, reasoning="")
    rewritten = REWRITTEN.get(spec.name, lambda same: same)(shown)
    if rewritten != shown:
        findings.remark(f"{spec.name} is compared with what it is known to make of answers. {as_g4f_says.__doc__}")
    return (rewritten,)


def compare(seen: Run, spec: ProviderSpec, choice: Choice, findings: Any) -> None:
    """Hold what a provider streamed, and how it ended, to what it had to."""
    (right,) = expected(spec, choice, findings)
    if raises := RAISES.get((spec.name, choice.finish_reason or "")):
        assert seen.raised is not None
        assert seen.raised.name == raises
        findings.remark(f"{spec.name} raises {raises} behind an answer whose finish_reason is {choice.finish_reason}")
        right = structs.replace(right, finish_reason=None)  # it has none but in what the exception holds
    else:
        assert seen.raised is None, seen.raised.traceback
        assert seen.succeeded
    assert said(seen.message(CHAT.name)) == (right,)


# Judged as an endpoint


@pytest.mark.parametrize(("model", "dialect"), [*(("tiny", dialect) for dialect in FAILING), ("smollm2", CHAT.name)])
def test_endpoint_is_judged(
    model: str, dialect: str, request: pytest.FixtureRequest, tmp_path: Path, findings: Any
) -> None:
    """`streamgauge check` judges the endpoint in each dialect, does not fail itself, and finds what is known."""
    base_url = request.getfixturevalue(f"{model}_url")
    report = tmp_path / "check.json"
    words = [sys.executable, "-m", "streamgauge", "check", base_url, "--dialect", dialect, "--json", str(report)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == (1 if FAILING[dialect] else 0), done.stderr
    summary = json.loads(report.read_text())
    verdicts = summary["verdicts"]
    assert summary["summary"]["error"] == 0, [v for v in verdicts if v["verdict"] == "error"]
    assert summary["summary"]["pass"] > 100
    for kind in ("fail", "non-strict"):
        found = sorted({v["rule"] for v in verdicts if v["verdict"] == kind})
        findings.remark(f"llama.cpp with {model}, {dialect}: {kind}: {', '.join(found) or 'none'}")
    failed = {v["rule"]: (v["case"], v["expected"], v["got"]) for v in verdicts if v["verdict"] == "fail"}
    assert failed.keys() == FAILING[dialect], failed


def test_endpoint_with_a_key_is_judged_by_a_header(servers: Any, tmp_path: Path) -> None:
    """A server that wants a key gets it in a header of the caller's own; without it nothing is judged."""
    with servers.start_tiny(api_key="sk-right-key") as server:
        words = [sys.executable, "-m", "streamgauge", "check", server.base_url, "--keep", str(tmp_path / "kept")]
        codes, said = [], b""
        for header in ("Authorization: Bearer sk-wrong-key", "Authorization: Bearer sk-right-key"):
            done = subprocess.run([*words, "--header", header], capture_output=True, check=False, timeout=600)
            codes.append(done.returncode)
            said += done.stdout + done.stderr
    kept = [file.read_bytes() for file in tmp_path.rglob("*.*") if file.is_file()]
    assert codes == [2, 0]
    assert len(kept) > 20
    assert not [text for text in (said, *kept) if b"sk-wrong-key" in text or b"sk-right-key" in text]


# Streamed from


@pytest.mark.parametrize("script", SCRIPTS)
def test_whole_answer_is_the_script(servers: Any, tiny_url: str, script: str) -> None:
    """The non-streaming answer is what the tiny model is made to say: what streams are compared with is right."""
    assert said(whole(tiny_url, asking(servers.tiny, script))) == (scripted(servers.tiny, script),)


@each_way
@pytest.mark.parametrize("script", SCRIPTS)
def test_stream_is_the_script(
    servers: Any, tiny_url: str, findings: Any, script: str, spec: ProviderSpec, path: str
) -> None:
    """Each provider, on each path, streams the tiny model's known text, reasoning and calls."""
    if script == "tool" and "tools" not in spec.capabilities:
        pytest.skip(f"{spec.name} does not read calls that come in fragments")
    seen = run(spec, path, tiny_url, asking(servers.tiny, script))
    compare(seen, spec, scripted(servers.tiny, script), findings)


@each_way
def test_two_choices(servers: Any, tiny_url: str, spec: ProviderSpec, path: str) -> None:
    """Two interleaved choices come apart, where a provider says that it can tell them."""
    if "n" not in spec.capabilities:
        pytest.skip(f"{spec.name} does not tell choices apart")
    seen = run(spec, path, tiny_url, ask(servers.tiny.PROMPTS["json"], n=2))
    right = scripted(servers.tiny, "json")
    second = structs.replace(right, finish_reason=None) if spec.name in ONE_FINISH else right
    assert said(seen.message(CHAT.name)) in ((right, second), (second, right))


def reply_request() -> ChatRequest:
    """What SmolLM2 is asked. No prompt is kept from one request to the next: each one's TTFT holds its prefill."""
    return ask(QUESTION, model=SMOLLM2, extra={"cache_prompt": False})


def long_request() -> ChatRequest:
    """A short prompt with an answer that takes seconds: time enough to disturb it."""
    return ask("Tell me a long story.", model=SMOLLM2, max_tokens=400)


@pytest.fixture(scope="module")
def reply(smollm2_url: str) -> Choice:
    """What SmolLM2 answers when it is not streaming; asked twice, because only a steady answer can be compared."""
    first, second = (said(whole(smollm2_url, reply_request())) for _ in range(2))
    assert first == second
    assert first[0].text.strip()
    return first[0]


@each_way
def test_stream_is_the_whole_answer(
    smollm2_url: str, reply: Choice, findings: Any, spec: ProviderSpec, path: str
) -> None:
    """Real weights: each provider, on each path, streams what the non-streaming answer says; the run is measured."""
    wanted = reply_request()
    seen = run(spec, path, smollm2_url, replace(wanted, extra={}) if spec.name in NO_EXTRA else wanted)
    compare(seen, spec, reply, findings)
    if seen.raised is not None:
        return  # the usage, which the figures need, was in what was not handed out
    events = tuple(zip(seen.times, seen.events, strict=True))
    figures = measure(Timeline(events=events, outcome=outcome_of("complete"), ended_at=seen.duration))
    assert figures.output_tokens == (None if spec.name in NO_EXTRA else LIMIT)
    show(findings, "SmolLM2-135M", spec.name, path, figures)


@pytest.mark.parametrize("model", ["tiny", "smollm2"])
def test_wire_beside_the_server_s_timings(
    model: str, request: pytest.FixtureRequest, servers: Any, findings: Any
) -> None:
    """Our own trace gives TTFT and tokens a second, and llama.cpp's last chunk its own view of the same stream."""
    base_url = request.getfixturevalue(f"{model}_url")
    wanted = asking(servers.tiny, "loop") if model == "tiny" else reply_request()
    trace = fetch(base_url, CHAT, wanted)
    figures = measure(timeline_of(trace, CHAT.name))
    timings = server_timings(trace.body)
    assert figures.outcome == "complete"
    assert figures.output_tokens == timings["predicted_n"] == LIMIT
    assert figures.output_events == LIMIT
    assert figures.ttfb is not None
    assert figures.ttft is not None
    assert 0 < figures.ttfb <= figures.ttft <= figures.e2e
    prompt, rate = timings["prompt_ms"] / 1000, timings["predicted_per_second"]
    name = {"tiny": "tiny-scripted", "smollm2": "SmolLM2-135M"}[model]
    show(findings, name, "the wire", "-", figures, server_prompt=prompt, server_rate=rate)


def server_timings(body: bytes) -> dict[str, Any]:
    """The `timings` of llama.cpp's last chunk."""
    values = [
        json.loads(frame.removeprefix(b"data: ")) for frame in body.split(b"\n\n") if frame.startswith(b"data: {")
    ]
    return members(values[-1].get("timings"))


def show(findings: Any, model: str, provider: str, path: str, figures: StreamMetrics, **server: float) -> None:
    rate = 1 / figures.tpot if figures.tpot else None
    findings.figure(
        model=model,
        provider=provider,
        path=path,
        ttft=figures.ttft,
        tokens=figures.output_tokens,
        rate=rate,
        e2e=figures.e2e,
        **server,
    )


# Recorded


def test_recorded_between_client_and_server(servers: Any, tiny_url: str, tmp_path: Path) -> None:
    """A real client in front of the recorder and a real server behind it: both see what they would without it."""
    kept: list[Kept] = []
    notes: list[str] = []
    wanted = asking(servers.tiny, "text")

    async def record() -> Run:
        proxy = RecordingProxy(
            Upstream(tiny_url), Keeper(tmp_path), lambda what: (notes if isinstance(what, str) else kept).append(what)
        )
        async with proxy:
            provider = get_provider(CHAT.name).open(Connection(base_url=proxy.base_url, api_key="sk-live-secret"))
            return await asyncio.to_thread(observe_async, lambda: provider, wanted, Watch(timeout=TIMEOUT))

    seen = asyncio.run(record())
    recording = load(kept[0].file)
    assert notes == []
    assert said(seen.message(CHAT.name)) == said(recording.message) == (scripted(servers.tiny, "text"),)
    assert recording.trace.ended == "eof"
    assert len(recording.trace.arrivals) > 15
    assert recording.provenance["server"] == "llama.cpp"
    assert all(b"sk-live-secret" not in file.read_bytes() for file in tmp_path.rglob("*.*"))


# Broken


@dataclass
class Tripwire:
    """A provider that does something to its server behind the third piece of output."""

    inner: Provider
    action: Callable[[], object]
    left: int = 3

    def _count(self, event: Event) -> None:
        if isinstance(event, OUTPUT):
            self.left -= 1
            if self.left == 0:
                self.action()

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        with closing(self.inner.stream(request)) as events:  # type: ignore[type-var]
            for event in events:
                self._count(event)
                yield event

    async def astream(self, request: ChatRequest) -> AsyncIterator[Event]:
        async with aclosing(self.inner.astream(request)) as events:  # type: ignore[type-var]
            async for event in events:
                self._count(event)
                yield event

    def close(self) -> None:
        self.inner.close()

    async def aclose(self) -> None:
        await self.inner.aclose()


def outputs(seen: Run) -> int:
    """How many pieces of output came."""
    return sum(isinstance(event, OUTPUT) for event in seen.events)


def story(seen: Run) -> str:
    """How a run ended, in a few words."""
    if seen.hung:
        return "hung until it was given up"
    if seen.raised:
        return f"raised {seen.raised.name}"
    ends = [e.ended for e in seen.events if isinstance(e, End)]
    return f"ended as if all were well ({ends[-1]})" if seen.succeeded else f"ended as {ends[-1]}"


@each_way
def test_killed_in_the_middle(servers: Any, findings: Any, spec: ProviderSpec, path: str) -> None:
    """SIGKILL: the kernel ends the connection without the last chunk. The caller gets the text so far and an error."""
    with servers.start_smollm2(ctx=1024, parallel=1) as server:
        seen = run_with(
            lambda connection: Tripwire(spec.open(connection), lambda: os.kill(server.pid, signal.SIGKILL)),
            spec,
            path,
            server.base_url,
            long_request(),
        )
    findings.remark(f"SIGKILL in the middle: {spec.name} {path} {story(seen)}")
    assert seen.message(CHAT.name).choices[0].text
    assert not seen.succeeded
    assert seen.raised is not None
    assert not seen.raised.timeout


WITHOUT_TIMEOUT = {("g4f", "sync")}
"""Ways on which a library takes no notice of a timeout: it waits for a stalled server for as long as it likes."""


@each_way
def test_stopped_in_the_middle(servers: Any, findings: Any, spec: ProviderSpec, path: str) -> None:
    """SIGSTOP: the connection stays open and nothing comes. A client with a timeout says so."""
    with servers.start_smollm2(ctx=1024, parallel=1) as server:
        seen = run_with(
            lambda connection: Tripwire(spec.open(connection), lambda: os.kill(server.pid, signal.SIGSTOP)),
            spec,
            path,
            server.base_url,
            long_request(),
            timeout=3.0,
            patience=9.0,
        )
    findings.remark(f"SIGSTOP in the middle: {spec.name} {path} {story(seen)}")
    assert seen.message(CHAT.name).choices[0].text
    assert not seen.succeeded
    if (spec.name, path) in WITHOUT_TIMEOUT:
        assert seen.hung
    else:
        assert seen.raised is not None
        assert seen.raised.timeout


@each_way
def test_wrong_key(servers: Any, findings: Any, spec: ProviderSpec, path: str) -> None:
    """A server with a key: the right one streams, a wrong one is an error without any text, that does not show it."""
    wanted = asking(servers.tiny, "json")
    with servers.start_tiny(api_key="sk-right-key") as server:
        right = run(spec, path, server.base_url, wanted, api_key="sk-right-key")
        wrong = run(spec, path, server.base_url, wanted, api_key="sk-wrong-key")
    assert right.succeeded, right.raised
    assert said(right.message(CHAT.name)) == (scripted(servers.tiny, "json"),)
    findings.remark(f"wrong key (401): {spec.name} {path} {story(wrong)}")
    assert wrong.raised is not None
    assert outputs(wrong) == 0
    assert "sk-wrong-key" not in wrong.raised.message


def broke_off(seen: Run, spec: ProviderSpec) -> bool:
    """Whether a stream with output failed; not that a library raises for an answer that max_tokens ended."""
    whole_but_raised = seen.raised is not None and seen.raised.name == RAISES.get((spec.name, "length"))
    return not seen.succeeded and outputs(seen) > 0 and not whole_but_raised


AT_ONCE = 4


@each_way
def test_error_in_the_stream(servers: Any, findings: Any, spec: ProviderSpec, path: str) -> None:
    """Streams that share a context use it up: text, then an error in the stream, of which the caller is told."""
    installed(spec)
    wanted = ask("LOOP", max_tokens=200)
    runs: list[Run] = []
    together = threading.Barrier(AT_ONCE)

    def connect(connection: Connection) -> Provider:
        provider = spec.open(connection)
        together.wait(TIMEOUT)
        return provider

    def stream(base_url: str) -> None:
        runs.append(run_with(connect, spec, path, base_url, wanted))

    with servers.start_tiny(ctx=256, parallel=AT_ONCE, unified=True) as server:
        # The model is so quick that streams which start together need not overlap: try until they have.
        for _ in range(20):
            threads = [threading.Thread(target=stream, args=(server.base_url,)) for _ in range(AT_ONCE)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if failed := [seen for seen in runs if broke_off(seen, spec)]:
                break
    for seen in failed:
        findings.remark(f"error in the stream: {spec.name} {path} {story(seen)}")
    assert failed
    for seen in failed:
        text = seen.message(CHAT.name).choices[0].text
        assert servers.tiny.loop_text(200).startswith(text)
        told = seen.raised.message if seen.raised else " ".join(e.message for e in seen.message(CHAT.name).errors)
        assert ("Context size has been exceeded" in told) is (spec.name not in OTHER_WORDS), told
