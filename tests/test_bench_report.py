"""Reports of a benchmark: what they show, what they say of what is absent, and that nothing in them is run."""

from __future__ import annotations

import csv
import io
import random
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.synthetic import noisy, result, run

from streamgauge.measurement.calibrations import Calibration, CalibrationRow, Errors
from streamgauge.measurement.definitions import OTEL
from streamgauge.measurement.results import BenchResult, ServerTimings, Stream, Target
from streamgauge.report import bench_csv, bench_html, bench_markdown
from streamgauge.report.bench_axis import linear_axis, log_axis, tick_text
from streamgauge.report.bench_charts import distribution, lane, output_times
from streamgauge.report.bench_table import BenchView, span

HOSTILE = "</style><script>alert('got')</script> \x1b[31m \u202e | a `b`"
VOID = {"meta", "link", "br"}


def two_paths(runs: int = 8, **facts: Any) -> BenchResult:
    """A provider whose async path is half slower, with failures, a hostile error and a calibration."""
    rng = random.Random(1)
    sync, slow = noisy(rng, runs=runs, spread=0.01), noisy(rng, runs=runs, spread=0.01, shift=1.5)
    bad = Stream(outcome="stalled", e2e=0.4, error=HOSTILE, arrivals=[0.1], gaps=[0.01], ttft=0.1)
    broken = [run(r.index, [*r.streams, bad]) for r in slow.runs]
    named = {"dialect": "openai-chat", "concurrency": 4, "version": "1.0"}
    errors = Errors(count=200, p50=1e-4, p99=3e-4, max=1e-3)
    row = CalibrationRow(
        name="probe", path="wire", concurrency=4, clock="kernel receive timestamps", streams=9, ttft=errors
    )
    given: dict[str, Any] = {
        "tainted": [f"the loop was late {HOSTILE}"],
        "notes": [HOSTILE],
        "calibration": Calibration(started="2026-11-22", versions={}, rows=[row]),
        **facts,
    }
    return result(
        Target(name=f"sdk {HOSTILE}", path="sync", runs=sync.runs, **named),
        Target(name=f"sdk {HOSTILE}", path="async", runs=broken, **named),
        **given,
    )


class Page(HTMLParser):
    """Reads a page, checks that its elements nest, and keeps elements and text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


# The page.


def test_the_page_is_whole_and_loads_nothing() -> None:
    """Elements nest; no script, no address, and a policy that admits its own style only."""
    text = bench_html.dumps(two_paths())
    page = Page(text)
    assert page.open == []
    assert not {tag for tag, _ in page.elements} & {"script", "img", "iframe", "object"}
    assert not re.search(r"(?:src|href)=\"(?!data:,|#)", text)
    assert all("style" not in attributes for _, attributes in page.elements)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "script-src" not in policy


def test_hostile_text_stays_text() -> None:
    """What a wire said steers neither the page nor the reader's eye."""
    text = bench_html.dumps(two_paths())
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "alert('got')" in Page(text).text


def test_the_page_says_what_makes_it_doubtful() -> None:
    """Taints, an interruption and a missing calibration stand above the figures."""
    page = Page(bench_html.dumps(two_paths(partial=True, calibration=None))).text
    assert page.index("do not trust these figures") < page.index("Figures")
    assert "The run was interrupted" in page
    assert "was not calibrated on this machine" in page
    clean = Page(bench_html.dumps(two_paths(tainted=[]))).text
    assert "trust" not in clean.partition("Figures")[0]


def test_sync_and_async_stand_beside_each_other() -> None:
    """The ratio of the paths with its interval; quantiles with theirs; outcomes by class."""
    page = Page(bench_html.dumps(two_paths())).text
    assert "async / sync" in page
    assert "8 stalled" in page
    view = BenchView(two_paths())
    (beside,) = view.beside
    ratio = beside.cell("gap.p50")
    assert 1.45 < float(ratio.text.removeprefix("x")) < 1.55
    low, high = map(float, ratio.more.split(" to "))
    assert low < 1.5 < high


def test_few_runs_have_a_ratio_without_an_interval() -> None:
    """The ratio is there, and why it has no interval."""
    (beside,) = BenchView(two_paths(runs=3)).beside
    found = beside.cell("gap.p50")
    assert 1.45 < float(found.text.removeprefix("x")) < 1.55
    assert "no interval: 3 and 3 runs are too few" in found.more
    page = bench_html.dumps(two_paths(runs=3))
    assert "too few" in page
    assert "too few" not in Page(page).text, "a sentence in each cell makes the table wider than any screen"


def test_what_the_sample_cannot_carry_is_a_dash_with_its_reason() -> None:
    """Twenty-four streams have no p99."""
    view = BenchView(two_paths())
    assert "ttft.p99" not in view.columns
    line = view.lines[0]
    assert line.cells["ttft.p99"].absent
    assert "24 values can't carry p99: it takes 368" in line.cells["ttft.p99"].more


def test_the_calibration_and_the_servers_own_timings_are_shown() -> None:
    """The error of the instrument with its clock, and theirs beside ours."""
    timings = ServerTimings(
        source="llama.cpp timings", figures={"ttft": {"server": 0.5, "ours": 0.51, "difference": 0.01}}
    )
    base = two_paths()
    targets = [
        Target(name="t", path="wire", concurrency=1, dialect="d", runs=base.targets[0].runs, server_timings=[timings])
    ]
    for text in (Page(bench_html.dumps(two_paths(calibration=base.calibration))).text, bench_markdown.dumps(base)):
        assert "100 µs, 300 µs, 1.00 ms" in text
        assert "kernel receive timestamps" in text
    for text in (Page(bench_html.dumps(result(*targets))).text, bench_markdown.dumps(result(*targets))):
        assert "llama.cpp timings" in text
        assert "0.51" in text


def test_opentelemetry_names_are_given_where_they_exist() -> None:
    """A reader who has them in a dashboard finds ours."""
    page = Page(bench_html.dumps(two_paths())).text
    assert all(name in page for name in OTEL.values())


def test_the_wire_is_drawn_beside_each_library() -> None:
    """In the panel of each provider of its dialect and concurrency, and alone only where there is nothing else."""
    runs = noisy(random.Random(1)).runs
    wire, other = (Target(name="probe", path="wire", concurrency=n, dialect="openai-chat", runs=runs) for n in (1, 8))
    sdk = Target(name="sdk", path="sync", concurrency=1, dialect="openai-chat", runs=runs)
    page = bench_html.dumps(result(wire, other, sdk))
    assert re.findall(r'class="curve (\w+)"', page) == ["wire", "sync"] * 2
    assert re.findall(r'class="curve (\w+)"', bench_html.dumps(result(wire, other))) == ["wire"] * 4


def test_clients_that_hold_back_are_named() -> None:
    """Each event delivered with the third one after it; the others are not mentioned, nor many streams at a time."""
    times = {"e2e": 0.3, "ttft": 0.1, "gaps": [0.02] * 9}
    late = Stream(outcome="complete", delivery_delay=[0.065] * 10, **times)
    good = Stream(outcome="complete", delivery_delay=[0.001] * 10, **times)
    named = {"path": "sync", "concurrency": 1, "dialect": "d"}
    found = result(
        Target(name="holds", runs=[run(0, [late] * 3)], **named),
        Target(name="fine", runs=[run(0, [good] * 3)], **named),
        Target(name="waits", runs=[run(0, [late] * 3)], **named | {"concurrency": 64}),
    )
    assert BenchView(found).holding == ["holds sync x1 holds back 3 events"]
    assert "holds sync x1 holds back 3 events" in Page(bench_html.dumps(found)).text
    assert "- holds sync x1 holds back 3 events" in bench_markdown.dumps(found)


def test_ratios_keep_two_digits_that_count() -> None:
    """Far from one they are no `x0.00`, and not longer than they are sure."""
    quick = [Stream(outcome="complete", e2e=1, ttft=0.1, gaps=[0.00002 + n * 1e-6] * 9) for n in range(6)]
    slow = [Stream(outcome="complete", e2e=1, ttft=0.1, gaps=[0.01 + n * 1e-5] * 9) for n in range(6)]
    for sync, other, begin in ((slow, quick, "x0.0022"), (quick, slow, "x447")):
        both = zip(("sync", "async"), (sync, other), strict=True)
        targets = [
            Target(name="a", path=path, concurrency=1, dialect="d", runs=[run(n, [s]) for n, s in enumerate(streams)])
            for path, streams in both
        ]
        (beside,) = BenchView(result(*targets)).beside
        assert beside.cell("gap.p50").text == begin


def test_a_schedule_is_shown_where_there_is_one() -> None:
    """In a closed loop a stream starts when there is room for it: nothing is late, and no column of zeros says so."""
    streams = [Stream(outcome="complete", e2e=1, schedule_delay=0.001)] * 400
    found = result(Target(name="a", path="sync", concurrency=1, dialect="d", runs=[run(0, streams)]))
    for loop, there in (("open", True), ("closed", False)):
        view = BenchView(msgspec.structs.replace(found, settings={"loop": loop}))
        assert ("schedule_delay.p99" in view.columns) == there


def test_nothing_measured_is_still_a_page() -> None:
    """An interrupted run without a target: no chart, and no pretence."""
    page = Page(bench_html.dumps(result(partial=True)))
    assert page.open == []
    assert "Nothing was measured" in page.text
    assert not any(tag == "svg" for tag, _ in page.elements)


def test_a_stream_without_output_is_drawn() -> None:
    """Refused at once: neither TTFT nor gaps."""
    refused = Stream(outcome="refused", e2e=0.01)
    only = Target(name="x", path="wire", concurrency=1, dialect="d", runs=[run(0, [refused])])
    assert "refused" in Page(bench_html.dumps(result(only))).text


# Its charts.


def test_the_curve_of_what_failed_stays_below_all() -> None:
    """Of four streams one failed: the curve ends at three quarters of the height."""
    axis = log_axis([0.1, 0.2])
    path = re.search(r'class="curve sync" d="([^"]*)"', distribution([("sync", [0.1, 0.15, 0.2], 1)], axis, "t"))
    assert path
    heights = [float(y) for y in re.findall(r"V([\d.]+)", path[1])]
    bottom, top = 180.0, 10.0
    assert heights == sorted(heights, reverse=True)
    assert heights[-1] == pytest.approx(bottom - 0.75 * (bottom - top))


def test_many_values_are_thinned_to_what_can_be_seen() -> None:
    """Fifty thousand gaps are a path of some hundred steps that still ends at the largest."""
    rng = random.Random(1)
    values = [rng.lognormvariate(-4, 0.3) for _ in range(50_000)]
    axis = log_axis(values)
    text = str(distribution([("async", values, 0)], axis, "gap"))
    assert len(text) < 12_000
    assert f"V{10:.1f}" in text


def test_a_lane_has_a_tick_for_each_output_and_each_read() -> None:
    """Outputs are where TTFT and gaps put them."""
    shown = Stream(
        outcome="complete", e2e=0.5, ttft=0.1, gaps=[0.1, 0.2], ttfb=0.05, arrivals=[0.1, 0.4], output_events=3
    )
    assert output_times(shown) == pytest.approx([0.1, 0.2, 0.4])
    drawn = str(lane(shown, linear_axis(0.5)))
    ticks = {kind: path.count("M") for kind, path in re.findall(r'<path class="([\w ]+)" [^>]*d="([^"]*)"', drawn)}
    assert ticks == {"head": 1, "output": 3, "arrival": 2, "ended good": 1}
    assert "M200.0 2V10M400.0 2V10M800.0 2V10" in drawn


@pytest.mark.parametrize("values", [[0.05, 0.0501], [1e-6, 30.0], [0.02], [], [0.0, float("inf")], [0.001, 0.1]])
def test_log_axes_have_a_few_round_ticks(values: list[float]) -> None:
    """Two to seven ticks that lie within, in order, whatever the values."""
    axis = log_axis(values)
    assert 2 <= len(axis.ticks) <= 7
    assert list(axis.ticks) == sorted(axis.ticks)
    assert axis.low <= axis.ticks[0]
    assert axis.ticks[-1] <= axis.high * 1.000001
    assert all(0 <= axis.place(v) <= 1 for v in values)


@pytest.mark.parametrize("high", [0.0, 1e-5, 0.0123, 0.5, 7.3, 600.0])
def test_linear_axes_reach_their_highest_in_equal_steps(high: float) -> None:
    """Five steps from nought."""
    axis = linear_axis(high)
    assert len(axis.ticks) == 6
    assert axis.ticks[0] == 0
    assert axis.high >= high * (1 - 1e-9)
    assert axis.high <= max(high, 1e-6) * 2.01


def test_ticks_and_spans_have_no_idle_digits() -> None:
    """Short texts for small charts and narrow tables."""
    assert [tick_text(s) for s in (0, 0.02, 1.5, 1e-4)] == ["0", "20 ms", "1.5 s", "100 µs"]
    assert span("48.9 ms", "51.2 ms") == "48.9 to 51.2 ms"
    assert span("900 µs", "1.10 ms") == "900 µs to 1.10 ms"
    assert span("48.9 ms", "infinite") == "48.9 ms to infinite"


# The other files.


def test_csv_has_a_row_for_each_figure() -> None:
    """Every row has every column; values are numbers in seconds; failures and outcomes are counted."""
    rows = list(csv.DictReader(io.StringIO(bench_csv.dumps(two_paths()))))
    assert all(None not in row and None not in row.values() for row in rows)
    found = {(row["path"], row["figure"], row["statistic"]): row for row in rows}
    median = found["sync", "ttft", "p50"]
    assert 0.045 < float(median["low"]) <= float(median["value"]) <= float(median["high"]) < 0.055
    assert found["sync", "ttft", "p99"]["value"] == ""
    assert median["opentelemetry"] == ""
    assert found["async", "streams", "stalled"]["opentelemetry"] == ""
    assert found["async", "streams", "stalled"]["value"] == "8"
    assert found["async", "ttft", "p50"]["failures"] == "8"
    assert float(found["sync", "events_per_second", "mean of runs"]["value"]) > 0


def test_markdown_tables_are_rectangular() -> None:
    """Hostile text breaks no row: each has as many cells as its head."""
    text = bench_markdown.dumps(two_paths())
    assert not re.search(r"(?<!\\)<script", text)
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(tables) == 3
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert "do not trust these figures" in text
    assert "## The async path as a multiple of the sync path" in text


@pytest.mark.parametrize("module", [bench_html, bench_csv, bench_markdown])
def test_reports_are_written(module: Any, tmp_path: Path) -> None:
    """UTF-8, in a folder that is made."""
    module.write(result(noisy(random.Random(1))), tmp_path / "new" / "file")
    assert "openai-chat" in (tmp_path / "new" / "file").read_text(encoding="utf-8")
