"""The server of `tools/peers.py`, in a process of its own: four answers whose times are known, and what was sent when.

    python tools/peers_server.py

prints {"good": URL, "truncated": URL, ...} and answers each line of standard input, the name of one of them, with the
requests since it was last asked: when each was received (`kernel`: whether by the kernel's stamp or by the server's own
reading), and when its content was handed to the kernel, in seconds of `time.monotonic`. Ends with its input.
"""

from __future__ import annotations

import gc
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from peers_arrivals import Arrivals

from streamgauge.dialect import Dialect
from streamgauge.events import End, Event, Finish, Start, TextDelta, Usage
from streamgauge.registry import get_dialect
from streamgauge.script import Piece, Script
from streamgauge.server import ReplayServer
from streamgauge.server.log import Received
from streamgauge.server.mount import Mount
from streamgauge.server.routes import MODEL, json_script
from streamgauge.server.standalone import output_pieces

ROLE = 0.02
"""Seconds before the chunk that says the role."""
FIRST = 0.08
"""Seconds before the first content."""
GAP = 0.01
"""Seconds between two contents."""
TOKENS = 32
BREAK = 16
"""Contents that come before an answer goes wrong."""
ERROR = {"error": {"message": "the engine died", "type": "server_error", "code": 500}}
WORDS = [f"n{number}" if number == 0 else f" n{number}" for number in range(TOKENS)]
"""Each is one token of the tokenizer of `tools/peers_tokenizer.py`."""


def good(dialect: Dialect) -> Script:
    """The whole answer, one event a write."""
    answer: list[Event] = [Start("chatcmpl-1", MODEL), *map(TextDelta, WORDS)]
    frames = dialect.encode([*answer, Finish("stop"), Usage(10, TOKENS), End("complete")])
    first, *others = output_pieces(dialect, frames)
    waits = {0: ROLE, first: FIRST - ROLE, **dict.fromkeys(others, GAP)}
    pieces = tuple(Piece(frame, waits.get(number, 0.0)) for number, frame in enumerate(frames))
    return Script(dialect=dialect, pieces=pieces, headers=(("Content-Type", dialect.media_type),))


def answers(dialect: Dialect) -> dict[str, Script]:
    """By name: the good one, cleanly ended half-way, with an error in the stream, and silent half-way."""
    whole = good(dialect)
    cut = whole.but(pieces=whole.pieces[: 1 + BREAK])
    error = Piece(b"data: " + json.dumps(ERROR).encode() + b"\n\n", GAP)
    return {
        "good": whole,
        "truncated": cut,
        "error": cut.but(pieces=(*cut.pieces, error)),
        "stalled": cut.but(ending="hold"),
    }


def player(script: Script) -> Callable[[Received], Script]:
    """Plays it to whoever wants a stream; a tool that tries the server first, without one, gets its answer too."""

    def play(received: Received) -> Script:
        if received.json.get("stream"):
            return script
        message = {"role": "assistant", "content": "n0"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
        whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": MODEL}
        return json_script(200, {**whole, "choices": [choice], "usage": usage})

    return play


@dataclass(slots=True)
class Watched:
    """A mount and how much of its log was told."""

    mount: Mount
    arrivals: Arrivals
    told: int = 0
    seen: int = 0
    came: int = 0

    def news(self) -> list[dict[str, Any]]:
        """The streams since the last time."""
        requests, sends = self.mount.requests, self.mount.sends
        by_request: dict[int, list[float]] = {}
        for sent in sends[self.seen :]:
            by_request.setdefault(sent.request, []).append(sent.at)
        first, self.told, self.seen = self.told, len(requests), len(sends)
        posts = [number for number in range(first, len(requests)) if requests[number].method == "POST"]
        came = self.arrivals.of(self.mount.url.rpartition("/")[2])
        came, self.came = came[self.came :], len(came)
        kernel = len(came) == len(posts)  # in order of arrival, as the server reads them but for a few that swap
        at = came if kernel else [requests[number].at for number in posts]
        return [
            {"received": moment, "kernel": kernel, "sends": by_request.get(number, [])[1 : 1 + TOKENS]}
            for number, moment in zip(posts, at, strict=True)
            if requests[number].json.get("stream")
        ]


def main() -> None:
    """Serve and answer until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # as streamgauge.server.standalone: a collection would be charged to the client
    with ReplayServer() as server:
        arrivals = Arrivals(int(server.url.rpartition(":")[2]))
        mounts = {
            name: Watched(server.mount(player(script)), arrivals)
            for name, script in answers(get_dialect("openai-chat")).items()
        }
        print(json.dumps({name: watched.mount.base_url for name, watched in mounts.items()}), flush=True)
        for line in sys.stdin:
            print(json.dumps(mounts[line.strip()].news()), flush=True)


if __name__ == "__main__":
    main()
