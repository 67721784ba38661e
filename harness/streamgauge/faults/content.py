"""Faults of the content: what one frame says is wrong, odd, or more than expected."""

from __future__ import annotations

from streamgauge.events import TextDelta
from streamgauge.faults import fault
from streamgauge.faults._edit import (
    add_member,
    at_middle,
    edit_events,
    has_data,
    json_of,
    located,
    number,
    one_of,
    said,
)
from streamgauge.script import Script

PROBE = b'"streamgauge_probe":'
DAMAGED = "no crash: the library's error, or a tolerance that its documentation names"


@fault(
    "F-D01",
    "invalid-utf8",
    "A byte that is not UTF-8, inside the text of an event",
    layer="content",
    effect="damaged",
    applies=("sse", "ndjson"),
    expected="U+FFFD in its place and the rest of the stream (WHATWG: streams are decoded with replacement)",
)
def invalid_utf8(script: Script, _: str) -> Script:
    """Goes into a text delta near the middle whose text stands unescaped in the bytes."""
    frames = script.frames()
    for index in _around_middle(located(script, (TextDelta,))):
        for text in (e.text.encode() for e in said(script, index) if isinstance(e, TextDelta)):
            at = frames[index].find(b'"' + text + b'"')
            if at >= 0 and text.isascii():
                at += 1 + max(1, len(text) // 2)
                frames[index] = frames[index][:at] + b"\xff" + frames[index][at:]
                return script.with_body(frames)
    return script


def _around_middle(numbers: list[int]) -> list[int]:
    half = len(numbers) // 2
    return [*numbers[half:], *reversed(numbers[:half])]


@fault(
    "F-D02",
    "invalid-json",
    "One event whose data is not JSON",
    layer="content",
    effect="damaged",
    applies=("sse", "ndjson"),
    expected="the library's error with the offending text; what had come is kept",
)
def invalid_json(script: Script, _: str) -> Script:
    """An event in the middle of the output loses its last brace."""
    return at_middle(script, lambda f: b"".join(f.rpartition(b"}")[::2]))


_ODD = {
    "nan": PROBE + b"NaN",
    "duplicate": PROBE + b"1," + PROBE + b"2",
    "surrogate": PROBE + b'"\\ud83d"',
    "huge-int": PROBE + b"9" * 5000,
    "deep": PROBE + b"[" * 10_000 + b"]" * 10_000,
}


@fault(
    "F-D03",
    "odd-json",
    "JSON on which readers disagree, in an unknown member of one event",
    layer="content",
    effect="damaged",
    applies=("sse", "ndjson"),
    argument="nan, duplicate, surrogate, huge-int or deep",
    variants=tuple(_ODD),
    expected=DAMAGED,
)
def odd_json(script: Script, argument: str) -> Script:
    """RFC 8259 4, 6, 8.2 and 9: not allowed, or left to the reader."""
    member = _ODD[one_of(argument, *_ODD)]
    return at_middle(script, lambda f: add_member(f, member))


@fault(
    "F-D07",
    "unknown-members",
    "A member that the dialect does not know, in every object",
    layer="content",
    effect="lossless",
    applies=("sse", "ndjson"),
    expected="ignored",
)
def unknown_members(script: Script, _: str) -> Script:
    """Vendors add members without notice."""

    def change(frame: bytes) -> bytes:
        found = json_of(frame, script.dialect)
        known = found is not None and isinstance(found[2], dict)
        return add_member(frame, PROBE + b'{"a":[1,null,true]}') if known else frame

    return script.edit(lambda frames: [change(f) for f in frames])


@fault(
    "F-D10",
    "oversized-line",
    "A line that is longer than a reader's buffer",
    layer="content",
    effect="lossless",
    applies=("sse", "ndjson"),
    argument="bytes",
    variants=("65537", "1048577"),
    expected="the same events up to the library's stated limit, then an explicit error; bounded memory",
)
def oversized_line(script: Script, argument: str) -> Script:
    """By default 64 KiB and one byte, in an unknown member of one event."""
    size = number(argument, 65537)
    return at_middle(script, lambda f: add_member(f, PROBE + b'"' + b"x" * size + b'"'))


@fault(
    "F-D11",
    "nul",
    "NUL in an id and in a field's name",
    layer="content",
    effect="lossless",
    applies=("sse",),
    argument="id or field",
    variants=("id", "field"),
    expected="the same events",
)
def nul(script: Script, argument: str) -> Script:
    """WHATWG HTML 9.2.6: an id with U+0000 NULL is ignored; a name with one is unknown."""
    line = {"id": b"id: a\0b\n", "field": b"da\0ta: x\n"}[one_of(argument, "id", "field")]
    return edit_events(script, lambda frames: [line + f if has_data(f) else f for f in frames])


_INJECTED = {
    "escaped": b'"\\n\\ndata: [DONE]\\n\\nevent: error\\r\\rdata: x"',
    "separators": '"a\u2028b\u2029c\u0085d\x7fe"'.encode(),
}


@fault(
    "F-D12",
    "injection",
    "Text that looks like framing, or holds characters that some call line ends",
    layer="content",
    effect="lossless",
    applies=("sse", "ndjson"),
    argument="escaped (LF and CR as JSON escapes) or separators (U+2028, U+2029, U+0085 as they are)",
    variants=("escaped", "separators"),
    expected="the same events: neither is a line end",
)
def injection(script: Script, argument: str) -> Script:
    """In an unknown member of every object, so that the message stays the same."""
    member = PROBE + _INJECTED[one_of(argument, *_INJECTED)]

    def change(frame: bytes) -> bytes:
        found = json_of(frame, script.dialect)
        return add_member(frame, member) if found is not None and isinstance(found[2], dict) else frame

    return script.edit(lambda frames: [change(f) for f in frames])


@fault(
    "F-D13",
    "two-objects",
    "Two JSON values in one event, or one over two events",
    layer="content",
    effect="damaged",
    applies=("sse",),
    argument="together or apart",
    variants=("together", "apart"),
    expected="the library's error with the offending text; what had come is kept",
)
def two_objects(script: Script, argument: str) -> Script:
    """One event is one JSON value."""
    together = one_of(argument, "together", "apart") == "together"

    def change(frame: bytes) -> bytes:
        found = json_of(frame, script.dialect)
        if found is None:
            return frame
        start, end, _ = found
        value = frame[start:end]
        if together:
            return frame[:end] + value + frame[end:]
        half = len(value) // 2
        return b"data: " + value[:half] + b"\n\ndata: " + value[half:] + b"\n\n"

    return at_middle(script, change)
