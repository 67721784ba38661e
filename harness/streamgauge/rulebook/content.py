"""Content: what must not be found in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from streamgauge.dialects.openai_chat._samples import REQUEST, chat, text
from streamgauge.evidence import brief, settings, streamed
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import elements


@server_rule(
    "AGG-006",
    "stop sequence is not leaked",
    group="aggregate",
    keyword="MUST",
    basis="vendor-doc",
    source="OpenAI API reference, Create chat completion, `stop` "
    '(https://platform.openai.com/docs/api-reference/chat/create; read as generated in openai 3.54.0): "The returned '
    'text will not contain the stop sequence."; Gemini API reference, GenerationConfig.stopSequences '
    '(https://ai.google.dev/api/generate-content#generationconfig): "The stop sequence will not be included as part of '
    'the response."; Cohere API v2 reference, stop_sequences (read as generated in cohere 7.3.1): "return the '
    'generated text up to that point not including the stop sequence". Anthropic, Bedrock and Ollama say only that '
    "generation stops, and there it counts as non-strict. Only a whole sequence is counted: a part may be the model's "
    "own text",
    applies=("all",),
    needs=("request", "stop"),
    good=Example(body=chat(text("one, ", "two")), request={**REQUEST, "stop": [", three"]}, dialect="openai-chat"),
    bad=Example(
        body=chat(text("one, two, th", "ree")), request={**REQUEST, "stop": [", three"]}, dialect="openai-chat"
    ),
)
def stop_not_leaked(exchange: Exchange) -> Iterator[Finding]:
    """The text contains no stop sequence, also when it spans tokens and deltas."""
    request = exchange.request
    stops = _stops(request)
    if not stops:
        raise NotApplicable("the request has no stop sequence")
    if request.get("include_stop_str_in_output"):
        raise NotApplicable("the request asks for the stop sequence in the text, which vLLM has an option for")
    streamed(exchange)
    for number, choice in enumerate(exchange.message.choices):
        for sequence in stops:
            if (at := choice.text.find(sequence)) >= 0:
                got = f"choice {number}: {brief(choice.text[max(0, at - 30) :])}"
                yield Finding(f"text without {brief(sequence)}", got, mild=not exchange.dialect.names & PROMISED)


PROMISED = {"openai-chat", "openai-completions", "gemini-generate", "cohere-chat"}
"""The dialects whose vendor promises it."""
_STOPS = ("stop", "stop_sequences", "stopSequences")


def _stops(request: Mapping[str, Any]) -> list[str]:
    """The stop sequences of a request, wherever its dialect puts them."""
    found: list[Any] = []
    for holder in settings(request):
        for name in _STOPS:
            stop = holder.get(name)
            found += [stop] if isinstance(stop, str) else elements(stop)
    return [stop for stop in found if isinstance(stop, str) and stop]


_MARKUP = re.compile(
    r"<\|(?:im_start|im_end|im_sep|endoftext|eot_id|eom_id|begin_of_text|end_of_text|start_header_id|end_header_id|"
    r"channel|message|start|end|return|call|python_tag|assistant|user|system|tool_call[^|>]*)\|>"
    r"|</?(?:tool_call|function_call)>|<(?:begin|end)_of_(?:turn|sentence)>|\[/?TOOL_CALLS\]|<\uff5c[^\uff5c>]{1,40}\uff5c>|</s>\s*\Z"
)


@server_rule(
    "AGG-007",
    "no special tokens or tool markup in content",
    group="aggregate",
    keyword="SHOULD",
    basis="de-facto",
    source="de facto: special tokens are the tokenizer's own language, and no vendor documents them in content",
    applies=("all",),
    known=(
        "https://github.com/vllm-project/vllm/issues/46224",
        "https://github.com/vllm-project/vllm/issues/47903",
        "https://github.com/jjang-ai/vmlx/issues/219",
    ),
    good=Example(body=chat(text("a < b | c > d")), dialect="openai-chat"),
    bad=Example(body=chat(text("Hello<|im", "_end|>")), dialect="openai-chat"),
)
def no_markup(exchange: Exchange) -> Iterator[Finding]:
    """Content has no BOS/EOS, channel or <tool_call> markup."""
    streamed(exchange)
    asked = _wording(exchange.trace.request)
    for number, choice in enumerate(exchange.message.choices):
        match = _MARKUP.search(choice.text)
        if match and match[0].strip() not in asked:
            yield Finding(
                "plain text",
                f"choice {number}: {brief(match[0])} in {brief(choice.text[max(0, match.start() - 30) :])}",
            )


def _wording(value: Any) -> str:
    """All of a request as text, in which a word of the prompt can be looked for."""
    return str(value) if value is not None else ""
