"""Faults of the bytes: the same stream, cut in other ways."""

from __future__ import annotations

import random
import re

from streamgauge.faults import fault
from streamgauge.faults._edit import number, one_of, seconds
from streamgauge.script import Piece, Script

SAME = "the same events"


@fault("F-A01", "whole", "The whole body in one write", layer="bytes", effect="lossless", expected=SAME)
def whole(script: Script, _: str) -> Script:
    """Many events a read."""
    return script.with_body([script.body])


@fault("F-A01b", "one-event-per-write", "One write an event", layer="bytes", effect="lossless", expected=SAME)
def one_event_per_write(script: Script, _: str) -> Script:
    """What a model server sends."""
    return script.with_body(script.frames())


@fault(
    "F-A02",
    "byte-by-byte",
    "One byte a write",
    layer="bytes",
    effect="lossless",
    argument="seconds between the bytes",
    expected=SAME,
)
def byte_by_byte(script: Script, argument: str) -> Script:
    """Every cut at once."""
    delay = seconds(argument, 0.0)
    return script.but(pieces=tuple(Piece(bytes((b,)), delay) for b in script.body))


@fault(
    "F-A03",
    "cut",
    "Two writes, cut at one position",
    layer="bytes",
    effect="lossless",
    argument="a position (negative: from the end; without one: the middle)",
    variants=("", "1", "7", "-1", "-2"),
    expected=SAME,
)
def cut(script: Script, argument: str) -> Script:
    """Raises ValueError where the position is not inside a body that there is."""
    body = script.body
    position = number(argument, len(body) // 2)
    if body and not -len(body) <= position <= len(body):
        raise ValueError(f"the body has {len(body)} bytes")
    return script.with_body([body[:position], body[position:]])


@fault(
    "F-A04",
    "random-cuts",
    "Writes of drawn sizes",
    layer="bytes",
    effect="lossless",
    argument="a seed",
    variants=("1", "2", "3"),
    expected=SAME,
)
def random_cuts(script: Script, argument: str) -> Script:
    """Sizes from one byte to several events."""
    draw = random.Random(number(argument, 0))
    body = script.body
    sizes: list[bytes] = []
    at = 0
    while at < len(body):
        size = draw.choice((1, 2, 3, draw.randint(4, 60), draw.randint(61, 2000)))
        sizes.append(body[at : at + size])
        at += size
    return script.with_body(sizes)


@fault(
    "F-A04b",
    "cuts",
    "Writes cut at these positions",
    layer="bytes",
    effect="lossless",
    argument="positions with a comma between them",
    variants=("1,2,9",),
    expected=SAME,
)
def cuts(script: Script, argument: str) -> Script:
    """What is left of drawn cuts when the smallest that matter are looked for; those behind the end cut nothing."""
    body = script.body
    marks = sorted({int(word) for word in argument.split(",") if word})
    if marks and marks[0] < 1:
        raise ValueError("a cut is behind the first byte")
    edges = [0, *(m for m in marks if m < len(body)), len(body)]
    return script.with_body(body[a:b] for a, b in zip(edges, edges[1:], strict=False))


_PLACES = {
    "utf-8": re.compile(rb"[\xc2-\xf4](?=[\x80-\xbf])|(?<=[\xe0-\xf4][\x80-\xbf])(?=[\x80-\xbf])"),
    "crlf": re.compile(rb"\r(?=\n)"),
    "bom": re.compile(rb"\A\xef(?=\xbb\xbf)|(?<=\A\xef\xbb)(?=\xbf)"),
    "field": re.compile(rb"(?:(?<=\n)|(?<=\r)|\A)da(?=ta:)"),
    "escape": re.compile(rb"\\u[0-9a-fA-F]{2}(?=[0-9a-fA-F]{2})|\\(?=[^u])"),
}


@fault(
    "F-A05",
    "cut-inside",
    "Cuts inside every character, CRLF, BOM, field name, terminator or escape",
    layer="bytes",
    effect="lossless",
    argument="utf-8, crlf, bom, field, escape or terminator; the stream stays whole where it has none of them",
    variants=("utf-8", "field", "escape", "terminator"),
    expected=SAME,
)
def cut_inside(script: Script, argument: str) -> Script:
    """The places where decoders that work on single reads break."""
    place = one_of(argument, "utf-8", "crlf", "bom", "field", "escape", "terminator")
    body = script.body
    if place == "terminator":
        start = body.rfind(script.dialect.terminator) if script.dialect.terminator else -1
        marks = [start + n for n in range(1, len(script.dialect.terminator))] if start >= 0 else []
    else:
        marks = [m.end() for m in _PLACES[place].finditer(body)]
    edges = [0, *marks, len(body)]
    return script.with_body(body[a:b] for a, b in zip(edges, edges[1:], strict=False))
