"""Profiles of Chat Completions: each says truly where its members stand, and whom a missing [DONE] accuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamgauge.cli import main
from streamgauge.dialects.openai_chat._samples import DONE, HELLO, chat, choice, sse, text, whole_chunk
from streamgauge.dialects.openai_chat.profiles import BOUND, OPENAI, PROFILES
from streamgauge.engine import judge
from streamgauge.profile import Profile
from streamgauge.registry import get_dialect
from streamgauge.rules import Exchange, Verdict, get_rule
from streamgauge.trace import Trace

CHAT = get_dialect("openai-chat")
WRITER = {"graph_data": None, "llm_data": None, "translation_data": None}


def verdict(body: str) -> Verdict:
    """What SEQ-006 says of a body."""
    (found,) = judge(Exchange(CHAT, Trace.of(body.encode())), [get_rule("SEQ-006")])
    return found


def with_delta(tail: str = "", **members: Any) -> str:
    """A chat stream whose text comes in a delta with these members beside it."""
    return chat(sse(whole_chunk([choice({"content": "Hi", **members})])), tail=tail)


def test_openais_own_chunks() -> None:
    """Chunks that are OpenAI's to the last member need the end that OpenAI's streams have."""
    assert verdict(HELLO).verdict == "pass"
    assert verdict(HELLO.replace(DONE, "")).verdict == "fail"


@pytest.mark.parametrize("name", sorted(BOUND - OPENAI))
def test_a_promise_binds(name: str) -> None:
    """What only services add that have promised the end frees nobody of it, in a chunk, a choice or a delta."""
    added = {name: None}
    for body in (
        with_delta(**added),
        chat(sse(whole_chunk([choice({"content": "Hi"}, **added)])), tail=""),
        chat(sse({**whole_chunk([choice({"content": "Hi"})]), **added}), tail=""),
    ):
        assert verdict(body).verdict == "fail"


def test_what_others_add_too_binds_nobody() -> None:
    """Moonshot promises the end and sends reasoning_content, and so do services that promise nothing."""
    assert verdict(with_delta(reasoning_content="Hm.")).verdict == "non-strict"


def test_who_has_promised_nothing() -> None:
    """A service with members of its own isn't accused, and the verdict names them; with the end, it passes."""
    found = verdict(with_delta(**WRITER))
    assert found.verdict == "non-strict"
    assert "graph_data" in found.got
    assert verdict(with_delta(tail=DONE, **WRITER)).verdict == "pass"


def test_more_than_the_end_is_nobodys_freedom() -> None:
    """[DONE] twice, or something behind it, contradicts itself whoever sends it."""
    assert verdict(with_delta(tail=DONE + DONE, **WRITER)).verdict == "fail"
    assert verdict(with_delta(tail=DONE + text("more"), **WRITER)).verdict == "fail"


def test_a_documented_chunk_of_its_own() -> None:
    """IBM's watsonx.ai, whose documented chunk has a model_id and no object, and whose streams just end, fails "
    "nothing."""
    head = {
        "id": "chatcmpl-1",
        "model_id": "ibm/granite",
        "created": 1_700_000_000,
        "created_at": "2026-01-01T00:00:00Z",
    }
    first = [choice({"role": "assistant", "content": "Hi"})]
    body = "".join(sse({**head, "choices": found}) for found in (first, [choice({}, "stop")]))
    found = judge(Exchange(CHAT, Trace.of(body.encode())))
    assert {v.rule for v in found if v.verdict in ("fail", "error")} == set()
    assert {v.rule for v in found if v.verdict == "non-strict"} >= {"OAC-001", "SEQ-006"}
    broken = body.replace('"created":1700000000,', "")
    assert "OAC-001" in {v.rule for v in judge(Exchange(CHAT, Trace.of(broken.encode()))) if v.verdict == "fail"}


def zai(*, entries: dict[str, Any] | None = None, **members: Any) -> str:
    """A stream of Z.ai's shape, whose chunks and whose choices have these members beside it."""
    head = {"id": "2026", "created": 1_700_000_000, "model": "glm", **members}
    said = [{"reasoning_content": "Hm."}, {"content": "Hi"}]
    choices = [{"index": 0, "delta": {"role": "assistant", **delta}, **(entries or {})} for delta in said]
    last = {"index": 0, "finish_reason": "stop", "delta": {"role": "assistant", "content": ""}}
    counts = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return (
        "".join(sse({**head, "choices": [c]}) for c in choices)
        + sse({**head, "choices": [last], "usage": counts})
        + DONE
    )


def test_chunks_without_an_object() -> None:
    """Z.ai's chunk has no object and no finish_reason until the end, and is not accused; what has anything that is
    OpenAI's beside it is, and so is a stream of Z.ai's shape that lacks more.
    """

    def judged(body: str) -> str:
        (found,) = judge(Exchange(CHAT, Trace.of(body.encode())), [get_rule("OAC-001")])
        return found.verdict

    failed = [v.rule for v in judge(Exchange(CHAT, Trace.of(zai().encode()))) if v.verdict in ("fail", "error")]
    assert failed == []
    assert judged(zai()) == "non-strict"
    assert judged(zai(object="chat.completion.chunk")) == "pass"
    assert judged(zai(request_id="1")) == "non-strict"
    assert judged(zai(system_fingerprint="fp")) == "fail"
    assert judged(zai(entries={"finish_reason": None})) == "fail"
    assert judged(zai(entries={"logprobs": None})) == "fail"
    assert judged(zai().replace('"created":1700000000,', "")) == "fail"
    mixed = zai(object="chat.completion.chunk").replace('"object":"chat.completion.chunk",', "", 1)
    assert judged(mixed) == "fail"


def paths(value: Any, above: str = "") -> Iterator[str]:
    """Each member with something in it, as the path that leads to it; arrays are passed through."""
    if isinstance(value, list):
        for entry in value:
            yield from paths(entry, above)
    elif isinstance(value, dict):
        for name, member in value.items():
            here = f"{above}.{name}" if above else name
            if member not in (None, "", [], {}):
                yield here
            yield from paths(member, here)


def values_of(body: bytes) -> list[Any]:
    """The JSON values of the events."""
    lines = (line[5:].strip() for line in body.splitlines() if line.startswith(b"data:"))
    return [json.loads(data) for data in lines if data != b"[DONE]"]


def own(value: Any) -> set[str]:
    """Members of a chunk, its choices and their deltas that OpenAI's reference does not have."""
    levels = [value, *value["choices"], *(entry.get("delta", {}) for entry in value["choices"])]
    return {name for level in levels for name in level} - OPENAI


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
def test_the_example_is_what_the_profile_says(profile: Profile) -> None:
    """Every path leads somewhere in the example, which has no member more, and our decoder reads all of it."""
    values = values_of(profile.example)
    seen = set(paths(values))
    assert {*profile.reasoning, *profile.filters, *profile.usage} <= seen
    assert set().union(*map(own, values)) <= profile.adds
    message = CHAT.read(profile.example)
    (choice_,) = message.choices
    assert (choice_.text, message.ended) == ("Hello", "complete")
    assert choice_.reasoning == ("Hm." if profile.reasoning else "")
    assert message.usage is not None
    assert (message.usage.input_tokens, message.usage.output_tokens) == (3, 2)
    assert profile.source


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
def test_no_example_is_accused(profile: Profile) -> None:
    """A stream of a profile's shape fails no rule."""
    failed = [v.rule for v in judge(Exchange(CHAT, Trace.of(profile.example))) if v.verdict in ("fail", "error")]
    assert failed == []


@pytest.mark.shared
def test_real_streams_of_the_profiles(shared: Path) -> None:
    """In genuine streams of these services nothing that OpenAI does not have carries reasoning, filters or usage but
    what the profile names.
    """
    known = {profile.name: profile for profile in PROFILES}
    told = ("reasoning", "thinking", "filter", "usage", "timings")
    met = set()
    for entry in map(json.loads, (shared / "streams" / "index.jsonl").read_bytes().splitlines()):
        name = {"azure-openai": "azure", "zai": "z.ai"}.get(entry["provider"], entry["provider"])
        if entry["dialect"] != "openai-chat" or name not in known:
            continue
        met.add(name)
        profile = known[name]
        named = {*profile.reasoning, *profile.filters, *profile.usage}
        for value in values_of((shared / "streams" / entry["file"]).read_bytes()):
            for path in paths(value):
                parts = path.split(".")
                if any(word in parts[-1] for word in told) and "usage" not in parts[:-1]:
                    assert any(path == one or path.startswith(f"{one}.") for one in named), (entry["file"], path)
    assert met >= {"azure", "openrouter", "mistral", "llama.cpp", "groq", "perplexity", "z.ai"}


def test_the_command_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    """`streamgauge dialects openai-chat` lists each profile with its places and its source."""
    assert main(["dialects", "openai-chat"]) == 0
    said = capsys.readouterr().out
    for profile in PROFILES:
        assert f"{profile.name}: {profile.title}" in said
