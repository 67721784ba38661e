"""Writes the recordings that are made by hand from a vendor's documentation: `python tools/write_fixtures.py`.

Each stream is written out here as the vendor's reference shows it, chunk by chunk; what it carries is stated beside
it, not decoded from it. Recordings of real servers are made by `streamgauge record` and are not touched.
"""

from __future__ import annotations

import json
from typing import Any

from written import PLAIN, PLAIN_QUESTION, words
from written import write as keep

from streamgauge.message import Choice, Message, ReportedError, TokenUsage, ToolCall

REFERENCE = "OpenAI API reference, The chat completion chunk object"
REFERENCE_URL = "https://platform.openai.com/docs/api-reference/chat-streaming"
ID = "chatcmpl-9Zk2vJ7pXwQe4Rt1"
MODEL = "gpt-4"


def chunk(choices: list[dict[str, Any]], **more: Any) -> str:
    head = {"id": ID, "object": "chat.completion.chunk", "created": 1_763_800_000, "model": MODEL}
    return json.dumps({**head, "choices": choices, **more}, ensure_ascii=False, separators=(",", ":"))


def choice(delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish, **more}


def usage(prompt: int, completion: int, **details: Any) -> dict[str, Any]:
    total = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {"usage": {**total, **details}}


def said(text: str, finish: str = "stop", index: int = 0, member: str = "content") -> list[str]:
    chunks = [chunk([choice({"role": "assistant", "content": ""}, index=index)])]
    chunks += [chunk([choice({member: piece}, index=index)]) for piece in words(text)]
    return [*chunks, chunk([choice({}, finish, index=index)])]


def request(prompt: str, **more: Any) -> dict[str, Any]:
    asked = {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "stream": True}
    return {**asked, "stream_options": {"include_usage": True}, **more}


def write(
    name: str,
    title: str,
    datas: list[str],
    message: Message,
    asked: dict[str, Any],
    tags: tuple[str, ...] = (),
    source: str = REFERENCE,
    page: str = REFERENCE_URL,
) -> None:
    """Write one recording; each data is one event."""
    keep(name, title, [f"data: {data}\n\n".encode() for data in datas], message, asked, (source, page), tags)


def message(*choices: Choice, usage: TokenUsage | None = None, **more: Any) -> Message:
    facts = {"dialect": "openai-chat", "ended": "complete", "model": MODEL, "id": ID, **more}
    return Message(choices=choices, usage=usage, **facts)


def plain_text() -> None:
    datas = [*said(PLAIN), chunk([], **usage(19, 92)), "[DONE]"]
    carried = message(Choice(text=PLAIN, finish_reason="stop"), usage=TokenUsage(19, 92))
    asked = request(PLAIN_QUESTION)
    write("plain-text", "Text in several scripts, usage at the end", datas, carried, asked, ("text", "usage"))


def tool_calls() -> None:
    weather, clock = ['{"ci', 'ty": "Pa', 'ris", "un', 'it": "°C"}'], ["", '{"zone":', ' "Europe/Paris"}']

    def call(index: int, arguments: str, **opened: str) -> str:
        named = {"name": opened["name"]} if opened else {}
        entry: dict[str, Any] = {"index": index, "function": {**named, "arguments": arguments}}
        if opened:
            entry = {"index": index, "id": opened["id"], "type": "function", "function": entry["function"]}
        return chunk([choice({"tool_calls": [entry]})])

    datas = [
        chunk([choice({"role": "assistant", "content": None})]),
        call(0, "", id="call_pW3", name="get_weather"),
        *(call(0, part) for part in weather),
        call(1, clock[0], id="call_tK8", name="get_time"),
        *(call(1, part) for part in clock[1:]),
        chunk([choice({}, "tool_calls")]),
        chunk([], **usage(82, 35)),
        "[DONE]",
    ]
    calls = (
        ToolCall("call_pW3", "get_weather", "".join(weather)),
        ToolCall("call_tK8", "get_time", "".join(clock)),
    )
    carried = message(Choice(tool_calls=calls, finish_reason="tool_calls"), usage=TokenUsage(82, 35))
    tools = [
        {"type": "function", "function": {"name": n, "parameters": {"type": "object"}}}
        for n in ("get_weather", "get_time")
    ]
    asked = request("Weather and time in Paris?", tools=tools)
    write("parallel-tools", "Two tool calls, arguments in fragments", datas, carried, asked, ("tools", "usage"))


def reasoning(name: str, member: str, source: str, page: str) -> None:
    thought, answer = "The user greets me. 你好 is a greeting, so I greet back.", "你好! How can I help?"
    datas = [
        *said(thought, member=member)[:-1],
        *said(answer)[1:],
        chunk([], **usage(9, 31, completion_tokens_details={"reasoning_tokens": 19})),
        "[DONE]",
    ]
    carried = message(Choice(text=answer, reasoning=thought, finish_reason="stop"), usage=TokenUsage(9, 31))
    title = f"Reasoning in {member}, then the answer"
    write(name, title, datas, carried, request("你好"), ("text", "reasoning", "usage"), source, page)


def two_choices() -> None:
    texts = ("Heads, it is.", "It came up tails — again.")
    streams = [said(text, index=index) for index, text in enumerate(texts)]
    mixed = [data for pair in zip(*(s[:3] for s in streams), strict=True) for data in pair]
    datas = [*mixed, *streams[1][3:], *streams[0][3:], chunk([], **usage(8, 12)), "[DONE]"]
    carried = message(*(Choice(text=t, finish_reason="stop") for t in texts), usage=TokenUsage(8, 12))
    write("two-choices", "n = 2, interleaved", datas, carried, request("Toss a coin", n=2), ("text", "n", "usage"))


def refusal() -> None:
    words_of_it = "I'm sorry, I can't help with that."
    datas = [*said(words_of_it, member="refusal"), "[DONE]"]
    carried = message(Choice(refusal=words_of_it, finish_reason="stop"))
    asked = request("...")
    del asked["stream_options"]
    write("refusal", "A refusal in deltas of its own", datas, carried, asked, ("refusal",))


def length() -> None:
    text = "One, two, three, four,"
    datas = [*said(text, "length"), "[DONE]"]
    asked = request("Count", max_tokens=8)
    del asked["stream_options"]
    write("length", "Cut by max_tokens", datas, message(Choice(text=text, finish_reason="length")), asked, ("text",))


def in_band_error() -> None:
    text = "Half of an answer"
    error = {
        "message": "The server had an error while processing your request",
        "type": "server_error",
        "param": None,
        "code": "server_error",
    }
    datas = [*said(text)[:-1], json.dumps({"error": error}), "[DONE]"]
    reported = (ReportedError(error["message"] or "", "server_error", "server_error"),)
    carried = message(Choice(text=text), ended="error", errors=reported)
    write(
        "in-band-error",
        "The stream reports an error after some text",
        datas,
        carried,
        request("..."),
        ("text", "error"),
        "OpenAI API guides, Error codes",
        "https://platform.openai.com/docs/guides/error-codes",
    )


def filtered_first() -> None:
    ok = {k: {"filtered": False, "severity": "safe"} for k in ("hate", "self_harm", "sexual", "violence")}
    first = {
        "id": "",
        "object": "",
        "created": 0,
        "model": "",
        "choices": [],
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": ok}],
    }
    text = "Filtered, and found harmless."
    datas = [json.dumps(first), *said(text), "[DONE]"]
    asked = request("...")
    del asked["stream_options"]
    write(
        "azure-filter-first",
        "Azure's prompt filter results come first, without choices",
        datas,
        message(Choice(text=text, finish_reason="stop")),
        asked,
        ("text", "empty-choices"),
        "Azure OpenAI, Content filtering, streaming",
        "https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-streaming",
    )


def main() -> None:
    plain_text()
    tool_calls()
    reasoning(
        "reasoning-content",
        "reasoning_content",
        "DeepSeek API docs, Thinking mode",
        "https://api-docs.deepseek.com/guides/thinking_mode",
    )
    reasoning(
        "reasoning",
        "reasoning",
        "OpenRouter docs, Reasoning tokens",
        "https://openrouter.ai/docs/use-cases/reasoning-tokens",
    )
    two_choices()
    refusal()
    length()
    in_band_error()
    filtered_first()


if __name__ == "__main__":
    main()
