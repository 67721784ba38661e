"""Client conformance: which runs the rules need, each made once against the replay server, and the verdicts on them.

planning: what has to be run. playing: one run. execution: all of them in one process; processes: in several. showing:
what a reader needs beside a verdict.
"""

from __future__ import annotations

from streamgauge.conformance.execution import Conformance
from streamgauge.conformance.planning import Job, Plan, Selection, plan
from streamgauge.conformance.playing import SILENCE, STOP_AFTER, request_of
from streamgauge.conformance.processes import judge_in_processes, processes_for

__all__ = [
    "SILENCE",
    "STOP_AFTER",
    "Conformance",
    "Job",
    "Plan",
    "Selection",
    "judge_in_processes",
    "plan",
    "processes_for",
    "request_of",
]
