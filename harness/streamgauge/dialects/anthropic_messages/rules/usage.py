"""Usage: the counts of message_start and message_delta."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.dialects.anthropic_messages._samples import HELLO, STOP, start, stopped, stream, text
from streamgauge.dialects.anthropic_messages._sources import STREAMING, TYPES
from streamgauge.dialects.anthropic_messages._view import complete, view
from streamgauge.evidence import brief
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import count, members

ANTHROPIC = ("anthropic-messages",)
CACHED = ("cache_creation_input_tokens", "cache_read_input_tokens")
GROWING = stopped(None, 3) + stopped("end_turn", 5) + STOP


@server_rule(
    "USE-006",
    "Anthropic's usage is cumulative",
    group="usage",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}: "The token counts shown in the usage field of the message_delta event are cumulative." '
    "Fewer than message_start stated count as non-strict: the sentence is of message_delta",
    applies=ANTHROPIC,
    known=(
        "https://github.com/BerriAI/litellm/issues/41071",
        "https://github.com/sgl-project/sglang/issues/25876",
    ),
    good=stream(text("Hello"), tail=GROWING),
    bad=stream(text("Hello"), tail=stopped(None, 5) + stopped("end_turn", 3) + STOP),
)
def usage_never_falls(exchange: Exchange) -> Iterator[Finding]:
    """message_delta.usage.output_tokens never falls and the last one is the total; input_tokens never fall."""
    deltas = view(exchange).of("message_delta")
    if not deltas:
        raise NotApplicable("the stream has no message_delta")
    begun = [members(members(t.value.get("message")).get("usage")) for t in view(exchange).of("message_start")[:1]]
    for name in ("output_tokens", "input_tokens"):
        first = highest = max([count(usage.get(name)) or 0 for usage in begun], default=0)
        for told in deltas:
            stated = members(told.value.get("usage")).get(name)
            made = count(stated) or 0
            if stated is not None and count(stated) is None:
                yield Finding(f"{name}, a number", f"{name} {brief(stated)}", told.span)
            if 0 < made < highest:
                want = f"{name} {highest} or more"
                yield Finding(want, f"{name} {made}", told.span, mild=highest == first)
            highest = max(highest, made)


@server_rule(
    "USE-007",
    "message_start has the real input_tokens",
    group="usage",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{TYPES}/usage.py: "The number of input tokens which were used"; "Total input tokens in a request is the '
    'summation of input_tokens, cache_creation_input_tokens, and cache_read_input_tokens." No request has none',
    applies=ANTHROPIC,
    known=(
        "https://github.com/sgl-project/sglang/issues/25876",
        "https://github.com/BerriAI/litellm/issues/12132",
        "measured: LiteLLM in front of an OpenAI backend states 0",
    ),
    good=HELLO,
    bad=start(usage={"input_tokens": 0, "output_tokens": 0}) + text("Hello") + stopped() + STOP,
)
def input_is_counted(exchange: Exchange) -> Iterator[Finding]:
    """message_start.usage.input_tokens is the real count (without cached tokens, which are in their own members)."""
    starts = view(exchange).of("message_start")
    if not starts:
        raise NotApplicable("the stream has no message_start (see ANT-002)")
    usage = members(members(starts[0].value.get("message")).get("usage"))
    given = count(usage.get("input_tokens"))
    if given is None:
        raise NotApplicable("message_start states no input_tokens (see ANT-002)")
    if given <= 0 and not any(count(usage.get(name)) for name in CACHED):
        yield Finding("input_tokens above 0", f"input_tokens {given}, none of them cached", starts[0].span)


@server_rule(
    "ANT-015",
    "output_tokens is not zero",
    group="usage",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{TYPES}/message.py, usage: "output_tokens will be non-zero, even for an empty string response from '
    'Claude." A request that was refused before the answer began has no response: its 0 is not judged',
    applies=ANTHROPIC,
    good=HELLO,
    bad=stream(text("Hello"), tail=stopped(made=0) + STOP),
)
def output_is_counted(exchange: Exchange) -> Iterator[Finding]:
    """The last message_delta states output_tokens above 0."""
    deltas = complete(exchange).of("message_delta")
    stated = [(count(members(t.value.get("usage")).get("output_tokens")), t.span) for t in deltas]
    known = [(made, span) for made, span in stated if made is not None]
    if not known:
        raise NotApplicable("no message_delta states output_tokens (see ANT-008)")
    found = view(exchange)
    if not found.blocks and any(reason == "refusal" for reason, _ in found.reasons):
        raise NotApplicable("the request was refused before the answer began")
    if known[-1][0] <= 0:
        yield Finding("output_tokens above 0", f"output_tokens {known[-1][0]}", known[-1][1])
