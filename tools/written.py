"""What the writers of recordings share: a text in several scripts, its pieces, and how a recording is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streamgauge.message import Message
from streamgauge.recordings import Recording, save
from streamgauge.registry import get_dialect
from streamgauge.trace import Arrival, Trace

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "streamgauge_fixtures"
PACE = 0.03  # seconds between events: about what a reader sees of a hosted model
PLAIN = (
    "Use `os.walk` — it visits every folder below a path:\n\n```python\nimport os\n\n"
    'for folder, _, files in os.walk("."):\n    for name in files:\n        print(os.path.join(folder, name))\n```\n\n'
    'Names such as “café”, 文件.txt or 🦙.md come out as they are. `Path.rglob("*")` does the same in one line.'
)
PLAIN_QUESTION = "How can I recursively list all files in a directory in Python?"


def words(text: str) -> list[str]:
    """The text in pieces of about a token: each begins where a word or a line does."""
    pieces: list[str] = []
    for char in text:
        if pieces and not (char in " \n" and not pieces[-1].endswith((" ", "\n"))):
            pieces[-1] += char
        else:
            pieces.append(char)
    return pieces


def compact(value: Any) -> str:
    """One line of JSON with its characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def named_event(kind: str, /, **members: Any) -> bytes:
    """A server-sent event whose name is the `type` of its data too."""
    return f"event: {kind}\ndata: {compact({'type': kind, **members})}\n\n".encode()


def write(
    name: str,
    title: str,
    events: Sequence[bytes],
    message: Message,
    asked: Mapping[str, Any],
    source: tuple[str, str],
    tags: tuple[str, ...] = (),
) -> None:
    """Write one recording of the message's dialect; each event is one arrival. source: what it says and where."""
    arrivals = tuple(Arrival(round(0.2 + PACE * n, 3), event) for n, event in enumerate(events))
    trace = Trace(
        arrivals=arrivals,
        status=200,
        headers=(("Content-Type", get_dialect(message.dialect).media_type), ("Cache-Control", "no-cache")),
        headers_at=0.2,
        ended_at=arrivals[-1].at,
        request=dict(asked),
        timed=False,
    )
    provenance = {"kind": "written", "source": source[0], "page": source[1]}
    recording = Recording(
        name=name,
        title=title,
        dialect=message.dialect,
        trace=trace,
        message=message,
        provenance=provenance,
        tags=tags,
    )
    save(recording, FIXTURES)
