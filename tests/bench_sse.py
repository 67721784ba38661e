"""Decoders of server-sent events on the same bytes, as multiples of the floor: `bytes.split` at blank lines.

CPU time. The events are 247 bytes, a usual chat completion chunk; reads are 64 KiB, or one event each. The floor
finds where events end and nothing else: no lines, names, texts, spans or rules. `x_floor` in the extra info is the
multiple, measured against the floor in the same test, in turn with it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from streamgauge.sse import ServerSentEvent, SSEDecoder

EVENTS = 4000
ROUNDS = 9
CHUNK = {
    "id": "chatcmpl-abc",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "gpt-4",
    "system_fingerprint": "fp_" + "a" * 21,
    "choices": [{"index": 0, "delta": {"content": " hello"}, "logprobs": None, "finish_reason": None}],
}
DATA = b"data: " + json.dumps(CHUNK).encode() + b"\n\n"
TYPED = b"event: content_block_delta\n" + DATA
CRLF = DATA.replace(b"\n", b"\r\n")
Reads = list[bytes]


def large(event: bytes) -> Reads:
    """The stream in reads of 64 KiB."""
    body = event * EVENTS
    return [body[i : i + 65536] for i in range(0, len(body), 65536)]


def single(event: bytes) -> Reads:
    """The stream in reads of one event."""
    return [bytes(bytearray(event)) for _ in range(EVENTS)]


def halves(event: bytes) -> Reads:
    """The stream in reads that end inside an event, as they do when a server writes headers and data apart."""
    cut = len(event) // 2
    return [event[:cut], *([event[cut:] + event[:cut]] * (EVENTS - 1)), event[cut:]]


SCENARIOS: dict[str, tuple[Callable[[bytes], Reads], bytes]] = {
    "64 KiB reads, data": (large, DATA),
    "64 KiB reads, event and data": (large, TYPED),
    "64 KiB reads, data, CRLF": (large, CRLF),
    "one event a read, data": (single, DATA),
    "one event a read, event and data": (single, TYPED),
    "one event a read, data, CRLF": (single, CRLF),
    "reads that cut events, data": (halves, DATA),
}


def floor(reads: Reads) -> int:
    """Find the blank lines, keep what is behind the last one."""
    blank = b"\r\n\r\n" if reads[0].find(b"\r") >= 0 else b"\n\n"
    rest, events = b"", 0
    for read in reads:
        parts = (rest + read).split(blank)
        rest = parts.pop()
        events += len(parts)
    return events


def streamgauge(reads: Reads) -> int:
    """Ours: every rule of the standard, spans, comments and limits."""
    decoder, events = SSEDecoder(), 0
    for read in reads:
        events += len(decoder.feed(read))
    return events + sum(isinstance(frame, ServerSentEvent) for frame in decoder.eof())


def httpx_sse(reads: Reads) -> int:
    """httpx-sse on an httpx response."""
    import httpx
    from httpx_sse import EventSource

    headers = {"Content-Type": "text/event-stream"}
    source = EventSource(httpx.Response(200, headers=headers, content=iter(reads)))
    return sum(1 for _ in source.iter_sse())


def openai(reads: Reads) -> int:
    """openai's decoder, without its response and its models."""
    from openai._streaming import SSEDecoder as OpenAIDecoder

    return sum(1 for _ in OpenAIDecoder().iter_bytes(iter(reads)))


CONTESTANTS = {"split": floor, "streamgauge": streamgauge, "httpx-sse": httpx_sse, "openai": openai}
REQUIRED = {"httpx-sse": "httpx_sse", "openai": "openai"}


def cpu(action: Callable[[], object]) -> float:
    """Seconds of CPU time that an action takes."""
    before = time.process_time()
    action()
    return time.process_time() - before


@pytest.mark.benchmark(timer=time.process_time, disable_gc=True)
@pytest.mark.parametrize("contestant", CONTESTANTS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_sse(benchmark: BenchmarkFixture, scenario: str, contestant: str) -> None:
    """All events are found; the figures are nanoseconds an event and the multiple of the floor."""
    benchmark.group = scenario
    if contestant in REQUIRED:
        pytest.importorskip(REQUIRED[contestant])
    make, event = SCENARIOS[scenario]
    reads, decode = make(event), CONTESTANTS[contestant]
    floors: list[float] = []
    assert decode(reads) == EVENTS

    def with_floor() -> None:
        floors.append(cpu(lambda: floor(reads)))

    benchmark.pedantic(decode, args=(reads,), setup=with_floor, rounds=ROUNDS)
    best = benchmark.stats.stats.min
    benchmark.extra_info |= {
        "bytes_per_event": len(event),
        "ns_per_event": round(best / EVENTS * 1e9, 1),
        "x_floor": round(best / min(floors), 2),
    }
