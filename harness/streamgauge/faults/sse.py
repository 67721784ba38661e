"""Faults of the bytes of server-sent events: the same stream, spelt in other ways that the standard allows."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from itertools import cycle

from streamgauge.faults import fault
from streamgauge.faults._edit import BOM, edit_events, has_data, lines, number, one_of, unlines
from streamgauge.script import Piece, Script

SAME = "the same events"


_ENDS = {"crlf": (b"\r\n",), "cr": (b"\r",), "lf": (b"\n",), "mixed": (b"\n", b"\r\n", b"\r\n", b"\r", b"\r", b"\r\n")}


@fault(
    "F-A08",
    "line-ends",
    "Other line ends",
    layer="bytes",
    effect="lossless",
    applies=("sse",),
    argument="crlf, cr, lf or mixed",
    variants=("crlf", "cr", "mixed"),
    expected="the same events, each as soon as its blank line has come",
)
def line_ends(script: Script, argument: str) -> Script:
    """WHATWG HTML 9.2.5: lines end with CRLF, LF or CR."""
    ends = cycle(_ENDS[one_of(argument, "crlf", "cr", "lf", "mixed")])
    last = b""

    def change(frame: bytes) -> bytes:
        nonlocal last
        out = []
        for line, old in lines(frame):
            end = next(ends) if old else b""
            if not line and last == b"\r" and end == b"\n":
                end = b"\r\n"  # a CR and an LF would be one line end
            out.append((line, end))
            last = end
        return unlines(out)

    return script.edit(lambda frames: [change(f) for f in frames])


@fault(
    "F-A09",
    "bom",
    "A byte order mark before the first byte",
    layer="bytes",
    effect="lossless",
    applies=("sse",),
    expected=SAME,
)
def bom(script: Script, _: str) -> Script:
    """WHATWG HTML 9.2.5: "one leading U+FEFF BYTE ORDER MARK character must be ignored if any are present"."""
    if script.body.startswith(BOM) or not script.pieces:
        return script
    first, *others = script.pieces
    return script.but(pieces=(Piece(BOM + first.data, first.delay), *others))


@fault(
    "F-A10",
    "comments",
    "Comments between events and inside them",
    layer="bytes",
    effect="lossless",
    applies=("sse",),
    argument='a seed, or "with-id": comments behind an event that has an id',
    variants=("", "with-id"),
    expected="the same events, and no timeout while comments come",
)
def comments(script: Script, argument: str) -> Script:
    """WHATWG HTML 9.2.7: authors send a comment line every 15 seconds or so, against proxies that drop connections."""
    draw = random.Random(number("" if argument == "with-id" else argument, 0))

    def change(frames: list[bytes]) -> Iterable[bytes]:
        named = argument != "with-id"
        yield b": ok\n\n"
        for frame in frames:
            if not named and has_data(frame):
                frame, named = b"id: 1\n" + frame, True
            yield b":inside\n" + frame if draw.random() < 0.3 else frame
            if draw.random() < 0.5:
                yield draw.choice((b": keep-alive\n\n", b":\n\n", b": data: not data\n\n"))
        yield b": end\n\n"

    return edit_events(script, change)


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')


@fault(
    "F-A11",
    "multi-line",
    "Each JSON value over several data lines",
    layer="bytes",
    effect="lossless",
    applies=("sse",),
    argument="the most lines that an event gets",
    expected=SAME,
)
def multi_line(script: Script, argument: str) -> Script:
    """Lines are joined with LF, which JSON allows behind a comma that is not inside a string."""
    most = max(2, number(argument, 4))

    def change(frame: bytes) -> bytes:
        out = []
        for line, end in lines(frame):
            if line[:5] == b"data:" and line[5:].lstrip()[:1] in (b"{", b"["):
                out += [(part, end or b"\n") for part in _parts(line, most)]
            else:
                out.append((line, end))
        return unlines(out)

    return edit_events(script, lambda frames: [change(f) for f in frames])


def _parts(line: bytes, most: int) -> list[bytes]:
    bare = _STRING.sub(lambda m: b"s" * len(m[0]), line)
    commas = [m.end() for m in re.finditer(rb",", bare)]
    step = max(1, len(commas) // (most - 1))
    marks = [0, *commas[::step][: most - 1], len(line)]
    first, *others = (line[a:b] for a, b in zip(marks, marks[1:], strict=False) if a < b)
    return [first, *(b"data: " + part for part in others)]


@fault(
    "F-A12",
    "no-space",
    "No space behind the colon",
    layer="bytes",
    effect="lossless",
    applies=("sse",),
    expected=SAME,
)
def no_space(script: Script, _: str) -> Script:
    """WHATWG HTML 9.2.6: the space is taken off if it is there; it need not be."""

    def change(frame: bytes) -> bytes:
        return unlines((re.sub(rb"\A([a-z]+): (?! )", rb"\1:", line), end) for line, end in lines(frame))

    return edit_events(script, lambda frames: [change(f) for f in frames])


@fault(
    "F-A12b",
    "unknown-fields",
    "Fields that the standard does not know",
    layer="bytes",
    effect="lossless",
    applies=("sse",),
    expected=SAME,
)
def unknown_fields(script: Script, _: str) -> Script:
    """WHATWG HTML 9.2.6: "Otherwise: The field is ignored", and names are compared without case folding."""
    more = b"vendor: x\nDATA: y\ndatax: z\nvendor\n"
    return edit_events(script, lambda frames: [more + f if has_data(f) else f for f in frames])


@fault(
    "F-A12c",
    "retry-lines",
    "Reconnection times, inside events and alone",
    layer="bytes",
    effect="lossless",
    applies=("sse",),
    argument="inside or alone; both without one",
    variants=("", "inside", "alone"),
    expected="the same events: a block without data is no event",
)
def retry_lines(script: Script, argument: str) -> Script:
    """WHATWG HTML 9.2.6: an event whose data buffer is empty is not dispatched."""
    return _fields(script, b"retry: 3000\n", argument)


@fault(
    "F-A12d",
    "id-lines",
    "Event ids, inside events and alone",
    layer="bytes",
    effect="lossless",
    applies=("sse",),
    argument="inside or alone; both without one",
    variants=("", "inside", "alone"),
    expected="the same events: a block without data is no event",
)
def id_lines(script: Script, argument: str) -> Script:
    """WHATWG HTML 9.2.6: an event whose data buffer is empty is not dispatched."""
    return _fields(script, b"id: 7\n", argument)


def _fields(script: Script, line: bytes, argument: str) -> Script:
    where = one_of(argument, "both", "inside", "alone")

    def change(frames: list[bytes]) -> Iterable[bytes]:
        if where != "inside":
            yield line + b"\n"
        for number_, frame in enumerate(frames):
            yield line + frame if where != "alone" and has_data(frame) else frame
            if where != "inside" and number_ == len(frames) // 2:
                yield line + b"\n"

    return edit_events(script, change)
