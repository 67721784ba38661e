"""What clients cost, as lines of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from streamgauge.measurement.delivery import said
from streamgauge.measurement.library_costs import Cost, Ratio
from streamgauge.report.text import one_line

HEAD = (
    *("client", "path", "dialect", "CPU us/event", "x floor", "in bursts", "x floor", "events/s/core"),
    *("TTFT added ms", "x floor", "delivery ms", "x floor", "delivers"),
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
        times(cost.burst_x_floor),
        f"{cost.events_per_core_second:,.0f}",
        f"{cost.added_ttft_us / 1e3:+.2f}",
        times(cost.ttft_x_floor),
        f"{cost.delivery_us / 1e3:.2f}",
        times(cost.delivery_x_floor),
        said(cost.held_back) or "can't be told",
    )


def times(ratio: Ratio) -> str:
    """`12.3 [11.8, 12.9]`."""
    return f"{_digits(ratio.ratio)} [{_digits(ratio.low)}, {_digits(ratio.high)}]"


def _digits(value: float) -> str:
    return f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


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
