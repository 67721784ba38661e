"""What is measured of one stream, and of many: definitions only, pure functions of what was recorded.

Each metric is defined once, here. All times are in seconds from the moment the request was sent (for a client
library: from the call). What each means in words, where it comes from and what OpenTelemetry calls it stands in
`streamgauge.measurement.definitions`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from streamgauge.events import OUTPUT, End, Ended, Event, ReasoningDelta, StreamError, TextDelta, Usage
from streamgauge.trace import Trace, TraceEnd

Outcome = Literal["complete", "truncated", "error", "stalled", "cut", "refused"]
"""complete: the dialect says so, and nothing else is a success. truncated: the bytes ended properly, without the
dialect's terminator. error: the stream reported one. stalled: silence past a timeout. cut: the connection broke.
refused: there was no stream (connection, status or media type)."""

STALL = 1.0
"""Seconds: a gap of so much is a stall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The events of one stream with the time at which each was there, and how it went.

    sent: when the request was really sent, if it was meant to be sent at 0 (schedule delay).
    headers_at: when status line and headers were there; None where nobody saw them (inside a library).
    """

    events: tuple[tuple[float, Event], ...]
    outcome: Outcome
    ended_at: float
    headers_at: float | None = None
    sent: float = 0.0
    received: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamMetrics:
    """The metrics of one stream; None where the stream has no such moment.

    ttfb: to status line and headers. ttfe: to the first complete event of any kind. ttft: to the first event that
    carries output; a role-only or empty chunk is not a token. ttft_answer: to the first visible text.
    gaps: between consecutive output events. tpot: (last output - first output) / (output tokens - tokens of the
    first output event), None where the token count has no source; the first event counts as one token.
    e2e: to the terminator. token_source: where `output_tokens` comes from; never the requested length.
    """

    outcome: Outcome
    ttfb: float | None
    ttfe: float | None
    ttft: float | None
    ttft_answer: float | None
    gaps: tuple[float, ...]
    tpot: float | None
    e2e: float
    events: int
    output_events: int
    output_tokens: int | None
    token_source: str
    schedule_delay: float
    received: int


def measure(timeline: Timeline) -> StreamMetrics:
    """The metrics of one stream."""
    outputs = [at for at, event in timeline.events if isinstance(event, OUTPUT)]
    visible = (at for at, event in timeline.events if isinstance(event, TextDelta))
    tokens, source = _tokens(timeline.events)
    ends = [at for at, event in timeline.events if isinstance(event, End)]
    return StreamMetrics(
        outcome=timeline.outcome,
        ttfb=timeline.headers_at,
        ttfe=timeline.events[0][0] if timeline.events else None,
        ttft=outputs[0] if outputs else None,
        ttft_answer=next(visible, None),
        gaps=tuple(b - a for a, b in zip(outputs, outputs[1:], strict=False)),
        tpot=_tpot(outputs, tokens),
        e2e=ends[0] if ends else timeline.ended_at,
        events=len(timeline.events),
        output_events=len(outputs),
        output_tokens=tokens,
        token_source=source,
        schedule_delay=timeline.sent,
        received=timeline.received,
    )


def _tpot(outputs: Sequence[float], tokens: int | None) -> float | None:
    if tokens is None or tokens < 2 or len(outputs) < 2:
        return None
    return (outputs[-1] - outputs[0]) / (tokens - 1)


def _tokens(events: Iterable[tuple[float, Event]]) -> tuple[int | None, str]:
    stated = [e for _, e in events if isinstance(e, Usage) and e.output_tokens is not None]
    return (stated[-1].output_tokens, stated[-1].source) if stated else (None, "none")


def outcome_of(ended: Ended, trace_end: TraceEnd = "eof") -> Outcome:
    """How a stream went, by what its dialect says and how its connection ended."""
    if ended == "complete":
        return "complete"
    if ended == "error":
        return "error"
    if trace_end == "timeout":
        return "stalled"
    return "cut" if trace_end in ("reset", "incomplete") else "truncated"


def timeline_of(trace: Trace, dialect_name: str) -> Timeline:
    """The timeline of a trace: each event has the time of the read that completed it."""
    from streamgauge.registry import get_dialect

    decoder = get_dialect(dialect_name).decoder()
    events: list[tuple[float, Event]] = []
    for arrival in trace.arrivals:
        events += ((arrival.at, event) for event in decoder.feed(arrival.data))
    events += ((trace.ended_at, event) for event in decoder.eof())
    ended: Ended = next((e.ended for _, e in events if isinstance(e, End)), "truncated")
    if any(isinstance(e, StreamError) for _, e in events):
        ended = "error"
    refused = trace.status is not None and trace.status >= 400
    return Timeline(
        events=tuple(events),
        outcome="refused" if refused else outcome_of(ended, trace.ended),
        ended_at=trace.ended_at,
        headers_at=trace.headers_at,
        received=sum(len(a.data) for a in trace.arrivals),
    )


@dataclass(frozen=True, slots=True)
class Quantile:
    """An order statistic with a distribution-free confidence interval; `value` is inf where too many failed."""

    value: float
    low: float
    high: float


def quantile(values: Sequence[float], q: float, *, failures: int = 0, confidence: float = 0.95) -> Quantile | None:
    """The q-quantile (0 < q < 1) of a sample, with an interval at that confidence, or None.

    Failures count as +inf: a backend does not get faster by failing. The estimate is the ceil(n q)-th smallest
    value, never an interpolation. The interval's ends are the order statistics whose ranks bracket n q with the
    binomial probability asked for (Conover, Practical Nonparametric Statistics, 3.2: the number of values below
    the true quantile is Binomial(n, q)). Where the sample has no order statistic far enough out for either end
    the quantile is absent: None, not an extrapolation.
    """
    n = len(values) + failures
    bounds = _ranks(n, q, (1 - confidence) / 2)
    if bounds is None:
        return None
    ordered = [*sorted(values), *[math.inf] * failures]
    low, high = bounds
    rank = min(n, max(1, math.ceil(round(n * q, 9))))  # 100 * 0.07 is a little more than 7
    return Quantile(ordered[rank - 1], ordered[low - 1], ordered[high - 1])


def _ranks(n: int, q: float, tail: float) -> tuple[int, int] | None:
    """Ranks (1-based) of the interval's ends, None where n is too small to have both.

    With B ~ Binomial(n, q): low is the largest r with P(B < r) <= tail, high the smallest s with P(B >= s) <= tail.
    """
    # Beyond twelve standard deviations (and a few ranks, where q n is small) lies less than can be told from nothing.
    reach = 12 * math.sqrt(n * q * (1 - q)) + 40
    begin, end = max(0, math.floor(n * q - reach)), min(n, math.ceil(n * q + reach))
    below = 0.0
    low = high = None
    for k in range(begin, end + 1):
        at = math.exp(_log_choose(n, k) + k * math.log(q) + (n - k) * math.log1p(-q))
        if below <= tail and k >= 1:
            low = k
        below += at
        if 1 - below <= tail and high is None:
            high = k + 1
    if low is None or high is None or high > n:
        return None
    return low, high


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def reasoning_seconds(timeline: Timeline) -> float | None:
    """From the first reasoning event to the first visible text, None without reasoning: timed apart from TTFT."""
    first = next((at for at, e in timeline.events if isinstance(e, ReasoningDelta)), None)
    answer = next((at for at, e in timeline.events if isinstance(e, TextDelta)), None)
    return None if first is None or answer is None else max(0.0, answer - first)
