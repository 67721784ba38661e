"""The errors that services report inside a stream of chat completion chunks, in each of their shapes."""

from __future__ import annotations

from typing import Any

from streamgauge.events import Span, StreamError, excerpt, to_json
from streamgauge.wire import members, text


def stated_error(chunk: dict[str, Any]) -> Any:
    """What a chunk says of an error; None where it reports none.

    OpenAI and most others: `error`, an object or a text; Text Generation Inference has a text, and `error_type` beside
    it. vLLM and Mistral: `object` is "error" and the members stand at the top. Where there are no choices: FastAPI's
    `detail`, a bare `message`, and MiniMax's `base_resp`, whose `status_code` is 0 for success
    (https://platform.minimax.io/docs/api-reference/text-post; a failure that was sent:
    https://github.com/MiniMax-AI/MiniMax-01/issues/37; the codes: https://platform.minimax.io/docs/api-reference/errorcode).
    """
    if error := chunk.get("error"):
        kind = text(chunk.get("error_type"))
        return {"message": error, "type": kind} if kind and isinstance(error, str) else error
    if chunk.get("object") == "error":
        return chunk
    if chunk.get("choices"):
        return None
    response = members(chunk.get("base_resp"))
    if code := response.get("status_code"):
        return {"message": response.get("status_msg"), "code": code}
    if chunk.get("detail") or (text(chunk.get("message")) and "id" not in chunk):
        return chunk
    return None


def as_event(error: Any, span: Span) -> StreamError:
    """The event of an error, whatever its shape."""
    if not isinstance(error, dict):
        return StreamError(as_text(error), span=span)
    message = text(error.get("message")) or text(error.get("detail")) or excerpt(to_json(error))
    return StreamError(message, as_text(error.get("code")), text(error.get("type")), span=span)


def as_text(value: Any) -> str:
    """A member that should be a string, as one: what is sent instead as compact JSON, null as nothing."""
    if isinstance(value, str):
        return value
    return "" if value is None else to_json(value)
