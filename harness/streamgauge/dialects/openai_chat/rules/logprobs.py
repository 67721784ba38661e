"""Log probabilities: those of the text that was sent, all of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamgauge.dialects.openai_chat._samples import REQUEST, chat, choice, sse, whole_chunk
from streamgauge.dialects.openai_chat._sources import CHUNK
from streamgauge.dialects.openai_chat._view import Part, chunks, said
from streamgauge.evidence import brief, option, whole
from streamgauge.rules import Example, Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import elements, members, text

ASKED = {**REQUEST, "logprobs": True}


def _delta(content: str, *tokens: str) -> str:
    listed = [{"token": t, "logprob": -0.1, "bytes": list(t.encode()), "top_logprobs": []} for t in tokens]
    return sse(whole_chunk([choice({"content": content}, logprobs={"content": listed, "refusal": None})]))


@server_rule(
    "OAC-025",
    "logprobs align with the delta",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source='OpenAI API reference, Create chat completion, `logprobs`: "If true, returns the log probabilities of each '
    'output token returned in the `content` of `message`." (read in openai 3.54.0); '
    f"{CHUNK}. That each delta has its own is practice, and counts as non-strict where the whole adds up. None at all "
    "count as non-strict too: services that speak this API document that they ignore the option "
    '(https://docs.anthropic.com/en/api/openai-sdk: logprobs "Ignored")',
    applies=("openai-chat",),
    needs=("request",),
    known=(
        "https://github.com/ml-explore/mlx-lm/issues/1630",
        "https://github.com/sgl-project/sglang/issues/26778",
        "https://github.com/sgl-project/sglang/issues/30188",
        "https://github.com/vllm-project/vllm/issues/37795",
        "https://github.com/Menci/Floway/issues/481",
    ),
    good=Example(body=chat(_delta("Hello", "Hel", "lo")), request=ASKED),
    bad=Example(body=chat(_delta("Hello", "Hel")), request=ASKED),
)
def logprobs_align(exchange: Exchange) -> Iterator[Finding]:
    """With logprobs:true each content delta has logprobs.content whose tokens (bytes) join to that delta's text;
    concatenated they equal the non-stream logprobs.
    """
    if option(exchange, "logprobs") is not True:
        raise NotApplicable("the request did not ask for logprobs")
    whole(exchange)
    if option(exchange, "stop"):
        raise NotApplicable("with a stop sequence, tokens may be held back that have logprobs")
    # Where reasoning goes is no matter of OpenAI's reference, nor where its logprobs go.
    thought = {p.index for p in chunks(exchange).parts if p.delta.get("reasoning") or p.delta.get("reasoning_content")}
    by_choice: dict[int, list[Part]] = {}
    for part in chunks(exchange).parts:
        if said(part.delta) or members(part.choice.get("logprobs")).get("content"):
            by_choice.setdefault(part.index, []).append(part)
    for number, parts in by_choice.items():
        joined = b"".join(_bytes(part) for part in parts)
        content = "".join(said(p.delta) for p in parts).encode("utf-8", "surrogatepass")
        if joined != content:
            got = f"choice {number}: of {brief(joined)}"
            mild = number in thought or not joined
            yield Finding(f"logprobs of {brief(content)}", got, parts[0].span, mild=mild)
            continue
        for part in parts:
            if _bytes(part) != said(part.delta).encode("utf-8", "surrogatepass"):
                yield Finding(f"logprobs of {brief(said(part.delta))}", brief(_bytes(part)), part.span, mild=True)


def _bytes(part: Part) -> bytes:
    """The bytes of the tokens that a delta has logprobs for."""
    listed = elements(members(part.choice.get("logprobs")).get("content"))
    return b"".join(_token(members(entry)) for entry in listed)


def _token(entry: dict[str, Any]) -> bytes:
    listed = entry.get("bytes")
    if isinstance(listed, list) and all(type(b) is int and 0 <= b < 256 for b in listed):
        return bytes(listed)
    return text(entry.get("token")).encode("utf-8", "surrogatepass")
