"""Errors: how a failure is told once the status line is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator

from streamgauge.dialects.openai_chat._samples import chat, sse, text
from streamgauge.events import Span, StreamError
from streamgauge.evidence import answered, as_json, brief, streamed
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule

BOOM = {"error": {"message": "The server had an error", "type": "server_error", "param": None, "code": "internal"}}


@server_rule(
    "ERR-001",
    "a mid-stream failure is reported in-band",
    group="errors",
    keyword="MUST",
    basis="vendor-doc",
    source='Anthropic docs, Streaming messages (https://platform.claude.com/docs/en/build-with-claude/streaming): "We '
    'may occasionally send errors in the event stream."; Ollama docs, Errors (https://docs.ollama.com/api/errors): "If '
    "an error occurs mid-stream, the error will be returned as an object in the `application/x-ndjson` format with an "
    '`error` property."; OpenRouter docs (https://openrouter.ai/docs/api/reference/errors-and-debugging): "any error '
    'occurred while the LLM is producing the output will be emitted in the response body or as an SSE data event"; '
    "OpenAI Responses streaming events, Bedrock's exceptions and Cohere's finish_reason ERROR are for that. OpenAI's "
    'chat reference has no such event, but an end: "the stream terminated by a `data: [DONE]` message". Gemini\'s '
    "says nothing, and there it counts as non-strict",
    applies=("all",),
    needs=("headers",),
    known=(
        "https://github.com/BerriAI/litellm/issues/39748",
        "https://github.com/CommandCodeAI/command-code/issues/785",
    ),
    good=Example(body=chat(text("Hello"), sse(BOOM), finish=None), dialect="openai-chat"),
    bad=Example(body=chat(text("Hello"), finish=None, tail=""), dialect="openai-chat"),
    also_breaks=("SEQ-006",),
)
def failures_are_told(exchange: Exchange) -> Iterator[Finding]:
    """After the status line is sent a failure is sent as the dialect's error event, and not by just closing."""
    if exchange.trace.status is None:
        raise NotApplicable("only the body is known: who cut it is not")
    streamed(exchange)
    ended = exchange.trace.ended
    if ended in ("timeout", "closed"):
        raise NotApplicable(f"the stream was not read to its end ({ended})")
    if exchange.message.ended == "truncated":
        if ended == "eof" and getattr(exchange.frames[-1], "data", "").strip() == "[DONE]":
            raise NotApplicable("the stream ends with [DONE]: its server takes it for whole")
        how = {"reset": "a reset", "incomplete": "a closed connection"}.get(ended, "the end of the body")
        size = len(exchange.body)
        got, unsaid = f"{how} in the middle of the answer", exchange.dialect.name == "gemini-generate"
        yield Finding("an error event", got, (max(0, size - 80), size), mild=unsaid)


def _error_events(exchange: Exchange) -> list[StreamError]:
    streamed(exchange)
    found = [e for e in exchange.events if isinstance(e, StreamError)]
    if not found:
        raise NotApplicable("the stream reports no error")
    return found


@server_rule(
    "ERR-011",
    "errors are told apart: retryable or not",
    group="errors",
    keyword="SHOULD",
    basis="vendor-doc",
    source='Anthropic docs, Errors (https://platform.claude.com/docs/en/api/errors): the error object "always '
    'includes a `type` and `message` value"; OpenRouter docs '
    "(https://openrouter.ai/docs/api/reference/errors-and-debugging): an error has a code, a number; OpenAI, as "
    "generated in openai 3.54.0, types/shared/error_object.py: code and type. These are references of what is sent, "
    "not demands",
    applies=("all",),
    known=(
        "https://github.com/dcdpr/jp/issues/978",
        "https://github.com/vercel/ai/issues/10653",
    ),
    good=Example(body=chat(text("Hello"), sse(BOOM), finish=None), dialect="openai-chat"),
    bad=Example(
        body=chat(text("Hello"), sse({"error": {"message": "boom", "type": "", "code": None}}), finish=None),
        dialect="openai-chat",
    ),
)
def errors_have_a_kind(exchange: Exchange) -> Iterator[Finding]:
    """In-stream errors carry code/type so that a client can tell overload and rate limit from bad input."""
    found = _error_events(exchange)
    if not _has_place(exchange):
        raise NotApplicable(f"an error of {exchange.dialect.name} is a text without a code")
    for error in found:
        if not error.code and not error.error_type:
            yield Finding("a code or a type", f"only the message {brief(error.message)}", error.span)


def _has_place(exchange: Exchange) -> bool:
    """Whether errors of the dialect can carry a code at all: Ollama documents {"error": string}."""
    said = exchange.dialect.decode(exchange.dialect.error_frame("failed", "code"))
    return any(isinstance(e, StreamError) and (e.code or e.error_type) for e in said)


_LEAKS = {
    "a stack trace": re.compile(
        r'Traceback \(most recent call last\)|File "[^"\n]+", line \d+|goroutine \d+ \['
        # Java's and .NET's "at f(", V8's "at f [as g] (/path:1:2)" and "at /path:1:2".
        r"|\n[ \t]+at (?:[\w.$<>]+\(|[^\n]{1,300}:\d+:\d+)"
    ),
    "a key": re.compile(r"\b(?:sk|gsk|xai|pplx|hf)[-_][A-Za-z0-9_-]{20,}|\bBearer [A-Za-z0-9._-]{16,}"),
    "an internal address": re.compile(
        r"https?://(?:localhost|127\.\d+\.\d+\.\d+|10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+|172\.(?:1[6-9]|2\d|3[01])\.\d+\.\d+"
        r"|[\w.-]+\.(?:internal|local|svc)|[\w.-]+:\d+)(?=[/:\s\"')\]]|$)"
    ),
}


@server_rule(
    "ERR-014",
    "error text holds no secrets",
    group="errors",
    keyword="SHOULD",
    basis="de-facto",
    source="OWASP API8:2023 Security Misconfiguration (stack traces and sensitive information in error messages)",
    applies=("all",),
    good=Example(body=chat(text("Hello"), sse(BOOM), finish=None), dialect="openai-chat"),
    bad=Example(
        body=chat(
            text("Hello"),
            sse({"error": {**BOOM["error"], "message": "connect to http://10.0.0.7:8000/v1 failed"}}),
            finish=None,
        ),
        dialect="openai-chat",
    ),
)
def errors_keep_secrets(exchange: Exchange) -> Iterator[Finding]:
    """In-band errors hold no stack traces, keys or upstream URLs."""
    told: list[tuple[str, Span]] = [(e.message, e.span) for e in _told(exchange)]
    for message, span in told:
        for what, pattern in _LEAKS.items():
            if pattern.search(message):
                yield Finding("an error without internals", f"{what} in the error's message", span)


def _told(exchange: Exchange) -> list[StreamError]:
    """The errors that the answer tells: in-band, or as the JSON body of an HTTP error."""
    status = exchange.trace.status
    if status is None or status < 400:
        answered(exchange)
        return _error_events(exchange)
    answer = as_json(exchange)
    errors = exchange.dialect.message(answer).errors if isinstance(answer, dict) else ()
    if not errors:
        raise NotApplicable("the answer has no error body that could be read")
    return [StreamError(error.message, span=(0, len(exchange.body))) for error in errors]
