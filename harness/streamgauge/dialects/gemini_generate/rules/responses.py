"""What every response object is made of, and in which framing it comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamgauge.dialects.gemini_generate._samples import BLOCKED, CALL, HELLO, array, response, sse, text
from streamgauge.dialects.gemini_generate._sources import MEMBERS, METHOD, PROTO, RESPONSE
from streamgauge.dialects.gemini_generate._view import responses, view
from streamgauge.events import Span
from streamgauge.evidence import answered, as_json, brief, media_type, whole
from streamgauge.increments import Told
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule, unreadable
from streamgauge.wire import elements, members
from streamgauge.wire import text as text_of

APPLIES = ("gemini-generate",)
JSON = (("Content-Type", "application/json; charset=UTF-8"), ("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no"))
WORDS: dict[type, str] = {str: "a string", int: "a number", dict: "an object", bool: "true or false", list: "an array"}
PART: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "thought": (bool,),
    "executableCode": (dict,),
    "codeExecutionResult": (dict,),
}
CANDIDATE: dict[str, tuple[type, ...]] = {"index": (int,)}
CONTENT: dict[str, tuple[type, ...]] = {"role": (str,)}
INNER: dict[str, dict[str, tuple[type, ...]]] = {
    "executableCode": {"code": (str,), "language": (str, int)},
    "codeExecutionResult": {"outcome": (str, int), "output": (str,)},
}
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
    'Content-Type "indicates the media type of the associated representation". The URL is not known to a rule, so that '
    "the body is compared with its Content-Type. That the default is an array is practice: another JSON text, and "
    "another Content-Type than application/json, count as non-strict",
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
    "non-strict, and so does text that only repeats what was said: no sentence was found that says that each has only "
    "what is new",
    applies=APPLIES,
    good=sse(*HELLO),
    bad=sse({"candidates": [{"content": {"parts": {"text": "Hi"}}}]}, *HELLO),
)
def response_objects(exchange: Exchange) -> Iterator[Finding]:
    """data is a GenerateContentResponse; parts hold only the new content."""
    found = responses(exchange)
    for value, span in found.responses:
        yield from _shape(value, span)
    told: dict[int, Told] = {}
    for candidate in found.candidates:
        piece = candidate.text
        if piece and (again := told.setdefault(candidate.index, Told()).repeats(piece)):
            yield Finding("only new text", f"{again}: {brief(piece)}", candidate.span, mild=True)


def _shape(value: dict[str, Any], span: Span) -> list[Finding]:
    out: list[Finding] = []
    if value.keys().isdisjoint(MEMBERS):
        out.append(Finding(f"one of {', '.join(MEMBERS[:3])}", brief(value), span, mild=True))
    listed = _stated(value, "candidates", [])
    if not isinstance(listed, list):
        out.append(Finding("an array of candidates", brief(listed), span))
    for entry in elements(listed):
        content = _stated(members(entry), "content", {})
        parts = _stated(members(content), "parts", [])
        if not isinstance(entry, dict):
            out.append(Finding("a candidate that is an object", brief(entry), span))
        elif not isinstance(content, dict):
            out.append(Finding("content that is an object", brief(content), span))
        elif not isinstance(parts, list) or not all(isinstance(p, dict) for p in parts):
            out.append(Finding("parts that are an array of objects", brief(parts), span))
        else:
            _typed(entry, CANDIDATE, span, out)
            _typed(content, CONTENT, span, out)
            for part in parts:
                _typed(part, PART, span, out)
                for name in INNER:
                    if name in part:
                        _typed(members(part[name]), INNER[name], span, out)
    if (feedback := value.get("promptFeedback")) is not None:
        _typed(value, {"promptFeedback": (dict,)}, span, out)
        _typed(members(feedback), {"blockReason": (str, int)}, span, out)
    return out


def _stated(value: dict[str, Any], name: str, default: Any) -> Any:
    """A member; one that is null is in ProtoJSON the same as not being there."""
    member = value.get(name)
    return default if member is None else member


def _typed(value: dict[str, Any], kinds: dict[str, tuple[type, ...]], span: Span, out: list[Finding]) -> None:
    """A finding for each member of another type; ProtoJSON lets every one of them be missing."""
    for name, member in value.items():
        if name in kinds and member is not None and type(member) not in kinds[name]:
            known = " or ".join(WORDS[k] for k in kinds[name])
            out.append(Finding(f"{name}, {known}", f"{name} {brief(member)}", span))


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
    f'function parameters and values in JSON object format."; {RESPONSE}: partialArgs and willContinue, "not supported '
    "in Gemini API\", are Vertex's way to stream them",
    applies=APPLIES,
    good=sse(*CALL),
    bad=sse(response({"functionCall": {"name": "f", "args": '{"a":1}'}}), CALL[1]),
)
def calls_whole(exchange: Exchange) -> Iterator[Finding]:
    """A functionCall part has name and an args object; parallel calls are separate parts."""
    goes_on: set[int] = set()
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
