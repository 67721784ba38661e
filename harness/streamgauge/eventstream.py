"""AWS event stream encoding: binary messages with two checksums, no I/O.

Source: Smithy, "Amazon Event Stream Specification" (https://smithy.io/2.0/aws/amazon-eventstream.html): a prelude of
total length, headers length and CRC32; headers; payload; CRC32 of all that stands before it. Integers are big-endian.
"""

from __future__ import annotations

import struct
from typing import ClassVar, NamedTuple, TypeAlias
from zlib import crc32

import msgspec

from streamgauge.events import NO_SPAN, Malformed, Span
from streamgauge.sse import Unfinished

MAX_HEADERS = 131_072
MAX_PAYLOAD = 25_165_824
"""Bytes: "The payload of a message MUST NOT exceed 25,165,824 bytes (24 MB)", the encoded headers 131,072."""

_PRELUDE = struct.Struct(">III")
_OVERHEAD = 16  # the prelude with its CRC, and the message's CRC
DEFAULT_LIMIT = MAX_PAYLOAD + MAX_HEADERS + _OVERHEAD
"""Bytes that one message may have: a security limit, no less than what the specification lets a service send."""

_KEPT, _KEPT_SIZE = 64, 1024  # blocks of headers, of so many bytes, that are not read again
_SHOWN = 32  # bytes of what is malformed or cut that are shown
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # header value types of a fixed size, in bytes
_STRING = 7
_BYTES = 6


class EventMessage(msgspec.Struct, frozen=True, gc=False):
    """One message. `type` is its `:event-type`, else its `:exception-type` or `:error-code`.

    `headers` are (name, text) pairs; values that are no strings are shown in hexadecimal.
    """

    delivered: ClassVar[bool] = True
    data: str
    type: str = ""
    kind: str = "event"
    headers: tuple[tuple[str, str], ...] = ()
    span: Span = NO_SPAN


class _Named(NamedTuple):
    type: str
    kind: str
    headers: tuple[tuple[str, str], ...]


Frame: TypeAlias = EventMessage | Unfinished | Malformed


class EventStreamDecoder:
    """Feed it bytes as they come, cut anywhere; call `eof()` when they end.

    "If either checksum is invalid, the stream MUST be terminated": what follows is not read, and is malformed once.
    """

    __slots__ = ("_buffer", "_limit", "_lost", "_named", "_offset")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._offset = 0
        self._lost = False
        self._named: dict[bytes, _Named] = {}

    def feed(self, chunk: bytes) -> list[Frame]:
        """The messages that these bytes complete."""
        out: list[Frame] = []
        if not self._lost:
            self._buffer += chunk
        taken = 0
        while (size := self._size(taken, out)) and taken + size <= len(self._buffer):
            self._message(bytes(self._buffer[taken : taken + size]), self._offset + taken, out)
            taken += size
        self._offset += taken
        del self._buffer[: len(self._buffer) if self._lost else taken]
        return out

    def eof(self) -> list[Frame]:
        """End of the bytes: what is left is a message that was cut."""
        rest, size = bytes(self._buffer[:_SHOWN]), len(self._buffer)
        self._buffer.clear()
        return [Unfinished(rest.hex(" "), span=(self._offset, self._offset + size))] if rest else []

    def _size(self, at: int, out: list[Frame]) -> int:
        """The length of the message that begins there; 0 where its prelude is not there yet, or is wrong."""
        if self._lost or len(self._buffer) - at < _PRELUDE.size:
            return 0
        prelude = bytes(self._buffer[at : at + _PRELUDE.size])
        total, headers, crc = _PRELUDE.unpack(prelude)
        if crc32(prelude[:8]) != crc:
            return self._lose("the prelude's CRC is wrong", prelude, at, out)
        if total < headers + _OVERHEAD or total > self._limit:
            return self._lose(f"a message of {total} bytes with {headers} bytes of headers", prelude, at, out)
        return int(total)

    def _lose(self, reason: str, shown: bytes, at: int, out: list[Frame]) -> int:
        start = self._offset + at
        out.append(Malformed(reason, shown[:_SHOWN].hex(" "), span=(start, start + len(shown))))
        self._lost = True
        return 0

    def _message(self, message: bytes, start: int, out: list[Frame]) -> None:
        span = (start, start + len(message))
        if crc32(message[:-4]) != int.from_bytes(message[-4:], "big"):
            self._lose("the message's CRC is wrong", message, start - self._offset, out)
            return
        length = int.from_bytes(message[4:8], "big")
        block = message[12 : 12 + length]
        try:
            named = self._named.get(block) or self._read(block)
        except (IndexError, KeyError, UnicodeDecodeError) as error:
            out.append(Malformed(f"unreadable headers: {error!r}", message[:_SHOWN].hex(" "), span=span))
            return
        payload = message[12 + length : -4].decode("utf-8", "replace")
        out.append(EventMessage(payload, named.type, named.kind, named.headers, span))

    def _read(self, block: bytes) -> _Named:
        """What a block of headers says; kept, because most messages of a stream have the same."""
        headers = _headers(block)
        named = dict(headers)
        name = named.get(":event-type") or named.get(":exception-type") or named.get(":error-code", "")
        found = _Named(name, named.get(":message-type", "event"), headers)
        if len(block) <= _KEPT_SIZE:
            if len(self._named) >= _KEPT:
                self._named.clear()
            self._named[block] = found
        return found


def _headers(block: bytes) -> tuple[tuple[str, str], ...]:
    found = []
    at = 0
    while at < len(block):
        name_end = at + 1 + block[at]
        name = block[at + 1 : name_end].decode()
        kind = block[name_end]
        at = name_end + 1
        if kind in (_STRING, _BYTES):
            size = int.from_bytes(block[at : at + 2], "big")
            at += 2
        else:
            size = _SIZES[kind]
        if at + size > len(block):
            raise IndexError(f"header {name!r} is longer than its block")
        value = block[at : at + size]
        found.append((name, value.decode() if kind == _STRING else value.hex()))
        at += size
    return tuple(found)


def encode_message(headers: dict[str, str], payload: bytes) -> bytes:
    """One message with string headers and both checksums."""
    block = b"".join(
        bytes([len(n.encode())]) + n.encode() + bytes([_STRING]) + len(v.encode()).to_bytes(2, "big") + v.encode()
        for n, v in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    message = prelude + crc32(prelude).to_bytes(4, "big") + block + payload
    return message + crc32(message).to_bytes(4, "big")
