"""`streamgauge faults`: the disturbances that the replay server knows."""

from __future__ import annotations

from typing import Any

import click

from streamgauge.cli._output import details, json_option, table, write_json
from streamgauge.faults import Fault, all_faults
from streamgauge.registry import all_dialects, pick


@click.command(name="faults")
@click.argument("name", required=False)
@json_option
def command(name: str | None, json_file: str | None) -> int:
    """List the faults, or explain the one of this NAME (or id, as the list has it)."""
    ids = {f.id.casefold(): f.name for f in all_faults().values()}
    every = sorted(all_faults().values(), key=lambda f: f.id)
    chosen = [pick("fault", all_faults(), ids.get(name.casefold(), name))] if name else every
    if json_file:
        values = [_value(f) for f in chosen]
        write_json(json_file, values[0] if name else values)
    elif name:
        details(_explained(chosen[0]))
    else:
        head = ("id", "fault", "layer", "effect", "argument", "what")
        table(head, ((f.id, f.name, f.layer, f.effect, f.argument, f.title) for f in chosen))
    return 0


def _value(fault: Fault) -> dict[str, Any]:
    return {
        "id": fault.id,
        "name": fault.name,
        "title": fault.title,
        "layer": fault.layer,
        "effect": fault.effect,
        "expected": fault.expected,
        "argument": fault.argument,
        "specs": _specs(fault),
        "dialects": [d.name for d in all_dialects().values() if fault.fits(d)],
    }


def _specs(fault: Fault) -> list[str]:
    return [f"{fault.name}:{v}" if v else fault.name for v in fault.variants]


def _explained(fault: Fault) -> list[tuple[str, str]]:
    value = _value(fault)
    return [
        ("fault", fault.name),
        ("id", fault.id),
        ("title", fault.title),
        ("layer", fault.layer),
        ("effect", fault.effect),
        ("argument", fault.argument),
        ("expected", fault.expected),
        ("specs", ", ".join(value["specs"])),
        ("dialects", ", ".join(value["dialects"])),
        ("note", " ".join((fault.apply.__doc__ or "").split())),
        ("play", f"streamgauge serve --fault {value['specs'][0]!r}"),
    ]
