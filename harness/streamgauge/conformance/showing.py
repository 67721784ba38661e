"""What a reader needs beside a verdict: the command that makes its run alone, and the bytes that it is about."""

from __future__ import annotations

import shlex

from streamgauge.conformance.planning import Job, Plan
from streamgauge.engine import shown
from streamgauge.events import EXCERPT, NO_SPAN, Span
from streamgauge.provider import get_provider
from streamgauge.recordings import shipped
from streamgauge.rules import Rule, Verdict


def command_of(plan: Plan, job: Job, rule: Rule) -> str:
    """The command that makes this run alone; the fault is named even where it is none, if the rule has several."""
    recording = plan.recording(job)
    program = get_provider(job.provider).command
    words = ["streamgauge", "client", *(() if program else (job.provider,)), "--path", job.path, "--case", job.case]
    if rule.faults != ("",) or job.fault:
        words += ["--fault", job.fault]
    if plan.folder and shipped().get(f"{recording.dialect}/{recording.name}") is not recording:
        words += ["--recordings", plan.folder]
    return shlex.join([*words, "--rule", rule.id, *(("--", *program) if program else ())])


def disturbed(original: bytes, body: bytes) -> Span:
    """The bytes of a body in which it differs from the original; where it lacks some, what it ends with."""
    if body == original:
        return NO_SPAN
    start = next(
        (n for n, (a, b) in enumerate(zip(original, body, strict=False)) if a != b), min(len(original), len(body))
    )
    room = min(len(original), len(body)) - start
    tail = next((n for n in range(room) if original[-1 - n] != body[-1 - n]), room)
    end = len(body) - tail
    return (start, end) if end > start else (max(0, start - EXCERPT // 2), start)


def located(verdict: Verdict, body: bytes, where: Span) -> Verdict:
    """A departure with its bytes: those that the rule named, else those that the fault changed."""
    if verdict.verdict not in ("fail", "non-strict", "info") or verdict.excerpt or where == NO_SPAN:
        return verdict
    return verdict.marked(span=where, excerpt=shown(body, where))
