"""What is the same in every chunk of one stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamgauge.dialects.openai_chat._samples import CREATED, HELLO, chat, chunk
from streamgauge.dialects.openai_chat._sources import CHUNK
from streamgauge.dialects.openai_chat._view import chunks, is_filter
from streamgauge.events import Span
from streamgauge.evidence import brief
from streamgauge.rules import Exchange, Finding, server_rule

LATEST = 10**11
"""Seconds: the year 5138. What is not below it counts milliseconds."""


def _stated(exchange: Exchange, name: str) -> Iterator[tuple[Any, Span]]:
    """The values of a member, in order; what is documented of Azure's filter chunks, "" and 0, is left out."""
    for value, span in chunks(exchange).chunks:
        if name in value and not (value[name] in ("", 0) and type(value[name]) in (str, int) and is_filter(value)):
            yield value[name], span


def _one_text(exchange: Exchange, name: str) -> Iterator[Finding]:
    first: Any = None
    for value, span in _stated(exchange, name):
        if not isinstance(value, str) or not value:
            yield Finding(f"a non-empty {name}", f"{name} {brief(value)}", span, mild=value is None)
        elif first is None:
            first = value
        elif value != first:
            yield Finding(f"{name} {brief(first)}, as before", f"{name} {brief(value)}", span)


@server_rule(
    "OAC-012",
    "id is the same in every chunk",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{CHUNK}: "A unique identifier for the chat completion. Each chunk has the same ID." null, which '
    "states none, counts as non-strict",
    applies=("openai-chat",),
    known=(
        "https://github.com/ggml-org/llama.cpp/issues/5876",
        "https://github.com/BerriAI/litellm/issues/37792",
        "https://github.com/anomalyco/opencode/issues/42918",
    ),
    good=HELLO,
    bad=chat(chunk({"content": "Hi"}, id="c-2")),
)
def one_id(exchange: Exchange) -> Iterator[Finding]:
    """id does not change within a stream and is not empty."""
    yield from _one_text(exchange, "id")


@server_rule(
    "OAC-013",
    "created is the same in every chunk",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{CHUNK}: "The Unix timestamp (in seconds) of when the chat completion was created. Each chunk has the '
    'same timestamp." Numbers that only move forward count as non-strict: TGI, xAI and Perplexity stamp each '
    "chunk, and their own references do not say that it is the same. So do milliseconds, which Traceloop's hub sends, "
    "fractions of a second, and null",
    applies=("openai-chat",),
    known=("ollama/ollama openai tests: TestFinishChunk_UsesResponseCreatedAt (regression test)",),
    good=HELLO,
    bad=chat(chunk({"content": "Hi"}, created=CREATED - 60)),
)
def one_time(exchange: Exchange) -> Iterator[Finding]:
    """created is one integer Unix time (seconds) for the whole stream."""
    first: int | None = None
    last = 0
    for value, span in _stated(exchange, "created"):
        if type(value) is not int:
            number = isinstance(value, float) or value is None
            yield Finding("an integer Unix time", f"created {brief(value)}", span, mild=number)
        elif value >= LATEST:
            yield Finding("a Unix time in seconds", f"created {brief(value)}", span, mild=True)
        elif first is None:
            first = last = value
        elif value != first:
            yield Finding(f"created {brief(first)}, as before", f"created {brief(value)}", span, mild=value >= last)
            last = value


@server_rule(
    "OAC-014",
    "model is the same in every chunk",
    group="chunk-schema",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{CHUNK}: "The model to generate the completion."',
    applies=("openai-chat",),
    known=(
        'https://github.com/ggml-org/llama.cpp/issues/14268 (model "")',
        "https://github.com/anomalyco/opencode/issues/42918",
    ),
    good=HELLO,
    bad=chat(chunk({"content": "Hi"}, model="other")),
)
def one_model(exchange: Exchange) -> Iterator[Finding]:
    """model does not change within a stream and is not empty."""
    yield from _one_text(exchange, "model")
