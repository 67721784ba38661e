"""Drives a provider's sync or async path once and keeps what its caller saw: a `Run`.

Both paths share everything but the loop. A run ends at the latest at its deadline: a client that is still silent
then is `hung`, its connection is closed under it, and the run goes on without it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import aclosing, closing, suppress
from dataclasses import dataclass, field

from streamgauge.chat import ChatRequest
from streamgauge.events import OUTPUT, Event
from streamgauge.observation import Raised, Run
from streamgauge.provider import Provider, aclosable, closable
from streamgauge.raising import raised
from streamgauge.script import ONLY_READS, Caller

GRACE = 2.0
"""Seconds that a client has to clean up behind its stream before it counts as stuck."""
CLEARING = 5 * GRACE
"""Seconds behind the deadline of a run in which its event loop must have ended: more than all graces together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How to observe. timeout: seconds until the run counts as hung. stop_after: close the iterator after so many
    output events, as a caller does who has seen enough; on_stopped is called then, before the client itself is
    closed, so that what the early end did by itself can be looked at. caller: what the caller does besides; streams
    that it asked for before are not part of the run. modules: import names of the client library, for telling whose
    exception was raised. secrets: texts that no message may show.
    """

    timeout: float = 60.0
    stop_after: int | None = None
    on_stopped: Callable[[], object] | None = None
    caller: Caller = ONLY_READS
    modules: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


@dataclass(slots=True)
class _Record:
    """What has come so far; `began` is on the clock of `time.monotonic`, which the server's send log uses too."""

    watch: Watch
    began: float = field(default_factory=time.monotonic)
    events: list[Event] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    outputs: int = 0
    stopped_at: float | None = None
    raised: Raised | None = None

    def start(self) -> None:
        """The stream that counts is asked for now."""
        self.began = time.monotonic()

    def take(self, event: Event) -> bool:
        """Keep an event; whether the caller has now seen enough."""
        self.times.append(time.monotonic() - self.began)
        self.events.append(event)
        self.outputs += isinstance(event, OUTPUT)
        if self.watch.stop_after is None or self.outputs < self.watch.stop_after:
            return False
        self.stopped_at = time.monotonic() - self.began
        return True

    def pause(self) -> float:
        """Seconds that the caller now takes for itself: behind the first output event."""
        pausing = self.outputs == 1 and isinstance(self.events[-1], OUTPUT)
        return self.watch.caller.pause if pausing else 0.0

    def run(self, *, hung: bool = False, left_tasks: Iterable[str] = ()) -> Run:
        count = min(len(self.events), len(self.times))  # a hung worker may be between the two
        return Run(
            events=tuple(self.events[:count]),
            times=tuple(self.times[:count]),
            raised=self.raised,
            hung=hung,
            duration=time.monotonic() - self.began,
            began=self.began,
            stopped_at=self.stopped_at,
            left_tasks=tuple(left_tasks),
        )


def observe_sync(provider: Provider, request: ChatRequest, watch: Watch | None = None) -> Run:
    """One stream on the sync path, in a thread of its own, so that a client that hangs can't hang us."""
    record = _Record(watch or Watch())
    done = threading.Event()

    def work() -> None:
        try:
            for leaves_after in record.watch.caller.before:
                _before(provider, request, leaves_after)
            record.start()
            with closing(closable(provider.stream(request))) as events:
                for event in events:
                    if record.take(event):
                        break
                    if pause := record.pause():
                        time.sleep(pause)
            if record.stopped_at is not None and record.watch.on_stopped:
                record.watch.on_stopped()
        except BaseException as error:  # whatever it is, it is what the client's caller got
            record.raised = raised(error, record.watch.modules, record.watch.secrets)
        finally:
            with suppress(Exception):
                provider.close()
            done.set()

    threading.Thread(target=work, name="streamgauge-client", daemon=True).start()
    if done.wait(record.watch.timeout):
        return record.run()
    threading.Thread(target=_close_quietly, args=(provider,), daemon=True).start()
    return record.run(hung=True)


def _before(provider: Provider, request: ChatRequest, leaves_after: int) -> None:
    """A stream that nobody looks at: it may end as it likes."""
    outputs = 0
    with suppress(Exception), closing(closable(provider.stream(request))) as events:
        for event in events:
            outputs += isinstance(event, OUTPUT)
            if leaves_after and outputs >= leaves_after:
                return


async def _before_async(provider: Provider, request: ChatRequest, leaves_after: int) -> None:
    outputs = 0
    with suppress(Exception):
        async with aclosing(aclosable(provider.astream(request))) as events:
            async for event in events:
                outputs += isinstance(event, OUTPUT)
                if leaves_after and outputs >= leaves_after:
                    return


def _close_quietly(provider: Provider) -> None:
    with suppress(Exception):
        provider.close()


def observe_async(open_provider: Callable[[], Provider], request: ChatRequest, watch: Watch | None = None) -> Run:
    """One stream on the async path, in an event loop and a thread of its own: a client that blocks its loop, or keeps
    its cancellation to itself, can't hang us.

    open_provider: called in the loop, which some libraries look for when they are made; what it raises is raised.
    """
    record = _Record(watch or Watch())
    seen: list[Run] = []
    failed: list[BaseException] = []
    done = threading.Event()

    async def observe() -> None:
        seen.append(await _observed(open_provider(), request, record))

    def work() -> None:
        try:
            asyncio.run(observe())
        except BaseException as error:
            failed.append(error)
        finally:
            done.set()

    threading.Thread(target=work, name="streamgauge-client", daemon=True).start()
    done.wait(record.watch.timeout + CLEARING)
    match failed:
        case [Exception() as error]:
            raise error
        case [error]:  # sys.exit() in a client ends its run, not ours
            record.raised = raised(error, record.watch.modules, record.watch.secrets)
            return record.run()
    return seen[0] if seen else record.run(hung=True)


async def _observed(provider: Provider, request: ChatRequest, record: _Record) -> Run:
    """The run; tasks that the client leaves behind are named in it, then cancelled."""
    before = asyncio.all_tasks()
    task = asyncio.create_task(_consume(provider, request, record))
    hung = False
    try:
        _, waiting = await asyncio.wait({task}, timeout=record.watch.timeout)
        if hung := bool(waiting):
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE)
    finally:
        task.cancel()
        left = await _clear_up(asyncio.all_tasks() - before - {task})
    return record.run(hung=hung, left_tasks=left)


async def _consume(provider: Provider, request: ChatRequest, record: _Record) -> None:
    try:
        for leaves_after in record.watch.caller.before:
            await _before_async(provider, request, leaves_after)
        record.start()
        async with aclosing(aclosable(provider.astream(request))) as events:
            async for event in events:
                if record.take(event):
                    break
                if pause := record.pause():
                    await asyncio.sleep(pause)
        if record.stopped_at is not None and record.watch.on_stopped:
            await asyncio.to_thread(record.watch.on_stopped)  # the loop goes on: it may be what closes
    except Exception as error:
        record.raised = raised(error, record.watch.modules, record.watch.secrets)
    finally:
        with suppress(Exception):
            await asyncio.wait_for(provider.aclose(), GRACE)


async def _clear_up(tasks: set[asyncio.Task[object]]) -> list[str]:
    """Names of the tasks that are still there a moment after the stream, which is then ended for them."""
    if tasks:
        await asyncio.wait(tasks, timeout=0.25)  # closing a connection may take a few turns of the loop
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=GRACE)
    return sorted(_task_name(task) for task in left)


def _task_name(task: asyncio.Task[object]) -> str:
    work = task.get_coro()
    return getattr(work, "__qualname__", None) or task.get_name()
