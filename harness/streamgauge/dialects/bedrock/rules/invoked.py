"""What a model sends when it is invoked: its own events, inside the chunks of InvokeModelWithResponseStream."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

from streamgauge.dialects.bedrock._samples import INVOKED, chunk
from streamgauge.dialects.bedrock._view import inside, others_inside, view
from streamgauge.dialects.bedrock.decoder import CONVERSE_EVENTS
from streamgauge.events import NO_SPAN, Span
from streamgauge.evidence import brief
from streamgauge.registry import get_dialect
from streamgauge.rules import Exchange, Finding, NotApplicable, Rule, rules_for, server_rule
from streamgauge.trace import Arrival, Trace
from streamgauge.wire import count

BEDROCK = ("bedrock-converse",)
PAGES = "AWS, Bedrock User Guide (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters"
CLAUDE: tuple[dict[str, Any], ...] = (
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 9, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 5},
    },
    {"type": "message_stop"},
)


@server_rule(
    "BRK-016",
    "an invoked Claude model keeps Anthropic's rules",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{PAGES}-anthropic-claude-messages.html), Anthropic Claude Messages API: the payloads are the events of "
    "Anthropic's own streaming. Judged by the rules of anthropic-messages, each with its severity",
    applies=BEDROCK,
    good=b"".join(map(chunk, CLAUDE)),
    bad=b"".join(map(chunk, (*CLAUDE[:4], CLAUDE[5]))),
)
def claude_keeps_its_rules(exchange: Exchange) -> Iterator[Finding]:
    """The payloads of an Anthropic model, put into server-sent events, break no rule of Anthropic's Messages API."""
    told = [(value, span) for value, span in inside(exchange) if "type" in value]
    if not told or any(value["type"] == "completion" for value, _ in told):
        raise NotApplicable("no Claude model was invoked by its Messages API")
    dialect = get_dialect("anthropic-messages")
    events = [_sse(value) for value, _ in told]
    trace = Trace(arrivals=tuple(Arrival(0.0, e) for e in events), ended=exchange.trace.ended)
    own = (rule for rule in rules_for(dialect, "server") if rule.applies == (dialect.name,))
    yield from judged_inside(own, Exchange(dialect, trace), events, [span for _, span in told])


def judged_inside(
    rules: Iterable[Rule], inner: Exchange, events: Sequence[bytes], spans: Sequence[Span]
) -> Iterator[Finding]:
    """What rules find in a stream made of payloads, each at the message (of that span) whose payload it is about."""
    starts = [0, *accumulate(map(len, events))]
    for rule in rules:
        try:
            for finding in rule.judge(inner):
                at = min(bisect_right(starts, finding.span[0]) - 1, len(spans) - 1)
                span = spans[at] if finding.span != NO_SPAN else NO_SPAN
                mild = finding.mild or rule.severity != "fail"
                yield Finding(f"{rule.id}: {finding.expected}", finding.got, span, mild=mild)
        except NotApplicable:
            continue


def _sse(value: dict[str, Any]) -> bytes:
    kind = value["type"] if isinstance(value["type"], str) else ""
    return f"event: {kind}\ndata: {json.dumps(value)}\n\n".encode()


def _whole(value: Any) -> bool:
    return (count(value) or 0) >= 0 and count(value) is not None


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _maybe(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _word(*words: str) -> Callable[[Any], bool]:
    return lambda value: value is None or value in words


SHAPES: dict[str, dict[str, Callable[[Any], bool]]] = {
    "generation": {
        "generation": _text,
        "prompt_token_count": _maybe(_whole),
        "generation_token_count": _whole,
        "stop_reason": _word("stop", "length"),
    },
    "outputText": {
        "outputText": _text,
        "totalOutputTextTokenCount": _maybe(_whole),
        "inputTextTokenCount": _maybe(_whole),
        "completionReason": _maybe(_text),
    },
    "outputs": {"outputs": lambda value: isinstance(value, list)},
    "generations": {"generations": lambda value: isinstance(value, list)},
    "choices": {"choices": lambda value: isinstance(value, list)},
    "event_type": {"event_type": _text},
    "is_finished": {"is_finished": lambda value: isinstance(value, bool)},
    "completion": {"completion": _text},
    "type": {"type": _text},
    **{kind: {kind: lambda value: isinstance(value, dict)} for kind in CONVERSE_EVENTS},
}
"""What tells a model's payload, with the types of its members: those of Llama and Titan are all documented."""
ALWAYS = {"generation": ("generation_token_count",)}


@server_rule(
    "BRK-017",
    "the payloads of an invoked model have its documented shape",
    group="chunk-schema",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f"{PAGES}.html), Inference request parameters and response fields, a page for each vendor: Meta Llama, "
    "Amazon Titan, Mistral AI, Cohere, AI21 Labs, Anthropic, Amazon Nova",
    applies=BEDROCK,
    good=INVOKED,
    bad=INVOKED + chunk({}),
)
def payloads_have_a_shape(exchange: Exchange) -> Iterator[Finding]:
    """Each payload is an object of a model's documented shape, its members of their types; chunks don't mix with
    ConverseStream's events.
    """
    payloads = inside(exchange)
    if not payloads:
        raise NotApplicable("no model was invoked")
    if any(told.kind in CONVERSE_EVENTS for told in view(exchange).told):
        yield Finding("events of ConverseStream, or chunks", "both", payloads[0][1])
    for said, span in others_inside(exchange):
        yield Finding("a JSON object, as in the other chunks", brief(said), span)
    for value, span in payloads:
        shape = next((name for name in SHAPES if name in value), None)
        if shape is None:
            if not any(name.startswith("amazon-bedrock-") for name in value):
                yield Finding("a payload of the model", brief(value), span)
            continue
        wrong = [name for name, check in SHAPES[shape].items() if name in value and not check(value[name])]
        wrong += [name for name in ALWAYS.get(shape, ()) if name not in value]
        if wrong:
            shown = {name: value.get(name) for name in wrong}
            yield Finding(f"{', '.join(wrong)} as documented", brief(shown), span)
