"""Recordings: a response kept with its cuts, its times, its request and the message that it carries.

On disk a recording is two files: `<case>.sse` (`.ndjson`, `.bin`, `.json-array`) holds the exact bytes of the body,
`<case>.json` all else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from streamgauge.dialect import Dialect
from streamgauge.errors import StreamgaugeError
from streamgauge.message import Message
from streamgauge.registry import by_name, get_dialect, pick
from streamgauge.trace import Arrival, Trace

SCHEMA = "streamgauge.recording/1"
SUFFIXES = {"sse": ".sse", "ndjson": ".ndjson", "json-array": ".stream", "eventstream": ".bin"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One kept response.

    provenance: {"kind": "recorded" | "written", ...} says who made the bytes: our recorder in front of a server
    that we ran (with its name and version), or a hand, from a vendor's documentation (with the page).
    message: what the stream carries. reference: the message of the non-streaming twin, where one was kept.
    tags: what the stream shows ("tools", "reasoning" ...).
    """

    name: str
    dialect: str
    trace: Trace
    message: Message
    title: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)
    reference: Message | None = None
    tags: tuple[str, ...] = ()

    def get_dialect(self) -> Dialect:
        return get_dialect(self.dialect)


def save(recording: Recording, folder: Path) -> Path:
    """Write both files below `<folder>/<dialect>/`; returns the path of the JSON file."""
    trace = recording.trace
    dialect = recording.get_dialect()
    place = folder / recording.dialect
    place.mkdir(parents=True, exist_ok=True)
    reads = [[round(a.at, 6), len(a.data)] for a in trace.arrivals]
    head: dict[str, Any] = {
        "schema": SCHEMA,
        "dialect": recording.dialect,
        "case": recording.name,
        "title": recording.title,
        "tags": list(recording.tags),
        "provenance": recording.provenance,
        "request": trace.request,
        "status": trace.status,
        "headers": trace.headers,
        "headers_at": trace.headers_at,
        "ended": trace.ended,
        "ended_at": trace.ended_at,
        "timed": trace.timed,
        "reads": reads,
        "message": msgspec.to_builtins(recording.message),
        "reference": msgspec.to_builtins(recording.reference),
    }
    (place / f"{recording.name}{SUFFIXES[dialect.framing]}").write_bytes(trace.body)
    path = place / f"{recording.name}.json"
    path.write_text(json.dumps(head, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def load(path: Path) -> Recording:
    """Read a recording by the path of its JSON file.

    Raises StreamgaugeError where the file is not a recording, or its bytes are missing.
    """
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
        if head["schema"] != SCHEMA:
            raise StreamgaugeError(f"{path}: schema {head['schema']!r} is not {SCHEMA!r}")
        body = path.with_suffix(SUFFIXES[get_dialect(head["dialect"]).framing]).read_bytes()
        return _recording(head, body)
    except (ValueError, KeyError, TypeError, FileNotFoundError, msgspec.ValidationError) as error:
        raise StreamgaugeError(f"{path} is not a recording of streamgauge: {error!r}") from error


def _recording(head: dict[str, Any], body: bytes) -> Recording:
    reference = head.get("reference")
    return Recording(
        name=head["case"],
        dialect=head["dialect"],
        title=head.get("title", ""),
        tags=tuple(head.get("tags", ())),
        provenance=head.get("provenance", {}),
        message=msgspec.convert(head["message"], Message),
        reference=msgspec.convert(reference, Message) if reference else None,
        trace=Trace(
            arrivals=tuple(_arrivals(head["reads"], body)),
            status=head.get("status"),
            headers=tuple((n, v) for n, v in head["headers"]) if head.get("headers") else None,
            headers_at=head.get("headers_at"),
            ended=head.get("ended", "eof"),
            ended_at=head.get("ended_at", 0.0),
            request=head.get("request"),
            timed=head.get("timed", False),
        ),
    )


def _arrivals(reads: list[list[float]], body: bytes) -> Iterator[Arrival]:
    at = 0
    for seconds, size in reads:
        yield Arrival(seconds, body[at : at + int(size)])
        at += int(size)
    if at != len(body):
        raise ValueError(f"the reads add up to {at} bytes, the body has {len(body)}")


def load_folder(folder: Path) -> Iterator[Recording]:
    """Every recording below a folder, in order of path."""
    return (load(path) for path in sorted(folder.glob("*/*.json")))


def beside_shipped(folder: Path) -> dict[str, Recording]:
    """The shipped recordings and those below a folder, by `<dialect>/<case>`.

    Raises StreamgaugeError where there is none in the folder, DuplicateNameError where one has a shipped one's name.
    """
    found = [(f"{folder}: {r.dialect}/{r.name}", r) for r in load_folder(folder)]
    if not found:
        raise StreamgaugeError(f"{folder} has no recordings: they are {folder}/<dialect>/<case>.json and its bytes")
    ours = [("streamgauge", r) for r in shipped().values()]
    return by_name("recording", [*ours, *found], lambda r: f"{r.dialect}/{r.name}")


@cache
def shipped() -> dict[str, Recording]:
    """The recordings that come with streamgauge, by `<dialect>/<case>`."""
    root = Path(str(resources.files("streamgauge_fixtures")))
    found = ((f"fixtures {r.dialect}/{r.name}", r) for r in load_folder(root))
    return by_name("recording", found, lambda r: f"{r.dialect}/{r.name}")


def get_recording(name: str) -> Recording:
    """A shipped recording by `<dialect>/<case>`, or by the case alone for openai-chat; raises UnknownNameError."""
    return pick("recording", shipped(), name if "/" in name else f"openai-chat/{name}")
