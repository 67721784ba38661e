"""How the stream of an invoked model goes: Nova's events, and the reason that others end with. Claude's is BRK-016."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from streamgauge.dialects.bedrock._samples import INVOKED, USAGE, chunk, event
from streamgauge.dialects.bedrock._view import inside, view
from streamgauge.dialects.bedrock.decoder import CONVERSE_EVENTS
from streamgauge.dialects.bedrock.rules.calls import calls_are_named, reason_tells_tools
from streamgauge.dialects.bedrock.rules.flow import (
    deltas_are_typed,
    events_in_order,
    index_is_consistent,
    stop_reason_enum,
)
from streamgauge.dialects.bedrock.rules.invoked import BEDROCK, PAGES, judged_inside
from streamgauge.events import OUTPUT, Finish
from streamgauge.evidence import whole
from streamgauge.registry import get_dialect
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule
from streamgauge.trace import Arrival, Trace

NOVA: tuple[dict[str, Any], ...] = (
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"text": "Hello"}, "contentBlockIndex": 0}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": USAGE, "metrics": {}, "trace": {}}},
)
OF_THEIR_OWN = (index_is_consistent, stop_reason_enum, calls_are_named, reason_tells_tools, deltas_are_typed)
"""Rules whose source is the reference of ConverseStream, and not Nova's: what they find counts as non-strict."""
OTHERS = {"type", *CONVERSE_EVENTS}
"""Members of the events of Claude and Nova, which other rules judge."""


@server_rule(
    "BRK-018",
    "an invoked Nova model keeps ConverseStream's rules",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source="AWS, Amazon Nova User Guide, Streaming responses "
    "(https://docs.aws.amazon.com/nova/latest/nova2-userguide/streaming-responses.html), of both APIs: messageStart "
    '"Indicates the start of a message", contentBlockStop "the end of a content block", messageStop "the end of the '
    f'message with stop reason". Judged by {events_in_order.id}, and by {", ".join(r.id for r in OF_THEIR_OWN)}, whose '
    "findings count as non-strict: they rest on the reference of ConverseStream. Nova's usage has no total",
    applies=BEDROCK,
    good=b"".join(map(chunk, NOVA)),
    bad=b"".join(map(chunk, (*NOVA[:2], *NOVA[3:]))),
)
def nova_keeps_its_rules(exchange: Exchange) -> Iterator[Finding]:
    """The payloads of a Nova model, each taken for an event of ConverseStream, break none of its rules."""
    told = [(kind, value, span) for value, span in inside(exchange) for kind in value if kind in CONVERSE_EVENTS]
    if not told:
        raise NotApplicable("no Nova model was invoked")
    events = [event(kind, **_stated(value[kind])) for kind, value, _ in told]
    failed = [exchange.body[slice(*frame.span)] for frame in view(exchange).errors]
    trace = Trace(arrivals=tuple(Arrival(0.0, e) for e in (*events, *failed)), ended=exchange.trace.ended)
    inner = Exchange(get_dialect(BEDROCK[0]), trace)
    spans = [span for *_, span in told]
    yield from judged_inside((events_in_order,), inner, events, spans)
    for finding in judged_inside(OF_THEIR_OWN, inner, events, spans):
        yield replace(finding, mild=True)


def _stated(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


@server_rule(
    "BRK-019",
    "an invoked model says why it stopped, last",
    group="sequence",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{PAGES}-meta.html), Meta Llama: stop_reason is "The reason why the response stopped generating text."; '
    f'{PAGES}-titan-text.html), Amazon Titan: completionReason is "The reason the response finished being generated."; '
    "the others' references say the same of theirs. Claude's streams are judged by BRK-016, Nova's by BRK-018",
    applies=BEDROCK,
    good=INVOKED,
    bad=INVOKED + chunk({"generation": "!", "prompt_token_count": None, "generation_token_count": 3}),
)
def model_says_why(exchange: Exchange) -> Iterator[Finding]:
    """Each choice ends with a reason, which nothing of it follows; a stream that reports an error needs none."""
    payloads = inside(exchange)
    if not payloads or any(v.keys() & OTHERS for v, _ in payloads):
        raise NotApplicable("no model was invoked whose payloads are parts of an answer")
    finished: set[int] = set()
    for one in exchange.events:
        if isinstance(one, Finish):
            finished.add(one.choice)
        elif isinstance(one, OUTPUT) and one.choice in finished:
            yield Finding("nothing behind the reason", "more output", one.span)
    if exchange.message.ended == "truncated":
        whole(exchange)
        yield Finding("the reason why it stopped", "the end of the body without it", payloads[-1][1])
