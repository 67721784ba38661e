"""An accepted baseline of benchmarks: ratios to a floor that was measured in the same run, so that it holds elsewhere.

A benchmark of pytest-benchmark states its ratios in `extra_info` under names that begin with `x_floor`: a number, or
one with its interval. Accepting writes them to a file that is kept with the sources. Judged against it, a ratio is
worse when it is beyond the bound of its benchmark file, with its whole interval where it has one. Bounds are wide on
purpose: machines differ in what a system call and what a line of Python costs, and so do their ratios.

Most of all where an event is read alone: there the floor is nearly all kernel, a client's cost is much of it Python.
If system calls cost k times as much beside Python as where the baseline was accepted, such a ratio changes by up to k
with the same code, so its bound is k times as wide. What k is the clients' benchmarks tell: they measure both floors.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any, Literal

import msgspec

from streamgauge.errors import StreamgaugeError
from streamgauge.measurement.library_costs import Ratio, benchmarks

SCHEMA = "streamgauge.baseline/1"
PREFIX = "x_floor"
ALONE = ("bench_providers.py::", " x_floor")
"""How the names of ratios begin and end whose floor reads one event at a time."""
BOUND = 2.0
BOUNDS = {"bench_sse.py": 1.5, "bench_dialects.py": 1.5}
"""How many times its accepted value a ratio may be, by the file of the benchmark; BOUND for all others. Decoders and
their floors are both made of Python and read the same memory; of clients the floor is mostly the kernel."""

Change = Literal["as accepted", "worse", "better"]


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """Accepted ratios by benchmark and name. machine: where they were measured, for the reader only.

    kernel: CPU time of reading one event from a socket as a multiple of `json.loads` of one, None where no client was
    measured.
    """

    schema: str = SCHEMA
    accepted: str
    machine: dict[str, str]
    bounds: dict[str, float] = msgspec.field(default_factory=lambda: dict(BOUNDS))
    bound: float = BOUND
    kernel: float | None = None
    ratios: dict[str, float]

    def bound_of(self, key: str) -> float:
        return next((bound for file, bound in self.bounds.items() if file in key), self.bound)


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One ratio beside its accepted value."""

    key: str
    accepted: float
    found: Ratio
    bound: float
    change: Change


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """All ratios that both have; what only one of them has.

    widened: the factor by which the bounds of events that are read alone are wider here.
    """

    judged: list[Judged]
    unmeasured: list[str]
    unaccepted: list[str]
    widened: float = 1.0

    @property
    def exit_code(self) -> int:
        """0: as accepted or better. 1: something is worse. 2: nothing could be judged."""
        if not self.judged:
            return 2
        return int(any(j.change == "worse" for j in self.judged))


def accept(measured: Path, today: str) -> Baseline:
    """What was measured as a baseline, accepted today (an ISO date).

    Raises StreamgaugeError where the file has no ratios.
    """
    found = ratios(measured)
    if not found:
        raise StreamgaugeError(f"{measured} has no benchmark with a ratio to its floor: run nox -s bench")
    values = {key: ratio.ratio for key, ratio in sorted(found.items())}
    return Baseline(accepted=today, machine=_machine(measured), kernel=_kernel(measured), ratios=values)


def judge(baseline: Baseline, measured: Path) -> Findings:
    """What was measured beside what was accepted. Raises StreamgaugeError for a file of another kind."""
    found, wider = ratios(measured), _widened(baseline.kernel, _kernel(measured))
    judged = [
        Judged(key=key, accepted=was, found=found[key], bound=bound, change=_change(was, found[key], bound))
        for key, was in baseline.ratios.items()
        if key in found
        for bound in (baseline.bound_of(key) * (wider if _alone(key) else 1.0),)
    ]
    return Findings(
        judged=judged,
        unmeasured=sorted(baseline.ratios.keys() - found.keys()),
        unaccepted=sorted(found.keys() - baseline.ratios.keys()),
        widened=wider,
    )


def _alone(key: str) -> bool:
    return key.startswith(ALONE[0]) and key.endswith(ALONE[1])


def _widened(accepted: float | None, found: float | None) -> float:
    return max(found / accepted, accepted / found) if accepted and found else 1.0


def _kernel(measured: Path) -> float | None:
    infos = [benchmark["extra_info"] for benchmark in benchmarks(measured)]
    shares = [info["floor_cpu_us"] / info["json_us"] for info in infos if "json_us" in info]
    return round(median(shares), 3) if shares else None


def _change(was: float, found: Ratio, bound: float) -> Change:
    if found.low > was * bound:
        return "worse"
    return "better" if found.high < was / bound else "as accepted"


def ratios(measured: Path) -> dict[str, Ratio]:
    """The ratios in a file of pytest-benchmark, by benchmark and name; a plain number is its own interval."""
    out: dict[str, Ratio] = {}
    for benchmark in benchmarks(measured):
        file, _, test = str(benchmark.get("fullname", benchmark.get("name", ""))).partition("::")
        for name, value in benchmark["extra_info"].items():
            if name.startswith(PREFIX):
                out[f"{Path(file).name}::{test} {name}"] = _ratio(value)
    return out


def _ratio(value: Any) -> Ratio:
    if isinstance(value, (int, float)):
        return Ratio(float(value), float(value), float(value))
    return msgspec.convert(value, Ratio)


def _machine(measured: Path) -> dict[str, str]:
    found = msgspec.json.decode(measured.read_bytes()).get("machine_info", {})
    cpu = found.get("cpu") or {}
    return {
        "python": str(found.get("python_version", "")),
        "system": f"{found.get('system', '')} {found.get('machine', '')}".strip(),
        "cpu": f"{cpu.get('count', '?')} x {cpu.get('brand_raw', 'unknown')}",
    }


def load(path: Path) -> Baseline:
    """Read an accepted baseline; raises StreamgaugeError, which says what the file is not or how to make one."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        advice = f"streamgauge compare --baseline {path} --accept MEASURED.json"
        raise StreamgaugeError(f"no baseline {path}: accept one with {advice}") from None
    except OSError as error:
        raise StreamgaugeError(f"can't read {path}: {error.strerror}") from error
    try:
        baseline = msgspec.json.decode(raw, type=Baseline)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StreamgaugeError(f"{path} is no baseline: {error}") from error
    if baseline.schema != SCHEMA:
        raise StreamgaugeError(f"{path} is no baseline: its schema is {baseline.schema!r}, not {SCHEMA!r}")
    return baseline


def save(baseline: Baseline, path: Path) -> None:
    """Write the file, one ratio a line, so that a change shows; raises StreamgaugeError where it can't be written."""
    text = msgspec.json.format(msgspec.json.encode(baseline), indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text + b"\n")
    except OSError as error:
        raise StreamgaugeError(f"can't write {path}: {error.strerror}") from error
