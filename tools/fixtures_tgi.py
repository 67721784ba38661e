"""Writes the recordings of Text Generation Inference's own API: `python tools/fixtures_tgi.py`.

Each stream is written out as TGI's pages and its API reference show it, token by token; what it carries is stated
beside it.
"""

from __future__ import annotations

from typing import Any

from written import PLAIN, PLAIN_QUESTION, compact, words, write

from streamgauge.message import Choice, Message, ReportedError, TokenUsage

STREAMING = (
    "Text Generation Inference docs, Streaming",
    "https://huggingface.co/docs/text-generation-inference/conceptual/streaming",
)
REFERENCE = (
    "Text Generation Inference API, POST /generate_stream: StreamResponse, StreamDetails, ErrorResponse",
    "https://huggingface.github.io/text-generation-inference",
)
EOS = "</s>"


class Tokens:
    """The events of one stream; the last of them is held back until `end` says what it tells."""

    def __init__(self, top: int = 0) -> None:
        self._top = top
        self._said: list[tuple[str, bool]] = []

    def say(self, text: str) -> None:
        self._said += [(piece, False) for piece in words(text)]

    def events(self) -> list[bytes]:
        """The events so far, none of them the last."""
        return [self._event(number, None, None) for number in range(len(self._said))]

    def end(self, given: int, reason: str, *, seed: int | None = None, details: bool = True) -> list[bytes]:
        """All events; where the model ended the answer itself, its end token is the last of them."""
        if reason == "eos_token":
            self._said.append((EOS, True))
        made = len(self._said)
        about = {"finish_reason": reason, "generated_tokens": made, "seed": seed, "input_length": given}
        whole = "".join(text for text, special in self._said if not special)
        return [*self.events()[:-1], self._event(made - 1, whole, about if details else None)]

    def _event(self, number: int, whole: str | None, details: dict[str, Any] | None) -> bytes:
        text, special = self._said[number]
        top = [self._token(number + 7 * n, text if not n else f" or{n}", special) for n in range(self._top)]
        value: dict[str, Any] = {"index": number + 1, "token": self._token(number, text, special)}
        value |= {"top_tokens": top} if top else {}
        return f"data: {compact({**value, 'generated_text': whole, 'details': details})}\n\n".encode()

    @staticmethod
    def _token(number: int, text: str, special: bool) -> dict[str, Any]:
        made_up = 2 if special else 259 + 977 * number % 31_000
        return {"id": made_up, "text": text, "logprob": round(-0.07 - number % 13 / 8, 4), "special": special}


def request(prompt: str, **parameters: Any) -> dict[str, Any]:
    return {"inputs": prompt, "parameters": {"details": True, **parameters}}


def message(text: str, reason: str, given: int, made: int) -> Message:
    choices = (Choice(text=text, finish_reason=reason),)
    return Message("huggingface-tgi", "complete", choices, TokenUsage(given, made))


def plain_text() -> None:
    tokens = Tokens()
    tokens.say(PLAIN)
    events = tokens.end(14, "eos_token")
    carried = message(PLAIN, "eos_token", 14, len(events))
    asked = request(PLAIN_QUESTION, max_new_tokens=200)
    write("plain-text", "Text in several scripts, then the end token", events, carried, asked, STREAMING, TAGS)


def length() -> None:
    text = " One, two, three, four,"
    tokens = Tokens()
    tokens.say(text)
    events = tokens.end(2, "length")
    asked = request("Count:", max_new_tokens=len(events))
    title = "Cut by max_new_tokens: the last token of the text is the last event"
    write("length", title, events, message(text, "length", 2, len(events)), asked, STREAMING, TAGS)


def stop_sequence() -> None:
    text = " To make cheese, you need milk. Then"
    tokens = Tokens()
    tokens.say(text)
    events = tokens.end(6, "stop_sequence", seed=42)
    asked = request("How do you make cheese?", stop=[" Then"], do_sample=True, seed=42)
    title = "A stop sequence, which stands in the text, and a seed"
    write("stop-sequence", title, events, message(text, "stop_sequence", 6, len(events)), asked, REFERENCE, TAGS)


def top_tokens() -> None:
    text = " Paris, of course."
    tokens = Tokens(top=2)
    tokens.say(text)
    events = tokens.end(5, "eos_token")
    asked = request("The capital of France?", top_n_tokens=2)
    title = "The two likeliest tokens with each"
    write("top-tokens", title, events, message(text, "eos_token", 5, len(events)), asked, REFERENCE, TAGS)


def no_details() -> None:
    text = " Nobody asked for details."
    tokens = Tokens()
    tokens.say(text)
    events = tokens.end(1, "eos_token", details=False)
    carried = Message("huggingface-tgi", "complete", (Choice(text=text),))
    asked = {"inputs": "...", "parameters": {"max_new_tokens": 20}}
    write("no-details", "No details: neither a reason nor counts", events, carried, asked, REFERENCE, ("text",))


def in_band_error() -> None:
    text, told = " Half of an answer", "Request failed during generation: Server error: out of memory"
    tokens = Tokens()
    tokens.say(text)
    events = [*tokens.events(), f"data: {compact({'error': told, 'error_type': 'generation'})}\n\n".encode()]
    carried = Message("huggingface-tgi", "error", (Choice(text=text),), None, (ReportedError(told, "generation"),))
    title = "The stream reports an error after some text"
    write("in-band-error", title, events, carried, request("..."), REFERENCE, ("text", "error"))


TAGS = ("text", "usage")


def main() -> None:
    plain_text()
    length()
    stop_sequence()
    top_tokens()
    no_details()
    in_band_error()


if __name__ == "__main__":
    main()
