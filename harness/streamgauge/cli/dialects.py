"""`streamgauge dialects`: the wire APIs that can be read, spoken and judged."""

from __future__ import annotations

from typing import Any

import click

from streamgauge.cli._output import details, json_option, table, write_json
from streamgauge.dialect import Dialect
from streamgauge.profile import Profile
from streamgauge.provider import all_providers
from streamgauge.recordings import shipped
from streamgauge.registry import all_dialects, get_dialect
from streamgauge.rules import rules_for


@click.command(name="dialects")
@click.argument("name", required=False)
@json_option
def command(name: str | None, json_file: str | None) -> int:
    """List the dialects, or explain the one of this NAME."""
    chosen = [get_dialect(name)] if name else list(all_dialects().values())
    if json_file:
        values = [_value(d) for d in chosen]
        write_json(json_file, values[0] if name else values)
    elif name:
        details(_explained(chosen[0]))
        for profile in chosen[0].profiles:
            click.echo()
            details(_profile(profile))
    else:
        table(("dialect", "framing", "what"), ((d.name, d.framing, d.title) for d in chosen))
    return 0


def _value(dialect: Dialect) -> dict[str, Any]:
    return {
        "name": dialect.name,
        "title": dialect.title,
        "framing": dialect.framing,
        "media_type": dialect.media_type,
        "paths": list(dialect.paths),
        "base_path": dialect.base_path,
        "env": dialect.auth.env,
        "server_rules": [r.id for r in rules_for(dialect, "server")],
        "client_rules": [r.id for r in rules_for(dialect, "client")],
        "providers": [p.name for p in all_providers().values() if p.dialect == dialect.name],
        "recordings": [r.name for r in shipped().values() if r.dialect == dialect.name],
        "profiles": [
            {
                "name": p.name,
                "title": p.title,
                "reasoning": list(p.reasoning),
                "filters": list(p.filters),
                "usage": list(p.usage),
                "usage_when": p.usage_when,
                "adds": sorted(p.adds),
                "finish_reasons": list(p.finish_reasons),
                "promise": p.promise,
                "source": p.source,
                "example": p.example.decode(),
            }
            for p in dialect.profiles
        ],
    }


def _explained(dialect: Dialect) -> list[tuple[str, str]]:
    value = _value(dialect)
    return [
        ("dialect", dialect.name),
        ("title", dialect.title),
        ("framing", f"{dialect.framing} ({dialect.media_type})"),
        ("paths", ", ".join(dialect.paths)),
        ("base URL", dialect.base_path and f"ends in {dialect.base_path}"),
        ("key", dialect.auth.env and f"--api-key, or the environment variable {dialect.auth.env}"),
        ("server rules", _counted(value["server_rules"])),
        ("client rules", _counted(value["client_rules"])),
        ("providers", ", ".join(value["providers"])),
        ("recordings", ", ".join(value["recordings"])),
    ]


def _profile(profile: Profile) -> list[tuple[str, str]]:
    usage = ", ".join(profile.usage)
    return [
        ("profile", f"{profile.name}: {profile.title}"),
        ("reasoning", ", ".join(profile.reasoning)),
        ("filters", ", ".join(profile.filters)),
        ("usage", f"{usage}: {profile.usage_when}" if profile.usage_when else usage),
        ("adds", ", ".join(sorted(profile.adds))),
        ("finish_reason", f"also {', '.join(profile.finish_reasons)}" if profile.finish_reasons else ""),
        ("promises", profile.promise and f'"{profile.promise}"'),
        ("source", profile.source),
    ]


def _counted(names: list[str]) -> str:
    return f"{len(names)}: {', '.join(names)}" if names else ""
