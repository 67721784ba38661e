"""The sentences that sum a run up, the same in every report."""

from __future__ import annotations

from streamgauge.report.matrix import Group
from streamgauge.report.text import counted
from streamgauge.verdicts import JUDGED, OUTCOMES, RunReport

_FEW = 4


def headline(report: RunReport) -> str:
    """What the exit code stands for, in words."""
    counts = report.summary
    interrupted = "Interrupted. " if report.partial else ""
    if not report.judged and not counts["error"]:
        return interrupted + "Nothing was judged"
    troubles = [
        counted(counts["error"], "error") + " of the harness" if counts["error"] else "",
        counted(counts["fail"], "unexpected failure") if counts["fail"] else "",
        counted(counts["stale"], "stale expectation") if counts["stale"] else "",
    ]
    return interrupted + (", ".join(filter(None, troubles)) or "No unexpected failure")


def verdict_line(report: RunReport) -> str:
    """How many verdicts say something about a subject, in how many cells of the matrix, in what time; and what each
    said, where outcomes that did not occur are left out."""
    counts = report.summary
    found = [f"{counts[name]:,} {name}" for name in OUTCOMES if counts[name] and name in JUDGED]
    if counts["expected_failures"]:
        found.append(counted(counts["expected_failures"], "expected failure"))
    rest = [f"{counts[name]:,} {name}" for name in OUTCOMES if counts[name] and name not in JUDGED]
    taken = f", in {duration(report.seconds)}" if report.seconds else ""
    judged = f"{counted(report.judged, 'verdict')} judged in {counted(report.cells, 'cell')}{taken}" + (
        ": " + ", ".join(found) if found else ""
    )
    return judged + ("; not judged: " + ", ".join(rest) if rest else "")


def duration(seconds: float) -> str:
    """`4.2 s`, `3 min 05 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:,} min {rest:02} s"


def paths_of(group: Group) -> str:
    """`sync`, `async`, `sync and async`, or nothing."""
    paths = dict.fromkeys(v.path for v in group.verdicts if v.path)
    return " and ".join(sorted(paths, reverse=True))


def where(group: Group) -> str:
    """The cases and faults of a group, the first few by name."""
    places = dict.fromkeys(place(v.case, v.fault) for v in group.verdicts)
    names = [name for name in places if name]
    more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more


def place(case: str, fault: str) -> str:
    """`plain-text`, `plain-text under bom`."""
    return f"{case} under {fault}" if case and fault else case or fault
