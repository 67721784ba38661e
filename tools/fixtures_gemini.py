"""Writes the recordings of Gemini's streamGenerateContent: `python tools/fixtures_gemini.py`.

Each stream is written out as Google's references describe its responses, in the line ends of Google's services; what it
carries is stated beside it.
"""

from __future__ import annotations

from typing import Any

from written import PLAIN, PLAIN_QUESTION, compact, words, write

from streamgauge.message import Choice, Message, ReportedError, ServerToolCall, TokenUsage, ToolCall

REFERENCE = ("Gemini API reference, GenerateContentResponse", "https://ai.google.dev/api/generate-content")
TOOLS = ("Gemini API docs, Function calling", "https://ai.google.dev/gemini-api/docs/function-calling")
THINKING = ("Gemini API docs, Thinking", "https://ai.google.dev/gemini-api/docs/thinking")
CODE = ("Gemini API docs, Code execution", "https://ai.google.dev/gemini-api/docs/code-execution")
SAFETY = ("Gemini API docs, Safety settings", "https://ai.google.dev/gemini-api/docs/safety-settings")
ERRORS = ("Gemini API docs, Troubleshooting guide", "https://ai.google.dev/gemini-api/docs/troubleshooting")
VERTEX = (
    "Vertex AI docs, Function calling, streaming function call arguments",
    "https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling",
)
ID = "hJk2aYbSNLqpz7IPw4aZuQY"
MODEL = "gemini-2.5-flash"


def event(value: dict[str, Any]) -> bytes:
    return f"data: {compact(value)}\r\n\r\n".encode()


def usage(prompt: int, candidates: int, thoughts: int = 0) -> dict[str, Any]:
    counts = {"promptTokenCount": prompt, "candidatesTokenCount": candidates}
    counts |= {"totalTokenCount": prompt + candidates + thoughts}
    return {"usageMetadata": counts | ({"thoughtsTokenCount": thoughts} if thoughts else {})}


def response(*parts: dict[str, Any], finish: str = "", index: int = 0, **more: Any) -> bytes:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}} if parts else {}
    candidate |= {"finishReason": finish} if finish else {}
    return event({"candidates": [{**candidate, "index": index}], **more, "modelVersion": MODEL, "responseId": ID})


def said(text: str, finish: str = "STOP", index: int = 0, **more: Any) -> list[bytes]:
    """The first piece comes in the first response, the finishReason beside the last."""
    *pieces, last = words(text)
    first = [response({"text": piece}, index=index) for piece in pieces]
    return [*first, response({"text": last}, finish=finish, index=index, **more)]


def request(prompt: str, **more: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": prompt}]}], **more}


def message(*choices: Choice, **more: Any) -> Message:
    return Message("gemini-generate", choices=choices, **{"ended": "complete", "id": ID, "model": MODEL, **more})


def plain_text() -> None:
    carried = message(Choice(text=PLAIN, finish_reason="STOP"), usage=TokenUsage(13, 92))
    events = said(PLAIN, **usage(13, 92))
    title = "Text in several scripts, from the first response on"
    write("plain-text", title, events, carried, request(PLAIN_QUESTION), REFERENCE, ("text", "usage"))


FUNCTIONS = [{"name": n, "parameters": {"type": "OBJECT"}} for n in ("get_weather", "get_time")]
CALLS = (
    ToolCall("", "get_weather", '{"city":"Paris","unit":"°C"}'),
    ToolCall("", "get_time", '{"zone":"Europe/Paris"}'),
)


def parallel_tools() -> None:
    weather = {"functionCall": {"name": "get_weather", "args": {"city": "Paris", "unit": "°C"}}}
    clock = {"functionCall": {"name": "get_time", "args": {"zone": "Europe/Paris"}}}
    events = [response(weather), response(clock), response({"text": ""}, finish="STOP", **usage(72, 35))]
    carried = message(Choice(tool_calls=CALLS, finish_reason="STOP"), usage=TokenUsage(72, 35))
    asked = request("Weather and time in Paris?", tools=[{"functionDeclarations": FUNCTIONS}])
    title = "Two function calls, each whole, then a response without text"
    write("parallel-tools", title, events, carried, asked, TOOLS, ("tools", "usage"))


def streamed_arguments() -> None:
    def piece(*args: dict[str, Any], more: bool = True, **named: Any) -> bytes:
        partial = {"partialArgs": list(args)} if args else {}
        return response({"functionCall": {**named, **partial, **({"willContinue": True} if more else {})}})

    city = {"jsonPath": "$.city"}
    events = [
        piece(name="get_weather"),
        piece({**city, "stringValue": "Pa", "willContinue": True}),
        piece({**city, "stringValue": "ris"}),
        piece({"jsonPath": "$.unit", "stringValue": "°C"}, more=False),
        piece(name="get_time"),
        piece({"jsonPath": "$.zone", "stringValue": "Europe/Paris"}),
        piece(more=False),
        response(finish="STOP", **usage(72, 35)),
    ]
    carried = message(Choice(tool_calls=CALLS, finish_reason="STOP"), usage=TokenUsage(72, 35))
    config = {"functionCallingConfig": {"mode": "AUTO", "streamFunctionCallArguments": True}}
    asked = request("Weather and time in Paris?", tools=[{"functionDeclarations": FUNCTIONS}], toolConfig=config)
    title = "Vertex: the arguments of two calls in pieces"
    write("streamed-arguments", title, events, carried, asked, VERTEX, ("tools", "usage"))


def thinking() -> None:
    thought, answer = "The user greets me. 你好 is a greeting, so I greet back.", "你好! How can I help?"
    thoughts = [response({"text": piece, "thought": True}) for piece in words(thought)]
    events = [*thoughts, *said(answer, **usage(4, 12, thoughts=19))]
    carried = message(Choice(text=answer, reasoning=thought, finish_reason="STOP"), usage=TokenUsage(4, 12))
    asked = request("你好", generationConfig={"thinkingConfig": {"includeThoughts": True}})
    write("thinking", "Thoughts, then the answer", events, carried, asked, THINKING, ("text", "reasoning", "usage"))


def code_execution() -> None:
    code = {"language": "PYTHON", "code": "print(sum(range(11)))\n"}
    result = {"outcome": "OUTCOME_OK", "output": "55\n"}
    answer = "The sum is 55."
    events = [
        response({"text": "I add them up."}),
        response({"executableCode": code}),
        response({"codeExecutionResult": result}),
        *said(answer, **usage(15, 48)),
    ]
    ran = ServerToolCall("", "executableCode", compact(code), compact(result))
    text = f"I add them up.{answer}"
    carried = message(Choice(text=text, finish_reason="STOP", server_tool_calls=(ran,)), usage=TokenUsage(15, 48))
    asked = request("Sum of 0 to 10?", tools=[{"codeExecution": {}}])
    write("code-execution", "Code that Google runs", events, carried, asked, CODE, ("text", "server-tools", "usage"))


def two_candidates() -> None:
    texts = ("Heads, it is.", "It came up tails — again.")
    first, second = (said(t, index=i) for i, t in enumerate(texts))
    mixed = [one for pair in zip(first[:2], second[:2], strict=True) for one in pair]
    last = event({**usage(4, 12), "modelVersion": MODEL, "responseId": ID})
    carried = message(*(Choice(text=t, finish_reason="STOP") for t in texts), usage=TokenUsage(4, 12))
    asked = request("Toss a coin", generationConfig={"candidateCount": 2})
    events = [*mixed, *second[2:], *first[2:], last]
    write("two-choices", "candidateCount 2, interleaved", events, carried, asked, REFERENCE, ("text", "n", "usage"))


def length() -> None:
    text = "One, two, three, four,"
    carried = message(Choice(text=text, finish_reason="MAX_TOKENS"), usage=TokenUsage(3, 8))
    asked = request("Count", generationConfig={"maxOutputTokens": 8})
    events = said(text, "MAX_TOKENS", **usage(3, 8))
    write("length", "Cut by maxOutputTokens", events, carried, asked, REFERENCE, ("text", "usage"))


def blocked_prompt() -> None:
    rating = {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH"}
    feedback = {"blockReason": "SAFETY", "safetyRatings": [rating]}
    counts = {"usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}}
    events = [event({"promptFeedback": feedback, **counts, "modelVersion": MODEL, "responseId": ID})]
    carried = message(usage=TokenUsage(9, None))
    write("blocked-prompt", "A blocked prompt has no candidate", events, carried, request("..."), SAFETY, ("blocked",))


def safety_stop() -> None:
    text = "I can say that much,"
    counts = {"usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}}
    events = [*(response({"text": p}) for p in words(text)), response(finish="SAFETY", **counts)]
    carried = message(Choice(text=text, finish_reason="SAFETY"), usage=TokenUsage(9, None))
    title = "Stopped by a filter: the last response has no content"
    write("safety", title, events, carried, request("..."), SAFETY, ("text", "filter"))


def in_band_error() -> None:
    text, told = "Half of an answer", "The model is overloaded. Please try again later."
    error = {"error": {"code": 503, "message": told, "status": "UNAVAILABLE"}}
    events = [*(response({"text": p}) for p in words(text)), event(error)]
    errors = (ReportedError(told, "UNAVAILABLE", "503"),)
    carried = message(Choice(text=text), ended="error", errors=errors)
    title = "The stream reports an error after some text"
    write("in-band-error", title, events, carried, request("..."), ERRORS, ("text", "error"))


def main() -> None:
    plain_text()
    parallel_tools()
    streamed_arguments()
    thinking()
    code_execution()
    two_candidates()
    length()
    blocked_prompt()
    safety_stop()
    in_band_error()


if __name__ == "__main__":
    main()
