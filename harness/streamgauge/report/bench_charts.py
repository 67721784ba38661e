"""The charts of a benchmark as SVG made by hand: distributions, single streams, and bars.

Colours come from the page's style by class, so that light and dark both read; a text that a wire sent is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

from markupsafe import Markup

from streamgauge.measurement.results import Stream
from streamgauge.report.bench_axis import Axis, tick_text

WIDTH, HEIGHT = 360, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 12, 10, 30
_POINTS = 160
_TICK_ROOM = 42
LANE_WIDTH, LANE_HEIGHT = 1000, 20
_MOST_TICKS = 1500


def distribution(curves: Sequence[tuple[str, Sequence[float], int]], axis: Axis, name: str) -> Markup:
    """Shares of values at or below each time: (class, values, failures) a curve.

    Failures are +inf, so that the curve of what failed stays below 100 %.
    """
    parts = [_frame(axis, name)]
    for kind, values, failures in curves:
        parts.append(Markup('<path class="curve {}" d="{}"/>').format(kind, _steps(values, failures, axis)))
    return _svg(parts, f"{name}: distribution")


def _svg(parts: Iterable[Markup], label: str) -> Markup:
    begin = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDTH, HEIGHT, label)
    return begin + Markup("").join(parts) + Markup("</svg>")


def _frame(axis: Axis, name: str) -> Markup:
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 0.9, 1):
        y = _y(share)
        parts.append(Markup('<path class="grid" d="M{} {:.1f}H{}"/>').format(_LEFT, y, right))
        text = Markup('<text class="tick end" x="{}" y="{:.1f}">{:.0f} %</text>')
        parts.append(text.format(_LEFT - 5, y + 3.5, share * 100))
    free = 0.0
    for tick in axis.ticks:
        x = _x(axis, tick)
        parts.append(Markup('<path class="grid" d="M{:.1f} {}V{}"/>').format(x, _TOP, bottom))
        if x >= free:  # a text that would touch the last one is left out
            text = Markup('<text class="tick mid" x="{:.1f}" y="{}">{}</text>')
            parts.append(text.format(x, bottom + 14, tick_text(tick)))
            free = x + _TICK_ROOM
    parts.append(Markup('<text class="name end" x="{}" y="{}">{}</text>').format(right, bottom + 27, name))
    return Markup("").join(parts)


def _steps(values: Sequence[float], failures: int, axis: Axis) -> str:
    """The path of the empirical distribution, thinned to what can be seen; both ends are kept exactly."""
    ordered = sorted(values)
    count = len(ordered) + failures
    if not ordered:
        return ""
    ranks = _ranks(len(ordered))
    x = _x(axis, ordered[0])
    path = [f"M{x:.1f} {_y(0):.1f}"]
    path += (f"H{_x(axis, ordered[rank]):.1f}V{_y((rank + 1) / count):.1f}" for rank in ranks)
    return "".join([*path, f"H{WIDTH - _RIGHT}"])


def _ranks(count: int) -> list[int]:
    if count <= _POINTS:
        return list(range(count))
    even = {round(n * (count - 1) / (_POINTS - 1)) for n in range(_POINTS)}
    return sorted(even | set(range(count - 10, count)))


def _x(axis: Axis, value: float) -> float:
    return _LEFT + axis.place(value) * (WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return _TOP + (1 - share) * (HEIGHT - _TOP - _BOTTOM)


def lane(stream: Stream, axis: Axis) -> Markup:
    """One stream from its intended start: the wait, outputs as ticks above, reads as ticks below, and its end."""
    outputs = output_times(stream)
    first = outputs[0] if outputs else stream.e2e
    parts = [_band("delay", 0.0, stream.schedule_delay, axis), _band("wait", stream.schedule_delay, first, axis)]
    if outputs:
        parts.append(_band("flow", first, max(outputs[-1], stream.e2e), axis))
    if stream.ttfb is not None:
        parts.append(_ticks("head", [stream.ttfb], 0, LANE_HEIGHT, axis))
    parts.append(_ticks("output", outputs, 2, LANE_HEIGHT / 2, axis))
    parts.append(_ticks("arrival", stream.arrivals or [], LANE_HEIGHT / 2 + 2, LANE_HEIGHT - 2, axis))
    kind = "ended good" if stream.succeeded else "ended bad"
    parts.append(_ticks(kind, [stream.e2e], 0, LANE_HEIGHT, axis))
    begin = Markup('<svg class="lane" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">')
    return begin.format(LANE_WIDTH, LANE_HEIGHT, lane_text(stream)) + Markup("").join(parts) + Markup("</svg>")


def lane_text(stream: Stream) -> str:
    """The same in words."""
    words: list[str] = [stream.outcome]
    if stream.ttft is not None:
        words.append(f"first output after {tick_text(stream.ttft)}")
    words.append(f"{stream.output_events:,} outputs, ended after {tick_text(stream.e2e)}")
    return ", ".join(words)


def output_times(stream: Stream) -> list[float]:
    """When each output event was there, from the intended start; the first at the TTFT."""
    if stream.ttft is None:
        return []
    return list(accumulate(stream.gaps, initial=stream.ttft))


def _band(kind: str, begin: float, end: float, axis: Axis) -> Markup:
    x, until = axis.place(begin) * LANE_WIDTH, axis.place(end) * LANE_WIDTH
    if until <= x:
        return Markup("")
    return Markup('<rect class="{}" x="{:.1f}" width="{:.1f}" y="4" height="{}"/>').format(
        kind, x, until - x, LANE_HEIGHT - 8
    )


def _ticks(kind: str, times: Sequence[float], top: float, bottom: float, axis: Axis) -> Markup:
    places = dict.fromkeys(f"{axis.place(time) * LANE_WIDTH:.1f}" for time in times[:_MOST_TICKS])
    if not places:
        return Markup("")
    path = "".join(f"M{x} {top:g}V{bottom:g}" for x in places)
    return Markup('<path class="{}" vector-effect="non-scaling-stroke" d="{}"/>').format(kind, path)
