"""Transport: whether the answer is of the kind that was asked for, and how a refusal looks."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.chat import ChatRequest
from streamgauge.detect import HEAD, kind_of
from streamgauge.dialect import Dialect
from streamgauge.dialects.openai_chat._samples import HELLO, REQUEST
from streamgauge.events import Span
from streamgauge.evidence import answered, as_json, brief, header, is_stream, media_type
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import members, parse

JSON = (("Content-Type", "application/json"),)
REFUSALS = {"invalid_request_error", "authentication_error", "permission_error", "not_found_error"}
REFUSAL_CODES = {400, 401, 403, 404, 413, 422}
"""Types and codes of errors that are about the request, and so were known before anything was sent."""
ANNOUNCED = ("anthropic-messages",)
"""Dialects whose vendor says that a 429 has a Retry-After."""
COMPLETION = '{"id":"c-1","object":"chat.completion","created":1,"model":"m","choices":[]}'


def _head(exchange: Exchange) -> Span:
    return (0, min(len(exchange.body), 80))


@server_rule(
    "HTTP-003",
    "stream absent or false gives application/json",
    group="transport",
    keyword="MUST",
    basis="vendor-doc",
    source="OpenAI API reference, Create chat completion (https://platform.openai.com/docs/api-reference/chat/create; "
    'read as generated in openai 3.54.0, resources/chat/completions/completions.py): "Returns a chat completion '
    'object, or a streamed sequence of chat completion chunk objects if the request is streamed."; stream: "If set to '
    'true, the model response data will be streamed"; openai/openai-openapi openapi.yaml, createChatCompletion: a '
    "CreateChatCompletionResponse is application/json",
    applies=("openai-chat",),
    needs=("request", "headers"),
    known=(
        "https://github.com/decolua/9router/issues/3492",
        "https://github.com/decolua/9router/issues/3301",
        "https://github.com/diegosouzapw/OmniRoute/issues/6740",
        "https://github.com/diegosouzapw/OmniRoute/issues/10239",
    ),
    good=Example(body=COMPLETION, headers=JSON, request={**REQUEST, "stream": False}),
    bad=Example(body=HELLO, request={**REQUEST, "stream": False}),
)
def plain_answer_unless_asked(exchange: Exchange) -> Iterator[Finding]:
    """A request without stream or with stream:false is answered with one JSON object, Content-Type application/json, no
    SSE framing and no [DONE].
    """
    if exchange.request.get("stream"):
        raise NotApplicable("the request asked for a stream")
    answered(exchange)
    _read_whole(exchange)
    if is_stream(exchange):
        yield Finding("one JSON object, because the request asked for no stream", "an SSE stream", _head(exchange))
    elif not isinstance(as_json(exchange), dict):
        yield Finding("one JSON object", "a body that is none", _head(exchange))
    elif exchange.trace.headers is not None and not _is_json_type(media_type(exchange)):
        yield Finding("Content-Type: application/json", f"Content-Type: {media_type(exchange)}", _head(exchange))


def _read_whole(exchange: Exchange) -> None:
    if exchange.trace.ended != "eof":
        raise NotApplicable(f"the body was not received whole ({exchange.trace.ended})")


def _is_json_type(kind: str) -> bool:
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


@server_rule(
    "HTTP-004",
    "stream:true is honoured",
    group="transport",
    keyword="MUST",
    basis="vendor-doc",
    source="OpenAI API reference, Create chat completion, stream "
    '(https://platform.openai.com/docs/api-reference/chat/create): "If set to true, the model response data will be '
    'streamed to the client as it is generated using server-sent events"; Anthropic, Messages, stream: "Whether to '
    'incrementally stream the response using server-sent events."; Ollama docs, Streaming '
    '(https://docs.ollama.com/api/streaming): "These responses are provided in the newline-delimited JSON format"; '
    'Cohere docs, A Guide to Streaming Responses: "When streaming is enabled, the API sends events down one by one."; '
    "Gemini and Bedrock have a method for it",
    applies=("all",),
    needs=("request",),
    known=(
        "https://github.com/tinyhumansai/tinyagents/issues/56",
        "https://github.com/xtekky/gpt4free/issues/2300",
    ),
    good=Example(body=HELLO, request=REQUEST, dialect="openai-chat"),
    bad=Example(body=COMPLETION, headers=JSON, request=REQUEST, dialect="openai-chat"),
)
def stream_when_asked(exchange: Exchange) -> Iterator[Finding]:
    """With streaming requested the answer is a stream, not one JSON body."""
    if not _wants_stream(exchange):
        raise NotApplicable("the request does not say that it wants a stream")
    answered(exchange)
    if is_stream(exchange):
        return
    _read_whole(exchange)
    value = as_json(exchange)
    if members(value).get("error"):
        raise NotApplicable("the body is an error (see HTTP-012)")
    kind = (
        "one JSON body" if isinstance(value, (dict, list)) else "something else" if exchange.body else "an empty body"
    )
    yield Finding(f"a {exchange.dialect.framing} stream", kind, _head(exchange))


def _wants_stream(exchange: Exchange) -> bool:
    """Whether the request asks for a stream; where the dialect has no member for that, its path does."""
    if "stream" in exchange.request:
        return bool(exchange.request["stream"])
    return exchange.streams and "stream" not in exchange.dialect.request(ChatRequest.of("")).body


@server_rule(
    "HTTP-012",
    "errors known before the first byte use a 4xx/5xx status",
    group="transport",
    keyword="MUST",
    basis="vendor-doc",
    source='RFC 9110 15: "2xx (Successful): The request was successfully received, understood, and accepted"; '
    'Anthropic docs, Errors (https://platform.claude.com/docs/en/api/errors): each error has its status, and "Errors '
    'are always returned as JSON"; Ollama docs, Errors (https://docs.ollama.com/api/errors): "Errors are returned in '
    'the `application/json` format"; Google AIP-193 (https://google.aip.dev/193): "Services must return a '
    'google.rpc.Status message when an API error occurs"; OpenRouter docs '
    '(https://openrouter.ai/docs/api/reference/errors-and-debugging): "The HTTP Response will have the same status '
    'code as error.code, forming a request error if: Your original request is invalid"; OpenAI docs, Error codes '
    "(https://platform.openai.com/docs/guides/error-codes), and openapi.yaml, ErrorResponse. Of the label RFC 9110 8.3 "
    'says that a sender "SHOULD generate a Content-Type header field": a JSON error under another one, or none, counts '
    "as non-strict, except under that of an event stream, which it is not. So does one whose message is not where the "
    "vendor's errors have it. An error that only comes in-band counts where it is about the request",
    applies=("all",),
    needs=("headers",),
    known=(
        "https://github.com/praxis-proxy/ai/issues/1005",
        "https://github.com/Helicone/helicone/issues/4678",
        "https://github.com/vercel/ai/issues/10653",
        "seen: vllm-router sends a 400 as text/event-stream",
    ),
    good=Example(
        body='{"error":{"message":"no such model","type":"invalid_request_error","param":null,"code":"m"}}',
        status=404,
        headers=JSON,
        request=REQUEST,
        dialect="openai-chat",
    ),
    bad=Example(
        body='{"error":{"message":"no such model","type":"invalid_request_error","param":null,"code":"m"}}',
        headers=JSON,
        request=REQUEST,
        dialect="openai-chat",
    ),
)
def errors_have_a_status(exchange: Exchange) -> Iterator[Finding]:
    """A failure known before any event is sent gives a 4xx/5xx status with the dialect's JSON error body and
    Content-Type application/json, also when stream:true.
    """
    status = exchange.trace.status
    if status is None:
        raise NotApplicable("only the body is known, not the HTTP status")
    if status >= 400:
        _read_whole(exchange)
        yield from _error_answer(exchange)
        return
    answered(exchange)
    if not is_stream(exchange):
        if members(as_json(exchange)).get("error"):
            yield Finding("a 4xx or 5xx status", f"HTTP {status} with an error as its body", _head(exchange))
        return
    first = exchange.frames[0]
    error = _refusal(exchange.payloads[0].value) if exchange.payloads else None
    if error and exchange.payloads[0].frame is first:
        yield Finding("a 4xx status", f"HTTP {status}, then the event {brief(error)}", first.span)


def _error_answer(exchange: Exchange) -> Iterator[Finding]:
    value = as_json(exchange)
    if not isinstance(value, dict):
        got = kind_of(exchange.body[:HEAD])[1] if exchange.body else "no body"
        yield Finding("a JSON object that tells the error", got, _head(exchange))
        return
    place = _place_of_message(exchange.dialect)
    message: object = value
    for name in place:
        message = members(message).get(name)
    # The form of Mistral's errors, and of older vLLM's.
    own = value.get("object") == "error" and exchange.dialect.names & {"openai-chat", "openai-completions"}
    if not own and not isinstance(message, str):
        yield Finding(f"{'.'.join(place)}, a string that tells the error", brief(value), _head(exchange), mild=True)
    if exchange.trace.headers is not None and not _is_json_type(media_type(exchange)):
        kind = media_type(exchange)
        got, streams = f"Content-Type: {kind or '(none)'}", kind == "text/event-stream"
        yield Finding("Content-Type: application/json", got, _head(exchange), mild=not streams)


def _place_of_message(dialect: Dialect) -> tuple[str, ...]:
    """The names that lead to the message in an error of the dialect: error.message in most, error in Ollama's."""
    told = "told"

    def place(value: object) -> tuple[str, ...] | None:
        found = ((name, place(below)) for name, below in members(value).items())
        return () if value == told else next(((name, *rest) for name, rest in found if rest is not None), None)

    return place(parse(dialect.error_body(400, told).decode())) or ()


def _refusal(value: object) -> object:
    """The error of an event that refuses the request itself, which was known before anything was sent."""
    error = members(members(value).get("error"))
    code = error.get("code")
    refused = error.get("type") in REFUSALS if isinstance(error.get("type"), str) else False
    return error if refused or (type(code) is int and code in REFUSAL_CODES) else None


@server_rule(
    "HTTP-013",
    "429 and 503 carry Retry-After",
    group="transport",
    keyword="SHOULD",
    basis="standard",
    source='RFC 6585 4: a 429 "MAY include a Retry-After header"; RFC 9110 15.6.4: with a 503 "The server MAY send a '
    'Retry-After header field", whose value 10.2.3 defines: Retry-After = HTTP-date / delay-seconds. So that only '
    "another value is non-strict, and a missing field where the vendor announces it: Anthropic docs, Rate limits "
    '(https://platform.claude.com/docs/en/api/rate-limits): "you will get a 429 error [...] along with a `retry-after` '
    'header indicating how long to wait"',
    applies=("all",),
    needs=("headers",),
    good=Example(
        body='{"error":{"message":"slow down","type":"rate_limit_error","code":null}}',
        status=429,
        headers=(*JSON, ("Retry-After", "2")),
        dialect="openai-chat",
    ),
    bad=Example(
        body='{"error":{"message":"slow down","type":"rate_limit_error","code":null}}',
        status=429,
        headers=(*JSON, ("Retry-After", "soon")),
        dialect="openai-chat",
    ),
)
def retry_after(exchange: Exchange) -> Iterator[Finding]:
    """A 429 or 503 answer to a streaming request carries Retry-After (seconds or HTTP-date)."""
    if exchange.trace.status not in (429, 503):
        raise NotApplicable("the answer is neither a 429 nor a 503")
    value = header(exchange, "Retry-After")
    if value is None:
        announced = exchange.trace.status == 429 and exchange.dialect.name in ANNOUNCED
        yield Finding("Retry-After", "none", mild=not announced)
    elif not _seconds_or_date(value.strip()):
        yield Finding("Retry-After in seconds or as an HTTP-date", f"Retry-After: {value}")


def _seconds_or_date(value: str) -> bool:
    from email.utils import parsedate_to_datetime

    if value.isascii() and value.isdigit():
        return True
    try:
        return parsedate_to_datetime(value) is not None
    except (ValueError, TypeError, IndexError, OverflowError):
        return False
