"""What items said in deltas, said once more as a whole: in parts, in items and in the response."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamgauge.dialects.openai_responses._samples import HELLO, body, changed
from streamgauge.dialects.openai_responses._sources import EVENTS
from streamgauge.dialects.openai_responses._view import StreamEvent, bound, resumed, view
from streamgauge.dialects.openai_responses.rules.parts import WHOLE, split
from streamgauge.evidence import brief
from streamgauge.message import join
from streamgauge.rules import Exchange, Finding, server_rule
from streamgauge.wire import elements, members, text

APPLIES = ("openai-responses",)
KINDS = {
    "output_text": "output_text",
    "refusal": "refusal",
    "summary_text": "reasoning_summary_text",
    "reasoning_text": "reasoning_text",
}
"""The types of parts, with the name of the deltas that say them."""
CALLS_OF = {
    "function_call": ("function_call_arguments", "arguments"),
    "custom_tool_call": ("custom_tool_call_input", "input"),
}
_NAMES = {"reasoning": "reasoning_text"}
"""Open Responses has response.reasoning.delta where OpenAI has response.reasoning_text.delta."""
REPEATED = (*KINDS.values(), *(subject for subject, _ in CALLS_OF.values()))


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
    text in content_part.done, output_item.done and response.completed; an item there without content is non-strict.
    """
    pieces: dict[tuple[Any, ...], list[str]] = {}
    finished: set[tuple[Any, ...]] = set()
    for event in view(exchange).events:
        subject, verb = split(event)
        if subject not in WHOLE or verb not in ("delta", "done"):
            continue
        index = event.value.get("content_index", event.value.get("summary_index"))
        key = _NAMES.get(subject, subject), event.key, index if type(index) is int else None
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
    streamed_text = {kind: _by_item(pieces, kind) for kind in REPEATED}
    for event in found.events:
        if event.kind in ("response.content_part.done", "response.reasoning_summary_part.done"):
            yield from _part_repeated(exchange, event, pieces)
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
                yield Finding(
                    f"{brief(join(streamed_parts))} as in the deltas", got, event.span, mild=item.get("content") == []
                )


def _part_repeated(
    exchange: Exchange, event: StreamEvent, pieces: dict[tuple[Any, ...], list[str]]
) -> Iterator[Finding]:
    """A finding where a part that is done says something else than its deltas did."""
    part = members(event.value.get("part"))
    kind = KINDS.get(text(part.get("type")), "")
    index = event.value.get("summary_index" if "summary" in event.kind else "content_index")
    joined = join(pieces.get((kind, event.key, index if type(index) is int else None), []))
    said = part.get(WHOLE.get(kind, ""))
    if joined and isinstance(said, str) and not _agrees(exchange, joined, said):
        yield Finding(f"{brief(joined)} as in the deltas", f"{brief(said)} in {event.kind}", event.span)


def _by_item(pieces: dict[tuple[Any, ...], list[str]], kind: str) -> dict[int | str, list[str]]:
    found: dict[int | str, list[str]] = {}
    for (subject, key, _), parts in pieces.items():
        if subject == kind:
            found.setdefault(key, []).extend(parts)
    return found


def _said_by(item: dict[str, Any]) -> dict[str, str]:
    """What a whole item says, by the name of the deltas that would say it."""
    if (called := text(item.get("type"))) in CALLS_OF:
        subject, member = CALLS_OF[called]
        return {subject: text(item.get(member))}
    said: dict[str, str] = {}
    if item.get("type") == "message" and isinstance(item.get("content"), list):
        said = {"output_text": "", "refusal": ""}
    for part in (*elements(item.get("content")), *elements(item.get("summary"))):
        if subject := KINDS.get(text(members(part).get("type")), ""):
            said[subject] = said.get(subject, "") + text(members(part).get(WHOLE[subject]))
    return said
