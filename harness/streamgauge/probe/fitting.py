"""Requests without the settings that an endpoint refuses by name, so that the rest of it can be judged."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from streamgauge.chat import ChatRequest
from streamgauge.dialect import Dialect

REFUSED = (400, 422)
"""The statuses of a refusal that is about what the request says."""
CHAT = "openai-chat"


def _newer_limit(request: ChatRequest) -> ChatRequest:
    """OpenAI's reference of max_tokens: "This value is now deprecated in favor of `max_completion_tokens`, and is not
    compatible with o-series models."
    """
    if request.max_tokens is None:
        return request
    return replace(request, max_tokens=None, extra=request.extra | {"max_completion_tokens": request.max_tokens})


_WITHOUT: dict[str, Callable[[ChatRequest], ChatRequest]] = {
    "seed": lambda request: replace(request, seed=None),
    "temperature": lambda request: replace(request, temperature=None),
    "stream_options": lambda request: replace(request, include_usage=False),
    "max_tokens": _newer_limit,
}


def refused(dialect: Dialect, request: ChatRequest, status: int | None, body: bytes) -> str:
    """The setting of this request that its refusal names and that can be left out; "" where there is none."""
    if status not in REFUSED:
        return ""
    said = body.decode("utf-8", "replace")
    for name in _WITHOUT:
        # A limit that is too high or too low is refused by its name, too, where there is no newer one.
        known = name != "max_tokens" or CHAT in dialect.names
        if (
            known
            and re.search(rf"\b{name}\b", said)
            and dialect.request(without(request, name)) != dialect.request(request)
        ):
            return name
    return ""


def without(request: ChatRequest, name: str) -> ChatRequest:
    """The request without this setting, of those that `refused` names; the limit on tokens gets its newer name."""
    return _WITHOUT[name](request)
