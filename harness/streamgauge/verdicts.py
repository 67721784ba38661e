"""A run of verdicts: what was judged, how it came out, and the exit code that says so."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Literal

from streamgauge.rules import Outcome, Verdict

SCHEMA = "streamgauge.verdicts/1"
OUTCOMES: tuple[Outcome, ...] = ("pass", "non-strict", "fail", "info", "skip", "error")
JUDGED = frozenset({"pass", "fail", "non-strict", "info"})
"""Outcomes that say something about the subject: a run without any of them judged nothing."""

NOT_INSTALLED = ", not installed: "
"""Stands in the reason of a skip that only a package missing here is to blame for, before what installs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who was judged. `available` is False where its library is missing; `install` is the command that helps."""

    name: str
    role: Literal["server", "client"]
    version: str = ""
    dialect: str = ""
    available: bool = True
    install: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """All verdicts of one run.

    started: ISO 8601 with offset. versions: of streamgauge, Python and whatever else matters.
    stale: entries of the expected-failures file that no longer fail, one line of text each; they make the run red.
    notes: what a reader should know, one line each. partial: the run was interrupted, and holds what it had judged.
    seconds: how long it took; 0.0 where nobody measured it.
    """

    started: str
    versions: dict[str, str]
    subjects: tuple[Subject, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    stale: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    partial: bool = False
    seconds: float = 0.0
    schema: str = field(default=SCHEMA, init=False)

    @property
    def summary(self) -> dict[str, int]:
        """Counts by outcome; an expected failure is counted as that, and not as what it is."""
        counts = Counter(v.verdict for v in self.verdicts if not v.expected_failure)
        return {
            **{outcome: counts[outcome] for outcome in OUTCOMES},
            "expected_failures": sum(v.expected_failure for v in self.verdicts),
            "stale": len(self.stale),
        }

    @property
    def judged(self) -> int:
        """How many verdicts say something about a subject."""
        return sum(v.verdict in JUDGED for v in self.verdicts)

    @property
    def cells(self) -> int:
        """How many cells of the matrix say something: rules, for one subject on one path."""
        return len({(v.rule, v.subject, v.path) for v in self.verdicts if v.verdict in JUDGED})

    @property
    def exit_code(self) -> int:
        """0 good; 1 something failed that was not expected to, or an expectation is stale; 2 nothing judged, not all
        judged, or an error of the harness (which comes first: it makes the rest doubtful)."""
        summary = self.summary
        if summary["error"] or self.partial or not self.judged:
            return 2
        return 1 if summary["fail"] or summary["stale"] else 0

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values, in the shape that the schema names."""
        return {
            "schema": self.schema,
            "started": self.started,
            "seconds": round(self.seconds, 1),
            "versions": dict(self.versions),
            "subjects": [asdict(s) for s in self.subjects],
            "verdicts": [{**asdict(v), "span": list(v.span)} for v in self.verdicts],
            "stale": list(self.stale),
            "notes": list(self.notes),
            "partial": self.partial,
            "summary": self.summary,
        }

    def to_json(self) -> str:
        """The text of `to_dict()`, ASCII only, so that no byte of a subject can spoil the file."""
        return json.dumps(self.to_dict(), indent=1) + "\n"


def for_want_of_packages(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """What could not be judged here, and what would have to be installed: one line a reason."""
    reasons = Counter(v.reason for v in verdicts if v.verdict == "skip" and NOT_INSTALLED in v.reason)
    return tuple(f"{count:,} of the skipped: {reason}" for reason, count in sorted(reasons.items()))


def now() -> str:
    """The time of day for `RunReport.started`."""
    return datetime.now(UTC).astimezone().isoformat(timespec="seconds")


def base_versions() -> dict[str, str]:
    """The versions that every report states."""
    return {"streamgauge": version("streamgauge"), "python": platform.python_version()}
