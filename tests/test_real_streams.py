"""Real streams of every dialect carry the message that was worked out for them, however they are cut."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamgauge.events import KeepAlive, unlocated
from streamgauge.message import to_dict
from streamgauge.registry import all_dialects, get_dialect

COUNTS = {"anthropic-messages": 39, "bedrock-converse": 51, "cohere-chat": 15}
"""How many of them there are at least, where that is known."""
MALFORMED: dict[str, str] = {}
"""Real streams that are truly malformed, by file, with the reason: there are none."""
VALUES = ("gemini-generate", "ollama-chat", "ollama-generate")
"""Dialects that send arguments as JSON values, not as text."""


def base(name: str) -> str:
    """The dialect here of one of the collection's: Bedrock's models and agents all answer in event streams."""
    return "bedrock-converse" if name.startswith("bedrock-") else name


def streams(shared: Path, dialect: str) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    """Each file of a dialect with its bytes and its expectation."""
    folder = shared / "streams"
    expected = {e["sha256"]: e for e in map(json.loads, (folder / "expected.jsonl").read_bytes().splitlines())}
    for entry in map(json.loads, (folder / "index.jsonl").read_bytes().splitlines()):
        want = expected.get(entry["sha256"])
        if want and base(want["dialect"]) == dialect:
            yield entry["file"], (folder / entry["file"]).read_bytes(), want


def shortened(value: Any) -> Any:
    """A long string as the expectations abbreviate it; null, "" and absent are equal."""
    if isinstance(value, str) and len(value) > 2000:
        return {"sha256": hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest(), "len": len(value)}
    return value or None


def call(entry: dict[str, Any], dialect: str) -> tuple[Any, ...]:
    arguments = entry.get("arguments") or "{}"
    if dialect in VALUES and isinstance(arguments, str):
        arguments = json.loads(arguments)
    return entry.get("id") or "", entry.get("name") or "", shortened(arguments)


def comparable(message: dict[str, Any], skip: list[str], dialect: str) -> dict[str, Any]:
    """The members that both sides state, without those that the collection calls ambiguous."""
    choices = [
        {
            **{name: shortened(c.get(name)) for name in ("text", "reasoning", "refusal", "finish_reason")},
            "tool_calls": [call(t, dialect) for t in c.get("tool_calls") or ()],
        }
        for c in message.get("choices") or [{}]
    ]
    usage = message.get("usage") or {}
    facts = {
        "choices": [{name: v for name, v in c.items() if name not in skip} for c in choices],
        "ended": message["ended"],
        "id": shortened(message.get("id")),
        "model": shortened(message.get("model")),
        "usage": (usage.get("input_tokens"), usage.get("output_tokens")),
        "errors": len(message.get("errors") or ()),
    }
    return {name: value for name, value in facts.items() if name not in skip}


@pytest.mark.shared
@pytest.mark.parametrize("name", sorted(set(all_dialects()) - {"openai-chat"}))
def test_messages(shared: Path, name: str) -> None:
    """Text, reasoning, calls, finish reason, usage, identity and end are as expected; nothing is malformed."""
    dialect = get_dialect(name)
    found = list(streams(shared, name))
    assert len(found) >= COUNTS.get(name, 0)
    for file, body, want in found:
        got = to_dict(dialect.read(body))
        skip = want.get("ambiguous_fields", [])
        assert comparable(got, skip, name) == comparable(want, skip, name), file
        assert bool(got["malformed"]) == (file in MALFORMED), file


@pytest.mark.shared
@pytest.mark.parametrize("name", COUNTS)
def test_cuts_change_nothing(shared: Path, name: str) -> None:
    """Cut at every seventh byte, a stream says the same in the same places."""
    dialect = get_dialect(name)
    for file, body, _ in streams(shared, name):
        decoder = dialect.decoder()
        pieces = [body[n : n + 7] for n in range(0, min(len(body), 21_000), 7)] + [body[21_000:]]
        assert [e for p in pieces for e in decoder.feed(p)] + decoder.eof() == dialect.decode(body), file


@pytest.mark.shared
@pytest.mark.parametrize("name", COUNTS)
def test_encoding_says_the_same(shared: Path, name: str) -> None:
    """What a real stream says, encoded by us and decoded again, is the same message."""
    dialect = get_dialect(name)
    tried = 0
    for file, body, _ in streams(shared, name):
        message = dialect.read(body)
        if message.errors or (message.choices[:1] and message.choices[0].server_tool_calls):
            continue  # said in other words: a vendor's result block, an error beside a finish reason
        said = [unlocated(e) for e in dialect.decode(body) if not isinstance(e, KeepAlive)]
        again = dialect.read(b"".join(dialect.encode(said)))
        tried += 1
        assert (again.choices, again.usage) == (message.choices, message.usage), file
    assert tried > 10


@pytest.mark.shared
@pytest.mark.parametrize("name", COUNTS)
def test_detected(shared: Path, name: str) -> None:
    """The first bytes of a stream look like its own dialect and like no other."""
    for file, body, _ in streams(shared, name):
        assert [d.name for d in all_dialects().values() if d.detect(body[:4096]) and not d.profile_of] == [name], file
