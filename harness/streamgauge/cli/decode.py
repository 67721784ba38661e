"""`streamgauge decode`: bytes in; one normalised event a line out as JSON, or the message they carry."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, cast

import click
import msgspec

from streamgauge.cli._inputs import FRAMING_ONLY, admitted, body_reads, named_dialect, recording_of, shown
from streamgauge.cli._output import complain, note
from streamgauge.detect import HEAD, detect
from streamgauge.dialect import Decoder, Dialect, Framer
from streamgauge.errors import StreamgaugeError
from streamgauge.events import Event, Malformed, to_json
from streamgauge.message import MessageBuilder, to_dict
from streamgauge.sse import DEFAULT_LIMIT, Frame, ServerSentEvent, SSEDecoder

# Line ends to Python's str.splitlines and to some editors, though not to JSON: readers by line must not be misled.
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


@click.command(name="decode")
@click.argument("files", nargs=-1, required=True, metavar="FILE|-...")
@click.option(
    "--dialect", metavar="D", help="What the bytes speak; `sse` is the framing alone. Default: seen from them."
)
@click.option("--message", is_flag=True, help="Print the message that each stream carries, one JSON object a line.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="BYTES",
    help=f"Longest line and event that is read; what is longer is malformed. Default: {DEFAULT_LIMIT}.",
)
def command(files: tuple[str, ...], dialect: str | None, message: bool, limit: int | None) -> int:
    """Print what the bytes of a stream say, as they come: one JSON object a line.

    Takes response bodies, HTTP captures (`curl -i`) and streamgauge's own recordings. A stream that is cut or
    broken is decoded as far as it goes; what is no such stream at all is refused with exit code 2.
    """
    if message and dialect == FRAMING_ONLY:
        raise StreamgaugeError("sse has events but no messages: give --message a dialect")
    if dialect:
        named_dialect(dialect)
    refused = 0
    for name in files:
        try:
            _one(name, dialect, limit, message=message, several=len(files) > 1)
        except StreamgaugeError as error:
            if len(files) == 1:
                raise
            complain(str(error))
            refused += 1
    return 2 if refused else 0


def _one(name: str, wanted: str | None, limit: int | None, *, message: bool, several: bool) -> None:
    extra = {"file": name} if several else {}
    recording = recording_of(name)
    if recording:
        chunks: Iterator[bytes] = (a.data for a in recording.trace.arrivals)
        wanted = wanted or recording.dialect
    else:
        chunks = body_reads(name)
    if not wanted:
        wanted, chunks = _detected(name, chunks)
    dialect = named_dialect(wanted)
    admissible = admitted(chunks, dialect, name)
    if dialect is None:
        _print(_sse_lines(admissible, limit, extra))
    elif message:
        _print([_message(dialect, admissible, limit, extra)])
    else:
        _print(_event_lines(dialect, admissible, limit, extra))


def _detected(name: str, chunks: Iterator[bytes]) -> tuple[str, Iterator[bytes]]:
    """The dialect that the bytes look like, and all of them; says on standard error why."""
    head: list[bytes] = []
    for chunk in chunks:
        head.append(chunk)
        if sum(map(len, head)) >= HEAD or (b"\n" in chunk and _sure(b"".join(head))):
            break
    try:
        guess = detect(b"".join(head)[:HEAD])
    except StreamgaugeError as error:
        raise StreamgaugeError(f"{shown(name)} {error}") from None
    note(f"{shown(name)}: {guess.dialect}, as {guess.reason}")
    return guess.dialect, chain(head, chunks)


def _sure(head: bytes) -> bool:
    try:
        detect(head[:HEAD])
    except StreamgaugeError:
        return False
    return True


def _decoder(dialect: Dialect, limit: int | None) -> Decoder:
    if limit is None:
        return dialect.decoder()
    if "limit" not in inspect.signature(dialect.framer).parameters:
        raise StreamgaugeError(f"--limit does not apply to {dialect.name}: its framing has none")
    framer: Framer = cast("Any", dialect.framer)(limit)
    return Decoder(framer, dialect.interpreter())


def _event_lines(dialect: Dialect, chunks: Iterable[bytes], limit: int | None, extra: dict[str, Any]) -> Iterator[str]:
    decoder = _decoder(dialect, limit)
    for chunk in chunks:
        yield "".join(_line(e, extra) for e in decoder.feed(chunk))
    yield "".join(_line(e, extra) for e in decoder.eof())


def _line(event: Event, extra: dict[str, Any]) -> str:
    # The struct itself is the fast way; its members are in the contract's order.
    value = {**msgspec.to_builtins(event), **extra} if extra else event
    return to_json(value) + "\n"


def _sse_lines(chunks: Iterable[bytes], limit: int | None, extra: dict[str, Any]) -> Iterator[str]:
    decoder = SSEDecoder(limit or DEFAULT_LIMIT)
    for chunk in chunks:
        yield "".join(_frames(decoder.feed(chunk), extra))
    yield "".join(_frames(decoder.eof(), extra))


def _frames(frames: Iterable[Frame], extra: dict[str, Any]) -> Iterator[str]:
    for frame in frames:
        if isinstance(frame, ServerSentEvent):
            yield to_json({"type": frame.type, "data": frame.data, "id": frame.id, **extra}) + "\n"
        elif isinstance(frame, Malformed):
            yield _line(frame, extra)


def _message(dialect: Dialect, chunks: Iterable[bytes], limit: int | None, extra: dict[str, Any]) -> str:
    decoder = _decoder(dialect, limit)
    builder = MessageBuilder(dialect.name)
    for chunk in chunks:
        for event in decoder.feed(chunk):
            builder.add(event)
    for event in decoder.eof():
        builder.add(event)
    said = to_dict(builder.build())
    for choice in said["choices"]:
        if not choice["server_tool_calls"]:
            del choice["server_tool_calls"]
    return to_json({**extra, **said}) + "\n"


def _print(texts: Iterable[str]) -> None:
    """Write each text at once, as UTF-8 whatever the terminal's locale: JSON is (RFC 8259 8.1)."""
    for text in texts:
        if text:
            shown = text if text.isascii() else text.translate(_LINE_ENDS)
            sys.stdout.buffer.write(shown.encode())
            sys.stdout.buffer.flush()
