"""Writes the recordings of Amazon Bedrock's event streams: `python tools/fixtures_bedrock.py`.

Each stream is written out as AWS's reference describes it, with the padding member `p` that the service adds to every
payload; what it carries is stated beside it.
"""

from __future__ import annotations

import base64
from typing import Any

from written import PLAIN, PLAIN_QUESTION, compact, words, write

from streamgauge.eventstream import encode_message
from streamgauge.message import Choice, Message, ReportedError, TokenUsage, ToolCall

API = "https://docs.aws.amazon.com/bedrock/latest/APIReference/"
CONVERSE = ("AWS, Bedrock Runtime API reference, ConverseStream", API + "API_runtime_ConverseStream.html")
MODELS = "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters"
PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def event(kind: str, payload: dict[str, Any]) -> bytes:
    """One message; the padding hides the length of what is said."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    padded = {**payload, "p": PADDING[: 4 + len(compact(payload)) * 7 % 50]}
    return encode_message(headers, compact(padded).encode())


def chunk(payload: dict[str, Any]) -> bytes:
    return event("chunk", {"bytes": base64.b64encode(compact(payload).encode()).decode()})


def delta(index: int, **members: Any) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": members})


def stop(index: int) -> bytes:
    return event("contentBlockStop", {"contentBlockIndex": index})


def text(index: int, said: str) -> list[bytes]:
    return [*(delta(index, text=piece) for piece in words(said)), stop(index)]


def call(index: int, call_id: str, name: str, *pieces: str) -> list[bytes]:
    start = {"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": call_id, "name": name}}}
    deltas = (delta(index, toolUse={"input": piece}) for piece in pieces)
    return [event("contentBlockStart", start), *deltas, stop(index)]


START = event("messageStart", {"role": "assistant"})


def end(reason: str, given: int, made: int) -> list[bytes]:
    usage = {"inputTokens": given, "outputTokens": made, "totalTokens": given + made}
    return [
        event("messageStop", {"stopReason": reason}),
        event("metadata", {"usage": usage, "metrics": {"latencyMs": 741}}),
    ]


def request(prompt: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"text": prompt}]}], **more}


def message(choice: Choice, given: int, made: int, **more: Any) -> Message:
    return Message("bedrock-converse", "complete", (choice,), TokenUsage(given, made), **more)


def plain_text() -> None:
    events = [START, *text(0, PLAIN), *end("end_turn", 21, 108)]
    carried = message(Choice(text=PLAIN, finish_reason="end_turn"), 21, 108)
    title = "Text in several scripts, usage in the metadata"
    write("plain-text", title, events, carried, request(PLAIN_QUESTION), CONVERSE, ("text", "usage"))


def tool_calls() -> None:
    spoken = "I'll check both."
    weather, clock = ["", '{"ci', 'ty": "Pa', 'ris", "un', 'it": "°C"}'], ['{"zone":', ' "Europe/Paris"}']
    events = [
        START,
        *text(0, spoken),
        *call(1, "tooluse_Wq7", "get_weather", *weather),
        *call(2, "tooluse_Tm2", "get_time", *clock),
        *end("tool_use", 410, 96),
    ]
    calls = (
        ToolCall("tooluse_Wq7", "get_weather", "".join(weather)),
        ToolCall("tooluse_Tm2", "get_time", "".join(clock)),
    )
    carried = message(Choice(text=spoken, tool_calls=calls, finish_reason="tool_use"), 410, 96)
    schema = {"json": {"type": "object"}}
    tools = [{"toolSpec": {"name": n, "inputSchema": schema}} for n in ("get_weather", "get_time")]
    asked = request("Weather and time in Paris?", toolConfig={"tools": tools})
    title = "Two tool calls after some text, arguments in fragments"
    write("parallel-tools", title, events, carried, asked, CONVERSE, ("text", "tools", "usage"))


def reasoning() -> None:
    thought, answer = "The user greets me. 你好 is a greeting, so I greet back.", "你好! How can I help?"
    thinking = [delta(0, reasoningContent={"text": piece}) for piece in words(thought)]
    signature = delta(0, reasoningContent={"signature": "EqoBCkgIARABGAIiQDm1c2lnbmF0dXJlLW9mLWEtdGVzdA=="})
    events = [START, *thinking, signature, stop(0), *text(1, answer), *end("end_turn", 38, 61)]
    carried = message(Choice(text=answer, reasoning=thought, finish_reason="end_turn"), 38, 61)
    asked = request("你好", additionalModelRequestFields={"thinking": {"type": "enabled", "budget_tokens": 1024}})
    title = "Reasoning with its signature, then the answer"
    write("reasoning", title, events, carried, asked, CONVERSE, ("text", "reasoning", "usage"))


def length() -> None:
    said = "One, two, three, four,"
    events = [START, *text(0, said), *end("max_tokens", 10, 8)]
    carried = message(Choice(text=said, finish_reason="max_tokens"), 10, 8)
    asked = request("Count", inferenceConfig={"maxTokens": 8})
    write("length", "Cut by maxTokens", events, carried, asked, CONVERSE, ("text", "usage"))


def in_band_error() -> None:
    said, broke = (
        "Half of an answer",
        "The system encountered an unexpected error during processing. Try your request again.",
    )
    headers = {
        ":exception-type": "modelStreamErrorException",
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    failed = encode_message(headers, compact({"message": broke}).encode())
    carried = Message(
        "bedrock-converse",
        "error",
        (Choice(text=said),),
        errors=(ReportedError(broke, "modelStreamErrorException"),),
    )
    events = [START, *text(0, said)[:-1], failed]
    title = "An exception message after some text"
    write("in-band-error", title, events, carried, request("..."), CONVERSE, ("text", "error"))


def invoked_llama() -> None:
    """Its first event carries text: a reader that loses it shows."""
    said = "Llamas hum to one another."
    pieces = words(said)
    payloads: list[dict[str, Any]] = [
        {"generation": piece, "prompt_token_count": None, "generation_token_count": n + 1, "stop_reason": None}
        for n, piece in enumerate(pieces)
    ]
    payloads[0]["prompt_token_count"] = 17
    metrics = {"inputTokenCount": 17, "outputTokenCount": len(pieces), "invocationLatency": 410, "firstByteLatency": 92}
    payloads[-1] |= {"stop_reason": "stop", "amazon-bedrock-invocationMetrics": metrics}
    carried = message(Choice(text=said, finish_reason="stop"), 17, len(pieces))
    source = ("AWS, Bedrock User Guide, Meta Llama models", MODELS + "-meta.html")
    title = "InvokeModelWithResponseStream of a Llama model, text in the first event"
    asked = {"prompt": "Do llamas talk?", "max_gen_len": 64}
    write("invoke-llama", title, [chunk(p) for p in payloads], carried, asked, source, ("text", "usage", "invoke"))


def invoked_claude() -> None:
    said = "Hello from Claude."
    head = {"id": "msg_bdrk_01Fz", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": []}
    usage = {"input_tokens": 11, "output_tokens": 1}
    metrics = {"inputTokenCount": 11, "outputTokenCount": 9, "invocationLatency": 820, "firstByteLatency": 311}
    payloads: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**head, "stop_reason": None, "stop_sequence": None, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
            for piece in words(said)
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 9},
        },
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics},
    ]
    identity = {"model": "claude-sonnet-4-5", "id": "msg_bdrk_01Fz"}
    carried = message(Choice(text=said, finish_reason="end_turn"), 11, 9, **identity)
    source = ("AWS, Bedrock User Guide, Anthropic Claude Messages API", MODELS + "-anthropic-claude-messages.html")
    asked = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    title = "InvokeModelWithResponseStream of a Claude model"
    write("invoke-claude", title, [chunk(p) for p in payloads], carried, asked, source, ("text", "usage", "invoke"))


def main() -> None:
    plain_text()
    tool_calls()
    reasoning()
    length()
    in_band_error()
    invoked_llama()
    invoked_claude()


if __name__ == "__main__":
    main()
