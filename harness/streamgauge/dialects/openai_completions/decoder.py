"""Legacy completion chunks to events, and the non-streaming completion.

Source: OpenAI API reference, "Create completion" and "The completion object"
(https://platform.openai.com/docs/api-reference/completions).
"""

from __future__ import annotations

from typing import Any

import msgspec

from streamgauge.dialects.openai_chat.decoder import ChatInterpreter, read_completion
from streamgauge.events import Event, Span, TextDelta
from streamgauge.message import Message
from streamgauge.wire import elements, members, typed


class _TextChoice(msgspec.Struct, gc=False):
    index: int
    text: str
    finish_reason: None = None
    error: None = None
    usage: None = None


class _TextChunk(msgspec.Struct, gc=False):
    """A chunk that says a piece of text and nothing else; members that no event comes of may be what they like."""

    choices: tuple[_TextChoice]
    object: str = ""
    usage: None = None
    error: None = None
    x_groq: None = None


_read_text = msgspec.json.Decoder(_TextChunk).decode


class CompletionInterpreter(ChatInterpreter):
    """A completion chunk is a chat chunk whose choices have `text` where the delta would be."""

    __slots__ = ()

    def _quick(self, data: str, span: Span, out: list[Event]) -> bool:
        """Take a chunk that is one piece of text and nothing else, as most are, at half the cost of `payload`."""
        chunk = typed(_read_text, data)
        if chunk is None:
            return False
        choice = chunk.choices[0]
        if not choice.text or chunk.object == "error":
            return False
        self._seen.add(choice.index)
        out.append(TextDelta(choice.text, choice.index, span))
        return True

    def payload(self, chunk: dict[str, Any], span: Span, out: list[Event]) -> None:
        super().payload(_as_chat(chunk, "delta"), span, out)


def _as_chat(chunk: dict[str, Any], member: str) -> dict[str, Any]:
    choices = chunk.get("choices")
    if not isinstance(choices, list):
        return chunk
    told = [
        {**choice, member: {"content": choice.get("text")}} if isinstance(choice, dict) else choice
        for choice in choices
    ]
    return {**chunk, "choices": told}


def read_text_completion(body: Any) -> Message:
    """The message of a non-streaming completion."""
    completion = members(body)
    choices = [_as_chat({"choices": [c]}, "message")["choices"][0] for c in elements(completion.get("choices"))]
    return read_completion({**completion, "choices": choices}, "openai-completions")
