"""Writes a report's text to a file."""

from __future__ import annotations

from pathlib import Path

from streamgauge.errors import StreamgaugeError


def save(text: str, path: str | Path) -> None:
    """Write UTF-8 with LF, making the folder where it is missing.

    Raises StreamgaugeError where the file can't be written.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StreamgaugeError(f"cannot write the report {target}: {error.strerror or error}") from error
