"""What items say: in parts that are opened and closed, and once more as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from streamgauge.dialects.openai_responses._samples import CALLS, HELLO, body, changed, without
from streamgauge.dialects.openai_responses._sources import EVENTS, ONLY_OPEN, OPEN, OPEN_SCHEMA
from streamgauge.dialects.openai_responses._view import StreamEvent, bound, resumed, view
from streamgauge.evidence import brief
from streamgauge.message import join
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import elements, members, text

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


def _split(event: StreamEvent) -> tuple[str, str]:
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
        subject, verb = _split(event)
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
    "OAR-011",
    "done equals the joined deltas",
    group="items",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{EVENTS}: delta is "The text delta that was added.", text "The text content that is finalized."; '
    "arguments "
    'are "The function-call arguments.", finalized',
    applies=APPLIES,
    known=("https://github.com/vllm-project/vllm/issues/37071",),
    good=body(HELLO),
    bad=body(changed(HELLO, "response.output_text.done", text="Hello where")),
)
def done_is_joined(exchange: Exchange) -> Iterator[Finding]:
    """output_text.done.text (and function_call_arguments.done.arguments) equals the concatenation of its deltas and the
    text in output_item.done and response.completed.
    """
    pieces: dict[tuple[Any, ...], list[str]] = {}
    finished: set[tuple[Any, ...]] = set()
    for event in view(exchange).events:
        subject, verb = _split(event)
        if subject not in WHOLE or verb not in ("delta", "done"):
            continue
        index = event.value.get("content_index", event.value.get("summary_index"))
        key = subject, event.key, index if type(index) is int else None
        if verb == "delta" and key in finished:
            yield Finding("no delta behind the done event", brief(event.kind), event.span, mild=not bound(exchange))
        if verb == "done":
            finished.add(key)
        if verb == "delta":
            pieces.setdefault(key, []).append(text(event.value.get("delta")))
        elif (whole := event.value.get(WHOLE[subject])) is not None:
            joined = join(pieces.get(key, []))
            if not _agrees(exchange, joined, whole):
                # Where no delta came at all the answer was not streamed, but nothing of it is contradicted.
                yield Finding(f"{brief(joined)} as in the deltas", brief(whole), event.span, mild=key not in pieces)
    yield from _repeated(exchange, pieces)


def _agrees(exchange: Exchange, joined: str, whole: Any) -> bool:
    """Whether the deltas say the whole; those of a stream that is resumed are the rest of it."""
    return joined == whole or (resumed(exchange) and isinstance(whole, str) and whole.endswith(joined))


def _repeated(exchange: Exchange, pieces: dict[tuple[Any, ...], list[str]]) -> Iterator[Finding]:
    """Findings where the whole item, or the whole response, says something else than the deltas did."""
    found = view(exchange)
    streamed_text = {kind: _by_item(pieces, kind) for kind in ("output_text", "refusal", "function_call_arguments")}
    wholes = [(e.key, e.item, e) for e in found.events if e.kind == "response.output_item.done"]
    for event in found.terminal[:1]:
        output = [members(i) for i in elements(event.response.get("output"))]
        by_id = {text(e.item.get("id")): e.key for e in found.events if e.kind == "response.output_item.added"}
        wholes += [(by_id.get(text(item.get("id")), position), item, event) for position, item in enumerate(output)]
    for key, item, event in wholes:
        for kind, said in _said_by(item).items():
            streamed_parts = streamed_text[kind].get(key)
            if streamed_parts is not None and not _agrees(exchange, join(streamed_parts), said):
                got = f"{brief(said)} in {event.kind}"
                yield Finding(f"{brief(join(streamed_parts))} as in the deltas", got, event.span)


def _by_item(pieces: dict[tuple[Any, ...], list[str]], kind: str) -> dict[int | str, list[str]]:
    found: dict[int | str, list[str]] = {}
    for (subject, key, _), parts in pieces.items():
        if subject == kind:
            found.setdefault(key, []).extend(parts)
    return found


def _said_by(item: dict[str, Any]) -> dict[str, str]:
    """What a whole item says, by the name of the deltas that would say it."""
    if item.get("type") == "function_call":
        return {"function_call_arguments": text(item.get("arguments"))}
    said: dict[str, str] = {}
    for part in elements(item.get("content")):
        kind = text(members(part).get("type"))
        if kind in ("output_text", "refusal"):
            said[kind] = said.get(kind, "") + text(members(part).get(WHOLE[kind]))
    return said


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
        subject, verb = _split(event)
        if subject not in PLACES:
            continue
        payload = {"delta": "delta", "done": WHOLE.get(subject, "")}.get(verb, "")
        missing = [name for name in PLACES[subject] if type(event.value.get(name)) is not _TYPES.get(name, int)]
        if subject in WHOLE and payload and not isinstance(event.value.get(payload), str):
            missing.append(payload)
        if missing:
            got = f"{brief(event.kind)} without {', '.join(missing)}"
            yield Finding(", ".join(filter(None, (*PLACES[subject], payload))), got, event.span)
        elif subject == "output_text" and not isinstance(event.value.get("logprobs"), list):
            got = f"{brief(event.kind)} with logprobs {brief(event.value.get('logprobs'))}"
            yield Finding("logprobs, [] if there are none", got, event.span, mild=True)


_TYPES: dict[str, type] = {"item_id": str}
