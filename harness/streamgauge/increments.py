"""Whether what a stream says piece by piece is new each time: snapshots instead of increments are a usual mistake."""

from __future__ import annotations

from dataclasses import dataclass, field

SNAPSHOT = 20
"""Characters from which on a piece that says again what was said can't be chance."""


@dataclass(slots=True)
class Told:
    """What one choice said: its pieces, their length, and how often in a row a piece began with the one before."""

    pieces: list[str] = field(default_factory=list)
    size: int = 0
    grown: int = 0

    def repeats(self, piece: str) -> str:
        """How a piece says again what was said, "" where it does not; the work stays linear in the text."""
        last = self.pieces[-1] if self.pieces else ""
        self.grown = self.grown + 1 if last and len(piece) > len(last) and piece.startswith(last) else 0
        found = ""
        if self.grown >= 2 and len(piece) >= SNAPSHOT:
            found = "the delta before, with more"
        elif len(self.pieces) >= 3 and len(piece) >= self.size >= SNAPSHOT and piece.startswith("".join(self.pieces)):
            found = "all of the text again"
        self.pieces.append(piece)
        self.size += len(piece)
        return found
