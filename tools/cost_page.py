"""Writes the page of what clients cost: `python tools/cost_page.py reports/bench.json reports/costs.html`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from streamgauge.measurement.library_costs import costs_in
from streamgauge.report import costs_html


def main(measured: str, page: str) -> None:
    """From a file of pytest-benchmark to one self-contained page."""
    info = json.loads(Path(measured).read_bytes()).get("machine_info", {})
    cpu = info.get("cpu") or {}
    machine = f"Python {info.get('python_version')}, {info.get('system')} {info.get('machine')}, {cpu.get('brand_raw')}"
    costs_html.write(costs_in(Path(measured)), page, machine=machine)
    print(page)


if __name__ == "__main__":
    main(*sys.argv[1:])
