"""The last event: it alone has the whole text, and says why the answer ended."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.dialects.huggingface_tgi._samples import FIRST, HELLO, details, last, sse, token
from streamgauge.dialects.huggingface_tgi._sources import OPENAPI, STREAMING, TYPES
from streamgauge.dialects.huggingface_tgi._view import (
    details_of,
    last_of,
    said,
    tokens_of,
    whole_number,
)
from streamgauge.evidence import brief, option, streamed, whole
from streamgauge.frames import DONE
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, is_event, server_rule
from streamgauge.vocabulary import may_be_new
from streamgauge.wire import members, text

APPLIES = ("huggingface-tgi",)
REASONS = ("eos_token", "length", "stop_sequence")
ASKED = {"inputs": "Hi", "parameters": {"details": True}}


@server_rule(
    "TGI-003",
    "generated_text is in the last event alone",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{TYPES}: of generated_text and of details "Only available when the generation is finished"; {STREAMING}: '
    '"For the final response in the stream, it also returns the full generated text."; '
    f"{OPENAPI}: generated_text is a string or null, and each event a StreamResponse or an ErrorResponse, which {DONE} "
    "is not: it counts as non-strict, because Hugging Face's newer library takes it",
    applies=APPLIES,
    good=sse(*HELLO),
    bad=sse(HELLO[0], token(2, " there", generated_text="Hello there"), HELLO[2]),
)
def the_end_is_last(exchange: Exchange) -> Iterator[Finding]:
    """generated_text and details are null until the last event, which has generated_text."""
    streamed(exchange)
    events = exchange.objects
    for number, (value, span) in enumerate(events):
        if "error" in value:
            continue
        finished = value.get("generated_text")
        if isinstance(finished, str) and number + 1 < len(events):
            yield Finding("generated_text in the last event only", f"{len(events) - number - 1} more behind it", span)
        elif finished is not None and not isinstance(finished, str):
            yield Finding("generated_text, a string or null", f"generated_text {brief(finished)}", span)
        if not isinstance(finished, str) and value.get("details") is not None:
            yield Finding("details null before the end", f"details {brief(value['details'])}", span)
    for frame in exchange.frames:
        if is_event(frame) and frame.data.strip() == DONE:
            yield Finding("an event of JSON", DONE, frame.span, mild=True)
    if not any("error" in value or isinstance(value.get("generated_text"), str) for value, _ in events):
        whole(exchange)
        size = len(exchange.body)
        yield Finding("a last event with generated_text", "the end of the body without it", (max(0, size - 80), size))


@server_rule(
    "TGI-004",
    "generated_text is what the tokens say",
    group="aggregate",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{STREAMING}: "it also returns the full generated text"; {TYPES}: "Complete generated text", and of '
    'special "Can be used to ignore tokens when concatenating". No document says that the two are equal to the '
    "character: white space around them counts as info (sequence-to-sequence models), a prompt before it "
    "(return_full_text) and a stop sequence that was cut off are no departure",
    applies=APPLIES,
    good=sse(*HELLO),
    bad=sse(*FIRST, last(3, "Hello")),
)
def the_whole_is_its_parts(exchange: Exchange) -> Iterator[Finding]:
    """generated_text is the texts of the tokens that are not special, joined."""
    value, span = last_of(exchange)
    joined, stated = "".join(said(v) for v, _ in tokens_of(exchange)), value["generated_text"]
    prompted = exchange.trace.request is None or option(exchange, "parameters", "return_full_text") is True
    stopped = members(value.get("details")).get("finish_reason") == "stop_sequence"
    if joined == stated or (prompted and joined and stated.endswith(joined)):
        return
    if stopped and stated and joined.startswith(stated):
        return
    yield Finding(brief(joined), f"generated_text {brief(stated)}", span, mild=joined.strip() == stated.strip())


@server_rule(
    "TGI-005",
    "details are whole",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{OPENAPI}: StreamDetails require finish_reason, generated_tokens and input_length; seed is a whole number "
    "or null. A missing input_length counts as non-strict: earlier versions of the reference do not have it",
    applies=APPLIES,
    good=sse(*HELLO),
    bad=sse(*FIRST, last(3, "Hello there", details=details(3, finish_reason=...))),
)
def details_are_whole(exchange: Exchange) -> Iterator[Finding]:
    """details has finish_reason, generated_tokens, input_length and a seed, or null."""
    value, span = last_of(exchange)
    if value.get("details") is None:
        raise NotApplicable("the last event has no details (see TGI-008)")
    if not isinstance(value["details"], dict):
        yield Finding("details, an object or null", f"details {brief(value['details'])}", span)
        return
    stated, _ = details_of(exchange)
    if not text(stated.get("finish_reason")):
        yield Finding("finish_reason", f"finish_reason {brief(stated.get('finish_reason'))}", span)
    for name in ("generated_tokens", "input_length"):
        if not whole_number(stated.get(name)):
            lacking = name == "input_length" and name not in stated
            yield Finding(f"{name}, a whole number", f"{name} {brief(stated.get(name))}", span, mild=lacking)
    if stated.get("seed") is not None and not whole_number(stated["seed"]):
        yield Finding("seed, a whole number or null", f"seed {brief(stated['seed'])}", span)


@server_rule(
    "TGI-006",
    "finish_reason is one of the enum",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{OPENAPI}: FinishReason is one of {', '.join(REASONS)}; a word that may be a new one of theirs counts as "
    "non-strict",
    applies=APPLIES,
    good=sse(*HELLO),
    bad=sse(*FIRST, last(3, "Hello there", details=details(3, finish_reason="COMPLETE"))),
)
def finish_reason_enum(exchange: Exchange) -> Iterator[Finding]:
    """finish_reason is length, eos_token or stop_sequence."""
    stated, span = details_of(exchange)
    reason = stated.get("finish_reason")
    if not text(reason):
        raise NotApplicable("no finish_reason was sent (see TGI-005)")
    if reason not in REASONS:
        yield Finding(" | ".join(REASONS), brief(reason), span, mild=may_be_new(reason, REASONS))


@server_rule(
    "TGI-007",
    "generated_tokens counts the events",
    group="usage",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{TYPES}: generated_tokens is the "Number of generated tokens", and each event has one "Generated token"',
    applies=APPLIES,
    good=sse(*HELLO),
    bad=sse(*FIRST, last(3, "Hello there", details=details(2))),
)
def tokens_are_counted(exchange: Exchange) -> Iterator[Finding]:
    """details.generated_tokens is the number of events, special tokens too."""
    stated, span = details_of(exchange)
    made, events = stated.get("generated_tokens"), len(tokens_of(exchange))
    if whole_number(made) and made != events:
        yield Finding(f"generated_tokens {events}, as many as events", f"generated_tokens {brief(made)}", span)


@server_rule(
    "TGI-008",
    "details come where they are asked for",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{OPENAPI}: the parameter details is "Whether to return generation details."; {TYPES}: details are "Only '
    'available when the generation is finished"',
    applies=APPLIES,
    needs=("request",),
    good=Example(body=sse(*HELLO), request=ASKED),
    bad=Example(body=sse(*FIRST, last(3, "Hello there", details=None)), request=ASKED),
)
def asked_details_come(exchange: Exchange) -> Iterator[Finding]:
    """Where the request's parameters have details: true, the last event has details."""
    if option(exchange, "parameters", "details") is not True:
        raise NotApplicable("the request asked for no details")
    value, span = last_of(exchange)
    if value.get("details") is None:
        yield Finding("details", "none", span)
