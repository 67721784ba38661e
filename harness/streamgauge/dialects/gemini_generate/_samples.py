"""Builds the example streams of rules."""

from __future__ import annotations

import json
from typing import Any

IDENTITY = {"modelVersion": "gemini-2.5-flash", "responseId": "r-1"}


def response(*parts: Any, finish: Any = None, index: int = 0, **members: Any) -> dict[str, Any]:
    """One response with one candidate; without parts it has no content."""
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}} if parts else {}
    candidate |= {"finishReason": finish} if finish is not None else {}
    return {"candidates": [{**candidate, "index": index}], **IDENTITY, **members}


def text(said: str, **members: Any) -> dict[str, Any]:
    return response({"text": said}, **members)


def usage(prompt: int = 3, candidates: int = 2, **members: Any) -> dict[str, Any]:
    counts = {"promptTokenCount": prompt, "candidatesTokenCount": candidates, "totalTokenCount": prompt + candidates}
    return {**counts, **members}


def sse(*values: Any) -> str:
    """The responses as server-sent events, in the line ends of Google's services."""
    return "".join(f"data: {json.dumps(v, ensure_ascii=False, separators=(',', ':'))}\r\n\r\n" for v in values)


def array(*values: Any) -> str:
    """The responses as one JSON array."""
    return "[" + "\n,\r\n".join(json.dumps(v, ensure_ascii=False) for v in values) + "\n]\n"


HELLO = (text("Hello"), text(" there", finish="STOP", usageMetadata=usage()))
CALL = (response({"functionCall": {"name": "f", "args": {"a": 1}}}), response(finish="STOP", usageMetadata=usage()))
BLOCKED = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}, **IDENTITY}
