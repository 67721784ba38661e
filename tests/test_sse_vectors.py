"""The team's vectors of server-sent events: each one whole, cut at every position, byte by byte, and as it was cut."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from streamgauge.sse import ServerSentEvent, SSEDecoder

pytestmark = pytest.mark.shared

CUT_EVERYWHERE = 5000
"""Bytes up to which a vector is cut at every position; the long ones are cut around their ends and middle."""


@pytest.fixture(scope="module")
def vectors(shared: Path) -> list[dict[str, Any]]:
    """All vectors of the catalogue."""
    found: list[dict[str, Any]] = json.loads((shared / "catalogue" / "sse_vectors.json").read_text())["vectors"]
    return found


def text_of(data: Any) -> str:
    """The data of an expected event, which long vectors abbreviate."""
    match data:
        case {"repeat": unit, "count": count}:
            return str(unit) * count
        case {"join": glue, "unit": unit, "count": count}:
            return str(glue).join([unit] * count)
    return str(data)


def cuts(vector: dict[str, Any], body: bytes) -> list[list[bytes]]:
    """The ways in which a vector is fed."""
    ways = [[body]]
    if "chunks_b64" in vector:
        ways.append([base64.b64decode(chunk) for chunk in vector["chunks_b64"]])
    if len(body) <= CUT_EVERYWHERE:
        ways.append([body[i : i + 1] for i in range(len(body))])
        marks = range(1, len(body))
    else:
        ways.append([body[i : i + 4096] for i in range(0, len(body), 4096)])
        middle = len(body) // 2
        marks = [*range(1, 12), *range(middle, middle + 12), *range(len(body) - 12, len(body))]
    return [*ways, *([body[:i], body[i:]] for i in marks)]


def read(chunks: list[bytes]) -> tuple[SSEDecoder, list[ServerSentEvent]]:
    """The decoder at the end, and the events that it dispatched."""
    decoder = SSEDecoder()
    frames = [frame for chunk in chunks for frame in decoder.feed(chunk)] + decoder.eof()
    return decoder, [frame for frame in frames if isinstance(frame, ServerSentEvent)]


def test_every_vector_for_every_cut(vectors: list[dict[str, Any]]) -> None:
    """Each vector gives its events, last event ID and reconnection time, and the same spans, however it is cut."""
    wrong = []
    for vector in vectors:
        body = b"".join(base64.b64decode(part) * times for part, times in vector["input"])
        expect = vector["expect"]
        events = [(e["type"], text_of(e["data"]), e["lastEventId"]) for e in expect["events"]]
        spans = [e.span for e in read([body])[1]]
        for chunks in cuts(vector, body):
            decoder, got = read(chunks)
            facts = {"finalLastEventId": decoder.last_event_id, "reconnectionTime": decoder.reconnection_time}
            if (
                [(e.type, e.data, e.id) for e in got] != events
                or any(facts[name] != expect[name] for name in facts if name in expect)
                or [e.span for e in got] != spans
            ):
                wrong.append((vector["id"], vector["title"], [len(c) for c in chunks][:5], got[:3], facts))
                break
    assert not wrong
    assert len(vectors) >= 95
