"""The rules that compare a stream with the answer that is not streamed."""

from __future__ import annotations

import json

import pytest

from streamgauge.engine import judge
from streamgauge.registry import get_dialect
from streamgauge.rules import Exchange, get_rule
from streamgauge.trace import Trace

ANTHROPIC = get_dialect("anthropic-messages")
GENERATED = {"candidates": [{"content": {"role": "model", "parts": [{"text": "hi"}]}, "finishReason": "STOP"}]}
CHATTED = {"model": "m", "message": {"role": "assistant", "content": "hi"}, "done": True, "done_reason": "stop"}


def exchange(stream_usage: dict[str, int], twin_usage: dict[str, int]) -> Exchange:
    """An answer of Anthropic's with this usage, beside its non-streaming twin with that."""
    start = {"type": "message", "role": "assistant", "content": [], "model": "m", "id": "msg_1", "usage": stream_usage}
    events = (
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    )
    body = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode()
    whole = {**start, "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "usage": twin_usage}
    twin = Exchange(ANTHROPIC, Trace.of(json.dumps(whole).encode()))
    request = {"stream": True, "temperature": 0}
    return Exchange(ANTHROPIC, Trace.of(body, request=request), ANTHROPIC.message(whole), {"non-stream": twin})


@pytest.mark.parametrize(
    ("stream_usage", "twin_usage", "verdict"),
    [
        ({"input_tokens": 33}, {"input_tokens": 33, "output_tokens": 2}, "pass"),
        ({"input_tokens": 33}, {"input_tokens": 1, "output_tokens": 2}, "non-strict"),
        ({"input_tokens": 33}, {"input_tokens": 1, "cache_read_input_tokens": 32, "output_tokens": 2}, "pass"),
        ({"input_tokens": 33}, {"input_tokens": 1, "cache_read_input_tokens": 32, "output_tokens": 9}, "non-strict"),
        ({"input_tokens": 33}, {"input_tokens": 1, "cache_read_input_tokens": 0, "output_tokens": 2}, "non-strict"),
    ],
)
def test_what_a_cache_holds_is_no_input(stream_usage: dict[str, int], twin_usage: dict[str, int], verdict: str) -> None:
    """The second of two equal requests may read its prompt from a cache, which Anthropic counts apart."""
    (found,) = judge(exchange(stream_usage, twin_usage), [get_rule("AGG-004")])
    assert found.verdict == verdict, found


@pytest.mark.parametrize(
    ("dialect", "event", "request_", "verdict"),
    [
        ("gemini-generate", GENERATED, {"generationConfig": {"temperature": 0.0}}, "non-strict"),
        ("gemini-generate", GENERATED, {"generationConfig": {"temperature": 1.0}}, "skip"),
        ("ollama-chat", CHATTED, {"options": {"temperature": 0.0, "seed": 1}}, "non-strict"),
        ("ollama-chat", CHATTED, {"options": {"seed": 1}}, "non-strict"),
        ("ollama-chat", CHATTED, {"options": {}}, "skip"),
        ("ollama-chat", CHATTED, {"options": 0}, "skip"),
    ],
)
def test_the_temperature_is_where_the_dialect_puts_it(
    dialect: str, event: dict[str, object], request_: dict[str, object], verdict: str
) -> None:
    """Gemini and Ollama have an object for how to sample: what is fixed there is fixed as well."""
    spoken = get_dialect(dialect)
    line = json.dumps(event)
    body = f"data: {line}\n\n" if spoken.framing == "sse" else f"{line}\n"
    twin = spoken.message(json.loads(line.replace("hi", "ho")))
    made = Exchange(spoken, Trace.of(body.encode(), request={"stream": True, **request_}), twin)
    (found,) = judge(made, [get_rule("AGG-001")])
    assert found.verdict == verdict, found
