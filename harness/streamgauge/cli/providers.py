"""`streamgauge providers`: what answers can be streamed through, and whether it is installed."""

from __future__ import annotations

from typing import Any

import click

from streamgauge.cli._output import details, json_option, table, write_json
from streamgauge.provider import ProviderSpec, all_providers, get_provider


@click.command(name="providers")
@click.argument("name", required=False)
@json_option
def command(name: str | None, json_file: str | None) -> int:
    """List the providers, or explain the one of this NAME."""
    chosen = [get_provider(name)] if name else list(all_providers().values())
    if json_file:
        values = [_value(p) for p in chosen]
        write_json(json_file, values[0] if name else values)
    elif name:
        details(_explained(chosen[0]))
    else:
        table(("provider", "dialect", "state", "version or install", "what"), map(_row, chosen))
    return 0


def _state(provider: ProviderSpec) -> str:
    return "unavailable" if provider.missing else "available"


def _row(provider: ProviderSpec) -> tuple[str, ...]:
    return (
        provider.name,
        provider.dialect,
        _state(provider),
        provider.install if provider.missing else provider.version,
        provider.title,
    )


def _explained(provider: ProviderSpec) -> list[tuple[str, str]]:
    return [
        ("provider", provider.name),
        ("title", provider.title),
        ("kind", provider.kind),
        ("dialect", provider.dialect),
        ("state", _state(provider)),
        ("version", provider.version),
        ("install", provider.install if provider.missing else ""),
        ("needs", ", ".join(provider.requires)),
        ("capabilities", ", ".join(sorted(provider.capabilities))),
        ("key", provider.env and f"--api-key, or the environment variable {provider.env}"),
        ("notes", provider.notes),
    ]


def _value(provider: ProviderSpec) -> dict[str, Any]:
    return {
        "name": provider.name,
        "title": provider.title,
        "kind": provider.kind,
        "dialect": provider.dialect,
        "available": not provider.missing,
        "version": provider.version,
        "requires": list(provider.requires),
        "install": provider.install if provider.missing else "",
        "capabilities": sorted(provider.capabilities),
        "env": provider.env,
        "notes": provider.notes,
    }
