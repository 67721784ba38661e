"""What a client costs beside the floor, a raw socket in the same run: what `nox -s bench` finds of each client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from streamgauge.errors import StreamgaugeError


class Ratio(msgspec.Struct, frozen=True):
    """How many times the floor's, with its 95 % interval by paired bootstrap over rounds."""

    ratio: float
    low: float
    high: float


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """One client on one path, beside the floor in the same rounds. Times are medians over rounds, in microseconds.

    cpu_us, floor_cpu_us, x_floor: CPU time per event that comes alone, as from a model. burst_cpu_us, burst_x_floor:
    per event of many at once, so that reading costs next to nothing. events_per_core_second: the inverse of that.
    json_us, x_floor_json: `json.loads` of one chunk, and the same burst as a multiple of it.
    ttft_us: from the call to the first output. ttft_x_floor: of that part of it which is not the server's, from the
    call to the server having the request and from the first event's sending to the caller.
    delivery_us, delivery_x_floor: from the server's send to the caller. added_...: what is added to the floor's, round
    by round. held_back: later events that had been sent at an event's delivery (median), None where it could not be
    told.
    """

    client: str
    path: str
    dialect: str
    version: str
    cpu_us: float
    floor_cpu_us: float
    x_floor: Ratio
    burst_cpu_us: float
    burst_x_floor: Ratio
    json_us: float
    x_floor_json: Ratio
    events_per_core_second: float
    ttft_us: float
    added_ttft_us: float
    ttft_x_floor: Ratio
    gap_us: float
    delivery_us: float
    added_delivery_us: float
    delivery_x_floor: Ratio
    held_back: int | None = None


def benchmarks(path: Path) -> list[dict[str, Any]]:
    """The benchmarks in a file of pytest-benchmark.

    Raises StreamgaugeError, which says what the file is not.
    """
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise StreamgaugeError(f"can't read {path}: {error.strerror}") from error
    except ValueError as error:
        raise StreamgaugeError(f"{path} is not JSON, so no file of pytest-benchmark: {error}") from error
    listed = found.get("benchmarks") if isinstance(found, dict) else None
    if not isinstance(listed, list) or not all(isinstance(b, dict) and "extra_info" in b for b in listed):
        raise StreamgaugeError(f"{path} is no file of pytest-benchmark: write one with --benchmark-json (nox -s bench)")
    return listed


def costs_in(path: Path) -> list[Cost]:
    """The clients' costs in such a file; other benchmarks are passed over. Raises StreamgaugeError as `benchmarks`."""
    infos = [b["extra_info"] for b in benchmarks(path)]
    return [msgspec.convert(info, Cost) for info in infos if "added_delivery_us" in info]
