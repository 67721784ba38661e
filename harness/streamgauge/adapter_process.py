"""One running adapter: a program that reads lines of JSON and writes lines of JSON."""

from __future__ import annotations

import os
import shlex
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
    """Starts the program and reads its introduction.

    streaming: a stream was asked for, and its last line has not come. Its standard error is ours.

    Raises StreamgaugeError where the program can't be run; ProtocolError where it does not introduce itself.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = shlex.join(command)
        self._environment = dict(os.environ)
        self._late = False
        self.streaming = False
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as error:
            raise StreamgaugeError(f"can't run {self._command}: {error.strerror}") from error
        watchdog = threading.Timer(START, self._give_up)
        watchdog.start()
        try:
            self.hello = self.line()
        except ProtocolError:
            self.kill()
            raise
        finally:
            watchdog.cancel()

    @property
    def usable(self) -> bool:
        """Whether it still runs, in an environment as a new one would get it: programs read theirs when they start."""
        return self._process.poll() is None and self._environment == os.environ

    def _give_up(self) -> None:
        self._late = True
        self._process.kill()

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
        """End the program, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):  # what was not sent any more
                pipe.close()
