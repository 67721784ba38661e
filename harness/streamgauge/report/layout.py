"""How the matrix is laid out in a given number of character columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from streamgauge.report.matrix import Column, Matrix
from streamgauge.report.text import one_line, shortened

_GAP = 2
_TITLE_WANTED = 24
_TITLE_LEAST = 12
_LABELS = (99, 16, 12, 10, 8, 6)


@dataclass(frozen=True, slots=True)
class Slot:
    """One subject: its label, the width of its symbols, and its width with the gap behind it."""

    column: Column
    label: str
    marks: int
    width: int


@dataclass(frozen=True, slots=True)
class Block:
    """One table: where its symbols start, how wide ids and titles are, and a key where labels are letters."""

    left: int
    id_width: int
    title_width: int
    slots: tuple[Slot, ...]
    key: tuple[tuple[str, Column], ...] = ()

    @property
    def mark_width(self) -> int:
        return max((len(mark) for mark, _ in self.key), default=0)


def blocks(matrix: Matrix, width: int) -> Iterator[Block]:
    """The tables that show the matrix within the width: one wherever names, short names or letters let it fit."""
    if not matrix.rows:
        return
    id_width = max(len(row.id) for row in matrix.rows)
    longest = max(len(row.title) for row in matrix.rows)
    names = [one_line(column.subject.name) for column in matrix.columns]
    for most in _LABELS:
        labels = [shortened(name, most) for name in names]
        slots = _slots(matrix.columns, labels)
        room = width - id_width - 1 - _GAP - sum(slot.width for slot in slots)
        if len(set(labels)) == len(set(names)) and room >= min(_TITLE_WANTED, longest):
            yield _block(id_width, min(room, longest), slots)
            return
    yield from _lettered(matrix.columns, id_width, longest, width)


def _lettered(columns: Sequence[Column], id_width: int, longest: int, width: int) -> Iterator[Block]:
    slots = _slots(columns, [_letters(n) for n in range(len(columns))])
    room = width - id_width - _GAP
    fitting = max(room // max(slot.width for slot in slots), 1)
    tables = -(-len(slots) // fitting)
    each = -(-len(slots) // tables)  # tables of the same size, rather than a full one and a remnant
    for start in range(0, len(slots), each):
        chosen = slots[start : start + each]
        title = min(room - sum(slot.width for slot in chosen) - 1, longest)
        key = tuple((slot.label, slot.column) for slot in chosen)
        yield _block(id_width, title if title >= _TITLE_LEAST else 0, chosen, key)


def _block(id_width: int, title: int, slots: Sequence[Slot], key: tuple[tuple[str, Column], ...] = ()) -> Block:
    left = id_width + (title + 1 if title else 0) + _GAP
    return Block(left, id_width, title, tuple(slots), key)


def _slots(columns: Sequence[Column], labels: Sequence[str]) -> list[Slot]:
    found = []
    for column, label in zip(columns, labels, strict=True):
        marks = 2 * len(column.paths) - 1
        found.append(Slot(column, label, marks, max(marks, len(label)) + _GAP))
    return found


def _letters(number: int) -> str:
    """A, B ... Z, AA, AB ..."""
    text = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, 26)
        text = ascii_uppercase[digit] + text
    return text
