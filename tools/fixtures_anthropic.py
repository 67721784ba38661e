"""Writes the recordings of Anthropic's Messages API: `python tools/fixtures_anthropic.py`.

Each stream is written out as Anthropic's page "Streaming messages" shows it; what it carries is stated beside it.
"""

from __future__ import annotations

from typing import Any

from written import PLAIN, PLAIN_QUESTION, named_event, words, write

from streamgauge.message import Choice, Message, ReportedError, ServerToolCall, TokenUsage, ToolCall

SOURCE = ("Anthropic docs, Streaming messages", "https://platform.claude.com/docs/en/build-with-claude/streaming")
ID = "msg_01QmT7vXc2RkPz9LdWfYh4Ns"
MODEL = "claude-sonnet-4-5"
PING = named_event("ping")
STOP = named_event("message_stop")


def start(given: int) -> bytes:
    head = {"id": ID, "type": "message", "role": "assistant", "model": MODEL, "content": []}
    usage = {"input_tokens": given, "output_tokens": 1}
    return named_event("message_start", message={**head, "stop_reason": None, "stop_sequence": None, "usage": usage})


def block(index: int, opening: dict[str, Any], *deltas: dict[str, Any]) -> list[bytes]:
    return [
        named_event("content_block_start", index=index, content_block=opening),
        *(named_event("content_block_delta", index=index, delta=delta) for delta in deltas),
        named_event("content_block_stop", index=index),
    ]


def text(index: int, said: str) -> list[bytes]:
    deltas = ({"type": "text_delta", "text": piece} for piece in words(said))
    return block(index, {"type": "text", "text": ""}, *deltas)


def call(index: int, opening: dict[str, Any], *pieces: str) -> list[bytes]:
    deltas = ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
    return block(index, {**opening, "input": {}}, *deltas)


def end(reason: str, made: int, **usage: Any) -> list[bytes]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return [named_event("message_delta", delta=delta, usage={"output_tokens": made, **usage}), STOP]


def request(prompt: str, **more: Any) -> dict[str, Any]:
    turn = {"role": "user", "content": prompt}
    return {"model": MODEL, "max_tokens": 1024, "messages": [turn], "stream": True, **more}


def message(choice: Choice, given: int, made: int, **more: Any) -> Message:
    facts = {"ended": "complete", "model": MODEL, "id": ID, **more}
    return Message("anthropic-messages", choices=(choice,), usage=TokenUsage(given, made), **facts)


def plain_text() -> None:
    said = text(0, PLAIN)
    events = [start(25), said[0], PING, *said[1:], *end("end_turn", 121)]
    carried = message(Choice(text=PLAIN, finish_reason="end_turn"), 25, 121)
    asked = request(PLAIN_QUESTION)
    write("plain-text", "Text in several scripts, a ping, usage", events, carried, asked, SOURCE, ("text", "usage"))


def tool_calls() -> None:
    spoken = "I'll check both."
    weather, clock = ["", '{"ci', 'ty": "Pa', 'ris", "un', 'it": "°C"}'], ["", '{"zone":', ' "Europe/Paris"}']
    events = [
        start(472),
        *text(0, spoken),
        *call(1, {"type": "tool_use", "id": "toolu_01W", "name": "get_weather"}, *weather),
        *call(2, {"type": "tool_use", "id": "toolu_01C", "name": "get_time"}, *clock),
        *call(3, {"type": "tool_use", "id": "toolu_01N", "name": "now"}),
        *end("tool_use", 108),
    ]
    calls = (
        ToolCall("toolu_01W", "get_weather", "".join(weather)),
        ToolCall("toolu_01C", "get_time", "".join(clock)),
        ToolCall("toolu_01N", "now"),
    )
    carried = message(Choice(text=spoken, tool_calls=calls, finish_reason="tool_use"), 472, 108)
    tools = [{"name": n, "input_schema": {"type": "object"}} for n in ("get_weather", "get_time", "now")]
    asked = request("Weather and time in Paris?", tools=tools)
    title = "Three tool calls after some text, arguments in fragments, one without any"
    write("parallel-tools", title, events, carried, asked, SOURCE, ("text", "tools", "usage"))


def reasoning() -> None:
    thought, answer = "The user greets me. 你好 is a greeting, so I greet back.", "你好! How can I help?"
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in words(thought)]
    signature = {"type": "signature_delta", "signature": "EqoBCkgIARABGAIiQDm1c2lnbmF0dXJlLW9mLWEtdGVzdA=="}
    events = [
        start(38),
        *block(0, {"type": "thinking", "thinking": "", "signature": ""}, *deltas, signature),
        *block(1, {"type": "redacted_thinking", "data": "EmwKAhgBEgxyZWRhY3RlZC10ZXN0"}),
        *text(2, answer),
        *end("end_turn", 61, output_tokens_details={"thinking_tokens": 40}),
    ]
    carried = message(Choice(text=answer, reasoning=thought, finish_reason="end_turn"), 38, 61)
    asked = request("你好", thinking={"type": "enabled", "budget_tokens": 1024})
    page = "https://platform.claude.com/docs/en/build-with-claude/extended-thinking"
    source = ("Anthropic docs, Extended thinking, streaming", page)
    title = "Thinking with its signature, a redacted block, then the answer"
    write("reasoning", title, events, carried, asked, source, ("text", "reasoning", "usage"))


def server_tools() -> None:
    query = '{"query": "weather NYC today"}'
    results = [{"type": "web_search_result", "title": "NYC", "url": "https://example.org/nyc", "page_age": None}]
    citation = {"type": "web_search_result_location", "url": "https://example.org/nyc", "title": "NYC"}
    answer = "It is 18 °C in New York."
    said = text(3, answer)
    cited = {"type": "citations_delta", "citation": {**citation, "cited_text": "18 °C", "encrypted_index": "Eo8B"}}
    spoken = "I'll search for it."
    result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_01S", "content": results}
    events = [
        start(2679),
        *text(0, spoken),
        *call(1, {"type": "server_tool_use", "id": "srvtoolu_01S", "name": "web_search"}, "", query[:8], query[8:]),
        *block(2, result),
        *said[:-1],
        named_event("content_block_delta", index=3, delta=cited),
        said[-1],
        *end("end_turn", 510, input_tokens=10682, server_tool_use={"web_search_requests": 1}),
    ]
    output = '[{"type":"web_search_result","title":"NYC","url":"https://example.org/nyc","page_age":null}]'
    searched = (ServerToolCall("srvtoolu_01S", "web_search", query, output),)
    choice = Choice(text=spoken + answer, server_tool_calls=searched, finish_reason="end_turn")
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    asked = request("What is the weather in New York?", tools=tools)
    title = "A search that Anthropic runs, its result, a citation, and input tokens revised at the end"
    write("server-tools", title, events, message(choice, 10682, 510), asked, SOURCE, ("text", "server-tools", "usage"))


def length() -> None:
    said = "One, two, three, four,"
    events = [start(10), *text(0, said), *end("max_tokens", 8)]
    carried = message(Choice(text=said, finish_reason="max_tokens"), 10, 8)
    write("length", "Cut by max_tokens", events, carried, request("Count", max_tokens=8), SOURCE, ("text", "usage"))


def pings() -> None:
    said = "Pings say nothing."
    events = [piece for event in [start(10), *text(0, said), *end("end_turn", 7)[:-1]] for piece in (PING, event)]
    carried = message(Choice(text=said, finish_reason="end_turn"), 10, 7)
    title = "A ping before every event, the first too"
    write("pings", title, [*events, PING, STOP], carried, request("..."), SOURCE, ("text", "ping", "usage"))


def refused() -> None:
    said = "I can begin, but"
    explained = {"type": "refusal", "category": None, "explanation": None}
    delta = {"stop_reason": "refusal", "stop_sequence": None, "stop_details": explained}
    tail = [named_event("message_delta", delta=delta, usage={"output_tokens": 6}), STOP]
    carried = message(Choice(text=said, finish_reason="refusal"), 12, 6)
    page = "https://platform.claude.com/docs/en/test-and-evaluate/strengthen-guardrails/handle-streaming-refusals"
    source = ("Anthropic docs, Streaming refusals", page)
    title = "Classifiers stop the answer with stop_reason refusal"
    events = [start(12), *text(0, said), *tail]
    write("refused", title, events, carried, request("..."), source, ("text", "usage"))


def in_band_error() -> None:
    said = "Half of an answer"
    error = {"type": "overloaded_error", "message": "Overloaded"}
    events = [start(10), *text(0, said)[:-1], named_event("error", error=error)]
    reported = (ReportedError("Overloaded", "overloaded_error"),)
    carried = message(Choice(text=said), 10, 1, ended="error", errors=reported)
    title = "The stream reports an error after some text"
    write("in-band-error", title, events, carried, request("..."), SOURCE, ("text", "error"))


def main() -> None:
    plain_text()
    tool_calls()
    reasoning()
    server_tools()
    length()
    pings()
    refused()
    in_band_error()


if __name__ == "__main__":
    main()
