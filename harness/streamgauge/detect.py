"""What do these bytes look like? Pure: the first bytes in, a guess with its reason out.

It keeps the commands from calling a web page, an archive or another dialect's answer a bad stream: what is no
stream of the dialect at all is the caller's mistake, and nothing is judged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from streamgauge.dialect import Dialect, Framing
from streamgauge.errors import StreamgaugeError
from streamgauge.events import KeepAlive, Start, Usage
from streamgauge.formats import another_format
from streamgauge.registry import all_dialects
from streamgauge.sse import ServerSentEvent
from streamgauge.wire import Undecodable, members, parse, text

HEAD = 65536
"""Bytes that a guess is made from, at most."""

Kind = Literal["event-stream", "json", "json-lines", "text", "markup", "binary", "compressed", "file", "empty"]

_KINDS: dict[Framing, frozenset[Kind]] = {
    "sse": frozenset({"event-stream"}),
    "ndjson": frozenset({"json", "json-lines"}),
    "json-array": frozenset({"json"}),
    "eventstream": frozenset({"binary"}),
}
_ANY_TEXT: frozenset[Kind] = frozenset({"event-stream", "json", "json-lines", "text"})

_MAGIC = {
    b"\x1f\x8b": "gzip-compressed data: decompress it first (gunzip)",
    b"\x28\xb5\x2f\xfd": "zstd-compressed data: decompress it first (zstd -d)",
    b"PK\x03\x04": "a ZIP archive: unpack it first",
    b"BZh": "bzip2-compressed data: decompress it first (bunzip2)",
    b"\xfd7zXZ\x00": "xz-compressed data: decompress it first (unxz)",
}
_FILES = {
    b"\x89PNG\r\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF-": "a PDF document",
    b"\x7fELF": "a program",
    b"SQLite format 3\0": "an SQLite database",
}
_UNPACK = "save the body of one response as a file of its own"
_RECORDED = (
    (re.compile(rb"(?:---\s+)?(?:http_)?interactions:"), f"a VCR cassette: {_UNPACK}"),
    (re.compile(rb'\{\s*"(?:version"\s*:\s*\d+\s*,\s*")?interactions"\s*:'), f"a VCR cassette: {_UNPACK}"),
    (re.compile(rb'\{\s*"log"\s*:\s*\{\s*"(?:version|creator|browser|pages|entries)"'), f"a HAR archive: {_UNPACK}"),
)
_FIELDS = (b"data", b"event", b"id", b"retry")
_FIRST_FIELD = re.compile(rb"(?:data|event|id|retry)(?:[:\r\n]|\Z)")
_LATER_FIELD = re.compile(rb"[\r\n](?:data|event|id|retry):")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_BOM = b"\xef\xbb\xbf"
BINARY = "binary data: if it is compressed, decompress it first"
_MESSAGE_TYPE = re.compile(rb":(?:event|message|exception)-type|:error-code")
_FIRST_MESSAGE = 512  # bytes: more than the prelude and headers of a message have


@dataclass(frozen=True, slots=True)
class Guess:
    """A dialect, and why the bytes look like it."""

    dialect: str
    reason: str


def kind_of(head: bytes) -> tuple[Kind, str]:
    """The kind of these first bytes, and the words to say it with."""
    kind, words = _kind_of(head)
    return kind, another_format(head) or words


def _kind_of(head: bytes) -> tuple[Kind, str]:
    if not head:
        return "empty", "empty: there is nothing in it"
    for magic, words in _MAGIC.items():
        if head.startswith(magic):
            return "compressed", words
    for magic, words in _FILES.items():
        if head.startswith(magic):
            return "file", words
    bare = head.removeprefix(_BOM).lstrip(b"\r\n")
    first = bare.partition(b"\n")[0].rstrip(b"\r")
    if not bare or _FIRST_FIELD.match(bare) or any(f.startswith(bare) for f in _FIELDS):
        return "event-stream", "an event stream (SSE)"
    if _is_binary(head):
        return "binary", "UTF-16 text: convert it to UTF-8" if _is_utf16(head) else BINARY
    for pattern, words in _RECORDED:
        if pattern.match(bare):
            return "file", words
    if bare.startswith(b":") or _LATER_FIELD.search(bare):
        return "event-stream", "an event stream (SSE)"
    if bare.lstrip()[:1] == b"<":
        page = bare.lstrip()[:14].lower()
        return "markup", "an HTML page" if page.startswith((b"<!doctype html", b"<html")) else "XML or HTML"
    if bare.lstrip()[:1] in (b"{", b"["):
        return _json_kind(bare)
    return "text", f"plain text ({_quoted(first)})"


def not_a_stream(head: bytes, framing: Framing | None, *others: Framing) -> str | None:
    """What these bytes are instead of a stream of this framing (or one of the others); None where they may be one.

    framing: None takes any text, as the WHATWG rules give every text a meaning.
    """
    kind, words = kind_of(head)
    array = kind == "json" and head.removeprefix(_BOM).lstrip()[:1] == b"["
    if kind in (_KINDS[framing] if framing else _ANY_TEXT):
        odd = (array and framing == "ndjson") or (framing == "eventstream" and not _may_be_messages(head))
        return words if odd else None
    # One JSON object is an ordinary answer, most often an error.
    array = array and "json-array" in others
    return None if array or any(kind in _KINDS[o] for o in others if o != "json-array") else words


def _may_be_messages(head: bytes) -> bool:
    """Whether binary data may be an AWS event stream: its first message names its type, whatever else is damaged."""
    return len(head) < _FIRST_MESSAGE or _MESSAGE_TYPE.search(head[:_FIRST_MESSAGE]) is not None


def guesses(head: bytes) -> list[Guess]:
    """Every dialect that these bytes look like."""
    found = ((d.name, d.detect(head)) for d in all_dialects().values() if not d.profile_of)
    return [Guess(name, reason) for name, reason in found if reason]


def _guesses_from_an_error(head: bytes, content_type: str) -> list[Guess]:
    media_type = content_type.partition(";")[0].strip().lower()
    found = ((d.name, d.detect_error(head, media_type)) for d in all_dialects().values() if not d.profile_of)
    return [Guess(name, reason) for name, reason in found if reason]


def detect(head: bytes, content_type: str = "") -> Guess:
    """The one dialect that these bytes look like; content_type: the header's value, where it is known.

    Raises StreamgaugeError where there is none, or more than one: it says what they look like instead.
    """
    if foreign := another_format(head):
        raise StreamgaugeError(f"looks like {foreign}")
    found = guesses(head) or _guesses_from_an_error(head, content_type)
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(g.dialect for g in found)
        raise StreamgaugeError(f"looks like {names}: say which with --dialect")
    kind, words = kind_of(head)
    if kind == "empty":
        raise StreamgaugeError(f"is {words}")
    if kind not in ("event-stream", "json-lines"):
        raise StreamgaugeError(f"looks like {words}{_hint(head) if kind == 'json' else ''}")
    known = ", ".join(all_dialects())
    raise StreamgaugeError(f"looks like {words}, but of which dialect is not sure: give --dialect ({known})")


def _hint(head: bytes) -> str:
    """Who streams such a line, too, where that can't be told from an ordinary answer: Ollama and its like."""
    if not isinstance(members(parse(head.decode("utf-8", "replace"))).get("error"), str):
        return ""
    lines = (d for d in all_dialects().values() if d.framing == "ndjson" and means_something(d, head))
    names = " or ".join(d.name for d in lines)
    return f"; if it is all that came of a stream, say of which: --dialect {names}" if names else ""


def another(dialect: Dialect, head: bytes, *, final: bool = True) -> str | None:
    """Why these bytes are a stream of another dialect than this one; None where they may be this one's.

    final: whether more bytes may come, which could still say something in this dialect.
    """
    if foreign := another_format(head):
        return foreign
    if dialect.detect(head):
        return None
    others = [g for g in guesses(head) if g.dialect not in dialect.names]
    if others:
        return f"a stream of {others[0].dialect} ({others[0].reason})"
    if dialect.framing != "sse" or not (final or len(head) >= HEAD):
        return None
    return _meaningless(dialect, head)


def means_something(dialect: Dialect, head: bytes) -> bool:
    """Whether these bytes say something in this dialect, be it an error or nonsense.

    An id, a model or a count of tokens is not enough: those members have the same names in several dialects.
    """
    return any(not isinstance(e, (KeepAlive, Start, Usage)) for e in dialect.decoder().feed(head))


def _meaningless(dialect: Dialect, head: bytes) -> str | None:
    """Events that all say nothing in this dialect: two of them, or one that names a type of its own."""
    if means_something(dialect, head):
        return None
    events = [f for f in dialect.framer().feed(head) if isinstance(f, ServerSentEvent)]
    if not events:
        return None
    first = events[0]
    named = first.type if first.type != "message" else text(members(parse(first.data)).get("type"))
    if len(events) < 2 and not named:
        return None
    shown = f"of type {named!r}" if named else _quoted(first.data.encode())
    return f"an event stream of something else (no event means anything in {dialect.name}, the first is {shown})"


def _is_binary(head: bytes) -> bool:
    sample = head[:4096]
    if sample.startswith((b"\xff\xfe", b"\xfe\xff", b"\0")):  # UTF-16, or a length as binary frames begin with
        return True
    return len(_CONTROL.findall(sample)) * 20 > len(sample) or (b"\0" in sample and not _readable(sample))


def _is_utf16(head: bytes) -> bool:
    """Whether text of mostly ASCII stands in units of two bytes; its end may be cut anywhere."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    sample = head[:64]
    return len(sample) >= 8 and any(sample) and any(not any(half) for half in (sample[::2], sample[1::2]))


def _readable(sample: bytes) -> bool:
    # The sample may end inside a character.
    return any(_decodes(sample[: len(sample) - cut]) for cut in range(4))


def _decodes(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _json_kind(bare: bytes) -> tuple[Kind, str]:
    lines = [line for line in bare[:HEAD].decode("utf-8", "replace").split("\n") if line.strip()]
    if len(lines) > 1 and all(line.lstrip()[0] == "{" for line in lines[:2]):
        return "json-lines", "lines of JSON (NDJSON)"
    value = parse(bare.decode("utf-8", "replace"))
    if isinstance(value, Undecodable):
        return "json", "JSON"
    error = members(value).get("error") or members(value).get("detail")
    if error:
        said = text(members(error).get("message")) or str(error)
        return "json", f"a JSON error and not a stream: {_quoted(said.encode())}"
    shown = ", ".join(list(members(value))[:6])
    whole = any(d.message(value).choices for d in all_dialects().values()) if shown else False
    return "json", (
        f"a JSON {'object' if isinstance(value, dict) else 'value'} and not a stream"
        + (f" (members: {shown})" if shown else "")
        + (": an answer that was asked for without streaming" if whole else "")
    )


def _quoted(data: bytes, most: int = 80) -> str:
    said = " ".join(data.decode("utf-8", "replace").split())
    return repr(said if len(said) <= most else said[: most - 1] + "…")
