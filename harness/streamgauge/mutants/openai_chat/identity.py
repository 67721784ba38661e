"""What each chunk states of the whole answer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.mutants import Edit, operator
from streamgauge.mutants._places import always, put
from streamgauge.mutants.equivalence import moving
from streamgauge.mutants.openai_chat._walk import (
    CHAT,
    edit_at,
)
from streamgauge.mutants.stream import Stream


@operator("other-id", "A chunk with another id, or an empty one", applies=CHAT, noticed_by=("OAC-012",))
def other_id(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        if value.get("id"):
            for text in ("chatcmpl-another", ""):
                yield edit_at(stream, number, ("id",), repr(text), always(text), text)


@operator("other-model", "A chunk with another model, or an empty one", applies=CHAT, noticed_by=("OAC-014",))
def other_model(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        if value.get("model"):
            for text in ("another-model", ""):
                yield edit_at(stream, number, ("model",), repr(text), always(text), text)


@operator(
    "other-time",
    "A chunk with another time, or one in milliseconds",
    applies=CHAT,
    noticed_by=("OAC-013",),
    equivalent=moving,
)
def other_time(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        if value.get("created"):
            for what, change in (
                ("a second later", lambda at: at + 1),
                ("an hour earlier", lambda at: at - 3600),
                ("zero", lambda _: 0),
                ("milliseconds", lambda at: at * 1000),
                ("with a fraction", lambda at: at + 0.5),
            ):
                yield edit_at(stream, number, ("created",), what, change, what)


@operator("milliseconds", "Every time in milliseconds", applies=CHAT, noticed_by=("OAC-013",))
def milliseconds(stream: Stream) -> Iterator[Edit]:
    made = stream
    for number, value in stream.objects:
        if value.get("created"):
            made = made.changed(number, partial(put, ("created",), lambda at: at * 1000))
    yield Edit("everywhere", made.but)


@operator("other-object", "The object type of another answer", applies=CHAT, noticed_by=("OAC-002",))
def other_object(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        if "choices" in value:
            for text in ("chat.completion", "text_completion", ""):
                if value.get("object") != text:
                    yield edit_at(stream, number, ("object",), repr(text), always(text), text)
