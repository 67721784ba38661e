"""Reasons not to trust figures, as a reader wants them: one line for each target, however many runs it was."""

from __future__ import annotations

from collections.abc import Iterable


def folded(reasons: Iterable[str]) -> list[str]:
    """`openai sync x1 run 5: loop lag ...` and more runs of that target become one line, with their number."""
    by_target: dict[str, list[str]] = {}
    for reason in reasons:
        target, _, rest = reason.partition(" run ")
        by_target.setdefault(target, []).append(rest)
    return [_line(target, rests) for target, rests in by_target.items()]


def _line(target: str, rests: list[str]) -> str:
    if rests == [""]:
        return target
    begin = f"{target} run {rests[0]}"
    return begin if len(rests) == 1 else f"{begin}; and {len(rests) - 1} more of its runs"
