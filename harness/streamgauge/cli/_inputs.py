"""Reads what the user names: a file, standard input, an HTTP capture or one of our own recordings."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import cast

from streamgauge.capture import is_capture, may_be_capture, read_capture
from streamgauge.detect import HEAD, another, means_something, not_a_stream
from streamgauge.dialect import Dialect, Framing
from streamgauge.errors import StreamgaugeError, UnknownNameError
from streamgauge.recordings import SCHEMA, Recording, load
from streamgauge.registry import all_dialects, pick
from streamgauge.trace import Trace

STDIN = "-"
FRAMING_ONLY = "sse"
"""The name that asks for the framing alone, with no dialect above it."""

_RECORDING = re.compile(rb'"schema"\s*:\s*"' + re.escape(SCHEMA.encode()))


def shown(name: str) -> str:
    """The name of an input for a message."""
    return "standard input" if name == STDIN else name


def named_dialect(name: str) -> Dialect | None:
    """The dialect of that name; None for the bare framing. Raises UnknownNameError, which names the nearest."""
    if name == FRAMING_ONLY:
        return None
    known = all_dialects()
    if name not in known:
        raise UnknownNameError("dialect", name, sorted([*known, FRAMING_ONLY]))
    return pick("dialect", known, name)


def reads(name: str) -> Iterator[bytes]:
    """The bytes as they come, a read at a time.

    Raises StreamgaugeError where there is no such file or it can't be read.
    """
    if name == STDIN:
        # read1 gives what is there; read would wait until the buffer is full.
        stdin = cast("BufferedReader", sys.stdin.buffer)
        yield from iter(lambda: stdin.read1(HEAD), b"")
        return
    path = Path(name)
    try:
        if path.is_dir():
            raise StreamgaugeError(f"{name} is a directory: name the files in it")
        with path.open("rb", buffering=0) as file:
            yield from iter(lambda: file.read(HEAD), b"")
    except FileNotFoundError:
        raise StreamgaugeError(f"no such file: {name}") from None
    except OSError as error:
        raise StreamgaugeError(f"can't read {name}: {error.strerror}") from error


def recording_of(name: str) -> Recording | None:
    """The recording whose JSON file this is; None where it is another file."""
    if name == STDIN or Path(name).suffix != ".json":
        return None
    head = next(reads(name), b"")
    return load(Path(name)) if _RECORDING.search(head) else None


def body_reads(name: str) -> Iterator[bytes]:
    """The bytes of the body as they come; of an HTTP capture, what its response carried."""
    return peeled(reads(name), name)


def peeled(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The same bytes without HTTP around them, where they begin with a status line."""
    head = b""
    for chunk in chunks:
        head += chunk
        if not may_be_capture(head):
            break
    if not is_capture(head):
        if head:
            yield head
        yield from chunks
        return
    found = capture(head + b"".join(chunks), name)
    yield from (a.data for a in found.arrivals) if found else ()


def capture(raw: bytes, name: str) -> Trace | None:
    """The response in a capture; None for other bytes.

    Raises StreamgaugeError where it has no end of its headers.
    """
    if not is_capture(raw):
        return None
    try:
        return read_capture(raw)
    except ValueError as error:
        raise StreamgaugeError(f"{shown(name)} begins like an HTTP response, but is {error}") from error


def admitted(chunks: Iterable[bytes], dialect: Dialect | None, name: str) -> Iterator[bytes]:
    """The same bytes, once it is clear that they may be a stream of this dialect (None: of bare SSE).

    What is held back is no more than the first events; comments go through at once.
    Raises StreamgaugeError, which says what they look like instead.
    """
    head = b""
    held: list[bytes] = []
    rest = iter(chunks)
    framings = _framings(dialect)
    binary = dialect is not None and dialect.framing == "eventstream"
    for chunk in rest:
        head += chunk
        held.append(chunk)
        if not (binary or b"\n" in chunk or b"\r" in chunk or len(head) >= HEAD):
            continue  # no line came to its end: nothing new can be said
        if not_a_stream(head, *framings) and len(head) < HEAD:
            continue
        refuse(head, dialect, name, final=False)
        if dialect is None or len(head) >= HEAD or dialect.detect(head) or means_something(dialect, head):
            break
        if _only_comments(dialect, head):
            yield from held
            held = []
    else:
        refuse(head, dialect, name, final=True)
    yield from chain(held, rest)


def _framings(dialect: Dialect | None) -> tuple[Framing | None, *tuple[Framing, ...]]:
    """The framings that the bytes may have; None is bare SSE."""
    return (dialect.framing, *dialect.other_framings) if dialect else (None,)


def refuse(head: bytes, dialect: Dialect | None, name: str, *, final: bool) -> None:
    """Raise StreamgaugeError where these first bytes are no stream of this dialect: it says what they look like.

    final: no more bytes will come.
    """
    words = not_a_stream(head, *_framings(dialect))
    if words is None and dialect is not None:
        words = another(dialect, head, final=final)
    if words is None:
        return
    if not head:
        raise StreamgaugeError(f"{shown(name)} is {words}")
    wanted = dialect.name if dialect else FRAMING_ONLY
    raise StreamgaugeError(f"{shown(name)} is not {wanted}: it looks like {words}")


def _only_comments(dialect: Dialect, head: bytes) -> bool:
    return not any(hasattr(frame, "data") for frame in dialect.framer().feed(head))
