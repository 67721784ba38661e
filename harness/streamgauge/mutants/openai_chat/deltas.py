"""Choices and what their deltas say."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from streamgauge.mutants import Edit, operator
from streamgauge.mutants._places import always
from streamgauge.mutants.equivalence import unjudgeable
from streamgauge.mutants.openai_chat._walk import (
    CHAT,
    calls,
    choices,
    edit_at,
    updated,
)
from streamgauge.mutants.stream import Stream
from streamgauge.wire import members


@operator(
    "other-choice",
    "The index of another choice",
    applies=CHAT,
    noticed_by=("SEQ-002", "SEQ-001", "SEQ-003", "OAC-005", "OAC-024", "AGG-001", "AGG-002"),
)
def other_choice(stream: Stream) -> Iterator[Edit]:
    for number, path, _ in choices(stream):
        yield edit_at(stream, number, (*path, "index"), "one more", lambda index: index + 1)


@operator("message-for-delta", "A message where the delta should be", applies=CHAT, noticed_by=("OAC-003",))
def message_for_delta(stream: Stream) -> Iterator[Edit]:
    for number, path, choice in choices(stream):
        if choice.get("delta"):
            moved = {"message" if n == "delta" else n: v for n, v in choice.items()}
            yield edit_at(stream, number, path, "message", always(moved))


@operator("other-role", "Another role in the first delta", applies=CHAT, noticed_by=("OAC-005",))
def other_role(stream: Stream) -> Iterator[Edit]:
    for number, path, choice in choices(stream):
        if members(choice.get("delta")).get("role"):
            for role in ("user", "model", ""):
                yield edit_at(stream, number, (*path, "delta", "role"), repr(role), always(role), role)


@operator("role-again", "The role in a later delta too", applies=CHAT, noticed_by=("OAC-006",))
def role_again(stream: Stream) -> Iterator[Edit]:
    seen: set[Any] = set()
    for number, path, choice in choices(stream):
        delta = members(choice.get("delta"))
        if choice.get("index") in seen and "role" not in delta:
            for role in ("assistant", "tool"):
                change = partial(updated, {"role": role})
                yield edit_at(stream, number, (*path, "delta"), f"role {role}", change, role)
        seen.add(choice.get("index"))


@operator("no-role-chunk", "The chunk with the role is missing", applies=CHAT, noticed_by=("OAC-005",))
def no_role_chunk(stream: Stream) -> Iterator[Edit]:
    for number, _, choice in choices(stream):
        if members(choice.get("delta")).get("role"):
            yield Edit(f"frame {number}", partial(stream.instead, number))


@operator("null-first-content", "content null beside the role", applies=CHAT, noticed_by=("OAC-008",))
def null_first_content(stream: Stream) -> Iterator[Edit]:
    for number, path, choice in choices(stream):
        delta = members(choice.get("delta"))
        if delta.get("role") and delta.get("content") == "" and not list(calls(stream)):
            yield edit_at(stream, number, (*path, "delta", "content"), "null", lambda _: None)


@operator("parts-as-content", "content as a list of parts, as requests have it", applies=CHAT, noticed_by=("OAC-007",))
def parts_as_content(stream: Stream) -> Iterator[Edit]:
    for number, path, choice in choices(stream):
        if members(choice.get("delta")).get("content"):
            yield edit_at(
                stream, number, (*path, "delta", "content"), "parts", lambda said: [{"type": "text", "text": said}]
            )


@operator(
    "null-as-text",
    'The text "null" or "None" for no text',
    applies=CHAT,
    noticed_by=("AGG-001", "SEQ-003", "OAC-008"),
    equivalent=unjudgeable,
)
def null_as_text(stream: Stream) -> Iterator[Edit]:
    for number, path, choice in choices(stream):
        if not members(choice.get("delta")).get("content") and "delta" in choice:
            for text in ("null", "None"):
                change = partial(updated, {"content": text})
                yield edit_at(stream, number, (*path, "delta"), text, change, text)


@operator("reasoning-in-text", "Reasoning as marked-up text", applies=CHAT, noticed_by=("OAC-027",))
def reasoning_in_text(stream: Stream) -> Iterator[Edit]:
    spoken = [(n, p) for n, p, c in choices(stream) if members(c.get("delta")).get("content")]
    for tag in ("<think>", "<thinking>"):
        for number, path in spoken[:1]:
            change = partial(_before, f"{tag}Hm.</{tag[1:]}\n")
            yield edit_at(stream, number, (*path, "delta", "content"), tag, change, tag)


def _before(head: str, text: str) -> str:
    return head + text


@operator("undocumented-reasoning", "Reasoning in a member of another name", applies=CHAT, noticed_by=("OAC-027",))
def undocumented_reasoning(stream: Stream) -> Iterator[Edit]:
    for number, path, choice in choices(stream):
        delta = members(choice.get("delta"))
        for known in ("reasoning_content", "reasoning"):
            if delta.get(known):
                for name in ("reasoning_text", "thinking", "thought"):
                    moved = {name if n == known else n: v for n, v in delta.items()}
                    yield edit_at(stream, number, (*path, "delta"), name, always(moved), name)


@operator("refusal-as-text", "The refusal as text too", applies=CHAT, noticed_by=("OAC-029",))
def refusal_as_text(stream: Stream) -> Iterator[Edit]:
    for number, path, choice in choices(stream):
        refusal = members(choice.get("delta")).get("refusal")
        if refusal:
            change = partial(updated, {"content": refusal})
            yield edit_at(stream, number, (*path, "delta"), "content too", change)


@operator("empty-choices", "A chunk without choices that states nothing", applies=CHAT, noticed_by=("OAC-011",))
def empty_choices(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        if value.get("choices") and not value.get("usage"):
            bare = stream.say({**value, "choices": []}, stream.pieces[number])
            yield Edit(f"before frame {number}", partial(stream.inserted, number, bare))


@operator("empty-object", "An empty JSON object as a chunk", applies=CHAT, noticed_by=("OAC-001",))
def empty_object(stream: Stream) -> Iterator[Edit]:
    for number, _ in stream.objects:
        yield Edit(f"before frame {number}", partial(stream.inserted, number, b"data: {}\n\n"))


@operator("choices-missing", "A choice of several never comes", applies=CHAT, noticed_by=("OAC-024",))
def choices_missing(stream: Stream) -> Iterator[Edit]:
    asked = (stream.request or {}).get("n")
    seen = {choice["index"] for _, _, choice in choices(stream) if "index" in choice}
    if isinstance(asked, int) and asked > 1 and len(seen) == asked:
        for index in sorted(seen):
            kept = [
                p
                for n, p in enumerate(stream.pieces)
                if not any(c.get("index") == index for m, _, c in choices(stream) if m == n)
            ]
            yield Edit(f"choice {index}", partial(stream.with_pieces, kept))
