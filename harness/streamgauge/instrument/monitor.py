"""What the measuring process does to itself: loop lag, CPU time, memory."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

TICK = 0.05
"""Seconds between looks. Each wakes the process, which a lightly loaded client would pay for in its CPU per event."""


@dataclass(slots=True)
class Watched:
    """What was seen during one run. lags: how late each look came, seconds."""

    lags: list[float] = field(default_factory=list)
    peak_rss: int | None = None
    began: float = field(default_factory=time.monotonic)
    cpu_began: float = field(default_factory=time.process_time)
    wall: float = 0.0
    cpu: float = 0.0

    def look(self, due: float) -> None:
        self.lags.append(max(0.0, time.monotonic() - due))
        self.weigh()

    def weigh(self) -> None:
        if (rss := resident()) is not None:
            self.peak_rss = max(rss, self.peak_rss or 0)

    def received(self) -> None:
        """The streams are over: the wall time and the CPU time end here, `cpu` also of the share of a core."""
        self.wall = time.monotonic() - self.began
        self.weigh()
        self.cpu = time.process_time() - self.cpu_began

    def decoded(self) -> None:
        """Decoding that was put off until the streams were over is part of what an event costs."""
        self.cpu = time.process_time() - self.cpu_began

    @property
    def lag_p99(self) -> float | None:
        return order(self.lags, 0.99)

    @property
    def share(self) -> float:
        """CPU time as a share of one core."""
        return self.cpu / self.wall if self.wall else 0.0


def order(values: Sequence[float], q: float) -> float | None:
    """The ceil(n q)-th smallest value; None without any."""
    return sorted(values)[max(0, math.ceil(round(len(values) * q, 9)) - 1)] if values else None


def resident() -> int | None:
    """Bytes of this process in memory; None where there is no /proc."""
    if (file := _statm()) < 0:
        return None
    return int(os.pread(file, 64, 0).split()[1]) * os.sysconf("SC_PAGE_SIZE")


@cache
def _statm() -> int:
    """A file descriptor that stays open: opening the file costs ten times as much as reading it."""
    try:
        return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


@contextlib.contextmanager
def watch_threads(watched: Watched) -> Iterator[None]:
    """Look from a thread that sleeps: how late it wakes is how long other threads kept the interpreter."""
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            due = time.monotonic() + TICK
            done.wait(TICK)
            watched.look(due)

    thread = threading.Thread(target=work, name="streamgauge-monitor", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextlib.asynccontextmanager
async def watch_loop(watched: Watched) -> AsyncIterator[None]:
    """Look from a task of the loop that streams."""

    async def work() -> None:
        while True:
            due = time.monotonic() + TICK
            await asyncio.sleep(TICK)
            watched.look(due)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
