"""Strategies below any dialect: cuts of bytes, streams of server-sent events good and bad, JSON good and bad."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

_LINE_ENDS = (b"\n", b"\r\n", b"\r")
_FIELDS = (b"data", b"event", b"id", b"retry", b"Data", b"dat", b"datax", b" data", b"data ", b"\xef\xbb\xbfdata", b"")
_VALUES = (
    *(b"", b" ", b"  ", b"\t", b":", b": ", b"a", b"a b ", b"[DONE]", b'{"a":1}', b"0", b"007", b"1500", b"-1", b"1e3"),
    *(b"\x00", b"\x00a", b"\x0b\x0c\x1c\x85", "é😀".encode(), "\u2028\u2029\x85".encode(), "٣".encode()),
    *(b"\xff", b"\xf0\x9f\x98", b"\xed\xa0\xbd", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"data: x"),
)
_IDS_AND_RETRIES = (
    *(b"id: 1\n", b"id:\n", b"id\r\n", b"id:  2 \r", b"id: \x00\n", b"id: 3\x00\n", "id: é\n".encode(), b"id: 4\n\n"),
    *(b"retry: 1500\n", b"retry: 0\n\n", b"retry:\n", b"retry\n", b"retry: -1\n", b"retry: 1.5\n", b"retry: 1 \n"),
    *("retry: ٣\n".encode(), "retry: ²\n".encode(), b"retry: 1_0\n", b"retry: 0x1\n"),
)


@st.composite
def cuts(draw: st.DrawFn, body: bytes, *, empty: bool = True) -> list[bytes]:
    """The body in pieces, as reads might give it: whole, byte by byte, or cut anywhere; joined they are the body.

    empty: whether empty pieces may be among them.
    """
    end = len(body)
    marks = draw(st.lists(st.integers(0, end), max_size=12))
    # A stretch that comes byte by byte, a tenth of the time all of it: shorter is simpler, so that a failure shrinks to
    # the one cut that it takes.
    stop = min(draw(st.integers(0, 16 * end)), end)
    size = draw(st.integers(-16 * end, 16 * end))
    marks += range(max(0, stop - size), stop)
    pieces = [body[a:b] for a, b in pairwise([0, *sorted(marks), end])]
    return pieces if empty else [piece for piece in pieces if piece]


def sse_streams(*, max_size: int = 40) -> SearchStrategy[bytes]:
    """Bytes that are nearly server-sent events: well-formed events among everything that the standard lists.

    Line ends of all three kinds, comments, BOMs, fields known and unknown, with and without colon and space, NUL,
    Unicode's other line ends, ill-formed UTF-8, lines without an end. The standard gives each of them a meaning.
    max_size: the number of fragments, each about a line.
    """
    end = st.sampled_from(_LINE_ENDS)
    value = st.one_of(st.sampled_from(_VALUES), st.binary(max_size=6))
    field = st.tuples(st.sampled_from(_FIELDS), st.sampled_from([b":", b": ", b""]), value, end).map(b"".join)
    fragment = st.one_of(
        st.tuples(st.just(b"data: "), value, st.just(b"\n\n")).map(b"".join),
        st.tuples(st.just(b"event: e\ndata:"), value, st.just(b"\n\n")).map(b"".join),
        st.tuples(st.just(b"event:e\r\ndata: "), value, st.just(b"\r\n\r\n")).map(b"".join),
        field,
        st.sampled_from(_IDS_AND_RETRIES),
        end,
        value,
        st.tuples(st.just(b":"), value, end).map(b"".join),
    )
    bom = st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xef\xbb", b"\xef\xbb\xbf\xef\xbb\xbf"])
    return st.tuples(bom, st.lists(fragment, max_size=max_size).map(b"".join)).map(b"".join)


def json_texts() -> SearchStrategy[str]:
    """Texts that are JSON, nearly JSON, or JSON that readers trip over.

    Duplicate names, lone surrogates, NaN, numbers beyond any machine's, nesting beyond any stack.
    """
    scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
    values = st.recursive(scalars, lambda v: st.one_of(st.lists(v), st.dictionaries(st.text(max_size=5), v)))
    odd = st.sampled_from(
        [
            *('{"a":1,"a":2}', '"\\ud83d"', '"\\ude00\\ud83d"', "NaN", "-Infinity", "1e999999", '"\\u0000"', '"\x00"'),
            *("9" * 5000, "-" + "9" * 400, "0." + "1" * 5000, "[" * 20_000, '{"a":' * 4000, "[" * 900 + "]" * 900),
            *("", " ", "{", "nul", "'a'", "[1,]", "01", "+1", '"\\x41"', '"a', "{} {}", "\ufeff{}"),
        ]
    )
    return st.one_of(values.map(json.dumps), odd)
