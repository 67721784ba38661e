"""The wire probe's two response parsers read the same, however the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.instrument.response import HttptoolsParser, Parser
from streamgauge.recorder.response import ResponseReader

pytest.importorskip("httptools", reason="pip install 'streamgauge[bench]'")

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
# name: bytes, status, body, complete before the end of the connection, complete at it, reusable
CASES: dict[str, tuple[bytes, int | None, bytes, bool, bool, bool]] = {
    "chunked": (CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 200, b"abcde", True, True, True),
    "chunked, cut": (CHUNKED + b"3\r\nabc\r\n2\r\nd", 200, b"abcd", False, False, False),
    "chunked, no last chunk": (CHUNKED + b"3\r\nabc\r\n", 200, b"abc", False, False, False),
    "extensions and trailers": (CHUNKED + b"3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n", 200, b"abc", True, True, True),
    "length": (OK + b"Content-Length: 5\r\n\r\nabcde", 200, b"abcde", True, True, True),
    "closing": (OK + b"Content-Length: 5\r\nConnection: close\r\n\r\nabcde", 200, b"abcde", True, True, False),
    "too short": (OK + b"Content-Length: 9\r\n\r\nabcde", 200, b"abcde", False, False, False),
    "until the end": (OK + b"\r\nabcde", 200, b"abcde", False, True, False),
    "interim": (
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        + OK
        + b"Content-Length: 2\r\n\r\nok",
        200,
        b"ok",
        True,
        True,
        True,
    ),
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True, True, True),
    "1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", True, True, False),
    "no http": (b"SSH-2.0-x\r\n\r\n", None, b"", False, False, False),
    "no chunk": (CHUNKED + b"zz\r\nabc", 200, b"", False, False, False),
}

parsers = pytest.mark.parametrize("kind", [HttptoolsParser, ResponseReader])
cases = pytest.mark.parametrize("case", CASES)


def fed(parser: Parser, pieces: list[bytes]) -> bytes:
    return b"".join(b"".join(parser.feed(piece)) for piece in pieces)


@parsers
@cases
@pytest.mark.parametrize("step", [None, 1])
def test_a_response_is_read(kind: type[Parser], case: str, step: int | None) -> None:
    """Whole and byte by byte: status, body, whether it is complete, and whether the connection can go on."""
    raw, status, body, complete, at_end, reusable = CASES[case]
    parser = kind()
    pieces = [raw[i : i + step] for i in range(0, len(raw), step)] if step else [raw]
    assert fed(parser, pieces) == body
    assert (parser.status, parser.complete) == (status, complete)
    assert bool(parser.broken) == (case in ("no http", "no chunk"))
    assert (parser.eof(), parser.reusable) == (at_end, reusable)


@cases
@given(data=st.data())
def test_cuts_change_nothing(case: str, data: st.DataObject) -> None:
    """Both parsers give the same, cut anywhere."""
    raw = CASES[case][0]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=6)))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True) if a < b]
    found = []
    for parser in (HttptoolsParser(), ResponseReader()):
        body = fed(parser, pieces)
        ends = parser.complete, bool(parser.broken), parser.eof(), parser.reusable
        found.append((body, parser.status, parser.headers, ends))
    assert found[0] == found[1]


@parsers
def test_bytes_behind_the_end_are_no_part_of_it(kind: type[Parser]) -> None:
    """What follows a whole message is not read."""
    parser = kind()
    assert fed(parser, [OK + b"Content-Length: 2\r\n\r\nokmore", b"and more"]) == b"ok"
    assert parser.complete
    assert not parser.broken
