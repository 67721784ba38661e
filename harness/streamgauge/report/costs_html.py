"""What clients cost as one self-contained page: bars as multiples of the raw socket, and the table behind them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from streamgauge.measurement.library_costs import Cost
from streamgauge.report.costs_table import HEAD, cells
from streamgauge.report.files import save
from streamgauge.report.page import render
from streamgauge.report.text import counted

WIDTH, HEIGHT = 1000, 18


@dataclass(frozen=True, slots=True)
class Bars:
    """One figure of every client: its title, the ticks of its logarithmic axis, and (client, path, text, bar) each."""

    title: str
    ticks: list[str]
    rows: list[tuple[str, str, str, Markup]]


def dumps(costs: Sequence[Cost], *, machine: str = "") -> str:
    """The text of the page. machine: where it was measured."""
    ordered = sorted(costs, key=lambda c: c.cpu_us)
    names = dict.fromkeys(c.client for c in ordered)
    return render(
        "costs",
        costs=costs,
        machine=machine,
        headline=f"What {counted(len(names), 'client')} cost beside a raw socket",
        bars=[_ratios(costs), _bursts(costs), _delays(costs)] if costs else [],
        head=HEAD,
        rows=[(c.path, cells(c)) for c in costs],
        holding=[c for c in costs if c.held_back],
    )


def write(costs: Sequence[Cost], path: str | Path, *, machine: str = "") -> None:
    """Write the page; raises StreamgaugeError where that fails."""
    save(dumps(costs, machine=machine), path)


def _ratios(costs: Sequence[Cost]) -> Bars:
    title = "CPU time per event that comes alone, as a multiple of the raw socket's"
    return _bars(title, costs, lambda c: (c.x_floor.low, c.x_floor.ratio, c.x_floor.high), _times)


def _bursts(costs: Sequence[Cost]) -> Bars:
    title = "CPU time per event of many at once, as a multiple of the raw socket's"
    return _bars(title, costs, lambda c: (c.x_floor_burst.low, c.x_floor_burst.ratio, c.x_floor_burst.high), _times)


def _delays(costs: Sequence[Cost]) -> Bars:
    title = "Delivery delay: from the server's send to the caller, median"
    return _bars(title, costs, lambda c: (c.delivery_us, c.delivery_us, c.delivery_us), _milliseconds)


def _bars(
    title: str, costs: Sequence[Cost], of: Callable[[Cost], tuple[float, float, float]], text: Callable[[float], str]
) -> Bars:
    known = [(cost, of(cost)) for cost in sorted(costs, key=lambda c: (of(c)[1], c.client))]
    least, most = min(middle for _, (_, middle, _) in known), max(high for _, (_, _, high) in known)
    # The raw socket, which is at 1 but for noise, is where multiples of it begin.
    first = 0 if text is _times else math.floor(math.log10(max(least, 1e-3)))
    decades = max(1, math.ceil(math.log10(max(most, 1e-3))) - first)
    rows = [
        (
            f"{cost.client} {cost.version}".strip(),
            cost.path,
            text(middle),
            _bar(cost.path, low, middle, high, first, decades),
        )
        for cost, (low, middle, high) in known
    ]
    return Bars(title, [text(10.0 ** (first + n)) for n in range(decades + 1)], rows)


def _bar(path: str, low: float, middle: float, high: float, first: int, decades: int) -> Markup:
    """A bar to the estimate, and a line over its interval."""

    def place(value: float) -> float:
        return max(0.0, (math.log10(max(value, 1e-3)) - first) / decades) * WIDTH

    grid = Markup("").join(
        Markup('<path class="grid" vector-effect="non-scaling-stroke" d="M{:.1f} 0V{}"/>').format(
            n * WIDTH / decades, HEIGHT
        )
        for n in range(decades + 1)
    )
    bar = Markup('<rect class="fill {}" width="{:.1f}" y="3" height="{}"/>').format(
        path, max(place(middle), 2), HEIGHT - 6
    )
    line = Markup('<path class="whisker" vector-effect="non-scaling-stroke" d="M{:.1f} {}H{:.1f}"/>').format(
        place(low), HEIGHT / 2, place(high)
    )
    return (
        Markup(
            '<svg class="bar" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{:.3g}">'
        ).format(WIDTH, HEIGHT, middle)
        + grid
        + bar
        + line
        + Markup("</svg>")
    )


def _times(ratio: float) -> str:
    return f"{ratio:,.1f}x" if ratio < 10 else f"{ratio:,.0f}x"


def _milliseconds(microseconds: float) -> str:
    return f"{microseconds:,.0f} µs" if microseconds < 1000 else f"{microseconds / 1000:,.1f} ms"
