"""The server rules on what real model servers sent, read by read: what they truly do wrong is found, and no more."""

from __future__ import annotations

import dataclasses
import json
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import pytest

from streamgauge.engine import judge
from streamgauge.message import Message
from streamgauge.registry import get_dialect
from streamgauge.rules import Exchange
from streamgauge.trace import Arrival, Trace

pytestmark = pytest.mark.shared
CHAT = get_dialect("openai-chat")

TRUE_DEPARTURES = {
    ("hf-serve", "SEQ-006"),  # transformers serve never sends [DONE],
    ("hf-serve", "AGG-006"),  # includes the stop string,
    ("hf-serve", "HTTP-012"),  # and answers bad parameters with a plain "Internal Server Error"
    ("litellm", "SEQ-002"),  # LiteLLM loses the finish chunk of the second choice
    ("llama-server", "HTTP-006"),  # killed by a signal in the middle of an answer
    ("llama-server", "ERR-001"),
}


def chunks(raw: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Each chunk of a chunked body with the offset of its end; an empty one is the last chunk."""
    while (line_end := raw.find(b"\r\n", start)) >= 0:
        size = int(raw[start:line_end].partition(b";")[0], 16)
        start = line_end + 2 + size
        yield start, raw[line_end + 2 : start]
        if not size:
            return
        start += 2


def trace(path: Path) -> Trace:
    """A capture as a trace: each chunk arrives with the read that completed it."""
    raw = path.read_bytes()
    reads = [line.split() for line in path.with_suffix(".timing").read_text().splitlines()]
    ends = list(accumulate(int(size) for _, size in reads))
    times = [float(at) for at, _ in reads]
    head, _, rest = raw.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    headers = tuple((name, value.strip()) for name, _, value in (field.partition(":") for field in fields))
    found = [(len(raw), rest)]
    if b"chunked" in head.lower():
        found = list(chunks(raw, len(head) + 4))
    ended = b"chunked" not in head.lower() or bool(found and not found[-1][1])
    asked = path.with_suffix(".request")
    body = asked.read_text().partition("\n")[2] if asked.exists() else ""
    return Trace(
        arrivals=tuple(Arrival(times[min(bisect_left(ends, end), len(times) - 1)], data) for end, data in found),
        status=int(status.split()[1]),
        headers=headers,
        headers_at=times[0],
        ended="eof" if ended else "incomplete",
        ended_at=times[-1],
        request=json.loads(body) if body.startswith("{") else None,
        timed=True,
    )


def twin(folder: Path) -> Message:
    return CHAT.message(json.loads(trace(folder / "chat.nonstream.raw").body))


def captures(shared: Path) -> Iterator[Path]:
    for path in sorted((shared / "captures").glob("*/*.raw")):
        name = path.name.removesuffix(".raw")
        bad_chat = name.startswith("err.") and name.count(".") == 1 and name not in ("err.badjson", "err.toolong")
        if name.split(".")[0] in ("chat", "fault") or bad_chat:
            yield path


def test_real_servers_fail_where_they_truly_depart(shared: Path) -> None:
    """What FACTS.md says of transformers serve, LiteLLM and a killed llama-server is found; vLLM and llama.cpp pass."""
    found = set()
    number = 0
    for path in captures(shared):
        number += 1
        for verdict in judge(Exchange(CHAT, trace(path), case=path.name)):
            assert verdict.verdict != "error", verdict
            if verdict.verdict == "fail":
                found.add((path.parent.name, verdict.rule))
    assert number > 60
    assert found == TRUE_DEPARTURES


@pytest.mark.parametrize("server", ["hf-serve", "vllm", "xllamacpp"])
def test_streams_equal_their_twins(shared: Path, server: str) -> None:
    """The tiny model's text is the same with and without streaming, so that the aggregate rules pass."""
    folder = shared / "captures" / server
    recorded = trace(folder / "chat.raw")
    same = dataclasses.replace(recorded, request={**(recorded.request or {}), "seed": 1})
    verdicts = {v.rule: v for v in judge(Exchange(CHAT, same, reference=twin(folder)))}
    assert verdicts["AGG-001"].verdict == "pass"
    assert verdicts["AGG-003"].verdict == "pass"


def test_another_answer_is_told(shared: Path) -> None:
    """A stream that was cut by length, beside the twin of a whole one, breaks the aggregate rules."""
    folder = shared / "captures" / "xllamacpp"
    recorded = trace(folder / "chat.length.raw")
    same = dataclasses.replace(recorded, request={**(recorded.request or {}), "seed": 1})
    verdicts = {v.rule: v for v in judge(Exchange(CHAT, same, reference=twin(folder)))}
    assert verdicts["AGG-001"].verdict == "non-strict"
    assert verdicts["AGG-003"].verdict == "non-strict"
