"""What one connection leaves in the logs of the mounts that it asked something of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from streamgauge.script import Script
from streamgauge.server.log import Answer, Log, Received, Sent, now


@dataclass(frozen=True, slots=True)
class Plan:
    """What one request gets. `log` is None for what nobody looks at afterwards."""

    script: Script
    log: Log | None = None
    look_up: bool = False


Planner = Callable[[Received], Plan]
Refuser = Callable[[str], Script]


@dataclass(frozen=True, slots=True)
class Record:
    """The log of one answer; without a log it keeps nothing."""

    log: Log | None = None
    answer: Answer | None = None

    def sent(self, size: int) -> None:
        """Note a piece, before it is written: whoever has received it finds it in the log."""
        if self.log is not None and self.answer is not None:
            self.log.sends.append(Sent(now(), size, self.answer.request))

    def ended(self) -> None:
        """Note that the server has played the answer to its end."""
        if self.log is not None and self.answer is not None:
            self.log.end(self.answer, "server", now())

    def left(self, at: float, reset: int | None = None) -> None:
        """Note that the client has gone; reset: the code with which it reset an HTTP/2 stream."""
        if self.log is not None and self.answer is not None:
            self.log.end(self.answer, "client", at, reset)


UNLOGGED = Record()


@dataclass(slots=True)
class Ledger:
    """One connection's answers. The client's leaving is noted once, and only if the server did not close first."""

    number: int
    closed: bool = False
    _logs: list[Log] = field(default_factory=list)

    def begin(self, plan: Plan, received: Received) -> Record:
        if plan.log is None:
            return UNLOGGED
        if plan.log not in self._logs:
            self._logs.append(plan.log)
        return Record(plan.log, plan.log.begin(received, look_up=plan.look_up))

    def left(self, *records: Record) -> bool:
        """The client has closed the connection, with these answers under way; False where it was closed already."""
        if self.closed:
            return False
        self.closed = True  # whatever follows, the client was first
        at = now()
        for record in records:
            record.left(at)
        for log in self._logs:
            log.close(self.number, at)
        return True

    def lost(self) -> None:
        """The connection is gone, whoever closed it."""
        for log in self._logs:
            log.close(self.number, None)
