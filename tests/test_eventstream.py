"""AWS event streams: the specification's layout, checksums, header types, cuts and limits, beside botocore's reader."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.events import Malformed
from streamgauge.eventstream import (
    MAX_HEADERS,
    MAX_PAYLOAD,
    EventMessage,
    EventStreamDecoder,
    Frame,
    encode_message,
)
from streamgauge.sse import Unfinished

EVENT = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
ONE = encode_message(EVENT, b'{"a":1}')
TWO = encode_message({":message-type": "exception", ":exception-type": "throttlingException"}, "{é}".encode())


def decode(body: bytes, *, limit: int | None = None) -> list[Frame]:
    """All frames of a whole body."""
    decoder = EventStreamDecoder() if limit is None else EventStreamDecoder(limit)
    return [*decoder.feed(body), *decoder.eof()]


def raw(headers: bytes, payload: bytes = b"") -> bytes:
    """A message around headers that are already encoded."""
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + crc32(prelude).to_bytes(4, "big") + headers + payload
    return message + crc32(message).to_bytes(4, "big")


def header(name: bytes, kind: int, value: bytes) -> bytes:
    """One encoded header; `value` with its length where the type has one."""
    return bytes([len(name)]) + name + bytes([kind]) + value


def test_a_message() -> None:
    """Payload, type, kind, headers and span."""
    message = EventMessage('{"a":1}', "chunk", "event", tuple(EVENT.items()), (0, len(ONE)))
    assert decode(ONE) == [message]


def test_several_messages() -> None:
    """One behind the other; an exception is named by its `:exception-type`."""
    first, second = decode(ONE + TWO)
    assert first.span == (0, len(ONE))
    assert isinstance(second, EventMessage)
    assert (second.kind, second.type, second.data) == ("exception", "throttlingException", "{é}")
    assert second.span == (len(ONE), len(ONE) + len(TWO))


def test_an_error_is_named_by_its_code() -> None:
    """Smithy, "Unmodeled Error Events": `:error-code` and `:error-message`."""
    headers = {":message-type": "error", ":error-code": "InternalError", ":error-message": "oops"}
    [message] = decode(encode_message(headers, b""))
    assert isinstance(message, EventMessage)
    assert (message.kind, message.type, message.data) == ("error", "InternalError", "")
    assert dict(message.headers)[":error-message"] == "oops"


TYPES = {
    "true": (0, b"", ""),
    "false": (1, b"", ""),
    "byte": (2, b"\x01", "01"),
    "short": (3, b"\x01\x02", "0102"),
    "integer": (4, b"\0\0\0\x07", "00000007"),
    "long": (5, b"\0" * 8, "00" * 8),
    "byte_array": (6, b"\0\x03abc", "616263"),
    "string": (7, "\0\x03é!".encode(), "é!"),
    "timestamp": (8, b"\0" * 8, "00" * 8),
    "uuid": (9, bytes(range(16)), bytes(range(16)).hex()),
}


@pytest.mark.parametrize("name", TYPES)
def test_header_types(name: str) -> None:
    """Each of the specification's ten types is read, and what is behind it too."""
    kind, value, shown = TYPES[name]
    [message] = decode(raw(header(b"x", kind, value) + header(b":event-type", 7, b"\0\x01e")))
    assert isinstance(message, EventMessage)
    assert message.headers == (("x", shown), (":event-type", "e"))
    assert message.type == "e"


@pytest.mark.parametrize(
    "headers",
    [
        header(b"x", 10, b""),
        header(b"x", 7, b"\0\x09short"),
        header(b"x", 9, b"short"),
        header(b"\xff", 0, b""),
        b"\x05ab",
        b"\x01x",
        header(b"x", 7, b"\0"),
        header(b"x", 7, b"\0\x01\xff"),
    ],
    ids=["unknown type", "long string", "short uuid", "name", "long name", "no type", "no length", "string"],
)
def test_unreadable_headers(headers: bytes) -> None:
    """Headers that can't be read make their message malformed; its checksums are right, so the next one is read."""
    bad = raw(headers, b"{}")
    first, second = decode(bad + ONE)
    assert isinstance(first, Malformed)
    assert "headers" in first.reason
    assert first.span == (0, len(bad))
    assert isinstance(second, EventMessage)


def flipped(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


@pytest.mark.parametrize("at", range(len(ONE)))
def test_any_flipped_bit_ends_the_stream(at: int) -> None:
    """ "If either checksum is invalid, the stream MUST be terminated": what stands before it counts, nothing behind."""
    first, second = decode(ONE + flipped(ONE, at) + TWO)
    assert isinstance(first, EventMessage)
    assert isinstance(second, Malformed)
    assert second.span[0] == len(ONE)
    assert ("prelude" in second.reason) == (at < 12)


def test_an_impossible_length_ends_the_stream() -> None:
    """A total that has no room for the headers, and one beyond the limit, with right checksums."""
    for total, headers in ((16, 1), (10, 0), (MAX_PAYLOAD + MAX_HEADERS + 17, 0)):
        prelude = struct.pack(">II", total, headers)
        [bad] = decode(prelude + crc32(prelude).to_bytes(4, "big") + b"x" * 40)
        assert isinstance(bad, Malformed)
        assert str(total) in bad.reason


def test_a_limit_holds() -> None:
    """A message beyond the limit is never kept, wherever the bytes are cut."""
    big = encode_message(EVENT, b"x" * 500)
    assert isinstance(decode(big, limit=400)[0], Malformed)
    decoder = EventStreamDecoder(400)
    frames = [f for n in range(len(big)) for f in decoder.feed(big[n : n + 1])]
    assert [*frames, *decoder.eof()] == decode(big, limit=400)
    assert isinstance(decode(big, limit=len(big))[0], EventMessage)


def test_the_largest_payload_is_read() -> None:
    """What the specification lets a service send is never refused: 24 MiB in one message."""
    [message] = decode(encode_message(EVENT, b"x" * MAX_PAYLOAD))
    assert isinstance(message, EventMessage)
    assert len(message.data) == MAX_PAYLOAD


def test_a_cut_message() -> None:
    """What the end of the bytes cut is unfinished, at every place."""
    for cut in range(1, len(TWO)):
        first, second = decode(ONE + TWO[:cut])
        assert isinstance(first, EventMessage)
        assert isinstance(second, Unfinished)
        assert second.span == (len(ONE), len(ONE) + cut)


BODY = ONE + TWO + raw(header(b"x", 10, b"")) + ONE + flipped(TWO, 20) + ONE


@pytest.mark.parametrize("body", [ONE + TWO, BODY, ONE[:-3]], ids=["good", "broken", "cut"])
def test_every_cut(body: bytes) -> None:
    """One cut anywhere, and byte by byte: the same frames in the same places."""
    whole = decode(body)
    for cut in range(len(body) + 1):
        decoder = EventStreamDecoder()
        assert [*decoder.feed(body[:cut]), *decoder.feed(body[cut:]), *decoder.eof()] == whole
    decoder = EventStreamDecoder()
    assert [*(f for n in range(len(body)) for f in decoder.feed(body[n : n + 1])), *decoder.eof()] == whole


@given(body=st.binary(max_size=200), ahead=st.booleans())
def test_any_bytes(body: bytes, ahead: bool) -> None:
    """No bytes make it raise."""
    decode((ONE if ahead else b"") + body)


@given(
    headers=st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=30), max_size=4),
    payload=st.text(max_size=50),
)
def test_what_is_encoded_is_read(headers: dict[str, str], payload: str) -> None:
    """The encoder's messages come back with their headers and payload."""
    [message] = decode(encode_message(headers, payload.encode()))
    assert isinstance(message, EventMessage)
    assert dict(message.headers) == headers
    assert message.data == payload


def test_cost_is_linear() -> None:
    """Many small messages in one read take each byte a bounded number of times, counted by what stays buffered."""
    body = ONE * 20_000
    decoder = EventStreamDecoder()
    assert len(decoder.feed(body)) == 20_000
    assert decoder.eof() == []


@given(
    messages=st.lists(
        st.tuples(st.dictionaries(st.text(min_size=1, max_size=9), st.text(max_size=9), max_size=3), st.binary())
    )
)
def test_botocore_reads_the_same(messages: list[tuple[dict[str, str], bytes]]) -> None:
    """AWS's own reader finds the same headers and payloads, with both checksums right."""
    botocore = pytest.importorskip("botocore.eventstream")
    body = b"".join(encode_message(h, p) for h, p in messages)
    buffer = botocore.EventStreamBuffer()
    buffer.add_data(body)
    theirs = [(dict(m.headers), m.payload.decode("utf-8", "replace")) for m in buffer]
    ours = [(dict(m.headers), m.data) for m in decode(body) if isinstance(m, EventMessage)]
    assert ours == theirs
