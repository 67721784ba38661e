"""The replay server in a process of its own, so that its CPU time is not the client's: prints JSON, ends with stdin.

Run by bench_providers.py; holds no benchmarks.
"""

from __future__ import annotations

import json
import sys

from streamgauge.events import End, Event, Finish, Start, TextDelta, Usage
from streamgauge.registry import get_dialect
from streamgauge.script import Piece, Script
from streamgauge.server import ReplayServer

FIRST = 0.02  # seconds before the first event of the paced script
GAP = 0.004  # seconds between its events


def script(events: int, *, paced: bool) -> Script:
    """An openai-chat answer of so many text events, each its own write."""
    dialect = get_dialect("openai-chat")
    answer: list[Event] = [Start("chatcmpl-bench", "gpt-4")]
    answer += [TextDelta(f" word{n}") for n in range(events)]
    answer += [Finish("stop"), Usage(10, events), End("complete")]
    pieces = []
    for n, frame in enumerate(dialect.encode(answer)):
        delay = (FIRST if n == 0 else GAP) if paced else 0.0
        pieces.append(Piece(frame, delay))
    headers = (("Content-Type", dialect.media_type),)
    return Script(dialect=dialect, pieces=tuple(pieces), headers=headers)


def main() -> None:
    """Serve both scripts until standard input ends."""
    with ReplayServer() as server:
        fast, paced = server.mount(script(500, paced=False)), server.mount(script(40, paced=True))
        print(json.dumps({"fast": fast.base_url, "paced": paced.base_url}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
