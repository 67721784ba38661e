"""Token counts, wherever an answer states them: whole numbers from 0, in every dialect."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from streamgauge.dialects.openai_chat._samples import DONE, WITH_USAGE, chat, text, usage
from streamgauge.evidence import brief
from streamgauge.rulebook.json_text import payloads
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import count, members

HOLDERS = ("usage", "usageMetadata", "amazon-bedrock-invocationMetrics")
"""The members that hold counts: of an event, or of an object in it (`message.usage`, `response.usage`)."""
_TOKENS = re.compile(r"(?i)tokens?(?:_?count)?\Z|_tokens?_details\Z")
"""The names of counts, and of the objects in which OpenAI and who speaks like it take them apart."""


@server_rule(
    "USE-015",
    "token counts are whole numbers from 0",
    group="usage",
    keyword="SHOULD",
    basis="vendor-doc",
    source="OpenAI CompletionUsage and its details, Anthropic Usage, Gemini UsageMetadata (read as generated in openai "
    "3.54.0, anthropic 2.12.0 and google-genai 3.4.0), Bedrock TokenUsage (botocore 1.44.5): each count is an integer, "
    '"Number of tokens", "The number of input tokens which were used". Who adds counts of its own promises nothing, '
    "hence no MUST; a fraction is only noted, because Cohere types its billed units as numbers (cohere 7.3.1)",
    applies=("all",),
    good=Example(body=chat(text("Hello"), tail=usage() + DONE), request=WITH_USAGE, dialect="openai-chat"),
    bad=Example(
        body=chat(text("Hello"), tail=usage(prompt_tokens_details={"cached_tokens": -1}) + DONE),
        request=WITH_USAGE,
        dialect="openai-chat",
    ),
)
def counts_are_whole(exchange: Exchange) -> Iterator[Finding]:
    """Every count of tokens in the usage, its details too, is a whole number and not negative; null states nothing."""
    stated = False
    for payload in payloads(exchange):
        if "oken" not in payload.frame.data:  # most events have text and no count
            continue
        value = members(payload.value)
        for holder in (value, *(inner for inner in value.values() if isinstance(inner, dict))):
            for name in HOLDERS:
                for path, number in _counts(holder.get(name), name):
                    stated = True
                    if number is None or ((whole := count(number)) is not None and whole >= 0):
                        continue
                    fraction = type(number) is float and number >= 0
                    want = "an object" if path.lower().endswith("details") else "a whole number from 0"
                    yield Finding(f"{path}, {want}", brief(number), payload.span, mild=fraction)
    if not stated:
        raise NotApplicable("the stream states no usage")


def _counts(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """What stands where a count of tokens should, by its path; prices of tokens are none."""
    if isinstance(value, list):
        for entry in value:
            yield from _counts(entry, path)
    for name, member in members(value).items():
        if isinstance(member, dict) or (isinstance(member, list) and not _TOKENS.search(name)):
            if "cost" not in name:
                yield from _counts(member, f"{path}.{name}")
        elif _TOKENS.search(name):
            yield f"{path}.{name}", member
