"""Exceptions: the caller's mistakes only; what the wire did wrong is an event."""

from __future__ import annotations

MOST_LISTED = 40
"""Names that a message lists at most: it is to be read."""


class StreamgaugeError(Exception):
    """The call was wrong, or the harness could not do its work; the message says what to do (exit code 2)."""


class UnknownNameError(StreamgaugeError):
    """A dialect, provider, rule, fault or case that is not there."""

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        import difflib

        close = difflib.get_close_matches(name, known, n=1)
        listed = ", ".join(known[:MOST_LISTED]) or "none"
        more = f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else ""
        hint = f"; did you mean {close[0]!r}?" if close else f"; known: {listed}{more}"
        super().__init__(f"unknown {kind} {name!r}{hint}")


class DuplicateNameError(StreamgaugeError):
    """Two places define the same name; the message names both."""


class UnavailableError(StreamgaugeError):
    """A provider's client library is not installed; the message gives the command that installs it."""


class BackendError(StreamgaugeError):
    """A backend could not be reached or is not what it was said to be."""
