"""Progress of a long run: a live bar on a terminal, an occasional line elsewhere."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.text import Text

from streamgauge.report.text import one_line, shortened


class Progress:
    """Shows how far a run is, on standard error by default; use it as a context manager.

    On a terminal it redraws one line. Elsewhere (a CI log, a pipe) it prints a line at the start, then one for
    each tenth of the work.
    """

    def __init__(self, title: str = "judging", console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._title = title
        self._tenth = -1
        self._bar: Bar | None = None

    def __enter__(self) -> Progress:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._bar = Bar(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[text]}", markup=False),
                console=self._console,
                transient=True,
            )
            self._bar.add_task(self._title, total=None, text="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, done: int, total: int, text: str = "") -> None:
        """Say that `done` of `total` steps are behind us and what the present one is."""
        beside = len(self._title) + (48 if self._bar else 20)  # the bar, the counts, the clock
        room = max(self._console.width - beside, 10)
        shown = shortened(one_line(text), room, "...")
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=done, total=total, text=shown)
            return
        tenth = 10 * done // total if total else 0
        if tenth != self._tenth:
            self._tenth = tenth
            line = f"{self._title} {done:,} of {total:,}  {shown}".rstrip()
            self._console.print(Text(line.encode(*_carried_by(self._console)).decode(errors="replace")), soft_wrap=True)


def _carried_by(console: Console) -> tuple[str, str]:
    """The encoding, and what to do with what it can't carry, for text on this console."""
    return ("ascii", "backslashreplace") if console.options.ascii_only else ("utf-8", "backslashreplace")
