"""Two rivals measured alternately, run by run, so that what disturbs the machine disturbs both: for comparing them.

Runs of one number are neighbours in time and are compared as a pair. Every second pair is measured in the other
order: a machine that gets slower favours neither.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast

from streamgauge.errors import StreamgaugeError
from streamgauge.instrument import taint
from streamgauge.instrument.backend import ReplayProcess, Stage
from streamgauge.instrument.environment import stamp, versions
from streamgauge.instrument.load import Load
from streamgauge.instrument.run import measure_run
from streamgauge.instrument.subjects import LibrarySubject, ProbeSubject, Subject, closed_quietly, wire_runner
from streamgauge.loops import Runner
from streamgauge.measurement.calibrations import PathName
from streamgauge.measurement.results import BenchResult, Run, Target
from streamgauge.provider import Connection, ProviderSpec, get_provider
from streamgauge.registry import get_dialect
from streamgauge.transport import diagnose, join_url, shown

PATHS = ("sync", "async", "wire")
DELAYS = (0.02, *[0.005] * 31)
"""Seconds before each event of the built-in server's answer."""
_RIVAL = re.compile(r"(?P<name>[^:@]+)(?::(?P<path>sync|async|wire))?(?:@(?P<url>.+))?")


@dataclass(frozen=True, slots=True)
class Rival:
    """A provider on one path (wire: the probe in its dialect) at a base URL, or at the built-in server."""

    spec: ProviderSpec
    path: PathName
    base_url: str | None

    @property
    def name(self) -> str:
        return f"{self.spec.name} at {shown(self.base_url)}" if self.base_url else self.spec.name


def parse_rival(text: str) -> Rival:
    """`openai`, `openai:async`, `openai-chat:wire@http://127.0.0.1:8000/v1`; the path is sync where none is named.

    Raises StreamgaugeError, which says how to write it, for anything else, for a provider that is not known or has
    no such path, and for a base URL that is none.
    """
    found = _RIVAL.fullmatch(text)
    if not found:
        raise StreamgaugeError(f"can't read {text!r}: write PROVIDER[:sync|async|wire][@BASE_URL]")
    spec, path = get_provider(found["name"]), cast("PathName", found["path"] or "sync")
    if path != "wire" and path not in spec.capabilities:
        raise StreamgaugeError(f"{spec.name} has no {path} path")
    if found["url"]:
        join_url(found["url"], "")
    return Rival(spec, path, found["url"])


@dataclass(frozen=True, slots=True)
class _Entered:
    rival: Rival
    subject: Subject
    stage: Stage | None
    runs: list[Run]


def alternate(
    rivals: tuple[Rival, Rival],
    load: Load,
    runs: int,
    *,
    key: Callable[[ProviderSpec], str] = lambda _: "",
    ran: Callable[[str, int], None] = lambda _name, _index: None,
) -> BenchResult:
    """Measure both, so many runs each. An interrupt gives the pairs so far, marked partial.

    key: finds the API key for a base URL. ran: told after each run, with the name and the run's number.
    Raises UnavailableError where a library is missing, UnreachableError where nothing answers.
    """
    started, tainted, partial = datetime.now(UTC), list[str](), False
    with ExitStack() as stack:
        backend = stack.enter_context(ReplayProcess())
        loops = stack.enter_context(Runner()), stack.enter_context(wire_runner())
        pair = [_entered(rival, load, key, backend, loops, stack) for rival in rivals]
        try:
            for index in range(-1, runs):
                for entered in pair if index % 2 == 0 else reversed(pair):
                    tainted += _once(entered, load, index, backend)
                    ran(entered.rival.name, index)
        except KeyboardInterrupt:
            partial = True
    pairs = min(len(entered.runs) for entered in pair)
    return BenchResult(
        started=stamp(started),
        versions=versions(),
        settings=_settings(load, runs),
        clock=next((e.subject.clock for e in pair if e.rival.path == "wire"), "monotonic at read"),
        targets=[_target(entered, load, pairs) for entered in pair],
        partial=partial,
        tainted=list(dict.fromkeys(tainted)),
    )


def _entered(
    rival: Rival,
    load: Load,
    key: Callable[[ProviderSpec], str],
    backend: ReplayProcess,
    loops: tuple[asyncio.Runner, asyncio.Runner],
    stack: ExitStack,
) -> _Entered:
    stage = None if rival.base_url else backend.stage(rival.spec.dialect, DELAYS)
    url, secret = (stage.base_url, "none") if stage else (rival.base_url or "", key(rival.spec))
    subject: Subject
    if rival.path == "wire":
        dialect = get_dialect(rival.spec.dialect)
        subject = ProbeSubject(dialect, url, loops[1], api_key=secret, timeouts=load.timeouts)
    else:
        path: Literal["sync", "async"] = rival.path
        connection = Connection(base_url=url, api_key=secret, timeout=load.timeouts.idle)
        subject = LibrarySubject(rival.spec, connection, path, loops[0])
    stack.callback(closed_quietly, subject)
    return _Entered(rival, subject, stage, [])


def _once(entered: _Entered, load: Load, index: int, backend: ReplayProcess) -> list[str]:
    """One run, of which the one before the first warms up; why its figures are not to be trusted."""
    measured = measure_run(entered.subject, load, index=index, backend=backend, stage=entered.stage)
    if measured.interrupted:
        raise KeyboardInterrupt
    if index >= 0:
        entered.runs.append(measured.run)
        return list(taint.reasons(f"{entered.rival.name} {entered.rival.path} run {index}", measured))
    url = entered.rival.base_url
    if url and all(stream.outcome == "refused" for stream in measured.run.streams):
        wrong = diagnose(url, entered.subject.dialect)
        raise wrong or StreamgaugeError(f"{shown(url)} refuses every stream: {measured.run.streams[0].error}")
    return []


def _target(entered: _Entered, load: Load, pairs: int) -> Target:
    return Target(
        name=entered.rival.name,
        path=entered.rival.path,
        concurrency=load.concurrency,
        dialect=entered.rival.spec.dialect,
        version=entered.subject.version,
        base_url_kind="given" if entered.rival.base_url else "built-in",
        runs=entered.runs[:pairs],
    )


def _settings(load: Load, runs: int) -> dict[str, Any]:
    return {
        "requests": load.requests,
        "concurrency": load.concurrency,
        "runs": runs,
        "model": load.model,
        "max_tokens": load.max_tokens,
        "interleaved": True,
        "retries": 0,
    }
