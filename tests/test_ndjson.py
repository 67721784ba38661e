"""Lines of JSON: whole, cut anywhere, bounded, linear."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.events import Malformed
from streamgauge.ndjson import Frame, Line, NDJSONDecoder
from streamgauge.sse import Unfinished


def decode(body: bytes, size: int | None = None, limit: int = 10_000) -> list[Frame]:
    """All frames of a body that is fed in pieces of a size, whole by default."""
    decoder = NDJSONDecoder(limit)
    step = size or max(1, len(body))
    out = [frame for at in range(0, len(body), step) for frame in decoder.feed(body[at : at + step])]
    return [*out, *decoder.eof()]


CASES: dict[str, tuple[bytes, list[str]]] = {
    "nothing": (b"", []),
    "two": (b'{"a":1}\n{"b":2}\n', ['{"a":1}', '{"b":2}']),
    "CRLF": (b'{"a":1}\r\n{"b":2}\r\n', ['{"a":1}', '{"b":2}']),
    "empty lines": (b'\n{"a":1}\n\n\r\n{"b":2}\n\n', ['{"a":1}', '{"b":2}']),
    "no line end behind the last": (b'{"a":1}\n{"b":2}', ['{"a":1}', '{"b":2}']),
    "several scripts": ('{"a":"café 文 🦙"}\n'.encode(), ['{"a":"café 文 🦙"}']),
    "separators that are no line ends": (
        '{"a":"x\u2028y\u0085z\u000bw"}\n'.encode(),
        ['{"a":"x\u2028y\u0085z\u000bw"}'],
    ),
    "a lone CR": (b'{"a":\r1}\n', ['{"a":\r1}']),
    "what is no JSON": (b"hello\n", ["hello"]),
    "a byte order mark": (b'\xef\xbb\xbf{"a":1}\n{"b":2}\n', ['{"a":1}', '{"b":2}']),
    "a byte order mark and one line": (b'\xef\xbb\xbf{"a":1}', ['{"a":1}']),
    "a byte that is not UTF-8": (b'{"a":"\xff"}\n', ['{"a":"\ufffd"}']),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("size", [None, 1, 2, 3, 7])
def test_lines(name: str, size: int | None) -> None:
    """Each line that is not empty is handed out without its line end, however the bytes are cut."""
    body, expected = CASES[name]
    found = decode(body, size)
    assert [f.data for f in found if isinstance(f, Line)] == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize("name", CASES)
def test_every_cut_in_two(name: str) -> None:
    """A cut at any position changes nothing, spans included."""
    body = CASES[name][0]
    whole = decode(body)
    for at in range(len(body) + 1):
        decoder = NDJSONDecoder(10_000)
        assert [*decoder.feed(body[:at]), *decoder.feed(body[at:]), *decoder.eof()] == whole


def test_spans_hold_the_line_end() -> None:
    """Joined, the spans of lines are the body."""
    body = b'{"a":1}\r\n\n{"b":2}\n{"c":3}'
    assert [body[slice(*f.span)] for f in decode(body)] == [b'{"a":1}\r\n', b'{"b":2}\n', b'{"c":3}']


def test_a_line_comes_with_its_line_end() -> None:
    """Nothing waits for the line behind it."""
    decoder = NDJSONDecoder()
    assert decoder.feed(b'{"a":1}') == []
    assert [type(f) for f in decoder.feed(b"\n")] == [Line]


@pytest.mark.parametrize("size", [None, 1])
def test_a_line_that_was_cut(size: int | None) -> None:
    """The end of the bytes inside a line that is no JSON yet hands it out as unfinished."""
    first, rest = decode(b'{"a":1}\n{"b":', size)
    assert isinstance(first, Line)
    assert rest == Unfinished('{"b":', span=(8, 13))


@pytest.mark.parametrize("size", [None, 1, 5, 64])
def test_a_line_beyond_the_limit(size: int | None) -> None:
    """It is malformed, its excerpt short, and the lines behind it are read."""
    body = b'{"a":1}\n{"b":"' + b"x" * 600 + b'"}\n{"c":3}\n'
    first, odd, last = decode(body, size, limit=100)
    assert isinstance(first, Line)
    assert isinstance(odd, Malformed)
    assert odd.reason == "line longer than 100 bytes"
    assert odd.span == (8, 8 + 101)
    assert isinstance(last, Line)
    assert (last.data, body[slice(*last.span)]) == ('{"c":3}', b'{"c":3}\n')


def test_an_endless_line_is_bounded() -> None:
    """Past the limit nothing is kept of it."""
    decoder = NDJSONDecoder(1000)
    out: list[Frame] = []
    for _ in range(100):
        out += decoder.feed(b"x" * 100)
    assert [type(f) for f in out] == [Malformed]
    assert decoder._tail == []
    assert decoder.eof() == []


def test_single_bytes_are_joined_once() -> None:
    """A long line in single bytes is kept in pieces: joining at each feed would be quadratic."""
    decoder = NDJSONDecoder()
    for byte in b"x" * 1000:
        decoder.feed(bytes([byte]))
    assert len(decoder._tail) == 1000
    assert len(decoder.feed(b"\n")) == 1
    assert decoder._tail == []


@given(
    values=st.lists(st.dictionaries(st.text(max_size=4), st.text(max_size=8) | st.integers(), max_size=3), max_size=5),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
    cuts=st.lists(st.integers(1, 30), max_size=8),
)
def test_any_values_in_any_cuts(values: list[Any], end: str, cuts: list[int]) -> None:
    """What is written one value a line comes back, wherever the bytes are cut."""
    body = "".join(json.dumps(v, ensure_ascii=False) + end for v in values).encode("utf-8", "replace")
    decoder = NDJSONDecoder()
    found, at = [], 0
    for size in [*cuts, len(body)]:
        found += decoder.feed(body[at : at + size])
        at += size
    assert [json.loads(f.data) for f in found if isinstance(f, Line)] == [
        json.loads(line) for line in body.decode().split("\n") if line.strip()
    ]
    assert decoder.eof() == []


@given(
    body=st.one_of(st.binary(max_size=200), st.text(alphabet="ab\r\n", max_size=300).map(str.encode)),
    size=st.integers(1, 9),
)
def test_any_bytes_in_any_cuts(body: bytes, size: int) -> None:
    """No bytes raise, and cuts never matter."""
    assert decode(body, size, limit=50) == decode(body, limit=50)
