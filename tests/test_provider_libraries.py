"""What every provider owes its callers, whichever client library is behind it."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace as Chunk
from typing import Any

import pytest

from streamgauge.chat import ChatRequest
from streamgauge.events import OUTPUT, End, Event, Finish, ReasoningDelta, Start, TextDelta, ToolCallDelta, Usage
from streamgauge.faults import apply_faults
from streamgauge.message import Message, assemble
from streamgauge.provider import Connection, Provider, ProviderSpec, all_providers, get_provider
from streamgauge.recordings import Recording, get_recording, shipped
from streamgauge.script import Piece, script_of
from streamgauge.server import ReplayServer
from streamgauge_providers._chat_chunks import ChunkReader

ASK = ChatRequest.of("hello")
INSTALLED = [s for s in all_providers().values() if not s.missing and f"{s.dialect}/plain-text" in shipped()]
PATHS = ("sync", "async")
each_provider = pytest.mark.parametrize("spec", INSTALLED, ids=lambda s: s.name)
each_path = pytest.mark.parametrize("path", PATHS)


@pytest.fixture(scope="module", autouse=True)
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """g4f writes a log of usage: not into the home of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("G4F_CONFIG_DIR", str(tmp_path_factory.mktemp("g4f")))
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as running:
        yield running


def plain(spec: ProviderSpec) -> Recording:
    return get_recording(f"{spec.dialect}/plain-text")


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


@each_path
@each_provider
def test_plain_text(server: ReplayServer, spec: ProviderSpec, path: str) -> None:
    """Text, finish_reason and usage are the recording's, on both paths."""
    recording = plain(spec)
    mount = server.mount(script_of(recording))
    got, error = collect(path, open_at(spec, mount.base_url))
    assert error is None
    message = assemble(spec.dialect, got)
    assert message.choices == recording.message.choices
    assert message.usage == recording.message.usage
    assert (message.ended, message.model) == ("complete", recording.message.model)
    assert mount.served().requests[0][0] == "POST"


CAPABILITY = {"tools": "tool_calls", "reasoning": "reasoning", "refusal": "refusal"}


def shown(message: Message, spec: ProviderSpec) -> list[object]:
    """What a provider with these capabilities shows of a message."""
    members = [member for capability, member in CAPABILITY.items() if capability in spec.capabilities]
    return [[c.text, c.finish_reason, *(getattr(c, m) for m in members)] for c in message.choices]


@each_path
@pytest.mark.parametrize("recording", shipped().values(), ids=lambda r: f"{r.dialect}/{r.name}")
def test_openai_reads_what_the_wire_says(server: ReplayServer, recording: Recording, path: str) -> None:
    """Through the chunks of a library comes what the dialect's own decoder finds in the bytes."""
    spec = get_provider("openai")
    if recording.dialect != spec.dialect:
        pytest.skip(f"{spec.name} does not speak {recording.dialect}")
    mount = server.mount(script_of(recording))
    got, error = collect(path, open_at(spec, mount.base_url))
    message = assemble(spec.dialect, got)
    assert shown(message, spec) == shown(recording.message, spec)
    assert message.usage == recording.message.usage
    # The library turns an error that the stream reports into an exception; what came before it stays.
    assert (error is not None) == bool(recording.message.errors)


@each_path
@each_provider
def test_partial_answer_survives_a_reset(server: ReplayServer, spec: ProviderSpec, path: str) -> None:
    """What had arrived before an RST is handed out; then the library's own exception comes as it is."""
    recording = plain(spec)
    script = apply_faults(script_of(recording), "reset")
    # The pause keeps the reset from overtaking the bytes in the client's kernel.
    slow = script.but(pieces=(*script.pieces, Piece(recording.get_dialect().keepalive, 0.2)))
    got, error = collect(path, open_at(spec, server.mount(slow).base_url))
    assert error is not None
    text = assemble(spec.dialect, got).choices[0].text
    assert text
    assert recording.message.choices[0].text.startswith(text)
    assert not any(isinstance(e, End) for e in got)


@each_path
@each_provider
def test_early_close_closes_the_connection(server: ReplayServer, spec: ProviderSpec, path: str) -> None:
    """Closing the iterator behind the first output closes the connection, though the server would go on."""
    mount = server.mount(script_of(plain(spec)).but(ending="hold"))
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
@each_provider
def test_dead_port_raises(spec: ProviderSpec, path: str) -> None:
    """A port at which nothing listens is an exception, never an empty answer."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    got, error = collect(path, open_at(spec, url, timeout=5))
    assert got == []
    assert error is not None


@each_path
@each_provider
def test_refused_once(server: ReplayServer, spec: ProviderSpec, path: str) -> None:
    """A 500 is an exception, and is not retried."""
    mount = server.mount(apply_faults(script_of(plain(spec)), "status:500"))
    _, error = collect(path, open_at(spec, mount.base_url))
    assert error is not None
    assert len(mount.served().requests) == 1


@each_path
@each_provider
def test_request_reaches_the_backend(server: ReplayServer, spec: ProviderSpec, path: str) -> None:
    """What the request asks for is in the body that the backend gets, members of `extra` too."""
    mount = server.mount(script_of(plain(spec)))
    request = ChatRequest(
        messages=ASK.messages, model="gpt-4", max_tokens=500, temperature=0.0, seed=7, stop=("END",), extra={"top_k": 3}
    )
    dialect = plain(spec).get_dialect()
    collect(path, open_at(spec, mount.base_url), request)
    body = mount.requests[-1].json
    wanted = dialect.request(request).body
    assert {name: body.get(name) for name in wanted} == wanted


@each_provider
def test_nothing_is_left_open(server: ReplayServer, spec: ProviderSpec) -> None:
    """Closed, a provider holds no connection, however many streams it had on either path."""
    mount = server.mount(script_of(plain(spec)))
    provider = open_at(spec, mount.base_url)

    async def walk() -> None:
        for _ in range(2):
            assert [e async for e in provider.astream(ASK)]
        await provider.aclose()

    for _ in range(2):
        assert list(provider.stream(ASK))
    asyncio.run(walk())
    provider.close()
    assert mount.wait_closed()


@pytest.mark.parametrize("spec", [s for s in INSTALLED if s.kind == "library"], ids=lambda s: s.name)
def test_import_is_cheap(spec: ProviderSpec) -> None:
    """Finding the providers imports no client library."""
    code = (
        "import sys; from streamgauge.provider import all_providers;"
        f"print({spec.name!r} in all_providers(), [m for m in {spec.modules!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["True", "[]"]


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
