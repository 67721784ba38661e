"""Errors, and what the last event states beside the answer."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Any

from streamgauge.dialects.openai_responses._samples import (
    HELLO,
    USAGE,
    body,
    changed,
    message,
    numbered,
    snapshot,
    stream,
)
from streamgauge.dialects.openai_responses._sources import EVENTS, OPEN, OPEN_SCHEMA
from streamgauge.dialects.openai_responses._view import bound, view
from streamgauge.evidence import brief
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import count, members, text

APPLIES = ("openai-responses",)
ERROR = {"code": "server_error", "message": "The model failed"}
FLAT = {"type": "error", **ERROR, "param": None}


def _failing(*errors: dict[str, Any], **failed: Any) -> list[dict[str, Any]]:
    """A stream that fails in the middle of a message."""
    response = snapshot("failed", [], **{"error": ERROR, **failed})
    return numbered([*stream(message(0, "Hel"))[:5], *errors, {"type": "response.failed", "response": response}])


@server_rule(
    "OAR-014",
    "error event schema is flat",
    group="errors",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{EVENTS}, ResponseErrorEvent: "The error code.", "The error message." and "The error parameter." are '
    "members of the event itself, and required (the first and last may be null). Open Responses has "
    f"them in a member error ({OPEN_SCHEMA}, ErrorStreamingEvent and ErrorPayload), and is judged by that; so "
    "OpenAI's own service sends them, whatever its reference says: where Open Responses was not promised, that shape, "
    "complete, counts as non-strict",
    applies=APPLIES,
    known=("https://github.com/praxis-proxy/ai/issues/1005",),
    good=body(_failing(FLAT)),
    bad=body(_failing({"type": "error", **ERROR})),
)
def error_shape(exchange: Exchange) -> Iterator[Finding]:
    """The error event has code, message and param at top level: message is a string, the others are one or null."""
    found = view(exchange).errors
    if not found:
        raise NotApplicable("the stream has no error event")
    for event in found:
        nested = bound(exchange) or isinstance(event.value.get("error"), dict)
        if nested and not bound(exchange):
            yield Finding("code, message, param at top level", "an error with them", event.span, mild=True)
        stated = members(event.value.get("error")) if nested else event.value
        wanted = ("type", "code", "message", "param") if nested else ("code", "message", "param")
        if missing := [name for name in wanted if name not in stated]:
            place = "in error" if nested else "at top level"
            yield Finding(f"{', '.join(wanted)} {place}", f"no {', '.join(missing)} there", event.span)
            continue
        kinds = {"code": (str, NoneType), "message": (str,), "param": (str, NoneType), "type": (str,)}
        for name in wanted:
            if type(stated[name]) not in kinds[name]:
                yield Finding(f"a text as the error's {name}", f"{name} {brief(stated[name])}", event.span)


@server_rule(
    "ERR-007",
    "Responses failure is error and/or response.failed",
    group="errors",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{EVENTS}: response.failed is "emitted when a response fails", and Response.error is "An error object '
    f'returned when the model fails to generate a Response."; {OPEN}: "Any error incurred while streaming will be '
    'followed by a `response.failed` event." An error event alone counts as non-strict where Open Responses was not '
    "promised",
    applies=APPLIES,
    known=("https://github.com/praxis-proxy/ai/issues/1005",),
    good=body(_failing(FLAT)),
    bad=body(_failing(error=None)),
    also_breaks=("ERR-011",),
)
def failure_told(exchange: Exchange) -> Iterator[Finding]:
    """A failing stream ends with response.failed that has response.error."""
    found = view(exchange)
    failed = [e for e in found.terminal if e.kind == "response.failed"]
    if not failed and not found.errors:
        raise NotApplicable("the stream reports no error")
    if not failed:
        event = found.errors[-1]
        yield Finding("response.failed behind the error", "an error event alone", event.span, mild=not bound(exchange))
    for event in failed:
        error = members(event.response.get("error"))
        if not text(error.get("message")) or not text(error.get("code")):
            yield Finding("response.error with code and message", brief(event.response.get("error")), event.span)


DETAILS = ("input_tokens_details", "output_tokens_details")
COUNTS = ("input_tokens", "output_tokens", "total_tokens")


@server_rule(
    "USE-009",
    "usage in the Responses terminal event",
    group="usage",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{EVENTS}: ResponseUsage requires {', '.join((*COUNTS, *DETAILS))}. Response.usage itself is optional, so "
    "that "
    "its absence counts as non-strict, as does usage in an earlier event",
    applies=APPLIES,
    known=("https://github.com/BerriAI/litellm/issues/28899", "measured: llama.cpp has no output_tokens_details"),
    good=body(HELLO),
    bad=body(
        changed(
            HELLO,
            "response.completed",
            response={**HELLO[-1]["response"], "usage": {k: v for k, v in USAGE.items() if k != DETAILS[1]}},
        )
    ),
)
def usage_stated(exchange: Exchange) -> Iterator[Finding]:
    """response.completed.response.usage has input_tokens, output_tokens, total_tokens and the details objects; earlier
    events have usage null.
    """
    found = view(exchange)
    ends = [e for e in found.terminal if e.kind != "response.failed"]
    early = [e for e in found.events if e.response.get("usage") is not None and e not in found.terminal]
    if not ends and not early:
        raise NotApplicable("the response did not complete")
    for event in early:
        yield Finding("usage null until the end", f"usage in {event.kind}", event.span, mild=True)
    if not ends:
        return
    usage = members(ends[0].response.get("usage"))
    missing = [name for name in COUNTS if count(usage.get(name)) is None]
    missing += [name for name in DETAILS if not isinstance(usage.get(name), dict)]
    if missing:
        got = f"no {', '.join(missing)}" if usage else "no usage"
        yield Finding(", ".join((*COUNTS, *DETAILS)), got, ends[0].span, mild=not usage)


@server_rule(
    "USE-014",
    "Responses totals add up",
    group="usage",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{EVENTS}: total_tokens is "The total number of tokens used.", the details "A detailed breakdown" of each',
    applies=APPLIES,
    good=body(HELLO),
    bad=body(
        changed(HELLO, "response.completed", response={**HELLO[-1]["response"], "usage": {**USAGE, "total_tokens": 6}})
    ),
)
def totals(exchange: Exchange) -> Iterator[Finding]:
    """total_tokens = input_tokens + output_tokens; details do not exceed their totals."""
    ends = [e for e in view(exchange).terminal if isinstance(e.response.get("usage"), dict)]
    if not ends:
        raise NotApplicable("the stream states no usage")
    usage = ends[0].response["usage"]
    given, made, total = (count(usage.get(n)) for n in ("input_tokens", "output_tokens", "total_tokens"))
    if given is None or made is None or total is None:
        raise NotApplicable("a count is missing (see USE-009)")
    if total != given + made:
        yield Finding(f"total_tokens {brief(given + made)}", f"total_tokens {brief(total)}", ends[0].span)
    bounds = (("input_tokens_details", "cached_tokens", given), ("output_tokens_details", "reasoning_tokens", made))
    for table, name, most in bounds:
        if (part := count(members(usage.get(table)).get(name)) or 0) > most:
            yield Finding(f"{name} of at most {brief(most)}", f"{name} {brief(part)}", ends[0].span)
