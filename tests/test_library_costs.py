"""What clients cost: read from a file of pytest-benchmark, as a table and as a page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamgauge.errors import StreamgaugeError
from streamgauge.measurement.library_costs import Cost, Ratio, costs_in
from streamgauge.report import costs_html
from streamgauge.report.costs_table import HEAD, lines

RAW = Cost(
    client="raw socket",
    path="sync",
    dialect="openai-chat",
    version="",
    cpu_us=20.0,
    floor_cpu_us=20.0,
    x_floor=Ratio(1.0, 0.9, 1.1),
    burst_cpu_us=0.5,
    burst_x_floor=Ratio(0.98, 0.9, 1.1),
    json_us=4.0,
    x_floor_json=Ratio(0.12, 0.1, 0.14),
    events_per_core_second=2_000_000,
    ttft_us=21_000.0,
    added_ttft_us=-30.0,
    ttft_x_floor=Ratio(1.0, 0.8, 1.2),
    gap_us=4_000.0,
    delivery_us=60.0,
    added_delivery_us=0.1,
    delivery_x_floor=Ratio(1.0, 0.9, 1.1),
    held_back=0,
)
SLOW: dict[str, Any] = {"client": "sdk <b>", "path": "async", "version": "2.0", "x_floor": Ratio(30.0, 25.0, 40.0)}
HOLDING = msgspec.structs.replace(RAW, **SLOW, burst_x_floor=Ratio(300.0, 250.0, 400.0), held_back=7)


def test_costs_are_read_beside_other_benchmarks(tmp_path: Path) -> None:
    """What a benchmark of clients wrote comes back; decoders' benchmarks are passed over."""
    infos = [{"x_floor": 2.0}, msgspec.to_builtins(RAW), msgspec.to_builtins(HOLDING)]
    (tmp_path / "b.json").write_text(json.dumps({"benchmarks": [{"fullname": "f", "extra_info": i} for i in infos]}))
    assert costs_in(tmp_path / "b.json") == [RAW, HOLDING]


@pytest.mark.parametrize("text", ["not json", "[]", '{"benchmarks": {}}', '{"benchmarks": [1]}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    """One line that says what it is not."""
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(StreamgaugeError, match="no file of pytest-benchmark"):
        costs_in(tmp_path / "b.json")


def test_the_table_is_aligned_and_complete() -> None:
    """A head and a line a client; ratios with their intervals; what holds back is said."""
    head, raw, holding = lines([RAW, HOLDING])
    assert head.split("  ")[0] == HEAD[0]
    assert "1.0 [0.9, 1.1]" in raw
    assert raw.endswith("as it arrives")
    assert holding.endswith("holds back 7 events")
    assert raw.index("openai-chat") == holding.index("openai-chat")
    assert "can't be told" in list(lines([msgspec.structs.replace(RAW, held_back=None)]))[1]


def test_the_page_shows_bars_and_who_holds_back() -> None:
    """Four charts with a bar a client, the dearest the longest, and an alarm; names are text."""
    page = costs_html.dumps([RAW, HOLDING], machine="here <i>")
    assert page.count('<svg class="bar"') == 8
    widths = [float(w) for w in re.findall(r'<rect class="fill \w+" width="([\d.]+)"', page)]
    assert widths[0] < widths[1]
    assert "7 later ones have been sent already" in page
    assert "sdk &lt;b&gt;" in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert "Don't deliver" not in costs_html.dumps([RAW])


def test_no_clients_are_still_a_page() -> None:
    """Nothing measured, nothing drawn."""
    assert "<svg" not in costs_html.dumps([])
