"""What each event is made of: one token, numbered; or an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamgauge.dialects.huggingface_tgi._samples import ERROR, FIRST, HELLO, last, sse, token
from streamgauge.dialects.huggingface_tgi._sources import OPENAPI, ROUTER, TYPES
from streamgauge.dialects.huggingface_tgi._view import events_of, tokens_of, whole_number
from streamgauge.evidence import brief
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import elements

APPLIES = ("huggingface-tgi",)


@server_rule(
    "TGI-001",
    "each event is one token",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{OPENAPI}: a StreamResponse requires index and token, a Token id, text, logprob (or null) and special; "
    f'{TYPES}: "Generated token". A missing index counts as non-strict: the server had none before 1.4, and the '
    "library's type has none",
    applies=APPLIES,
    known=("https://github.com/huggingface/huggingface_hub/issues/2005",),
    good=sse(*HELLO),
    bad=sse(FIRST[0], token(2, " there", token={"id": 7, "text": " there", "special": False}), HELLO[2]),
)
def one_token_an_event(exchange: Exchange) -> Iterator[Finding]:
    """Each event that is no error has an index and a token with id, text, logprob and special; so has each of its
    top_tokens.
    """
    for value, span in tokens_of(exchange):
        if not whole_number(value.get("index")):
            yield Finding("an index", f"index {brief(value.get('index'))}", span, mild="index" not in value)
        top = value.get("top_tokens", [])
        if not isinstance(top, list):
            yield Finding("top_tokens, an array", f"top_tokens {brief(top)}", span, mild=top is None)
        for one in (value.get("token"), *elements(top)):
            if wrong := _wrong(one):
                yield Finding("a token with id, text, logprob and special", wrong, span)


def _wrong(token: Any) -> str:
    """What is wrong with a token, "" where nothing is."""
    if not isinstance(token, dict):
        return f"token {brief(token)}"
    right = {
        "id": whole_number(token.get("id")),
        "text": isinstance(token.get("text"), str),
        "logprob": type(token.get("logprob", "")) in (int, float, type(None)),
        "special": isinstance(token.get("special"), bool),
    }
    return ", ".join(f"{n} {brief(token[n])}" if n in token else f"no {n}" for n, good in right.items() if not good)


@server_rule(
    "TGI-002",
    "index counts the events from 1",
    group="sequence",
    keyword="SHOULD",
    basis="de-facto",
    source=f'{ROUTER}: index goes up by one with each response, "Yield event for every new token"; the reference only '
    "says that it is a whole number",
    applies=APPLIES,
    good=sse(*HELLO),
    bad=sse(HELLO[0], token(3, " there"), last(4, "Hello there", details=None)),
)
def index_counts(exchange: Exchange) -> Iterator[Finding]:
    """The first event has index 1, each other one more than the one before."""
    numbered = [(v["index"], span) for v, span in tokens_of(exchange) if whole_number(v.get("index"))]
    if not numbered:
        raise NotApplicable("no event has an index (see TGI-001)")
    due = 1
    for index, span in numbered:
        if index != due:
            yield Finding(f"index {due}", f"index {brief(index)}", span)
        due = index + 1


@server_rule(
    "TGI-009",
    "an error has error and error_type, and is the end",
    group="errors",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{OPENAPI}: an ErrorResponse, which /generate_stream sends as text/event-stream, requires error and "
    f"error_type, both strings. That nothing comes behind it is {ROUTER}, and counts as non-strict",
    applies=APPLIES,
    good=sse(FIRST[0], ERROR),
    bad=sse(FIRST[0], {**ERROR, "error": {"message": "boom"}}),
)
def error_object(exchange: Exchange) -> Iterator[Finding]:
    """The last event is {"error": string, "error_type": string}."""
    events = events_of(exchange)
    errors = [number for number, (value, _) in enumerate(events) if "error" in value]
    if not errors:
        raise NotApplicable("the stream reports no error")
    for number in errors:
        value, span = events[number]
        for name in ("error", "error_type"):
            if not isinstance(value.get(name), str):
                yield Finding(f"{name}, a string", f"{name} {brief(value.get(name))}", span)
        if number + 1 < len(events):
            yield Finding("nothing behind the error", brief(events[number + 1][0]), events[number + 1][1], mild=True)
