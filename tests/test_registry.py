"""Discovery by looking: files dropped in, other people's packages, and two of one name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamgauge.dialect import Dialect
from streamgauge.errors import DuplicateNameError, StreamgaugeError, UnknownNameError
from streamgauge.registry import all_dialects, by_name, defined, extensions, get_dialect, modules, pick

Package = Callable[[dict[str, str]], str]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """Makes a package of the given files that can be imported while the test runs."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(files: dict[str, str]) -> str:
        for name, text in {"__init__.py": "", **files}.items():
            path = tmp_path / "found_by_looking" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        importlib.invalidate_caches()
        return "found_by_looking"

    yield make
    for name in [name for name in sys.modules if name.partition(".")[0] in ("found_by_looking", "their_dialect")]:
        del sys.modules[name]


@pytest.fixture
def fresh_dialects() -> Iterator[None]:
    """Dialects are looked for again in the test, and again after it."""
    all_dialects.cache_clear()
    yield
    all_dialects.cache_clear()


def test_modules_are_found_below_a_package(package: Package) -> None:
    """Each file is found, also in sub-packages, in order of name; private ones are not."""
    root = package(
        {"b.py": "", "a.py": "", "sub/__init__.py": "", "sub/c.py": "", "_p.py": "1/0", "sub/_q/__init__.py": ""}
    )
    names = [module.__name__.removeprefix(f"{root}.") for module in modules(root)]
    assert names == ["a", "b", "sub", "sub.c"]


def test_objects_are_found_where_they_are_defined(package: Package) -> None:
    """Objects of a kind are found once each, with their place; a new file needs no list to be edited."""
    root = package({"a.py": "one = 1.5\nname = 'x'", "b.py": "from found_by_looking.a import one\ntwo = 2.5"})
    assert [*defined(root, float)] == [(f"{root}.a.one", 1.5), (f"{root}.b.two", 2.5)]


def test_two_of_a_name_raise_and_both_are_named() -> None:
    """Neither of two things of one name wins silently."""
    found = [("here", "x"), ("there", "y"), ("elsewhere", "x")]
    with pytest.raises(DuplicateNameError, match=r"thing 'x' is defined twice: in here and in elsewhere"):
        by_name("thing", found, str)


def test_order_is_kept() -> None:
    """A table keeps the order of discovery."""
    assert [*by_name("thing", [("p", "b"), ("q", "a")], str)] == ["b", "a"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("openai-chta", "unknown dialect 'openai-chta'; did you mean 'openai-chat'?"),
        ("zzz", "unknown dialect 'zzz'; known: "),
        ("", "unknown dialect ''; known: "),
    ],
)
def test_unknown_names_say_what_to_do(name: str, hint: str) -> None:
    """A wrong name is the caller's mistake: the message holds the nearest name, or all of them."""
    with pytest.raises(UnknownNameError) as raised:
        get_dialect(name)
    assert isinstance(raised.value, StreamgaugeError)
    assert str(raised.value).startswith(hint)
    assert "\n" not in str(raised.value)


def test_pick_from_nothing() -> None:
    """Where there is nothing to pick from, the message says so."""
    with pytest.raises(UnknownNameError, match="known: none"):
        pick("thing", {}, "x")


def test_dialects_are_found() -> None:
    """Every module of dialects is found, under the name that its dialect gives itself."""
    found = all_dialects()
    assert "openai-chat" in found
    assert all(isinstance(d, Dialect) and d.name == name for name, d in found.items())


THEIRS = """
from dataclasses import replace
from streamgauge.registry import get_dialect
from streamgauge.dialects.openai_chat import DIALECTS as OURS
ONE = replace(OURS[0], name="their-chat")
SEVERAL = (replace(OURS[0], name="their-second"), replace(OURS[0], name="their-third"))
TAKEN = OURS[0]
"""


def installed(folder: Path, *entries: str) -> None:
    """A distribution with these entry points in the group of dialects, as pip would leave it."""
    info = folder / "their_dialect-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-dialect\nVersion: 1.0\n")
    lines = [f"{entry.lower()} = their_dialect:{entry}" for entry in entries]
    (info / "entry_points.txt").write_text("\n".join(["[streamgauge.dialects]", *lines]) + "\n")
    (folder / "their_dialect.py").write_text(THEIRS)
    importlib.invalidate_caches()


@pytest.mark.usefixtures("fresh_dialects")
def test_other_peoples_dialects(tmp_path: Path, package: Package) -> None:
    """An installed package adds dialects by an entry point, one or several, without a change here."""
    installed(tmp_path, "ONE", "SEVERAL")
    assert [place for place, _ in extensions("streamgauge.dialects")] == [
        "entry point 'one' (their_dialect:ONE)",
        "entry point 'several' (their_dialect:SEVERAL)",
    ]
    assert {"openai-chat", "their-chat", "their-second", "their-third"} <= set(all_dialects())
    assert get_dialect("their-chat").read(b"data: [DONE]\n\n").dialect == "their-chat"


@pytest.mark.usefixtures("fresh_dialects")
def test_other_peoples_dialect_of_our_name(tmp_path: Path, package: Package) -> None:
    """A package that takes a name of ours is refused, with both places."""
    installed(tmp_path, "TAKEN")
    with pytest.raises(
        DuplicateNameError, match=r"'openai-chat'.*streamgauge\.dialects\.openai_chat.*their_dialect:TAKEN"
    ):
        all_dialects()
