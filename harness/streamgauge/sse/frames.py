"""What a stream of server-sent events is made of, and the limit of each."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from streamgauge.events import NO_SPAN, Malformed, Span

DEFAULT_LIMIT = 16 * 1024 * 1024
"""Bytes that one line's value, and one event's data, may have. A security limit: more is never kept."""


class ServerSentEvent(msgspec.Struct, frozen=True, gc=False):
    """One dispatched event; `id` is the last event ID in force, `span` covers its lines and its blank line."""

    data: str
    type: str = "message"
    id: str = ""
    span: Span = NO_SPAN


class Comment(msgspec.Struct, frozen=True, gc=False):
    """A line that starts with a colon: ignored by the standard, kept here to be judged."""

    text: str
    span: Span = NO_SPAN


class Unfinished(msgspec.Struct, frozen=True, gc=False):
    """Data that was pending at the end of the bytes.

    "Once the end of the file is reached, any pending data must be discarded": nothing may deliver it, but it
    shows what was cut.
    """

    data: str
    type: str = "message"
    span: Span = NO_SPAN


Frame: TypeAlias = ServerSentEvent | Comment | Unfinished | Malformed


def decoded(data: bytes | bytearray) -> str:
    """The text of these bytes.

    "Streams must be decoded using the UTF-8 decode algorithm": ill-formed bytes become U+FFFD.
    """
    return data.decode("utf-8", "replace")
