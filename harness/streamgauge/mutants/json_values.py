"""JSON: events that are none, values that JSON forbids, and spellings that mean the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from streamgauge.mutants import Edit, operator
from streamgauge.mutants._places import leaves, put, shown
from streamgauge.mutants.stream import Stream, dumps

ALL = ("all",)
JSON = ("JSON-001",)
ARRAY = (*JSON, "GEM-001", "GEM-004", "ERR-001", "AGG-004")
"""In an array a broken element breaks the array: what follows it can't be told."""

INNER = (*JSON, "JSON-002", "JSON-003", "JSON-005", "BRK-017")
"""What an invoked model says may be text, where an agent says it, so that JSON-001 judges objects only."""


def _texts(
    stream: Stream, change: Callable[[bytes], bytes | None], group: str = "", *, breaks: bool = False
) -> Iterator[Edit]:
    """An edit for each JSON event, with its text changed."""
    for number, value in stream.objects:
        text = dumps(value)
        made = change(text)
        if made is not None and made != text:
            piece = stream.put(made, stream.pieces[number])
            rules = ARRAY if breaks and stream.framing == "json-array" else INNER if stream.pieces[number].inner else ()
            what = f"frame {number}{group and ': '}{group}"
            yield Edit(what, partial(stream.instead, number, piece), rules, group)


def _trailing_comma(text: bytes) -> bytes:
    return text[:-1] + b",}"


def _python(text: bytes) -> bytes:
    return repr(json.loads(text)).encode("utf-8", "backslashreplace")


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "the last brace missing": lambda text: text[:-1],
    "a brace too many": lambda text: text + b"}",
    "a comma too many": _trailing_comma,
    "Python's spelling": _python,
    "half of it": lambda text: text[: len(text) // 2],
    "a member's name without quotes": lambda text: re.sub(rb'"(\w+)":', rb"\1:", text, count=1),
    "a colon missing": lambda text: text.replace(b":", b"", 1),
    "twice in one event": lambda text: text + text,
    "text before it": lambda text: b"null" + text,
    "a raw control character": lambda text: text.replace(b'":"', b'":"\x01', 1),
    "a wrong escape": lambda text: text.replace(b'":"', b'":"\\x', 1),
}


@operator("broken-json", "Data that is not JSON", applies=ALL, noticed_by=JSON)
def broken_json(stream: Stream) -> Iterator[Edit]:
    for title, change in BROKEN.items():
        yield from _texts(stream, change, title, breaks=True)


WRAPPED: dict[str, Callable[[Any], Any]] = {
    "in a string": lambda value: json.dumps(value),
    "in an array": lambda value: [value],
    "null": lambda _: None,
    "a number": lambda _: 1,
    "an empty array": lambda _: [],
    "true": lambda _: True,
}


def _wrapped(change: Callable[[Any], Any], text: bytes) -> bytes:
    return dumps(change(json.loads(text)))


@operator("not-an-object", "Data that is JSON, but no object", applies=ALL, noticed_by=JSON)
def not_an_object(stream: Stream) -> Iterator[Edit]:
    for title, change in WRAPPED.items():
        yield from _texts(stream, partial(_wrapped, change), title, breaks=True)


@operator("not-a-number", "NaN or Infinity as a value", applies=ALL, noticed_by=("JSON-002", *JSON))
def not_a_number(stream: Stream) -> Iterator[Edit]:
    for number, value in stream.objects:
        for path, leaf in leaves(value):
            if type(leaf) in (int, float):
                for spelling in ("NaN", "-Infinity"):
                    made = partial(stream.changed, number, partial(put, path, partial(_float, spelling)))
                    yield Edit(f"frame {number}, {shown(path)}: {spelling}", made)


def _float(spelling: str, _: Any) -> float:
    return float(spelling)


@operator("lone-surrogate", "Half of a surrogate pair in a string", applies=ALL, noticed_by=("JSON-003",))
def lone_surrogate(stream: Stream) -> Iterator[Edit]:
    yield from _texts(stream, lambda text: text.replace(b'":"', b'":"\\ud83d', 1), "high")
    yield from _texts(stream, lambda text: text.replace(b'":"', b'":"\\uDC4B', 1), "low")


@operator("duplicate-member", "A member twice in one object", applies=ALL, noticed_by=("JSON-005",))
def duplicate_member(stream: Stream) -> Iterator[Edit]:
    yield from _texts(stream, lambda text: re.sub(rb'("\w+":)', rb"\1null,\1", text, count=1), "first null")
    yield from _texts(stream, lambda text: _doubled(text), "deep inside")


def _doubled(text: bytes) -> bytes | None:
    found = list(re.finditer(rb'[{,]("[a-z_A-Z]+"):("[^"\\]*"|\d+|null|true|false)(?=[,}])', text))
    if not found:
        return None
    at = found[-1].end()
    return text[:at] + b"," + found[-1][1] + b":" + found[-1][2] + text[at:]


@operator("spaces", "JSON with spaces", applies=ALL, effect="harmless")
def spaces(stream: Stream) -> Iterator[Edit]:
    yield from _texts(stream, lambda text: json.dumps(json.loads(text), ensure_ascii=False).encode())


@operator("escapes", "Every character as an escape that may be one", applies=ALL, effect="harmless")
def escapes(stream: Stream) -> Iterator[Edit]:
    yield from _texts(stream, lambda text: json.dumps(json.loads(text)).replace("/", "\\/").encode())


@operator("other-order", "Members in another order", applies=ALL, effect="harmless")
def other_order(stream: Stream) -> Iterator[Edit]:
    yield from _texts(stream, lambda text: dumps(dict(reversed(json.loads(text).items()))))


def _with_member(value: bytes, text: bytes) -> bytes | None:
    return text[:-1] + b',"x_streamgauge":' + value + b"}" if len(text) > 2 else None


@operator("unknown-member", "A member that no reference knows", applies=ALL, effect="harmless")
def unknown_member(stream: Stream) -> Iterator[Edit]:
    for value in (b"null", b'{"a":[1,2.5,"x"]}'):
        yield from _texts(stream, partial(_with_member, value))
