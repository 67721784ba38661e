"""The streamed JSON array: elements whole, cut anywhere, bounded, linear."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.events import Malformed
from streamgauge.json_array import Element, Frame, JSONArrayDecoder
from streamgauge.sse import Unfinished


def decode(body: bytes, sizes: int | None = None, limit: int = 10_000) -> list[Frame]:
    """All frames of a body that is fed in pieces of a size, whole by default."""
    decoder = JSONArrayDecoder(limit)
    step = sizes or max(1, len(body))
    out = [frame for at in range(0, len(body), step) for frame in decoder.feed(body[at : at + step])]
    return [*out, *decoder.eof()]


CASES: dict[str, tuple[str, list[str]]] = {
    "empty": ("[]", []),
    "nothing": ("", []),
    "white space": (" \r\n\t", []),
    "one": ('[{"a":1}]', ['{"a":1}']),
    "as Google sends it": (
        '[{\n  "a": 1\n}\n,\r\n{\n  "b": [2, {"c": 3}]\n}\n]\n',
        ['{\n  "a": 1\n}', '{\n  "b": [2, {"c": 3}]\n}'],
    ),
    "brackets in strings": (r'[{"a":"]}[{\"\\"},{"b":"\\\\\"]"}]', [r'{"a":"]}[{\"\\"}', r'{"b":"\\\\\"]"}']),
    "several scripts": ('[{"a":"café 文 🦙"}]', ['{"a":"café 文 🦙"}']),
    "arrays as elements": ("[[1],[[2]]]", ["[1]", "[[2]]"]),
    "one object and no array": ('{"error":{"code":400}}', ['{"error":{"code":400}}']),
    "a byte order mark": ('\ufeff[{"a":1}]', ['{"a":1}']),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("size", [None, 1, 2, 3, 7])
def test_elements(name: str, size: int | None) -> None:
    """Each element is its JSON text, at its place, however the bytes are cut."""
    text, expected = CASES[name]
    body = text.encode()
    found = decode(body, size)
    assert [f.data for f in found if isinstance(f, Element)] == expected
    assert len(found) == len(expected)
    for frame in found:
        assert isinstance(frame, Element)
        assert body[slice(*frame.span)].decode() == frame.data


@pytest.mark.parametrize("name", CASES)
def test_every_cut_in_two(name: str) -> None:
    """A cut at any position changes nothing."""
    body = CASES[name][0].encode()
    whole = decode(body)
    for at in range(len(body) + 1):
        decoder = JSONArrayDecoder(10_000)
        assert [*decoder.feed(body[:at]), *decoder.feed(body[at:]), *decoder.eof()] == whole


def test_an_element_comes_with_its_last_brace() -> None:
    """Nothing waits for the comma or the element behind it."""
    decoder = JSONArrayDecoder()
    assert decoder.feed(b'[{"a":1') == []
    assert [type(f) for f in decoder.feed(b"}")] == [Element]
    assert not decoder.closed
    assert decoder.feed(b"]") == []
    assert decoder.closed


@pytest.mark.parametrize("body", [b'[{"a":1},{"b":', b'[{"a":1},{"b":"x\\', b'[{"a":1},{"b":{"c":2}'])
@pytest.mark.parametrize("size", [None, 1])
def test_an_element_that_was_cut(body: bytes, size: int | None) -> None:
    """The end of the bytes inside an element hands it out as unfinished, and does not guess."""
    first, rest = decode(body, size)
    assert isinstance(first, Element)
    assert isinstance(rest, Unfinished)
    assert body.endswith(rest.data.encode())
    assert rest.span == (9, len(body))


@pytest.mark.parametrize("body", [b'[{"a":1},', b'[{"a":1}', b"[", b'[{"a":1}\n'])
def test_an_array_that_was_cut_between_elements(body: bytes) -> None:
    """Between two elements nothing is unfinished: whether something is missing, the responses tell."""
    assert not any(isinstance(f, Unfinished) for f in decode(body))


@pytest.mark.parametrize(
    "body", [b"hello", b"[1,2]", b'[{"a":1}x', b'[{"a":1}]]', b'[{"a":1}] {"b":2}', b'{"a":1}{"b":2}']
)
@pytest.mark.parametrize("size", [None, 1, 2])
def test_what_is_no_array_of_objects(body: bytes, size: int | None) -> None:
    """The first byte that fits nowhere is reported once, at its place, and the rest is left alone."""
    *before, odd = decode(body, size)
    assert isinstance(odd, Malformed)
    assert odd.excerpt == chr(body[odd.span[0]])
    assert odd.span[1] == odd.span[0] + 1
    assert all(isinstance(f, Element) for f in before)


@pytest.mark.parametrize("size", [None, 1, 5])
def test_an_element_beyond_the_limit(size: int | None) -> None:
    """It is malformed, its excerpt short, and the elements behind it are read."""
    body = json.dumps([{"a": 1}, {"b": "x" * 600}, {"c": 3}]).encode()
    first, odd, last = decode(body, size, limit=500)
    assert isinstance(first, Element)
    assert isinstance(odd, Malformed)
    assert odd.reason == "element longer than 500 bytes"
    assert odd.span == (11, 11 + 501)
    assert len(odd.excerpt) <= 200
    assert isinstance(last, Element)
    assert last.data == '{"c": 3}'


def test_an_endless_element_is_bounded() -> None:
    """Past the limit nothing is kept of it."""
    decoder = JSONArrayDecoder(1000)
    out = decoder.feed(b'[{"a":"')
    for _ in range(200):
        out = [*out, *decoder.feed(b"x" * 100)]
    assert [type(f) for f in out] == [Malformed]
    assert len(decoder._buffer) <= 1000 + 100
    assert decoder.eof() == []


def test_deep_nesting_is_read_without_recursion() -> None:
    """A hundred thousand levels are one element; whether they are JSON is not this layer's question."""
    body = b"[" * 100_000 + b"]" * 100_000
    (element,) = decode(body, limit=300_000)
    assert isinstance(element, Element)
    assert len(element.data) == len(body) - 2


class Counting(JSONArrayDecoder):
    """Counts the steps of the scanner, and the bytes that are moved."""

    steps = 0

    def _step(self, out: list[Frame]) -> bool:
        self.steps += 1
        return super()._step(out)


@pytest.mark.parametrize("size", [1, 64, 10**6])
def test_work_is_linear(size: int) -> None:
    """Eight times the elements are eight times the steps, in one chunk and in single bytes."""
    steps = []
    for count in (100, 800):
        decoder = Counting()
        body = b"[" + b",".join([b'{"a":"b"}'] * count) + b"]"
        found = [f for at in range(0, len(body), size) for f in decoder.feed(body[at : at + size])]
        assert len(found) == count
        steps.append(decoder.steps)
    assert steps[1] < 9 * steps[0]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=4), v, max_size=3),
    max_leaves=8,
)


@given(
    values=st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=3), max_size=4),
    indent=st.sampled_from([None, 0, 2]),
    cuts=st.lists(st.integers(1, 40), max_size=8),
)
def test_any_array_in_any_cuts(values: list[Any], indent: int | None, cuts: list[int]) -> None:
    """What json.dumps writes comes back element by element, wherever the bytes are cut."""
    body = json.dumps(values, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    decoder = JSONArrayDecoder()
    found, at = [], 0
    for size in [*cuts, len(body)]:
        found += decoder.feed(body[at : at + size])
        at += size
    found += decoder.eof()
    assert [json.loads(f.data) for f in found if isinstance(f, Element)] == json.loads(body.decode("utf-8", "replace"))
    assert len(found) == len(values)


@given(
    body=st.one_of(st.binary(max_size=200), st.text(alphabet='[{"]},\\ a', max_size=200).map(str.encode)),
    size=st.integers(1, 9),
)
def test_any_bytes_in_any_cuts(body: bytes, size: int) -> None:
    """No bytes raise, and cuts never matter."""
    assert decode(body, size, limit=50) == decode(body, limit=50)
