"""Writes the recordings of Ollama's native API: `python tools/fixtures_ollama.py`.

Each stream is written out as Ollama's pages show it, object by object; what it carries is stated beside it.
"""

from __future__ import annotations

from typing import Any

from written import PLAIN, PLAIN_QUESTION, compact, words, write

from streamgauge.message import Choice, Message, ReportedError, TokenUsage, ToolCall

STREAMING = ("Ollama docs, Streaming", "https://docs.ollama.com/api/streaming")
TOOLS = ("Ollama docs, Tool calling", "https://docs.ollama.com/capabilities/tool-calling")
THINKING = ("Ollama docs, Thinking", "https://docs.ollama.com/capabilities/thinking")
ERRORS = ("Ollama docs, Errors", "https://docs.ollama.com/api/errors")
MODEL = "gemma4"
CHAT, GENERATE = "ollama-chat", "ollama-generate"


class Lines:
    """The objects of one stream, each a little later than the one before."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.events: list[bytes] = []

    def add(self, text: str = "", thinking: str = "", calls: list[dict[str, Any]] | None = None, **more: Any) -> None:
        moment = f"2025-10-26T17:15:24.{97767 + 31_000 * len(self.events):07d}Z"
        said: dict[str, Any] = {"response": text, "thinking": thinking}
        if self.dialect == CHAT:
            message = {"role": "assistant", "content": text, "thinking": thinking, "tool_calls": calls}
            said = {"message": {name: value for name, value in message.items() if value or name in ("role", "content")}}
        elif not thinking:
            del said["thinking"]
        value = {"model": MODEL, "created_at": moment, **said, "done": False, **more}
        self.events.append(f"{compact(value)}\n".encode())

    def say(self, text: str) -> None:
        for piece in words(text):
            self.add(piece)

    def think(self, text: str) -> None:
        for piece in words(text):
            self.add(thinking=piece)

    def end(self, given: int, made: int, reason: str = "stop") -> None:
        timings = {"total_duration": 2_174_560_334, "load_duration": 101_397_084}
        counts = {"prompt_eval_count": given, "prompt_eval_duration": 13_074_791}
        counts |= {"eval_count": made, "eval_duration": 52_479_709 * made}
        self.add(done=True, done_reason=reason, **timings, **counts)


def request(dialect: str, prompt: str, **more: Any) -> dict[str, Any]:
    asked = {"messages": [{"role": "user", "content": prompt}]} if dialect == CHAT else {"prompt": prompt}
    return {"model": MODEL, **asked, "stream": True, **more}


def message(dialect: str, choice: Choice, given: int, made: int, **more: Any) -> Message:
    facts = {"ended": "complete", "model": MODEL, "usage": TokenUsage(given, made), **more}
    return Message(dialect, choices=(choice,), **facts)


def plain_text(dialect: str) -> None:
    lines = Lines(dialect)
    lines.say(PLAIN)
    lines.end(21, 92)
    carried = message(dialect, Choice(text=PLAIN, finish_reason="stop"), 21, 92)
    title = "Text in several scripts, from the first object on"
    write("plain-text", title, lines.events, carried, request(dialect, PLAIN_QUESTION), STREAMING, ("text", "usage"))


def parallel_tools() -> None:
    lines = Lines(CHAT)
    weather, clock = {"city": "Paris", "unit": "°C"}, {"zone": "Europe/Paris"}
    for index, (name, arguments) in enumerate((("get_weather", weather), ("get_time", clock))):
        function = {"index": index, "name": name, "arguments": arguments}
        lines.add(calls=[{"id": f"call_{index}k3v", "function": function}])
    lines.end(169, 41)
    calls = (
        ToolCall("call_0k3v", "get_weather", '{"city":"Paris","unit":"°C"}'),
        ToolCall("call_1k3v", "get_time", '{"zone":"Europe/Paris"}'),
    )
    carried = message(CHAT, Choice(tool_calls=calls, finish_reason="stop"), 169, 41)
    tools = [
        {"type": "function", "function": {"name": n, "parameters": {"type": "object"}}}
        for n in ("get_weather", "get_time")
    ]
    asked = request(CHAT, "Weather and time in Paris?", tools=tools)
    write("parallel-tools", "Two tool calls, each whole", lines.events, carried, asked, TOOLS, ("tools", "usage"))


def thinking(dialect: str) -> None:
    thought, answer = "The user greets me. 你好 is a greeting, so I greet back.", "你好! How can I help?"
    lines = Lines(dialect)
    lines.think(thought)
    lines.say(answer)
    lines.end(11, 31)
    carried = message(dialect, Choice(text=answer, reasoning=thought, finish_reason="stop"), 11, 31)
    asked = request(dialect, "你好", think=True)
    write(
        "thinking", "Thinking, then the answer", lines.events, carried, asked, THINKING, ("text", "reasoning", "usage")
    )


def length(dialect: str) -> None:
    text = "One, two, three, four,"
    lines = Lines(dialect)
    lines.say(text)
    lines.end(8, 8, "length")
    carried = message(dialect, Choice(text=text, finish_reason="length"), 8, 8)
    asked = request(dialect, "Count", options={"num_predict": 8})
    write("length", "Cut by num_predict", lines.events, carried, asked, STREAMING, ("text", "usage"))


def in_band_error(dialect: str) -> None:
    text, told = " Yes. I can", "an error was encountered while running the model"
    lines = Lines(dialect)
    lines.say(text)
    lines.events.append(f"{compact({'error': told})}\n".encode())
    carried = Message(dialect, "error", (Choice(text=text),), None, (ReportedError(told),), model=MODEL)
    title = "The stream reports an error after some text"
    write("in-band-error", title, lines.events, carried, request(dialect, "..."), ERRORS, ("text", "error"))


def main() -> None:
    for dialect in (CHAT, GENERATE):
        plain_text(dialect)
        thinking(dialect)
        length(dialect)
        in_band_error(dialect)
    parallel_tools()


if __name__ == "__main__":
    main()
