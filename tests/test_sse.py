"""Server-sent events as WHATWG HTML 9.2.5 and 9.2.6 say, for every cut of the bytes; limits; linear work."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.events import Malformed
from streamgauge.sse import DEFAULT_LIMIT, Comment, Frame, ServerSentEvent, SSEDecoder, Unfinished
from streamgauge.strategies import cuts, sse_streams

BOM = b"\xef\xbb\xbf"


class Read(NamedTuple):
    """What a whole stream came to: events as (type, data, last event ID), last event ID, reconnection time."""

    events: list[tuple[str, str, str]]
    last_event_id: str
    reconnection_time: int | None


def frames_of(chunks: Iterable[bytes], limit: int = DEFAULT_LIMIT) -> list[Frame]:
    """All frames of a stream that comes in these reads."""
    decoder = SSEDecoder(limit)
    return [frame for chunk in chunks for frame in decoder.feed(chunk)] + decoder.eof()


def read(chunks: Iterable[bytes]) -> Read:
    """What our decoder makes of a stream."""
    decoder = SSEDecoder()
    frames = [frame for chunk in chunks for frame in decoder.feed(chunk)] + decoder.eof()
    events = [(f.type, f.data, f.id) for f in frames if isinstance(f, ServerSentEvent)]
    return Read(events, decoder.last_event_id, decoder.reconnection_time)


def lines_of(text: str) -> Iterator[str]:
    """9.2.5: lines end in CRLF, LF or CR; what follows the last line end is no line."""
    line = ""
    position = 0
    while position < len(text):
        if text[position : position + 2] == "\r\n":
            yield line
            line, position = "", position + 2
        elif text[position] in "\r\n":
            yield line
            line, position = "", position + 1
        else:
            line, position = line + text[position], position + 1


def reference(body: bytes) -> Read:
    """The standard's prose as it stands, one step after the other: slow, and nothing but that."""
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    data = event_type = last_event_id_buffer = last_event_id = ""
    reconnection_time: int | None = None
    events = []
    for line in lines_of(text):
        if line == "":
            # "Dispatch the event", steps 1 to 8.
            last_event_id = last_event_id_buffer
            if data == "":
                event_type = ""
                continue
            if data[-1] == "\n":
                data = data[:-1]
            events.append((event_type or "message", data, last_event_id))
            data = event_type = ""
        elif line[0] == ":":
            continue
        else:
            field, colon, value = line.partition(":")
            if colon and value.startswith(" "):
                value = value[1:]
            if field == "event":
                event_type = value
            elif field == "data":
                data = data + value + "\n"
            elif field == "id" and "\0" not in value:
                last_event_id_buffer = value
            elif field == "retry" and value != "" and all(c in "0123456789" for c in value):
                reconnection_time = int(value)
    return Read(events, last_event_id, reconnection_time)


def message(*datas: str, event: str = "message", last: str = "") -> list[tuple[str, str, str]]:
    """Expected events of one type."""
    return [(event, data, last) for data in datas]


CASES: dict[str, tuple[bytes, list[tuple[str, str, str]]]] = {
    # Dispatch: a blank line, and nothing but a blank line, hands out an event.
    "one event": (b"data: a\n\n", message("a")),
    "two events": (b"data: a\n\ndata: b\n\n", message("a", "b")),
    "nothing": (b"", []),
    "blank lines only": (b"\n\n\r\n\r\r", []),
    "blank lines around events": (b"\n\ndata: a\n\n\n\n\ndata: b\n\n\n", message("a", "b")),
    "an event that the end of the bytes cuts is discarded": (b"data: a\n\ndata: b\n", message("a")),
    "so is a line that it cuts": (b"data: a\n\ndata: b", message("a")),
    "[DONE] is an event like any other": (b"data: [DONE]\n\n", message("[DONE]")),
    # The data field.
    "empty data is an event": (b"data:\n\n", message("")),
    "so is data without a colon": (b"data\n\n", message("")),
    "two empty data lines are one LF": (b"data\ndata\n\n", message("\n")),
    "data lines are joined with LF": (b"data: YHOO\ndata: +2\ndata: 10\n\n", message("YHOO\n+2\n10")),
    "an empty first data line counts": (b"data:\ndata: a\n\n", message("\na")),
    "an empty last data line counts": (b"data: a\ndata\n\n", message("a\n")),
    "JSON over several lines": (b'data: {\ndata: "a": 1\ndata: }\n\n', message('{\n"a": 1\n}')),
    "an escaped line end is data": (b'data: {"a":"x\\ny"}\n\n', message('{"a":"x\\ny"}')),
    # Colons and spaces.
    "no space after the colon": (b"data:a\n\n", message("a")),
    "one space is removed, not two": (b"data:  a\n\n", message(" a")),
    "a tab stays": (b"data:\ta\n\n", message("\ta")),
    "spaces at the end stay": (b"data: a  \n\n", message("a  ")),
    "only the first colon parts": (b"data: a:b: c\n\n", message("a:b: c")),
    "a second colon is the value's": (b"data::a\n\n", message(":a")),
    "with and without space side by side": (b"data: a\n\ndata:b\n\ndata:  c\n\n", message("a", "b", " c")),
    # Names.
    "names have case": (b"Data: a\nDATA: b\ndata: c\n\n", message("c")),
    "a space before the name": (b" data: a\ndata: b\n\n", message("b")),
    "a space behind the name": (b"data : a\ndata: b\n\n", message("b")),
    "unknown fields make no event": (b"foo: bar\n\ndatax: a\n\n", []),
    "unknown fields beside data": (b"foo: bar\ndata: a\nbar\n\n", message("a")),
    "a JSON body is no event": (b'{"error": {"message": "no"}}\n', []),
    "an HTML page is none": (b"<html>\n<body>502</body>\n\n</html>\n\n", []),
    # Comments.
    "a comment is ignored": (b": hello\n\ndata: a\n\n", message("a")),
    "comments inside an event": (b"data: a\n: no\ndata: b\n:\n\n", message("a\nb")),
    "a comment that looks like data": (b":data: a\n\n", []),
    "OpenRouter's": (
        b": OPENROUTER PROCESSING\n\ndata: a\n\n: OPENROUTER PROCESSING\n\ndata: b\n\n",
        message("a", "b"),
    ),
    # The event field.
    "a type": (b"event: ping\ndata: a\n\n", message("a", event="ping")),
    "a type behind the data": (b"data: a\nevent: ping\n\n", message("a", event="ping")),
    "a type without space": (b"event:ping\ndata:a\n\n", message("a", event="ping")),
    "a type holds for one event": (b"event: x\ndata: a\n\ndata: b\n\n", [("x", "a", ""), ("message", "b", "")]),
    "a type without data is no event": (b"event: x\n\ndata: b\n\n", message("b")),
    "an empty type is message": (b"event:\ndata: a\n\nevent\ndata: b\n\n", message("a", "b")),
    "the last type wins": (b"event: x\nevent: y\ndata: a\n\n", message("a", event="y")),
    "an empty last type wins": (b"event: x\nevent\ndata: a\n\n", message("a")),
    "a type keeps its spaces": (b"event:  x y \ndata: a\n\n", message("a", event=" x y ")),
    "a type in any script": ("event: привет\ndata: a\n\n".encode(), message("a", event="привет")),
    "typed events in a row": (b"event: x\ndata: a\n\nevent: y\ndata: b\n\n", [("x", "a", ""), ("y", "b", "")]),
    "type, data, data": (b"event: x\ndata: a\ndata: b\n\nevent: y\n\n", message("a\nb", event="x")),
    "type twice in a row of typed events": (
        b"event: x\ndata: a\n\nevent: y\nevent: z\n\nevent: u\ndata: b\ndata: c\n\n",
        [("x", "a", ""), ("u", "b\nc", "")],
    ),
    # The id field.
    "an id": (b"id: 1\ndata: a\n\n", message("a", last="1")),
    "an id stays in force": (b"id: 1\ndata: a\n\ndata: b\n\n", message("a", "b", last="1")),
    "an empty id resets": (b"id: 1\ndata: a\n\nid\ndata: b\n\n", [("message", "a", "1"), ("message", "b", "")]),
    "an id with NUL is ignored": (b"id: 1\nid: 2\x003\ndata: a\n\n", message("a", last="1")),
    "an id alone is no event but counts": (b"id: 1\n\ndata: a\n\n", message("a", last="1")),
    "an id behind the data": (b"data: a\nid: 1\n\n", message("a", last="1")),
    "the last id wins": (b"id: 1\nid: 2\ndata: a\n\n", message("a", last="2")),
    "ids between plain events": (
        b"data: a\n\nid: 7\ndata: b\n\ndata: c\n\n",
        [("message", "a", ""), ("message", "b", "7"), ("message", "c", "7")],
    ),
    # Line ends.
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", message("a", "b")),
    "CR": (b"data: a\r\rdata: b\r\r", message("a", "b")),
    "LF and CRLF": (b"data: a\n\r\ndata: b\r\n\n", message("a", "b")),
    "LF CR is two line ends": (b"data: a\n\rdata: b\n\r", message("a", "b")),
    "CR CRLF is two": (b"data: a\r\r\ndata: b\r\r\n", message("a", "b")),
    "CRLF CR is two": (b"data: a\r\n\rdata: b\r\n\r", message("a", "b")),
    "CRLF events with types": (
        b"event: x\r\ndata: a\r\n\r\nevent: y\r\ndata: b\r\n\r\n",
        [("x", "a", ""), ("y", "b", "")],
    ),
    "a lone CR among CRLF": (b"data: a\r\n\r\ndata: b\rdata: c\r\n\r\n", message("a", "b\nc")),
    "a lone CR behind a type among CRLF": (b"data: a\r\n\r\nevent: x\rXdata: b\r\n\r\n", message("a")),
    "a lone LF behind a type among CRLF": (b"data: a\r\n\r\nevent: x\nXdata: b\r\n\r\n", message("a")),
    "Unicode's line ends are data": ("data: a\u2028b\u2029c\x85d\n\n".encode(), message("a\u2028b\u2029c\x85d")),
    "ASCII's other line ends are data": (
        b"data: a\x0bb\x0cc\x1cd\x1de\x1ef\n\n",
        message("a\x0bb\x0cc\x1cd\x1de\x1ef"),
    ),
    "a line of one space is not blank": (b"data: a\n \ndata: b\n\n", message("a\nb")),
    # Encoding.
    "a BOM at the start": (BOM + b"data: a\n\n", message("a")),
    "two BOMs: the second is the name's": (BOM + BOM + b"data: a\n\ndata: b\n\n", message("b")),
    "a BOM later is the name's": (b"data: a\n\n" + BOM + b"data: b\n\n", message("a")),
    "a BOM in data stays": (b"data: " + BOM + b"a\n\n", message("\ufeffa")),
    "half a BOM": (b"\xef\xbb", []),
    "half a BOM and a field": (b"\xef\xbbdata: a\n\ndata: b\n\n", message("b")),
    "characters of 2, 3 and 4 bytes": ("data: é中🦙\n\n".encode(), message("é中🦙")),
    "joined emoji and marks": ("data: 👩‍👩‍👧 e\u0301\n\n".encode(), message("👩‍👩‍👧 e\u0301")),
    "a bad byte is U+FFFD": (b"data: a\xffb\n\n", message("a\ufffdb")),
    "a cut character is one U+FFFD": (b"data: \xf0\x9f\xa6\n\ndata: b\n\n", message("\ufffd", "b")),
    "UTF-16 surrogates are three": (b"data: \xed\xa0\xbd\n\n", message("\ufffd" * 3)),
    "an overlong NUL is two": (b"data: \xc0\x80\n\n", message("\ufffd" * 2)),
    "bad bytes among good events": (b"data: a\n\ndata: \xff\n\ndata: \xc3\xa9\n\n", message("a", "\ufffd", "é")),
    "bad bytes among typed events": (
        b"event: \xff\ndata: a\n\nevent: x\ndata: \xff\n\n",
        [("\ufffd", "a", ""), ("x", "\ufffd", "")],
    ),
    "NUL is data": (b"data: a\x00b\n\n", message("a\x00b")),
    "a JSON escape of a surrogate is text": (b'data: "\\ud83d"\n\n', message('"\\ud83d"')),
}

RETRY = {
    b"retry: 1500\n\n": 1500,
    b"retry:0\n": 0,
    b"retry: 007\n": 7,
    b"retry: 1\nretry: x\n": 1,
    b"retry: 1\nretry: 2\n": 2,
    b"retry: 1500": None,
    b"retry: 20\nretry: 10": 20,
    b"retry\n": None,
    b"retry:\n": None,
    b"retry: -1\n": None,
    b"retry: +1\n": None,
    b"retry: 1.5\n": None,
    b"retry: 1e3\n": None,
    b"retry: 1_000\n": None,
    b"retry:  1\n": None,
    b"retry: 1 \n": None,
    "retry: ٣\n".encode(): None,
    "retry: \u00b2\n".encode(): None,
}
"""Bytes, and the reconnection time in milliseconds after them."""


def ways(body: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte, byte by byte with empty reads, and in two at every position."""
    single = [body[i : i + 1] for i in range(len(body))]
    yield [body]
    yield single
    yield [piece for byte in single for piece in (b"", byte, b"")]
    for i in range(1, len(body)):
        yield [body[:i], body[i:]]


@pytest.mark.parametrize("case", CASES)
def test_case_for_every_cut(case: str) -> None:
    """The events are those of the standard, whatever the cut."""
    body, expected = CASES[case]
    for chunks in ways(body):
        assert read(chunks).events == expected, chunks


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("before", [b"data: before\n\n", b"event: t\r\ndata: before\r\n\r\n"])
def test_case_behind_an_event(case: str, before: bytes) -> None:
    """Behind an event that was read whole, where reads of whole events are taken in one step, nothing changes."""
    body, _ = CASES[case]
    whole = before + body
    frames = frames_of([whole])
    assert read([whole]) == reference(whole)
    for chunks in ways(body):
        assert read([before, *chunks]).events == reference(whole).events, chunks
        assert frames_of([before, *chunks]) == frames, chunks


@pytest.mark.parametrize("case", CASES)
def test_case_with_bytes_after_it(case: str) -> None:
    """What follows, behind two blank lines, is read as if nothing had been before it but the ID in force."""
    body, _ = CASES[case]
    before = reference(body + b"\n\n")
    after = [("message", "later", before.last_event_id), ("t", "last", before.last_event_id)]
    for chunks in ways(body + b"\n\ndata: later\n\nevent: t\ndata: last\n\n"):
        assert read(chunks).events == before.events + after, chunks


@pytest.mark.parametrize("case", CASES)
def test_spans_and_frames_do_not_depend_on_cuts(case: str) -> None:
    """Comments, spans and what is unfinished are the same for every cut too."""
    body, _ = CASES[case]
    whole = frames_of([body])
    for chunks in ways(body):
        assert frames_of(chunks) == whole, chunks


@pytest.mark.parametrize("body", RETRY)
def test_retry(body: bytes) -> None:
    """Only a whole line of ASCII digits sets the reconnection time."""
    for chunks in ways(body):
        assert read(chunks).reconnection_time == RETRY[body], chunks


@pytest.mark.parametrize("case", CASES)
def test_the_oracle_agrees_with_the_table(case: str) -> None:
    """The reference that the property below relies on gives what was written down by hand."""
    body, expected = CASES[case]
    assert reference(body).events == expected


@given(body=sse_streams(), data=st.data())
def test_the_standard_for_any_stream_and_cut(body: bytes, data: st.DataObject) -> None:
    """Every path through the decoder gives what the standard's prose gives, and the same frames for every cut."""
    chunks = data.draw(cuts(body))
    assert read(chunks) == read([body]) == reference(body)
    assert frames_of(chunks) == frames_of([body])


@given(body=sse_streams(), times=st.integers(2, 4), data=st.data())
def test_runs_between_other_lines(body: bytes, times: int, data: st.DataObject) -> None:
    """The fast paths, which take over between two events, leave the state as the slow one would."""
    run = data.draw(
        st.sampled_from([b"data: a\n\n", b"data:a\r\n\r\n", b"event: e\ndata: a\n\n", b"event:\r\ndata:\r\n\r\n"])
    )
    whole = run * times + body + b"\n\n" + run * times
    reads = [run] * times + [body, b"\n\n"] + [run] * times
    assert read(reads) == read([whole]) == reference(whole)
    assert frames_of(reads) == frames_of([whole])


BEGINNINGS = [
    *(b"data: ", b"data:", b"event: e\ndata: ", b"event:e\r\ndata: ", b"event: e\ndata:", b"event: f\ndata: "),
    *(b"event:\ndata: ", b"event: \xc3\xa9\ndata: ", b"event: e\rdata: ", b"event: data: \ndata: ", b"id: 1\ndata: "),
    *(b": c\n\ndata: ", b"\n\ndata: ", b"\r\n\r\n\r\ndata:"),
]
plain_events = st.tuples(
    st.sampled_from(BEGINNINGS),
    st.sampled_from([b"", b" ", b"x", b" x", b"{}", b"data: x", b"\xc3\xa9", b"\xc3", b"x\ndata: y", b"x\ry"]),
    st.sampled_from([b"\n\n", b"\r\n\r\n", b"\n\n\n", b"\r\r", b"\r\n\n"]),
).map(b"".join)


@given(events=st.lists(plain_events, max_size=12), data=st.data())
def test_what_one_event_begins_with_says_nothing_of_the_next(events: list[bytes], data: st.DataObject) -> None:
    """Events that begin alike are recognised by it; one that begins nearly alike is not taken for one of them."""
    whole = b"".join(events)
    frames = frames_of([whole])
    assert read([whole]) == reference(whole)
    for chunks in (events, data.draw(cuts(whole))):
        assert frames_of([b"", *chunks]) == frames, chunks


def test_one_large_read_is_as_many_small_ones() -> None:
    """A read of any size is looked at in pieces, which is not to be seen in the frames."""
    body = b"".join(case + b"\n\n" for case, _ in CASES.values()) + b"data: " + b"x" * 100_000 + b"\n\n"
    for size in (977, 65_537):
        chunks = [(body * 9)[i : i + size] for i in range(0, len(body) * 9, size)]
        assert frames_of([body * 9]) == frames_of(chunks)


@given(body=sse_streams())
def test_spans_name_the_bytes(body: bytes) -> None:
    """Spans are in order, don't overlap, and an event's bytes alone say that event."""
    previous = 0
    for frame in frames_of([body]):
        start, end = frame.span
        assert 0 <= start <= end <= len(body)
        if isinstance(frame, ServerSentEvent):
            assert previous <= start
            previous = end
            alone = reference(b":\n" + body[start:end] + b"\n")  # behind a comment a BOM is not stripped
            assert [e[:2] for e in alone.events] == [(frame.type, frame.data)]


@given(body=sse_streams(), data=st.data(), limit=st.integers(0, 24))
def test_limits_for_any_cut(body: bytes, data: st.DataObject, limit: int) -> None:
    """Under a small limit, too, the frames don't depend on the cut, and no data is longer than the limit."""
    whole = frames_of([body], limit)
    assert frames_of(data.draw(cuts(body)), limit) == whole
    assert all(len(f.data.encode("utf-8", "replace")) <= 3 * limit for f in whole if isinstance(f, ServerSentEvent))


# Frames that are no events.


def test_comments_are_frames() -> None:
    """A comment comes with its text, before the event that it stands in."""
    assert frames_of([b": hi\ndata: a\n:no space\n\n"]) == [
        Comment(" hi", (0, 5)),
        Comment("no space", (13, 23)),
        ServerSentEvent("a", span=(5, 24)),
    ]


@pytest.mark.parametrize(
    ("body", "data", "span"),
    [
        (b"data: a\n\nevent: x\ndata: b\n", "b", (9, 26)),
        (b"data: a\n\nevent: x\ndata: b", "b", (9, 25)),
        (b"data: a\n\nevent: x\ndata: b\ndata: c", "b\nc", (9, 33)),
    ],
)
def test_what_the_end_cuts_is_shown(body: bytes, data: str, span: tuple[int, int]) -> None:
    """Data that was pending at the end is handed out as `Unfinished`, never as an event."""
    for chunks in ways(body):
        assert frames_of(chunks) == [ServerSentEvent("a", span=(0, 9)), Unfinished(data, "x", span)]


def test_an_event_comes_with_its_blank_line() -> None:
    """An event is handed out by the read that holds its last byte, also where CRLF could go on."""
    for body in (b"data: a\n\n", b"data: a\r\n\r", b"data: a\r\r", b"event: x\ndata: a\n\n"):
        decoder = SSEDecoder()
        assert decoder.feed(body[:-1]) == []
        assert [type(f) for f in decoder.feed(body[-1:])] == [ServerSentEvent]


# Limits.

LIMIT = 1000
GOOD = b"data: good\n\n"


def kinds(frames: list[Frame]) -> list[str]:
    """Malformed frames by their reason, events by their data."""
    return [f.reason if isinstance(f, Malformed) else f.data for f in frames if not isinstance(f, Comment)]


LINE = f"line longer than {LIMIT} bytes"
EVENT = f"event longer than {LIMIT} bytes"
OVER: dict[str, tuple[bytes, list[str]]] = {
    "a line": (b"data: " + b"x" * 5000 + b"\n\n", [LINE]),
    "a line with CRLF": (b"data: " + b"x" * 5000 + b"\r\n\r\n", [LINE]),
    "a line with CR": (b"data: " + b"x" * 5000 + b"\r\r", [LINE]),
    "an event of many lines": (b"data: 0123456789\n" * 200 + b"\n", [EVENT]),
    "an event of many empty lines": (b"data\n" * 3000 + b"\n", [EVENT]),
    "a value just over": (b"data: " + b"x" * (LIMIT + 1) + b"\n\n", [EVENT]),
    "an event's rest": (b"data: " + b"x" * 5000 + b"\ndata: y\nevent: e\n\n", [LINE]),
    "a name without end": (b"y" * 5000 + b"\n\n", [LINE]),
    "a type": (b"event: " + b"x" * 5000 + b"\ndata: y\n\n", [LINE]),
    "two events": ((b"data: " + b"x" * 5000 + b"\n\n") * 2, [LINE, LINE]),
    "a line behind the BOM": (BOM + b"data: " + b"x" * 5000 + b"\n\n", [LINE]),
    "a comment, which takes no event with it": (b":" + b"x" * 5000 + b"\ndata: y\n\n", [LINE, "y"]),
    "a comment inside an event": (b"data: y\n:" + b"x" * 5000 + b"\ndata: z\n\n", [LINE, "y\nz"]),
}
"""What is over the limit, and what comes of it: one `malformed`, and no event made of a part."""


@pytest.mark.parametrize("case", OVER)
@pytest.mark.parametrize("size", [1, 2, 7, 997, 4096, 1 << 20])
def test_over_the_limit(case: str, size: int) -> None:
    """Past the limit there is exactly one `malformed` for each thing too long, and the stream goes on."""
    over, expected = OVER[case]
    body = over + GOOD + GOOD
    if not over.startswith(BOM):
        body = GOOD + body
        expected = ["good", *expected]
    chunks = [body[i : i + size] for i in range(0, len(body), size)]
    frames = frames_of(chunks, LIMIT)
    assert kinds(frames) == [*expected, "good", "good"]
    assert frames == frames_of([body], LIMIT)
    if not over.startswith(BOM):
        assert frames == frames_of([GOOD, over, GOOD, GOOD], LIMIT)


@pytest.mark.parametrize("value", [b"x" * LIMIT, b"x" * (LIMIT - 1)])
@pytest.mark.parametrize("form", [b"data:%s\n\n", b"data: %s\n\n", b"event: e\ndata: %s\r\n\r\n", b"data: %s\r\r"])
def test_at_the_limit(value: bytes, form: bytes) -> None:
    """A value of just the limit is whole, however it comes."""
    body = GOOD + form % value + GOOD
    for chunks in ([body], [body[i : i + 1] for i in range(len(body))], [GOOD, form % value, GOOD]):
        assert kinds(frames_of(chunks, LIMIT)) == ["good", value.decode(), "good"]


def test_the_limit_of_a_line_is_the_same_for_every_cut() -> None:
    """A line may have the limit and room for a field's name, no byte more, in one read and in many."""
    for size, expected in ((LIMIT + 16, []), (LIMIT + 17, [LINE])):
        body = b"y" * size + b"\n\n"
        for chunks in ways(body):
            assert kinds(frames_of(chunks, LIMIT)) == expected


@pytest.mark.parametrize("head", [b":", b"data: ", b"x"])
def test_the_rest_of_a_long_line_is_no_event(head: bytes) -> None:
    """What follows in a line that is over the limit stays part of it, even if a read begins with what looks good."""
    line = head + b"x" * 5000
    for rest in (b"data: no\n\n", b"event: no\ndata: no\n\n", b"data: no\r\n\r\n", b"id: no\n\n"):
        frames = frames_of([GOOD, line, rest, GOOD], LIMIT)
        # A comment takes no event with it: the `data` line behind one is an event of its own.
        between = ["no"] if head == b":" and rest.startswith(b"event") else []
        assert kinds(frames) == ["good", LINE, *between, "good"]
        assert frames == frames_of([GOOD + line + rest + GOOD], LIMIT)


def test_over_the_limit_at_the_end_of_the_bytes() -> None:
    """A line too long without an end was reported when it passed the limit; the end adds nothing."""
    for chunks in ([b"data: " + b"x" * 5000], [b"data: "] + [b"x"] * 5000, [b"data: a\n", b"data: " + b"x" * 5000]):
        assert kinds(frames_of(chunks, LIMIT)) == [LINE]


@pytest.mark.parametrize("data", [b"x" * 20_000_000, b"x" * 17_000_000])
def test_default_limit(data: bytes) -> None:
    """By default 16 MiB are let through, no more; the excerpt stays short."""
    body = b"data: " + data + b"\n\n"
    frames = frames_of([body[i : i + 1_000_000] for i in range(0, len(body), 1_000_000)])
    assert kinds(frames) == ["line longer than 16777216 bytes"]
    assert isinstance(frames[0], Malformed)
    assert len(frames[0].excerpt) == 200
    assert kinds(frames_of([b"data: " + data[:DEFAULT_LIMIT] + b"\n\n"])) == ["x" * DEFAULT_LIMIT]


def endless(piece: bytes, count: int, head: bytes = b"") -> Iterator[bytes]:
    """A stream that is never held whole."""
    yield head
    for _ in range(count):
        yield piece


@pytest.mark.parametrize(
    ("head", "piece", "count"),
    [
        pytest.param(b"data: ", b"x" * 4096, 2000, id="a line in pieces"),
        pytest.param(b"data: ", b"x", 300_000, id="a line in single bytes"),
        pytest.param(b"data: ", b"xy", 200_000, id="a line in pairs"),
        pytest.param(b"", b"x" * 4096, 2000, id="a name"),
        pytest.param(b":", b"x" * 4096, 2000, id="a comment"),
        pytest.param(BOM + b"data: ", BOM * 1000, 2000, id="BOMs"),
        pytest.param(b"", b"data\n", 60_000, id="empty data lines"),
        pytest.param(b"", b"data: xy\r", 60_000, id="short data lines"),
        pytest.param(b"", b"event: xyxyxyxy\r\n", 20_000, id="types"),
        pytest.param(b"", b"id: 123456789\n\n", 20_000, id="ids"),
        pytest.param(b"", b"data: " + b"x" * 4096 + b"\n", 2000, id="long data lines"),
    ],
)
def test_memory_is_bounded(head: bytes, piece: bytes, count: int) -> None:
    """Whatever doesn't end is not kept: memory stays a small multiple of the limit."""
    limit = 64 * 1024
    decoder = SSEDecoder(limit)
    kept: list[Frame] = []
    tracemalloc.start()
    try:
        for chunk in endless(piece, count, head):
            kept += decoder.feed(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(piece) * count > 2 * limit
    assert peak < 4 * limit
    assert len(kept) <= 1
    assert all(isinstance(frame, Malformed) for frame in kept)


# Linear work.


class Watched(bytes):
    """Bytes that count how many of them each operation on them has to look at or copy."""

    work = 0

    @classmethod
    def spent(cls, action: Callable[[], object]) -> int:
        """The bytes that an action worked through."""
        cls.work = 0
        action()
        return cls.work

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        if isinstance(found, int):
            Watched.work += 1
            return found
        Watched.work += len(found)
        return Watched(found)

    def __add__(self, other: Any) -> Watched:
        Watched.work += len(self) + len(other)
        return Watched(super().__add__(other))

    def __radd__(self, other: Any) -> Any:
        if isinstance(other, bytearray):  # in place: only what is added is copied
            Watched.work += len(self)
            other.extend(self)
            return other
        Watched.work += len(self) + len(other)
        return Watched(other + bytes(self))

    def __contains__(self, key: Any) -> bool:
        place = bytes(self).find(key)
        Watched.work += place + 1 if place >= 0 else len(self)
        return place >= 0

    def find(self, sub: Any, start: int = 0, end: int | None = None) -> int:
        place = super().find(sub, start, len(self) if end is None else end)
        Watched.work += (place if place >= 0 else len(self)) - start
        return place

    def rfind(self, sub: Any, start: int = 0, end: int | None = None) -> int:
        place = super().rfind(sub, start, len(self) if end is None else end)
        Watched.work += len(self) - (place if place >= 0 else start)
        return place

    def count(self, sub: Any, start: int = 0, end: int | None = None) -> int:
        Watched.work += len(self) - start
        return super().count(sub, start, len(self) if end is None else end)

    def partition(self, sep: Any) -> Any:
        Watched.work += len(self)
        return super().partition(sep)

    def split(self, sep: Any = None, maxsplit: int = -1) -> Any:
        Watched.work += len(self)
        return super().split(sep, maxsplit)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        Watched.work += len(self)
        return super().decode(encoding, errors)


class Quadratic:
    """How not to do it: joins what is left with each read, and looks through it from the start."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        *events, self._rest = (self._rest + chunk).split(b"\n\n")
        return events


class TwoFinds:
    """How not to do it: looks for LF and for CR in each line, of which one is nowhere."""

    def feed(self, chunk: bytes) -> list[int]:
        found, position = [], 0
        while (line_end := chunk.find(b"\n", position)) >= 0:
            chunk.find(b"\r", position)
            position = line_end + 1
            found.append(position)
        return found


SHAPES: dict[str, Callable[[int], list[bytes]]] = {
    "one large read of events": lambda n: [b'data: {"a": 1}\n\n' * n],
    "one large read of CRLF events": lambda n: [b'data: {"a": 1}\r\n\r\n' * n],
    "one large read of CR events": lambda n: [b'data: {"a": 1}\r\r' * n],
    "one large read of typed events": lambda n: [b"event: x\ndata: 1\n\n" * n],
    "one large read of comments": lambda n: [b": x\n" * n],
    "one large read of mixed events": lambda n: [b"data: a\n\nid: 1\ndata: b\ndata: c\n\n" * n],
    "events in single bytes": lambda n: [b"%c" % byte for byte in b"event: x\ndata: 1\r\n\r\n" * n],
    "a long line in single bytes": lambda n: [b"data: ", *[b"x"] * (20 * n), b"\n\n"],
    "a long line in one read": lambda n: [b"data: " + b"x" * (20 * n) + b"\n\n"],
    "one event a read": lambda n: [b'data: {"a": 1}\n\n'] * n,
    "half an event a read": lambda n: [b'data: {"a"', b": 1}\n\n"] * n,
    "an event of many lines": lambda n: [b"data: a\n" * n + b"\n"],
}


def work(decoder: SSEDecoder | Quadratic | TwoFinds, chunks: list[bytes]) -> int:
    """The bytes that a decoder worked through."""
    watched = [Watched(chunk) for chunk in chunks]

    def run() -> None:
        for chunk in watched:
            decoder.feed(chunk)

    return Watched.spent(run)


@pytest.mark.parametrize("shape", SHAPES)
def test_work_is_linear(shape: str) -> None:
    """Four times the bytes are four times the work, counted in bytes looked at or copied."""
    small, large = (work(SSEDecoder(), SHAPES[shape](n)) for n in (200, 800))
    assert small > 200
    assert large < 4.5 * small
    total = sum(map(len, SHAPES[shape](800)))
    assert large < 20 * total


@pytest.mark.parametrize("event", [b"data: {}\n\n", b"event: e\r\ndata: {}\r\n\r\n"])
def test_a_read_over_the_limit_costs_no_more_than_its_bytes(event: bytes) -> None:
    """A read may be larger than an event may be: plain events in it are still taken without a call each."""
    calls = 0

    def count(frame: FrameType, kind: str, argument: object) -> None:
        nonlocal calls
        calls += kind == "call"

    decoder, body = SSEDecoder(100_000), event * 50_000
    assert len(body) > 4 * 100_000
    sys.setprofile(count)
    try:
        frames = decoder.feed(body)
    finally:
        sys.setprofile(None)
    assert len(frames) == 50_000
    assert calls < 2_000


@pytest.mark.parametrize(
    ("decoder", "shape"), [(Quadratic, "a long line in single bytes"), (TwoFinds, "one large read of events")]
)
def test_the_counter_sees_quadratic_work(decoder: type[Quadratic | TwoFinds], shape: str) -> None:
    """The two mistakes that are made in the wild would not pass the test above."""
    small, large = (work(decoder(), SHAPES[shape](n)) for n in (200, 800))
    assert large > 12 * small


def test_cuts_are_pieces_of_the_body() -> None:
    """The ways above are what they say."""
    body = b"data: a\r\n\r\n"
    assert all(b"".join(way) == body for way in ways(body))
    assert [len(way) for way in ways(body)][:3] == [1, len(body), 3 * len(body)]
    assert len([*ways(body)]) == 3 + len(body) - 1
