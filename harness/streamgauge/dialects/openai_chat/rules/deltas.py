"""What the deltas of a choice say: role, content, reasoning, refusal."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType

from streamgauge.dialects.openai_chat._samples import DONE, HELLO, chat, chunk, text
from streamgauge.dialects.openai_chat._sources import DELTA, EXAMPLE, PRACTICE
from streamgauge.dialects.openai_chat._view import Part, chunks, is_filter, said
from streamgauge.evidence import brief
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule

REASONING = ("reasoning_content", "reasoning")
UNDOCUMENTED_REASONING = ("reasoning_text", "thinking", "thoughts", "thought")


def _first_parts(exchange: Exchange) -> dict[int, Part]:
    """The first entry of each choice; Azure's filter results are none."""
    found: dict[int, Part] = {}
    for part in chunks(exchange).parts:
        if not is_filter({"choices": [part.choice]}):
            found.setdefault(part.index, part)
    return found


@server_rule(
    "OAC-005",
    "delta.role is assistant in the first chunk of a choice",
    group="chunk-schema",
    keyword="SHOULD",
    basis="de-facto",
    source=f"{PRACTICE}; {EXAMPLE}",
    applies=("openai-chat",),
    known=("https://github.com/ggml-org/llama.cpp/issues/5880 (openai-node: missing role for choice 0)",),
    good=HELLO,
    bad=text("Hello") + chunk({}, "stop") + DONE,
)
def role_first(exchange: Exchange) -> Iterator[Finding]:
    """The first chunk of each choice has delta.role = assistant."""
    for number, part in _first_parts(exchange).items():
        if part.delta.get("role") != "assistant":
            yield Finding('role "assistant"', f"choice {number}: role {brief(part.delta.get('role'))}", part.span)


@server_rule(
    "OAC-006",
    "role is not repeated with another value",
    group="chunk-schema",
    keyword="SHOULD",
    basis="de-facto",
    source=f"{PRACTICE} (openai-python's accumulating helper joins repeated strings). The same role again, as eight of "
    "the services here send it, is only noted",
    applies=("openai-chat",),
    good=HELLO,
    bad=chat(chunk({"role": "user", "content": "Hi"})),
)
def role_once(exchange: Exchange) -> Iterator[Finding]:
    """Later chunks leave role out (null is tolerated); it never changes."""
    seen: dict[int, object] = {}
    for part in chunks(exchange).parts:
        role = part.delta.get("role")
        if role is None:
            continue
        if part.index in seen:
            before = seen[part.index]
            got = f"role {brief(role)} after {brief(before)}"
            yield Finding("no role in later chunks", got, part.span, mild=role == before)
        else:
            seen[part.index] = role


@server_rule(
    "OAC-008",
    "first content is an empty string",
    group="chunk-schema",
    keyword="SHOULD",
    basis="de-facto",
    source=f'{EXAMPLE} (role assistant, content ""). Null before tool calls is what OpenAI sends, and not counted; '
    "text in the role chunk, which nothing breaks on, is only noted",
    applies=("openai-chat",),
    known=(
        "https://github.com/kyutai-labs/unmute/issues/80 (llama-server)",
        "https://github.com/darshi1337/apogee/issues/139",
    ),
    good=HELLO,
    bad=chunk({"role": "assistant", "content": None}) + text("Hello") + chunk({}, "stop") + DONE,
)
def first_content_empty(exchange: Exchange) -> Iterator[Finding]:
    """The role chunk carries content "" (null is allowed by the schema but breaks clients)."""
    called = {call.choice for call in chunks(exchange).calls}
    for number, part in _first_parts(exchange).items():
        content = part.delta.get("content")
        if part.delta.get("role") and content != "" and not (content is None and number in called):
            got = f"choice {number}: content {brief(content)}"
            yield Finding('content ""', got, part.span, mild=isinstance(content, str))


@server_rule(
    "OAC-027",
    "reasoning deltas use one documented member",
    group="chunk-schema",
    keyword="SHOULD",
    basis="vendor-doc",
    source="DeepSeek API docs, reasoning_content; OpenRouter docs, reasoning; vLLM docs, reasoning",
    applies=("openai-chat",),
    known=(
        "https://github.com/strands-agents/harness-sdk/issues/2182",
        "https://github.com/BerriAI/litellm/issues/20246",
        "https://github.com/ahwurm/localharness/issues/142",
        "https://github.com/leookun/cursor-byok/issues/363",
    ),
    good=chat(chunk({"reasoning_content": "Hm."}), text("Hello")),
    bad=chat(text("<thi", "nk>Hm.</think>Hello")),
)
def reasoning_member(exchange: Exchange) -> Iterator[Finding]:
    """Reasoning text is in delta.reasoning_content (DeepSeek, older vLLM, llama.cpp) or delta.reasoning (OpenRouter,
    vLLM >= 0.19, Ollama), a string or null; never inside content with markup unless documented.
    """
    heads: dict[int, str] = {}
    for part in chunks(exchange).parts:
        for name in REASONING:
            if not isinstance(part.delta.get(name), (str, NoneType)):
                yield Finding(f"{name}, a string or null", f"{name} {brief(part.delta[name])}", part.span)
        for name in UNDOCUMENTED_REASONING:
            if part.delta.get(name):
                yield Finding("reasoning_content or reasoning", f"text in delta.{name}", part.span)
        head = heads.get(part.index, "")
        if len(head) < 20 and (content := said(part.delta)):
            heads[part.index] = after = (head + content[:30]).lstrip()
            if after.startswith(("<think>", "<thinking>")) and not head.startswith(("<think>", "<thinking>")):
                yield Finding("reasoning in a member of its own", f"content begins with {brief(after)}", part.span)


@server_rule(
    "OAC-029",
    "refusal deltas",
    group="chunk-schema",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f"{DELTA}: refusal is a string or null, the refusal message generated by the model",
    applies=("openai-chat",),
    good=chat(chunk({"refusal": "I can't help with that."})),
    bad=chat(chunk({"refusal": "I can't help with that.", "content": "I can't help with that."})),
)
def refusal_member(exchange: Exchange) -> Iterator[Finding]:
    """Refusal text is in delta.refusal, not in content."""
    stated = [p for p in chunks(exchange).parts if p.delta.get("refusal") is not None]
    if not stated:
        raise NotApplicable("nothing was refused")
    for part in stated:
        refusal = part.delta["refusal"]
        if not isinstance(refusal, str):
            yield Finding("a string or null", f"refusal {brief(refusal)}", part.span)
        elif refusal and refusal == said(part.delta):
            yield Finding("the refusal in delta.refusal only", f"content {brief(refusal)} too", part.span)
