"""Writes the recordings of Responses streams, OpenAI's and Open Responses': `python tools/fixtures_responses.py`.

Each stream is written out as the references show it, event by event; what it carries is stated beside it.
"""

from __future__ import annotations

from typing import Any

from written import PLAIN, PLAIN_QUESTION, compact, named_event, words, write

from streamgauge.message import Choice, Message, ReportedError, ServerToolCall, TokenUsage, ToolCall

REFERENCE = (
    "OpenAI API reference, Responses streaming events",
    "https://platform.openai.com/docs/api-reference/responses-streaming",
)
SEARCH = ("OpenAI API docs, Web search", "https://platform.openai.com/docs/guides/tools-web-search")
OPEN = ("Open Responses specification", "https://www.openresponses.org/specification")
ID = "resp_67c9fdcecf488190bdd9a0409de3a1ec"
MODEL = "gpt-4.1-2025-04-14"
OPENAI, OPEN_RESPONSES = "openai-responses", "open-responses"
DONE = b"data: [DONE]\n\n"


class Stream:
    """The events of one response, numbered as they are added."""

    def __init__(self, dialect: str = OPENAI) -> None:
        self.dialect = dialect
        self.events: list[bytes] = []
        self._number = 0
        self._output: list[dict[str, Any]] = []
        for kind in ("created", "in_progress"):
            self.add(f"response.{kind}", response=self._snapshot("in_progress", []))

    def add(self, kind: str, **members: Any) -> None:
        self.events.append(named_event(kind, **members, sequence_number=self._number))
        self._number += 1

    def _snapshot(self, status: str, output: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        head = {"id": ID, "object": "response", "created_at": 1_763_800_000, "status": status, "error": None}
        facts = {
            "incomplete_details": None,
            "model": MODEL,
            "output": output,
            "parallel_tool_calls": True,
            "usage": None,
        }
        return {**head, **facts, **more}

    def open(self, item: dict[str, Any]) -> None:
        self.add("response.output_item.added", output_index=len(self._output), item=item)

    def close(self, item: dict[str, Any]) -> None:
        self.add("response.output_item.done", output_index=len(self._output), item=item)
        self._output.append(item)

    def message(self, text: str, kind: str = "output_text", status: str = "completed") -> None:
        item_id = f"msg_67c9fdcf37fc8190ba82116e33fb28c{len(self._output)}"
        at = {"item_id": item_id, "output_index": len(self._output), "content_index": 0}
        member = "refusal" if kind == "refusal" else "text"
        part = {"type": kind, member: text, **({"annotations": [], "logprobs": []} if kind == "output_text" else {})}
        extra: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
        item = {"id": item_id, "type": "message", "role": "assistant"}
        self.open({**item, "status": "in_progress", "content": []})
        self.add("response.content_part.added", **at, part={**part, member: ""})
        for piece in words(text):
            self.add(f"response.{kind}.delta", **at, delta=piece, **extra)
        self.add(f"response.{kind}.done", **at, **{member: text}, **extra)
        self.add("response.content_part.done", **at, part=part)
        self.close({**item, "status": status, "content": [part]})

    def call(self, call_id: str, name: str, *pieces: str) -> None:
        item_id = f"fc_67ca09c6bedc8190a7abfec07b1a133{len(self._output)}"
        at = {"item_id": item_id, "output_index": len(self._output)}
        item = {"id": item_id, "type": "function_call", "call_id": call_id, "name": name}
        self.open({**item, "arguments": "", "status": "in_progress"})
        for piece in pieces:
            self.add("response.function_call_arguments.delta", **at, delta=piece)
        arguments = "".join(pieces)
        self.add("response.function_call_arguments.done", **at, arguments=arguments)
        self.close({**item, "arguments": arguments, "status": "completed"})

    def summary(self, text: str) -> None:
        item_id = f"rs_67c9fdd23ac081909ccb9ce3ba6a8c2{len(self._output)}"
        at = {"item_id": item_id, "output_index": len(self._output), "summary_index": 0}
        item = {"id": item_id, "type": "reasoning"}
        self.open({**item, "summary": []})
        self.add("response.reasoning_summary_part.added", **at, part={"type": "summary_text", "text": ""})
        for piece in words(text):
            self.add("response.reasoning_summary_text.delta", **at, delta=piece)
        self.add("response.reasoning_summary_text.done", **at, text=text)
        part = {"type": "summary_text", "text": text}
        self.add("response.reasoning_summary_part.done", **at, part=part)
        self.close({**item, "summary": [part]})

    def reasoning(self, text: str) -> None:
        """Raw reasoning in content parts, under the name that the reference of the dialect gives it."""
        kind = "reasoning_text" if self.dialect == OPENAI else "reasoning"
        item_id = f"rs_67c9fdd23ac081909ccb9ce3ba6a8c2{len(self._output)}"
        at = {"item_id": item_id, "output_index": len(self._output), "content_index": 0}
        item = {"id": item_id, "type": "reasoning", "summary": []}
        part = {"type": "reasoning_text", "text": text}
        self.open({**item, "status": "in_progress"})
        self.add("response.content_part.added", **at, part={**part, "text": ""})
        for piece in words(text):
            self.add(f"response.{kind}.delta", **at, delta=piece)
        self.add(f"response.{kind}.done", **at, text=text)
        self.add("response.content_part.done", **at, part=part)
        self.close({**item, "status": "completed", "content": [part]})

    def end(self, given: int, made: int, status: str = "completed", reasoning: int = 0, **more: Any) -> list[bytes]:
        usage: dict[str, Any] = {"input_tokens": given, "input_tokens_details": {"cached_tokens": 0}}
        usage |= {"output_tokens": made, "output_tokens_details": {"reasoning_tokens": reasoning}}
        usage |= {"total_tokens": given + made}
        facts = {"usage": usage, **more}
        self.add(f"response.{status}", response=self._snapshot(status, self._output, **facts))
        return [*self.events, *([DONE] if self.dialect == OPEN_RESPONSES else [])]

    def fail(self, error: dict[str, Any]) -> list[bytes]:
        self.add("response.failed", response=self._snapshot("failed", self._output, error=error))
        return [*self.events, *([DONE] if self.dialect == OPEN_RESPONSES else [])]


def request(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-4.1", "input": [{"role": "user", "content": prompt}], "stream": True, **more}


def message(dialect: str, choice: Choice, **more: Any) -> Message:
    return Message(dialect, choices=(choice,), **{"ended": "complete", "id": ID, "model": MODEL, **more})


def source_of(dialect: str) -> tuple[str, str]:
    return REFERENCE if dialect == OPENAI else OPEN


def plain_text(dialect: str) -> None:
    stream = Stream(dialect)
    stream.message(PLAIN)
    carried = message(dialect, Choice(text=PLAIN, finish_reason="completed"), usage=TokenUsage(19, 92))
    title, tags = "Text in several scripts, usage in the last event", ("text", "usage")
    write("plain-text", title, stream.end(19, 92), carried, request(PLAIN_QUESTION), source_of(dialect), tags)


def parallel_tools(dialect: str) -> None:
    weather, clock = ['{"ci', 'ty": "Pa', 'ris", "un', 'it": "°C"}'], ['{"zone":', ' "Europe/Paris"}']
    stream = Stream(dialect)
    stream.call("call_pW3", "get_weather", *weather)
    stream.call("call_tK8", "get_time", *clock)
    calls = (ToolCall("call_pW3", "get_weather", "".join(weather)), ToolCall("call_tK8", "get_time", "".join(clock)))
    carried = message(dialect, Choice(tool_calls=calls, finish_reason="completed"), usage=TokenUsage(82, 35))
    tools = [{"type": "function", "name": n, "parameters": {"type": "object"}} for n in ("get_weather", "get_time")]
    asked = request("Weather and time in Paris?", tools=tools)
    title, tags = "Two function calls, arguments in fragments", ("tools", "usage")
    write("parallel-tools", title, stream.end(82, 35), carried, asked, source_of(dialect), tags)


THOUGHT, GREETING = "The user greets me. 你好 is a greeting, so I greet back.", "你好! How can I help?"


def reasoning_summary() -> None:
    stream = Stream()
    stream.summary(THOUGHT)
    stream.message(GREETING)
    choice = Choice(text=GREETING, reasoning=THOUGHT, finish_reason="completed")
    carried = message(OPENAI, choice, usage=TokenUsage(9, 31))
    asked = request("你好", reasoning={"summary": "auto"})
    title, tags = "A summary of the reasoning, then the answer", ("text", "reasoning", "usage")
    write("reasoning-summary", title, stream.end(9, 31, reasoning=19), carried, asked, REFERENCE, tags)


def reasoning(dialect: str) -> None:
    stream = Stream(dialect)
    stream.reasoning(THOUGHT)
    stream.message(GREETING)
    choice = Choice(text=GREETING, reasoning=THOUGHT, finish_reason="completed")
    carried = message(dialect, choice, usage=TokenUsage(9, 31))
    title, tags = "The reasoning itself, then the answer", ("text", "reasoning", "usage")
    write("reasoning", title, stream.end(9, 31, reasoning=19), carried, request("你好"), source_of(dialect), tags)


def refusal() -> None:
    words_of_it = "I'm sorry, I can't help with that."
    stream = Stream()
    stream.message(words_of_it, "refusal")
    carried = message(OPENAI, Choice(refusal=words_of_it, finish_reason="completed"), usage=TokenUsage(9, 11))
    tags = ("refusal", "usage")
    write("refusal", "A refusal in deltas of its own", stream.end(9, 11), carried, request("..."), REFERENCE, tags)


def length(dialect: str) -> None:
    text = "One, two, three, four,"
    stream = Stream(dialect)
    stream.message(text, status="incomplete")
    carried = message(dialect, Choice(text=text, finish_reason="incomplete"), usage=TokenUsage(8, 16))
    events = stream.end(8, 16, "incomplete", incomplete_details={"reason": "max_output_tokens"})
    asked = request("Count", max_output_tokens=16)
    write("length", "Cut by max_output_tokens", events, carried, asked, source_of(dialect), ("text", "usage"))


def custom_tool() -> None:
    given = ["SELECT 1;\n", "-- café"]
    stream = Stream()
    at = {"item_id": "ctc_1", "output_index": 0}
    item = {"id": "ctc_1", "type": "custom_tool_call", "call_id": "call_sql", "name": "run_sql"}
    stream.open({**item, "input": "", "status": "in_progress"})
    for piece in given:
        stream.add("response.custom_tool_call_input.delta", **at, delta=piece)
    stream.add("response.custom_tool_call_input.done", **at, input="".join(given))
    stream.close({**item, "input": "".join(given), "status": "completed"})
    call = ToolCall("call_sql", "run_sql", "".join(given))
    carried = message(OPENAI, Choice(tool_calls=(call,), finish_reason="completed"), usage=TokenUsage(30, 12))
    asked = request("Ask the database", tools=[{"type": "custom", "name": "run_sql"}])
    title = "A custom tool, whose input is text and no JSON"
    write("custom-tool", title, stream.end(30, 12), carried, asked, REFERENCE, ("tools", "usage"))


def web_search() -> None:
    answer, query = "It rains in Paris.", "weather Paris"
    stream = Stream()
    item = {"id": "ws_1", "type": "web_search_call"}
    done = {"status": "completed", "action": {"type": "search", "query": query}}
    stream.open({**item, "status": "in_progress"})
    for step in ("in_progress", "searching", "completed"):
        stream.add(f"response.web_search_call.{step}", output_index=0, item_id="ws_1")
    stream.close({**item, **done})
    stream.message(answer)
    ran = ServerToolCall("ws_1", "web_search_call", "", compact(done))
    choice = Choice(text=answer, finish_reason="completed", server_tool_calls=(ran,))
    carried = message(OPENAI, choice, usage=TokenUsage(320, 30))
    asked = request("Weather in Paris?", tools=[{"type": "web_search"}])
    title, tags = "A search that OpenAI runs, then the answer", ("text", "server-tools", "usage")
    write("web-search", title, stream.end(320, 30), carried, asked, SEARCH, tags)


ERROR = {"code": "server_error", "message": "The model failed to generate a response."}


def in_band_error(dialect: str) -> None:
    """An error event, and the response that failed by it: one failure."""
    text = "Half of an answer"
    stream = Stream(dialect)
    stream.message(text)
    stream.events = stream.events[:-3]  # the message does not come to its end
    stream._number -= 3
    if dialect == OPENAI:
        stream.add("error", **ERROR, param=None)
    else:
        stream.add("error", error={"type": "server_error", **ERROR, "param": None})
    stream._output.clear()
    kind = "" if dialect == OPENAI else "server_error"
    told = (ReportedError(ERROR["message"], kind, ERROR["code"]),)
    carried = message(dialect, Choice(text=text, finish_reason="failed"), ended="error", errors=told)
    title, tags = "The stream reports an error after some text", ("text", "error")
    write("in-band-error", title, stream.fail(ERROR), carried, request("..."), source_of(dialect), tags)


def extension() -> None:
    text = "Hello there."
    stream = Stream(OPEN_RESPONSES)
    stream.add("acme:trace_event", phase="sampling", latency_ms=34)
    stream.message(text)
    carried = message(OPEN_RESPONSES, Choice(text=text, finish_reason="completed"), usage=TokenUsage(9, 4))
    title, tags = "An implementor's own event, to be ignored", ("text", "usage")
    write("extension", title, stream.end(9, 4), carried, request("Hi"), OPEN, tags)


def main() -> None:
    for dialect in (OPENAI, OPEN_RESPONSES):
        plain_text(dialect)
        parallel_tools(dialect)
        reasoning(dialect)
        length(dialect)
        in_band_error(dialect)
    reasoning_summary()
    refusal()
    custom_tool()
    web_search()
    extension()


if __name__ == "__main__":
    main()
