"""TGI's token events to normalised events, and the non-streaming answer.

Sources: Text Generation Inference API, docs/openapi.json (https://huggingface.github.io/text-generation-inference):
POST /generate_stream, StreamResponse and StreamDetails; the types of Hugging Face's text_generation 0.7.0.
"""

from __future__ import annotations

from typing import Any

import msgspec

from streamgauge.events import Event, Finish, KeepAlive, Span, StreamError, TextDelta, Usage, to_json
from streamgauge.frames import Ending, read_object
from streamgauge.message import Message, assemble
from streamgauge.sse import ServerSentEvent
from streamgauge.wire import count, elements, members, text, typed

NAME = "huggingface-tgi"


class _Token(msgspec.Struct, gc=False):
    text: str
    special: bool = False


class _TokenEvent(msgspec.Struct, gc=False):
    """An event that says a piece of text, as most do: read typed, at half the cost of `payload`."""

    token: _Token
    generated_text: None = None
    error: None = None


_read_token = msgspec.json.Decoder(_TokenEvent).decode


class TokenInterpreter:
    """Interprets the token events of one stream; `generated_text` is null in all but the last."""

    __slots__ = ("_ending",)

    def __init__(self) -> None:
        self._ending = Ending()

    def frame(self, frame: Any, out: list[Event]) -> None:
        if isinstance(frame, ServerSentEvent) and not self._ending.ended:
            plain = typed(_read_token, frame.data)
            if plain is not None and (said := plain.token.text) and not plain.token.special:
                out.append(TextDelta(said, span=frame.span))
                return
        payload = read_object(frame, self._ending, out)
        if payload is not None:
            self.payload(payload, frame.span, out)

    def end(self, offset: int, out: list[Event]) -> None:
        self._ending.eof(offset, out, complete=False, complete_because="", missing="no event with generated_text")

    def payload(self, event: dict[str, Any], span: Span, out: list[Event]) -> None:
        """The events of one token."""
        before = len(out)
        if error := event.get("error"):
            kind = text(event.get("error_type"))
            shown = text(error) or text(members(error).get("message")) or to_json(error)
            self._ending.fail(StreamError(shown, "", kind, span=span), out)
        token = members(event.get("token"))
        # "special": "Is the token a special token. Can be used to ignore tokens when concatenating"
        if (said := text(token.get("text"))) and token.get("special") is not True:
            out.append(TextDelta(said, span=span))
        if isinstance(event.get("generated_text"), str):
            self._details(members(event.get("details")), span, out)
            self._ending.close("generated_text", span, out)
        if len(out) == before:
            out.append(KeepAlive(span=span))

    def _details(self, details: dict[str, Any], span: Span, out: list[Event]) -> None:
        if reason := text(details.get("finish_reason")):
            out.append(Finish(reason, span=span))
        given = count(details.get("input_length"))
        if given is None and "prefill" in details:
            given = len(elements(details["prefill"])) or None
        made = count(details.get("generated_tokens"))
        if given is not None or made is not None:
            out.append(Usage(given, made, "details", span=span))


def read_answer(body: Any) -> Message:
    """The message of a non-streaming /generate answer: one object, or a list of one."""
    answer = members(body[0] if isinstance(body, list) and body else body)
    out: list[Event] = []
    interpreter = TokenInterpreter()
    token = {"text": answer.get("generated_text"), "special": False}
    interpreter.payload({**answer, "token": token}, (0, 0), out)
    interpreter.end(0, out)
    return assemble(NAME, out)
