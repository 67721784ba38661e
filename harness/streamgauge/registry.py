"""Finds dialects, rules, faults, cases and providers by looking; two of one name raise, naming both."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, TypeVar

from streamgauge.dialect import Dialect
from streamgauge.errors import DuplicateNameError, StreamgaugeError, UnknownNameError

T = TypeVar("T")


def modules(package: str) -> Iterator[ModuleType]:
    """Each public module below a package, sub-packages included, in order of name."""
    root = importlib.import_module(package)
    for info in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not any(part.startswith("_") for part in info.name.split(".")):
            yield importlib.import_module(info.name)


def defined(package: str, kind: type[T]) -> Iterator[tuple[str, T]]:
    """Objects of a kind that the modules of a package define at module level: (place, object)."""
    seen: set[int] = set()
    for module in modules(package):
        for name, value in vars(module).items():
            if isinstance(value, kind) and id(value) not in seen:
                seen.add(id(value))
                yield f"{module.__name__}.{name}", value


def by_name(kind: str, found: Iterable[tuple[str, T]], key: Callable[[T], str]) -> dict[str, T]:
    """A table by name, in order of discovery.

    Raises DuplicateNameError, which names both places.
    """
    table: dict[str, T] = {}
    places: dict[str, str] = {}
    for place, value in found:
        name = key(value)
        if name in table:
            raise DuplicateNameError(f"{kind} {name!r} is defined twice: in {places[name]} and in {place}")
        table[name], places[name] = value, place
    return table


def extensions(group: str) -> Iterator[tuple[str, Any]]:
    """Objects of other people's packages: (place, object) of each entry point of a group."""
    for entry in sorted(entry_points(group=group)):
        yield f"entry point {entry.name!r} ({entry.value})", entry.load()


def extended(group: str, name: str, kind: type[T]) -> Iterator[tuple[str, T]]:
    """What other people's packages add: an entry point leads to one object, to several, or to a module with that name.

    Raises StreamgaugeError where it leads to anything else.
    """
    for place, value in extensions(group):
        found = getattr(value, name, None) if isinstance(value, ModuleType) else value
        for one in found if isinstance(found, (tuple, list)) else (found,):
            if not isinstance(one, kind):
                raise StreamgaugeError(f"{place} should lead to a {kind.__name__}, or to a module with {name}")
            yield place, one


def pick(kind: str, table: dict[str, T], name: str) -> T:
    """The entry of that name; raises UnknownNameError, which names the nearest."""
    if name not in table:
        raise UnknownNameError(kind, name, sorted(table))
    return table[name]


@cache
def all_dialects() -> dict[str, Dialect]:
    """Every dialect by name."""
    found: list[tuple[str, Dialect]] = []
    for module in modules("streamgauge.dialects"):
        if module.__name__.rpartition(".")[2] not in ("rules", "decoder", "encoder"):
            found += [(module.__name__, d) for d in getattr(module, "DIALECTS", ())]
    found += extended("streamgauge.dialects", "DIALECTS", Dialect)
    return by_name("dialect", found, lambda d: d.name)


def get_dialect(name: str) -> Dialect:
    """The dialect of that name; raises UnknownNameError."""
    return pick("dialect", all_dialects(), name)
