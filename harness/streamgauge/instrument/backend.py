"""The replay server in another process: started, told what to play, asked for its send log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from streamgauge.errors import StreamgaugeError


@dataclass(frozen=True, slots=True)
class Stage:
    """A script under its own URL. delays: seconds before each of its output events."""

    base_url: str
    number: int
    delays: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Served:
    """What the server did for one stream, in `time.monotonic` seconds: it had the request, it handed each output
    event to the kernel."""

    received: float
    sends: tuple[float, ...]


class ReplayProcess:
    """A context manager, which doesn't wait until the process is there: that happens when it is first asked.

    So it can be started before whatever takes time here; this module imports next to nothing. Raises StreamgaugeError
    where the process doesn't start or ends before its time.
    """

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "streamgauge.server.standalone"]
        # Ctrl-C goes to every process of the terminal's group; the one that measures decides when this one ends.
        apart: dict[str, Any] = {"process_group": 0} if os.name == "posix" else {}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **apart)
        self._asked = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if not self._asked:  # nobody waits until it has started
            self._process.kill()
        try:
            self._process.stdin.close()
            self._process.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def stage(self, dialect: str, delays: Sequence[float]) -> Stage:
        """Offer an answer of one text event for each delay."""
        said = self._ask({"do": "mount", "dialect": dialect, "delays": list(delays)})
        return Stage(said["base_url"], said["number"], tuple(delays))

    def log(self, stage: Stage) -> dict[int, Served]:
        """By tag, the streams since the last time that this was asked."""
        said = self._ask({"do": "log", "number": stage.number})
        return {r["tag"]: Served(r["at"], tuple(r["sends"])) for r in said["requests"]}

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._asked = True
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = b""
        if not line:
            raise StreamgaugeError(f"the replay server's process ended (exit status {self._process.poll()})")
        said: dict[str, Any] = json.loads(line)
        return said
