"""What clients cost, as lines of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from streamgauge.measurement.delivery import said
from streamgauge.measurement.library_costs import Cost, Ratio
from streamgauge.report.text import one_line

HEAD = (
    *("client", "path", "dialect", "CPU us/event", "x floor", "in bursts", "x floor", "events/s/core"),
    *("TTFT added ms", "delivery ms", "added ms", "delivers"),
)


def cells(cost: Cost) -> tuple[str, ...]:
    """One row, under HEAD."""
    return (
        one_line(f"{cost.client} {cost.version}".strip()),
        cost.path,
        cost.dialect,
        f"{cost.cpu_us:.1f}",
        times(cost.x_floor),
        f"{cost.burst_cpu_us:.1f}",
        times(cost.x_floor_burst),
        f"{cost.events_per_core_second:,.0f}",
        f"{cost.added_ttft_us / 1e3:+.2f}",
        f"{cost.delivery_us / 1e3:.2f}",
        f"{cost.added_delivery_us / 1e3:+.2f}",
        said(cost.held_back) or "can't be told",
    )


def times(ratio: Ratio) -> str:
    """`12.3 [11.8, 12.9]`."""
    return f"{ratio.ratio:.1f} [{ratio.low:.1f}, {ratio.high:.1f}]"


def lines(costs: Iterable[Cost]) -> Iterator[str]:
    """The table: names to the left, figures to the right."""
    rows = [HEAD, *map(cells, costs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (
            f"{cell:<{w}}" if n < 3 or n == len(row) - 1 else f"{cell:>{w}}"
            for n, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(padded).rstrip()
