"""What clients cost as one self-contained page: bars as multiples of the raw socket, and the table behind them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from streamgauge.measurement.figures import shown
from streamgauge.measurement.library_costs import Cost, Ratio
from streamgauge.report.costs_table import HEAD, cells
from streamgauge.report.files import save
from streamgauge.report.page import render
from streamgauge.report.text import counted

WIDTH, HEIGHT = 1000, 18


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure of every client as a multiple of the floor's, with what it is worth in its own unit."""

    title: str
    about: str
    of: Callable[[Cost], Ratio]
    worth: Callable[[Cost], str]


CHARTS = (
    Chart(
        "CPU time per event that comes alone",
        "As from a model: one event a read, the system calls and wake-ups too.",
        lambda c: c.x_floor,
        lambda c: shown(c.cpu_us / 1e6, "seconds"),
    ),
    Chart(
        "CPU time per event of many at once",
        "Reading costs next to nothing; beside it, how many events a second one core can take.",
        lambda c: c.burst_x_floor,
        lambda c: f"{c.events_per_core_second:,.0f}/s",
    ),
    Chart(
        "Delivery delay",
        "From the server's send to the event in the caller's hands. The probe's moments are the kernel's stamps.",
        lambda c: c.delivery_x_floor,
        lambda c: shown(c.delivery_us / 1e6, "seconds"),
    ),
    Chart(
        "The client's part of the TTFT",
        "From the call to the server having the request, and from the first event's sending to the caller; beside it, "
        "what is added to the raw socket's.",
        lambda c: c.ttft_x_floor,
        lambda c: f"{c.added_ttft_us / 1e3:+.2f} ms",
    ),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One client on one path: how many times the floor's, what that is worth, and the bar."""

    path: str
    times: str
    worth: str
    drawn: Markup


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart drawn: the ticks of its logarithmic axis, and the bars of each client, sync beside async."""

    title: str
    about: str
    ticks: list[str]
    clients: dict[str, list[Bar]]


def dumps(costs: Sequence[Cost], *, machine: str = "") -> str:
    """The text of the page. machine: where it was measured."""
    names = dict.fromkeys(c.client for c in costs)
    return render(
        "costs",
        machine=machine,
        headline=f"What {counted(len(names), 'client')} cost beside a raw socket",
        bars=[_bars(chart, costs) for chart in CHARTS] if costs else [],
        head=HEAD,
        rows=[(c.path, cells(c)) for c in costs],
        holding=[c for c in costs if c.held_back],
    )


def write(costs: Sequence[Cost], path: str | Path, *, machine: str = "") -> None:
    """Write the page; raises StreamgaugeError where that fails."""
    save(dumps(costs, machine=machine), path)


def _bars(chart: Chart, costs: Sequence[Cost]) -> Bars:
    # The raw socket, which is at 1 but for noise, is where multiples of it begin.
    decades = max(1, math.ceil(math.log10(max(chart.of(cost).high for cost in costs))))
    clients: dict[str, list[Bar]] = {}
    for cost in sorted(costs, key=lambda c: (chart.of(c).ratio, c.client)):
        ratio, name = chart.of(cost), f"{cost.client} {cost.version}".strip()
        bar = Bar(cost.path, _times(ratio.ratio), chart.worth(cost), _bar(cost.path, ratio, decades))
        clients.setdefault(name, []).append(bar)
    for bars in clients.values():
        bars.sort(key=lambda bar: bar.path, reverse=True)
    return Bars(chart.title, chart.about, [_times(10.0**n) for n in range(decades + 1)], clients)


def _bar(path: str, ratio: Ratio, decades: int) -> Markup:
    """A bar to the estimate, and a line over its interval."""

    def place(value: float) -> float:
        return max(0.0, math.log10(max(value, 1e-3)) / decades) * WIDTH

    grid = Markup("").join(
        Markup('<path class="grid" vector-effect="non-scaling-stroke" d="M{:.1f} 0V{}"/>').format(
            n * WIDTH / decades, HEIGHT
        )
        for n in range(decades + 1)
    )
    bar = Markup('<rect class="fill {}" width="{:.1f}" y="3" height="{}"/>').format(
        path, max(place(ratio.ratio), 2), HEIGHT - 6
    )
    line = Markup('<path class="whisker" vector-effect="non-scaling-stroke" d="M{:.1f} {}H{:.1f}"/>').format(
        place(ratio.low), HEIGHT / 2, place(ratio.high)
    )
    begin = Markup('<svg class="bar" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{:.3g}">')
    return begin.format(WIDTH, HEIGHT, ratio.ratio) + grid + bar + line + Markup("</svg>")


def _times(ratio: float) -> str:
    return f"{ratio:,.1f}x" if ratio < 10 else f"{ratio:,.0f}x"
