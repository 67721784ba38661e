"""The report on a terminal: the matrix, what failed with the command that shows it again, and the summary line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from streamgauge.report.layout import Block, blocks
from streamgauge.report.matrix import LABELS, MEANING, STATES, Cell, Column, Group, Matrix, Row, State, build
from streamgauge.report.progress import Progress
from streamgauge.report.summary import headline, paths_of, place, verdict_line, where
from streamgauge.report.text import one_line, shortened
from streamgauge.verdicts import RunReport

__all__ = ["Progress", "print_report"]

SYMBOLS: dict[State, str] = {
    "error": "!",
    "fail": "✗",
    "expected": "◇",
    "non-strict": "~",
    "info": "i",
    "pass": "✓",
    "skip": "-",
}
ASCII: dict[str, str] = {"✗": "F", "◇": "x", "✓": ".", "≠": "#", "…": ">", "·": " "}
STYLES: dict[State, str] = {
    "error": "bold magenta",
    "fail": "bold red",
    "expected": "red",
    "non-strict": "yellow",
    "info": "cyan",
    "pass": "green",
    "skip": "dim",
}
MOST_FAILURES = 40
_LONGEST = 400
_INDENT = "    "


def print_report(report: RunReport, console: Console | None = None) -> None:
    """Print to the console, by default standard output: at most its width, save for commands, which stay whole.

    rich leaves colours out where NO_COLOR is set and on a pipe; symbols are ASCII where the encoding is not UTF.
    """
    _Printer(console or Console(highlight=False), build(report)).run()


class _Printer:
    """One report on one console."""

    def __init__(self, console: Console, matrix: Matrix) -> None:
        self._console = console
        self._matrix = matrix
        self._ascii = console.options.ascii_only

    def run(self) -> None:
        matrix, report = self._matrix, self._matrix.report
        if matrix.rows:
            self._legend()
        for block in blocks(matrix, self._console.width):
            self._block(block)
        self._groups("Errors of the harness, not of the subject", matrix.select("error"), "error")
        self._groups("Unexpected failures", matrix.select("fail"), "fail")
        self._items("Stale expectations: delete these entries", report.stale, "fail")
        self._differences()
        self._items("Not installed, not judged", (f"{s.name}: {s.install}" for s in matrix.unavailable), "non-strict")
        self._items("Installed, nothing judged", (s.name for s in matrix.unjudged), "non-strict")
        self._items("Notes", report.notes, "info")
        good = report.exit_code == 0
        self._line()
        self._line(f"{verdict_line(report)}.")
        self._line(f"{headline(report)}.", "bold green" if good else "bold red")

    def _block(self, block: Block) -> None:
        self._line()
        for mark, column in block.key:
            self._line(f"{mark:>{block.mark_width}} {_named(column)}", "bold")
        left = " " * block.left
        self._line(left + "".join(f"{slot.label:<{slot.width}}" for slot in block.slots).rstrip(), "bold")
        paths = "".join(f"{_path_marks(slot.column):<{slot.width}}" for slot in block.slots).rstrip()
        if paths:
            self._line(left + paths, "dim")
        for group, rows in self._matrix.groups():
            self._line(shortened(group, self._console.width), "bold")
            for row in rows:
                self._row(block, row)

    def _row(self, block: Block, row: Row) -> None:
        name = f"{row.id:<{block.id_width}}"
        if block.title_width:
            name += " " + shortened(row.title, block.title_width)
        line = Text(self._carried(f"{name:<{block.left}}"))
        for slot in block.slots:
            line.append_text(self._slot(row, slot.column))
            line.append(" " * (slot.width - slot.marks))
        line.rstrip()
        self._console.print(line, soft_wrap=True)

    def _slot(self, row: Row, column: Column) -> Text:
        name = column.subject.name
        text = Text()
        for number, path in enumerate(column.paths):
            if number:
                differs = (row.id, name) in self._matrix.differences
                text.append(self._carried("≠") if differs else " ", "bold magenta")
            text.append_text(self._symbol(self._matrix.cell(row.id, name, path)))
        return text

    def _symbol(self, cell: Cell | None) -> Text:
        if cell is None:
            return Text(self._carried("·"), "dim")
        return Text(self._carried(SYMBOLS[cell.state]), STYLES[cell.state])

    def _legend(self) -> None:
        present = {cell.state for cell in self._matrix.cells.values()}
        for state in (s for s in STATES if s in present):
            line = Text(self._carried(SYMBOLS[state]), STYLES[state])
            self._console.print(line.append(self._carried(f" {LABELS[state]}: {MEANING[state]}"), "not bold default"))
        if self._matrix.differences:
            self._line("≠ the sync path (s) and the async path (a) came out differently")

    def _groups(self, title: str, groups: Sequence[Group], state: State) -> None:
        if not groups:
            return
        self._line()
        self._line(f"{title}: {len(groups):,} distinct", STYLES[state])
        for group in groups[:MOST_FAILURES]:
            self._group(group)
        if len(groups) > MOST_FAILURES:
            self._line(f"  ... and {len(groups) - MOST_FAILURES} more: --json and --html hold them all")

    def _group(self, group: Group) -> None:
        first = group.first
        rows = {row.id: row for row in self._matrix.rows}
        rule = rows[first.rule].rule
        self._line()
        self._fact("", f"{first.rule} {rule.title if rule else ''}: {first.subject} {paths_of(group)}", "bold")
        self._fact("where", where(group))
        self._fact("expected", first.expected)
        self._fact("got", first.got)
        if first.excerpt:
            self._fact("bytes", f"[{first.span[0]}, {first.span[1]}) {first.excerpt}")
        self._fact("reason", first.reason)
        self._fact("source", rule.source if rule else "", "dim")
        if first.reproduce:
            self._console.print(Text(self._carried(f"{_INDENT}$ {first.reproduce}")), soft_wrap=True)

    def _fact(self, name: str, value: str, style: str = "") -> None:
        value = shortened(one_line(value).strip(), _LONGEST)
        if not value:
            return
        label = f"{_INDENT}{name + ':':<10}" if name else "  "
        text = Text(self._carried(value), style)
        hanging = " " * len(label) if name else _INDENT
        for number, line in enumerate(text.wrap(self._console, max(self._console.width - len(hanging) - 2, 20))):
            line.rstrip()
            self._console.print(Text(hanging if number else label).append_text(line), soft_wrap=True)

    def _differences(self) -> None:
        self._items("Sync and async differ", _difference_lines(self._matrix), "non-strict")

    def _items(self, title: str, items: Iterable[str], state: State) -> None:
        found = list(items)
        if found:
            self._line()
            self._line(f"{title}: {len(found)}", STYLES[state])
        for item in found:
            self._fact("", item)

    def _line(self, text: str = "", style: str = "") -> None:
        self._console.print(Text(self._carried(text), style))

    def _carried(self, text: str) -> str:
        """The text as this console can show it: nothing steers it, and ASCII where it knows nothing else."""
        text = one_line(text)
        if self._ascii:
            text = "".join(ASCII.get(c, c) for c in text).encode("ascii", "backslashreplace").decode()
        return text


def _named(column: Column) -> str:
    return one_line(f"{column.subject.name} {column.subject.version}".strip())


def _path_marks(column: Column) -> str:
    return " ".join(path[:1] for path in column.paths)


def _difference_lines(matrix: Matrix) -> Iterator[str]:
    for (rule, subject), found in matrix.differences.items():
        first = found[0]
        at = place(first.case, first.fault)
        more = f"; and {len(found) - 1} more" if len(found) > 1 else ""
        yield f"{rule} {subject}: sync {first.sync}, async {first.asynchronous}" + (f" ({at})" if at else "") + more
