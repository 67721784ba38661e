"""What every event is made of, and how the stream begins and ends."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.dialects.openai_responses._samples import CALLS, HELLO, body, changed, numbered, without
from streamgauge.dialects.openai_responses._sources import EVENTS, ONLY_OPEN, OPEN
from streamgauge.dialects.openai_responses._view import FIRST, any_view, bound, documented, view
from streamgauge.dialects.openai_responses.decoder import TERMINAL
from streamgauge.evidence import brief, whole
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule

APPLIES = ("openai-responses",)
OPEN_ONLY = ("open-responses",)


@server_rule(
    "OAR-001",
    "SSE event name equals data.type",
    group="events",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{OPEN}: "The `event` field MUST match the `type` in the event body." OpenAI\'s reference shows both in '
    "each "
    "example and says nothing of it, so that an event without a name counts as non-strict there",
    applies=APPLIES,
    known=("measured: transformers serve sends no event names",),
    good=body(HELLO),
    bad=body(HELLO).replace("event: response.output_text.done\n", "event: response.output_text.delta\n"),
)
def name_is_type(exchange: Exchange) -> Iterator[Finding]:
    """For each event the SSE event name and data.type are equal."""
    for event in view(exchange).events:
        if event.name != event.kind:
            bare = event.name == "message"
            got = "no event field" if bare else f"event: {event.name[:80]}"
            yield Finding(f"event: {brief(event.kind)}", got, event.span, mild=bare and not bound(exchange))


@server_rule(
    "OAR-002",
    "sequence_number on every event",
    group="events",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{EVENTS}: each event's schema requires sequence_number, an integer; {OPEN} requires it too. An event that "
    'neither documents is not bound by that, and counts as non-strict: OpenAI may add "new event types" '
    "(https://platform.openai.com/docs/api-reference/backward-compatibility)",
    applies=APPLIES,
    known=(
        "https://github.com/theopenco/llmgateway/issues/2287",
        "https://github.com/onyx-dot-app/onyx/issues/13624",
        "https://github.com/Blaizzy/mlx-vlm/issues/494",
        "measured: llama.cpp sends none",
    ),
    good=body(HELLO),
    bad=body(changed(HELLO, "response.output_text.done", sequence_number=...)),
)
def numbers_present(exchange: Exchange) -> Iterator[Finding]:
    """Every event has an integer sequence_number."""
    for event in view(exchange).events:
        number = event.value.get("sequence_number")
        if type(number) is not int:
            got = f"{brief(event.kind)} with {brief(number)}"
            yield Finding("an integer sequence_number", got, event.span, mild=not documented(event.kind))


@server_rule(
    "OAR-003",
    "sequence_number increases by 1 from the first event",
    group="events",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{EVENTS}: "The sequence number of this event, used to order streaming events"; {OPEN}: "A monotonically '
    'increasing number [...] that allows clients to order events and detect gaps". OpenAI does not say that there are '
    "no gaps, so that one counts as non-strict there",
    applies=APPLIES,
    known=(
        "https://github.com/BerriAI/litellm/issues/28899",
        "https://github.com/vllm-project/vllm/issues/37071",
    ),
    good=body(HELLO),
    bad=body(changed(HELLO, "response.output_text.done", sequence_number=1)),
)
def numbers_in_order(exchange: Exchange) -> Iterator[Finding]:
    """sequence_number is strictly increasing without gaps and not nested inside other objects."""
    last: int | None = None
    for event in view(exchange).events:
        number = event.value.get("sequence_number")
        if type(number) is not int:
            if type(event.response.get("sequence_number")) is int or type(event.item.get("sequence_number")) is int:
                yield Finding("sequence_number in the event itself", "one inside another object", event.span)
            last = None  # how far it has come is not known (see OAR-002)
            continue
        if last is not None and number != last + 1:
            skips = number > last
            yield Finding(f"sequence_number {last + 1}", brief(number), event.span, mild=skips and not bound(exchange))
        last = number


@server_rule(
    "OAR-020",
    "Open Responses: no id fields",
    group="events",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{OPEN}: "Servers SHOULD NOT use `id`."; {ONLY_OPEN}',
    applies=OPEN_ONLY,
    good=body(CALLS, done=True),
    bad="id: 1\n" + body(CALLS, done=True),
)
def no_ids(exchange: Exchange) -> Iterator[Finding]:
    """Events have no SSE id."""
    streamed_ids = [f for f in exchange.frames if getattr(f, "id", "")]
    view(exchange)
    if streamed_ids:
        yield Finding("no id field", f"id {brief(streamed_ids[0].id)}", streamed_ids[0].span)


@server_rule(
    "OAR-004",
    "first event is response.created",
    group="events",
    keyword="MUST",
    basis="de-facto",
    source="de facto: OpenAI's service begins so, and its SDKs build the response from it; no document says that it "
    f"comes first ({EVENTS} only says when it is emitted)",
    applies=APPLIES,
    good=body(HELLO),
    bad=body(without(HELLO, "response.created")),
)
def begins(exchange: Exchange) -> Iterator[Finding]:
    """The stream starts with response.created (response.queued may follow), then response.in_progress."""
    events = view(exchange).events
    if events[0].kind == "error":
        raise NotApplicable("the stream begins with an error")
    if events[0].kind != FIRST[0]:
        yield Finding(FIRST[0], brief(events[0].kind), events[0].span)
    following = next((e for e in events if e.kind not in FIRST[:2]), None)
    if following is not None and following.kind not in (FIRST[2], "error", *TERMINAL):
        yield Finding(FIRST[2], brief(following.kind), following.span)


@server_rule(
    "OAR-005",
    "exactly one terminal event, last",
    group="events",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{EVENTS}: response.completed is "Emitted when the model response is complete.", response.incomplete '
    '"when a '
    'response finishes as incomplete.", response.failed "when a response fails." An event behind it that '
    "is none of a response, as a gateway may add, counts as non-strict; so does a [DONE] before it, at which OpenAI's "
    "own library stops reading",
    applies=APPLIES,
    good=body(HELLO),
    bad=body(numbered([*HELLO, HELLO[-1]])),
)
def ends_once(exchange: Exchange) -> Iterator[Finding]:
    """The last event is response.completed, response.incomplete or response.failed, exactly once."""
    found = any_view(exchange)
    terminal = found.terminal
    if len(terminal) > 1:
        yield Finding("one terminal event", f"{len(terminal)} of them", terminal[1].span)
    elif terminal and found.events[-1] is not terminal[0]:
        later = found.events[found.events.index(terminal[0]) + 1 :]
        last = next((e for e in later if documented(e.kind)), later[-1])
        got = brief(last.kind)
        yield Finding(f"nothing behind {terminal[0].kind}", got, last.span, mild=not documented(last.kind))
    if terminal and found.done and found.done[0] < terminal[0].span:
        got = f"{terminal[0].kind} behind it"
        yield Finding("[DONE] behind the last event, if at all", got, found.done[0], mild=True)
    if not terminal and not found.errors:
        whole(exchange)
        size = len(exchange.body)
        yield Finding(" | ".join(TERMINAL), "the end of the body without it", (max(0, size - 80), size))


@server_rule(
    "OAR-006",
    "Open Responses: [DONE] follows the terminal event",
    group="events",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{OPEN}: "The terminal event MUST be the literal string `[DONE]`." OpenAI\'s own service sends none',
    applies=OPEN_ONLY,
    good=body(HELLO, done=True),
    bad=body(HELLO),
)
def done_last(exchange: Exchange) -> Iterator[Finding]:
    """An Open Responses server ends with data: [DONE] (OpenAI's own service does not: clients accept both)."""
    found = view(exchange)
    last = found.events[-1].span
    if len(found.done) > 1:
        yield Finding("one [DONE]", f"{len(found.done)} of them", found.done[1])
    elif found.done and found.done[0] < last:
        yield Finding("nothing behind [DONE]", "another event", last)
    elif not found.done:
        whole(exchange)
        yield Finding("data: [DONE]", "the end of the body without it", last)
