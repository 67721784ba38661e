"""What a client made of a known script: the evidence that client rules judge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from streamgauge.dialect import Dialect
from streamgauge.events import End, Event, KeepAlive, Malformed, Start, StreamError, unlocated
from streamgauge.message import Message, assemble

Path = Literal["sync", "async"]


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception that the client raised: `name` is its qualified class, `bases` those of its base classes.

    `library` says whether the class is the client library's own (defined in one of its modules).
    """

    name: str
    message: str
    bases: tuple[str, ...] = ()
    library: bool = False
    timeout: bool = False
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One stream through one client. Times are in seconds since the call; `hung` means that we had to stop it.

    began: the call, on the clock of `time.monotonic`, which the send log uses too. stopped_at: when the caller, who
    had seen enough, closed the iterator. left_tasks: names of asyncio tasks that outlived the stream.
    """

    events: tuple[Event, ...] = ()
    times: tuple[float, ...] = ()
    raised: Raised | None = None
    hung: bool = False
    duration: float = 0.0
    began: float = 0.0
    stopped_at: float | None = None
    left_tasks: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether the client gave its caller no sign that anything is missing or wrong."""
        if self.raised or self.hung:
            return False
        ends = [e for e in self.events if isinstance(e, End)]
        said_error = any(isinstance(e, (StreamError, Malformed)) for e in self.events)
        return not said_error and all(e.ended == "complete" for e in ends)

    @property
    def said(self) -> tuple[Event, ...]:
        """The events without what carries no meaning: spans, keep-alives, identity, the end."""
        return tuple(unlocated(e) for e in self.events if not isinstance(e, (KeepAlive, Start, End)))

    def message(self, dialect: str) -> Message:
        return assemble(dialect, self.events)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What the replay server saw of one client's run.

    `requests` are (method, path, headers, body) in order of arrival, without look-ups such as GET /models.
    `sent` are (monotonic seconds, number of body bytes) per write; `closed_early` is the seconds between the
    client's end and its closing of the connection, None where the server ended first. `protocols` are the HTTP
    versions of the requests, `resets` the codes with which the client reset streams of HTTP/2.
    """

    requests: tuple[tuple[str, str, dict[str, str], bytes], ...] = ()
    sent: tuple[tuple[float, int], ...] = ()
    closed_early: float | None = None
    open_connections: int = 0
    protocols: tuple[str, ...] = ()
    resets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One run with all that is known about it.

    `body` is what the server's script carried after the fault, `expected` the message of the recording before
    it, `baseline` the same client's run of the same recording without any fault, on the same path.
    """

    subject: str
    path: Path
    dialect: Dialect
    case: str
    fault: str
    expected: Message
    run: Run
    body: bytes = b""
    baseline: Run | None = None
    served: Served = field(default_factory=Served)
    capabilities: frozenset[str] = frozenset()
