"""A missing [DONE] accuses only a service that OpenAI's sentence binds, or one that may be OpenAI itself."""

from __future__ import annotations

from typing import Any

import pytest

from streamgauge.dialects.openai_chat._promises import PROMISES, Promise
from streamgauge.dialects.openai_chat._samples import DONE, HELLO, chat, choice, sse, text, whole_chunk
from streamgauge.engine import judge
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


@pytest.mark.parametrize("promise", PROMISES, ids=lambda p: p.service)
def test_a_promise_binds(promise: Promise) -> None:
    """What a service adds that has promised the end does not free it of it, in a chunk, a choice or a delta."""
    added = dict.fromkeys(promise.adds)
    for body in (
        with_delta(**added),
        chat(sse(whole_chunk([choice({"content": "Hi"}, **added)])), tail=""),
        chat(sse({**whole_chunk([choice({"content": "Hi"})]), **added}), tail=""),
    ):
        assert verdict(body).verdict == "fail"
    assert promise.sentence
    assert promise.source


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
