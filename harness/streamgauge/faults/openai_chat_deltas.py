"""Faults of the deltas of chat completion chunks: roles, texts, reasoning, tool calls in other spellings."""

from __future__ import annotations

from typing import Any

from streamgauge.faults import fault
from streamgauge.faults._chat import calls, choices, deltas
from streamgauge.faults._edit import one_of, rewrite
from streamgauge.script import Script
from streamgauge.wire import members

CHAT = ("openai-chat",)


@fault(
    "F-E02",
    "null-members",
    "role and content null, absent or repeated",
    layer="dialect",
    effect="lossless",
    applies=CHAT,
    argument="null, absent or role-repeated",
    variants=("null", "absent", "role-repeated"),
    expected="the same text",
)
def null_members(script: Script, argument: str) -> Script:
    """Services differ in what a delta that says nothing new states."""
    how = one_of(argument, "null", "absent", "role-repeated")

    def change(chunk: dict[str, Any]) -> None:
        for delta in deltas(chunk):
            if how == "role-repeated":
                delta["role"] = "assistant"
                continue
            empty = [n for n in ("role", "content") if not delta.get(n) or n == "role"]
            for name in empty:
                delta.pop(name, None)
            if how == "null":
                delta.update(dict.fromkeys(empty))

    return rewrite(script, change)


@fault(
    "F-E05",
    "tool-call-fragments",
    "Later fragments of a tool call with null, empty or repeated identity",
    layer="dialect",
    effect="lossless",
    applies=CHAT,
    argument="null, empty, repeated, or late-name (only the second fragment has it)",
    variants=("null", "empty", "repeated", "late-name"),
    expected="the same calls",
)
def tool_call_fragments(script: Script, argument: str) -> Script:
    """OpenAI leaves id, type and name out behind the first fragment; others say them as null, as "" or each time, or
    the name when they have it."""
    how = one_of(argument, "null", "empty", "repeated", "late-name")
    later: set[Any] = set()
    opened: dict[Any, tuple[Any, Any]] = {}

    def look(chunk: dict[str, Any]) -> None:
        later.update(key for key, call in calls(chunk) if not call.get("id"))

    def change(chunk: dict[str, Any]) -> None:
        for key, call in calls(chunk):
            function = members(call.get("function"))
            if call.get("id"):
                opened[key] = call["id"], function.get("name")
                if how == "late-name" and key in later:
                    function.pop("name", None)
            elif how == "late-name":
                if key in opened:
                    function["name"] = opened.pop(key)[1]
            elif how == "repeated":
                call["id"], name = opened.get(key, (None, None))
                function["name"] = name or function.get("name")
            else:
                call["id"] = None if how == "null" else ""
                function.setdefault("name", call["id"])

    rewrite(script, look)
    return rewrite(script, change)


@fault(
    "F-E05b",
    "odd-tool-calls",
    "Tool calls without index, all with index 0, or with gaps",
    layer="dialect",
    effect="damaged",
    applies=CHAT,
    argument="no-index, zero or gaps",
    variants=("no-index", "zero", "gaps"),
    expected="calls kept apart and whole, or reported",
)
def odd_tool_calls(script: Script, argument: str) -> Script:
    """What services make of the index that OpenAI's schema requires."""
    how = one_of(argument, "no-index", "zero", "gaps")

    def change(chunk: dict[str, Any]) -> None:
        for _, call in calls(chunk):
            if how == "no-index":
                call.pop("index", None)
            elif isinstance(call.get("index"), int):
                call["index"] = 0 if how == "zero" else call["index"] * 3 + 1

    return rewrite(script, change)


@fault(
    "F-E06",
    "snapshots",
    "Each delta carries all the text so far",
    layer="dialect",
    effect="damaged",
    applies=CHAT,
    expected="reported: increments are the dialect's way",
)
def snapshots(script: Script, _: str) -> Script:
    """Some services send the whole text in every chunk."""
    texts: dict[int, str] = {}

    def change(chunk: dict[str, Any]) -> None:
        for choice in choices(chunk):
            delta = members(choice.get("delta"))
            if isinstance(delta.get("content"), str) and delta["content"]:
                number = choice.get("index") or 0
                texts[number] = texts.get(number, "") + delta["content"]
                delta["content"] = texts[number]

    return rewrite(script, change)


@fault(
    "F-E07",
    "reasoning-spelling",
    "Reasoning under another name, or under both",
    layer="dialect",
    effect="lossless",
    applies=CHAT,
    argument="reasoning, reasoning_content or both",
    variants=("reasoning", "reasoning_content", "both"),
    expected="one reasoning text",
)
def reasoning_spelling(script: Script, argument: str) -> Script:
    """DeepSeek says `reasoning_content`, OpenRouter and vLLM `reasoning`."""
    how = one_of(argument, "reasoning", "reasoning_content", "both")
    names = ("reasoning_content", "reasoning") if how == "both" else (how,)

    def change(chunk: dict[str, Any]) -> None:
        for delta in deltas(chunk):
            said = delta.get("reasoning_content") or delta.get("reasoning")
            if said:
                delta.pop("reasoning_content", None)
                delta.pop("reasoning", None)
                delta.update(dict.fromkeys(names, said))

    return rewrite(script, change)
