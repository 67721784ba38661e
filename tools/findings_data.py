"""What the pages of `tools/findings.py` say by hand: how each library is called, and what each defect is.

A finding is a `fail` of the conformance matrix of a library named here under a rule named here. Left out on purpose:
line ends of CR alone and half events at the end of the bytes, which no service sends today.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Library:
    """How a user calls it: `call` prints the text as it comes; `url` is the address of the server."""

    project: str
    home: str
    dialect: str
    imports: str
    call: str
    asks_for_models: bool = False


@dataclass(frozen=True, slots=True)
class Defect:
    """A rule seen from the user: `happens` and `matters` are sentences, `parts` the writes that show it by dialect."""

    slug: str
    title: str
    severity: str
    happens: str
    matters: str
    expected: str
    parts: dict[str, tuple[bytes, ...]]


OPENAI_LOOP = """for chunk in client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True):
    print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="")"""

LIBRARIES = {
    "openai": Library(
        "openai-python",
        "https://github.com/openai/openai-python",
        "openai-chat",
        "import openai",
        f'client = openai.OpenAI(base_url=url + "/v1", api_key="x", max_retries=0)\n{OPENAI_LOOP}',
    ),
    "groq": Library(
        "groq-python",
        "https://github.com/groq/groq-python",
        "openai-chat",
        "import groq",
        f'client = groq.Groq(base_url=url, api_key="x", max_retries=0)\n{OPENAI_LOOP}',
    ),
    "g4f": Library(
        "gpt4free",
        "https://github.com/xtekky/gpt4free",
        "openai-chat",
        "from g4f.client import Client\nfrom g4f.client.factory import create_custom_provider",
        'client = Client(provider=create_custom_provider(url + "/v1", api_key="x"))\n' + OPENAI_LOOP,
        asks_for_models=True,
    ),
    "huggingface-hub": Library(
        "huggingface_hub",
        "https://github.com/huggingface/huggingface_hub",
        "openai-chat",
        "from huggingface_hub import InferenceClient",
        """client = InferenceClient(base_url=url + "/v1", api_key="x")
for chunk in client.chat_completion([{"role": "user", "content": "hi"}], stream=True):
    print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="")""",
    ),
    "mistralai": Library(
        "mistralai (client-python)",
        "https://github.com/mistralai/client-python",
        "openai-chat",
        "from mistralai.client import Mistral",
        """client = Mistral(server_url=url, api_key="x")
for event in client.chat.stream(model="m", messages=[{"role": "user", "content": "hi"}]):
    print(event.data.choices[0].delta.content or "", end="")""",
    ),
    "httpx-sse": Library(
        "httpx-sse",
        "https://github.com/florimondmanca/httpx-sse",
        "openai-chat",
        "import httpx, httpx_sse, json",
        """with httpx.Client() as client, httpx_sse.connect_sse(client, "POST", url, json={}) as source:
    for event in source.iter_sse():
        if event.data != "[DONE]":
            print(json.loads(event.data)["choices"][0]["delta"].get("content") or "", end="")""",
    ),
    "sseclient-py": Library(
        "sseclient-py",
        "https://github.com/mpetazzoni/sseclient",
        "openai-chat",
        "import json, requests, sseclient",
        """for event in sseclient.SSEClient(requests.post(url, json={}, stream=True)).events():
    if event.data != "[DONE]":
        print(json.loads(event.data)["choices"][0]["delta"].get("content") or "", end="")""",
    ),
    "anthropic": Library(
        "anthropic-sdk-python",
        "https://github.com/anthropics/anthropic-sdk-python",
        "anthropic-messages",
        "import anthropic",
        """client = anthropic.Anthropic(base_url=url, api_key="x", max_retries=0)
for e in client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}], stream=True):
    print(e.delta.text if e.type == "content_block_delta" else "", end="")""",
    ),
    "google-genai": Library(
        "google-genai",
        "https://github.com/googleapis/python-genai",
        "gemini-generate",
        "from google import genai",
        """client = genai.Client(api_key="x", http_options={"base_url": url, "api_version": "v1beta"})
for chunk in client.models.generate_content_stream(model="m", contents="hi"):
    print(chunk.text or "", end="")""",
    ),
    "ollama": Library(
        "ollama-python",
        "https://github.com/ollama/ollama-python",
        "ollama-chat",
        "import ollama",
        """for part in ollama.Client(host=url).chat(model="m", messages=[{"role": "user", "content": "hi"}], stream=True):
    print(part.message.content or "", end="")""",
    ),
    "cohere": Library(
        "cohere-python",
        "https://github.com/cohere-ai/cohere-python",
        "cohere-chat",
        "import cohere",
        """client = cohere.ClientV2(base_url=url, api_key="x")
for event in client.chat_stream(model="m", messages=[{"role": "user", "content": "hi"}]):
    print(event.delta.message.content.text if event.type == "content-delta" else "", end="")""",
    ),
}


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def chat(text: str, finish: str | None = None) -> bytes:
    delta = {"content": text} if text else {}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return _json({**head, "choices": [choice]})


def gemini(text: str, **more: Any) -> bytes:
    return _json({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, **more}]})


def said(data: bytes, head: bytes = b"data: ", end: bytes = b"\n\n") -> bytes:
    return head + data + end


def named(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: ".encode() + _json({"type": kind, **members}) + b"\n\n"


def ollama(text: str) -> bytes:
    return _json({"model": "m", "message": {"role": "assistant", "content": text}, "done": False}) + b"\n"


CHAT_END = said(chat("", "stop")) + said(b"[DONE]")
START = named(
    "message_start",
    message={
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
)
BLOCK = named("content_block_start", index=0, content_block={"type": "text", "text": ""})
STOP = (
    named("content_block_stop", index=0)
    + named("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 2})
    + named("message_stop")
)


def piece(text: str) -> bytes:
    return named("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def cohere(text: str) -> bytes:
    return named("content-delta", index=0, delta={"message": {"content": {"text": text}}})


GEMINI_END = {"finishReason": "STOP"}
BOM = b"\xef\xbb\xbf"


def _bad(make: Any) -> bytes:
    """An event whose text has a byte in it that is no UTF-8."""
    return bytes(make("@BAD@")).replace(b"@BAD@", b"l\xffo")


DEFECTS = {
    "SEQ-010": Defect(
        "truncated-is-success",
        "a stream that breaks off is handed over as a complete answer",
        "high: an answer that was cut is used as if it were whole",
        "The body ends properly, but without the event that ends the stream. The iteration ends as if nothing were missing.",
        "A proxy or a server that is stopped ends bodies so. Nothing but the terminator tells a whole answer from half of one.",
        "an exception: the stream ended without its terminator",
        {
            "openai-chat": (said(chat("Hel")),),
            "anthropic-messages": (START + BLOCK + piece("Hel"),),
            "gemini-generate": (said(gemini("Hel")),),
            "ollama-chat": (ollama("Hel"),),
            "cohere-chat": (named("message-start", id="x", delta={"message": {"role": "assistant"}}) + cohere("Hel"),),
        },
    ),
    "SSE-006": Defect(
        "invalid-utf8-ends-the-stream",
        "one ill-formed byte ends the stream with a decoding error",
        "medium: a half character from a model's tokenizer loses the rest of the answer",
        "One byte of the second event is no UTF-8. The iteration raises, and what follows is lost.",
        "The standard's decoder replaces ill-formed bytes by U+FFFD and goes on; model servers that cut a character send such bytes.",
        "Hel, then l, U+FFFD and o, and the end",
        {
            "openai-chat": (said(chat("Hel")) + said(_bad(chat)) + CHAT_END,),
            "anthropic-messages": (START + BLOCK + piece("Hel") + _bad(piece) + STOP,),
        },
    ),
    "SSE-008": Defect(
        "byte-order-mark-loses-the-first-event",
        "a byte order mark before the first event loses that event",
        "low: servers that write a byte order mark are rare, but the loss is silent",
        "The body begins with a byte order mark. The first event is lost, or fails.",
        "The standard strips one leading byte order mark, so browsers and conforming parsers read the stream.",
        "Hello",
        {
            "openai-chat": (BOM + said(chat("Hel")) + said(chat("lo")) + CHAT_END,),
            "anthropic-messages": (BOM + START + BLOCK + piece("Hello") + STOP,),
            "gemini-generate": (BOM + said(gemini("Hel")) + said(gemini("lo", **GEMINI_END)),),
        },
    ),
    "SSE-014": Defect(
        "block-without-data-is-an-event",
        "a block without data is handed to the JSON parser",
        "medium: any server or proxy that sets retry or id kills the stream",
        "A block that has only a retry field stands between two events. It is taken for an event with empty data, and parsing that fails.",
        "By the standard nothing is dispatched when the data buffer is empty.",
        "Hello",
        {
            "openai-chat": (said(chat("Hel")) + b"retry: 3000\n\n" + said(chat("lo")) + CHAT_END,),
            "gemini-generate": (said(gemini("Hel")) + b"retry: 3000\n\n" + said(gemini("lo", **GEMINI_END)),),
        },
    ),
    "SSE-013": Defect(
        "comments-are-parsed",
        "a comment, which servers send to keep a connection alive, fails the stream",
        "high: keep-alive comments are what the standard advises and what proxies insert",
        "A line that begins with a colon stands between two events. It is parsed as JSON, and fails.",
        'The standard: "If the line starts with a U+003A COLON character (:): Ignore the line."',
        "Hello",
        {"gemini-generate": (said(gemini("Hel")) + b": keep-alive\n\n" + said(gemini("lo", **GEMINI_END)),)},
    ),
    "SSE-012": Defect(
        "space-behind-the-colon-is-required",
        "`data:` without a space behind the colon is not understood",
        "medium: the space is optional, and there are servers that leave it out",
        "The fields are written without the optional space. The events are lost, or fail.",
        'The standard: "If value starts with a U+0020 SPACE character, remove it from value" - the space is optional.',
        "Hello",
        {
            "openai-chat": (
                said(chat("Hel"), b"data:")
                + said(chat("lo"), b"data:")
                + said(chat("", "stop"), b"data:")
                + said(b"[DONE]", b"data:"),
            ),
            "gemini-generate": (said(gemini("Hel"), b"data:") + said(gemini("lo", **GEMINI_END), b"data:"),),
        },
    ),
    "SSE-011": Defect(
        "data-lines-are-not-joined",
        "an event whose data is in two lines fails",
        "low: few servers split data, but a proxy may",
        "The JSON of one event stands in two data lines. Each line is parsed on its own, and fails.",
        "The standard joins the data lines of one event with a line feed, which JSON allows between its tokens.",
        "Hello",
        {
            "openai-chat": (
                said(chat("Hel")) + said(chat("lo").replace(b',"choices"', b',\ndata: "choices"', 1)) + CHAT_END,
            ),
        },
    ),
    "SSE-001": Defect(
        "line-separator-in-text-cuts-the-event",
        "a U+2028 inside the text cuts the event in two",
        "medium: a character of the answer's own text ends the stream",
        "The text of the second event holds U+2028, raw, as JSON allows. The event is cut there, and fails.",
        "By the standard only LF, CR and CRLF end a line; Python's str.splitlines() also cuts at U+2028, U+0085 and others.",
        "Hel, U+2028 and lo",
        {"openai-chat": (said(chat("Hel")) + said(chat("\u2028lo")) + CHAT_END,)},
    ),
}

VARIANTS = {
    # mistralai strips a byte order mark that comes whole, and loses the first event when it comes in two reads.
    ("mistralai", "SSE-008"): (BOM[:1], BOM[1:] + said(chat("Hel")) + said(chat("lo")) + CHAT_END),
}
SKIPPED = {
    ("anthropic", "SSE-008"): "the event that is lost is message_start, which carries no text",
    ("g4f", "SSE-001"): "CR alone, which no service sends",
    ("google-genai", "SSE-001"): "CR alone, which no service sends",
    ("sseclient-py", "SSE-001"): "mixed line ends, which no service sends",
    ("google-genai", "SSE-006"): "only its aiohttp path; the sync path passes",
    ("sseclient-py", "SEQ-010"): "it knows nothing of terminators, and does not claim to",
    ("httpx-sse", "SEQ-010"): "it knows nothing of terminators, and does not claim to",
}
