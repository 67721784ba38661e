"""Faults of several choices (n > 1): their events in another order."""

from __future__ import annotations

import random

from streamgauge.faults import fault
from streamgauge.faults._edit import json_of, number
from streamgauge.script import Script
from streamgauge.wire import elements, members


@fault(
    "F-E09",
    "interleave",
    "The events of several choices in another order, those of each choice in their own",
    layer="dialect",
    effect="lossless",
    applies=("openai-chat", "openai-completions"),
    argument="a seed; first is one choice after the other, last the same from the last one on",
    variants=("first", "last", "1"),
    expected="the same choices, each for itself",
)
def interleave(script: Script, argument: str) -> Script:
    """The stream stays as it is where it has one choice, or a chunk with several of them."""
    frames = script.frames()
    owners = [_choice(frame, script) for frame in frames]
    owned = [n for n, owner in enumerate(owners) if owner is not None]
    choices: dict[int, list[int]] = {}
    for n in owned:
        choices.setdefault(owners[n] or 0, []).append(n)
    # What belongs to no choice (a keep-alive, usage) stays where it is; the others share the places that are left.
    places = iter(_order(choices, argument))
    order = [n if owner is None else next(places) for n, owner in enumerate(owners)]
    if len(choices) < 2 or _SEVERAL in owners:
        return script
    return script.with_body(frames[n] for n in order)


_SEVERAL = -1


def _choice(frame: bytes, script: Script) -> int | None:
    """The choice that a chunk is of; None where it is of none."""
    found = json_of(frame, script.dialect)
    said = elements(members(found[2] if found else None).get("choices"))
    if len(said) > 1:
        return _SEVERAL
    index = members(said[0]).get("index") if said else None
    return index if isinstance(index, int) else None


def _order(choices: dict[int, list[int]], argument: str) -> list[int]:
    """The frames of all choices in a new order."""
    if argument in ("first", "last"):
        return [n for index in sorted(choices, reverse=argument == "last") for n in choices[index]]
    draw = random.Random(number(argument, 0))
    queues = [list(reversed(frames)) for frames in choices.values()]
    order = []
    while queues := [q for q in queues if q]:
        order.append(draw.choice(queues).pop())
    return order
