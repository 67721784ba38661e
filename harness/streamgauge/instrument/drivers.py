"""The three ways to have many streams at a time: threads, one event loop, and the wire probe in one.

A driver takes planned flights in order and keeps at most so many in the air; each flight ends at the latest when its
patience does. An interrupt leaves what had been received in the flights.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing, closing
from typing import Any, TypeAlias

from streamgauge.chat import ChatRequest
from streamgauge.errors import StreamgaugeError
from streamgauge.instrument.exchange import Timeouts
from streamgauge.instrument.flight import Flight
from streamgauge.instrument.wire import Prepared, WireProbe
from streamgauge.provider import Provider, aclosable, closable

GLANCE = 0.1
"""Seconds between looks for flights whose patience has ended."""
GRACE = 2.0
"""Seconds that a library has to clean up behind a stream that was cancelled, before it is left behind."""

Landed = Callable[[Flight], None]
_Aloft: TypeAlias = dict[asyncio.Task[None], tuple[Flight, asyncio.Event]]
"""Streams in the air, each with its flight and with what says that it is not waited for any more."""


def fly_in_threads(
    provider: Provider, flights: Sequence[Flight], concurrency: int, limits: Timeouts, landed: Landed
) -> None:
    """The sync path: a thread for each stream in the air. A thread that hangs is left behind and replaced."""
    waiting, lock, stop = iter(flights), threading.Lock(), threading.Event()
    aloft: dict[threading.Thread, Flight | None] = {}

    def work() -> None:
        me = threading.current_thread()
        while not stop.is_set():
            with lock:
                flight = next(waiting, None)
                if me not in aloft:
                    return
                aloft[me] = flight
            if flight is None:
                return
            whole = _fly(provider, flight, stop)
            with lock:
                if me not in aloft or not whole:  # given up on meanwhile, or interrupted
                    return
                flight.ended = time.monotonic()
                aloft[me] = None
            landed(flight)

    def crew() -> None:
        thread = threading.Thread(target=work, name="streamgauge-client", daemon=True)
        aloft[thread] = None
        thread.start()

    with lock:
        for _ in range(min(concurrency, len(flights))):
            crew()
    try:
        while True:
            with lock:
                alive = [thread for thread in aloft if thread.is_alive()]
            if not alive:
                return
            alive[0].join(GLANCE)
            for flight in _give_up(aloft, lock, limits, crew):
                landed(flight)
    finally:
        stop.set()


def _give_up(
    aloft: dict[threading.Thread, Flight | None], lock: threading.Lock, limits: Timeouts, crew: Callable[[], None]
) -> list[Flight]:
    """Leave the threads behind whose flight is overdue."""
    given_up = []
    with lock:
        for thread, flight in list(aloft.items()):
            if flight is not None and (why := flight.overdue(limits)):
                flight.stalled, flight.ended = why, time.monotonic()
                del aloft[thread]
                crew()
                given_up.append(flight)
    return given_up


def _fly(provider: Provider, flight: Flight, stop: threading.Event) -> bool:
    """Whether the flight came to its own end."""
    if flight.due is not None and stop.wait(max(0.0, flight.due - time.monotonic())):
        return False
    flight.begin()
    try:
        with closing(closable(provider.stream(_asked(flight)))) as events:
            for event in events:
                flight.take(event)
                if stop.is_set() or flight.stalled:
                    return False
    except Exception as error:
        flight.error = error
    return True


async def fly_in_loop(
    provider: Provider, flights: Sequence[Flight], concurrency: int, limits: Timeouts, landed: Landed
) -> None:
    """The async path: a task for each stream in the air."""

    async def fly(flight: Flight) -> None:
        flight.begin()
        try:
            async with aclosing(aclosable(provider.astream(_asked(flight)))) as events:
                async for event in events:
                    flight.take(event)
        except Exception as error:
            flight.error = error

    await _fly_all(fly, flights, concurrency, landed, limits)


async def fly_on_wire(probe: WireProbe, flights: Sequence[Flight], concurrency: int, landed: Landed) -> None:
    """The wire probe, whose own patience ends its streams."""

    async def fly(flight: Flight) -> None:
        flight.begin()
        try:
            flight.probed = await probe.ask(flight.request)
        except StreamgaugeError as error:
            flight.error = error

    await _fly_all(fly, flights, concurrency, landed, None)


async def _fly_all(
    fly: Callable[[Flight], Any],
    flights: Sequence[Flight],
    concurrency: int,
    landed: Landed,
    limits: Timeouts | None,
) -> None:
    waiting = iter(flights)
    aloft: _Aloft = {}

    async def work() -> None:
        for flight in waiting:
            while flight.due is not None and (early := flight.due - time.monotonic()) > 0:
                await asyncio.sleep(early)  # again where the loop's timers are too coarse, and end early
            stream, over = asyncio.create_task(fly(flight)), asyncio.Event()
            stream.add_done_callback(lambda _, over=over: over.set())  # type: ignore[misc]
            aloft[stream] = flight, over
            try:
                await over.wait()
            finally:
                stream.cancel()
                del aloft[stream]
            if stream.done() and not stream.cancelled():
                stream.result()
            flight.ended = flight.ended or time.monotonic()
            landed(flight)

    workers = [asyncio.create_task(work()) for _ in range(min(concurrency, len(flights)))]
    supervisor = asyncio.create_task(_supervise(aloft, limits)) if limits is not None else None
    try:
        await asyncio.gather(*workers)
    finally:
        for task in (*workers, *aloft, *filter(None, (supervisor,))):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*workers, *aloft, return_exceptions=True)


async def _supervise(aloft: _Aloft, patience: Timeouts) -> None:
    """Cancel the streams whose flight is overdue."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(GLANCE)
        for stream, (flight, over) in aloft.items():
            if not flight.stalled and (why := flight.overdue(patience)):
                flight.stalled, flight.ended = why, time.monotonic()
                stream.cancel()
                loop.call_later(GRACE, over.set)  # a library may keep the cancellation to itself


def _asked(flight: Flight) -> ChatRequest:
    assert not isinstance(flight.request, Prepared)
    return flight.request
