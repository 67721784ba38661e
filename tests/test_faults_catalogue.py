"""The project's catalogue of faults beside the faults that there are, and each of them as a socket shows it.

What comes is read by h11, which shares no code with the server: status, header fields, chunks as they were cut, and
how the message ended.
"""

from __future__ import annotations

import re
import socket
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import h11
import pytest

from streamgauge.chat import ChatRequest
from streamgauge.faults import Fault, all_faults, apply_faults
from streamgauge.recordings import shipped
from streamgauge.script import ELSEWHERE, Script, script_of
from streamgauge.server import Mount, ReplayServer
from streamgauge.server.http1 import bodiless

NOT_SCRIPTED: dict[str, str] = {}
"""Ids of the catalogue that no fault has, each with the reason."""
SAFETY = 20.0


@pytest.mark.shared
def test_every_fault_of_the_catalogue_is_there(shared: Path) -> None:
    """Each of the 66 ids is a fault (a letter behind an id names a part of it), or stands here with its reason."""
    text = (shared / "catalogue" / "faults.yaml").read_text(encoding="utf-8")
    wanted = set(re.findall(r"(?m)^- id: (\S+)$", text))
    assert len(wanted) == 66
    ids = {f.id: re.fullmatch(r"(F-[A-F]\d\d)[a-z]?", f.id) for f in all_faults().values()}
    have = {found[1] for found in ids.values() if found}
    assert all(ids.values())
    assert wanted - have == NOT_SCRIPTED.keys()


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as running:
        yield running


@dataclass(slots=True)
class Seen:
    """One answer, as it came. ended: complete, incomplete (h11 objects to the end), reset, or silent."""

    status: int = 0
    interim: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    raw_names: list[bytes] = field(default_factory=list)
    trailers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    ended: str = "silent"

    @property
    def body(self) -> bytes:
        """The body without its coding, as far as it can be taken off."""
        coded = b"".join(self.chunks)
        match self.headers.get("content-encoding", ""):
            case "gzip" | "deflate":
                return zlib.decompressobj(wbits=47).decompress(coded)
            case "br":
                return bytes(pytest.importorskip("brotli").Decompressor().process(coded))
            case "zstd":
                return bytes(pytest.importorskip("zstandard").ZstdDecompressor().decompressobj().decompress(coded))
            case _:
                return coded


def ask(mount: Mount, script: Script) -> Seen:
    """One request over a socket of its own; an answer that is held open is read as far as its script goes."""
    seen, parser = Seen(), h11.Connection(h11.CLIENT, max_incomplete_event_size=64 * 1024 * 1024)
    url = urlsplit(mount.base_url + script.dialect.request(ChatRequest.of("hi")).path)
    headers = [("Host", url.netloc), ("Content-Length", "2"), ("Accept-Encoding", "gzip, deflate, br, zstd")]
    request = h11.Request(method="POST", target=url.path + (f"?{url.query}" if url.query else ""), headers=headers)
    with closing(socket.create_connection((url.hostname or "", url.port or 0), SAFETY)) as connection:
        asked = (request, h11.Data(data=b"{}"), h11.EndOfMessage())
        connection.sendall(b"".join(parser.send(event) or b"" for event in asked))
        if script.head_delay is None:
            connection.settimeout(0.05)
            with pytest.raises(TimeoutError):
                connection.recv(1)
            return seen
        while True:
            try:
                if take(seen, parser) or (script.ending == "hold" and seen.status and seen.body == script.body):
                    break
                parser.receive_data(connection.recv(65536))
            except ConnectionResetError:
                seen.ended = "reset"
                break
            except h11.RemoteProtocolError:
                seen.ended = "incomplete"
                break
    return seen


def take(seen: Seen, parser: h11.Connection) -> bool:
    """Note what has come; whether that was all."""
    while (event := parser.next_event()) is not h11.NEED_DATA:
        match event:
            case h11.InformationalResponse():
                seen.interim.append(event.status_code)
            case h11.Response():
                seen.status, seen.headers = event.status_code, texts(event.headers)
                seen.raw_names = [name for name, _ in event.headers.raw_items()]
            case h11.Data():
                if event.chunk_start or not seen.chunks:
                    seen.chunks.append(b"")
                seen.chunks[-1] += bytes(event.data)
            case h11.EndOfMessage():
                seen.trailers = texts(event.headers)
                seen.ended = "complete"
                return True
            case _:
                return True
    return False


def texts(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in headers}


@cache
def disturbed(fault: Fault, variant: str) -> tuple[Script, Script]:
    """A stream that this fault changes, and what it makes of it: openai-chat's where it can."""
    spec = f"{fault.name}:{variant}" if variant else fault.name
    recordings = [r for r in shipped().values() if fault.fits(r.get_dialect())]
    for recording in sorted(recordings, key=lambda r: (r.dialect != "openai-chat", r.name != "plain-text")):
        plain = script_of(recording)
        changed = apply_faults(plain, spec)
        if changed != plain:
            return plain, changed
    raise AssertionError(f"{spec} changes no recording")


def in_cleartext() -> Iterator[object]:
    """Each fault with each of its variants, those aside that take HTTP/2, TLS or a port without a server."""
    for fault in all_faults().values():
        for variant in fault.variants:
            script = disturbed(fault, variant)[1].counted
            if not (script.transport.certificate or script.transport.http2 or script.transport.missing):
                yield pytest.param(fault, variant, id=f"{fault.id}-{fault.name}-{variant}")


ENDS = {"complete": "complete", "reset": "reset", "hold": "silent"}


def expected_end(script: Script) -> str:
    """How the message ends by the script. Without chunks or a length every end is a complete one (RFC 9112 6.3)."""
    if script.head_delay is None:
        return "silent"
    if bodiless(script.status):
        return "complete"
    length = script.declared_length
    if script.framing == "length" and length is not None and length > len(script.body):
        return "incomplete"
    if script.ending in ENDS:
        return ENDS[script.ending]
    return "complete" if script.framing == "close" else "incomplete"


@pytest.mark.parametrize(("fault", "variant"), list(in_cleartext()))
def test_fault_on_a_socket(server: ReplayServer, fault: Fault, variant: str) -> None:
    """Status, fields, chunks and end of what comes are those of the script, and not those of the plain stream."""
    plain, script = disturbed(fault, variant)
    with server.mount(script) as mount:
        first = ask(mount, script)
        shows(first, script)
        if script.then is not None:
            shows(ask(mount, script.then), script.then)
    with server.mount(plain) as mount:
        usual = ask(mount, plain)
    assert first != usual or only_other_than_bytes(plain, script)


def shows(seen: Seen, script: Script) -> None:
    """Hold what came to what its script says."""
    if script.head_delay is None:
        assert seen == Seen()
        return
    assert (seen.status, seen.interim, seen.ended) == (script.status, list(script.interim), expected_end(script))
    for name, value in script.headers:
        came = seen.headers[name.lower()]
        assert re.fullmatch(r"//localhost:\d+/\S+\?redirected", came) if value == ELSEWHERE else came == value
        assert name.encode() in seen.raw_names
    assert seen.trailers == {name.lower(): value for name, value in script.trailers}
    if bodiless(script.status):
        assert seen.body == b""
        return
    assert seen.body == script.delivered
    if script.framing == "chunked" and not script.coding and script.ending == "complete":
        assert seen.chunks == [piece.data for piece in script.pieces if piece.data]


def only_other_than_bytes(plain: Script, script: Script) -> bool:
    """Whether the fault is one that no single answer shows: of time, of the caller, of the framing's own bytes."""
    timed = [piece.delay for piece in script.pieces] != [piece.delay for piece in plain.pieces]
    framed = script.split_framing or script.chunk_extension
    return bool(timed or framed or script.caller != plain.caller or script.transport != plain.transport)
