"""Writes the recordings of Cohere's chat, version 2: `python tools/fixtures_cohere.py`.

Each stream is written out as Cohere's pages show it; what it carries is stated beside it. Behind message-end the
service sends `[DONE]`, as recorded streams of it do.
"""

from __future__ import annotations

from typing import Any

from written import PLAIN, PLAIN_QUESTION, named_event, words, write

from streamgauge.message import Choice, Message, ReportedError, TokenUsage, ToolCall

STREAMING = ("Cohere docs, A Guide to Streaming Responses", "https://docs.cohere.com/v2/docs/streaming")
TOOL_USE = ("Cohere docs, Streaming for tool use", "https://docs.cohere.com/v2/docs/tool-use-streaming")
REASONING = ("Cohere docs, Reasoning capabilities", "https://docs.cohere.com/v2/docs/reasoning")
RAG = ("Cohere docs, RAG Streaming", "https://docs.cohere.com/v2/docs/rag-streaming")
REFERENCE = ("Cohere API v2 reference, Chat with streaming", "https://docs.cohere.com/v2/reference/chat-stream")
ID = "29f14a5a-11de-4cae-9800-25e4747408ea"
MODEL = "command-a-03-2025"
DONE = b"data: [DONE]\n\n"
ROLE = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
START = named_event("message-start", id=ID, delta={"message": ROLE})


def said(kind: str, index: int | None, /, **message: Any) -> bytes:
    place = {} if index is None else {"index": index}
    return named_event(kind, **place, delta={"message": message})


def content(index: int, text: str, kind: str = "text") -> list[bytes]:
    return [
        said("content-start", index, content={"type": kind, kind: ""}),
        *(said("content-delta", index, content={kind: piece}) for piece in words(text)),
        named_event("content-end", index=index),
    ]


def call(index: int, call_id: str, name: str, *pieces: str) -> list[bytes]:
    opening = {"id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
    return [
        said("tool-call-start", index, tool_calls=opening),
        *(said("tool-call-delta", index, tool_calls={"function": {"arguments": piece}}) for piece in pieces),
        named_event("tool-call-end", index=index),
    ]


def end(reason: str, given: int, made: int) -> list[bytes]:
    billed, tokens = ({"input_tokens": g, "output_tokens": made} for g in (given, given + 500))
    usage = {"billed_units": billed, "tokens": tokens}
    return [named_event("message-end", delta={"finish_reason": reason, "usage": usage}), DONE]


def request(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "stream": True, **more}


def message(choice: Choice, given: int, made: int, **more: Any) -> Message:
    facts = {"ended": "complete", "id": ID, **more}
    return Message("cohere-chat", choices=(choice,), usage=TokenUsage(given + 500, made), **facts)


def plain_text() -> None:
    events = [START, *content(0, PLAIN), *end("COMPLETE", 14, 97)]
    carried = message(Choice(text=PLAIN, finish_reason="COMPLETE"), 14, 97)
    title = "Text in several scripts, usage in both of its units"
    write("plain-text", title, events, carried, request(PLAIN_QUESTION), STREAMING, ("text", "usage"))


def tool_calls() -> None:
    plan = "I will look up the weather and the time."
    weather, clock = ['{"ci', 'ty": "Pa', 'ris", "un', 'it": "°C"}'], ['{"zone":', ' "Europe/Paris"}']
    events = [
        START,
        *(said("tool-plan-delta", None, tool_plan=piece) for piece in words(plan)),
        *call(0, "get_weather_k3v", "get_weather", *weather),
        *call(1, "get_time_x9d", "get_time", *clock),
        *end("TOOL_CALL", 37, 41),
    ]
    calls = (
        ToolCall("get_weather_k3v", "get_weather", "".join(weather)),
        ToolCall("get_time_x9d", "get_time", "".join(clock)),
    )
    carried = message(Choice(reasoning=plan, tool_calls=calls, finish_reason="TOOL_CALL"), 37, 41)
    tools = [
        {"type": "function", "function": {"name": n, "parameters": {"type": "object"}}}
        for n in ("get_weather", "get_time")
    ]
    asked = request("Weather and time in Paris?", tools=tools)
    title = "A plan, then two tool calls, arguments in fragments"
    write("parallel-tools", title, events, carried, asked, TOOL_USE, ("tools", "reasoning", "usage"))


def reasoning() -> None:
    thought, answer = "The user greets me. 你好 is a greeting, so I greet back.", "你好! How can I help?"
    events = [START, *content(0, thought, "thinking"), *content(1, answer), *end("COMPLETE", 9, 31)]
    carried = message(Choice(text=answer, reasoning=thought, finish_reason="COMPLETE"), 9, 31)
    asked = request("你好", thinking={"type": "enabled"})
    title = "A thinking block, then the answer"
    write("reasoning", title, events, carried, asked, REASONING, ("text", "reasoning", "usage"))


def citations() -> None:
    answer = "Emperor penguins are the tallest."
    source = {"type": "document", "id": "doc:0", "document": {"id": "doc:0", "snippet": "tallest"}}
    cited = {"start": 0, "end": 16, "text": "Emperor penguins", "sources": [source], "type": "TEXT_CONTENT"}
    block = content(0, answer)
    pair = [said("citation-start", 0, citations=cited), named_event("citation-end", index=0)]
    events = [START, *block[:-1], *pair, block[-1], *end("COMPLETE", 60, 12)]
    carried = message(Choice(text=answer, finish_reason="COMPLETE"), 60, 12)
    asked = request("Which penguins are the tallest?", documents=[{"id": "doc:0", "data": {"snippet": "tallest"}}])
    write("citations", "A citation inside the text", events, carried, asked, RAG, ("text", "citations", "usage"))


def length() -> None:
    text = "One, two, three, four,"
    carried = message(Choice(text=text, finish_reason="MAX_TOKENS"), 5, 8)
    events = [START, *content(0, text), *end("MAX_TOKENS", 5, 8)]
    write("length", "Cut by max_tokens", events, carried, request("Count", max_tokens=8), REFERENCE, ("text", "usage"))


def in_band_error() -> None:
    text, broke = "Half of an answer", "The generation was interrupted"
    last = named_event(
        "message-end", delta={"finish_reason": "ERROR", "error": broke, "error_type": "internal", "usage": {}}
    )
    carried = Message(
        "cohere-chat",
        "error",
        (Choice(text=text, finish_reason="ERROR"),),
        errors=(ReportedError(broke, "internal"),),
        id=ID,
    )
    title = "message-end reports an error after some text"
    events = [START, *content(0, text), last, DONE]
    write("in-band-error", title, events, carried, request("..."), REFERENCE, ("text", "error"))


def main() -> None:
    plain_text()
    tool_calls()
    reasoning()
    citations()
    length()
    in_band_error()


if __name__ == "__main__":
    main()
