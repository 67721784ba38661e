"""What every response object is made of, and in which framing it comes."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.dialects.gemini_generate._samples import BLOCKED, CALL, HELLO, array, response, sse, text
from streamgauge.dialects.gemini_generate._shape import WORDS, misshapen
from streamgauge.dialects.gemini_generate._sources import METHOD, PROTO, RESPONSE
from streamgauge.dialects.gemini_generate._view import responses, view
from streamgauge.evidence import answered, as_json, brief, media_type, whole
from streamgauge.increments import Told
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule, unreadable
from streamgauge.wire import members
from streamgauge.wire import text as text_of

APPLIES = ("gemini-generate",)
JSON = (("Content-Type", "application/json; charset=UTF-8"), ("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no"))
TYPES = {"text/event-stream": "sse", "application/json": "json-array"}
NAMES = {"sse": "server-sent events", "json-array": "one JSON array"}


@server_rule(
    "GEM-001",
    "alt=sse gives SSE; without it a JSON array",
    group="framing",
    keyword="MUST",
    basis="vendor-doc",
    source='Google, System parameters (https://cloud.google.com/apis/docs/system-parameters): alt is the "Alternative '
    'response format. Supported values are json (default), media, proto, sse (JSON streams)."; RFC 9110 8.3: '
    'Content-Type "indicates the media type of the associated representation". The URL is known to `check` of an '
    "endpoint alone: elsewhere the body is compared with its Content-Type. That the default is an array is practice: "
    "events where none were asked for, another JSON text, and another Content-Type than application/json, count as "
    "non-strict",
    applies=APPLIES,
    known=(
        "https://github.com/ankit373/hydra/issues/855",
        "https://github.com/Damienchakma/Open-claude/issues/1",
    ),
    good=Example(body=array(*HELLO), headers=JSON),
    bad=Example(body=array(*HELLO)),
)
def framing_as_declared(exchange: Exchange) -> Iterator[Finding]:
    """With alt=sse the body is text/event-stream; without it one JSON array streamed element by element."""
    answered(exchange)
    view(exchange)
    if exchange.asked not in ("", exchange.framing) and exchange.message.ended != "error":
        due = f"{NAMES[exchange.asked]}, as the URL has {'alt=sse' if exchange.asked == 'sse' else 'no alt=sse'}"
        got = "JSON" if exchange.framing == "json-array" else NAMES[exchange.framing]
        yield Finding(due, got, (0, min(80, len(exchange.body))), mild=exchange.asked != "sse")
        return
    if exchange.framing == "json-array":
        whole(exchange)
        value = as_json(exchange)
        if unreadable(value) or not isinstance(value, list):
            got = value.reason if unreadable(value) else "something else"
            mild = exchange.message.ended == "error" or not unreadable(value)
            yield Finding("one JSON array", got, (0, min(80, len(exchange.body))), mild=mild)
    if exchange.trace.headers is None and exchange.framing == "json-array":
        return
    if exchange.framing == "json-array" and media_type(exchange) not in TYPES:
        got = f"Content-Type: {media_type(exchange) or '(none)'}"
        yield Finding("Content-Type: application/json", got, (0, min(80, len(exchange.body))), mild=True)
    wanted = TYPES.get(media_type(exchange))
    if wanted and wanted != exchange.framing:
        got = f"{NAMES[exchange.framing]} as {media_type(exchange)}"
        yield Finding(NAMES[wanted], got, (0, min(80, len(exchange.body))))


@server_rule(
    "GEM-002",
    "each event is a GenerateContentResponse",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{METHOD}: "If successful, the response body contains a stream of GenerateContentResponse instances."; '
    f"{RESPONSE}. null counts as left out, as ProtoJSON says; a response of members that are not known counts as "
    "non-strict, and so do a role that there is not (\"Must be either 'user' or 'model'\") and text that only repeats "
    "what was said: no sentence was found that says that each has only what is new",
    applies=APPLIES,
    good=sse(*HELLO),
    bad=sse({"candidates": [{"content": {"parts": {"text": "Hi"}}}]}, *HELLO),
)
def response_objects(exchange: Exchange) -> Iterator[Finding]:
    """data is a GenerateContentResponse; parts hold only the new content."""
    found = responses(exchange)
    for value, span in found.responses:
        yield from misshapen(value, span)
    told: dict[int, Told] = {}
    for candidate in found.candidates:
        piece = candidate.text
        if piece and (again := told.setdefault(candidate.index, Told()).repeats(piece)):
            yield Finding("only new text", f"{again}: {brief(piece)}", candidate.span, mild=True)


@server_rule(
    "GEM-007",
    "no [DONE]",
    group="framing",
    keyword="SHOULD",
    basis="de-facto",
    source="de facto: Google's services complete the response, and google-genai reads each event as a response object",
    applies=APPLIES,
    known=("https://github.com/BerriAI/litellm/issues/39748",),
    good=sse(*HELLO),
    bad=sse(*HELLO) + "data: [DONE]\n\n",
)
def no_sentinel(exchange: Exchange) -> Iterator[Finding]:
    """The stream ends by completing the response; there is no sentinel."""
    view(exchange)
    for frame in exchange.frames:
        if getattr(frame, "data", "").strip() == "[DONE]":
            yield Finding("the end of the response", "[DONE]", frame.span)


@server_rule(
    "GEM-008",
    "function calls are whole",
    group="tools",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{PROTO}, FunctionCall: name is "Required. The name of the function to call.", args "Optional. The '
    f'function parameters and values in JSON object format.", id "The unique id of the function call."; {RESPONSE}: '
    'partialArgs and willContinue, "not supported in Gemini API", are Vertex\'s way to stream them',
    applies=APPLIES,
    good=sse(*CALL),
    bad=sse(response({"functionCall": {"name": "f", "args": '{"a":1}'}}), CALL[1]),
)
def calls_whole(exchange: Exchange) -> Iterator[Finding]:
    """A functionCall part has name and an args object; parallel calls are separate parts, with ids of their own."""
    goes_on: set[int] = set()
    ids: set[tuple[int, str]] = set()
    called = False
    found = responses(exchange)
    for candidate in found.candidates:
        for part in candidate.parts:
            if "functionCall" not in members(part):
                continue
            called = True
            call = part["functionCall"]
            stated = members(call)
            if not isinstance(call, dict):
                yield Finding("a functionCall that is an object", brief(call), candidate.span)
            elif not text_of(stated.get("name")) and (call if candidate.index not in goes_on else "name" in call):
                yield Finding("a function's name", f"functionCall {brief(call)}", candidate.span)
            if candidate.index not in goes_on and (call_id := text_of(stated.get("id"))):
                if (candidate.index, call_id) in ids:
                    yield Finding("an id of its own", f"id {brief(call_id)} of another call", candidate.span)
                ids.add((candidate.index, call_id))
            if candidate.index in goes_on and "name" in stated:
                yield Finding("no name in a part that goes on", f"name {brief(stated['name'])}", candidate.span)
            for name, kind in (("args", dict), ("partialArgs", list), ("willContinue", bool)):
                if stated.get(name) is not None and type(stated[name]) is not kind:
                    yield Finding(f"{name}, {WORDS[kind]}", f"{name} {brief(stated[name])}", candidate.span)
            (goes_on.add if stated.get("willContinue") is True else goes_on.discard)(candidate.index)
    if not called:
        raise NotApplicable("no function was called")
    if goes_on and exchange.message.ended == "complete":
        yield Finding("a part that ends the functionCall", "willContinue to the end", found.candidates[-1].span)


@server_rule(
    "GEM-010",
    "a blocked prompt has no candidates",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{RESPONSE}: promptFeedback.blockReason: "If set, the prompt was blocked and no candidates are returned."',
    applies=APPLIES,
    good=sse(BLOCKED),
    bad=sse({**BLOCKED, **text("Hello", finish="STOP")}),
)
def blocked_is_empty(exchange: Exchange) -> Iterator[Finding]:
    """Where promptFeedback has a blockReason the stream has no candidates."""
    found = responses(exchange)
    if not found.blocked:
        raise NotApplicable("the prompt was not blocked")
    if found.candidates:
        yield Finding("no candidates beside a blockReason", "a candidate", found.candidates[0].span)


@server_rule(
    "GEM-012",
    "an error in the stream is a google.rpc.Status",
    group="errors",
    keyword="SHOULD",
    basis="vendor-doc",
    source="Google Cloud API design, AIP-193 Errors (https://google.aip.dev/193): error has code, message and status",
    applies=APPLIES,
    good=sse(text("Hel"), {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}),
    bad=sse(text("Hel"), {"error": {"code": 503, "message": "The model is overloaded."}}),
)
def error_shape(exchange: Exchange) -> Iterator[Finding]:
    """An error object has a numeric code, a message and a status."""
    found = view(exchange).errors
    if not found:
        raise NotApplicable("the stream reports no error")
    for error, span in found:
        stated = members(error)
        wanted = {"code": int, "message": str, "status": str}
        if missing := [name for name, kind in wanted.items() if type(stated.get(name)) is not kind]:
            yield Finding("code, message and status", f"{brief(error)} without {', '.join(missing)}", span)
