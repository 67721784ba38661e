"""Server rules of Ollama's native API: lines, the last object, calls, errors, counts."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Any

from streamgauge.dialects.ollama._samples import COUNTS, HELLO, TYPE, called, chat, end, lines
from streamgauge.events import Span
from streamgauge.evidence import answered, brief, header, media_type, streamed, whole
from streamgauge.frames import DONE
from streamgauge.increments import Told
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, is_event, server_rule
from streamgauge.wire import count, elements, members, text

APPLIES = ("ollama-chat", "ollama-generate")
STREAMING = "Ollama docs, Streaming (https://docs.ollama.com/api/streaming; docs/api/streaming.mdx)"
USAGE = "Ollama docs, Usage (https://docs.ollama.com/api/usage; docs/api/usage.mdx)"
ERRORS = "Ollama docs, Errors (https://docs.ollama.com/api/errors; docs/api/errors.mdx)"
TOOLS = (
    "Ollama docs, Tool calling (https://docs.ollama.com/capabilities/tool-calling), whose examples show arguments as "
    "an "
    "object; ollama 0.6.3, Message.ToolCall.Function.arguments: Mapping[str, Any]"
)


def _objects(exchange: Exchange) -> tuple[tuple[dict[str, Any], Span], ...]:
    """The objects of a stream that has some."""
    streamed(exchange)
    if not exchange.objects:
        raise NotApplicable("no line is a JSON object (see JSON-001)")
    return exchange.objects


def _last(exchange: Exchange) -> tuple[dict[str, Any], Span]:
    """The first object that says that it is the last."""
    found = next(((v, span) for v, span in _objects(exchange) if v.get("done") is True), None)
    if found is None:
        raise NotApplicable("no object has done: true (see OLL-002)")
    return found


def _said(value: dict[str, Any]) -> str:
    return text(members(value.get("message")).get("content")) or text(value.get("response"))


def _speaks(value: dict[str, Any]) -> bool:
    message = members(value.get("message"))
    return bool(_said(value) or value.get("thinking") or message.get("thinking") or message.get("tool_calls"))


@server_rule(
    "HTTP-002",
    "NDJSON responses declare application/x-ndjson",
    group="transport",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}: "These responses are provided in the newline-delimited JSON format (i.e. the '
    '`application/x-ndjson` content type)."',
    applies=APPLIES,
    needs=("headers",),
    known=("https://github.com/ollama/ollama/issues/294", "measured: Ollama's own cloud models say application/json"),
    good=lines(*HELLO),
    bad=Example(body=lines(*HELLO), headers=(("Content-Type", "application/json"), *TYPE[1:])),
)
def declares_ndjson(exchange: Exchange) -> Iterator[Finding]:
    """A streamed NDJSON response has Content-Type application/x-ndjson."""
    answered(exchange)
    header(exchange, "Content-Type")
    streamed(exchange)
    if media_type(exchange) != "application/x-ndjson":
        got = f"Content-Type: {media_type(exchange) or '(none)'}"
        yield Finding("Content-Type: application/x-ndjson", got, (0, min(80, len(exchange.body))))


@server_rule(
    "OLL-001",
    "one JSON object per line",
    group="framing",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{STREAMING}: "newline-delimited JSON format"; ndjson-spec 3.1 (https://github.com/ndjson/ndjson-spec): '
    '"Each '
    "JSON text MUST conform to the [RFC8259] standard and MUST be written to the stream followed by the newline "
    'character". A last line without it counts as non-strict: only the spec demands it',
    applies=APPLIES,
    known=(
        "https://github.com/0xPlaygrounds/rig/issues/1758",
        "https://github.com/code-yeongyu/oh-my-openagent/issues/1120",
    ),
    good=lines(*HELLO),
    bad=lines(chat("Hello")) + lines(chat(" there")).replace(',"done"', ',\n"done"') + lines(end()),
    also_breaks=("JSON-001",),
)
def one_object_a_line(exchange: Exchange) -> Iterator[Finding]:
    """Each line is one JSON object ended by LF; no raw LF inside."""
    streamed(exchange)
    for payload in exchange.payloads:
        if not isinstance(payload.value, dict):
            yield Finding("one JSON object", brief(payload.frame.data), payload.span)
    for frame in exchange.frames:
        if is_event(frame) and frame.data.strip() == DONE:
            yield Finding("one JSON object", f"{DONE}, which ends server-sent events", frame.span)
    size = len(exchange.body)
    if exchange.trace.ended == "eof" and not exchange.body.endswith(b"\n"):
        yield Finding("a line end behind the last object", "none", (max(0, size - 80), size), mild=True)
    if exchange.body.startswith(b"\xef\xbb\xbf"):
        yield Finding("no byte order mark (RFC 8259 8.1)", "one", (0, 3))


@server_rule(
    "OLL-002",
    "done is false until the last object",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{STREAMING}: each object of the example has done, false but in the last one",
    applies=APPLIES,
    known=("https://github.com/ollama/ollama-vscode/issues/61",),
    good=lines(*HELLO),
    bad=lines(HELLO[0], {k: v for k, v in HELLO[1].items() if k != "done"}, HELLO[2]),
)
def done_is_last(exchange: Exchange) -> Iterator[Finding]:
    """Every object has done; only the last has done:true."""
    objects = _objects(exchange)
    failed = any("error" in value for value, _ in objects)
    for number, (value, span) in enumerate(objects):
        if "error" in value:
            continue
        done = value.get("done")
        if not isinstance(done, bool):
            yield Finding("done: true or false", f"done {brief(done)}", span)
        elif done and number + 1 < len(objects):
            yield Finding("done: true in the last object only", f"{len(objects) - number - 1} more behind it", span)
    if not failed and objects[-1][0].get("done") is False:
        whole(exchange)
        yield Finding("done: true in the last object", "the end of the body without it", objects[-1][1])


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
    value, span = _last(exchange)
    wanted = [name for name in COUNTS if name.endswith("_duration")]
    missing = [name for name in wanted if count(value.get(name)) is None]
    missing += [] if text(value.get("done_reason")) else ["done_reason"]
    if missing:
        yield Finding("done_reason and durations", f"no {', '.join(missing)}", span)


@server_rule(
    "OLL-005",
    "tool_calls arguments are objects in the native API",
    group="tools",
    keyword="MUST",
    basis="vendor-doc",
    source=TOOLS,
    applies=("ollama-chat",),
    known=("https://github.com/BerriAI/litellm/issues/37792",),
    good=lines(called({"a": 1}), end()),
    bad=lines(called('{"a":1}'), end()),
)
def arguments_are_objects(exchange: Exchange) -> Iterator[Finding]:
    """message.tool_calls[].function.arguments is an object in /api/chat and a string in /v1."""
    found = False
    for value, span in _objects(exchange):
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
                nothing = given is None and "arguments" in function
                yield Finding("arguments that are an object", f"arguments {brief(given)}", span, mild=nothing)
    if not found:
        raise NotApplicable("no tool was called")


@server_rule(
    "OLL-007",
    "model and created_at in every object",
    group="chunk-schema",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f"{STREAMING}: each object of the example has model and created_at, an RFC 3339 time",
    applies=APPLIES,
    good=lines(*HELLO),
    bad=lines(HELLO[0], {k: v for k, v in HELLO[1].items() if k != "created_at"}, HELLO[2]),
)
def identity(exchange: Exchange) -> Iterator[Finding]:
    """Every object that is no error has a model, always the same, and created_at."""
    first = ""
    for value, span in _objects(exchange):
        if "error" in value:
            continue
        missing = [name for name in ("model", "created_at") if not text(value.get(name))]
        if missing:
            yield Finding("model and created_at", f"no {', '.join(missing)}", span)
        first = first or text(value.get("model"))
        if "model" in value and value["model"] != first:
            yield Finding(f"model {brief(first)} as before", f"model {brief(value['model'])}", span)


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
    for value, span in _objects(exchange):
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
    "OLL-008",
    "objects hold increments, not snapshots",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{STREAMING}: the example's responses are the pieces of one sentence",
    applies=APPLIES,
    good=lines(*HELLO),
    bad=lines(chat("Hello"), chat("Hello there"), chat("Hello there, how are you?"), end()),
)
def increments(exchange: Exchange) -> Iterator[Finding]:
    """Each object has only new text; the full answer is never re-sent."""
    told = Told()
    for value, span in _objects(exchange):
        piece = _said(value)
        if piece and (again := told.repeats(piece)):
            yield Finding("only new text", f"{again}: {brief(piece)}", span)


@server_rule(
    "ERR-008",
    "Ollama error object",
    group="errors",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{ERRORS}: "If an error occurs mid-stream, the error will be returned as an object in the '
    '`application/x-ndjson` format with an `error` property."; its example ends with {"error": string}',
    applies=APPLIES,
    known=("https://github.com/use-agent-os/agent-os/issues/2215",),
    good=lines(HELLO[0], {"error": "an error was encountered while running the model"}),
    bad=lines(HELLO[0], {"error": {"message": "boom"}}),
)
def error_object(exchange: Exchange) -> Iterator[Finding]:
    """The last line is {"error": string}; no done:true object follows."""
    objects = _objects(exchange)
    errors = [(number, value["error"], span) for number, (value, span) in enumerate(objects) if "error" in value]
    if not errors:
        raise NotApplicable("the stream reports no error")
    for number, error, span in errors:
        if not isinstance(error, str):
            yield Finding('{"error": string}', f"error {brief(error)}", span)
        if number + 1 < len(objects):
            yield Finding("nothing behind the error", brief(objects[number + 1][0]), objects[number + 1][1])


@server_rule(
    "USE-010",
    "Ollama counts in the last object",
    group="usage",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{USAGE}: "For endpoints that return **streaming responses**, usage fields are included as part of the '
    "final "
    'chunk, where `done` is `true`." A missing prompt_eval_count counts as non-strict: Ollama leaves out what is 0, as '
    "when the prompt was cached",
    applies=APPLIES,
    good=lines(*HELLO),
    bad=lines(*HELLO[:2], end(eval_count=...)),
)
def counts_stated(exchange: Exchange) -> Iterator[Finding]:
    """prompt_eval_count and eval_count are in the done:true object and eval_count > 0 if text was sent."""
    value, span = _last(exchange)
    if not any(_speaks(v) for v, _ in exchange.objects):
        raise NotApplicable("the answer is empty")
    if not (count(value.get("eval_count")) or 0) > 0:
        yield Finding("eval_count above 0", f"eval_count {brief(value.get('eval_count'))}", span)
    if count(value.get("prompt_eval_count")) is None:
        yield Finding("prompt_eval_count", "none", span, mild=True)
