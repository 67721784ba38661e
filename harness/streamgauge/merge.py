"""Several runs of verdicts as one: client libraries that can't live in one environment, in one matrix."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from streamgauge.errors import StreamgaugeError
from streamgauge.rules import Verdict
from streamgauge.verdicts import SCHEMA, RunReport, Subject
from streamgauge.wire import elements, members


def load(path: Path) -> RunReport:
    """The report that `--json` wrote; members that this version does not know are passed over.

    Raises StreamgaugeError for a file that can't be read, or is no such report.
    """
    try:
        document = members(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise StreamgaugeError(f"can't read the report {path}: {error.strerror}") from error
    except ValueError as error:
        raise StreamgaugeError(f"{path} is not JSON: {error}") from error
    if document.get("schema") != SCHEMA:
        raise StreamgaugeError(
            f"{path} is no report of verdicts (streamgauge client --json FILE): its schema is "
            f"{document.get('schema', 'not named')!r}, not {SCHEMA!r}"
        )
    try:
        return RunReport(
            started=document["started"],
            versions=document["versions"],
            subjects=tuple(Subject(**_known(Subject, s)) for s in document["subjects"]),
            verdicts=tuple(_verdict(v) for v in document["verdicts"]),
            stale=tuple(elements(document.get("stale"))),
            notes=tuple(elements(document.get("notes"))),
            partial=document.get("partial") is True,
            seconds=float(document.get("seconds", 0.0)),
        )
    except (KeyError, TypeError) as error:
        raise StreamgaugeError(f"{path} is no whole report of verdicts: {error}") from error


def _verdict(entry: dict[str, Any]) -> Verdict:
    known = _known(Verdict, entry)
    start, end = known.get("span") or (0, 0)
    return Verdict(**known | {"span": (start, end)})


def _known(kind: type, entry: dict[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(kind)}
    return {name: value for name, value in entry.items() if name in names}


def merge(reports: Iterable[RunReport]) -> RunReport:
    """One report of all: a subject that was not installed in one run is taken from the run in which it was.

    Raises StreamgaugeError where there is nothing to merge, or where two runs judged the same subject.
    """
    parts = list(reports)
    if not parts:
        raise StreamgaugeError("nothing to merge: give the files that `streamgauge client --json` wrote")
    subjects: dict[str, Subject] = {}
    for part in parts:
        for subject in part.subjects:
            seen = subjects.get(subject.name)
            if seen is not None and seen.available and subject.available:
                raise StreamgaugeError(f"two reports judge {subject.name}: run it once, by naming providers")
            if seen is None or subject.available:
                subjects[subject.name] = subject
    lacking = {f"{s.name} is not installed" for p in parts for s in p.subjects if not s.available}
    lacking -= {f"{s.name} is not installed" for s in subjects.values() if not s.available}
    notes = dict.fromkeys(note for part in parts for note in part.notes)
    return RunReport(
        started=min(part.started for part in parts),
        versions={name: text for part in reversed(parts) for name, text in part.versions.items()},
        subjects=tuple(subjects.values()),
        verdicts=tuple(verdict for part in parts for verdict in part.verdicts),
        stale=tuple(dict.fromkeys(entry for part in parts for entry in part.stale)),
        notes=tuple(note for note in notes if not any(note.startswith(start) for start in lacking)),
        partial=any(part.partial for part in parts),
        seconds=sum(part.seconds for part in parts),
    )
