"""What the replay server saw and sent: requests without their secrets, and the send log."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from streamgauge.observation import Served

SECRET_HEADERS = frozenset(
    ("authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "x-auth-token", "cookie")
)
MASK = "***"
_KEY = re.compile(r"([?&](?:api[_-]?)?key=)[^&]*", re.IGNORECASE)


def masked(headers: dict[str, str]) -> dict[str, str]:
    """Headers whose secrets are replaced; the scheme of an Authorization value stays ("Bearer ***")."""
    return {n: _mask(v) if n in SECRET_HEADERS and v else v for n, v in headers.items()}


def masked_path(path: str) -> str:
    """A request path whose `key=` parameter (Gemini's way) is replaced."""
    return _KEY.sub(rf"\g<1>{MASK}", path)


def _mask(value: str) -> str:
    scheme, space, _ = value.partition(" ")
    return f"{scheme} {MASK}" if space else MASK


@dataclass(frozen=True, slots=True)
class Received:
    """One request. `headers` have lower-case names and masked secrets; `at` is `time.monotonic()` seconds at which
    it was complete; `connection` numbers the server's connections, so that reuse shows; `protocol` is "HTTP/1.1",
    "HTTP/1.0" or "HTTP/2"."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    connection: int
    protocol: str = "HTTP/1.1"

    @property
    def json(self) -> Any:
        """The body's JSON value; raises ValueError where it is none."""
        return json.loads(self.body)


class Sent(NamedTuple):
    """One piece of body.

    `at` is `time.monotonic()` in seconds, read immediately before the bytes were handed to the kernel; `size` is
    bytes of body, before framing and compression; `request` is the index of the request that it answers.
    """

    at: float
    size: int
    request: int


@dataclass(slots=True)
class Answer:
    """The fate of one request: who ended the answer, and when (`time.monotonic()` seconds).

    reset: the code of the client's RST_STREAM, where it ended the answer so.
    """

    request: int
    connection: int
    look_up: bool = False
    ended_by: Literal["server", "client", ""] = ""
    ended_at: float = 0.0
    reset: int | None = None


@dataclass(slots=True)
class Log:
    """All that one mount saw. Written by the server's thread, read by any."""

    requests: list[Received] = field(default_factory=list)
    sends: list[Sent] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    open: set[int] = field(default_factory=set)
    closed_by_client: dict[int, float] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def begin(self, received: Received, *, look_up: bool) -> Answer:
        answer = Answer(len(self.requests), received.connection, look_up)
        with self.changed:
            self.requests.append(received)
            self.answers.append(answer)
            self.open.add(received.connection)
            self.changed.notify_all()
        return answer

    def end(self, answer: Answer, by: Literal["server", "client"], at: float, reset: int | None = None) -> None:
        """Note who ended an answer; the first to do so counts."""
        with self.changed:
            if not answer.ended_by:
                answer.ended_by, answer.ended_at, answer.reset = by, at, reset
            self.changed.notify_all()

    def close(self, connection: int, at: float | None) -> None:
        """Note that a connection is closed: at that time by the client, or (None) by the server."""
        with self.changed:
            self.open.discard(connection)
            if at is not None:
                self.closed_by_client[connection] = at
            self.changed.notify_all()

    def wait(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until something is so; False when it was not within so many seconds."""
        with self.changed:
            return self.changed.wait_for(condition, timeout)

    def served(self, since: float) -> Served:
        """The evidence of a client run that ended at `since` (`time.monotonic()` seconds)."""
        with self.changed:
            asked = [r for r, a in zip(self.requests, self.answers, strict=True) if not a.look_up]
            left = [a.ended_at for a in self.answers if not a.look_up and a.ended_by == "client"]
            resets = [a.reset for a in self.answers if not a.look_up and a.reset is not None]
            return Served(
                requests=tuple((r.method, r.path, r.headers, r.body) for r in asked),
                sent=tuple((s.at, s.size) for s in self.sends if not self.answers[s.request].look_up),
                closed_early=max(0.0, left[-1] - (since or left[-1])) if left else None,
                open_connections=len(self.open),
                protocols=tuple(r.protocol for r in asked),
                resets=tuple(resets),
            )


def now() -> float:
    """The clock of every log: `time.monotonic()`, which other processes on the machine share."""
    return time.monotonic()
