"""One running adapter: a program that reads lines of JSON and writes lines of JSON."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from streamgauge.errors import StreamgaugeError
from streamgauge.events import excerpt, to_json
from streamgauge.wire import Undecodable, parse

START = 60.0
"""Seconds until an adapter must have introduced itself: it may have a large library to load."""
GRACE = 2.0
"""Seconds that a program whose output has ended is given to end itself."""
LINE_LIMIT = 64 * 1024 * 1024
"""Bytes of a line at most."""


class ProtocolError(StreamgaugeError):
    """The adapter broke off, or wrote what the protocol has no place for."""


class AdapterProcess:
    """Starts the program. hello: its introduction, once `introduce` has read it.

    streaming: a stream was asked for, and its last line has not come. Its standard error is ours.

    Raises StreamgaugeError where the program can't be run.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = shlex.join(command)
        self._environment = dict(os.environ)
        self._late = False
        self.streaming = False
        self.hello: dict[str, Any] = {}
        # A group of its own: what the program starts (a shell, a package runner) ends with it, at our word only.
        apart: dict[str, Any] = {"process_group": 0} if os.name == "posix" else {}
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **apart)
        except OSError as error:
            raise StreamgaugeError(f"can't run {self._command}: {error.strerror}") from error

    def introduce(self) -> None:
        """Wait for the introduction; raises ProtocolError where it does not come, or is no JSON object."""
        watchdog = threading.Timer(START, self._give_up)
        watchdog.start()
        try:
            self.hello = self.line()
        finally:
            watchdog.cancel()

    @property
    def usable(self) -> bool:
        """Whether it still runs, in an environment as a new one would get it: programs read theirs when they start."""
        return self._process.poll() is None and self._environment == os.environ

    def _give_up(self) -> None:
        self._late = True
        self._end()

    def say(self, line: dict[str, Any]) -> None:
        """Write a line; that the program is gone will show when its answer is read."""
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):
            self._process.stdin.write(to_json(line).encode() + b"\n")
            self._process.stdin.flush()

    def line(self) -> dict[str, Any]:
        """Wait for a line and read it.

        Raises ProtocolError at the end of the output, and for a line that is no JSON object.
        """
        assert self._process.stdout is not None
        try:
            said = self._process.stdout.readline(LINE_LIMIT)
        except ValueError:  # closed in between
            said = b""
        if not said:
            raise ProtocolError(f"{self._command} {self._fate()} where a line was awaited")
        value = parse(said.decode("utf-8", "replace"))
        if isinstance(value, Undecodable) or not isinstance(value, dict):
            shown = excerpt(said.decode("utf-8", "replace").rstrip())
            raise ProtocolError(f"{self._command} wrote a line that is no JSON object: {shown!r}")
        return value

    def _fate(self) -> str:
        if self._late:
            return f"was ended after {START:.0f} seconds without a line,"
        try:
            return f"ended with exit code {self._process.wait(GRACE)}"
        except subprocess.TimeoutExpired:
            return "closed its output"

    def kill(self) -> None:
        """End the program and what it has started, whatever they do."""
        self._end()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):  # what was not sent any more
                pipe.close()

    def _end(self) -> None:
        if os.name != "posix":
            self._process.kill()
        elif self._process.poll() is None:  # else its number may be another's by now
            os.killpg(self._process.pid, signal.SIGKILL)
