"""`streamgauge recordings`: the recorded streams that come with streamgauge."""

from __future__ import annotations

import json
from typing import Any

import click
import msgspec

from streamgauge.cli._output import details, json_option, table, write_json
from streamgauge.events import excerpt
from streamgauge.recordings import Recording, get_recording, shipped


@click.command(name="recordings")
@click.argument("name", required=False)
@json_option
def command(name: str | None, json_file: str | None) -> int:
    """List the recordings, or explain the one of this NAME (`<dialect>/<case>`, or the case alone)."""
    chosen = [_named(name)] if name else list(shipped().values())
    if json_file:
        values = [_value(r) for r in chosen]
        write_json(json_file, values[0] if name else values)
    elif name:
        details(_explained(chosen[0]))
    else:
        table(("recording", "bytes", "reads", "made", "what"), map(_row, chosen))
    return 0


def _named(name: str) -> Recording:
    cases = [r for r in shipped().values() if r.name == name]
    return cases[0] if len(cases) == 1 else get_recording(name)


def _row(recording: Recording) -> tuple[str, ...]:
    trace = recording.trace
    made = str(recording.provenance.get("kind", ""))
    return (_key(recording), str(len(trace.body)), str(len(trace.arrivals)), made, recording.title)


def _key(recording: Recording) -> str:
    return f"{recording.dialect}/{recording.name}"


def _value(recording: Recording) -> dict[str, Any]:
    trace = recording.trace
    return {
        "name": _key(recording),
        "dialect": recording.dialect,
        "case": recording.name,
        "title": recording.title,
        "tags": list(recording.tags),
        "provenance": recording.provenance,
        "bytes": len(trace.body),
        "reads": len(trace.arrivals),
        "timed": trace.timed,
        "seconds": trace.ended_at if trace.timed else None,
        "request": trace.request,
        "message": msgspec.to_builtins(recording.message),
        "reference": msgspec.to_builtins(recording.reference),
    }


def _explained(recording: Recording) -> list[tuple[str, str]]:
    trace = recording.trace
    message = recording.message
    said = message.choices[0] if message.choices else None
    return [
        ("recording", _key(recording)),
        ("title", recording.title),
        ("tags", ", ".join(recording.tags)),
        *((f"made: {key}", str(value)) for key, value in recording.provenance.items()),
        ("size", f"{len(trace.body)} bytes in {len(trace.arrivals)} reads"),
        ("time", f"{trace.ended_at:.3f} s" if trace.timed else "not recorded"),
        ("request", excerpt(json.dumps(trace.request, ensure_ascii=False)) if trace.request else ""),
        ("ended", message.ended),
        ("choices", str(len(message.choices))),
        ("text", excerpt(said.text).replace("\n", "\\n") if said else ""),
        ("tool calls", ", ".join(c.name for c in said.tool_calls) if said else ""),
        ("finish reason", str(said.finish_reason or "") if said else ""),
        ("replay", f"streamgauge serve --case {_key(recording)}"),
    ]
