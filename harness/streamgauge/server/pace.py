"""When a piece is due."""

from __future__ import annotations

import asyncio

TURN = 0.001
"""Seconds for which one stream may send without letting the others have their turn."""


class Pace:
    """The schedule of one answer. Not a chain of sleeps, whose errors would add up."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due = self._turn = self._loop.time()

    async def wait(self, delay: float) -> None:
        """Return when the piece is due that comes so many seconds behind the last one."""
        if delay:
            self._due += delay
            await asyncio.sleep(max(0.0, self._due - self._loop.time()))
            self._turn = self._loop.time()
        elif self._loop.time() - self._turn > TURN:
            await asyncio.sleep(0)
            self._turn = self._loop.time()
