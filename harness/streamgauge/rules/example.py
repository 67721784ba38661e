"""The streams that a server rule proves itself with: one that satisfies it, one that breaks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streamgauge.message import Message
from streamgauge.registry import get_dialect
from streamgauge.rules.exchange import Exchange
from streamgauge.trace import Arrival, Headers, Trace, TraceEnd

if TYPE_CHECKING:
    from streamgauge.dialect import Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A stream that proves a rule: it satisfies it, or breaks it. Text is sent as UTF-8."""

    body: str | bytes
    status: int | None = 200
    headers: Headers | None = None
    request: Mapping[str, Any] | None = None
    reference: Message | None = None
    times: tuple[float, ...] = ()
    sizes: tuple[int, ...] = ()
    headers_at: float | None = None
    ended: TraceEnd = "eof"
    dialect: str = ""
    accept_encoding: str | None = None
    http_version: str = "HTTP/1.1"
    siblings: Mapping[str, Example] = field(default_factory=dict)

    def exchange(self, dialect: Dialect) -> Exchange:
        """The exchange that this example stands for; headers default to those of a correct answer."""
        dialect = get_dialect(self.dialect) if self.dialect else dialect
        body = self.body.encode() if isinstance(self.body, str) else self.body
        sizes = self.sizes or (len(body),)
        times = self.times or (0.0,) * len(sizes)
        marks = [0]
        for size in sizes:
            marks.append(marks[-1] + size)
        arrivals = tuple(Arrival(t, body[a:b]) for t, a, b in zip(times, marks, marks[1:], strict=False))
        headers = self.headers
        if headers is None:
            headers = (
                ("Content-Type", dialect.media_type),
                ("Cache-Control", "no-cache"),
                ("X-Accel-Buffering", "no"),
            )
        trace = Trace(
            arrivals=arrivals,
            status=self.status,
            headers=headers,
            headers_at=self.headers_at if self.headers_at is not None else times[0],
            ended=self.ended,
            ended_at=times[-1],
            request=self.request,
            timed=bool(self.times),
            accept_encoding=self.accept_encoding,
            http_version=self.http_version,
        )
        siblings = {name: example.exchange(dialect) for name, example in self.siblings.items()}
        return Exchange(dialect, trace, self.reference, siblings)
