"""What a calibration found: the instrument's own error on a machine, at each concurrency. All times are in seconds."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

SCHEMA = "streamgauge.calibration/1"

PathName = Literal["sync", "async", "wire"]
"""sync: a thread for each stream. async: one event loop. wire: the probe, without a client library."""
Clock = Literal["kernel receive timestamps", "monotonic at read"]
"""What stamped the arrivals of the wire probe; libraries always have the second."""


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

    schema: str = SCHEMA
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
