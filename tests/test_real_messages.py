"""Real streams of OpenAI, Google and Ollama carry the messages that were worked out for them, by us and by the vendors.

Each stream is read twice: against the collection's expectations, and by the vendor's own library, which gets its bytes
from the replay server.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamgauge.message import Choice, Message, to_dict
from streamgauge.registry import get_dialect
from streamgauge.script import Piece, Script
from streamgauge.server import ReplayServer

pytestmark = pytest.mark.shared
NUMBERS = {
    "openai-responses": 46,
    "openai-completions": 11,
    "gemini-generate": 49,
    "ollama-chat": 5,
    "ollama-generate": 6,
}
AS_VALUES = ("gemini-generate", "ollama-chat", "ollama-generate")
"""Dialects whose arguments are JSON values on the wire: their text is ours."""


def streams(shared: Path, dialect: str) -> Iterator[tuple[Path, dict[str, Any], dict[str, Any]]]:
    """Each real stream of a dialect: its file, its entry in the index, what it carries."""
    folder = shared / "streams"
    expected = {e["sha256"]: e for e in map(json.loads, (folder / "expected.jsonl").read_bytes().splitlines())}
    for entry in map(json.loads, (folder / "index.jsonl").read_bytes().splitlines()):
        want = expected.get(entry["sha256"])
        if want and want["dialect"] == dialect:
            yield folder / entry["file"], entry, want


def shortened(value: Any) -> Any:
    """A long string as the expectations abbreviate it; null, "" and absent are equal."""
    if isinstance(value, str) and len(value) > 2000:
        return {"sha256": hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest(), "len": len(value)}
    return value or None


def comparable(message: dict[str, Any], dialect: str, skip: list[str]) -> dict[str, Any]:
    """The members that both sides state, without those that the collection calls ambiguous."""
    values = dialect in AS_VALUES
    choices = []
    for choice in message.get("choices") or [{}]:
        calls = [
            (c.get("id") or "", c.get("name") or "", json.loads(c["arguments"] or "{}") if values else c["arguments"])
            for c in choice.get("tool_calls") or ()
        ]
        texts = {name: shortened(choice.get(name)) for name in ("text", "reasoning", "refusal", "finish_reason")}
        choices.append({n: v for n, v in {**texts, "tool_calls": calls}.items() if n not in skip})
    usage = message.get("usage") or {}
    facts = {
        "choices": choices,
        "ended": message["ended"],
        "id": shortened(message.get("id")),
        "model": shortened(message.get("model")),
        "usage": (usage.get("input_tokens"), usage.get("output_tokens")),
        "errors": len(message.get("errors") or ()),
        "malformed": message.get("malformed", 0),
    }
    return {name: value for name, value in facts.items() if name not in skip}


@pytest.mark.parametrize("dialect", NUMBERS)
def test_messages(shared: Path, dialect: str) -> None:
    """Text, reasoning, calls, reasons, usage, identity and ending are those that were worked out."""
    found = list(streams(shared, dialect))
    assert len(found) == NUMBERS[dialect]
    for file, _, want in found:
        got = to_dict(get_dialect(dialect).read(file.read_bytes()))
        skip = want.get("ambiguous_fields", [])
        assert comparable(got, dialect, skip) == comparable(want, dialect, skip), file.name


@pytest.mark.parametrize("dialect", NUMBERS)
@pytest.mark.parametrize("size", [1, 1000])
def test_cuts_change_nothing(shared: Path, dialect: str, size: int) -> None:
    """The same events come out of single bytes and of odd pieces."""
    found = get_dialect(dialect)
    for file, _, _ in streams(shared, dialect):
        body = file.read_bytes()[:20_000]
        decoder = found.decoder()
        events = [e for at in range(0, len(body), size) for e in decoder.feed(body[at : at + size])]
        assert events + decoder.eof() == found.decode(body), file.name


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as running:
        yield running


def url(server: ReplayServer, dialect: str, body: bytes) -> str:
    """Where the replay server plays these bytes."""
    found = get_dialect(dialect)
    script = Script(dialect=found, pieces=(Piece(body),), headers=(("Content-Type", found.media_type),))
    return server.mount(script).base_url


def the_choice(message: Message) -> Choice:
    [choice] = message.choices
    return choice


def test_openai_reads_the_same(shared: Path, server: ReplayServer) -> None:
    """openai's Python library: the output of its last event, and the deltas before it."""
    openai = pytest.importorskip("openai")
    for file, _, _ in streams(shared, "openai-responses"):
        body = file.read_bytes()
        choice = the_choice(get_dialect("openai-responses").read(body))
        base = url(server, "openai-responses", body)
        with openai.OpenAI(base_url=base, api_key="x", max_retries=0) as client:
            events = list(client.responses.create(model="m", input="x", stream=True))
        last = events[-1].response
        deltas = [e.delta for e in events if e.type == "response.output_text.delta"]
        assert choice.text == last.output_text == "".join(deltas), file.name
        calls = [i for i in last.output if i.type == "function_call"]
        assert [(c.id, c.name, c.arguments) for c in choice.tool_calls] == [
            (i.call_id, i.name, i.arguments) for i in calls
        ], file.name
        parts = [p.text for i in last.output if i.type == "reasoning" for p in (*i.summary, *(i.content or ()))]
        assert choice.reasoning == "".join(parts), file.name
        assert choice.finish_reason == last.status


def test_openai_reads_the_same_completions(shared: Path, server: ReplayServer) -> None:
    """openai's Python library: the texts of its chunks, and the last reason."""
    openai = pytest.importorskip("openai")
    for file, _, _ in streams(shared, "openai-completions"):
        body = file.read_bytes()
        choice = the_choice(get_dialect("openai-completions").read(body))
        with openai.OpenAI(base_url=url(server, "openai-completions", body), api_key="x", max_retries=0) as client:
            chunks = [c.choices[0] for c in client.completions.create(model="m", prompt="x", stream=True)]
        # A gateway's last chunk has a delta in place of a text, which the library leaves out of its object.
        assert choice.text == "".join(getattr(c, "text", None) or "" for c in chunks), file.name
        assert choice.finish_reason == [c.finish_reason for c in chunks if c.finish_reason][-1]


def test_google_reads_the_same(shared: Path, server: ReplayServer) -> None:
    """google-genai: the parts of its chunks. It asks for server-sent events, and does not read the arrays."""
    genai = pytest.importorskip("google.genai")
    arrays = 0
    for file, _, _ in streams(shared, "gemini-generate"):
        body = file.read_bytes()
        if body.lstrip()[:1] == b"[":
            arrays += 1
            continue
        choice = the_choice(get_dialect("gemini-generate").read(body))
        base = url(server, "gemini-generate", body).removesuffix("/v1beta")
        client = genai.Client(api_key="x", vertexai=False, http_options={"base_url": base, "api_version": "v1beta"})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            chunks = list(client.models.generate_content_stream(model="m", contents="x"))
        client.close()
        candidates = [c for chunk in chunks for c in chunk.candidates or ()]
        parts = [p for c in candidates if c.content for p in c.content.parts or ()]
        assert choice.text == "".join(p.text or "" for p in parts if not p.thought), file.name
        assert choice.reasoning == "".join(p.text or "" for p in parts if p.thought), file.name
        calls = [p.function_call for p in parts if p.function_call]
        assert [(c.name, json.loads(c.arguments)) for c in choice.tool_calls] == [(c.name, c.args or {}) for c in calls]
        assert choice.finish_reason == [c.finish_reason for c in candidates if c.finish_reason][-1], file.name
    assert arrays == 14


def test_ollama_reads_the_same(shared: Path, server: ReplayServer) -> None:
    """ollama's Python library, chat and generate: what its objects say."""
    ollama = pytest.importorskip("ollama")
    for dialect in ("ollama-chat", "ollama-generate"):
        for file, _, _ in streams(shared, dialect):
            body = file.read_bytes()
            message = get_dialect(dialect).read(body)
            choice = the_choice(message)
            with ollama.Client(host=url(server, dialect, body)) as client:
                if dialect == "ollama-chat":
                    objects = list(client.chat(model="m", messages=[{"role": "user", "content": "x"}], stream=True))
                    said = [o.message for o in objects]
                    assert choice.text == "".join(m.content or "" for m in said), file.name
                else:
                    objects = list(client.generate(model="m", prompt="x", stream=True))
                    said = objects
                    assert choice.text == "".join(o.response or "" for o in objects), file.name
            assert choice.reasoning == "".join(m.thinking or "" for m in said)
            assert (choice.finish_reason, message.model) == (objects[-1].done_reason, objects[-1].model)
            usage = message.usage
            assert usage
            assert (usage.input_tokens, usage.output_tokens) == (objects[-1].prompt_eval_count, objects[-1].eval_count)
