"""Google's Code Assist endpoint sends each response inside of another object.

Source: google-gemini/gemini-cli, packages/core/src/code_assist/converter.ts: CaGenerateContentResponse has `response`,
`traceId`, `consumedCredits` and `remainingCredits`, all of them optional.
"""

from __future__ import annotations

from typing import Any

_BESIDE = frozenset(("traceId", "consumedCredits", "remainingCredits"))
_OWN = frozenset(("candidates", "promptFeedback", "usageMetadata", "error"))


def unwrapped(value: dict[str, Any]) -> dict[str, Any]:
    """The response itself: what is wrapped, {} for a wrapper of nothing, and any other object as it is."""
    inner = value.get("response")
    if isinstance(inner, dict) and value.keys().isdisjoint(_OWN):
        return inner
    return {} if value.keys() <= _BESIDE else value
