"""What the interpreters of all dialects share: reading a frame's JSON object, and how a stream may end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from streamgauge.errors import StreamgaugeError
from streamgauge.events import End, Ended, Event, KeepAlive, Malformed, Span, StreamError, Usage, excerpt, to_json
from streamgauge.sse import Comment, Unfinished
from streamgauge.wire import Undecodable, parse

DONE = "[DONE]"
_NO_EVENTS = (Comment, Unfinished, Malformed)


@dataclass(slots=True)
class Ending:
    """How one stream ends: what was seen of errors, of malformed frames and of the terminator."""

    ended: bool = False
    error: bool = False
    malformed: bool = False

    def fail(self, error: StreamError, out: list[Event]) -> None:
        """The stream reported an error."""
        self.error = True
        out.append(error)

    def bad(self, reason: str, shown: str, span: Span, out: list[Event]) -> None:
        """A frame that the dialect gives no meaning to."""
        self.malformed = True
        out.append(Malformed(reason, excerpt(shown), span=span))

    def close(self, reason: str, span: Span, out: list[Event]) -> None:
        """The terminator has come."""
        if not self.ended:
            self.ended = True
            out.append(End("error" if self.error else "complete", reason, span=span))

    def eof(self, offset: int, out: list[Event], *, complete: bool, complete_because: str, missing: str) -> None:
        """The bytes have ended; `complete` says whether the dialect calls what came complete."""
        if self.ended:
            return
        ended: Ended
        if self.error:
            ended, reason = "error", "the stream reported an error"
        elif complete:
            ended, reason = "complete", complete_because
        elif self.malformed:
            ended, reason = "malformed", "not a readable stream of this dialect"
        else:
            ended, reason = "truncated", missing
        self.ended = True
        out.append(End(ended, reason, span=(offset, offset)))


def read_object(frame: Any, ending: Ending, out: list[Event]) -> dict[str, Any] | None:
    """The JSON object of a frame that is an event; for all else None, with what it means added to `out`.

    The sentinel [DONE] is no event of most dialects, but many services and proxies append it: it says nothing.
    """
    if isinstance(frame, _NO_EVENTS):
        _not_an_event(frame, ending, out)
        return None
    value = parse(frame.data)
    if isinstance(value, dict) and not ending.ended:
        return value
    if frame.data.strip() == DONE:
        out.append(KeepAlive(DONE, span=frame.span))
    elif ending.ended:
        ending.bad("data after the terminator", frame.data, frame.span, out)
    elif isinstance(value, (Undecodable, str)) and getattr(frame, "type", "") == "error":
        shown = frame.data if isinstance(value, Undecodable) else value
        ending.fail(StreamError(shown or "error", span=frame.span), out)  # an event `error` whose data is its message
    elif isinstance(value, Undecodable):
        ending.bad(f"not JSON: {value.reason}", frame.data, frame.span, out)
    else:
        ending.bad("not a JSON object", frame.data, frame.span, out)
    return None


def _not_an_event(frame: Comment | Unfinished | Malformed, ending: Ending, out: list[Event]) -> None:
    """What is unfinished was cut: nothing of it may be delivered, and `eof` tells that something is missing."""
    if isinstance(frame, Comment):
        out.append(KeepAlive(frame.text.strip(), span=frame.span))
    elif isinstance(frame, Malformed):
        ending.malformed = True
        out.append(frame)


def last_usage(events: Iterable[Event]) -> Usage | None:
    """The counts that a stream has stated at its end: of each the last value; None where it has stated none."""
    given, made, stated = None, None, False
    for event in events:
        if isinstance(event, Usage):
            stated = True
            given = given if event.input_tokens is None else event.input_tokens
            made = made if event.output_tokens is None else event.output_tokens
    return Usage(given, made) if stated else None


def sse_event(value: dict[str, Any], name: str = "") -> bytes:
    """One server-sent event whose data is a JSON value; `name` goes into its `event` field."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {to_json(value)}\n\n".encode()


def only_choice(event: Event, dialect: str) -> None:
    """Raises StreamgaugeError for a second choice, which this dialect can't say."""
    if event.choice:
        raise StreamgaugeError(f"{dialect} has one answer a stream, not a choice {event.choice}")


def cannot_say(event: Event, dialect: str) -> StreamgaugeError:
    """The error of an encoder for an event that its dialect has no bytes for."""
    return StreamgaugeError(f"{dialect} has no way to say {type(event).__name__}: {event}")
