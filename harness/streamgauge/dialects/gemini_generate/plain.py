"""The plainest response: one candidate that says one piece of text. Most are; reading it typed costs a third."""

from __future__ import annotations

from typing import Any

import msgspec

from streamgauge.events import Event, ReasoningDelta, Span, TextDelta, Usage
from streamgauge.wire import typed


class _Part(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    text: str
    thought: bool = False
    thoughtSignature: Any = None  # noqa: N815 - as it is spelled on the wire


class _Content(msgspec.Struct, gc=False):
    parts: tuple[_Part]


class _Candidate(msgspec.Struct, gc=False):
    content: _Content
    index: int = 0
    finishReason: None = None  # noqa: N815


class _Counts(msgspec.Struct, gc=False):
    promptTokenCount: int | None = None  # noqa: N815
    candidatesTokenCount: int | None = None  # noqa: N815


class _Response(msgspec.Struct, gc=False):
    """Members that no event comes of may be what they like."""

    candidates: tuple[_Candidate]
    usageMetadata: _Counts | None = None  # noqa: N815
    promptFeedback: None = None  # noqa: N815
    error: None = None


_read = msgspec.json.Decoder(_Response).decode


def read_plain(data: str, span: Span, out: list[Event]) -> int | None:
    """The events of a response of the plainest kind, and its candidate; None, with nothing said, for any other.

    The identity is not read: a stream states it once, in its first response.
    """
    response = typed(_read, data)
    if response is None:
        return None
    candidate = response.candidates[0]
    part = candidate.content.parts[0]
    if not part.text:
        return None
    out.append((ReasoningDelta if part.thought else TextDelta)(part.text, candidate.index, span))
    counts = response.usageMetadata
    if counts is not None and not (counts.promptTokenCount is None and counts.candidatesTokenCount is None):
        out.append(Usage(counts.promptTokenCount, counts.candidatesTokenCount, "usageMetadata", span=span))
    return candidate.index
