"""What `streamgauge check` of a large file costs: CPU seconds in this process, by dialect and size.

    python tools/check_cost.py [MEGABYTES ...]

The floor, measured in turn with it, frames the body and reads each payload with `json.loads`: what no judge can do
without. `x floor` is the multiple; that it stays the same from size to size is what "linear" means. The default sizes
lie on both sides of 16 MiB, the limit of one event.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from streamgauge.dialect import Dialect
from streamgauge.engine import judge
from streamgauge.events import End, Event, Finish, Start, TextDelta
from streamgauge.registry import all_dialects
from streamgauge.rules import Exchange
from streamgauge.trace import Trace

ROUNDS = 3
SAMPLE = 1000


def answer(dialect: Dialect, texts: int) -> bytes:
    """A plain answer of so many pieces of text."""
    said: list[Event] = [Start("chatcmpl-abc", "gpt-4"), *(TextDelta(f" word{n}") for n in range(texts))]
    reason = next(iter(dialect.finish_reasons), "stop")
    return b"".join(dialect.encode([*said, Finish(reason), End("complete")]))


def floor(dialect: Dialect, body: bytes) -> None:
    """Frame the body and read what is JSON in it."""
    framer = dialect.framer()
    for frame in [*framer.feed(body), *framer.eof()]:
        if frame.data[:1] == "{":
            json.loads(frame.data)


def cpu(action: Callable[[], object]) -> float:
    """Seconds of CPU time that an action takes."""
    before = time.process_time()
    action()
    return time.process_time() - before


def cost(dialect: Dialect, megabytes: float) -> tuple[float, float]:
    """Seconds to judge a body of that size by all rules, and those of the floor; the least of some rounds."""
    body = answer(dialect, int(megabytes * 1e6 * SAMPLE / len(answer(dialect, SAMPLE))))
    taken, least = [], []
    for _ in range(ROUNDS):
        taken.append(cpu(lambda: judge(Exchange(dialect, Trace.of(body)))))
        least.append(cpu(lambda: floor(dialect, body)))
    return min(taken), min(least)


def main() -> None:
    """Print a line for each dialect as it is measured."""
    sizes = [float(size) for size in sys.argv[1:]] or [10.0, 20.0, 40.0]
    for name, dialect in all_dialects().items():
        cells = []
        for size in sizes:
            taken, least = cost(dialect, size)
            cells.append(f"{size:g} MB {taken:5.2f} s, {taken / least:4.1f} x floor")
        print(f"{name:20}", "   ".join(cells), flush=True)


if __name__ == "__main__":
    main()
