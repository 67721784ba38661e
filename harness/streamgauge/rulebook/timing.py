"""Timing: an answer comes as it is generated. Judged only where the times of the arrivals mean something."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.dialects.openai_chat._samples import chat, text
from streamgauge.evidence import output_times, streamed, timed, times_of
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule

LEAST_EVENTS = 20
LEAST_SECONDS = 1.0
"""An answer of fewer output events, or one that is over sooner, has nothing to spread."""
FASTEST = 0.001
"""Seconds an event: no model generates faster than this for long; what comes faster was held back."""
BUDGET = 10.0
"""Seconds to the first output that TIM-003 reports as long."""

LONG = chat(*(text(f" word{n:02}") for n in range(24)))
WORD = len(text(" word00"))
ROLE_CHUNK = len(LONG) - 24 * WORD - len(LONG[LONG.index('data: {"id":"c-1"', LONG.index("word23")) :])
SPREAD = Example(
    body=LONG,
    sizes=(ROLE_CHUNK, *[WORD] * 24, 10_000),
    times=(0.2, *(0.3 + n / 10 for n in range(24)), 2.8),
    headers_at=0.1,
    dialect="openai-chat",
)
AT_ONCE = Example(body=LONG, sizes=(len(LONG),), times=(2.8,), headers_at=0.1, dialect="openai-chat")


def _long_answer(exchange: Exchange) -> list[float]:
    """The times of the output events of an answer that is long enough to judge."""
    timed(exchange)
    streamed(exchange)
    times = output_times(exchange)
    if len(times) < LEAST_EVENTS:
        raise NotApplicable(f"fewer than {LEAST_EVENTS} events with output")
    if exchange.trace.ended_at < LEAST_SECONDS:
        raise NotApplicable(f"over in less than {LEAST_SECONDS:g} s")
    return times


@server_rule(
    "TIM-001",
    "events arrive as generated",
    group="timing",
    keyword="SHOULD",
    basis="de-facto",
    source="de facto: what streaming is for. Counted: all output in one read, or all of it within the last tenth of "
    "the time at less than 1 ms an event, which no model generates",
    applies=("all",),
    needs=("timing",),
    known=(
        "https://github.com/langgenius/dify/issues/41556",
        "https://github.com/CopilotKit/aimock/issues/125",
        "https://github.com/xtekky/gpt4free/issues/2300",
        "https://github.com/seaavey/SRouter/issues/104",
    ),
    good=SPREAD,
    bad=AT_ONCE,
)
def events_are_spread(exchange: Exchange) -> Iterator[Finding]:
    """On a generation of N tokens over T seconds, events are spread over time: more than one read, no gap longer than a
    stated bound, not all in the last 10 percent of T.
    """
    times = _long_answer(exchange)
    total = exchange.trace.ended_at
    if times[0] == times[-1]:
        yield Finding("output spread over time", f"{len(times)} events in one read, {times[0]:.2f} s after the request")
    elif times[0] > 0.9 * total and times[-1] - times[0] < FASTEST * len(times):
        yield Finding(
            "output spread over time",
            f"{len(times)} events between {times[0]:.2f} s and {times[-1]:.2f} s of {total:.2f} s",
        )


@server_rule(
    "TIM-002",
    "headers come before the first token",
    group="timing",
    keyword="SHOULD",
    basis="de-facto",
    source="de facto. Counted: status and headers that came together with the whole of a long answer",
    applies=("all",),
    needs=("timing", "headers"),
    known=("https://github.com/ayunis-core/ayunis-core/issues/656",),
    good=SPREAD,
    bad=Example(body=LONG, sizes=(len(LONG),), times=(2.8,), headers_at=2.8, dialect="openai-chat"),
    also_breaks=("TIM-001",),
)
def headers_come_early(exchange: Exchange) -> Iterator[Finding]:
    """Status and headers are flushed when the request is accepted or at the latest with the first event."""
    times = _long_answer(exchange)
    at = exchange.trace.headers_at
    if at is None:
        raise NotApplicable("when the headers came is not known")
    if times[-1] - at < FASTEST * len(times):
        yield Finding(
            "headers with the first event at the latest",
            f"headers after {at:.2f} s, the last output after {times[-1]:.2f} s",
        )


@server_rule(
    "TIM-003",
    "first event promptly",
    group="timing",
    keyword="MAY",
    basis="de-facto",
    source="de facto: no document sets a time",
    applies=("all",),
    needs=("timing",),
    good=SPREAD,
    bad=Example(body=LONG, sizes=(ROLE_CHUNK, 10_000), times=(10.2, 12.0), headers_at=10.1, dialect="openai-chat"),
    also_breaks=("TIM-001",),
)
def first_event_promptly(exchange: Exchange) -> Iterator[Finding]:
    """Time to first event and to first content is measured and reported (budget set by the user)."""
    timed(exchange)
    streamed(exchange)
    events = times_of(exchange, (f.span for f in exchange.frames[:1]))
    output = output_times(exchange)
    if not events or not output:
        raise NotApplicable("the answer has no output")
    if output[0] > BUDGET:
        yield Finding(
            f"output within {BUDGET:g} s",
            f"the first event after {events[0]:.2f} s, the first output after {output[0]:.2f} s",
        )
