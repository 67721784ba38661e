"""The HTTP message: its status, its header fields, its kind of body, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.events import End, Finish
from streamgauge.mutants import Edit, operator
from streamgauge.mutants._places import frames_of
from streamgauge.mutants.equivalence import over_before, unasked
from streamgauge.mutants.flow import cut
from streamgauge.mutants.stream import Piece, Stream
from streamgauge.trace import TraceEnd

PAGE = b"<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head><body></body></html>\n"
ANSWER = b'{"id":"x","object":"answer","content":"Hello","finish_reason":"stop"}'
DOCUMENTED = {
    "sse": "text/event-stream",
    "ndjson": "application/x-ndjson",
    "json-array": "application/json",
    "eventstream": "application/vnd.amazon.eventstream",
}


def _header(stream: Stream, name: str, value: str | None) -> Stream:
    others = tuple((n, v) for n, v in stream.headers if n != name)
    return stream.but(headers=others if value is None else (*others, (name, value)))


@operator(
    "wrong-content-type",
    "The media type of something else, or none",
    applies=("all",),
    noticed_by=("HTTP-001", "HTTP-019"),
)
def wrong_content_type(stream: Stream) -> Iterator[Edit]:
    for kind in ("text/plain", "text/html; charset=utf-8", "application/octet-stream", *DOCUMENTED.values(), None):
        if kind != DOCUMENTED[stream.framing]:
            yield Edit(f"Content-Type: {kind}", partial(_header, stream, "Content-Type", kind), group=str(kind))


@operator("other-charset", "A charset that is not UTF-8", applies=("sse",), noticed_by=("HTTP-011",))
def other_charset(stream: Stream) -> Iterator[Edit]:
    for charset in ("iso-8859-1", "utf-16", '"latin1"'):
        kind = f"text/event-stream; charset={charset}"
        yield Edit(kind, partial(_header, stream, "Content-Type", kind))


@operator("cacheable", "Caches may keep the answer", applies=("all",), noticed_by=("HTTP-008",))
def cacheable(stream: Stream) -> Iterator[Edit]:
    for value in (None, "max-age=3600", "public"):
        yield Edit(f"Cache-Control: {value}", partial(_header, stream, "Cache-Control", value))


@operator("unasked-coding", "A content coding that nobody asked for", applies=("all",), noticed_by=("HTTP-010",))
def unasked_coding(stream: Stream) -> Iterator[Edit]:
    for coding in ("gzip", "br", "identity, zstd"):
        yield Edit(f"Content-Encoding: {coding}", partial(_header, stream, "Content-Encoding", coding))


@operator(
    "cut-over-http2",
    "Half an answer over HTTP/2, where HTTP/1.1 has it whole",
    applies=("all",),
    noticed_by=("HTTP-017",),
)
def cut_over_http2(stream: Stream) -> Iterator[Edit]:
    kept = min(len(stream.pieces) // 2, *frames_of(stream, Finish, End), len(stream.pieces))
    if kept and stream.exchange.message.ended == "complete":
        yield Edit(f"{kept} of {len(stream.pieces)} frames", _lost(stream, kept, "eof").but(plain=stream).but)


@operator("bufferable", "Proxies are not told to pass each write on", applies=("all",), noticed_by=("HTTP-009",))
def bufferable(stream: Stream) -> Iterator[Edit]:
    for value in (None, "yes"):
        yield Edit(f"X-Accel-Buffering: {value}", partial(_header, stream, "X-Accel-Buffering", value))


@operator(
    "wrong-length",
    "A Content-Length that is not the body's, or a body that only the connection's end ends",
    applies=("all",),
    noticed_by=("HTTP-005",),
)
def wrong_length(stream: Stream) -> Iterator[Edit]:
    for length in (0, len(stream.body) - 1, len(stream.body) + 10):
        yield Edit(f"Content-Length: {length}", partial(_header, stream, "Content-Length", str(length)))
    yield Edit("Connection: close", partial(_header, stream, "Connection", "close"))


@operator(
    "no-stream",
    "One JSON body, a page, or nothing, where a stream was asked for",
    applies=("all",),
    noticed_by=("HTTP-004", "HTTP-012", "BRK-001"),
    equivalent=unasked,
)
def no_stream(stream: Stream) -> Iterator[Edit]:
    for kind, body in (("application/json", ANSWER), ("text/html", PAGE), ("text/plain", b"")):
        other = partial(_header, stream.but(whole=body), "Content-Type", kind)
        yield Edit(f"{kind} of {len(body)} bytes", other, group=kind)


@operator("stream-unasked", "A stream where none was asked for", applies=("openai-chat",), noticed_by=("HTTP-003",))
def streamunasked(stream: Stream) -> Iterator[Edit]:
    if stream.request is not None:
        for asked in (False, None):
            request = {name: value for name, value in stream.request.items() if name != "stream"}
            request |= {} if asked is None else {"stream": asked}
            yield Edit(f"stream {asked} in the request", partial(stream.but, request=request), group=str(asked))


@operator(
    "error-status",
    "The status of an error in front of a stream, or in front of a page",
    applies=("all",),
    noticed_by=("HTTP-012",),
)
def error_status(stream: Stream) -> Iterator[Edit]:
    for status in (400, 429, 500, 529):
        yield Edit(f"HTTP {status} and the stream", partial(stream.but, status=status))
        yield Edit(f"HTTP {status} and a page", partial(stream.but, status=status, whole=PAGE))


@operator(
    "no-retry-after", "A refusal that does not say when to come again", applies=("all",), noticed_by=("HTTP-013",)
)
def no_retry_after(stream: Stream) -> Iterator[Edit]:
    for status in (429, 503):
        body = stream.dialect.error_body(status, "busy")
        made = _header(stream.but(status=status, whole=body), "Content-Type", "application/json")
        yield Edit(f"HTTP {status} without Retry-After", made.but)
        yield Edit(f"HTTP {status}, Retry-After: soon", partial(_header, made, "Retry-After", "soon"))


@operator(
    "error-as-success",
    "A refusal of the request with the status 200: as the body, or as the only event",
    applies=("all",),
    noticed_by=("HTTP-012", "BRK-001", "HTTP-004"),
)
def error_as_success(stream: Stream) -> Iterator[Edit]:
    body = stream.dialect.error_body(400, "no such model")
    made = partial(_header, stream.but(whole=body), "Content-Type", "application/json")
    yield Edit("an error as the JSON body of a 200", made, group="body")


@operator(
    "connection-lost",
    "The connection ends before the HTTP message does",
    applies=("all",),
    noticed_by=("HTTP-006",),
)
def connection_lost(stream: Stream) -> Iterator[Edit]:
    endings: tuple[TraceEnd, ...] = ("incomplete", "reset")
    for ended in endings:
        for kept in range(1, len(stream.pieces) + 1):
            made = partial(_lost, stream, kept, ended)
            yield Edit(f"{ended} behind {kept} of {len(stream.pieces)} frames", made, group=ended)


def _lost(stream: Stream, kept: int, ended: TraceEnd) -> Stream:
    return stream.with_pieces(stream.pieces[:kept]).but(
        ended=ended, tail=b"" if kept < len(stream.pieces) else stream.tail
    )


@operator("reset-at-the-end", "A reset right behind the last byte", applies=("all",), noticed_by=("HTTP-007",))
def reset_at_the_end(stream: Stream) -> Iterator[Edit]:
    yield Edit("reset", partial(stream.but, ended="reset"))


@operator(
    "cut-between-frames",
    "A clean end of the message before the stream is over",
    applies=("all",),
    by_meaning=True,
)
def cut_between_frames(stream: Stream) -> Iterator[Edit]:
    for kept in range(1, len(stream.pieces)):
        yield Edit(f"{kept} of {len(stream.pieces)} frames", partial(_lost, stream, kept, "eof"), cut(stream))


@operator(
    "cut-file",
    "A body that ends before the stream is over, of which nothing else is known",
    applies=("all",),
    by_meaning=True,
    equivalent=over_before,
)
def cut_file(stream: Stream) -> Iterator[Edit]:
    for kept in range(1, len(stream.pieces)):
        yield Edit(f"{kept} of {len(stream.pieces)} frames", _lost(stream, kept, "eof").but(bare=True).but, cut(stream))


@operator("half-file", "A body that ends inside a frame, of which nothing else is known", applies=("all",))
def half_file(stream: Stream) -> Iterator[Edit]:
    for number, piece in enumerate(stream.pieces):
        rules = (*cut(stream), *HALF[stream.framing])
        yield Edit(f"half of frame {number}", _cut(stream, number, len(piece.raw) // 2).but(bare=True).but, rules)


HALF = {
    "sse": ("SSE-020", "SSE-021", "HTTP-004"),
    "ndjson": ("OLL-001", "JSON-001"),
    "json-array": ("GEM-001", "HTTP-004"),
    "eventstream": ("BRK-001",),
}
"""The rules of each framing that speak of half a frame at the end."""


@operator(
    "cut-inside-a-frame",
    "A clean end of the message in the middle of a frame",
    applies=("all",),
)
def cut_inside_a_frame(stream: Stream) -> Iterator[Edit]:
    rules = (*cut(stream), *HALF[stream.framing])
    for number, piece in enumerate(stream.pieces):
        for part in (1, 2, 3):
            at = len(piece.raw) * part // 4
            yield Edit(f"{at} bytes of frame {number}", partial(_cut, stream, number, at), rules)
    yield Edit("all but the last byte", partial(_cut, stream, len(stream.pieces) - 1, -1), rules, "last byte")


def _cut(stream: Stream, number: int, at: int) -> Stream:
    if stream.tail and at < 0:
        return stream.but(tail=stream.tail[:-1])
    return stream.with_pieces([*stream.pieces[:number], Piece(stream.pieces[number].raw[:at])]).but(tail=b"")
