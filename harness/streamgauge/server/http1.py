"""HTTP/1.1 messages for a server: request bytes in, requests out; answers as the exact bytes of each write. No I/O.

Source: RFC 9112 (HTTP/1.1). Lenient about what arrives, and free to break the rules in what it sends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from http.client import responses
from typing import TypeAlias

from streamgauge.script import Script
from streamgauge.trace import Headers

HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 64 * 1024 * 1024
"""Bytes that a request's head and body may have. Security limits: more ends the connection."""


@dataclass(frozen=True, slots=True)
class Request:
    """One whole request; `headers` have lower-case names. `close`: the client wants the connection closed."""

    method: str
    target: str
    version: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def close(self) -> bool:
        options = self.headers.get("connection", "").lower()
        return "close" in options or (self.version == "HTTP/1.0" and "keep-alive" not in options)


@dataclass(frozen=True, slots=True)
class Continue:
    """The client waits for a 100 (Continue) before it sends its body (RFC 9110 10.1.1)."""


@dataclass(frozen=True, slots=True)
class Preface:
    """A client that speaks HTTP/2 without having asked whether we do (RFC 9113 3.3); `data` is all that came."""

    data: bytes


@dataclass(frozen=True, slots=True)
class BadRequest:
    """Bytes that are no request; nothing after them can be read."""

    reason: str


Item: TypeAlias = Request | Continue | Preface | BadRequest


class RequestReader:
    """Feed it bytes cut anywhere; pipelined requests come out in order."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: Request | None = None
        self._body = bytearray()
        self._dead = False

    def feed(self, data: bytes) -> list[Item]:
        out: list[Item] = []
        if not self._dead:
            self._buffer += data
            try:
                while self._step(out):
                    pass
            except ValueError as error:
                self._dead = True
                out.append(BadRequest(str(error)))
        return out

    def _step(self, out: list[Item]) -> bool:
        """Take one head or one body off the buffer, if it is all there."""
        if self._head is None:
            return self._take_head(out)
        head = self._head
        if "chunked" in head.headers.get("transfer-encoding", "").lower():
            whole = self._take_chunks()
        else:
            whole = self._take_length(head)
        if whole:
            body = bytes(self._body)
            out.append(Request(head.method, head.target, head.version, head.headers, body))
            self._head, self._body = None, bytearray()
        return whole

    def _take_head(self, out: list[Item]) -> bool:
        while self._buffer[:2] == b"\r\n":  # RFC 9112 2.2: ignore an empty line before the request-line
            del self._buffer[:2]
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_LIMIT:
                raise ValueError(f"the request's head is longer than {HEAD_LIMIT} bytes")
            return False
        if self._buffer.startswith(b"PRI * HTTP/2.0\r\n"):
            out.append(Preface(bytes(self._buffer)))
            self._buffer.clear()
            return False
        head = parse_head(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        if head.headers.get("expect", "").lower() == "100-continue" and not self._buffer:
            out.append(Continue())
        self._head = head
        return True

    def _take_length(self, head: Request) -> bool:
        length = int(head.headers.get("content-length") or 0)
        if not 0 <= length <= BODY_LIMIT:
            raise ValueError(f"a Content-Length of {length} is not between 0 and {BODY_LIMIT}")
        if len(self._buffer) < length:
            return False
        self._body += self._buffer[:length]
        del self._buffer[:length]
        return True

    def _take_chunks(self) -> bool:
        """Move whole chunks to the body; True when the last chunk and its trailers have come."""
        while True:
            line_end = self._buffer.find(b"\r\n")
            if line_end < 0:
                if len(self._buffer) > HEAD_LIMIT:
                    raise ValueError("a chunk-size line without end")
                return False
            size = int(bytes(self._buffer[:line_end]).partition(b";")[0], 16)
            if size == 0:
                return self._take_trailers(line_end)
            if size < 0 or len(self._body) + size > BODY_LIMIT:
                raise ValueError(f"the request's body is longer than {BODY_LIMIT} bytes")
            end = line_end + 2 + size
            if len(self._buffer) < end + 2:
                return False
            self._body += self._buffer[line_end + 2 : end]
            del self._buffer[: end + 2]

    def _take_trailers(self, line_end: int) -> bool:
        if self._buffer[line_end + 2 : line_end + 4] == b"\r\n":
            del self._buffer[: line_end + 4]
            return True
        end = self._buffer.find(b"\r\n\r\n", line_end)
        if end < 0:
            return False
        del self._buffer[: end + 4]
        return True


def parse_head(head: bytes) -> Request:
    """The request line and the header fields; raises ValueError for what is neither."""
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise ValueError(f"not an HTTP/1.1 request line: {first[:80]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError("a header line without a colon")
        key, value = name.strip().lower(), value.strip()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return Request(parts[0], parts[1], parts[2], headers)


def bodiless(status: int) -> bool:
    """Whether an answer of this status has no body (RFC 9110 6.4.1)."""
    return status in (204, 304) or 100 <= status < 200


def accepted(script: Script, request: Request) -> Script:
    """The script as this request can have it: HTTP/1.0 knows no chunks, and a coding must have been offered."""
    if script.coding:
        # The compressed length is not known when the headers are sent.
        script = script.but(framing="chunked") if offered(script.coding, request) else script.but(coding="")
    if request.version == "HTTP/1.0" and script.framing == "chunked":
        script = script.but(framing="close")
    return script


def offered(coding: str, request: Request) -> bool:
    """Whether the client has said that it can take this coding off (RFC 9110 12.5.3)."""
    listed = request.headers.get("accept-encoding", "").lower().split(",")
    return coding in (part.partition(";")[0].strip() for part in listed)


def head_bytes(script: Script, *, keep_alive: bool) -> bytes:
    """Status line and header fields of a script's answer, interim answers before them."""
    fields: list[tuple[str, str]] = [("Date", formatdate(usegmt=True)), *script.headers]
    if script.coding:
        fields.append(("Content-Encoding", script.coding))
    if not bodiless(script.status):
        if script.framing == "chunked":
            fields.append(("Transfer-Encoding", "chunked"))
        elif script.framing == "length":
            length = script.declared_length
            fields.append(("Content-Length", str(len(script.body) if length is None else length)))
        if script.trailers and script.framing == "chunked":
            fields.append(("Trailer", ", ".join(name for name, _ in script.trailers)))
    fields.append(("Connection", "keep-alive" if keep_alive else "close"))
    interim = b"".join(status_line(code) + b"\r\n" for code in script.interim)
    return interim + status_line(script.status) + field_lines(tuple(fields)) + b"\r\n"


def status_line(status: int) -> bytes:
    """The status line; a number without a registered phrase gets none."""
    return f"HTTP/1.1 {status} {responses.get(status, '')}\r\n".encode("latin-1")


def field_lines(fields: Headers) -> bytes:
    """Header or trailer fields, each with its line end."""
    return b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in fields)


def piece_writes(script: Script, data: bytes) -> Iterator[bytes]:
    """The writes that carry one piece: a single one, unless the framing itself is to be cut; none for no bytes, which
    as a chunk would be the last one."""
    if not data:
        return
    if script.framing != "chunked":
        yield data
        return
    extension = f";{script.chunk_extension}" if script.chunk_extension else ""
    size = f"{len(data):x}{extension}".encode("latin-1")
    if not script.split_framing:
        yield size + b"\r\n" + data + b"\r\n"
        return
    yield size[:1]
    yield size[1:] + b"\r"
    yield b"\n" + data + b"\r"
    yield b"\n"


def end_bytes(script: Script) -> bytes:
    """What completes the message behind the last piece."""
    if script.framing != "chunked" or bodiless(script.status):
        return b""
    return b"0\r\n" + field_lines(script.trailers) + b"\r\n"
