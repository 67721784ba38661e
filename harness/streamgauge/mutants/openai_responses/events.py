"""Numbers, and the events that carry the response."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from streamgauge.mutants import Edit, operator
from streamgauge.mutants._events import edit, lost, of
from streamgauge.mutants._places import always, put
from streamgauge.mutants.openai_responses._events import (
    RESPONSES,
    STATED,
    TERMINAL,
    WITH_RESPONSE,
    numbered,
    renumbered,
)
from streamgauge.mutants.stream import Stream
from streamgauge.wire import members

# Numbers.


@operator("gap-in-numbers", "A sequence_number is left out", applies=RESPONSES, noticed_by=("OAR-003",))
def gap_in_numbers(stream: Stream) -> Iterator[Edit]:
    for number, _ in list(stream.objects)[1:]:
        made = stream
        for later, _ in stream.objects:
            if later >= number:
                made = made.changed(later, partial(put, ("sequence_number",), lambda n: n + 1))
        yield Edit(f"from frame {number} on one more", made.but)


@operator("repeated-number", "A sequence_number twice, or one that falls", applies=RESPONSES, noticed_by=("OAR-003",))
def repeated_number(stream: Stream) -> Iterator[Edit]:
    for number, value in list(stream.objects)[1:]:
        for what, other in (("the one before", value["sequence_number"] - 1), ("0", 0), ("-1", -1)):
            if other != value["sequence_number"]:
                yield edit(stream, number, ("sequence_number",), what, always(other), what)


@operator(
    "inner-number",
    "sequence_number inside the response or the item",
    applies=RESPONSES,
    noticed_by=("OAR-002", "OAR-003"),
)
def inner_number(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        for holder in ("response", "item"):
            if holder in value:
                yield Edit(f"frame {number}", partial(stream.changed, number, partial(_inside, holder)), group=holder)


@operator("done-before-the-end", "[DONE] before the last event", applies=RESPONSES, noticed_by=("OAR-005", "OAR-006"))
def done_before_the_end(stream: Stream) -> Iterator[Edit]:
    if of(stream, *TERMINAL):
        for number, _ in stream.objects:
            yield Edit(f"before frame {number}", partial(stream.inserted, number, b"data: [DONE]\n\n"))


def _inside(holder: str, value: dict[str, Any]) -> None:
    value[holder]["sequence_number"] = value.pop("sequence_number")


# The response.


@operator("no-beginning", "created or in_progress is missing", applies=RESPONSES, noticed_by=("OAR-004",))
def no_beginning(stream: Stream) -> Iterator[Edit]:
    yield from renumbered(lost(stream, "response.created", "response.in_progress"))


@operator("other-response", "Another id in one event's response", applies=RESPONSES, noticed_by=STATED)
def other_response(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, *WITH_RESPONSE):
        yield edit(stream, number, ("response", "id"), "another", always("resp_2"))


@operator(
    "no-terminal-event",
    "completed, incomplete or failed is missing",
    applies=RESPONSES,
    noticed_by=("OAR-005", "ERR-007"),
)
def no_terminal_event(stream: Stream) -> Iterator[Edit]:
    yield from lost(stream, *TERMINAL)


@operator("two-terminal-events", "Two terminal events", applies=RESPONSES, noticed_by=("OAR-005",))
def two_terminal_events(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, *TERMINAL):
        again = stream.inserted(number, stream.pieces[number])
        yield Edit(f"{value['type']} twice", partial(numbered, again))


@operator("behind-the-terminal-event", "An event behind the terminal one", applies=RESPONSES, noticed_by=("OAR-005",))
def behind_the_terminal_event(stream: Stream) -> Iterator[Edit]:
    for number, _ in of(stream, *TERMINAL):
        for source, value in stream.objects:
            if source < number and value["type"] not in TERMINAL:
                made = stream.inserted(number + 1, stream.pieces[source])
                yield Edit(f"frame {source}", partial(numbered, made))


@operator("other-status", "A status that the terminal event contradicts", applies=RESPONSES, noticed_by=("OAR-017",))
def other_status(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, *TERMINAL):
        for status in ("in_progress", "completed", "failed", "done"):
            if status != value["response"]["status"]:
                yield edit(stream, number, ("response", "status"), status, always(status))


@operator(
    "cut-but-completed", "completed though the limit of tokens is reached", applies=RESPONSES, noticed_by=("OAR-018",)
)
def cut_but_completed(stream: Stream) -> Iterator[Edit]:
    for _, value in of(stream, "response.completed"):
        made = members(value["response"].get("usage")).get("output_tokens")
        if made and stream.request is not None:
            request = {**stream.request, "max_output_tokens": made}
            yield Edit(f"max_output_tokens {made}", partial(stream.but, request=request))


@operator("unequal-totals", "A total that is not the sum", applies=RESPONSES, noticed_by=("USE-014",))
def unequal_totals(stream: Stream) -> Iterator[Edit]:
    for number, value in of(stream, *TERMINAL):
        if value["response"].get("usage"):
            for name in ("input_tokens", "output_tokens", "total_tokens"):
                yield edit(stream, number, ("response", "usage", name), "one more", lambda count: count + 1)


@operator(
    "early-usage-of-a-response", "Usage before the response is complete", applies=RESPONSES, noticed_by=("USE-009",)
)
def early_usage_of_a_response(stream: Stream) -> Iterator[Edit]:
    usage = {"input_tokens": 1, "output_tokens": 0, "total_tokens": 1}
    complete = of(stream, "response.completed", "response.incomplete")
    for number, value in of(stream, "response.created", "response.in_progress"):
        if complete and "usage" in value["response"]:
            yield edit(stream, number, ("response", "usage"), "stated", always(usage))
