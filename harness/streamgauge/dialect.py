"""What a dialect is: how one wire API frames, says and asks things. No I/O.

A dialect is a module (or a package with `decoder`, `encoder` and `rules`) in `streamgauge.dialects`, or the
object of an entry point in the group `streamgauge.dialects`, that defines `DIALECTS`, a tuple of `Dialect`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from streamgauge.chat import ChatRequest
from streamgauge.events import Event, Span
from streamgauge.message import Message, assemble
from streamgauge.profile import Profile
from streamgauge.wire import members, parse

Framing = Literal["sse", "ndjson", "json-array", "eventstream"]


class Framer(Protocol):
    """Cuts bytes into frames: server-sent events, lines, array elements, binary messages."""

    def feed(self, chunk: bytes, /) -> Sequence[Any]: ...
    def eof(self) -> Sequence[Any]: ...


def first_object(framer: Framer, head: bytes) -> dict[str, Any]:
    """The JSON object of the first event of a stream that begins so; {} where there is none."""
    frames = (*framer.feed(head), *framer.eof())
    return next((members(parse(frame.data)) for frame in frames if getattr(frame, "data", "")), {})


class Interpreter(Protocol):
    """Gives frames their meaning. `end` is called once, after the last frame, with the number of bytes."""

    def frame(self, frame: Any, out: list[Event], /) -> None: ...
    def end(self, offset: int, out: list[Event], /) -> None: ...


class Decoder:
    """Bytes in, normalised events out. Feed it bytes cut anywhere, then call `eof()`, which tells truncation.

    `ended` is True once the dialect's terminator has come: a client may stop reading then.
    """

    __slots__ = ("_framer", "_interpreter", "_offset")

    def __init__(self, framer: Framer, interpreter: Interpreter) -> None:
        self._framer = framer
        self._interpreter = interpreter
        self._offset = 0

    def feed(self, chunk: bytes) -> list[Event]:
        self._offset += len(chunk)
        out: list[Event] = []
        interpret = self._interpreter.frame
        for frame in self._framer.feed(chunk):
            interpret(frame, out)
        return out

    def eof(self) -> list[Event]:
        out: list[Event] = []
        for frame in self._framer.eof():
            self._interpreter.frame(frame, out)
        self._interpreter.end(self._offset, out)
        return out


@dataclass(frozen=True, slots=True)
class WireRequest:
    """An HTTP POST that asks in a dialect: `path` goes behind the base URL, `headers` hold no key."""

    path: str
    body: dict[str, Any]
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Auth:
    """Where the API key goes, and the environment variable in which the vendor's own SDK looks for it."""

    header: str = "Authorization"
    prefix: str = "Bearer "
    env: str = ""

    def headers(self, key: str) -> tuple[tuple[str, str], ...]:
        """The header that carries a key; none for ""."""
        return ((self.header, self.prefix + key),) if key else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One wire API. Everything that is particular to it is here and in its module, nowhere else.

    framer: a fresh framer; framing names its kind, and rules for that framing apply to this dialect too.
    interpreter: a fresh interpreter of the framer's frames.
    encode: one `bytes` a wire event, which decode to the same events (ids and times are the encoder's choice).
    request: what a `ChatRequest` is on the wire.
    message: the `Message` of a non-streaming answer's JSON value.
    models: the JSON value that the path `models_path` answers, given model names.
    error_frame: an in-band error (message, code) as wire bytes. error_body: the body of an HTTP error.
    terminator: the wire bytes of the terminator event where it is an event of its own ("" where it is not).
    keepalive: wire bytes that say nothing. paths: regular expressions of the request paths that stream it.
    base_path: what the vendor's base URL ends in ("/v1"); a vendor SDK's base URL may or may not have it.
    detect: why these first bytes look like this dialect, or None. detect_error: why a stream that begins with an error
    can only be this dialect's, or None, given the media type that was declared ("" if unknown); asked where no dialect
    knows the bytes, and never against what the caller says: gateways pass a vendor's errors on in other dialects.
    finish_reasons: the words that the vendor documents for a complete answer.
    profiles: services that speak it with members of their own, and where those stand.
    profile_of: the dialect that this one is a stricter or extended form of: its rules and faults apply here too, and
    bytes are never guessed to be of the profile, because they look the same. other_framings: what the framer takes
    beside `framing`; the first bytes tell. other_media_types: what real services of the dialect also declare.
    """

    name: str
    title: str
    framing: Framing
    media_type: str
    framer: Callable[[], Framer]
    interpreter: Callable[[], Interpreter]
    encode: Callable[[Iterable[Event]], list[bytes]]
    request: Callable[[ChatRequest], WireRequest]
    message: Callable[[Any], Message]
    error_frame: Callable[[str, str], bytes]
    error_body: Callable[[int, str], bytes]
    detect: Callable[[bytes], str | None]
    paths: tuple[str, ...]
    detect_error: Callable[[bytes, str], str | None] = lambda _head, _media_type: None
    terminator: bytes = b""
    keepalive: bytes = b""
    base_path: str = ""
    models_path: str = ""
    models: Callable[[Sequence[str]], Any] | None = None
    auth: Auth = Auth()
    profiles: tuple[Profile, ...] = ()
    finish_reasons: tuple[str, ...] = ()
    profile_of: str = ""
    other_framings: tuple[Framing, ...] = ()
    other_media_types: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """What `applies` of a rule or fault may say to mean this dialect, its framing left aside."""
        return frozenset(filter(None, ("all", self.name, self.profile_of)))

    def decoder(self) -> Decoder:
        """A fresh decoder for one stream."""
        return Decoder(self.framer(), self.interpreter())

    def interpret(self, frames: Iterable[Any], size: int) -> list[Event]:
        """All events of a whole body of that many bytes, which was framed already."""
        interpreter = self.interpreter()
        out: list[Event] = []
        for frame in frames:
            interpreter.frame(frame, out)
        interpreter.end(size, out)
        return out

    def decode(self, body: bytes) -> list[Event]:
        """All events of a whole body."""
        framer = self.framer()
        return self.interpret([*framer.feed(body), *framer.eof()], len(body))

    def read(self, body: bytes) -> Message:
        """The message of a whole body."""
        return assemble(self.name, self.decode(body))

    def cut(self, body: bytes) -> list[bytes]:
        """The body in pieces, one a frame (comments are frames); joined they are the body."""
        framer = self.framer()
        frames = [*framer.feed(body), *framer.eof()]
        spans: list[Span] = [f.span for f in frames]
        marks = sorted({0, len(body), *(start for start, _ in spans)})
        return [body[a:b] for a, b in zip(marks, marks[1:], strict=False)]
