"""What an ideal client makes of a script: the observation by which client rules prove themselves."""

from __future__ import annotations

from streamgauge.conformance import SILENCE, STOP_AFTER
from streamgauge.events import OUTPUT, End, Event, Malformed, StreamError
from streamgauge.faults import apply_faults
from streamgauge.observation import Observation, Raised, Run, Served
from streamgauge.recordings import Recording, get_recording
from streamgauge.rules import Rule
from streamgauge.script import Script, script_of

CAPABILITIES = frozenset(("sync", "async", "usage", "tools", "reasoning", "refusal", "n", "finish", "errors"))
BEGAN = 1000.0
CANCEL = 0x8
REQUEST = ("POST", "/v1/chat/completions", {"accept": "text/event-stream"}, b"{}")


def ideal(rule: Rule, case: str, fault: str) -> Observation:
    """The observation of a client that keeps every rule, of one case under one fault."""
    recording = get_recording(case)
    script = apply_faults(script_of(recording), fault)
    requests: tuple[tuple[str, str, dict[str, str], bytes], ...] = (REQUEST,)
    if 300 <= script.status < 400 and script.then is not None:  # it follows redirects with the same method and body
        script, requests = script.then, (REQUEST, REQUEST)
    requests *= len(script.caller.before) + 1
    requests = requests if script.transport.reachable else ()
    http2 = script.transport.http2
    stop = (script.caller.leaves_after or STOP_AFTER) if "stop" in rule.needs else 0
    run = read(script.counted, stop_after=stop)
    return Observation(
        subject="ideal",
        path="sync",
        dialect=recording.get_dialect(),
        case=case,
        fault=fault,
        expected=recording.message,
        run=run,
        body=script.counted.delivered,
        baseline=plain(recording),
        served=Served(
            requests=requests,
            sent=_sent(script.counted),
            closed_early=0.0 if stop else None,
            protocols=("HTTP/2" if http2 else "HTTP/1.1",) * len(requests),
            resets=(CANCEL,) if stop and http2 else (),
        ),
        capabilities=CAPABILITIES,
    )


def plain(recording: Recording) -> Run:
    """Its run of a recording that nothing disturbs."""
    return read(script_of(recording))


def read(script: Script, *, stop_after: int = 0) -> Run:
    """Each event comes right behind the write that completes it; the client returns at the end of the stream, or
    behind so many output events."""
    if not script.transport.reachable:
        return _failed((), (), "no connection")
    silent = script.ending == "hold" or script.head_delay is None
    if script.head_delay is None or (silent and not script.body):
        return _failed((), (), "nothing came", timeout=True)
    if script.status != 200 or _media_type(script) != script.dialect.media_type or not script.body:
        return _failed((), (), f"status {script.status}: {script.body.decode()}")
    events, times = _events(script)
    if stop_after:
        count = next(n for n in range(len(events) + 1) if _outputs(events[:n]) == stop_after)
        at = times[count - 1]
        return Run(events=events[:count], times=times[:count], began=BEGAN, duration=at, stopped_at=at)
    for number, event in enumerate(events):
        if isinstance(event, StreamError):
            kind = "".join(word.capitalize() for word in event.error_type.split("_"))
            return _failed(events[:number], times[:number], event.message, kind=kind or "StreamError")
        if isinstance(event, Malformed):
            return _failed(events[:number], times[:number], f"{event.reason}: {event.excerpt}")
    if not any(isinstance(e, End) for e in events):
        return _failed(events, times, "the stream is incomplete", timeout=silent)
    return Run(events=events, times=times, began=BEGAN, duration=times[-1])


def _failed(
    events: tuple[Event, ...],
    times: tuple[float, ...],
    message: str,
    *,
    timeout: bool = False,
    kind: str = "StreamError",
) -> Run:
    raised = Raised(f"ideal.{kind}", message, ("Exception",), library=True, timeout=timeout)
    duration = (times[-1] if times else 0.0) + (SILENCE if timeout else 0.0)
    return Run(events=events, times=times, raised=raised, began=BEGAN, duration=duration)


def _events(script: Script) -> tuple[tuple[Event, ...], tuple[float, ...]]:
    decoder = script.dialect.decoder()
    found: list[tuple[Event, float]] = []
    at, left = 0.0, len(script.delivered)
    for piece in script.pieces:
        at += piece.delay
        found += [(e, at + 0.001) for e in decoder.feed(piece.data[:left])]
        left = max(0, left - len(piece.data))
    whole = script.ending == "complete" and script.declared_length in (None, len(script.body))
    if whole or not found:
        found += [(e, at + 0.001) for e in decoder.eof()]
    last = next((n for n, (e, _) in enumerate(found) if isinstance(e, End)), len(found))
    found = found[: last + 1]
    return tuple(e for e, _ in found), tuple(t for _, t in found)


def _sent(script: Script) -> tuple[tuple[float, int], ...]:
    at, sent = BEGAN, []
    for piece in script.pieces:
        at += piece.delay
        sent.append((at, len(piece.data)))
    return tuple(sent)


def _outputs(events: tuple[Event, ...]) -> int:
    return sum(isinstance(e, OUTPUT) for e in events)


def _media_type(script: Script) -> str:
    return next((v for n, v in script.headers if n.lower() == "content-type"), "").partition(";")[0]
