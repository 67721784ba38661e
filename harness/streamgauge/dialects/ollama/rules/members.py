"""What objects are made of: identity, parts of the answer, calls, and what the last one states."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import NoneType

from streamgauge.dialects.ollama._samples import COUNTS, HELLO, called, end, lines
from streamgauge.dialects.ollama._sources import SCHEMA, STREAMING, USAGE
from streamgauge.dialects.ollama._view import last_of, objects_of, speaks
from streamgauge.evidence import brief
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import count, elements, members, text

APPLIES = ("ollama-chat", "ollama-generate")


@server_rule(
    "OLL-007",
    "model and created_at in every object",
    group="chunk-schema",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{STREAMING}: each object of the example has model and created_at, an RFC 3339 time; {SCHEMA}: "When this '
    'chunk was created (ISO 8601)". That no chunk is older than the one before follows from what a stream is',
    applies=APPLIES,
    good=lines(*HELLO),
    bad=lines(HELLO[0], {k: v for k, v in HELLO[1].items() if k != "created_at"}, HELLO[2]),
)
def identity(exchange: Exchange) -> Iterator[Finding]:
    """Every object that is no error has a model, always the same, and created_at, a time not before the last."""
    first = ""
    last: re.Match[str] | None = None
    for value, span in objects_of(exchange):
        if "error" in value:
            continue
        missing = [name for name in ("model", "created_at") if not text(value.get(name))]
        if missing:
            yield Finding("model and created_at", f"no {', '.join(missing)}", span)
        first = first or text(value.get("model"))
        if "model" in value and value["model"] != first:
            yield Finding(f"model {brief(first)} as before", f"model {brief(value['model'])}", span)
        if stated := text(value.get("created_at")):
            at = _TIME.fullmatch(stated)
            if at is None:
                yield Finding("created_at, an RFC 3339 time", f"created_at {brief(stated)}", span)
            elif last is not None and at[3] == last[3] and _since(at) < _since(last):
                yield Finding(f"created_at not before {last[0]}", f"created_at {brief(stated)}", span)
            last = at or last


_TIME = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _since(at: re.Match[str]) -> tuple[str, str]:
    """What compares as the times of one zone do: to the second, and the digits of its fraction."""
    return at[1].upper(), (at[2] or "").rstrip("0")


@server_rule(
    "OLL-009",
    "each object has its part of the answer",
    group="chunk-schema",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f"{STREAMING}: each object of the example has a message with role and content; docs/api.md, Generate a "
    "completion: each has response. ollama 0.6.3 reads them as strings (Message.content, GenerateResponse.response)",
    applies=APPLIES,
    good=lines(*HELLO),
    bad=lines(HELLO[0], {k: v for k, v in HELLO[1].items() if k != "message"}, HELLO[2]),
)
def parts_are_there(exchange: Exchange) -> Iterator[Finding]:
    """In /api/chat each object has a message with role assistant and content, in /api/generate a response; these and
    thinking are strings.
    """
    generates = exchange.dialect.name == "ollama-generate"
    for value, span in objects_of(exchange):
        if "error" in value:
            continue
        part = value if generates else value.get("message")
        if not isinstance(part, dict):
            yield Finding("a message", f"message {brief(part)}", span)
            continue
        if not generates and part.get("role") != "assistant":
            yield Finding('role "assistant"', f"role {brief(part.get('role'))}", span)
        name = "response" if generates else "content"
        for member, missing in ((name, None), ("thinking", "")):
            if not isinstance(part.get(member, missing), str):
                yield Finding(f"{member}, a string", f"{member} {brief(part.get(member))}", span)


@server_rule(
    "OLL-005",
    "tool_calls arguments are objects in the native API",
    group="tools",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{SCHEMA}, ToolCall.function: arguments is of type object, "JSON object of arguments to pass to the '
    'function"; name is required, arguments is not: null, or none, counts as non-strict',
    applies=("ollama-chat",),
    known=("https://github.com/BerriAI/litellm/issues/37792",),
    good=lines(called({"a": 1}), end()),
    bad=lines(called('{"a":1}'), end()),
)
def arguments_are_objects(exchange: Exchange) -> Iterator[Finding]:
    """message.tool_calls[].function.arguments is an object in /api/chat and a string in /v1."""
    found = False
    for value, span in objects_of(exchange):
        calls = members(value.get("message")).get("tool_calls")
        found = found or bool(calls)
        if not isinstance(calls, (list, NoneType)):
            yield Finding("an array of tool calls", f"tool_calls {brief(calls)}", span)
        for call in elements(calls):
            function = members(members(call).get("function"))
            if not text(function.get("name")):
                yield Finding("function.name", brief(call), span)
            given = function.get("arguments")
            if not isinstance(given, dict):
                yield Finding("arguments that are an object", f"arguments {brief(given)}", span, mild=given is None)
    if not found:
        raise NotApplicable("no tool was called")


@server_rule(
    "OLL-003",
    "last object has done_reason and timings",
    group="chunk-schema",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{USAGE}: "usage fields are included as part of the final chunk, where `done` is `true`"; "All timing '
    "values "
    'are measured in nanoseconds."; done_reason as in its example',
    applies=APPLIES,
    known=("https://github.com/ollama/ollama-vscode/issues/58", "measured: Ollama's cloud models leave timings out"),
    good=lines(*HELLO),
    bad=lines(*HELLO[:2], end(done_reason=...)),
)
def last_is_told(exchange: Exchange) -> Iterator[Finding]:
    """The done:true object has done_reason, total_duration, load_duration, prompt_eval_count, eval_count and durations
    in ns.
    """
    value, span = last_of(exchange)
    if value.get("done_reason") in ("load", "unload"):
        raise NotApplicable("a model was loaded or unloaded, nothing was asked")
    wanted = [name for name in COUNTS if name.endswith("_duration")]
    missing = [name for name in wanted if (count(value.get(name)) or 0) < 0 or count(value.get(name)) is None]
    missing += [] if text(value.get("done_reason")) else ["done_reason"]
    if missing:
        yield Finding("done_reason and durations", f"no {', '.join(missing)}", span)


@server_rule(
    "USE-010",
    "Ollama counts in the last object",
    group="usage",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{USAGE}: "For endpoints that return **streaming responses**, usage fields are included as part of the '
    'final chunk, where `done` is `true`."; docs/api.md (https://github.com/ollama/ollama/blob/main/docs/api.md): '
    '"`eval_count`: number of tokens in the response", which are not none. A missing '
    "prompt_eval_count counts as non-strict: Ollama leaves out what is 0, as when the prompt was cached",
    applies=APPLIES,
    good=lines(*HELLO),
    bad=lines(*HELLO[:2], end(eval_count=...)),
)
def counts_stated(exchange: Exchange) -> Iterator[Finding]:
    """prompt_eval_count and eval_count are in the done:true object and eval_count > 0 if text was sent."""
    value, span = last_of(exchange)
    if not any(speaks(v) for v, _ in exchange.objects):
        raise NotApplicable("the answer is empty")
    if not (count(value.get("eval_count")) or 0) > 0:
        yield Finding("eval_count above 0", f"eval_count {brief(value.get('eval_count'))}", span)
    given = count(value.get("prompt_eval_count"))
    if given is None or given < 0:
        yield Finding("prompt_eval_count", "none" if given is None else brief(given), span, mild=True)
