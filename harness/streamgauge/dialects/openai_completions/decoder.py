"""Legacy completion chunks to events, and the non-streaming completion.

Source: OpenAI API reference, "Create completion" and "The completion object"
(https://platform.openai.com/docs/api-reference/completions).
"""

from __future__ import annotations

from typing import Any

from streamgauge.dialects.openai_chat.decoder import ChatInterpreter, read_completion
from streamgauge.events import Event, Span, TextDelta
from streamgauge.message import Message
from streamgauge.wire import elements, members


class CompletionInterpreter(ChatInterpreter):
    """A completion chunk is a chat chunk whose choices have `text` where the delta would be."""

    __slots__ = ()

    def _plain(self, chunk: dict[str, Any], span: Span, out: list[Event]) -> bool:
        """Take a chunk that is one piece of text and nothing else, as most are: half the work of `payload`."""
        try:
            (choice,) = chunk["choices"]
            said, number = choice["text"], choice["index"]
        except (KeyError, TypeError, ValueError):
            return False
        if (
            type(said) is not str
            or not said
            or type(number) is not int
            or choice.get("finish_reason")
            or chunk.get("usage")
            or chunk.get("error")
            or not (self._id and self._model)
            or "x_groq" in chunk
        ):
            return False
        self._seen.add(number)
        out.append(TextDelta(said, number, span))
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
