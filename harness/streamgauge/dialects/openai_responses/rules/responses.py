"""The response that events carry: the same in each, and of the status that the last one tells."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Any

from streamgauge.dialects.openai_responses._samples import HELLO, body, changed
from streamgauge.dialects.openai_responses._sources import EVENTS, OPEN
from streamgauge.dialects.openai_responses._view import FIRST, view
from streamgauge.dialects.openai_responses.decoder import TERMINAL
from streamgauge.evidence import brief
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import text

APPLIES = ("openai-responses",)
STATUSES = ("", "queued", "in_progress", "completed", "incomplete", "failed", "cancelled")
STATED: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "object": (str,),
    "created_at": (int, float),
    "model": (str,),
    "output": (list,),
    "status": (str,),
}


@server_rule(
    "OAR-021",
    "a response says what it is, and stays the same",
    group="events",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{EVENTS}: the events of a response carry it; Response requires id ("Unique identifier for this '
    'Response."), object (always response), created_at, model and output. Only a response that is no object, an id '
    "that changes, and members of a wrong type fail; what is left out is non-strict, because other servers do so, "
    'and so are another created_at ("Unix timestamp (in seconds) of when this Response was created.") and a new status',
    applies=APPLIES,
    good=body(HELLO),
    bad=body(changed(HELLO, "response.in_progress", response={**HELLO[0]["response"], "id": "resp_2"})),
)
def response_is_stated(exchange: Exchange) -> Iterator[Finding]:
    """The response of response.created, .queued, .in_progress and the terminal events has an id, the same in each,
    object "response", created_at, model, output and a status, and no error unless it failed.
    """
    first: dict[str, Any] = {}
    for event in view(exchange).events:
        if event.kind not in (*FIRST, *TERMINAL):
            continue
        if not event.response:
            yield Finding("a response", brief(event.value.get("response")), event.span)
            continue
        for name, kinds in STATED.items():
            value = event.response.get(name)
            if type(value) not in kinds or value == "":
                yield Finding(f"{name} of the response", f"{name} {brief(value)}", event.span, mild=value in (None, ""))
        if event.response.get("object", "response") != "response":
            yield Finding('object "response"', brief(event.response["object"]), event.span)
        error = event.response.get("error")
        if not isinstance(error, (dict, NoneType)) or (error is not None and event.kind != "response.failed"):
            yield Finding("error null, or that of a failed response", f"error {brief(error)}", event.span)
        for name in ("id", "created_at"):
            value = event.response.get(name)
            if value and first.setdefault(name, value) != value:
                yield Finding(f"{name} {brief(first[name])} as before", brief(value), event.span, mild=name != "id")
        if text(event.response.get("status")) not in STATUSES:
            yield Finding(" | ".join(STATUSES[1:]), brief(event.response["status"]), event.span, mild=True)


@server_rule(
    "OAR-017",
    "the terminal event and its response's status agree",
    group="events",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{EVENTS}: response.completed is "Emitted when the model response is complete." and shows status '
    "completed; "
    'Response.status is "The status of the response generation."',
    applies=APPLIES,
    good=body(HELLO),
    bad=body(changed(HELLO, "response.completed", response={**HELLO[-1]["response"], "status": "in_progress"})),
)
def status_agrees(exchange: Exchange) -> Iterator[Finding]:
    """response.completed, .incomplete and .failed carry a response of that status."""
    terminal = view(exchange).terminal
    if not terminal:
        raise NotApplicable("the stream has no terminal event (see OAR-005)")
    for event in terminal:
        status = event.response.get("status")
        if status != event.kind.removeprefix("response."):
            yield Finding(f"status {event.kind.removeprefix('response.')}", brief(status), event.span)


@server_rule(
    "OAR-018",
    "an answer that max_output_tokens cut is incomplete",
    group="events",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{EVENTS}: incomplete_details.reason max_output_tokens; {OPEN}: "`incomplete` - the model has exhausted '
    "its "
    'token budget". An answer may by chance end at the limit, hence no MUST',
    applies=APPLIES,
    needs=("request",),
    known=("measured: llama.cpp, transformers serve say completed",),
    good=Example(body=body(HELLO), request={"model": "m", "input": "Hi", "stream": True, "max_output_tokens": 16}),
    bad=Example(body=body(HELLO), request={"model": "m", "input": "Hi", "stream": True, "max_output_tokens": 2}),
)
def cut_is_incomplete(exchange: Exchange) -> Iterator[Finding]:
    """Where output_tokens reach max_output_tokens the response ends with response.incomplete."""
    limit = exchange.request.get("max_output_tokens")
    if type(limit) is not int:
        raise NotApplicable("the request set no max_output_tokens")
    made = (exchange.message.usage.output_tokens if exchange.message.usage else None) or 0
    for event in view(exchange).terminal:
        if event.kind == "response.completed" and made >= limit:
            yield Finding("response.incomplete", f"completed with {made} of {limit} tokens", event.span)
