"""What an HTTP/2 connection of the replay server sends: the head, the pieces and the end of each answer, as frames."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamgauge.script import Script
from streamgauge.server.coding import coder
from streamgauge.server.http1 import bodiless
from streamgauge.server.kernel import linger_not
from streamgauge.server.ledger import Ledger, Record
from streamgauge.server.pace import Pace

if TYPE_CHECKING:
    from h2.connection import H2Connection

LINGER = 5.0
"""Seconds that a client has to close its side of a connection that we have closed."""
CONNECTION_FIELDS = ("connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection", "trailer")
"""What has no place in HTTP/2 (RFC 9113 8.2.2)."""


@dataclass(slots=True)
class Sending:
    """One connection's outgoing half. drained: the kernel has taken all; window: the client's windows have changed."""

    state: H2Connection
    transport: asyncio.Transport
    ledger: Ledger
    drained: asyncio.Event = field(default_factory=asyncio.Event)
    window: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.drained.set()

    def close(self) -> None:
        """End what we send. A client acknowledges frames behind the last one that it needs: were the socket closed
        before it has done, the kernel would answer with an RST, which takes away what the client has not read yet."""
        self.ledger.closed = True
        if not self.transport.is_closing():
            self.transport.write_eof()
            asyncio.get_running_loop().call_later(LINGER, self.transport.abort)

    async def head(self, script: Script, number: int, *, end: bool) -> None:
        await self._room()
        for code in script.interim:
            self.state.send_headers(number, [(":status", str(code))])
        self.state.send_headers(number, [(":status", str(script.status)), *_head(script)], end_stream=end)
        self.flush()

    async def pieces(self, script: Script, number: int, record: Record) -> None:
        compressor = coder(script)
        pace = Pace()
        for count, piece in enumerate(script.pieces):
            await pace.wait(piece.delay)
            await self._room()
            record.sent(len(piece.data))
            await self._send(script, number, piece.data if compressor is None else compressor.piece(piece.data))
            if count == 0 and script.transport.farewell:
                self._goaway(number, 0)
        if compressor is not None and not script.coding_cut:
            await self._send(script, number, compressor.end())

    async def _send(self, script: Script, number: int, data: bytes) -> None:
        """DATA frames, as large as the script, the client's windows and the limit of a frame let them be."""
        padding = script.transport.padding
        largest = script.transport.frame_size or len(data)
        while data:
            await self._room()
            window = min(self.state.local_flow_control_window(number), self.state.max_outbound_frame_size)
            size = min(largest, window - (padding + 1 if padding else 0))
            if size <= 0:
                self.window.clear()
                await self.window.wait()
                continue
            self.state.send_data(number, data[:size], pad_length=padding or None)
            self.flush()
            data = data[size:]

    async def end(self, script: Script, number: int) -> None:
        await self._room()
        match script.ending:
            case "complete" if script.trailers:
                self.state.send_headers(number, [(n.lower(), v) for n, v in script.trailers], end_stream=True)
            case "complete":
                self.state.end_stream(number)
            case "rst-stream":
                self.state.reset_stream(number, script.transport.error)
            case "goaway":
                self._goaway(number, script.transport.error)
            case "reset":
                await linger_not(self.transport.get_extra_info("socket"))
                self.ledger.closed = True
                self.transport.abort()
            case "hold":
                await self.hold()
        self.flush()
        await self.drained.wait()

    def _goaway(self, last: int, code: int) -> None:
        """A GOAWAY that the library knows nothing of: it would end all streams at once, the protocol does not."""
        from hyperframe.frame import GoAwayFrame

        self.flush()
        self.transport.write(GoAwayFrame(0, last_stream_id=last, error_code=code).serialize())

    def flush(self) -> None:
        data = self.state.data_to_send()
        if data and not self.ledger.closed and not self.transport.is_closing():
            self.transport.write(data)

    async def _room(self) -> None:
        """Wait until the kernel has taken everything; does not return where nobody is left to write to."""
        await self.drained.wait()
        if self.transport.is_closing():
            await self.hold()

    async def hold(self) -> None:
        await asyncio.Event().wait()  # until the client closes, or the server is closed


def _head(script: Script) -> list[tuple[str, str]]:
    """The answer's fields, with names in lower case (RFC 9113 8.2.1)."""
    fields = [(n.lower(), v) for n, v in script.headers if n.lower() not in CONNECTION_FIELDS]
    if script.coding:
        fields.append(("content-encoding", script.coding))
    elif script.framing == "length" and not bodiless(script.status):
        length = script.declared_length
        fields.append(("content-length", str(len(script.body) if length is None else length)))
    return fields
