"""What holds for every dialect, whatever streams and cuts hypothesis draws; HYPOTHESIS_PROFILE=thorough draws more."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.chat import ChatRequest
from streamgauge.dialect import Dialect
from streamgauge.events import OUTPUT, End, Event, Finish, KeepAlive, Start, TextDelta, to_json, unlocated
from streamgauge.eventstream import encode_message
from streamgauge.faults import all_faults, apply_faults
from streamgauge.message import assemble
from streamgauge.provider import Connection, ProviderSpec, all_providers
from streamgauge.registry import all_dialects, get_dialect
from streamgauge.script import Piece, Script
from streamgauge.server import ReplayServer
from streamgauge.strategies import cuts, event_streams, json_texts, messages, sse_streams, wire_streams

each_dialect = pytest.mark.parametrize("name", all_dialects())
some = settings(max_examples=settings().max_examples // 2)
few = settings(max_examples=settings().max_examples // 10)
MIB = 1024 * 1024


def decoded(dialect: Dialect, chunks: list[bytes]) -> list[Event]:
    """The events of a stream that comes in these reads."""
    decoder = dialect.decoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.eof()


def ends(events: list[Event]) -> list[End]:
    """The ends that a stream said: always one."""
    return [event for event in events if isinstance(event, End)]


# Valid streams.


@each_dialect
@some
@given(data=st.data())
def test_a_stream_carries_its_message(name: str, data: st.DataObject) -> None:
    """decode(encode(message)) is the message, and any cut gives the same events with the same spans."""
    body, message = data.draw(wire_streams(name))
    whole = decoded(get_dialect(name), [body])
    assert assemble(name, whole) == message
    assert decoded(get_dialect(name), data.draw(cuts(body))) == whole
    assert len(ends(whole)) == 1
    assert all(0 <= e.span[0] <= e.span[1] <= len(body) for e in whole)


@each_dialect
@some
@given(data=st.data())
def test_frames_are_the_body(name: str, data: st.DataObject) -> None:
    """What the encoder gives is one frame an event, and a body cut by its frames is the body."""
    events = data.draw(event_streams(name))
    frames = get_dialect(name).encode(events)
    body = b"".join(frames)
    cut = get_dialect(name).cut(body)
    assert b"".join(cut) == body
    assert decoded(get_dialect(name), cut) == decoded(get_dialect(name), frames) == decoded(get_dialect(name), [body])


@each_dialect
@some
@given(data=st.data())
def test_a_stream_that_is_cut_short(name: str, data: st.DataObject) -> None:
    """The beginning of a stream says the beginning of what it says, and is not complete while a choice is open."""
    body, _ = data.draw(wire_streams(name, said=messages(name, ended=("complete",))))
    whole = decoded(get_dialect(name), [body])
    cut = data.draw(st.integers(0, len(body)))
    part = decoded(get_dialect(name), [body[:cut]])
    before = [e for e in whole if not isinstance(e, End) and e.span[1] <= cut]
    assert [e for e in part if not isinstance(e, End)][: len(before)] == before
    (end,) = ends(part)
    appeared = {e.choice for e in part if isinstance(e, OUTPUT)}
    finished = {e.choice for e in part if isinstance(e, Finish)}
    if not finished or appeared - finished:
        assert end.ended != "complete"
    assert ends(whole)[0].ended == "complete"


def lossless(dialect: Dialect) -> list[str]:
    """The specs of the faults of bytes that take nothing away and fit the dialect; time and callers need sockets."""
    found = [f for f in all_faults().values() if f.effect == "lossless" and f.layer not in ("time", "connection")]
    fitting = [f for f in found if f.fits(dialect)]
    return [f"{f.name}:{variant}" if variant else f.name for f in fitting for variant in f.variants]


@each_dialect
@few
@given(data=st.data())
def test_lossless_faults_are_invisible(name: str, data: st.DataObject) -> None:
    """Under each disturbance that takes nothing away the message is the same, and so it is under three of them."""
    dialect = get_dialect(name)
    body, message = data.draw(wire_streams(name, said=messages(name, ended=("complete",))))
    script = Script(dialect=dialect, pieces=tuple(Piece(f) for f in dialect.cut(body)))
    known = lossless(dialect)
    composed = data.draw(st.lists(st.sampled_from(known), min_size=2, max_size=3, unique=True))
    for spec in (*known, "+".join(composed)):
        disturbed = apply_faults(script, spec)
        while disturbed.then is not None:  # the last answer is the whole one
            disturbed = disturbed.then
        pieces = disturbed.pieces
        assert assemble(name, decoded(dialect, [p.data for p in pieces])) == message, spec


# Any bytes.


@st.composite
def damaged(draw: st.DrawFn, name: str) -> bytes:
    """A valid stream in which bytes were changed, left out, doubled, or put in."""
    body, _ = draw(wire_streams(name))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        stop = min(len(body), start + draw(st.integers(0, 12)))
        inside = draw(st.one_of(st.just(b""), st.binary(max_size=6), st.just(body[start:stop] * 2)))
        body = body[:start] + inside + body[stop:]
    return body


@each_dialect
@some
@given(data=st.data())
def test_any_bytes(name: str, data: st.DataObject) -> None:
    """Whatever bytes come, nothing raises, each cut gives the same events, there is one end, and all can be printed."""
    body = data.draw(st.one_of(damaged(name), st.binary(max_size=400), sse_streams()))
    dialect = get_dialect(name)
    whole = decoded(dialect, [body])
    assert decoded(dialect, data.draw(cuts(body))) == whole
    assert len(ends(whole)) == 1
    assert all(0 <= e.span[0] <= e.span[1] <= len(body) for e in whole)
    assert len(whole) <= 2 * len(body) + 2
    for event in whole:
        json.loads(to_json(event))
    json.loads(to_json(assemble(name, whole)))
    assert b"".join(dialect.cut(body)) == body


def as_frame(dialect: Dialect, text: str) -> bytes:
    """One frame of a dialect that carries this text."""
    match dialect.framing:
        case "sse":
            return b"".join(b"data: " + line + b"\n" for line in text.encode().split(b"\n")) + b"\n"
        case "ndjson":
            return text.replace("\n", " ").encode() + b"\n"
        case "json-array":
            return b"[" + text.encode() + b"]"
        case "eventstream":
            return encode_message({":message-type": "event", ":event-type": "contentBlockDelta"}, text.encode())


@each_dialect
@some
@given(text=json_texts())
def test_any_json(name: str, text: str) -> None:
    """Nesting beyond any stack, huge numbers, lone surrogates, NUL, names twice, NaN: nothing raises."""
    dialect = get_dialect(name)
    events = decoded(dialect, [as_frame(dialect, text.replace("\r", " "))])
    assert len(ends(events)) == 1
    for event in events:
        assert len(to_json(event)) < 10_000 + 6 * len(text)


def endless(dialect: Dialect) -> Iterator[tuple[str, bytes, bytes]]:
    """Streams that don't end where they should: what they are, how they begin, what comes again and again."""
    first = dialect.encode([TextDelta("a")])[0]
    yield "zeros", b"", bytes(65536)
    yield "letters", b"", b"x" * 65536
    yield "high bytes", b"", b"\xff" * 65536
    yield "an event without an end", first.rstrip(b"\r\n}]")[:-1], b"x" * 65536
    yield "opening brackets", b"data: ", b"[" * 65536


@each_dialect
@pytest.mark.parametrize("number", range(5))
def test_a_frame_without_an_end_is_not_kept(name: str, number: int) -> None:
    """80 MiB without the end of a line or a message: at most the limit is kept, and it is said once."""
    dialect = get_dialect(name)
    what, head, piece = [*endless(dialect)][number]
    decoder = dialect.decoder()
    events = decoder.feed(head)
    tracemalloc.start()
    try:
        for _ in range(80 * 16):
            events += decoder.feed(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    events += decoder.eof()
    assert peak < 60 * MIB, what
    assert len(events) < 10, what
    assert len(ends(events)) == 1


@each_dialect
def test_long_frames_are_linear(name: str) -> None:
    """A text of 4 MiB in one event comes whole, in one read and in many."""
    dialect = get_dialect(name)
    text = "0123456789abcdef" * (4 * MIB // 16)
    body = b"".join(dialect.encode([TextDelta(text)]))
    for size in (len(body), 65536, 1460):
        events = decoded(dialect, [body[i : i + size] for i in range(0, len(body), size)])
        assert "".join(e.text for e in events if isinstance(e, TextDelta)) == text


@pytest.mark.parametrize("name", [name for name, d in all_dialects().items() if d.framing == "sse"])
@pytest.mark.parametrize(
    "data", [b"it broke", b'"it broke"', b'{"error":"it broke"}', b'{"error":{"message":"it broke"}}']
)
def test_an_event_called_error_is_one(name: str, data: bytes) -> None:
    """Gateways name an event `error` and put words or JSON into it: the stream reported an error, and what it said."""
    dialect = get_dialect(name)
    message = dialect.read(
        dialect.encode([Start("a", "m"), TextDelta("x")])[0] + b"event: error\ndata: " + data + b"\n\n"
    )
    assert (message.ended, [e.message for e in message.errors], message.malformed) == ("error", ["it broke"], 0)


# Sockets.

HTTP = {spec.name: spec for spec in all_providers().values() if spec.kind == "http" and spec.dialect in all_dialects()}


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    """One replay server for all examples."""
    with ReplayServer() as running:
        yield running


def sync_events(spec: ProviderSpec, connection: Connection) -> list[Event]:
    """What the sync path of a provider gives."""
    provider = spec.open(connection)
    try:
        return [*provider.stream(ChatRequest.of("Hi"))]
    finally:
        provider.close()


async def async_events(spec: ProviderSpec, connection: Connection) -> list[Event]:
    """What its async path gives."""
    provider = spec.open(connection)
    try:
        events: AsyncIterator[Event] = provider.astream(ChatRequest.of("Hi"))
        return [event async for event in events]
    finally:
        await provider.aclose()


@pytest.mark.parametrize("provider", HTTP)
@few
@given(data=st.data())
def test_sync_is_async_is_the_bytes(server: ReplayServer, provider: str, data: st.DataObject) -> None:
    """Over sockets, cut anywhere, both paths give the events that the bytes give."""
    spec = HTTP[provider]
    dialect = get_dialect(spec.dialect)
    body, _ = data.draw(wire_streams(spec.dialect, said=messages(spec.dialect, ended=("complete",))))
    pieces = tuple(Piece(piece) for piece in data.draw(cuts(body, empty=False)))
    headers = (("Content-Type", dialect.media_type),)
    mount = server.mount(Script(dialect=dialect, pieces=pieces, headers=headers))
    connection = Connection(base_url=mount.base_url, api_key="x", timeout=60)
    expected = said(decoded(dialect, [body]))
    assert said(sync_events(spec, connection)) == expected
    assert said(asyncio.run(async_events(spec, connection))) == expected


def said(events: list[Event]) -> list[Event]:
    """Events up to the end, without spans and keep-alives: what a caller of a provider is given."""
    last = next((i for i, e in enumerate(events) if isinstance(e, End)), len(events))
    return [unlocated(e) for e in events[: last + 1] if not isinstance(e, KeepAlive)]
