"""Reads the files that `streamgauge check` judges: bodies, captures of responses, recordings."""

from __future__ import annotations

import difflib
import shlex
from pathlib import Path

from streamgauge.cli._inputs import STDIN, capture, reads, recording_of, refuse, shown
from streamgauge.cli._judging import Findings, Options
from streamgauge.cli._output import note
from streamgauge.detect import HEAD, detect
from streamgauge.errors import StreamgaugeError
from streamgauge.provider import all_providers
from streamgauge.registry import get_dialect
from streamgauge.rules import Exchange
from streamgauge.trace import Trace
from streamgauge.verdicts import Subject


def judge_file(name: str, options: Options, found: Findings) -> None:
    """Judge the stream in a file, or in standard input.

    Raises StreamgaugeError where there is none, or its dialect can't be seen.
    """
    exchange = _exchange(name, options.dialect)
    subject = Subject(name=shown(name), role="server", dialect=exchange.dialect.name)
    again = f"streamgauge check {shlex.quote(name)} --dialect {exchange.dialect.name}"
    found.judge(subject, [exchange], options.chosen(exchange.dialect), again)


def _exchange(name: str, wanted: str | None) -> Exchange:
    """The exchange in a file.

    Raises StreamgaugeError where it holds none, or its dialect can't be seen.
    """
    if name != STDIN and not Path(name).exists():
        raise StreamgaugeError(_no_such(name))
    if recording := recording_of(name):
        dialect = get_dialect(wanted or recording.dialect)
        return Exchange(dialect, recording.trace, recording.reference, case=recording.name)
    trace = _trace(name)
    error_answer = trace.status is not None and not 200 <= trace.status < 300
    coding = trace.header("Content-Encoding") or "identity"
    if coding.lower() != "identity":
        raise StreamgaugeError(
            f"{shown(name)} is in Content-Encoding {coding}: record it without (Accept-Encoding: identity)"
        )
    if trace.body and not trace.body.strip():
        raise StreamgaugeError(f"{shown(name)} is empty: it has only blank lines")
    if error_answer and not wanted:
        raise StreamgaugeError(f"{shown(name)} is an HTTP error ({trace.status}): say of which dialect with --dialect")
    if not wanted:
        try:
            guess = detect(trace.body[:HEAD], trace.header("Content-Type") or "")
        except StreamgaugeError as error:
            raise StreamgaugeError(f"{shown(name)} {error}") from None
        note(f"{shown(name)}: {guess.dialect}, as {guess.reason}")
        wanted = guess.dialect
    dialect = get_dialect(wanted)
    if not error_answer:
        refuse(trace.body[:HEAD], dialect, name, final=True)
    return Exchange(dialect, trace)


def _trace(name: str) -> Trace:
    raw = b"".join(reads(name))
    found = capture(raw, name)
    return found or Trace.of(raw)


def _no_such(name: str) -> str:
    if "://" in name:
        return f"{name} is neither a file nor an http URL: give one like http://localhost:8000/v1"
    if ":" in name or name.startswith("localhost"):
        return f"no such file: {name}; if it is an endpoint, give its URL: http://{name}"
    return f"no such file: {name}{meant(name)}"


def meant(name: str) -> str:
    """A question whether a provider of nearly that name was meant, or nothing."""
    close = difflib.get_close_matches(name, all_providers(), n=1)
    return f"; did you mean the provider {close[0]!r}?" if close else ""
