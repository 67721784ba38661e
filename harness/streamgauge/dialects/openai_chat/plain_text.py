"""The chunk that says one piece of text and nothing else, as most do: a schema that asks for that to the letter."""

from __future__ import annotations

from typing import Any

import msgspec


class _Text(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A delta of text; some services send its other members in each chunk, with nothing in them."""

    content: str
    role: Any = None
    refusal: None = None
    tool_calls: None = None
    function_call: None = None
    reasoning: None = None
    reasoning_content: None = None


class _TextChoice(msgspec.Struct, gc=False):
    index: int
    delta: _Text
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


read_text = msgspec.json.Decoder(_TextChunk).decode
"""Raises what `streamgauge.wire.typed` takes for a chunk of any other kind."""
