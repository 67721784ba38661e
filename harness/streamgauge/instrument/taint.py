"""When a report says of itself that it is not to be trusted: the bounds, and the reasons."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.instrument.run import Measured
from streamgauge.measurement.calibrations import CalibrationRow

CLIENT_LAG = 0.005
"""Seconds (p99) from the kernel's stamp of a read to our process seeing it: then events of one stream begin to share
reads, and with them a stamp."""
LOOP_LAG = 0.02
"""Seconds (p99) by which the event loop, or a sleeping thread, woke late: on paths without kernel stamps this much is
in the figures."""
CPU_SHARE = 0.9
"""Share of one core: one interpreter has no more, and what it can't keep up with it times late."""


def reasons(label: str, measured: Measured) -> Iterator[str]:
    """Why the figures of a run are not to be trusted; nothing where they are."""
    lag, loop = measured.client_lag_p99, measured.run.loop_lag_p99
    if lag is not None and lag > CLIENT_LAG:
        yield f"{label}: client lag p99 {lag * 1e3:.1f} ms is over {CLIENT_LAG * 1e3:g} ms"
    if loop is not None and loop > LOOP_LAG:
        yield f"{label}: loop lag p99 {loop * 1e3:.1f} ms is over {LOOP_LAG * 1e3:g} ms"
    if measured.share > CPU_SHARE:
        yield f"{label}: this process used {measured.share:.0%} of a core, over {CPU_SHARE:.0%}"


def calibration_reasons(row: CalibrationRow, bound: float = CLIENT_LAG) -> Iterator[str]:
    """Why the calibration at a concurrency speaks against its figures."""
    found = row.gap.p99 if row.gap else None
    if found is not None and found > bound:
        wrong = f"gaps are wrong by {found * 1e3:.1f} ms (p99)"
        yield f"calibration at {row.concurrency}: {wrong}, over {bound * 1e3:g} ms"
