"""Bytes to normalised events: each dialect above its framing, and beside the vendor's own library on the same bytes.

CPU time of one plain text answer, in reads of 64 KiB and of one event. `us_above_framing` in the extra info is what
an event costs beyond cutting the bytes into frames, `x_ours` how many times our cost the library's is, `x_floor` how
many times that of `json.loads` on a usual chunk ours is; all are measured in the same test, in turn with what they are
compared to.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from streamgauge.dialect import Dialect
from streamgauge.events import End, Event, Finish, Start, TextDelta
from streamgauge.registry import all_dialects, get_dialect

TEXTS = 3000
ROUNDS = 9
CHUNK = json.dumps(
    {
        "id": "chatcmpl-abc",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4",
        "choices": [{"index": 0, "delta": {"content": " word1234"}, "logprobs": None, "finish_reason": None}],
    }
)
Reads = list[bytes]


def floor() -> None:
    """What reads as many chunks and knows nothing of a dialect."""
    for _ in range(TEXTS):
        json.loads(CHUNK)


def reads_of(dialect: Dialect, how: str) -> Reads:
    """A plain answer of so many texts."""
    reason = next(iter(dialect.finish_reasons), "stop")
    answer: list[Event] = [Start("chatcmpl-abc", "gpt-4")]
    answer += [TextDelta(f" word{n}") for n in range(TEXTS)]
    frames = dialect.encode([*answer, Finish(reason), End("complete")])
    if how == "one event a read":
        return frames
    body = b"".join(frames)
    return [body[i : i + 65536] for i in range(0, len(body), 65536)]


def cpu(action: Callable[[], object]) -> float:
    """Seconds of CPU time that an action takes."""
    before = time.process_time()
    action()
    return time.process_time() - before


def frames(dialect: Dialect, reads: Reads) -> None:
    """What is below a dialect: bytes to frames."""
    framer = dialect.framer()
    for read in reads:
        framer.feed(read)
    framer.eof()


def decode(dialect: Dialect, reads: Reads) -> int:
    """Bytes to events; the number of texts among them."""
    decoder, texts = dialect.decoder(), 0
    for read in reads:
        texts += len(decoder.feed(read))
    texts += len(decoder.eof())
    return texts


HOST = "http://127.0.0.1"
SSE = {"content-type": "text/event-stream"}
Library = Callable[[Reads], int]


def _answering(stack: Any, reads: Reads) -> Any:
    """A client of httpx or httpx2 whose every answer is there already."""
    transport = stack.MockTransport(lambda _: stack.Response(200, headers=SSE, content=iter(reads)))
    return stack.Client(transport=transport)


def _openai(call: Callable[[Any], Iterable[Any]], said: Callable[[Any], Any]) -> Library:
    def read(reads: Reads) -> int:
        import httpx2
        from openai import OpenAI

        http = _answering(httpx2, reads)
        with OpenAI(api_key="none", base_url=f"{HOST}/v1", max_retries=0, http_client=http) as client:
            return sum(1 for event in call(client) if said(event))

    return read


def _anthropic(reads: Reads) -> int:
    import httpx2
    from anthropic import Anthropic

    http = _answering(httpx2, reads)
    with Anthropic(api_key="none", base_url=HOST, max_retries=0, http_client=http) as client:
        turn: Any = {"role": "user", "content": "x"}
        events = client.messages.create(model="m", max_tokens=9, messages=[turn], stream=True)
        return sum(1 for event in events if event.type == "content_block_delta")


def _cohere(reads: Reads) -> int:
    import httpx
    from cohere import ClientV2

    client = ClientV2(api_key="none", base_url=HOST, httpx_client=_answering(httpx, reads))
    events = client.chat_stream(model="m", messages=[{"role": "user", "content": "x"}])
    return sum(1 for event in events if event.type == "content-delta")


def _ollama(call: Callable[[Any], Iterable[Any]], said: Callable[[Any], Any]) -> Library:
    def read(reads: Reads) -> int:
        import httpx
        from ollama import Client

        transport = httpx.MockTransport(lambda _: httpx.Response(200, content=iter(reads)))
        return sum(1 for event in call(Client(host=HOST, transport=transport)) if said(event))

    return read


def _google(reads: Reads) -> int:
    import httpx2
    from google import genai

    options: Any = {"base_url": HOST, "api_version": "v1beta", "httpx_client": _answering(httpx2, reads)}
    client = genai.Client(api_key="none", http_options=options)
    return sum(1 for event in client.models.generate_content_stream(model="m", contents="x") if event.text)


class _Raw:
    """What botocore reads an event stream from."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    def stream(self) -> Iterable[bytes]:
        return iter(self._reads)

    def close(self) -> None:
        """Nothing is held."""


def _boto3(reads: Reads) -> int:
    import boto3
    from botocore.awsrequest import AWSResponse

    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": "us-east-1"}
    client = boto3.session.Session(**keys).client("bedrock-runtime", endpoint_url=HOST)
    kind = {"content-type": "application/vnd.amazon.eventstream"}
    client.meta.events.register(
        "before-send.bedrock-runtime.*", lambda request, **_: AWSResponse(request.url, 200, kind, _Raw(reads))
    )
    return sum(
        1 for event in client.converse_stream(modelId="m", messages=[])["stream"] if "contentBlockDelta" in event
    )


LIBRARIES: dict[str, tuple[str, Library]] = {
    "openai-chat": (
        "openai",
        _openai(
            lambda client: client.chat.completions.create(model="m", messages=[], stream=True),
            lambda chunk: chunk.choices and chunk.choices[0].delta.content,
        ),
    ),
    "openai-completions": (
        "openai",
        _openai(
            lambda client: client.completions.create(model="m", prompt="x", stream=True),
            lambda chunk: chunk.choices and chunk.choices[0].text,
        ),
    ),
    "openai-responses": (
        "openai",
        _openai(
            lambda client: client.responses.create(model="m", input="x", stream=True),
            lambda event: event.type == "response.output_text.delta",
        ),
    ),
    "anthropic-messages": ("anthropic", _anthropic),
    "cohere-chat": ("cohere", _cohere),
    "ollama-chat": (
        "ollama",
        _ollama(lambda client: client.chat(model="m", messages=[], stream=True), lambda event: event.message.content),
    ),
    "ollama-generate": (
        "ollama",
        _ollama(lambda client: client.generate(model="m", prompt="x", stream=True), lambda event: event.response),
    ),
    "gemini-generate": ("google.genai", _google),
    "bedrock-converse": ("boto3", _boto3),
}
"""The vendor's own library of each dialect: what it makes of an answer that is there already, by its public API."""


@pytest.mark.benchmark(timer=time.process_time, disable_gc=True)
@pytest.mark.parametrize("how", ["64 KiB reads", "one event a read"])
@pytest.mark.parametrize("name", all_dialects())
def test_decode(benchmark: BenchmarkFixture, name: str, how: str) -> None:
    """All texts are decoded; the figures are microseconds a text, and those above the framing."""
    benchmark.group = f"decode, {how}"
    dialect = get_dialect(name)
    reads = reads_of(dialect, how)
    below: list[float] = []
    floors: list[float] = []
    assert decode(dialect, reads) >= TEXTS

    def beside() -> None:
        below.append(cpu(lambda: frames(dialect, reads)))
        floors.append(cpu(floor))

    benchmark.pedantic(decode, args=(dialect, reads), setup=beside, rounds=ROUNDS)
    best = benchmark.stats.stats.min
    benchmark.extra_info |= {
        "bytes_per_event": sum(map(len, reads)) // TEXTS,
        "us_per_event": round(best / TEXTS * 1e6, 2),
        "us_above_framing": round((best - min(below)) / TEXTS * 1e6, 2),
        "x_floor": round(best / min(floors), 2),
    }


@pytest.mark.benchmark(timer=time.process_time, disable_gc=True)
@pytest.mark.parametrize("how", ["64 KiB reads", "one event a read"])
@pytest.mark.parametrize("name", LIBRARIES)
def test_library(benchmark: BenchmarkFixture, name: str, how: str) -> None:
    """The vendor's library reads the same bytes; the figure is how many times ours that costs."""
    module, library = LIBRARIES[name]
    pytest.importorskip(module)
    benchmark.group = f"decode, {how}"
    dialect = get_dialect(name)
    reads = reads_of(dialect, how)
    ours: list[float] = []
    assert library(reads) == TEXTS

    def beside() -> None:
        ours.append(cpu(lambda: decode(dialect, reads)))

    benchmark.pedantic(library, args=(reads,), setup=beside, rounds=3)
    best = benchmark.stats.stats.min
    benchmark.extra_info |= {
        "library": module,
        "us_per_event": round(best / TEXTS * 1e6, 2),
        "x_ours": round(best / min(ours), 1),
    }
