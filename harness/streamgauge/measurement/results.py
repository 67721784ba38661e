"""The file that a benchmark writes: what was measured, stream by stream, and on what.

The contract between whatever measures and whatever reports, compares or judges thresholds. Single streams are kept,
not their summaries, so that a later question can be answered from the file: `summarise` and `rates` are functions
of it. All times are in seconds. JSON, schema `streamgauge.bench/1`; members may be added under the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, TypeVar, get_args

import msgspec

from streamgauge.errors import StreamgaugeError
from streamgauge.measurement.metrics import STALL, Outcome, Quantile, quantile

T = TypeVar("T")

SCHEMA = "streamgauge.bench/1"
CALIBRATION_SCHEMA = "streamgauge.calibration/1"
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

PathName = Literal["sync", "async", "wire"]
"""sync: a thread for each stream. async: one event loop. wire: the probe, without a client library."""
Clock = Literal["kernel receive timestamps", "monotonic at read"]
"""What stamped the arrivals of the wire probe; libraries always have the second."""


class Stream(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One stream. Times count from its intended start, which in a closed loop is its start.

    None is what the stream does not have or nobody could see (a library hides its head and its connection).
    began: its intended start, after the start of its run. schedule_delay: from then to the actual send, which on the
    wire path follows the connection's set-up (`connect`, None on a connection that was there already).
    tpot, output_tokens: absent where the count has no source (`token_source`), never from the requested length.
    client_lag: the longest time between the kernel's stamp of a read and our process seeing it.
    delivery_delay: for each output event, from the replay server handing it to the kernel to its delivery to the
    caller; known against the built-in server only. arrivals: the times of the reads, kept of some streams only.
    error: what a stream that failed said, keys blotted out. reconnected: the wire probe's kept connection was closed
    by the server before any answer, and the request was sent again; nothing else is ever sent twice.
    """

    outcome: Outcome
    e2e: float
    began: float = 0.0
    schedule_delay: float = 0.0
    ttfb: float | None = None
    ttfe: float | None = None
    ttft: float | None = None
    ttft_answer: float | None = None
    tpot: float | None = None
    gaps: list[float] = []
    events: int = 0
    output_events: int = 0
    output_tokens: int | None = None
    token_source: str = "none"
    received: int = 0
    connect: float | None = None
    client_lag: float | None = None
    delivery_delay: list[float] | None = None
    arrivals: list[float] | None = None
    error: str = ""
    reconnected: bool = False

    @property
    def succeeded(self) -> bool:
        """The dialect says that it is complete; nothing else is a success."""
        return self.outcome == "complete"


class Run(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One round of requests to one target. Runs of several targets are interleaved: A B A B.

    cpu_seconds: CPU time of this process (all threads), of which the replay server, in another, has no part.
    events: normalised events of all streams. peak_rss_bytes: highest resident set seen during the run, None where
    the platform doesn't tell. loop_lag_p99: how late the event loop (on the sync path: a sleeping thread) woke.
    """

    index: int
    wall_seconds: float
    cpu_seconds: float
    events: int
    received_bytes: int
    streams: list[Stream]
    peak_rss_bytes: int | None = None
    loop_lag_p99: float | None = None


class ServerTimings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the server itself says, beside what we measured of the same streams; a difference is ours minus theirs.

    source: where its figures come from (`timings` of llama.cpp's last chunk, Prometheus metrics).
    figures: by name, {"server": seconds or a rate, "ours": the same as we saw it, "difference": ...}.
    """

    source: str
    figures: dict[str, dict[str, float]]


class Target(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One provider on one path at one concurrency. base_url_kind: "built-in" replay server, or "given"."""

    name: str
    path: PathName
    concurrency: int
    dialect: str
    version: str = ""
    base_url_kind: Literal["built-in", "given"] = "built-in"
    runs: list[Run]
    server_timings: list[ServerTimings] = []

    @property
    def streams(self) -> list[Stream]:
        return [stream for run in self.runs for stream in run.streams]

    @property
    def label(self) -> str:
        return f"{self.name} {self.path} x{self.concurrency}"


class Errors(msgspec.Struct, frozen=True, kw_only=True):
    """Measured minus true, in seconds, of `count` values: order statistics, never interpolated.

    p99 is None below 100 values, which have no 99th hundredth.
    """

    count: int
    p50: float
    p99: float | None
    max: float
    min: float = 0.0


class CalibrationRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The error of one instrument at one concurrency, against the send log of a replay server in another process.

    ttft: arrival of the first output minus its sending, both counted from the same start. gap: each measured gap
    minus the one that was sent. None where the outputs that came are not, one by one, those that were sent.
    request_way: from our stamp of the sent request to the server having it, which bounds the error of the start.
    client_lag: from the kernel's stamp of a read to our process seeing it. cpu_share: of one core.
    """

    name: str
    path: PathName
    concurrency: int
    clock: Clock
    streams: int
    failed: int = 0
    ttft: Errors | None = None
    gap: Errors | None = None
    client_lag: Errors | None = None
    request_way: Errors | None = None
    cpu_share: float = 0.0
    events_per_second: float = 0.0


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What measuring costs: CPU time of the wire probe, decoding included, beside a raw protocol's in the same run.

    seconds_per_event, floor_per_event: medians over the rounds. x_floor: the median of the rounds' own ratios.
    share_of_a_core: what 10,000 events a second take. events_per_second: the rate that was measured at.
    """

    streams: int
    rounds: int
    seconds_per_event: float
    floor_per_event: float
    x_floor: float
    share_of_a_core: float
    events_per_second: float


class Calibration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `streamgauge calibrate` found on this machine, and what every bench report carries."""

    schema: str = CALIBRATION_SCHEMA
    started: str
    versions: dict[str, str]
    rows: list[CalibrationRow]
    settings: dict[str, Any] = {}
    partial: bool = False
    cost: Cost | None = None

    def at(self, path: str, concurrency: int, name: str = "") -> CalibrationRow | None:
        """The row of an instrument at that concurrency, None where it was not calibrated there."""
        found = (r for r in self.rows if (r.path, r.concurrency) == (path, concurrency) and name in ("", r.name))
        return next(found, None)


class BenchResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything one `streamgauge bench` measured.

    started: ISO 8601, UTC. versions: streamgauge, python, platform, cpu. settings: the call, without its secrets.
    partial: it was interrupted; what had been measured by then is here. tainted: reasons not to trust the figures,
    each a sentence with the bound that was passed. notes: what was asked for and not measured, with the reason.
    """

    schema: str = SCHEMA
    started: str
    versions: dict[str, str]
    settings: dict[str, Any]
    clock: Clock
    targets: list[Target]
    partial: bool = False
    tainted: list[str] = []
    notes: list[str] = []
    calibration: Calibration | None = None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one target. Streams that failed count as +inf; a quantile is None where there are too few.

    mean: of the values that there are, failures left out, None without any.
    """

    count: int
    failures: int
    mean: float | None
    p50: Quantile | None
    p90: Quantile | None
    p99: Quantile | None


_ONE: dict[str, Callable[[Stream], float | None]] = {
    "ttfb": lambda s: s.ttfb,
    "ttfe": lambda s: s.ttfe,
    "ttft": lambda s: s.ttft,
    "ttft_answer": lambda s: s.ttft_answer,
    "tpot": lambda s: s.tpot,
    "e2e": lambda s: s.e2e,
    "schedule_delay": lambda s: s.schedule_delay,
    "connect": lambda s: s.connect,
    "client_lag": lambda s: s.client_lag,
}
_MANY: dict[str, Callable[[Stream], Sequence[float] | None]] = {
    "gap": lambda s: s.gaps,
    "delivery_delay": lambda s: s.delivery_delay,
}
_OURS = ("schedule_delay", "connect", "client_lag", "delivery_delay")
"""What is said of the client: a stream that failed later still had it, so that it is no +inf here."""
METRICS = (*_ONE, *_MANY)


def values(streams: Iterable[Stream], metric: str) -> tuple[list[float], int]:
    """The values of a metric, and how many of the streams failed, which are +inf beside them.

    Every gap of every stream counts, those of a stream that failed later too: what is infinite is its last one.
    A single value of a stream that failed is left out: it is one of the +inf.
    """
    chosen = list(streams)
    failures = 0 if metric in _OURS else sum(not s.succeeded for s in chosen)
    if metric in _MANY:
        return list(chain.from_iterable(_MANY[metric](s) or () for s in chosen)), failures
    counted = chosen if metric in _OURS else [s for s in chosen if s.succeeded]
    return [v for s in counted if (v := _ONE[metric](s)) is not None], failures


def summary(found: Sequence[float], failures: int = 0) -> Summary:
    """The summary of a sample; its intervals take the values for independent, which gaps of one stream are not."""
    p50, p90, p99 = (quantile(found, q, failures=failures) for q in (0.5, 0.9, 0.99))
    mean = fmean(found) if found else None
    return Summary(count=len(found), failures=failures, mean=mean, p50=p50, p90=p90, p99=p99)


def summarise(target: Target) -> dict[str, Summary]:
    """Each metric that some stream of the target has, or that all of them lack because they failed."""
    streams = target.streams
    out = {}
    for metric in METRICS:
        found, failures = values(streams, metric)
        if found or (failures and metric in ("ttft", "gap", "e2e")):
            out[metric] = summary(found, failures)
    return out


def outcomes(streams: Iterable[Stream]) -> dict[str, int]:
    """How many streams went how; every class is there."""
    counts: dict[str, int] = dict.fromkeys(OUTCOMES, 0)
    for stream in streams:
        counts[stream.outcome] += 1
    return counts


def rates(target: Target) -> dict[str, list[float]]:
    """What a whole run has one value of, run by run: the run is the unit of comparison.

    events_per_second, bytes_per_second: of the run's wall time. cpu_per_event: seconds of the client's CPU time.
    streams_per_second: successes only. peak_rss: bytes. loop_lag_p99: seconds. stalls: gaps of a second and more, and
    streams given up in silence. Absent where no run has a value.
    """
    out: dict[str, list[float]] = {}

    def add(name: str, value: float | None) -> None:
        if value is not None:
            out.setdefault(name, []).append(value)

    for run in target.runs:
        wall, events = run.wall_seconds, run.events
        add("events_per_second", events / wall if wall else None)
        add("bytes_per_second", run.received_bytes / wall if wall and run.received_bytes else None)
        add("streams_per_second", sum(s.succeeded for s in run.streams) / wall if wall else None)
        add("cpu_per_event", run.cpu_seconds / events if events else None)
        add("peak_rss", None if run.peak_rss_bytes is None else float(run.peak_rss_bytes))
        add("loop_lag_p99", run.loop_lag_p99)
        add("stalls", float(sum(_stalls(stream) for stream in run.streams)))
    return out


def _stalls(stream: Stream) -> int:
    return sum(gap >= STALL for gap in stream.gaps) + (stream.outcome == "stalled")


def save(result: BenchResult | Calibration, path: Path) -> None:
    """Write the file; raises StreamgaugeError where it can't be."""
    try:
        path.write_bytes(encoded(result))
    except OSError as error:
        raise StreamgaugeError(f"can't write {path}: {error.strerror}") from error


def encoded(result: BenchResult | Calibration) -> bytes:
    """The result as JSON, one line; `schema` is always in it."""
    return msgspec.json.encode({"schema": result.schema, **msgspec.to_builtins(result)}) + b"\n"


def load(path: Path) -> BenchResult:
    """Read the file of a benchmark; raises StreamgaugeError, which says what the file is not."""
    return _load(path, BenchResult, SCHEMA, "a benchmark's result (streamgauge bench --json FILE)")


def load_calibration(path: Path) -> Calibration:
    """Read the file of a calibration; raises StreamgaugeError, which says what the file is not."""
    return _load(path, Calibration, CALIBRATION_SCHEMA, "a calibration (streamgauge calibrate --json FILE)")


def _load(path: Path, kind: type[T], schema: str, what: str) -> T:
    try:
        raw = path.read_bytes()
        head = msgspec.json.decode(raw)
    except OSError as error:
        raise StreamgaugeError(f"can't read {path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StreamgaugeError(f"{path} is not JSON, so not {what}: {error}") from error
    found = head.get("schema") if isinstance(head, dict) else None
    if found != schema:
        said = f"its schema is {found!r}" if found else "it has no schema"
        raise StreamgaugeError(f"{path} is not {what}: {said}, not {schema!r}")
    try:
        return msgspec.convert(head, kind)
    except msgspec.ValidationError as error:
        raise StreamgaugeError(f"{path} is not {what}: {error}") from error
