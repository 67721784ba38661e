"""How the client rules reach their verdicts.

What a client is compared with is, wherever that is possible, the *same client's* run of the same recording on the
same path with nothing disturbed: a peculiarity that it always has is then blamed once, by AGG-008, which alone
compares that plain run with what the recording carries. From there:

- A lossless disturbance must change nothing. The events are compared as sequences in which neighbouring deltas of
  one kind are joined, because how a client cuts text into pieces is its own affair.
- Under a harmful one the caller must be able to tell: by an exception, by an error event, or by an end that is not
  `complete`. Which of these, and whose class an exception is, are rules of their own.
- A run under a fault says nothing where already the plain one failed: a missing prerequisite counts as a departure,
  and says so.
- Times are judged only where no load of the machine can fake the outcome: by the order of events ("not before the
  server went on sending"), or by waits that are several times what was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from streamgauge.events import (
    OUTPUT,
    End,
    Event,
    Finish,
    Malformed,
    ReasoningDelta,
    RefusalDelta,
    StreamError,
    TextDelta,
    ToolCallDelta,
    excerpt,
    to_json,
)
from streamgauge.observation import Observation, Raised, Run
from streamgauge.rules import Finding, NotApplicable

BROKEN_CLIENT = Raised("builtins.ValueError", "broken on purpose", ("Exception",))
"""What the examples raise that break a rule."""


def merged(events: tuple[Event, ...]) -> tuple[Event, ...]:
    """The events with neighbouring deltas of the same thing joined."""
    out: list[Event] = []
    for event in events:
        joined = _joined(out[-1], event) if out else None
        if joined is None:
            out.append(event)
        else:
            out[-1] = joined
    return tuple(out)


def _joined(last: Event, event: Event) -> Event | None:
    """One delta for two of the same thing, None for anything else."""
    if last.choice != event.choice:
        return None
    match last, event:
        case TextDelta(), TextDelta():
            return TextDelta(last.text + event.text, event.choice)
        case ReasoningDelta(), ReasoningDelta():
            return ReasoningDelta(last.text + event.text, event.choice)
        case RefusalDelta(), RefusalDelta():
            return RefusalDelta(last.text + event.text, event.choice)
        case ToolCallDelta(), ToolCallDelta() if last.index == event.index:
            return ToolCallDelta(
                last.index,
                last.id or event.id,
                last.name or event.name,
                last.arguments + event.arguments,
                choice=event.choice,
            )
        case _:
            return None


def outcome(run: Run | None) -> str:
    """In a few words, how a run went."""
    if run is None:
        return "it was not run"
    told = f"{len(run.said)} events"
    if run.hung:
        return f"{told}, then nothing until we gave up after {run.duration:.1f} s"
    if run.raised:
        return f"{told}, then {run.raised.name}: {excerpt(run.raised.message)}"
    if error := next((e for e in run.events if isinstance(e, StreamError)), None):
        return f"{told}, with the error {excerpt(error.message)!r}"
    if odd := next((e for e in run.events if isinstance(e, Malformed)), None):
        return f"{told}, one of them malformed: {excerpt(odd.reason)}"
    end = next((e for e in reversed(run.events) if isinstance(e, End)), None)
    return (
        f"{told}, then an end that says {end.ended!r}" if end and end.ended != "complete" else f"{told}, as a success"
    )


def prerequisite(seen: Observation) -> Iterator[Finding]:
    """A finding where the plain recording already fails with this client."""
    if seen.baseline is None or not seen.baseline.succeeded:
        yield Finding("the plain recording streams (without it nothing can be compared)", outcome(seen.baseline))


def same_events(seen: Observation) -> Iterator[Finding]:
    """Findings where the disturbed run does not say what the plain one said."""
    if seen.baseline is None or not seen.baseline.succeeded:
        yield from prerequisite(seen)
        return
    want, got = merged(seen.baseline.said), merged(seen.run.said)
    if not seen.run.succeeded:
        yield Finding(f"the same {len(seen.baseline.said)} events as without the fault", outcome(seen.run))
    elif want != got:
        yield difference(want, got)


def difference(want: tuple[Event, ...], got: tuple[Event, ...]) -> Finding:
    """The first place where two sequences part."""
    pairs = zip(want, got, strict=False)
    at = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(want), len(got)))
    return Finding(f"event {at + 1}: {_shown(want, at)}", _shown(got, at))


def _shown(events: tuple[Event, ...], at: int) -> str:
    return excerpt(to_json(events[at])) if at < len(events) else "no more events"


def must_tell(seen: Observation, expected: str) -> Iterator[Finding]:
    """A finding where the caller can't tell that something went wrong."""
    missing = list(prerequisite(seen))
    yield from missing
    if not missing and seen.run.succeeded:
        yield Finding(expected, outcome(seen.run))


def visible(events: tuple[Event, ...]) -> str:
    """The text that a reader has seen, reasoning and refusals too."""
    return "".join(e.text for e in events if isinstance(e, (TextDelta, ReasoningDelta, RefusalDelta)))


def said_before(seen: Observation) -> int:
    """How many characters of text the events that did arrive carry, as this client shows them.

    What its plain run leaves out of the recording's text (a stripped space, say) is left out here too.
    """
    whole = sum(len(c.text) + len(c.reasoning) + len(c.refusal) for c in seen.expected.choices)
    lost = whole - len(visible(seen.baseline.events)) if seen.baseline else 0
    return len(visible(tuple(seen.dialect.decode(seen.body)))) - max(0, lost)


def late_events(seen: Observation) -> tuple[int, int]:
    """How many of the output events came only after the server had sent further bytes, of how many.

    Raises NotApplicable where this client's events can't be told apart by the bytes that carry them.
    """
    decoder = seen.dialect.decoder()
    due: list[int] = []  # for each output event the number of the write that completes it
    at = 0
    for number, (_, size) in enumerate(seen.served.sent):
        due += [number for e in decoder.feed(seen.body[at : at + size]) if isinstance(e, OUTPUT)]
        at += size
    came = [seen.run.began + t for t, e in zip(seen.run.times, seen.run.events, strict=True) if isinstance(e, OUTPUT)]
    if len(came) != len(due) or not came:
        raise NotApplicable(f"the client has {len(came)} output events where the stream has {len(due)}")
    judged = [(t, n + 1) for t, n in zip(came, due, strict=True) if n + 1 < len(seen.served.sent)]
    return sum(t >= seen.served.sent[following][0] for t, following in judged), len(judged)


def delivered_late(seen: Observation, expected: str) -> Iterator[Finding]:
    """A finding where most events were held back: one or two are the machine's, most are the client's."""
    missing = list(prerequisite(seen))
    yield from missing
    if missing:
        return
    late, judged = late_events(seen)
    if late * 2 > judged:
        yield Finding(expected, f"{late} of {judged} events only when the bytes behind them had been sent")


# What the examples of the rules do to a correct observation.


def changed(seen: Observation, **facts: object) -> Observation:
    """The observation with its run changed."""
    return replace(seen, run=replace(seen.run, **facts))  # type: ignore[arg-type]


def loses_an_event(seen: Observation) -> Observation:
    """The client skips the first output event."""
    at = next(n for n, e in enumerate(seen.run.events) if isinstance(e, OUTPUT))
    keep = [n for n in range(len(seen.run.events)) if n != at]
    return changed(
        seen,
        events=tuple(seen.run.events[n] for n in keep),
        times=tuple(seen.run.times[n] for n in keep),
    )


def dies(seen: Observation) -> Observation:
    """The client raises in the middle."""
    half = len(seen.run.events) // 2
    return changed(seen, events=seen.run.events[:half], times=seen.run.times[:half], raised=BROKEN_CLIENT)


def claims_success(seen: Observation) -> Observation:
    """The client ends as if nothing had been wrong."""
    kept = [
        (e, t)
        for e, t in zip(seen.run.events, seen.run.times, strict=True)
        if not isinstance(e, (End, StreamError, Malformed))
    ]
    events = (*(e for e, _ in kept), End("complete"))
    return changed(seen, events=events, times=(*(t for _, t in kept), seen.run.duration), raised=None, hung=False)


def hangs(seen: Observation) -> Observation:
    """The client never comes back."""
    return changed(seen, raised=None, hung=True, events=(), times=())


def holds_back(seen: Observation) -> Observation:
    """The client hands over each event when the next one has come."""
    return changed(seen, times=tuple(t + 10.0 for t in seen.run.times))


def finishes_twice(seen: Observation) -> Observation:
    """The client hands over an event that the stream does not have."""
    extra = Finish("stop", 7)
    return changed(seen, events=(*seen.run.events, extra), times=(*seen.run.times, seen.run.duration))
