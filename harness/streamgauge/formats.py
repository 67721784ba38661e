"""Well-known formats that streamgauge does not speak, told by their first bytes, so that a refusal can name them."""

from __future__ import annotations

import re

FIRST = 4096
"""Bytes that are looked at: the first events tell, and what a model says later may quote anything."""

_EVENT = rb'^(?:data: ?)?\{[^\n]*"%b"\s*:\s*"(?:%b)'
"""A line of JSON, with or without SSE around it, that has this member with a value that begins so.

A quotation mark inside a string has a backslash before it: no text of a model's looks like that.
"""

_FORMATS: tuple[tuple[str, bytes], ...] = (
    (
        "Cohere's v1 API (chat), which streamgauge does not speak; v2 is cohere-chat",
        _EVENT % (b"event_type", rb"stream-(?:start|end)|text-generation|search-|citation-generation|tool-calls-"),
    ),
    (
        "an AI SDK UI message stream, which an app sends to its page; streamgauge does not speak it",
        _EVENT % (b"type", rb"(?:text|reasoning)-(?:start|delta|end)\"|(?:start|finish)-step\"|tool-(?:in|out)put-"),
    ),
    (
        "an AI SDK data stream (version 4), which an app sends to its page; streamgauge does not speak it",
        rb'\A[0-9a-k]:(?:"|[\[{]"?)[^\n]*\n(?:[0-9a-k]:|\Z)',
    ),
    (
        "events of LangServe or LangGraph, which streamgauge does not speak",
        rb'^event: ?metadata\r?\n(?:id:[^\n]*\n)?data: ?\{[^\n]*"run_id"|'
        + _EVENT % (b"event", rb"on_[a-z_]+_(?:start|stream|end)\""),
    ),
    (
        "Replicate's event stream, which streamgauge does not speak",
        rb"^event: ?output\r?\nid: ?\d+:\d+",
    ),
    (
        "events of OpenAI's Assistants API, which streamgauge does not speak",
        rb"^event: ?thread\.|" + _EVENT % (b"object", rb"thread\."),
    ),
    (
        "events of OpenAI's Realtime API, which streamgauge does not speak; the Responses API is openai-responses",
        _EVENT % (b"type", rb"session\.(?:created|updated)\"|conversation\.|input_audio_buffer\."),
    ),
    (
        "events of AG-UI, which streamgauge does not speak",
        _EVENT % (b"type", rb"RUN_STARTED\"|TEXT_MESSAGE_(?:START|CONTENT|CHUNK)\""),
    ),
    (
        "llama.cpp's own /completion, which streamgauge does not speak; its /v1 is openai-chat",
        rb'^data: ?\{(?![^\n]*"choices")(?=[^\n]*"content"\s*:)[^\n]*"tokens_predicted"\s*:',
    ),
    (
        "JSON-RPC messages, as of MCP or A2A, which streamgauge does not speak",
        _EVENT % (b"jsonrpc", rb"2\.0\""),
    ),
    (
        "what curl -v prints around a response: keep the response alone (curl -N -o FILE), or with its head (curl -iN)",
        rb"\A(?:[*{}] [^\n]*\n)*[<>] [^\n]*HTTP/\d",
    ),
)
_TABLE = tuple((words, re.compile(pattern, re.MULTILINE)) for words, pattern in _FORMATS)

_AWS_EVENT = re.compile(rb"\A\0[^\0-\x1f]?.{0,400}?:event-type\x07\0.([A-Za-z]+)", re.DOTALL)
_AWS = {
    b"TranscriptEvent": "Amazon Transcribe",
    b"PayloadPart": "SageMaker",
    b"Records": "S3 Select",
    b"SubscribeToShardEvent": "Kinesis",
    b"flowOutputEvent": "Bedrock's flows",
}


def another_format(head: bytes) -> str | None:
    """The words for the format of these first bytes, where it is one that no dialect here is; None for all others."""
    first = head[:FIRST].removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    if found := _AWS_EVENT.match(first):
        service = next((name for kind, name in _AWS.items() if found[1].startswith(kind)), None)
        return service and f"an AWS event stream of {service}, which streamgauge does not speak"
    return next((words for words, pattern in _TABLE if pattern.search(first)), None)
