"""A stream as operators see it: an answer cut into its frames, each with the JSON value that it carries."""

from __future__ import annotations

import base64
import copy
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from streamgauge.dialect import Dialect
from streamgauge.events import Event, KeepAlive, unlocated
from streamgauge.eventstream import encode_message
from streamgauge.message import Message
from streamgauge.recordings import Recording
from streamgauge.rules import Exchange
from streamgauge.trace import Arrival, Headers, Trace, TraceEnd
from streamgauge.wire import elements, members

HEADERS_AT, FIRST, STEP = 0.1, 0.2, 0.05
"""Seconds: when the headers come, when the first frame comes, and how far apart the frames are."""

_DATA = re.compile(rb"(?:\A|(?<=[\r\n]))data: ?([^\r\n]*)")
_NAME = re.compile(rb"(?:\A|(?<=[\r\n]))event: ?([^\r\n]*)")


def dumps(value: Any) -> bytes:
    """A JSON value as compact UTF-8; a lone surrogate as an escape."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Piece:
    """One frame: its bytes, the JSON value of its data (None where it has none), and its event's name.

    inner: the value is what a payload of Bedrock's InvokeModel holds in base64.
    """

    raw: bytes
    value: Any = None
    name: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    inner: bool = False


@dataclass(frozen=True)
class Stream:
    """One answer. head, joint, tail: the bytes before, between and behind the pieces (of a JSON array).

    times: seconds after the request at which each piece comes, by default evenly spread; `over` is the end's.
    reference: what the non-streaming answer to the same request says: the message of the undamaged stream. twin: that
    answer's body, as far as rules look into it; None where they would find nothing there. plain: the answer over
    HTTP/1.1 to the request that this one answers over HTTP/2. bare: nothing is known but the body, as of a file.
    """

    dialect: Dialect
    framing: str
    pieces: tuple[Piece, ...]
    head: bytes = b""
    joint: bytes = b""
    tail: bytes = b""
    status: int = 200
    headers: Headers = ()
    request: dict[str, Any] | None = None
    reference: Message | None = None
    twin: bytes | None = None
    ended: TraceEnd = "eof"
    headers_at: float = HEADERS_AT
    times: tuple[float, ...] = ()
    over: float | None = None
    case: str = ""
    plain: Stream | None = None
    bare: bool = False
    whole: bytes | None = field(default=None, repr=False)

    def as_array(self) -> Stream:
        """The same answer as one JSON array, an element a piece."""
        pieces = tuple(Piece(dumps(p.value), p.value) for p in self.pieces if p.value is not None)
        headers = tuple((n, "application/json" if n == "Content-Type" else v) for n, v in self.headers)
        array = replace(self, framing="json-array", pieces=pieces, headers=headers, case=f"{self.case}, array")
        return replace(array, head=b"[", joint=b",\r\n", tail=b"]")

    @classmethod
    def of(cls, recording: Recording) -> Stream:
        """The answer of a recording, as a correct server would send it: with these headers, at this pace."""
        trace, dialect = recording.trace, recording.get_dialect()
        body = trace.body
        exchange = Exchange(dialect, Trace.of(body))
        kind = trace.header("Content-Type") or dialect.media_type
        stream = cls(
            dialect,
            exchange.framing,
            pieces=tuple(_cut(dialect, body)),
            status=trace.status or 200,
            headers=(("Content-Type", kind), ("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no")),
            request={**trace.request, "temperature": 0} if trace.request else None,
            reference=recording.message,
            case=recording.name,
        )
        pieces = tuple(_read(piece, frame) for piece, frame in zip(stream.pieces, exchange.frames, strict=True))
        stream = replace(stream, pieces=pieces, twin=_twin(pieces))
        # Each piece of an array is one element: what stands around it is put there when the pieces are joined.
        return stream.as_array() if stream.framing == "json-array" else stream

    @cached_property
    def body(self) -> bytes:
        if self.whole is not None:
            return self.whole
        return self.head + self.joint.join(p.raw for p in self.pieces) + self.tail

    @cached_property
    def exchange(self) -> Exchange:
        """The exchange that rules judge."""
        if self.bare:
            return Exchange(self.dialect, Trace.of(self.body), case=self.case)
        arrivals, over = self._arrivals()
        trace = Trace(
            arrivals=arrivals,
            status=self.status,
            headers=self.headers,
            headers_at=self.headers_at,
            ended=self.ended,
            ended_at=over if self.over is None else self.over,
            request=self.request,
            timed=True,
            accept_encoding="identity",
            http_version="HTTP/2" if self.plain else "HTTP/1.1",
        )
        beside = {} if self.twin is None else {"non-stream": Exchange(self.dialect, Trace.of(self.twin))}
        beside |= {"plain": self.plain.exchange} if self.plain else {}
        return Exchange(self.dialect, trace, self.reference, beside, case=self.case)

    def _arrivals(self) -> tuple[tuple[Arrival, ...], float]:
        if self.whole is not None:
            return (Arrival(FIRST, self.whole),), FIRST
        times = self.times or [FIRST + STEP * n for n in range(len(self.pieces))]
        last = len(self.pieces) - 1
        found = []
        for number, (at, piece) in enumerate(zip(times, self.pieces, strict=True)):
            before = self.head if number == 0 else self.joint
            found.append(Arrival(at, before + piece.raw + (self.tail if number == last else b"")))
        return tuple(found), times[-1] if times else self.headers_at

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """What the stream says, without where it says it and without keep-alives."""
        return tuple(unlocated(e) for e in self.exchange.events if not isinstance(e, KeepAlive))

    @cached_property
    def spoken(self) -> tuple[tuple[Event, ...], ...]:
        """The events that each piece says; for the undamaged stream, whose pieces are its frames."""
        starts = [frame.span[0] for frame in self.exchange.frames]
        found: list[list[Event]] = [[] for _ in self.pieces]
        for event in self.exchange.events:
            if event.span[0] < event.span[1]:
                found[bisect_right(starts, event.span[0]) - 1].append(event)
        return tuple(map(tuple, found))

    @property
    def objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The JSON objects of the pieces, by the pieces' numbers; not to be changed in place."""
        return ((n, p.value) for n, p in enumerate(self.pieces) if isinstance(p.value, dict))

    def but(self, **changes: Any) -> Stream:
        return replace(self, **changes)

    def with_pieces(self, pieces: Iterable[Piece | bytes]) -> Stream:
        """The same answer with other pieces; bytes are a piece that holds no value."""
        return replace(self, pieces=tuple(p if isinstance(p, Piece) else Piece(p) for p in pieces))

    def instead(self, number: int, *pieces: Piece | bytes) -> Stream:
        """These pieces in the place of one."""
        return self.with_pieces([*self.pieces[:number], *pieces, *self.pieces[number + 1 :]])

    def inserted(self, number: int, *pieces: Piece | bytes) -> Stream:
        """These pieces before the one of that number."""
        return self.with_pieces([*self.pieces[:number], *pieces, *self.pieces[number:]])

    def swapped(self, one: int, other: int) -> Stream:
        pieces = list(self.pieces)
        pieces[one], pieces[other] = pieces[other], pieces[one]
        return self.with_pieces(pieces)

    def changed(self, number: int, change: Callable[[Any], Any]) -> Stream:
        """One piece with its JSON value changed: in place, or replaced by what `change` returns."""
        return self.instead(number, self.rewritten(number, change))

    def rewritten(self, number: int, change: Callable[[Any], Any]) -> Piece:
        """That piece with its value changed."""
        value = copy.deepcopy(self.pieces[number].value)
        returned = change(value)
        return self.say(value if returned is None else returned, self.pieces[number])

    def say(self, value: Any, like: Piece) -> Piece:
        """A piece that holds a JSON value, framed as another one is."""
        return replace(self.put(dumps(value), like), value=value)

    def put(self, data: bytes, like: Piece, name: str | None = None) -> Piece:
        """A piece with this data, framed as another one is, perhaps under another event's name."""
        name = like.name if name is None else name
        match self.framing:
            case "sse":
                head = f"event: {name}\n".encode() if _NAME.search(like.raw) and name else b""
                return Piece(head + b"data: " + data + b"\n\n", None, name)
            case "ndjson":
                return Piece(data + b"\n", None, name)
            case "eventstream":
                headers = {n: (name if n in (":event-type", ":exception-type") else v) for n, v in like.headers}
                payload = dumps({"bytes": base64.b64encode(data).decode()}) if like.inner else data
                return Piece(encode_message(headers, payload), None, name, tuple(headers.items()), like.inner)
            case _:
                return Piece(data, None, name)


def _twin(pieces: Iterable[Piece]) -> bytes | None:
    """The log probabilities of the first choice, as one answer would state them; None where there are none."""
    found: list[Any] = []
    for piece in pieces:
        for choice in elements(members(piece.value).get("choices")):
            if members(choice).get("index") == 0:
                found += elements(members(members(choice).get("logprobs")).get("content"))
    return dumps({"choices": [{"logprobs": {"content": found}}]}) if found else None


def _cut(dialect: Dialect, body: bytes) -> Iterator[Piece]:
    """A piece a frame."""
    exchange = Exchange(dialect, Trace.of(body))
    if exchange.framing == "json-array":
        yield from (Piece(f.data.encode()) for f in exchange.frames)
    else:
        yield from map(Piece, dialect.cut(body))


def _read(piece: Piece, frame: Any) -> Piece:
    data = getattr(frame, "data", None)
    try:
        value = None if data is None else json.loads(data)
    except ValueError:
        value = None
    headers = getattr(frame, "headers", ())
    inner = value.get("bytes") if headers and isinstance(value, dict) else None
    if isinstance(inner, str):
        value = json.loads(base64.b64decode(inner))
    return Piece(piece.raw, value, _name(frame, piece.raw), headers, isinstance(inner, str))


def _name(frame: Any, raw: bytes) -> str:
    """The event's name, "" where the frame does not state one."""
    if hasattr(frame, "headers"):
        return str(frame.type)
    found = _NAME.search(raw)
    return found[1].decode() if found else ""
