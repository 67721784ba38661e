"""What `bench` and `calibrate` share: how providers, keys and lists of numbers are read, and live progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

import click

from streamgauge.cli._output import line_of, note
from streamgauge.errors import StreamgaugeError
from streamgauge.measurement.calibrations import CalibrationRow
from streamgauge.provider import ProviderSpec

REFRESH = 0.5
"""Seconds between two looks of the live line: it is drawn by the process that measures."""


class Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers above zero with commas between."""

    name = "numbers"

    def convert(
        self, value: str | Sequence[int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if not isinstance(value, str):
            return tuple(value)
        words = [word.strip() for word in value.split(",")]
        if not all(word.isascii() and word.isdigit() and 0 < int(word) <= 100_000 for word in words):
            self.fail(f"{value!r} is no list of numbers above 0: write it like 1,8,64", param, ctx)
        return tuple(dict.fromkeys(int(word) for word in words))


class Words(click.ParamType[tuple[str, ...]]):
    """Some of a few words, with commas between."""

    name = "words"

    def __init__(self, *known: str) -> None:
        self._known = known

    def convert(
        self, value: str | Sequence[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        words = [word.strip() for word in value.split(",")] if isinstance(value, str) else list(value)
        for word in words:
            if word not in self._known:
                self.fail(f"{word!r} is not one of {', '.join(self._known)}", param, ctx)
        return tuple(dict.fromkeys(words))


def key_of(given: str | None, *, needed: bool) -> Callable[[ProviderSpec], str]:
    """How the key of a provider is found; raises StreamgaugeError where there is none and one is needed."""

    def find(spec: ProviderSpec) -> str:
        try:
            return spec.key(given)
        except StreamgaugeError:
            if needed:
                raise
            return ""

    return find


class Live:
    """One line on standard error that is written over, where that is a terminal; else whole lines, few of them."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._last = 0.0
        self._drawn = False

    def line(self, text: str) -> None:
        """A line that stays."""
        self._clear()
        note(text)

    def now(self, text: Callable[[], str], *, stay: bool = False) -> None:
        """What is going on; asked for at most twice a second. stay: worth a line of its own in a log."""
        if self._terminal:
            if time.monotonic() - self._last >= REFRESH:
                self._clear()
                click.echo(line_of(text())[:100], nl=False, err=True)
                self._drawn, self._last = True, time.monotonic()
        elif stay:
            note(text())

    def _clear(self) -> None:
        if self._drawn:
            click.echo("\r\x1b[K", nl=False, err=True)
            self._drawn = False

    def close(self) -> None:
        self._clear()


def calibrated(live: Live, row: CalibrationRow) -> None:
    """Say what a calibration found."""
    from streamgauge.report.bench_terminal import calibration_line

    live.line(f"calibration: {calibration_line(row)}")
