"""`python -m streamgauge.server.standalone`: a replay server in a process of its own, steered over its standard input.

So that the server's CPU time is not the client's, and the two don't share an interpreter. Each line in is a command,
each line out its answer, both JSON; the end of the input ends it. The send log's times are on the clock of
`time.monotonic`, which the processes of one machine share.

    {"do": "mount", "dialect": "openai-chat", "delays": [0.02, 0.005]}  -> {"base_url": ..., "number": 0}
    {"do": "log", "number": 0}  -> {"requests": [{"tag": 17, "at": ..., "sends": [...]}]}, each request once
"""

from __future__ import annotations

import gc
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streamgauge.dialect import Dialect
from streamgauge.events import OUTPUT, End, Event, Finish, Start, TextDelta, Usage
from streamgauge.registry import get_dialect
from streamgauge.script import Piece, Script
from streamgauge.server.mount import Mount
from streamgauge.server.replay import ReplayServer
from streamgauge.tags import tag_of


def paced(dialect: Dialect, delays: Sequence[float]) -> Script:
    """An answer of one text event for each delay (seconds before it), each event its own write."""
    reason = next(iter(dialect.finish_reasons), "stop")
    answer: list[Event] = [Start("streamgauge", "gpt-4")]
    answer += [TextDelta(f" word{n}") for n in range(len(delays))]
    frames = dialect.encode([*answer, Finish(reason), Usage(10, len(delays)), End("complete")])
    waits = dict(zip(output_pieces(dialect, frames), delays, strict=True))
    pieces = tuple(Piece(frame, waits.get(n, 0.0)) for n, frame in enumerate(frames))
    return Script(dialect=dialect, pieces=pieces, headers=(("Content-Type", dialect.media_type),))


def output_pieces(dialect: Dialect, frames: Sequence[bytes]) -> list[int]:
    """The pieces that complete an output event, by number."""
    decoder = dialect.decoder()
    return [n for n, frame in enumerate(frames) if any(isinstance(e, OUTPUT) for e in decoder.feed(frame))]


@dataclass(slots=True)
class _Mounted:
    """A mount, the pieces of its script that carry output, and how much of its log was asked for."""

    mount: Mount
    outputs: list[int]
    requests: int = 0
    sends: int = 0

    def news(self) -> list[dict[str, Any]]:
        """What the log has more than last time: requests with a tag, and when their output events were sent."""
        requests, sends = self.mount.requests, self.mount.sends
        by_request: dict[int, list[float]] = {}
        for sent in sends[self.sends :]:
            by_request.setdefault(sent.request, []).append(sent.at)
        self.sends = len(sends)
        first, self.requests = self.requests, len(requests)
        found = []
        for number in range(first, len(requests)):
            tag = tag_of(requests[number].body)
            at = by_request.get(number, [])
            if tag is not None:
                outputs = [at[n] for n in self.outputs if n < len(at)]
                found.append({"tag": tag, "at": requests[number].at, "sends": outputs})
        return found


class _Steering:
    """Answers commands."""

    def __init__(self, server: ReplayServer) -> None:
        self._server = server
        self._mounted: list[_Mounted] = []

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        match command:
            case {"do": "mount", "dialect": str() as name, "delays": [*delays]}:
                script = paced(get_dialect(name), delays)
                mount = self._server.mount(script)
                outputs = output_pieces(script.dialect, [piece.data for piece in script.pieces])
                self._mounted.append(_Mounted(mount, outputs))
                gc.collect()
                gc.freeze()
                return {"base_url": mount.base_url, "number": len(self._mounted) - 1}
            case {"do": "log", "number": int() as number}:
                return {"requests": self._mounted[number].news()}
        return {"error": f"no such command: {command}"}


def main() -> None:
    """Serve and answer until standard input ends."""
    # Ctrl-C goes to every process of the terminal: the one that measures decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # a collection between the stamp of a send and the send itself would be charged to the client
    with ReplayServer() as server:
        steering = _Steering(server)
        for line in sys.stdin:
            print(json.dumps(steering.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
