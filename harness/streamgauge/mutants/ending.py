"""What the end says: the reason, the usage, an error that tells too much."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial

from streamgauge.events import End, Event, Finish, StreamError, Usage
from streamgauge.mutants import Edit, operator
from streamgauge.mutants._places import always, frames_of, leaves, places, put, shown
from streamgauge.mutants.equivalence import unjudgeable
from streamgauge.mutants.flow import right
from streamgauge.mutants.stream import Piece, Stream

ALL = ("all",)


@operator(
    "other-reason",
    "Another documented reason why the answer ended",
    applies=ALL,
    noticed_by=("AGG-003",),
    equivalent=unjudgeable,
)
def other_reason(stream: Stream) -> Iterator[Edit]:
    for place in places(stream, Finish, "reason"):
        for word in stream.dialect.finish_reasons:
            if word != place.event.reason:
                yield place.edit(stream, word, always(word))


COUNT = re.compile(r"(?i)token|eval_count")


@operator(
    "wrong-usage",
    "A token count that is one too many",
    applies=ALL,
    noticed_by=("AGG-004",),
    by_meaning=True,
    equivalent=unjudgeable,
)
def wrong_usage(stream: Stream) -> Iterator[Edit]:
    for number in frames_of(stream, Usage):
        for path, value in leaves(stream.pieces[number].value):
            if type(value) is int and isinstance(path[-1], str) and COUNT.search(path[-1]):
                made = partial(stream.changed, number, partial(put, path, lambda count: count + 1))
                yield Edit(f"frame {number}, {shown(path)}", made, group=shown(path))


@operator(
    "impossible-count",
    "A token count below 0, or one that is a text",
    applies=ALL,
    noticed_by=("USE-015",),
)
def impossible_count(stream: Stream) -> Iterator[Edit]:
    for number in frames_of(stream, Usage):
        for path, value in leaves(stream.pieces[number].value):
            if type(value) is int and isinstance(path[-1], str) and COUNT.search(path[-1]):
                for odd in (-1 - value, str(value)):
                    made = partial(stream.changed, number, partial(put, path, always(odd)))
                    yield Edit(f"frame {number}, {shown(path)} {odd!r}", made, group=f"{shown(path)} {type(odd)}")


def _says(stream: Stream, kind: type[Event]) -> list[int]:
    """The pieces that say this and nothing else."""
    return [n for n, events in enumerate(stream.spoken) if events and all(isinstance(e, kind) for e in events)]


@operator(
    "lost-usage",
    "The event that states the usage is missing",
    applies=ALL,
    noticed_by=("AGG-004",),
    by_meaning=True,
    equivalent=unjudgeable,
)
def lost_usage(stream: Stream) -> Iterator[Edit]:
    for number in _says(stream, Usage):
        yield Edit(f"frame {number}", partial(stream.instead, number))


@operator("lost-finish", "The event that states why the answer ended is missing", applies=ALL)
def lost_finish(stream: Stream) -> Iterator[Edit]:
    for number in frames_of(stream, Finish):
        yield Edit(f"frame {number}", partial(stream.instead, number), right(stream, number))


LEAKS = (
    'Traceback (most recent call last):\n  File "/srv/app.py", line 7, in handle',
    "upstream http://10.1.2.3:8000/v1 refused the connection",
    "invalid header: Bearer abcdefghijklmnopqrstuvwxyz",
)


def _error(stream: Stream, message: str) -> Piece:
    """The dialect's own error, framed as the stream is."""
    frame = stream.dialect.error_frame(message, "500")
    if stream.framing != "json-array":
        return Piece(frame)
    return stream.say(json.loads(frame[frame.index(b"{") :]), stream.pieces[0])


@operator("leaking-error", "An error that tells internals", applies=ALL, noticed_by=("ERR-014",))
def leaking_error(stream: Stream) -> Iterator[Edit]:
    for message in LEAKS:
        frame = _error(stream, message)
        for number in range(1, min(frames_of(stream, End, StreamError) or [len(stream.pieces)])):
            made = partial(stream.with_pieces, [*stream.pieces[:number], frame])
            yield Edit(f"in place of frame {number} and all behind it", made, group=message)
