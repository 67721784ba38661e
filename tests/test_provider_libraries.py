"""What every provider owes its callers, whichever client library is behind it."""

from __future__ import annotations

import asyncio
import gc
import re
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace as Chunk
from typing import Any

import pytest

from streamgauge.chat import ChatRequest
from streamgauge.errors import StreamgaugeError, UnavailableError
from streamgauge.events import OUTPUT, End, Event, Finish, ReasoningDelta, Start, TextDelta, ToolCallDelta, Usage
from streamgauge.faults import apply_faults
from streamgauge.message import Message, assemble
from streamgauge.provider import Connection, Provider, ProviderSpec, all_providers, get_provider
from streamgauge.recordings import Recording, shipped
from streamgauge.registry import get_dialect
from streamgauge.script import Piece, Script, script_of
from streamgauge.server import ReplayServer
from streamgauge_providers._chat_chunks import ChunkReader

ASK = ChatRequest.of("hello")
SPECS = list(all_providers().values())
INSTALLED = [spec for spec in SPECS if not spec.missing]
LITELLM = tuple(spec.name for spec in SPECS if spec.name.startswith("litellm-"))
PATHS = ("sync", "async")

START = Start("answer_1", "gpt-4")
CALLS = (
    ToolCallDelta(0, "call_1", "get_weather", '{"city":'),
    ToolCallDelta(0, arguments='"Paris"}'),
    ToolCallDelta(1, "call_2", "get_time", '{"zone":"CET"}'),
)
SAID: dict[str, tuple[Event, ...]] = {
    "text": (START, TextDelta("Hello"), TextDelta(", wörld"), TextDelta(" 🎉")),
    "reasoning": (START, ReasoningDelta("let me"), ReasoningDelta(" think"), TextDelta("fi"), TextDelta("ne")),
    "tools": (START, *CALLS),
}
CALLED = {
    "anthropic-messages": "tool_use",
    "bedrock-converse": "tool_use",
    "cohere-chat": "TOOL_CALL",
    "openai-chat": "tool_calls",
}
"""Why an answer with tool calls ends, where the dialect has a word of its own for that."""
KNOWN = {
    ("g4f", "reasoning"): "g4f adds a line end behind reasoning",
    ("litellm-ollama", "tools"): "LiteLLM joins Ollama's calls into one, whose arguments are no JSON then",
    ("mistralai", "tools"): "Mistral's library refuses a call's second fragment, which does not repeat the name",
}
"""What the pinned versions are known to get wrong of an undisturbed answer."""
HANGS = {("g4f", "sync"): "g4f's sync path has no time limit that its callers could set"}
"""Who waits for ever where the server falls silent."""
LEAVES_OPEN = {("google-genai", "async"): "google-genai closes the connection with the client, not with the iterator"}
"""Whose iterator can be closed without closing the connection."""
KEEP = ("litellm-openai", "huggingface-text")
"""Whose library has one pool for the whole process, which connections go back to that were read to their end."""
if get_provider("litellm-openai").version.startswith("1.106."):
    HANGS |= {("litellm-gemini", path): "before 1.107 it takes no notice of the timeout" for path in PATHS}
    LEAVES_OPEN |= {(f"litellm-{name}", "sync"): "before 1.107 it can't be closed" for name in ("openai", "anthropic")}


def params(*, known: dict[tuple[str, str], str] | None = None, second: tuple[str, ...] = ("",)) -> list[Any]:
    """Each installed provider with each path that it has (and each of `second`); what is known to fail must fail."""
    out = []
    for spec in INSTALLED:
        for path in sorted(spec.capabilities & set(PATHS)):
            for other in second:
                reason = (known or {}).get((spec.name, other or path))
                marks = [pytest.mark.xfail(reason=reason)] if reason else []
                marks += [pytest.mark.filterwarnings("ignore")] if spec.name in LITELLM else []  # it has many
                values = (spec, path, other) if other else (spec, path)
                out.append(pytest.param(*values, marks=marks, id="-".join(filter(None, (spec.name, path, other)))))
    return out


each_path = pytest.mark.parametrize(("spec", "path"), params())


@pytest.fixture(scope="module", autouse=True)
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """g4f writes a log of usage: not into the home of whoever runs the tests. No credentials of theirs are read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("G4F_CONFIG_DIR", str(tmp_path_factory.mktemp("g4f")))
        patch.setenv("AWS_CONFIG_FILE", str(tmp_path_factory.mktemp("aws") / "config"))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
        yield
    collect_litter()


LITTER: list[str] = []
"""Tests of LiteLLM since rubbish was last collected."""


@pytest.fixture(autouse=True)
def litellm_leaks(request: pytest.FixtureRequest) -> None:
    """LiteLLM leaves connections, and loops: no other library's test gets the complaints about them."""
    if any(f"[{name}" in request.node.name for name in LITELLM):
        LITTER.append(request.node.name)
    elif LITTER:
        collect_litter()


def collect_litter() -> None:
    LITTER.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as running:
        yield running


def script(spec: ProviderSpec, what: str = "text") -> Script:
    """An answer in the provider's dialect, an event a piece."""
    dialect = get_dialect(spec.dialect)
    finish = CALLED.get(spec.dialect) if what == "tools" else None
    finish = finish or dialect.finish_reasons[0]
    said = [*SAID[what], Finish(finish), Usage(7, 5), End("complete")]
    if spec.dialect in ("ollama-chat", "ollama-generate"):  # Ollama's documentation shows no ids
        said = [ToolCallDelta(e.index, "", e.name, e.arguments) if isinstance(e, ToolCallDelta) else e for e in said]
    try:
        pieces = tuple(Piece(frame) for frame in dialect.encode(said))
    except StreamgaugeError as error:
        pytest.skip(str(error))
    return Script(dialect=dialect, pieces=pieces, headers=(("Content-Type", dialect.media_type),))


def open_at(spec: ProviderSpec, base_url: str, *, timeout: float = 20.0) -> Provider:
    return spec.open(Connection(base_url=base_url, api_key="x", timeout=timeout))


def collect(path: str, provider: Provider, request: ChatRequest = ASK) -> tuple[list[Event], Exception | None]:
    """The events of one stream and what it raised; the provider is closed behind it."""
    got: list[Event] = []

    async def walk() -> None:
        try:
            async for event in provider.astream(request):
                got.append(event)  # noqa: PERF401 - what came before a failure is kept
        finally:
            await provider.aclose()

    try:
        if path == "async":
            asyncio.run(walk())
        else:
            for event in provider.stream(request):
                got.append(event)  # noqa: PERF402 - as above
    except Exception as error:
        return got, error
    finally:
        provider.close()
    return got, None


CAPABILITY = {"tools": "tool_calls", "reasoning": "reasoning", "refusal": "refusal", "finish": "finish_reason"}


def shown(message: Message, spec: ProviderSpec) -> list[object]:
    """What a provider with these capabilities shows of a message."""
    members = [member for capability, member in CAPABILITY.items() if capability in spec.capabilities]
    return [[c.text, *(getattr(c, m) for m in members)] for c in message.choices]


@pytest.mark.parametrize(("spec", "path", "what"), params(known=KNOWN, second=tuple(SAID)))
def test_answer(server: ReplayServer, spec: ProviderSpec, path: str, what: str) -> None:
    """Text, tool calls, reasoning, finish_reason and usage are the wire's, as far as the provider says it has them."""
    if what in ("tools", "reasoning") and what not in spec.capabilities:
        pytest.skip(f"{spec.name} does not declare {what!r}")
    played = script(spec, what)
    mount = server.mount(played)
    got, error = collect(path, open_at(spec, mount.base_url))
    assert error is None
    message, wanted = assemble(spec.dialect, got), played.dialect.read(played.body)
    assert shown(message, spec) == shown(wanted, spec)
    assert message.ended == "complete"
    if "usage" in spec.capabilities:
        assert message.usage == wanted.usage
    assert [request[0] for request in mount.served().requests] == ["POST"]


@pytest.mark.skipif(bool(get_provider("openai").missing), reason="openai is not installed")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "recording", [r for r in shipped().values() if r.dialect == "openai-chat"], ids=lambda r: r.name
)
def test_openai_reads_what_the_wire_says(server: ReplayServer, recording: Recording, path: str) -> None:
    """Through the chunks of a library comes what the dialect's own decoder finds in the bytes."""
    spec = get_provider("openai")
    mount = server.mount(script_of(recording))
    got, error = collect(path, open_at(spec, mount.base_url))
    message = assemble(spec.dialect, got)
    assert shown(message, spec) == shown(recording.message, spec)
    assert message.usage == recording.message.usage
    # The library turns an error that the stream reports into an exception; what came before it stays.
    assert (error is not None) == bool(recording.message.errors)


@each_path
def test_partial_answer_survives_a_reset(server: ReplayServer, spec: ProviderSpec, path: str) -> None:
    """What had arrived before an RST is handed out; then the library's own exception comes as it is."""
    played = script(spec)
    first = next(n for n, p in enumerate(played.pieces) if b"Hello" in p.data)
    # The pause keeps the reset from overtaking the bytes in the client's kernel.
    pieces = (*played.pieces[: first + 2], Piece(played.pieces[first + 2].data, 0.2))
    mount = server.mount(played.but(pieces=pieces, ending="reset"))
    got, error = collect(path, open_at(spec, mount.base_url))
    assert error is not None
    text = assemble(spec.dialect, got).choices[0].text
    assert text
    assert "Hello, wörld 🎉".startswith(text)
    assert not any(isinstance(e, End) for e in got)


@pytest.mark.parametrize(("spec", "path"), params(known=LEAVES_OPEN))
def test_early_close_closes_the_connection(server: ReplayServer, spec: ProviderSpec, path: str) -> None:
    """Closing the iterator behind the first output closes the connection, though the server would go on."""
    mount = server.mount(script(spec).but(ending="hold"))
    provider = open_at(spec, mount.base_url)

    def left() -> bool:
        return mount.wait() and mount.served().closed_early is not None

    async def walk() -> bool:
        stream: Any = provider.astream(ASK)
        async for event in stream:
            if isinstance(event, OUTPUT):
                break
        await stream.aclose()
        try:
            return await asyncio.to_thread(left)
        finally:
            await provider.aclose()

    if path == "async":
        assert asyncio.run(walk())
    else:
        stream: Any = provider.stream(ASK)
        next(event for event in stream if isinstance(event, OUTPUT))
        stream.close()
        assert left()
    provider.close()


@each_path
def test_dead_port_raises(dead_port: int, spec: ProviderSpec, path: str) -> None:
    """A port at which nothing listens is an exception, never an empty answer."""
    url = f"http://127.0.0.1:{dead_port}{get_dialect(spec.dialect).base_path}"
    got, error = collect(path, open_at(spec, url, timeout=5))
    assert got == []
    assert error is not None


@each_path
def test_refused_once(server: ReplayServer, spec: ProviderSpec, path: str) -> None:
    """A 500 is an exception, and is not retried."""
    mount = server.mount(apply_faults(script(spec), "status:500"))
    got, error = collect(path, open_at(spec, mount.base_url))
    assert got == []
    assert error is not None
    assert len(mount.served().requests) == 1


@pytest.mark.parametrize(("spec", "path"), [p for p in params() if (p.values[0].name, p.values[1]) not in HANGS])
def test_silence_is_not_waited_out(server: ReplayServer, spec: ProviderSpec, path: str) -> None:
    """The connection's timeout reaches the library: a server that falls silent is an exception."""
    mount = server.mount(script(spec).but(head_delay=None))
    _, error = collect(path, open_at(spec, mount.base_url, timeout=0.5))
    assert error is not None
    assert len(mount.served().requests) == 1


REWRITES = {
    "litellm-anthropic": ("messages",),  # with a list of parts as their content
    "litellm-gemini": ("generationConfig",),  # in snake_case, which protobuf's JSON mapping takes too
    "litellm-ollama": ("messages",),  # with an empty list of images
    "mistralai": ("stream_options",),  # Mistral's API has none: usage comes unasked
}
"""Members that a library writes in a way of its own."""
CLOSED = ("boto3", "huggingface-text", "litellm-gemini", "litellm-ollama", "mistralai", "ollama")
"""Whose calls take no members that the library has no name for."""


@each_path
def test_request_reaches_the_backend(server: ReplayServer, spec: ProviderSpec, path: str) -> None:
    """What the request asks for is in the body that the backend gets, in the dialect's own spelling."""
    mount = server.mount(script(spec))
    request = ChatRequest(messages=ASK.messages, model="gpt-4", max_tokens=500, temperature=0.5, stop=("END",))
    collect(path, open_at(spec, mount.base_url), request)
    body = mount.requests[-1].json
    wanted = get_dialect(spec.dialect).request(request).body
    compared = wanted.keys() - set(REWRITES.get(spec.name, ()))
    assert {name: body.get(name) for name in compared} == {name: wanted[name] for name in compared}


@pytest.mark.parametrize(("spec", "path"), [p for p in params() if p.values[0].name not in CLOSED])
def test_extra_members_reach_the_backend(server: ReplayServer, spec: ProviderSpec, path: str) -> None:
    """Members that no field of the request has are sent as they are, where the library has a way to."""
    mount = server.mount(script(spec))
    request = ChatRequest(messages=ASK.messages, extra={"x_custom": 3})
    _, error = collect(path, open_at(spec, mount.base_url), request)
    assert error is None
    assert mount.requests[-1].json["x_custom"] == 3


@each_path
def test_key_goes_where_the_dialect_says(server: ReplayServer, spec: ProviderSpec, path: str) -> None:
    """The backend gets the caller's key in the dialect's header, or as a bearer (the log keeps the names only)."""
    mount = server.mount(script(spec))
    collect(path, open_at(spec, mount.base_url))
    headers = mount.requests[-1].headers
    assert get_dialect(spec.dialect).auth.header.lower() in headers or "authorization" in headers


@pytest.mark.filterwarnings("ignore:Accessing the:DeprecationWarning")  # LiteLLM, of pydantic
@pytest.mark.parametrize("spec", [s for s in INSTALLED if s.name not in KEEP], ids=lambda s: s.name)
def test_nothing_is_left_open(server: ReplayServer, spec: ProviderSpec) -> None:
    """Closed, a provider holds no connection, however many streams it had on either path."""
    mount = server.mount(script(spec))
    provider = open_at(spec, mount.base_url)

    async def walk() -> None:
        for _ in range(2):
            assert [e async for e in provider.astream(ASK)]
        await provider.aclose()

    if "sync" in spec.capabilities:
        for _ in range(2):
            assert list(provider.stream(ASK))
    if "async" in spec.capabilities:
        asyncio.run(walk())
    provider.close()
    assert mount.wait_closed()


def test_finding_them_is_cheap() -> None:
    """Finding the providers imports no client library."""
    names = sorted({module for spec in SPECS if spec.kind == "library" for module in spec.modules})
    code = (
        "import sys; from streamgauge.provider import all_providers;"
        f"print('openai' in all_providers(), [m for m in {names!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["True", "[]"]


@pytest.mark.parametrize("spec", [s for s in SPECS if s.kind == "library"], ids=lambda s: s.name)
def test_missing_library_gives_the_command(spec: ProviderSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its library a provider says how to install it, by an extra that has all it requires."""
    monkeypatch.setattr("streamgauge.provider._installed", lambda name: False)
    with pytest.raises(UnavailableError, match=rf"not installed: pip install 'streamgauge\[{spec.extra}\]'"):
        open_at(spec, "http://127.0.0.1:1")
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    assert set(spec.requires) <= {re.split(r"[\[><=]", requirement)[0] for requirement in extras[spec.extra]}
    together = extras["clients"][0].partition("[")[2].rstrip("]").split(",")
    assert (spec.extra in together) == (spec.extra != "litellm")


def text(content: object, **more: object) -> Chunk:
    return Chunk(id="c", model="m", choices=[Chunk(index=0, delta=Chunk(content=content, **more), finish_reason=None)])


@pytest.mark.parametrize(
    ("chunks", "events"),
    [
        ([Chunk(choices=[])], []),
        ([Chunk(choices=None)], []),
        ([Chunk(choices=[Chunk(index=0, delta=None, finish_reason="stop")])], [Finish("stop")]),
        ([text("a"), text("b")], [Start("c", "m"), TextDelta("a"), TextDelta("b")]),
        ([text(None)], [Start("c", "m")]),
        ([text("", reasoning_content="r")], [Start("c", "m"), ReasoningDelta("r")]),
        ([text(None, reasoning="r", reasoning_content=None)], [Start("c", "m"), ReasoningDelta("r")]),
        (
            [text([{"type": "thinking", "thinking": [{"type": "text", "text": "r"}]}, {"type": "text", "text": "a"}])],
            [Start("c", "m"), ReasoningDelta("r"), TextDelta("a")],
        ),
        ([Chunk(choices=[], usage=Chunk(prompt_tokens=1, completion_tokens=2))], [Usage(1, 2)]),
        (
            [Chunk(choices=[], x_groq={"usage": {"prompt_tokens": 1, "completion_tokens": 2}})],
            [Usage(1, 2, "x_groq.usage")],
        ),
        (
            [{"choices": [{"index": 1, "delta": {"content": "a"}}]}],
            [TextDelta("a", 1)],
        ),
    ],
)
def test_chunks_are_read_as_a_user_reads_them(chunks: list[Any], events: list[Event]) -> None:
    """Missing members, empty choices and unknown types of chunk objects are nothing to stumble over."""
    reader = ChunkReader()
    assert [event for chunk in chunks for event in reader.read(chunk)] == events


def test_tool_calls_are_numbered_by_index_then_by_id() -> None:
    """A call is told from the next by its index; where there is none, by its id."""

    def call(**members: object) -> Chunk:
        function = Chunk(name=members.pop("name", None), arguments=members.pop("arguments", None))
        return text(
            None,
            tool_calls=[
                Chunk(index=None, id=None, function=function)
                if not members
                else Chunk(**({"index": None, "id": None} | members), function=function)
            ],
        )

    reader = ChunkReader()
    chunks = [call(id="a", name="f", arguments="{"), call(arguments="}"), call(id="b", name="g", arguments="{}")]
    calls = [e for chunk in chunks for e in reader.read(chunk) if isinstance(e, ToolCallDelta)]
    assert calls == [
        ToolCallDelta(0, "a", "f", "{"),
        ToolCallDelta(0, "", "", "}"),
        ToolCallDelta(1, "b", "g", "{}"),
    ]
