"""Reading JSON of unknown quality."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given

from streamgauge import wire
from streamgauge.strategies import json_texts
from streamgauge.wire import DEEPEST, Undecodable, count, elements, members, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        (' [1, 2.5, "é", null, true] ', [1, 2.5, "é", None, True]),
        ('{"a":1,"a":2}', {"a": 2}),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\\ud83d"', "\ud83d"),
        ('"\\u0000"', "\x00"),
        ("1e999", math.inf),
        ("-Infinity", -math.inf),
        ("9" * 100, int("9" * 100)),
        ("9" * 5000, math.inf),
    ],
)
def test_parse(text: str, value: Any) -> None:
    """What Python's readers can make sense of is read, also where RFC 8259 forbids it."""
    assert parse(text) == value


def test_parse_nan() -> None:
    """NaN is read as what it is."""
    assert math.isnan(parse("NaN"))


@pytest.mark.parametrize("text", ["", " ", "{", "nul", "'a'", "[1,]", "01", "+1", '"\\x"', '"\n"', "{} {}", "\ufeff{}"])
def test_undecodable(text: str) -> None:
    """What isn't JSON says why, and doesn't raise."""
    found = parse(text)
    assert isinstance(found, Undecodable)
    assert found.reason


@pytest.mark.parametrize("opened", ["[", '{"a":', '[{"a":'])
def test_nesting(opened: str) -> None:
    """The deepest that is read is a limit of ours, not of the stack that is left."""
    levels = opened.count("[") + opened.count("{")
    closed = "".join({"[": "]", "{": "}"}[c] for c in reversed(opened) if c in "[{")

    def nested(depth: int) -> str:
        return opened * (depth // levels) + "1" + closed * (depth // levels)

    assert not isinstance(parse(nested(DEEPEST)), Undecodable)
    for depth in (DEEPEST + levels, 400, 800, 1000, 1200, 5000, 200_000):
        assert parse(nested(depth)) == Undecodable("nested too deeply")


def test_many_siblings_are_not_deep() -> None:
    """Width is no depth."""
    assert len(parse("[" + ",".join(["[[]]"] * 10_000) + "]")) == 10_000


def test_reading_deep_in_a_stack() -> None:
    """Where little of Python's stack is left, the answer is `Undecodable`, not RecursionError."""

    def at(depth: int) -> Any:
        return at(depth - 1) if depth else parse("[" * 200 + "]" * 200)

    import sys

    left = sys.getrecursionlimit() - len(list(_frames()))
    assert isinstance(at(left - 100), (Undecodable, list))


def _frames() -> Any:
    import sys

    frame = sys._getframe()
    while frame:
        yield frame
        frame = frame.f_back  # type: ignore[assignment]


@given(text=json_texts())
def test_never_raises(text: str) -> None:
    """Any text gives a value or `Undecodable`; what Python's own parser refuses is refused."""
    value = parse(text)
    try:
        json.loads(text, parse_int=float)
    except (ValueError, RecursionError):
        assert isinstance(value, Undecodable)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, 5), (0, 0), (-1, -1), (3.0, 3), (3.5, None), (True, None), ("5", None), (None, None), (math.inf, None)],
)
def test_count(value: Any, expected: int | None) -> None:
    """A whole number is a count, whatever its JSON spelling; nothing else is."""
    assert count(value) == expected
    assert count(math.nan) is None


@pytest.mark.parametrize("value", [None, 1, "a", True, 1.5])
def test_other_types_are_empty(value: Any) -> None:
    """A member of the wrong type reads as an absent one."""
    assert members(value) == {}
    assert elements(value) == []
    assert wire.text(value) == (value if isinstance(value, str) else "")
    assert members({"a": 1}) == {"a": 1}
    assert elements([1]) == [1]
