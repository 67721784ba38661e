"""One stream of a load: what was planned for it, what its caller saw, and what the result keeps of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.errors import BackendError
from streamgauge.events import OUTPUT, End, Event, Finish, Malformed, StreamError
from streamgauge.http_provider import BrokenStreamError, MediaTypeError, SilenceError, StatusError
from streamgauge.instrument.backend import Served
from streamgauge.instrument.exchange import Probed, Timeouts
from streamgauge.instrument.wire import Prepared
from streamgauge.measurement.metrics import Outcome, StreamMetrics, Timeline
from streamgauge.measurement.results import Stream
from streamgauge.transport import UnreachableError, masked

TRANSPORT = ("httpx", "httpcore", "httpx2", "httpcore2", "aiohttp", "urllib3", "requests", "http.client", "builtins")
"""Modules whose exceptions say that a connection failed: builtins has ConnectionError and its like."""
DIGITS = 7
"""Decimal places of seconds that a result keeps: a tenth of a microsecond."""


@dataclass(slots=True, eq=False)
class Flight:
    """One stream. due: its intended start, None in a closed loop, where it starts when a place is free.

    All moments are in `time.monotonic` seconds. events: with the moment of their delivery, of a library's stream;
    probed: what the wire probe recorded. stalled: which patience ended.
    """

    tag: int
    request: ChatRequest | Prepared
    due: float | None = None
    began: float = 0.0
    ended: float = 0.0
    last: float = 0.0
    events: list[tuple[float, Event]] = field(default_factory=list)
    probed: Probed | None = None
    error: BaseException | None = None
    stalled: str = ""

    @property
    def start(self) -> float:
        """What the times of the stream count from."""
        if self.due is not None:
            return self.due
        return self.probed.sent if self.probed is not None else self.began

    def begin(self) -> None:
        self.began = self.last = time.monotonic()

    def take(self, event: Event) -> None:
        self.last = time.monotonic()
        self.events.append((self.last, event))

    def overdue(self, limits: Timeouts) -> str:
        """Which of the limits it has passed, "" while none."""
        now = time.monotonic()
        if not self.began or self.ended:
            return ""
        if now - self.began > limits.total:
            return f"not at its end after {limits.total:g} s"
        silence = limits.idle if self.events else limits.first_event + limits.connect
        return f"nothing came for {silence:g} s" if now - self.last > silence else ""


def library_timeline(flight: Flight, *, claims_finish: bool) -> Timeline:
    """The timeline of a stream through a library. claims_finish: it tells a finish reason where there was one."""
    start = flight.start
    return Timeline(
        events=tuple((at - start, event) for at, event in flight.events),
        outcome=library_outcome(flight, claims_finish=claims_finish),
        ended_at=flight.ended - start,
        sent=flight.began - start,
    )


def library_outcome(flight: Flight, *, claims_finish: bool) -> Outcome:
    """How a library's stream went.

    What a library raises is told apart by whose exception it is: a transport's is a cut (or a stall, by its name),
    before the first event it is a refusal; any other after the first event is taken for an error that the stream
    reported. A library's own word that the end was reached counts only where the finish reason came, too.
    """
    if flight.stalled:
        return "stalled"
    if flight.error is not None:
        return _raised_outcome(flight.error, bool(flight.events))
    said = [event for _, event in flight.events]
    if any(isinstance(event, (StreamError, Malformed)) for event in said):
        return "error"
    ends = [event for event in said if isinstance(event, End)]
    if not ends or ends[-1].ended != "complete":
        return "error" if ends and ends[-1].ended in ("error", "malformed") else "truncated"
    if claims_finish and not any(isinstance(event, Finish) for event in said):
        return "truncated"
    return "complete"


def _raised_outcome(error: BaseException, began: bool) -> Outcome:
    chain = list(_causes(error))
    if any(isinstance(e, (UnreachableError, StatusError, MediaTypeError)) for e in chain):
        return "refused"
    if any(isinstance(e, (SilenceError, TimeoutError)) or "timeout" in type(e).__name__.lower() for e in chain):
        return "stalled"
    if not began:
        return "refused"
    if any(isinstance(e, (BrokenStreamError, OSError, EOFError)) or _of_transport(e) for e in chain):
        return "cut"
    return "error"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _of_transport(error: BaseException) -> bool:
    module = type(error).__module__
    return module != "builtins" and any(module == name or module.startswith(f"{name}.") for name in TRANSPORT)


def stream_of(
    flight: Flight,
    line: Timeline,
    found: StreamMetrics,
    *,
    run_began: float,
    served: Served | None = None,
    keep_arrivals: bool = False,
    secret: str = "",
) -> Stream:
    """What the result keeps of a stream. served: what the replay server did for it."""
    probed = flight.probed
    shift = found.schedule_delay
    return Stream(
        outcome=found.outcome,
        e2e=_rounded(found.e2e),
        began=_rounded(flight.start - run_began),
        schedule_delay=_rounded(shift),
        ttfb=_rounded(found.ttfb),
        ttfe=_rounded(found.ttfe),
        ttft=_rounded(found.ttft),
        ttft_answer=_rounded(found.ttft_answer),
        tpot=_rounded(found.tpot),
        gaps=[_rounded(gap) for gap in found.gaps],
        events=found.events,
        output_events=found.output_events,
        output_tokens=found.output_tokens,
        token_source=found.token_source,
        received=found.received,
        connect=_rounded(probed.connect) if probed else None,
        client_lag=_rounded(max(probed.lags)) if probed and probed.lags else None,
        delivery_delay=_delays(line, flight.start, served),
        arrivals=[_rounded(a.at + shift) for a in probed.trace.arrivals] if probed and keep_arrivals else None,
        error=masked(_complaint(flight, line), secret),
        reconnected=probed.reconnected if probed else False,
    )


def _delays(line: Timeline, start: float, served: Served | None) -> list[float] | None:
    """From the server's send to the caller, where each output event is known to be one that was sent."""
    outputs = [at + start for at, event in line.events if isinstance(event, OUTPUT)]
    if served is None or len(outputs) != len(served.sends):
        return None
    return [_rounded(seen - sent) for seen, sent in zip(outputs, served.sends, strict=True)]


def _complaint(flight: Flight, line: Timeline) -> str:
    if line.outcome == "complete":
        return ""
    if flight.stalled:
        return flight.stalled
    if flight.error is not None:
        name = "" if isinstance(flight.error, BackendError) else f"{type(flight.error).__name__}: "
        return name + " ".join(str(flight.error).split())
    said = next((e.message or e.error_type for _, e in line.events if isinstance(e, StreamError)), "")
    trace = flight.probed.trace if flight.probed else None
    if trace is not None and line.outcome == "refused":
        return f"status {trace.status}, {trace.header('content-type') or 'no media type'}"
    return said or (trace.note if trace else "") or next((e.reason for _, e in line.events if isinstance(e, End)), "")


def _rounded(seconds: Any) -> Any:
    return None if seconds is None else round(seconds, DIGITS)
