"""Events of one plain text are read typed, in every dialect that does so: they say what the general reading says."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import streamgauge.dialects
from streamgauge.dialect import Dialect
from streamgauge.events import End, Event, Finish, Start, TextDelta
from streamgauge.recordings import shipped
from streamgauge.registry import all_dialects, get_dialect
from streamgauge.strategies import event_streams
from streamgauge.wire import typed

few = settings(max_examples=settings().max_examples // 2)


def modules() -> list[ModuleType]:
    """The modules of all dialects."""
    found = pkgutil.walk_packages(streamgauge.dialects.__path__, "streamgauge.dialects.")
    return [importlib.import_module(m.name) for m in found]


TYPED = [m for m in modules() if "typed" in vars(m)]
SCHEMAS = {
    name: value
    for m in TYPED
    for name, value in vars(m).items()
    if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__ == m.__name__
}
NAMES = sorted({name for schema in SCHEMAS.values() for name in schema.__struct_fields__} | {"other"})
"""The members that some typed reading looks at, and one that none does."""
VALUES: list[Any] = [
    *(None, "", "x", "\ud83d", 0, 1, -1, 1.0, 1.5, 2**70, True, False, [], {}, [{}], [None], ["x"], [[]]),
    *({"text": "x"}, {"a": None}, [{"text": "x"}], {"content": "x"}, {"message": "x"}, {"candidatesTokenCount": 3}),
]


@contextmanager
def reading(instead: Callable[[Any, str], Any]) -> Iterator[None]:
    """In all dialects, this in place of the typed reading."""
    with pytest.MonkeyPatch.context() as patch:
        for module in TYPED:
            patch.setattr(module, "typed", instead)
        yield


def generally(_read: Any, _text: str) -> None:
    """Nothing is read typed."""


def places(value: Any) -> Iterator[Any]:
    """All objects and arrays in a value."""
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from places(inner)


@st.composite
def odd(draw: st.DrawFn, text: str) -> str:
    """The JSON of a frame with one thing odd in it: a member, an element, a name twice, its end cut off."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    how = draw(
        st.sampled_from(["member", "member", "member", "left out", "element", "twice", "cut", "deep", "as it is"])
    )
    place = draw(st.sampled_from([*places(value)] or [{}]))
    if how == "member" and isinstance(place, dict):
        name = draw(st.sampled_from([*place, *NAMES]))
        place[name] = draw(st.sampled_from(VALUES))
    elif how == "left out" and isinstance(place, dict) and place:
        del place[draw(st.sampled_from([*place]))]
    elif how == "element" and isinstance(place, list):
        place.insert(draw(st.integers(0, len(place))), draw(st.sampled_from(VALUES)))
    elif how == "deep" and isinstance(place, dict):
        return json.dumps(value)[:-1] + ',"other":' + "[" * 300 + "]" * 300 + "}"
    said = json.dumps(value)
    if how == "twice" and isinstance(value, dict) and value:
        return said[:-1] + "," + json.dumps({draw(st.sampled_from([*value])): draw(st.sampled_from(VALUES))})[1:]
    return said[: draw(st.integers(0, len(said)))] if how == "cut" else said


def told(dialect: Dialect, frames: list[Any]) -> list[Event]:
    """The events of these frames."""
    interpreter, out = dialect.interpreter(), list[Event]()
    for frame in frames:
        interpreter.frame(frame, out)
    interpreter.end(0, out)
    return out


@pytest.mark.parametrize("name", all_dialects())
@few
@given(data=st.data())
def test_the_same_events(name: str, data: st.DataObject) -> None:
    """Whatever the JSON of an event holds, the typed reading says what the general one says."""
    dialect = get_dialect(name)
    framer = dialect.framer()
    frames = list(framer.feed(b"".join(dialect.encode(data.draw(event_streams(name))))))
    for at in data.draw(st.lists(st.integers(0, len(frames) - 1), max_size=3)) if frames else ():
        if hasattr(frames[at], "data"):
            frames[at] = msgspec.structs.replace(frames[at], data=data.draw(odd(frames[at].data)))
    fast = told(dialect, frames)
    with reading(generally):
        assert told(dialect, frames) == fast


def changes(text: str) -> Iterator[str]:
    """The JSON of an event with one member of one of its objects changed, put in, or left out."""
    for number in range(len([*places(json.loads(text))])):
        place = [*places(json.loads(text))][number]
        for name in {*place, *NAMES} if isinstance(place, dict) else ():
            for value in [*VALUES, ...]:
                whole = json.loads(text)
                changed = [*places(whole)][number]
                if value is ...:
                    changed.pop(name, None)
                else:
                    changed[name] = value
                yield json.dumps(whole)


@pytest.mark.parametrize("name", [n for n, d in all_dialects().items() if not d.profile_of])
def test_each_odd_member(name: str) -> None:
    """One odd member, anywhere in an event that says one piece of text, read either way."""
    dialect = get_dialect(name)
    framer = dialect.framer()
    frames = [f for f in framer.feed(plain(dialect)) if hasattr(f, "data")]
    number = next(i for i, f in enumerate(frames) if " word3" in f.data)
    fast, slow = {}, {}
    for text in changes(frames[number].data):
        odd = msgspec.structs.replace(frames[number], data=text)
        fast[text] = told(dialect, [*frames[: number - 1], odd])
    with reading(generally):
        for text in fast:
            odd = msgspec.structs.replace(frames[number], data=text)
            slow[text] = told(dialect, [*frames[: number - 1], odd])
    assert fast == slow


def test_recordings_say_the_same() -> None:
    """Recordings decode to the same events either way."""
    for name, recording in shipped().items():
        dialect = recording.get_dialect()
        fast = dialect.decode(recording.trace.body)
        with reading(generally):
            assert dialect.decode(recording.trace.body) == fast, name


def plain(dialect: Dialect) -> bytes:
    """An answer of ten texts."""
    texts = [TextDelta(f" word{n}") for n in range(10)]
    reason = next(iter(dialect.finish_reasons), "stop")
    return b"".join(dialect.encode([Start("id-1", "model-1"), *texts, Finish(reason), End("complete")]))


@pytest.mark.parametrize("name", all_dialects())
def test_plain_texts_are_read_typed(name: str) -> None:
    """Where a dialect reads typed at all, it does so for all but the first of the texts of a plain answer."""
    dialect, fitting, tried = get_dialect(name), list[Any](), list[str]()

    def counted(read: Any, text: str) -> Any:
        tried.append(text)
        found = typed(read, text)
        if found is not None:
            fitting.append(found)
        return found

    with reading(counted):
        events = dialect.decode(plain(dialect))
    assert sum(isinstance(e, TextDelta) for e in events) == 10
    assert len(fitting) >= 9 or not tried


def test_what_is_read_typed_can_be_deep_nowhere() -> None:
    """A text that is nested too deeply fits no type, though the member that is deep is one that nobody reads."""
    reader = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    assert typed(reader, '{"a":' + "[" * 300 + "]" * 300 + "}") is None
    assert typed(reader, '{"a":1}') == {"a": msgspec.Raw(b"1")}
    assert typed(reader, '{"a"') is None
