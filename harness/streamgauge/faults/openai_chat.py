"""Faults of chat completion chunks: what services that call themselves OpenAI-compatible send instead."""

from __future__ import annotations

from typing import Any

from streamgauge.events import Finish
from streamgauge.faults import fault
from streamgauge.faults._chat import choices
from streamgauge.faults._edit import json_of, located, one_of, rewrite
from streamgauge.script import Script
from streamgauge.wire import members

CHAT = ("openai-chat",)


_NOTHING = {
    "empty": b'{"id":"","object":"","created":0,"model":"","choices":[],"prompt_filter_results":[{"prompt_index":0,'
    b'"content_filter_results":{}}]}',
    "no-delta": b'{"id":"","object":"chat.completion.chunk","created":0,"model":"","choices":[{"index":0,'
    b'"finish_reason":null}]}',
    "no-choices": b'{"object":"chat.completion.chunk","created":0}',
}


@fault(
    "F-E01",
    "empty-choices",
    "A first chunk without choices, without a delta, or with an empty list",
    layer="dialect",
    effect="lossless",
    applies=CHAT,
    argument="empty, no-delta or no-choices",
    variants=tuple(_NOTHING),
    expected="no crash, the same events",
)
def empty_choices(script: Script, argument: str) -> Script:
    """Azure's content filter sends the first of these."""
    chunk = b"data: " + _NOTHING[one_of(argument, *_NOTHING)] + b"\n\n"
    return script.edit(lambda frames: [chunk, *frames])


@fault(
    "F-E03",
    "finish-reason",
    "finish_reason as an empty text until the end",
    layer="dialect",
    effect="lossless",
    applies=CHAT,
    expected="the same events: it is no end",
)
def finish_reason(script: Script, _: str) -> Script:
    """Instead of null."""

    def change(chunk: dict[str, Any]) -> None:
        for choice in choices(chunk):
            if "finish_reason" in choice and choice["finish_reason"] is None:
                choice["finish_reason"] = ""

    return rewrite(script, change)


@fault(
    "F-E03b",
    "odd-finish",
    "finish_reason missing, twice, or a vendor's word",
    layer="dialect",
    effect="damaged",
    applies=CHAT,
    argument="missing, twice or vendor",
    variants=("missing", "twice", "vendor"),
    expected="one end, or reported",
)
def odd_finish(script: Script, argument: str) -> Script:
    """The terminator comes as always."""
    how = one_of(argument, "missing", "twice", "vendor")
    if how == "twice":
        ends = located(script, (Finish,))
        return script.edit(lambda frames: [g for i, f in enumerate(frames) for g in ([f, f] if i in ends else [f])])

    def change(chunk: dict[str, Any]) -> None:
        for choice in choices(chunk):
            if choice.get("finish_reason"):
                choice["finish_reason"] = None if how == "missing" else "streamgauge_vendor_word"

    return rewrite(script, change)


@fault(
    "F-E03c",
    "failed-finish",
    "finish_reason error, and nothing else that tells of the error",
    layer="dialect",
    effect="damaged",
    applies=CHAT,
    expected="the library's error, or the word as it came",
)
def failed_finish(script: Script, _: str) -> Script:
    """OpenRouter documents it beside an error member, which gateways behind it lose."""

    def change(chunk: dict[str, Any]) -> None:
        for choice in choices(chunk):
            if choice.get("finish_reason"):
                choice["finish_reason"] = "error"

    return rewrite(script, change)


@fault(
    "F-E04",
    "usage-in-finish",
    "usage in the chunk that has the finish_reason",
    layer="dialect",
    effect="lossless",
    applies=CHAT,
    expected="the same usage",
)
def usage_in_finish(script: Script, _: str) -> Script:
    """Mistral, Groq and others do so; the stream stays as it is where no usage comes behind the finish."""
    frames = script.frames()
    ends = located(script, (Finish,))
    alone = [i for i, f in enumerate(frames) if ends and i > ends[-1] and _usage_alone(f, script)]
    if not alone:
        return script
    found = json_of(frames[alone[-1]], script.dialect)
    assert found is not None
    usage = found[2]["usage"]
    taken = script.with_body(f for i, f in enumerate(frames) if i not in alone)
    last = len(ends)
    count = 0

    def change(chunk: dict[str, Any]) -> None:
        nonlocal count
        if any(c.get("finish_reason") for c in choices(chunk)):
            count += 1
            if count == last:
                chunk["usage"] = usage

    return rewrite(taken, change)


def _usage_alone(frame: bytes, script: Script) -> bool:
    found = json_of(frame, script.dialect)
    return found is not None and bool(members(found[2]).get("usage")) and not members(found[2]).get("choices")


@fault(
    "F-E04b",
    "odd-usage",
    "usage in every chunk, or nowhere",
    layer="dialect",
    effect="damaged",
    applies=CHAT,
    argument="everywhere or missing",
    variants=("everywhere", "missing"),
    expected="the last one counts; a missing one is unknown, not zero",
)
def odd_usage(script: Script, argument: str) -> Script:
    """vLLM's continuous usage counts up."""
    how = one_of(argument, "everywhere", "missing")
    if how == "missing":
        kept = script.edit(lambda frames: [f for f in frames if not _usage_alone(f, script)])
        return rewrite(kept, lambda chunk: chunk.pop("usage", None) and None)
    told = 0

    def change(chunk: dict[str, Any]) -> None:
        nonlocal told
        if choices(chunk) and not chunk.get("usage"):
            told += 1
            chunk["usage"] = {"prompt_tokens": 1, "completion_tokens": told, "total_tokens": 1 + told}

    return rewrite(script, change)


@fault(
    "F-E08",
    "identity-changes",
    "id, model and created change in the middle",
    layer="dialect",
    effect="lossless",
    applies=CHAT,
    expected="no crash, the same events",
)
def identity_changes(script: Script, _: str) -> Script:
    """The first identity is the stream's, and each choice's first chunk has it, whatever else puts them in order."""
    count = 0
    opened: set[Any] = set()

    def change(chunk: dict[str, Any]) -> None:
        nonlocal count
        count += 1
        indexes = {choice.get("index") for choice in choices(chunk) if members(choice.get("delta"))}
        known = indexes <= opened
        opened.update(indexes)
        if count > 2 and known and chunk.get("id") and chunk.get("model"):
            chunk.update(id=f"chatcmpl-other-{count}", model="other-model", created=count)

    return rewrite(script, change)
