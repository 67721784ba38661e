"""Tool calls: how they are numbered, opened and continued."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.dialects.openai_chat._samples import CALLS, call, chat, first_call
from streamgauge.dialects.openai_chat._sources import DELTA, PRACTICE
from streamgauge.dialects.openai_chat._view import calls_of, chunks, is_json
from streamgauge.evidence import brief
from streamgauge.rules import Exchange, Finding, server_rule
from streamgauge.wire import text


@server_rule(
    "OAC-015",
    "tool_calls[].index is present",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{DELTA} (required: index). A call that is sent whole, in one delta with its name and its arguments, "
    "counts as non-strict: it can be told without an index, and Mistral's own schema of a call has none "
    "(mistralai/client-python, models/toolcall.py)",
    applies=("openai-chat",),
    needs=("tools",),
    known=("https://github.com/ollama/ollama/issues/7881",),
    good=CALLS,
    bad=chat(
        call(None, '{"a"', id="a", type="function", name="f"),
        call(None, ":1}"),
        finish="tool_calls",
    ),
)
def index_present(exchange: Exchange) -> Iterator[Finding]:
    """delta.tool_calls is an array of objects, each of which has an integer index."""
    odd = chunks(exchange).odd
    for value, span in odd:
        yield Finding("an array of tool calls that are objects", brief(value), span)
    calls = chunks(exchange).calls if odd else calls_of(exchange)
    for delta in calls:
        if delta.index is None:
            unsaid = delta.entry.get("index") is None
            whole = bool(text(delta.function.get("name"))) and is_json(text(delta.function.get("arguments")) or "{}")
            got = f"index {brief(delta.entry.get('index'))}"
            yield Finding("an integer index", got, delta.span, mild=unsaid and whole)


@server_rule(
    "OAC-016",
    "tool_calls[].index is distinct per call",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{DELTA}. No document says that indexes start at 0 and leave no gap, so that is judged by SEQ-009",
    applies=("openai-chat",),
    needs=("tools",),
    known=(
        "https://github.com/InternLM/lmdeploy/issues/3412",
        "https://github.com/BerriAI/litellm/issues/37792",
        "https://github.com/vercel/ai/issues/18440",
    ),
    good=CALLS,
    bad=chat(first_call(0, "f", call_id="a"), first_call(0, "g", call_id="b"), finish="tool_calls"),
    also_breaks=("OAC-018",),
)
def index_distinct(exchange: Exchange) -> Iterator[Finding]:
    """Parallel calls have different indexes."""
    ids: dict[tuple[int, int], str] = {}
    for delta in calls_of(exchange):
        call_id = text(delta.entry.get("id"))
        if delta.index is None or not call_id:
            continue
        known = ids.setdefault((delta.choice, delta.index), call_id)
        if known != call_id and delta.function.get("name"):
            yield Finding(
                "an index of its own", f"index {delta.index} for {brief(known)} and {brief(call_id)}", delta.span
            )


@server_rule(
    "OAC-017",
    "first delta of a call has id, type and function.name",
    group="chunk-schema",
    keyword="MUST",
    basis="de-facto",
    source=f"{PRACTICE}; OpenAI function calling guide, streaming (the schema requires index only)",
    applies=("openai-chat",),
    needs=("tools",),
    known=(
        "https://github.com/vllm-project/vllm/issues/18412",
        "https://github.com/vllm-project/vllm/issues/16346",
        "https://github.com/binaricat/Netcatty/issues/1007",
        "https://github.com/SillyTavern/SillyTavern/issues/3931",
        "https://github.com/vercel/ai/issues/14722",
        "https://github.com/vllm-project/vllm/issues/31438",
    ),
    good=CALLS,
    bad=chat(call(0, "{}", id="a", name="f"), finish="tool_calls"),
)
def first_delta(exchange: Exchange) -> Iterator[Finding]:
    """The first delta for an index has a non-empty id, type function and function.name."""
    seen: set[tuple[int, int | None]] = set()
    for delta in calls_of(exchange):
        key = delta.choice, delta.index
        if key in seen:
            continue
        seen.add(key)
        entry = delta.entry
        missing = [name for name in ("id", "type") if not text(entry.get(name))]
        missing += [] if text(delta.function.get("name")) else ["function.name"]
        if missing:
            yield Finding("id, type and function.name", f"no {', '.join(missing)}", delta.span)
        elif entry["type"] not in ("function", "custom"):
            yield Finding('type "function"', brief(entry["type"]), delta.span)


@server_rule(
    "OAC-018",
    "continuation deltas do not restate the call",
    group="chunk-schema",
    keyword="SHOULD",
    basis="de-facto",
    source=PRACTICE,
    applies=("openai-chat",),
    needs=("tools",),
    known=(
        "https://github.com/vllm-project/vllm/issues/44098",
        "https://github.com/sgl-project/sglang/issues/35542",
        "https://github.com/anomalyco/opencode/issues/40969",
    ),
    good=CALLS,
    bad=chat(first_call(0), call(0, "{}", id="call_0"), finish="tool_calls"),
)
def continuations(exchange: Exchange) -> Iterator[Finding]:
    """Later deltas of a call carry index and function.arguments only; id, type and name are absent (not null, not "",
    not repeated).
    """
    seen: set[tuple[int, int]] = set()
    for delta in calls_of(exchange):
        if delta.index is None:
            continue
        key = delta.choice, delta.index
        if key in seen:
            restated: list[str] = [name for name in ("id", "type") if name in delta.entry]
            restated += ["function.name"] if "name" in delta.function else []
            if restated:
                yield Finding("index and arguments only", f"{', '.join(restated)} again", delta.span)
        seen.add(key)


@server_rule(
    "SEQ-009",
    "tool call indexes do not regress",
    group="sequence",
    keyword="SHOULD",
    basis="de-facto",
    source=PRACTICE,
    applies=("openai-chat",),
    needs=("tools",),
    good=CALLS,
    bad=chat(first_call(1), call(1, "{}"), finish="tool_calls"),
)
def indexes_in_order(exchange: Exchange) -> Iterator[Finding]:
    """Deltas of call k come after the first delta of call k-1."""
    seen: dict[int, set[int]] = {}
    for delta in calls_of(exchange):
        if delta.index is None:
            continue
        known = seen.setdefault(delta.choice, set())
        if delta.index not in known and delta.index != len(known):
            yield Finding(f"index {len(known)} for the next call", f"index {brief(delta.index)}", delta.span)
        known.add(delta.index)
