"""Server-sent events: lines and blank lines that are missing, wrong, or too many; and the forms that are all right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial

from streamgauge.mutants import Edit, operator
from streamgauge.mutants.stream import Stream

SSE = ("sse",)
BOM = b"\xef\xbb\xbf"


def _each(stream: Stream, change: Callable[[bytes], bytes | None]) -> Iterator[Edit]:
    """An edit for each event whose bytes the change changes."""
    for number, piece in enumerate(stream.pieces):
        made = change(piece.raw) if b"data:" in piece.raw else None
        if made is not None and made != piece.raw:
            yield Edit(f"frame {number}", partial(stream.instead, number, made))


def _inserted(stream: Stream, *lines: bytes) -> Iterator[Edit]:
    """An edit for each text and each place between two frames."""
    for text in lines:
        for number in range(len(stream.pieces) + 1):
            what = f"{text!r} before frame {number}"
            yield Edit(what, partial(stream.inserted, number, text), group=repr(text))


@operator(
    "lost-blank-line",
    "No blank line behind an event",
    applies=SSE,
    noticed_by=("SSE-020", "JSON-001"),
)
def lost_blank_line(stream: Stream) -> Iterator[Edit]:
    for number, piece in enumerate(stream.pieces):
        if b"data:" in piece.raw and piece.raw.endswith(b"\n\n"):
            yield Edit(f"frame {number}", partial(stream.instead, number, piece.raw[:-1]))
    last = len(stream.pieces) - 1
    yield Edit(
        f"frame {last}, both", partial(stream.instead, last, stream.pieces[last].raw.rstrip(b"\n")), group="both"
    )


@operator("lines-run-together", "No line end behind an event", applies=SSE, noticed_by=("SSE-020", "JSON-001"))
def lines_run_together(stream: Stream) -> Iterator[Edit]:
    yield from _each(stream, lambda raw: raw.rstrip(b"\r\n"))


@operator("lost-data-prefix", "A bare JSON line, without its field name", applies=SSE, noticed_by=("SSE-021",))
def lost_data_prefix(stream: Stream) -> Iterator[Edit]:
    yield from _each(stream, lambda raw: raw.replace(b"data: ", b"", 1))


@operator("doubled-data-prefix", "data: data:, as a proxy makes it", applies=SSE, noticed_by=("JSON-001",))
def doubled_data_prefix(stream: Stream) -> Iterator[Edit]:
    yield from _each(stream, lambda raw: raw.replace(b"data: ", b"data: data: ", 1))


def _misspelt(name: bytes, raw: bytes) -> bytes:
    return raw.replace(b"data:", name, 1)


@operator("misspelt-field", "A field name in another case, or misspelt", applies=SSE, noticed_by=("SSE-021",))
def misspelt_field(stream: Stream) -> Iterator[Edit]:
    for name in (b"Data:", b"DATA:", b"dat:", b" data:", b"data :"):
        yield from _each(stream, partial(_misspelt, name))


@operator(
    "bom-in-the-middle", "A byte order mark before an event that is not the first", applies=SSE, noticed_by=("SSE-021",)
)
def bom_in_the_middle(stream: Stream) -> Iterator[Edit]:
    for number in range(1, len(stream.pieces)):
        yield Edit(f"before frame {number}", partial(stream.instead, number, BOM + stream.pieces[number].raw))


@operator(
    "text-in-the-stream",
    "A line that is no field: a proxy's message, a page, a log line",
    applies=SSE,
    noticed_by=("SSE-021",),
)
def text_in_the_stream(stream: Stream) -> Iterator[Edit]:
    yield from _inserted(
        stream, b"upstream connect error or disconnect/reset before headers\n\n", b"<html></html>\n", b"[DONE]\n\n"
    )


@operator(
    "keep-alive-as-data",
    "A keep-alive that parsers take for an event",
    applies=SSE,
    noticed_by=("SSE-022", "SSE-025", "JSON-001"),
)
def keep_alive_as_data(stream: Stream) -> Iterator[Edit]:
    yield from _inserted(
        stream, b"data: ping\n\n", b"data: : keep-alive\n\n", b"data:\n\n", b"data: OPENROUTER PROCESSING\n\n"
    )


@operator("bare-event-line", "An event line without data as a keep-alive", applies=SSE, noticed_by=("SSE-022",))
def bare_event_line(stream: Stream) -> Iterator[Edit]:
    yield from _inserted(stream, b"event: ping\n\n", b"event: keepalive\n\n")


@operator("other-line-ends", "CRLF or CR in place of LF", applies=SSE, effect="harmless")
def other_line_ends(stream: Stream) -> Iterator[Edit]:
    for end in (b"\r\n", b"\r"):
        made = [p.raw.replace(b"\n", end) for p in stream.pieces]
        yield Edit(f"every line ends in {end!r}", partial(stream.with_pieces, made))


@operator("more-blank-lines", "More than one blank line between events", applies=SSE, effect="harmless")
def more_blank_lines(stream: Stream) -> Iterator[Edit]:
    yield from _each(stream, lambda raw: raw + b"\n")


@operator("no-space", "data: without the optional space", applies=SSE, effect="harmless")
def no_space(stream: Stream) -> Iterator[Edit]:
    yield from _each(stream, lambda raw: raw.replace(b"data: ", b"data:", 1))


@operator("comments", "Comments and retry lines", applies=SSE, effect="harmless")
def comments(stream: Stream) -> Iterator[Edit]:
    yield from _inserted(stream, b": keep-alive\n\n", b":\n\n", b"retry: 3000\n\n")


@operator(
    "id-lines",
    "id lines, which only Open Responses advises against",
    applies=SSE,
    effect="harmless",
)
def id_lines(stream: Stream) -> Iterator[Edit]:
    if "openai-responses" not in stream.dialect.names:
        yield from _each(stream, lambda raw: b"id: 7\n" + raw)


@operator("several-data-lines", "JSON over several data lines", applies=SSE, effect="harmless")
def several_data_lines(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        lines = json.dumps(value, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace").split(b"\n")
        data = b"\ndata: ".join(lines)
        yield Edit(f"frame {number}", partial(stream.instead, number, stream.put(data, stream.pieces[number])))


@operator("leading-bom", "One byte order mark at the very beginning", applies=SSE, effect="harmless")
def leading_bom(stream: Stream) -> Iterator[Edit]:
    yield Edit("before frame 0", partial(stream.instead, 0, BOM + stream.pieces[0].raw))
