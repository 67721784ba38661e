"""Where Python may lose a Ctrl-C, and we must not: an event loop's runner, and the garbage collector."""

from __future__ import annotations

import asyncio
import gc
import inspect
import signal
import threading
from collections.abc import Coroutine
from contextvars import Context
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


class Runner(asyncio.Runner):  # type: ignore[misc]  # final for type checkers alone
    """`asyncio.Runner` whose `run` raises KeyboardInterrupt for Ctrl-C at whatever moment that comes.

    The standard library's forgets what its handler has counted before the loop begins ("self._interrupt_count = 0"
    stands behind the handler's installation), so that a bare CancelledError comes out; one that comes earlier leaves
    the coroutine behind, with a warning; and where the work keeps a cancellation to itself, it returns as if nobody
    had wanted it to end.
    """

    def run(self, coro: Coroutine[Any, Any, T], *, context: Context | None = None) -> T:
        """Run the coroutine to its end. The first Ctrl-C cancels it and is raised when it has ended, whatever it made
        of that; the second is raised at once."""
        before = None
        try:
            loop = self.get_loop()
            pressed = _Pressed(loop)
            if _heard():
                before = signal.signal(signal.SIGINT, pressed)
            try:
                result = super().run(pressed.watching(coro), context=context)
            except asyncio.CancelledError:
                if not pressed.times:
                    raise
        finally:
            if before is not None:
                signal.signal(signal.SIGINT, before)
            if inspect.getcoroutinestate(coro) == inspect.CORO_CREATED:
                coro.close()
        if pressed.times:
            raise KeyboardInterrupt
        return result


class _Pressed:
    """The handler of one run: how often Ctrl-C was pressed, and what it cancels."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.times = 0
        self._loop = loop
        self._work: asyncio.Task[Any] | None = None

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.times += 1
        if self.times > 1:
            raise KeyboardInterrupt
        if self._work is not None:
            self._work.cancel()
            self._loop.call_soon_threadsafe(lambda: None)  # the loop may sleep

    async def watching(self, coro: Coroutine[Any, Any, T]) -> T:
        """The same work, cancelled at once where Ctrl-C came before it could begin."""
        self._work = asyncio.current_task()
        if self.times:
            raise asyncio.CancelledError
        return await coro


def _heard() -> bool:
    """Whether Ctrl-C would raise here: in the main thread, where nobody has a handler of their own."""
    main = threading.current_thread() is threading.main_thread()
    return main and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def run(coro: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` with that runner."""
    with Runner() as runner:
        return runner.run(coro)


def collect() -> None:
    """`gc.collect` that raises KeyboardInterrupt for a Ctrl-C during it: one that comes in a finalizer, or in the
    callback of a weak reference, Python prints and forgets."""
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number)) if _heard() else None
    try:
        gc.collect()
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
