"""The file that a benchmark writes: what was measured, stream by stream, and on what.

The contract between whatever measures and whatever reports, compares or judges thresholds. Single streams are kept,
not their summaries (`streamgauge.measurement.summaries`), so that a later question can be answered from the file. All
times are in seconds. JSON, schema `streamgauge.bench/1`; members may be added under the same name.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from streamgauge.measurement.calibrations import Calibration, Clock, PathName
from streamgauge.measurement.metrics import Outcome

SCHEMA = "streamgauge.bench/1"
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


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
