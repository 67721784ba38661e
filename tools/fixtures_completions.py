"""Writes the recordings of OpenAI's legacy completions: `python tools/fixtures_completions.py`.

Each stream is written out as the reference describes its chunks; what it carries is stated beside it.
"""

from __future__ import annotations

from typing import Any

from written import PLAIN, compact, words, write

from streamgauge.message import Choice, Message, ReportedError, TokenUsage

REFERENCE = (
    "OpenAI API reference, The completion object",
    "https://platform.openai.com/docs/api-reference/completions",
)
ERRORS = ("OpenAI API guides, Error codes", "https://platform.openai.com/docs/guides/error-codes")
ID = "cmpl-9Zk2vJ7pXwQe4Rt1"
MODEL = "gpt-3.5-turbo-instruct"
DONE = b"data: [DONE]\n\n"


def event(value: Any) -> bytes:
    return f"data: {compact(value)}\n\n".encode()


def chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
    head = {"id": ID, "object": "text_completion", "created": 1_763_800_000, "model": MODEL}
    return event({**head, "choices": choices, **more})


def choice(text: str, finish: str | None = None, index: int = 0, logprobs: Any = None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish}


def said(text: str, finish: str = "stop", index: int = 0) -> list[bytes]:
    """The first piece comes in the first chunk, and the finish_reason in an empty one."""
    return [*(chunk([choice(piece, index=index)]) for piece in words(text)), chunk([choice("", finish, index)])]


def usage(prompt: int, completion: int) -> bytes:
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return chunk([], usage=counts)


def request(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "prompt": prompt, "stream": True, **more}


WITH_USAGE = {"stream_options": {"include_usage": True}}


def message(*choices: Choice, **more: Any) -> Message:
    return Message("openai-completions", choices=choices, **{"ended": "complete", "id": ID, "model": MODEL, **more})


def plain_text() -> None:
    carried = message(Choice(text=PLAIN, finish_reason="stop"), usage=TokenUsage(9, 92))
    asked = request("# List all files below a folder", max_tokens=200, **WITH_USAGE)
    title = "Text in several scripts, from the first chunk on"
    write("plain-text", title, [*said(PLAIN), usage(9, 92), DONE], carried, asked, REFERENCE, ("text", "usage"))


def two_choices() -> None:
    texts = (" Heads, it is.", " It came up tails — again.")
    first, second = (said(text, index=index) for index, text in enumerate(texts))
    mixed = [one for pair in zip(first[:2], second[:2], strict=True) for one in pair]
    events = [*mixed, *second[2:], *first[2:], usage(4, 12), DONE]
    carried = message(*(Choice(text=t, finish_reason="stop") for t in texts), usage=TokenUsage(4, 12))
    asked = request("Toss a coin:", n=2, **WITH_USAGE)
    write("two-choices", "n = 2, interleaved", events, carried, asked, REFERENCE, ("text", "n", "usage"))


def length() -> None:
    text = " One, two, three, four,"
    pieces = words(text)
    # The service puts the last piece and its finish_reason into one chunk.
    events = [*(chunk([choice(p)]) for p in pieces[:-1]), chunk([choice(pieces[-1], "length")]), DONE]
    carried = message(Choice(text=text, finish_reason="length"))
    asked = request("Count:", max_tokens=8)
    write("length", "Cut by max_tokens, the reason beside the last text", events, carried, asked, REFERENCE, ("text",))


def logprobs() -> None:
    tokens = ("Paris", ",", " of", " course", ".")

    def scored(token: str, offset: int) -> dict[str, Any]:
        return {"tokens": [token], "token_logprobs": [-0.25], "top_logprobs": [{token: -0.25}], "text_offset": [offset]}

    offsets = [sum(map(len, tokens[:n])) for n in range(len(tokens))]
    events = [chunk([choice(t, logprobs=scored(t, at))]) for t, at in zip(tokens, offsets, strict=True)]
    events += [chunk([choice("", "stop")]), DONE]
    carried = message(Choice(text="".join(tokens), finish_reason="stop"))
    asked = request("The capital of France?", logprobs=1)
    write("logprobs", "A log probability with each token", events, carried, asked, REFERENCE, ("text", "logprobs"))


def in_band_error() -> None:
    text = " Half of an answer"
    kind = "server_error"
    error = {"message": "The server had an error while processing your request", "type": kind, "code": kind}
    events = [*said(text)[:-1], event({"error": {**error, "param": None}}), DONE]
    carried = message(
        Choice(text=text), ended="error", errors=(ReportedError(error["message"], error["type"], error["code"]),)
    )
    title = "The stream reports an error after some text"
    write("in-band-error", title, events, carried, request("..."), ERRORS, ("text", "error"))


def main() -> None:
    plain_text()
    two_choices()
    length()
    logprobs()
    in_band_error()


if __name__ == "__main__":
    main()
