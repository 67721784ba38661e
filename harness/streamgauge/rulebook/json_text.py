"""JSON: what each event's data must be (RFC 8259, RFC 7493)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec

from streamgauge.dialects.openai_chat._samples import HELLO, chat, chunk, text
from streamgauge.evidence import brief, streamed
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, Payload, server_rule, unreadable
from streamgauge.wire import members, parse


def payloads(exchange: Exchange) -> list[Payload]:
    """The events; what one of them holds in base64, as Bedrock's InvokeModel does, in its place.

    An error of AWS's event streams may be all headers: ":error-code" and ":error-message".
    """
    streamed(exchange)
    said = [p for p in exchange.payloads if p.frame.data or getattr(p.frame, "kind", "event") == "event"]
    if not said:
        raise NotApplicable("the stream has no event")
    return [_inner(p) if hasattr(p.frame, "headers") else p for p in said]


def _inner(payload: Payload) -> Payload:
    coded = members(payload.value).get("bytes")
    if not isinstance(coded, str):
        return payload
    try:
        data = base64.b64decode(coded).decode("utf-8", "replace")
    except ValueError:
        return payload
    if not data.lstrip().startswith("{"):  # an agent's chunks hold text
        return payload
    return Payload(msgspec.structs.replace(payload.frame, data=data), parse(data))


@server_rule(
    "JSON-001",
    "every data value is one JSON text",
    group="json",
    keyword="MUST",
    basis="vendor-doc",
    source="Anthropic docs, Streaming messages (https://platform.claude.com/docs/en/build-with-claude/streaming): "
    '"Each server-sent event includes a named event type and associated JSON data."; OpenAI API reference '
    "(https://platform.openai.com/docs/api-reference/chat-streaming): each event is a chat completion chunk object; "
    'Gemini: each a GenerateContentResponse; Ollama (https://docs.ollama.com/api/streaming): "newline-delimited JSON"; '
    'Cohere: "Each event has a type". RFC 8259 2: JSON-text = ws value ws',
    applies=("all",),
    known=("https://github.com/ggml-org/llama.cpp/issues/14268",),
    good=Example(body=HELLO, dialect="openai-chat"),
    bad=Example(body=chat(text("Hello"), "data: {'choices': []}\n\n"), dialect="openai-chat"),
)
def data_is_an_object(exchange: Exchange) -> Iterator[Finding]:
    """Each event's data (except the literal [DONE]) parses as one JSON object."""
    for payload in payloads(exchange):
        if unreadable(payload.value):
            yield Finding("one JSON object", f"{payload.value.reason}: {brief(payload.frame.data)}", payload.span)
        elif not isinstance(payload.value, dict):
            yield Finding("one JSON object", brief(payload.value), payload.span)


@server_rule(
    "JSON-002",
    "no NaN or Infinity",
    group="json",
    keyword="MUST",
    basis="standard",
    source='RFC 8259 6: "Numeric values that cannot be represented in the grammar below (such as Infinity and NaN) '
    'are not permitted."',
    applies=("all",),
    known=(
        "https://github.com/sgl-project/sglang/issues/4097",
        "https://github.com/vllm-project/vllm/issues/10234",
        "https://github.com/infiniflow/ragflow/issues/15266",
        "https://github.com/dphnAI/sonar/issues/183",
        "https://github.com/madroidmaq/mlx-omni-server/issues/56",
    ),
    good=Example(body=chat(text("NaN, Infinity")), dialect="openai-chat"),
    bad=Example(body=chat(chunk({"content": "Hello"}, score=float("-inf"))), dialect="openai-chat"),
)
def numbers_are_finite(exchange: Exchange) -> Iterator[Finding]:
    """Numbers are finite JSON numbers; impossible logprobs are null or a finite floor."""
    for payload in payloads(exchange):
        data = payload.frame.data
        if ("NaN" in data or "Infinity" in data) and (found := _constant(data)):
            yield Finding("a finite number, or null", found, payload.span)


def _constant(data: str) -> str:
    """The first NaN or Infinity that stands where a value should, "" where there is none."""
    found: list[str] = []
    with suppress(ValueError, RecursionError):
        json.loads(data, parse_constant=found.append, parse_int=float)
    return found[0] if found else ""


@server_rule(
    "JSON-003",
    "no lone surrogates",
    group="json",
    keyword="SHOULD",
    basis="standard",
    source='RFC 8259 8.2: "the ABNF in this specification allows member names and string values to contain bit '
    "sequences that cannot encode Unicode characters; [...] The behavior of software that receives JSON texts "
    'containing such values is unpredictable"; RFC 7493 2.1, of I-JSON, which no vendor promises: strings "MUST NOT '
    'include code points that identify Surrogates"',
    applies=("all",),
    good=Example(body=chat(chunk({"content": "?"}).replace("?", "\\ud83d\\udc4b")), dialect="openai-chat"),
    bad=Example(
        body=chat(chunk({"content": "?"}).replace("?", "\\ud83d"), chunk({"content": "?"}).replace("?", "\\udc4b")),
        dialect="openai-chat",
    ),
)
def surrogates_are_paired(exchange: Exchange) -> Iterator[Finding]:
    """String values are well-formed Unicode; a pair of \\u escapes is never cut between two deltas."""
    for payload in payloads(exchange):
        data = payload.frame.data
        if ("\\ud" in data or "\\uD" in data) and _has_lone_surrogate(payload.value):
            yield Finding("whole characters", f"a lone surrogate in {brief(data)}", payload.span)


def _has_lone_surrogate(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, TypeError, RecursionError):
        return False
    return False


@server_rule(
    "JSON-005",
    "no duplicate member names",
    group="json",
    keyword="SHOULD",
    basis="standard",
    source='RFC 8259 4: "The names within an object SHOULD be unique."; RFC 7493 2.3, of I-JSON, which no vendor '
    'promises: "Objects in I-JSON messages MUST NOT have members with duplicate names."',
    applies=("all",),
    good=Example(body=HELLO, dialect="openai-chat"),
    bad=Example(body=chat(chunk({"content": "Hi"}).replace('"model":', '"model":"m","model":')), dialect="openai-chat"),
)
def names_are_unique(exchange: Exchange) -> Iterator[Finding]:
    """Member names in one object are unique."""
    for payload in payloads(exchange):
        data, value = payload.frame.data, payload.value
        if isinstance(value, (dict, list)) and _may_repeat(data, value) and (name := _repeated(data)):
            yield Finding("unique member names", f"{brief(name)} twice in one object", payload.span)


def _may_repeat(data: str, value: Any) -> bool:
    """Whether the text has other members than what was read of it; tells at a tenth of the cost of reading again."""
    try:
        return '" :' in data or msgspec.json.encode(value).count(b'":') != data.count('":')
    except (UnicodeEncodeError, ValueError, TypeError, RecursionError, OverflowError):
        return True


def _repeated(data: str) -> str:
    """A member name that an object states twice, "" where there is none."""
    found: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                found.append(name)
                return
            seen.add(name)

    with suppress(ValueError, RecursionError):
        json.loads(data, object_pairs_hook=unique, parse_int=float)
    return found[0] if found else ""
