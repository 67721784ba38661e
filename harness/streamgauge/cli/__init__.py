"""The command line. A command is a module here that defines `command`; it is found by looking."""

from __future__ import annotations

from collections.abc import Sequence

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended: 128 and SIGINT, as shells count."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 good, 1 the subject fell short, 2 the call or the harness was wrong.

    argv: the arguments without the program's name; by default those of the process.
    """
    try:
        # Imported here, so that importing this package is cheap and Ctrl-C is handled from the start.
        from streamgauge.cli._frame import run

        return run(argv)
    except KeyboardInterrupt:
        return INTERRUPTED
