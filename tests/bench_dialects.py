"""Bytes to normalised events: each dialect above its framing, and openai-chat beside the openai library's chunks.

CPU time of one plain text answer, in reads of 64 KiB and of one event. `us_above_framing` in the extra info is what
an event costs beyond cutting the bytes into frames, `x_ours` how many times our cost the library's is, `x_floor` how
many times that of `json.loads` on a usual chunk ours is; all are measured in the same test, in turn with what they are
compared to.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

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


def openai(reads: Reads) -> int:
    """What `create(stream=True)` iterates, over a response that is there already."""
    import httpx2
    from openai import OpenAI, Stream
    from openai.types.chat import ChatCompletionChunk

    request = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")
    with OpenAI(api_key="none", base_url="http://127.0.0.1/v1") as client:
        response = httpx2.Response(200, request=request, content=iter(reads))
        chunks = Stream(cast_to=ChatCompletionChunk, response=response, client=client)
        return sum(1 for chunk in chunks if chunk.choices and chunk.choices[0].delta.content)


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
def test_openai_library(benchmark: BenchmarkFixture, how: str) -> None:
    """The openai library makes its chunks of the same bytes; the figure is how many times ours that costs."""
    pytest.importorskip("openai")
    benchmark.group = f"decode, {how}"
    dialect = get_dialect("openai-chat")
    reads = reads_of(dialect, how)
    ours: list[float] = []
    assert openai(reads) == TEXTS

    def beside() -> None:
        ours.append(cpu(lambda: decode(dialect, reads)))

    benchmark.pedantic(openai, args=(reads,), setup=beside, rounds=5)
    best = benchmark.stats.stats.min
    benchmark.extra_info |= {
        "us_per_event": round(best / TEXTS * 1e6, 2),
        "x_ours": round(best / min(ours), 1),
    }
