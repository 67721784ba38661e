"""Chat completions without a vendor's library: what programs that people write by hand have in common.

What is theirs is kept to what is usual: the status is checked, each event is read with `json.loads`, `[DONE]` ends the
loop, an error in the stream is told. Everything between the socket and an event's data is the library's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.events import Event, StreamError
from streamgauge.provider import Capability, Connection
from streamgauge.wire import members
from streamgauge_providers._chat_chunks import ChunkReader, arguments

DONE = "[DONE]"
CAPABILITIES: frozenset[Capability] = frozenset(("usage", "tools", "reasoning", "refusal", "n", "finish", "errors"))


def asked(connection: Connection, request: ChatRequest) -> dict[str, Any]:
    """The keyword arguments of a POST: URL, headers and body."""
    headers = {"Authorization": f"Bearer {connection.api_key}"} if connection.api_key else {}
    url = f"{connection.base_url.rstrip('/')}/chat/completions"
    return {"url": url, "headers": headers, "json": arguments(request) | request.extra}


class DataReader:
    """Reads the data of the events of one stream, in order."""

    def __init__(self) -> None:
        self._chunks = ChunkReader()

    def read(self, data: str) -> Iterator[Event]:
        chunk = json.loads(data)
        if error := chunk.get("error"):
            error = members(error) or {"message": str(error)}
            yield StreamError(str(error.get("message")), str(error.get("code") or ""), str(error.get("type") or ""))
        yield from self._chunks.read(chunk)
