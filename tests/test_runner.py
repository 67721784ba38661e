"""The runner: events, exceptions and deadlines of a client on both paths."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

import pytest

from streamgauge.chat import ChatRequest
from streamgauge.events import End, Event, Start, TextDelta
from streamgauge.observation import Run
from streamgauge.runner import Watch, _observed, _Record, observe_async, observe_sync
from streamgauge.script import Caller

ASK = ChatRequest.of("hello")
SAID: tuple[Event, ...] = (Start("1", "m"), TextDelta("a"), TextDelta("b"), TextDelta("c"), End("complete"))
Observe = Callable[["Fake", Watch], Run]


class OddError(Exception):
    """An exception of a client library that lives in this module."""


class Fake:
    """A client that says its events and then does one thing more."""

    def __init__(self, then: str = "", said: tuple[Event, ...] = SAID) -> None:
        self.then = then
        self.said = said
        self.closed = threading.Event()
        self.iterator_closed = 0
        self.left: asyncio.Task[None] | None = None

    def stream(self, request: ChatRequest, /) -> Iterator[Event]:
        try:
            yield from self.said
            if self.then == "hang":
                self.closed.wait()
                raise ConnectionError("closed under me")
            self._raise()
        finally:
            self.iterator_closed += 1

    async def astream(self, request: ChatRequest, /) -> AsyncIterator[Event]:
        try:
            if self.then == "leave a task":
                self.left = asyncio.create_task(self._linger())
            for event in self.said:
                yield event
            if self.then == "hang":
                await asyncio.Event().wait()
            if self.then == "block the loop":
                self.closed.wait()
            while self.then == "go on" and not self.closed.is_set():
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.01)
            self._raise()
        finally:
            self.iterator_closed += 1

    async def _linger(self) -> None:
        await asyncio.Event().wait()

    def _raise(self) -> None:
        if self.then == "raise":
            raise OddError("no route for key sk-secret")
        if self.then == "time out":
            try:
                raise TimeoutError("read")
            except TimeoutError as cause:
                raise OddError("request failed") from cause
        if self.then == "exit":
            raise SystemExit(3)

    def close(self) -> None:
        self.closed.set()

    async def aclose(self) -> None:
        self.closed.set()


def observe_in_loop(provider: Fake, watch: Watch) -> Run:
    return observe_async(lambda: provider, ASK, watch)


def observe_in_thread(provider: Fake, watch: Watch) -> Run:
    return observe_sync(provider, ASK, watch)


both = pytest.mark.parametrize("observe", [observe_in_thread, observe_in_loop], ids=["sync", "async"])


@both
def test_events_come_with_their_times(observe: Observe) -> None:
    """A good run holds every event, a time for each in order, and the closed client."""
    provider = Fake()
    run = observe(provider, Watch())
    assert run.events == SAID
    assert len(run.times) == len(SAID)
    assert list(run.times) == sorted(run.times)
    assert 0 <= run.times[-1] <= run.duration
    assert run.succeeded
    assert provider.closed.is_set()


@both
def test_an_exception_is_kept_beside_the_partial_output(observe: Observe) -> None:
    """What the client raised is described, its secrets masked, and what came before it is there."""
    run = observe(Fake("raise", SAID[:3]), Watch(modules=(__name__,), secrets=("sk-secret",)))
    assert run.events == SAID[:3]
    assert run.raised is not None
    assert run.raised.name == f"{__name__}.OddError"
    assert run.raised.message == "no route for key ***"
    assert "sk-secret" not in run.raised.traceback
    assert "Exception" in run.raised.bases
    assert run.raised.library
    assert not run.raised.timeout
    assert not run.succeeded


@both
def test_an_exception_of_another_module_is_not_the_librarys(observe: Observe) -> None:
    """Only a class defined in one of the library's modules, or below one, is its own."""
    run = observe(Fake("raise"), Watch(modules=(__name__[:-1], "openai")))
    assert run.raised is not None
    assert not run.raised.library


@both
def test_a_timeout_is_known_by_its_cause(observe: Observe) -> None:
    """A library's own error that was caused by a timeout counts as one."""
    run = observe(Fake("time out"), Watch())
    assert run.raised is not None
    assert run.raised.timeout


@both
def test_a_client_that_hangs_is_given_up(observe: Observe) -> None:
    """At the deadline the run is hung, keeps what came, and the client was closed."""
    provider = Fake("hang", SAID[:2])
    run = observe(provider, Watch(timeout=0.05))
    assert run.hung
    assert not run.succeeded
    assert run.events == SAID[:2]
    assert provider.closed.wait(10)


@both
def test_a_caller_who_has_seen_enough_closes_the_iterator(observe: Observe) -> None:
    """After so many output events the iterator is closed; the time of it is kept."""
    provider = Fake("hang")
    seen: list[tuple[int, bool]] = []
    watch = Watch(stop_after=2, on_stopped=lambda: seen.append((provider.iterator_closed, provider.closed.is_set())))
    run = observe(provider, watch)
    assert seen == [(1, False)], "looked at after the iterator was closed, before the client was"
    assert run.events == SAID[:3]
    assert run.stopped_at is not None
    assert not run.hung
    assert provider.iterator_closed == 1


@both
def test_streams_before_are_no_part_of_the_run(observe: Observe) -> None:
    """What the caller asked before is read, or left, and may fail; the run begins behind it."""
    provider = Fake()
    run = observe(provider, Watch(caller=Caller(before=(0, 1))))
    assert provider.iterator_closed == 3
    assert run.events == SAID
    assert run.raised is None


@both
def test_a_caller_who_takes_a_break(observe: Observe) -> None:
    """It pauses once, behind the first output event: the pause is all in that gap, however slow the others are."""
    run = observe(Fake(), Watch(caller=Caller(pause=0.3)))
    assert run.events == SAID
    assert run.times[2] - run.times[1] >= 0.3
    record = _Record(Watch(caller=Caller(pause=0.3)))
    assert [record.take(event) or record.pause() for event in SAID] == [0.0, 0.3, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("then", ["block the loop", "go on"])
def test_an_async_client_that_can_t_be_ended_is_left_behind(then: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that blocks its event loop, or makes nothing of being cancelled, is hung, and holds nobody up."""
    monkeypatch.setattr("streamgauge.runner.GRACE", 0.05)
    monkeypatch.setattr("streamgauge.runner.CLEARING", 0.2)
    provider = Fake(then, SAID[:2])
    before = set(threading.enumerate())
    run = observe_in_loop(provider, Watch(timeout=0.05))
    (left,) = set(threading.enumerate()) - before
    provider.closed.set()
    left.join()
    assert run.hung
    assert run.events == SAID[:2]


@both
def test_system_exit_in_a_client_is_its_own(observe: Observe) -> None:
    """A client that calls sys.exit() ends its run, not ours."""
    run = observe(Fake("exit"), Watch())
    assert run.raised is not None
    assert run.raised.name == "SystemExit"


def test_tasks_left_behind_are_named_and_ended() -> None:
    """A task that outlives the stream is in the run, and no longer in the loop."""
    provider = Fake("leave a task")

    async def observe() -> Run:
        run = await _observed(provider, ASK, _Record(Watch()))
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return run

    assert asyncio.run(observe()).left_tasks == ("Fake._linger",)
    assert provider.left is not None
    assert provider.left.cancelled()
