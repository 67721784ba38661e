"""Faults of the sequence: events that are repeated, missing, swapped, unknown, or behind the end."""

from __future__ import annotations

from streamgauge.events import End
from streamgauge.faults import fault
from streamgauge.faults._edit import at_middle, edit_events, halfway, located, middle_output, output_frames
from streamgauge.script import Script


@fault(
    "F-D04",
    "duplicate-event",
    "One event twice",
    layer="content",
    effect="damaged",
    expected="detected where the dialect numbers its events; otherwise no crash",
)
def duplicate_event(script: Script, _: str) -> Script:
    """The same bytes again."""
    return at_middle(script, lambda f: f + f).edit(lambda frames: frames)


@fault(
    "F-D05",
    "swap-events",
    "Two events in the wrong order",
    layer="content",
    effect="damaged",
    expected="detected where the dialect numbers its events; otherwise no crash",
)
def swap_events(script: Script, _: str) -> Script:
    """The middle event that carries output, and the one before it."""
    found = output_frames(script)
    frames = script.frames()
    if len(found) > 1:
        a, b = found[len(found) // 2 - 1], found[len(found) // 2]
        frames[a], frames[b] = frames[b], frames[a]
    return script.with_body(frames)


@fault(
    "F-D06",
    "missing-event",
    "One event is missing from the middle",
    layer="content",
    effect="damaged",
    expected="detected where the dialect numbers its events; otherwise no crash",
)
def missing_event(script: Script, _: str) -> Script:
    """Output is lost without a sign of it."""
    return at_middle(script, lambda _frame: b"")


@fault(
    "F-D07b",
    "unknown-event",
    "An event of a type that the dialect does not know",
    layer="content",
    effect="lossless",
    applies=("sse",),
    expected="ignored",
)
def unknown_event(script: Script, _: str) -> Script:
    """In the middle of the stream, with JSON data."""
    event = b'event: streamgauge.notice\ndata: {"type":"streamgauge.notice","object":"streamgauge.notice"}\n\n'
    kept = halfway(script)
    return edit_events(script, lambda frames: [*frames[:kept], event, *frames[kept:]])


@fault(
    "F-D08",
    "after-terminator",
    "Output behind the terminator",
    layer="content",
    effect="surplus",
    expected="ignored",
)
def after_terminator(script: Script, _: str) -> Script:
    """An event from the middle again, then the terminator again; a stream without one gets one first.

    The stream stays as it is where its dialect has no terminator: more output is no surplus there.
    """
    frames = script.frames()
    index = middle_output(script)
    last = _terminator(script)
    extra = [] if index is None or not last else [frames[index]]
    return script.with_body([*_terminated(script), *extra, *last])


@fault(
    "F-D09",
    "double-terminator",
    "The terminator twice",
    layer="content",
    effect="surplus",
    expected="the first one ends the stream",
)
def double_terminator(script: Script, _: str) -> Script:
    """Gateways add one to a stream that has one."""
    return script.with_body([*_terminated(script), *_terminator(script)])


@fault(
    "F-D09b",
    "early-terminator",
    "The terminator in the middle",
    layer="content",
    effect="damaged",
    expected="the first one ends the stream; the answer is reported as incomplete",
)
def early_terminator(script: Script, _: str) -> Script:
    """The rest of the stream follows."""
    kept = halfway(script)
    return script.edit(lambda frames: [*frames[:kept], *_terminator(script), *frames[kept:]])


@fault(
    "F-D09c",
    "lowercase-terminator",
    "The terminator in lower case",
    layer="content",
    effect="damaged",
    expected="a protocol error: other spellings are no terminator",
)
def lowercase_terminator(script: Script, _: str) -> Script:
    """`[done]`, where the dialect has a terminator of that kind."""
    terminator = script.dialect.terminator
    return script.edit(lambda frames: [f.lower() if terminator and f == terminator else f for f in frames])


def _terminator(script: Script) -> list[bytes]:
    """The frame that ends this stream, else the dialect's terminator, else nothing."""
    found = located(script, (End,))
    return [script.frames()[found[-1]]] if found else [t for t in (script.dialect.terminator,) if t]


def _terminated(script: Script) -> list[bytes]:
    """The frames, and the terminator where none of them is one."""
    return [*script.frames(), *([] if located(script, (End,)) else _terminator(script))]
