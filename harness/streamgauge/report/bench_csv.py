"""The figures of a benchmark as CSV, one a row, for spreadsheets and data frames; times in seconds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from streamgauge.measurement.definitions import OTEL
from streamgauge.measurement.figures import RATES
from streamgauge.measurement.metrics import Quantile
from streamgauge.measurement.results import BenchResult, Target
from streamgauge.measurement.summaries import outcomes, rates, summarise
from streamgauge.report.files import save

HEAD = [
    *("target", "path", "concurrency", "version", "figure", "statistic"),
    *("value", "low", "high", "count", "failures", "unit", "opentelemetry"),
]
"""low, high: ends of the 95 % interval. count: values behind it. failures: streams that are +inf beside them.
opentelemetry: the name of the metric in its GenAI conventions, where it has one."""

Cells = tuple[str | float | int, ...]


def dumps(result: BenchResult) -> str:
    """The text of the file: a head, then each target's quantiles, rates and outcomes; "inf" where too many failed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEAD)
    for target in result.targets:
        begin = (target.name, target.path, target.concurrency, target.version)
        writer.writerows((*begin, *cells, OTEL.get(str(cells[0]), "")) for cells in _rows(target))
    return out.getvalue()


def write(result: BenchResult, path: str | Path) -> None:
    """Write the file; raises StreamgaugeError where that fails."""
    save(dumps(result), path)


def _rows(target: Target) -> Iterator[Cells]:
    for metric, found in summarise(target).items():
        if found.mean is not None:
            yield (metric, "mean of successes", found.mean, "", "", found.count, found.failures, "seconds")
        for statistic in ("p50", "p90", "p99"):
            value: Quantile | None = getattr(found, statistic)
            shown: Cells = (value.value, value.low, value.high) if value else ("", "", "")
            yield (metric, statistic, *shown, found.count, found.failures, "seconds")
    for rate, values in rates(target).items():
        yield (rate, "mean of runs", sum(values) / len(values), "", "", len(values), "", RATES.get(rate, ""))
    for outcome, count in outcomes(target.streams).items():
        yield ("streams", outcome, count, "", "", len(target.streams), "", "streams")
