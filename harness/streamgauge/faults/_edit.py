"""What faults share: reading arguments, finding frames, editing lines and JSON members."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Any

from streamgauge.dialect import Dialect
from streamgauge.events import OUTPUT, End, Event, Finish, StreamError
from streamgauge.script import Script

BOM = b"\xef\xbb\xbf"
_LINES = re.compile(rb"([^\r\n]*)(\r\n|\r|\n)|([^\r\n]+)\Z")
_DATA_VALUE = re.compile(rb"(?:\A|[\r\n])(?:\xef\xbb\xbf)?data: ?([^\r\n]*)")


def number(argument: str, default: int) -> int:
    """A whole number, or the default where no argument was given; raises ValueError."""
    return int(argument) if argument else default


def seconds(argument: str, default: float) -> float:
    """A time that is not negative, or the default; raises ValueError."""
    value = float(argument) if argument else default
    if not 0 <= value < float("inf"):
        raise ValueError("not a time")
    return value


def one_of(argument: str, *known: str) -> str:
    """One of these words, the first where no argument was given; raises ValueError."""
    if not argument:
        return known[0]
    if argument not in known:
        raise ValueError(f"not one of {', '.join(known)}")
    return argument


def lines(frame: bytes) -> list[tuple[bytes, bytes]]:
    """The lines of a frame with their ends, which joined are the frame; the last may have none."""
    return [(m[1] if m[2] else m[3], m[2] or b"") for m in _LINES.finditer(frame)]


def unlines(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The inverse of `lines`."""
    return b"".join(line + end for line, end in pairs)


def has_data(frame: bytes) -> bool:
    """Whether a server-sent event has a data field."""
    return _DATA_VALUE.search(frame) is not None


def edit_events(script: Script, change: Callable[[list[bytes]], Iterable[bytes]]) -> Script:
    """Like `Script.edit`; a BOM stays where it is, before everything."""

    def around_bom(frames: list[bytes]) -> Iterable[bytes]:
        if not frames or not frames[0].startswith(BOM):
            return change(frames)
        first, *others = change([frames[0][3:], *frames[1:]])
        return (BOM + first, *others)

    return script.edit(around_bom)


def located(script: Script, kinds: tuple[type, ...]) -> list[int]:
    """The numbers of the frames that say an event of these kinds, in order."""
    ends = list(accumulate(map(len, script.frames())))
    events = script.dialect.decode(script.body)
    # An End without bytes stands behind the last frame: it is the decoder's, not the stream's.
    return sorted({bisect_right(ends, e.span[0]) for e in events if isinstance(e, kinds) and e.span[0] < e.span[1]})


def output_frames(script: Script) -> list[int]:
    """The numbers of the frames that carry output."""
    return located(script, OUTPUT)


def halfway(script: Script, argument: str = "") -> int:
    """How many frames to keep: so many (negative: all but so many), by default half, and never one that ends it.

    Raises ValueError where there are not so many.
    """
    frames = script.frames()
    if argument:
        count = int(argument)
        if not -len(frames) <= count <= len(frames):
            raise ValueError(f"the stream has {len(frames)} events")
        return count if count >= 0 else len(frames) + count
    closing = located(script, (Finish, StreamError, End))
    return min([len(frames) // 2, *closing[:1]])


def middle_output(script: Script) -> int | None:
    """The number of a frame in the middle of the output, None where there is no output."""
    found = output_frames(script)
    return found[len(found) // 2] if found else None


def add_member(frame: bytes, member: bytes) -> bytes:
    """The frame with one more member (`"name":value`) at the front of its JSON object."""
    at = frame.find(b"{")
    if at < 0:
        return frame
    comma = b"" if re.match(rb"\s*\}", frame[at + 1 :]) else b","
    return frame[: at + 1] + member + comma + frame[at + 1 :]


def json_of(frame: bytes, dialect: Dialect) -> tuple[int, int, Any] | None:
    """Where the JSON value of a frame is, and what it is; None where it has none on one line."""
    if dialect.framing == "sse":
        found = _DATA_VALUE.findall(frame)
        match = _DATA_VALUE.search(frame)
        if match is None or len(found) != 1:
            return None
        start, end = match.span(1)
    else:
        start, end = 0, len(frame.rstrip())
    try:
        return start, end, json.loads(frame[start:end])
    except ValueError:
        return None


def rewrite(script: Script, change: Callable[[dict[str, Any]], Any]) -> Script:
    """The script with the JSON object of each frame changed in place, or replaced where `change` returns one."""

    def one(frame: bytes) -> bytes:
        found = json_of(frame, script.dialect)
        if found is None or not isinstance(found[2], dict):
            return frame
        start, end, value = found
        changed = change(value)
        text = json.dumps(value if changed is None else changed, separators=(",", ":"))
        return frame[:start] + text.encode() + frame[end:]

    return script.edit(lambda frames: [one(f) for f in frames])


def said(script: Script, frame: int) -> list[Event]:
    """The events whose span begins in the frame of that number."""
    frames = script.frames()
    start = sum(map(len, frames[:frame]))
    end = start + len(frames[frame])
    return [e for e in script.dialect.decode(script.body) if start <= e.span[0] < end]


def at_middle(script: Script, change: Callable[[bytes], bytes]) -> Script:
    """One frame changed, in the middle of the output; the script as it is where there is no output."""
    index = middle_output(script)
    if index is None:
        return script
    frames = script.frames()
    return script.with_body([*frames[:index], change(frames[index]), *frames[index + 1 :]])
