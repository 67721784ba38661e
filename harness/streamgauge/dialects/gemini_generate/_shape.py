"""The types of a response's members, as the Gemini API reference has them."""

from __future__ import annotations

from typing import Any

from streamgauge.dialects.gemini_generate._sources import MEMBERS
from streamgauge.events import Span
from streamgauge.evidence import brief
from streamgauge.rules import Finding
from streamgauge.wire import elements, members, text

WORDS: dict[type, str] = {str: "a string", int: "a number", dict: "an object", bool: "true or false", list: "an array"}
PART: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "thought": (bool,),
    "executableCode": (dict,),
    "codeExecutionResult": (dict,),
    "thoughtSignature": (str,),
    "inlineData": (dict,),
}
CANDIDATE: dict[str, tuple[type, ...]] = {
    "index": (int,),
    "finishMessage": (str,),
    "safetyRatings": (list,),
    "citationMetadata": (dict,),
    "groundingMetadata": (dict,),
}
RATING: dict[str, tuple[type, ...]] = {"category": (str, int), "probability": (str, int), "blocked": (bool,)}
CONTENT: dict[str, tuple[type, ...]] = {"role": (str,)}
INNER: dict[str, dict[str, tuple[type, ...]]] = {
    "executableCode": {"code": (str,), "language": (str, int)},
    "codeExecutionResult": {"outcome": (str, int), "output": (str,)},
    "functionCall": {"id": (str,)},
    "inlineData": {"mimeType": (str,), "data": (str,)},
}


def misshapen(value: dict[str, Any], span: Span) -> list[Finding]:
    """What in a response has another type than the reference gives it."""
    out: list[Finding] = []
    if value.keys().isdisjoint(MEMBERS):
        out.append(Finding(f"one of {', '.join(MEMBERS[:3])}", brief(value), span, mild=True))
    listed = _stated(value, "candidates", [])
    if not isinstance(listed, list):
        out.append(Finding("an array of candidates", brief(listed), span))
    for entry in elements(listed):
        _candidate(entry, span, out)
    for name, member in members(value.get("usageMetadata")).items():
        if name.endswith("TokensDetails"):
            _typed({name: member}, {name: (list,)}, span, out)
    if (feedback := value.get("promptFeedback")) is not None:
        _typed(value, {"promptFeedback": (dict,)}, span, out)
        _typed(members(feedback), {"blockReason": (str, int)}, span, out)
    return out


def _candidate(entry: Any, span: Span, out: list[Finding]) -> None:
    content = _stated(members(entry), "content", {})
    parts = _stated(members(content), "parts", [])
    if not isinstance(entry, dict):
        out.append(Finding("a candidate that is an object", brief(entry), span))
    elif not isinstance(content, dict):
        out.append(Finding("content that is an object", brief(content), span))
    elif not isinstance(parts, list) or not all(isinstance(p, dict) for p in parts):
        out.append(Finding("parts that are an array of objects", brief(parts), span))
    else:
        _typed(entry, CANDIDATE, span, out)
        _typed(content, CONTENT, span, out)
        if text(content.get("role")) not in ("", "model", "user"):
            out.append(Finding('role "model"', f"role {brief(content['role'])}", span, mild=True))
        for rating in elements(entry.get("safetyRatings")):
            _typed(members(rating), RATING, span, out)
        for part in parts:
            _typed(part, PART, span, out)
            for name in INNER:
                if name in part:
                    _typed(members(part[name]), INNER[name], span, out)


def _stated(value: dict[str, Any], name: str, default: Any) -> Any:
    """A member; one that is null is in ProtoJSON the same as not being there."""
    member = value.get(name)
    return default if member is None else member


def _typed(value: dict[str, Any], kinds: dict[str, tuple[type, ...]], span: Span, out: list[Finding]) -> None:
    """A finding for each member of another type; ProtoJSON lets every one of them be missing."""
    for name, member in value.items():
        if name in kinds and member is not None and type(member) not in kinds[name]:
            known = " or ".join(WORDS[k] for k in kinds[name])
            out.append(Finding(f"{name}, {known}", f"{name} {brief(member)}", span))
