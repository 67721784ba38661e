"""Event loops and the garbage collector: Ctrl-C is raised, at whatever moment it comes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from streamgauge.loops import Runner, collect, run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def uvloops() -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = pytest.importorskip("uvloop").new_event_loop()
    return loop


FACTORIES = pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloops], ids=["asyncio", "uvloop"])


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


async def interrupted() -> int:
    press()
    return await answer()


async def deaf() -> int:
    """Keeps the cancellation to itself, as a library's clean-up may."""
    with suppress(asyncio.CancelledError):
        await interrupted()
    return 1


@FACTORIES
@pytest.mark.parametrize("work", [interrupted, deaf])
def test_an_interrupt_is_raised(
    factory: Callable[[], asyncio.AbstractEventLoop], work: Callable[[], Coroutine[Any, Any, int]]
) -> None:
    """Whatever the work makes of its cancellation; the runner can be used again, and Ctrl-C is Python's own again."""
    with Runner(loop_factory=factory) as runner:
        with pytest.raises(KeyboardInterrupt):
            runner.run(work())
        assert runner.run(answer()) == 42
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@FACTORIES
def test_an_interrupt_before_the_work_begins_is_raised(
    factory: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the handler's installation and the loop's first turn; nothing is left that was never awaited."""
    begun: list[int] = []

    async def work() -> None:
        begun.append(1)

    inner = asyncio.Runner.run

    def pressed_first(*words: Any, **named: Any) -> Any:
        press()
        return inner(*words, **named)

    with Runner(loop_factory=factory) as runner:
        monkeypatch.setattr("asyncio.Runner.run", pressed_first)
        with pytest.raises(KeyboardInterrupt):
            runner.run(work())
        monkeypatch.undo()
        assert runner.run(answer()) == 42
    assert begun == []


def test_an_interrupt_before_the_handler_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own handler raises it; the coroutine is closed, not left with a warning."""

    def pressed_early() -> bool:
        press()
        return True

    monkeypatch.setattr("streamgauge.loops._heard", pressed_early)
    work = answer()
    with Runner() as runner, pytest.raises(KeyboardInterrupt):
        runner.run(work)
    with pytest.raises(RuntimeError, match="cannot reuse"):
        work.send(None)


def test_the_second_interrupt_does_not_wait() -> None:
    """Work that goes on behind the first is left where it is."""
    came: list[str] = []

    async def stubborn() -> None:
        try:
            await interrupted()
        except asyncio.CancelledError:
            press()
            came.append("behind the second")

    with Runner() as runner, pytest.raises(KeyboardInterrupt):
        runner.run(stubborn())
    assert came == []


def test_a_cancellation_that_nobody_asked_for_stays_one() -> None:
    """Work that raises CancelledError by itself was not interrupted."""

    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run(cancelled())


def test_other_threads_and_handlers_are_left_alone() -> None:
    """Outside the main thread there are no signals; whoever has a handler keeps it."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(run(answer())))
    thread.start()
    thread.join()
    assert found == [42]
    before = signal.signal(signal.SIGINT, lambda *_: found.append(0))
    try:
        assert run(interrupted()) == 42
    finally:
        signal.signal(signal.SIGINT, before)
    assert found == [42, 0]


def test_an_interrupt_during_collection_is_raised() -> None:
    """Also one that comes in a finalizer, which Python would print and forget; Ctrl-C is Python's own again."""

    class Circle:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            press()

    collect()
    Circle()
    with pytest.raises(KeyboardInterrupt):
        collect()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
