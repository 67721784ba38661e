"""Tool calls: how their arguments are sent."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.dialects.openai_chat._samples import CALLS, call, chat, first_call
from streamgauge.dialects.openai_chat._sources import DELTA, PRACTICE
from streamgauge.dialects.openai_chat._view import CallDelta, calls_of, chunks, is_json, joined_arguments
from streamgauge.evidence import brief, whole
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import text

LONG = 256
"""Characters of arguments from which on they should come in pieces."""
CUT_SHORT = ("length", "content_filter", "error")
LONG_ARGUMENTS = '{"text":"' + "word " * 80 + '"}'


@server_rule(
    "OAC-019",
    "arguments are string fragments",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{DELTA}: arguments is of type string. null, which says that there are none, counts as non-strict",
    applies=("openai-chat",),
    needs=("tools",),
    known=(
        "https://github.com/BerriAI/litellm/issues/37792",
        "measured: Writer sends null, which its own schema forbids too",
    ),
    good=CALLS,
    bad=chat(first_call(0), call(0, {"a": 1}), finish="tool_calls"),
)
def arguments_are_text(exchange: Exchange) -> Iterator[Finding]:
    """function is an object, and function.arguments always a JSON string fragment, never an object or null."""
    for delta in calls_of(exchange):
        function = delta.entry.get("function", {})
        given = delta.function.get("arguments", "")
        if not isinstance(function, dict):
            yield Finding(
                "a function that is an object", f"function {brief(function)}", delta.span, mild=function is None
            )
        elif not isinstance(given, str):
            yield Finding("a string", f"arguments {brief(given)}", delta.span, mild=given is None)


@server_rule(
    "OAC-020",
    "joined arguments are one JSON text",
    group="chunk-schema",
    keyword="MUST",
    basis="de-facto",
    source=f'{PRACTICE}. Not a promise: "Note that the model does not always generate valid JSON" ({DELTA})',
    applies=("openai-chat",),
    needs=("tools",),
    known=(
        "https://github.com/ggml-org/llama.cpp/issues/22722",
        "https://github.com/vllm-project/vllm/issues/31220",
        "https://github.com/BerriAI/litellm/issues/37792",
    ),
    good=CALLS,
    bad=chat(first_call(0), call(0, '{"a":1}'), call(0, "1}"), finish="tool_calls"),
)
def arguments_are_json(exchange: Exchange) -> Iterator[Finding]:
    """Concatenating a call's fragments gives one JSON text (or "" for no arguments), with nothing lost or doubled."""
    whole(exchange)
    calls_of(exchange)
    view = chunks(exchange)
    for (choice, index), (joined, span) in joined_arguments(view).items():
        reasons = [reason for reason, _ in view.finishes.get(choice, [])]
        if not reasons or any(r in CUT_SHORT for r in reasons if isinstance(r, str)):
            continue
        if joined and not is_json(joined):
            yield Finding("one JSON text", f"call {index} of choice {choice}: {brief(joined)}", span)


@server_rule(
    "OAC-021",
    "arguments arrive incrementally",
    group="chunk-schema",
    keyword="SHOULD",
    basis="de-facto",
    source=f"{PRACTICE}. Counted: {LONG} characters or more in one delta",
    applies=("openai-chat",),
    needs=("tools",),
    known=(
        "https://github.com/vllm-project/vllm/issues/50627",
        "https://github.com/vllm-project/vllm/issues/43267",
    ),
    good=chat(first_call(0), call(0, LONG_ARGUMENTS[:200]), call(0, LONG_ARGUMENTS[200:]), finish="tool_calls"),
    bad=chat(first_call(0), call(0, LONG_ARGUMENTS), finish="tool_calls"),
)
def arguments_in_pieces(exchange: Exchange) -> Iterator[Finding]:
    """Long arguments are streamed as generated, not in one delta at the end."""
    calls = calls_of(exchange)
    long = {key for key, (joined, _) in joined_arguments(chunks(exchange)).items() if len(joined) >= LONG}
    if not long:
        raise NotApplicable(f"no call has arguments of {LONG} characters")
    pieces: dict[tuple[int, int], list[CallDelta]] = {}
    for delta in calls:
        if delta.index is not None and (delta.choice, delta.index) in long and delta.function.get("arguments"):
            pieces.setdefault((delta.choice, delta.index), []).append(delta)
    for deltas in pieces.values():
        if len(deltas) == 1:
            size = len(text(deltas[0].function.get("arguments")))
            yield Finding("arguments in several deltas", f"{size} characters in one", deltas[0].span)
