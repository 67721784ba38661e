"""Faults: functions from script to script, found by looking.

A fault is named by its name, with an argument behind a colon where it takes one, and faults are composed
with "+", applied from left to right: `bom+byte-by-byte`, `truncate:3`, `random-cuts:42`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from streamgauge.dialect import Dialect
from streamgauge.errors import StreamgaugeError
from streamgauge.registry import by_name, defined, pick
from streamgauge.script import Script

Layer = Literal["bytes", "http", "time", "loss", "content", "dialect", "status", "connection"]
Effect = Literal["lossless", "surplus", "truncated", "broken", "stalled", "error", "refused", "damaged"]
"""lossless: nothing changes for the caller; surplus: the message is the same, more came behind it;
truncated: the dialect's terminator is missing; broken: the transport failed; stalled: silence;
error: the stream reports an error; refused: there is no stream; damaged: as the fault says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One disturbance. `apply` takes the script and the argument ("" where none was given).

    id: its number in the project's catalogue of faults. variants: arguments that the conformance run uses.
    applies: dialects, framings or "all". expected: what a client should make of it, in words.
    """

    id: str
    name: str
    title: str
    layer: Layer
    effect: Effect
    apply: Callable[[Script, str], Script]
    expected: str = ""
    argument: str = ""
    variants: tuple[str, ...] = ("",)
    applies: tuple[str, ...] = ("all",)

    def fits(self, dialect: Dialect) -> bool:
        return not (dialect.names | {dialect.framing}).isdisjoint(self.applies)


def fault(fault_id: str, name: str, title: str, **facts: object) -> Callable[[Callable[[Script, str], Script]], Fault]:
    """Declare a fault; the facts are the fields of `Fault`."""

    def declare(apply: Callable[[Script, str], Script]) -> Fault:
        return Fault(id=fault_id, name=name, title=title, apply=apply, **facts)  # type: ignore[arg-type]

    return declare


@cache
def all_faults() -> dict[str, Fault]:
    """Every fault by name."""
    return by_name("fault", defined("streamgauge.faults", Fault), lambda f: f.name)


def parse_faults(spec: str) -> list[tuple[Fault, str]]:
    """The faults of a spec like `bom+truncate:3`, in order; "" is none.

    Raises UnknownNameError for a name that is not there.
    """
    found = []
    for part in filter(None, spec.split("+")):
        name, _, argument = part.partition(":")
        found.append((pick("fault", all_faults(), name), argument))
    return found


def apply_faults(script: Script, spec: str) -> Script:
    """The script under a spec of faults.

    Raises StreamgaugeError for an argument that a fault can't read, and for a fault that does not fit the dialect.
    """
    for found, argument in parse_faults(spec):
        if not found.fits(script.dialect):
            raise StreamgaugeError(
                f"fault {found.name!r} does not fit {script.dialect.name}: it is for {found.applies}"
            )
        try:
            script = found.apply(script, argument)
        except ValueError as error:
            raise StreamgaugeError(f"fault {found.name!r}: {argument!r} is not {found.argument}: {error}") from error
    return script


def effect_of(spec: str) -> Effect:
    """The effect of a spec: that of its first fault that is not lossless."""
    effects = [found.effect for found, _ in parse_faults(spec)]
    return next((e for e in effects if e != "lossless"), "lossless")
