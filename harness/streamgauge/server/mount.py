"""A mount: one script (or a function that picks it for each request) under a URL of its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from streamgauge.dialect import Dialect
from streamgauge.observation import Served
from streamgauge.script import Script
from streamgauge.server.ledger import Plan
from streamgauge.server.log import Log, Received, Sent
from streamgauge.server.routes import DEFAULT_DIALECT, dialect_of, models_of, refusal, streaming_paths, without_query


@dataclass(slots=True)
class Mount:
    """Where to point one client, and what the server saw of it.

    url: without the API's version path; base_url: with it. Clients in many threads may use many mounts at once.
    As a context manager it is taken down at the end; its log stays.
    """

    url: str
    base_url: str
    script: Script | Callable[[Received], Script]
    _take_down: Callable[[Mount], None]
    _log: Log = field(default_factory=Log)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the mount down: its URL answers 404 from now on."""
        self._take_down(self)

    @property
    def requests(self) -> list[Received]:
        """Requests so far, look-ups of models included, in order of arrival."""
        return list(self._log.requests)

    @property
    def sends(self) -> list[Sent]:
        """The send log so far: one entry a piece."""
        return list(self._log.sends)

    @property
    def open_connections(self) -> int:
        """Connections that asked something of this mount and are still open."""
        return len(self._log.open)

    @property
    def unfinished(self) -> int:
        """Answers that neither side has ended yet."""
        return sum(not a.ended_by for a in self._log.answers)

    def served(self, since: float = 0.0) -> Served:
        """The evidence of a client's run; `since` is when it ended (`time.monotonic()` seconds), from which
        `closed_early` counts: 0.0 where the client had closed before, or where `since` is not given."""
        return self._log.served(since)

    def wait(self, timeout: float = 5.0) -> bool:
        """Wait until every answer was ended by one side; False when one was not, so many seconds later."""
        return self._log.wait(lambda: not self.unfinished, timeout)

    def wait_closed(self, timeout: float = 5.0) -> bool:
        """Wait until no connection is open any more; False when one still was, so many seconds later."""
        return self._log.wait(lambda: not self._log.open, timeout)

    def plan(self, received: Received) -> Plan:
        """What a request gets; called in the server's thread."""
        # The path below the mount's own, which is what the API's is.
        path = without_query(received.path).removeprefix(f"/m/{self.url.rpartition('/')[2]}") or "/"
        if received.method in ("GET", "HEAD"):
            models = models_of(path, self.script.dialect.name if isinstance(self.script, Script) else DEFAULT_DIALECT)
            if models is not None:
                return Plan(models, self._log, look_up=True)
        # What asks for anything but a stream is a look-up, whatever its method: LiteLLM asks Ollama by POST what the
        # model can do, unless it has remembered that.
        streams = self._dialect(path) is not None
        return Plan(self._choose(path, received), self._log, look_up=received.method != "POST" or not streams)

    def _dialect(self, path: str) -> Dialect | None:
        """The dialect that streams at a path of this mount."""
        dialect = self.script.dialect if isinstance(self.script, Script) else dialect_of(path)
        return dialect if dialect is not None and any(re.search(p, path) for p in dialect.paths) else None

    def _choose(self, path: str, received: Received) -> Script:
        if self._dialect(path) is None:
            return refusal(404, f"nothing is at {path}", paths=streaming_paths())
        if received.method != "POST":
            return refusal(405, f"{path} answers POST only")
        if isinstance(self.script, Script):
            script = self.script
            self.script = script.then or script
            return script
        try:
            return self.script(received)
        except Exception as error:  # the caller's function: its mistake must reach the client, not end the server
            return refusal(500, f"the mount's function raised {type(error).__name__}: {error}")
