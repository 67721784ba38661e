"""What was received of one response, and when: verdicts, metrics and replays are functions of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

TraceEnd = Literal["eof", "incomplete", "reset", "timeout", "closed"]
"""eof: the HTTP message was complete; incomplete: the connection ended before it was; closed: by us."""

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One read of body bytes; `at` is in seconds since the request was sent."""

    at: float
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All arrivals of one response.

    status and headers are None where only the body is known (a file). `request` is the JSON body that asked.
    Times are in seconds since the request was sent; `timed` says whether they mean anything. `accept_encoding` is that
    of the request, None where it is not known.
    """

    arrivals: tuple[Arrival, ...]
    status: int | None = None
    headers: Headers | None = None
    headers_at: float | None = None
    ended: TraceEnd = "eof"
    ended_at: float = 0.0
    request: Mapping[str, Any] | None = None
    timed: bool = False
    http_version: str = "HTTP/1.1"
    accept_encoding: str | None = None
    note: str = ""

    @property
    def body(self) -> bytes:
        return b"".join(a.data for a in self.arrivals)

    def header(self, name: str) -> str | None:
        """The values of a header joined with ", " (RFC 9110 5.3), or None."""
        found = [v for n, v in self.headers or () if n.lower() == name.lower()]
        return ", ".join(found) if found else None

    @classmethod
    def of(cls, body: bytes, *, request: Mapping[str, Any] | None = None) -> Trace:
        """A trace of which only the body is known."""
        return cls(arrivals=(Arrival(0.0, body),), request=request)
