"""What items say in parts that are opened and closed, and what each such event has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from streamgauge.dialects.openai_responses._samples import CALLS, HELLO, body, changed, without
from streamgauge.dialects.openai_responses._sources import EVENTS, ONLY_OPEN, OPEN, OPEN_SCHEMA
from streamgauge.dialects.openai_responses._view import StreamEvent, bound, view
from streamgauge.evidence import brief
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule

APPLIES = ("openai-responses",)
WHOLE = {
    "output_text": "text",
    "refusal": "refusal",
    "reasoning_text": "text",
    "reasoning": "text",
    "reasoning_summary_text": "text",
    "function_call_arguments": "arguments",
    "custom_tool_call_input": "input",
    "mcp_call_arguments": "arguments",
    "code_interpreter_call_code": "code",
}
"""What is streamed in deltas, and the member of its done event that repeats it."""
_AT = ("item_id", "output_index")
_IN_PART = (*_AT, "content_index")
_IN_SUMMARY = (*_AT, "summary_index")
PLACES = {
    "output_text": _IN_PART,
    "refusal": _IN_PART,
    "reasoning_text": _IN_PART,
    "reasoning": _IN_PART,
    "content_part": _IN_PART,
    "reasoning_summary_text": _IN_SUMMARY,
    "reasoning_summary_part": _IN_SUMMARY,
    "function_call_arguments": _AT,
    "custom_tool_call_input": _AT,
    "mcp_call_arguments": _AT,
    "code_interpreter_call_code": _AT,
    "output_item": ("output_index",),
}


def split(event: StreamEvent) -> tuple[str, str]:
    """`response.output_text.delta` as ("output_text", "delta")."""
    subject, _, verb = event.kind.removeprefix("response.").rpartition(".")
    return subject, verb


@dataclass(slots=True)
class _Part:
    """One content or summary part: what has come of it."""

    pieces: list[str] = field(default_factory=list)
    opened: bool = False
    said: bool = False
    closed: bool = False


@server_rule(
    "OAR-009",
    "content parts are bracketed",
    group="items",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{OPEN}: "Such content MUST be backed by a content part. The first event in such cases MUST be '
    "`response.content_part.added`, followed by events representing the delta to the content part [...] and end with "
    f'`response.<content_type>.done`. The content part is then closed with `response.content_part.done`." {ONLY_OPEN}',
    applies=APPLIES,
    known=("https://github.com/theopenco/llmgateway/issues/2287",),
    good=body(HELLO),
    bad=Example(body=body(without(HELLO, "response.content_part.added"), done=True), dialect="open-responses"),
)
def bracketed(exchange: Exchange) -> Iterator[Finding]:
    """content_part.added, deltas, <type>.done, content_part.done in that order for each content_index."""
    parts: dict[tuple[Any, ...], _Part] = {}
    found = False
    for event in view(exchange).events:
        subject, verb = split(event)
        summary = subject.startswith("reasoning_summary")
        if subject not in ("content_part", "reasoning_summary_part") and not PLACES.get(subject, _AT)[2:]:
            continue
        found = True
        index = event.value.get("summary_index" if summary else "content_index")
        part = parts.setdefault((event.key, summary, index if type(index) is int else None), _Part())
        if problem := _out_of_order(part, subject, verb):
            strict = bound(exchange) and not subject.startswith("reasoning")
            yield Finding(problem, brief(event.kind), event.span, mild=not strict)
    if any(e.kind in ("response.completed", "response.incomplete") for e in view(exchange).terminal):
        for (_, summary, index), part in parts.items():
            if part.opened and not part.closed:
                name = "reasoning_summary_part.done" if summary else "content_part.done"
                span = view(exchange).terminal[0].span
                yield Finding(name, f"part {brief(index)} is still open", span, mild=summary or not bound(exchange))
    if not found:
        raise NotApplicable("no item has streamed content")


def _out_of_order(part: _Part, subject: str, verb: str) -> str:
    """What should have come instead of this event, "" where it is in order."""
    problem = ""
    match subject.endswith("_part"), verb:
        case True, "added":
            problem = "one part.added" if part.opened else ""
            part.opened = True
        case True, _:
            problem = "part.added" if not part.opened else "" if part.said else "its content's done event"
            part.closed = True
        case False, "delta":
            problem = "part.added" if not part.opened else "no delta behind the done event" if part.said else ""
        case _:
            problem = "part.added" if not part.opened else "no event behind part.done" if part.closed else ""
            part.said = True
    return problem


@server_rule(
    "OAR-012",
    "required members of items, parts and deltas",
    group="items",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{EVENTS}: each schema's required members; {OPEN_SCHEMA} requires the same but logprobs, which alone "
    "count as "
    "non-strict. The name in function_call_arguments.done is no longer in OpenAI's schema, and not judged",
    applies=APPLIES,
    known=(
        "https://github.com/theopenco/llmgateway/issues/2287",
        "measured: llama.cpp sends no output_index and no content_index",
    ),
    good=body(CALLS),
    bad=body(changed(CALLS, "response.function_call_arguments.delta", item_id=...)),
)
def required_members(exchange: Exchange) -> Iterator[Finding]:
    """output_item events have output_index; those of parts, texts and arguments have item_id as well, and content_index
    or summary_index where they belong to a part. Their delta events have delta, their done events the whole (text,
    refusal, arguments, input or code), and those of output_text logprobs ([] if none).
    """
    for event in view(exchange).events:
        subject, verb = split(event)
        places = _ANNOTATED if subject == "output_text.annotation" else PLACES.get(subject)
        if places is None:
            continue
        payload = {"delta": "delta", "done": WHOLE.get(subject, "")}.get(verb, "")
        missing = [name for name in places if type(event.value.get(name)) is not _TYPES.get(name, int)]
        if subject in WHOLE and payload and not isinstance(event.value.get(payload), str):
            missing.append(payload)
        if missing:
            got = f"{brief(event.kind)} without {', '.join(missing)}"
            yield Finding(", ".join(filter(None, (*places, payload))), got, event.span)
        elif event.value.get("item_id") == "":
            yield Finding("the id of an item", "item_id ''", event.span, mild=True)
        elif subject == "output_text" and not isinstance(event.value.get("logprobs"), list):
            got = f"{brief(event.kind)} with logprobs {brief(event.value.get('logprobs'))}"
            yield Finding("logprobs, [] if there are none", got, event.span, mild=True)


_ANNOTATED = (*_IN_PART, "annotation_index", "annotation")
_TYPES: dict[str, type] = {"item_id": str, "annotation": dict}
