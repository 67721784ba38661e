"""The page that `tools/peers.py` writes: a function of its JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

LEAST = 100
"""Values below which there is no 99th percentile."""
TROUBLES = {"truncated": "cleanly cut in half", "error": "an error in the stream", "stalled": "silent half-way"}


def page(report: Mapping[str, Any]) -> str:
    """The whole page in Markdown."""
    ran = [peer for peer in report["peers"] if not peer["problem"]]
    return "\n".join([*_head(report), *_times(ran), *_troubles(report, ran), *_absent(report["peers"])]).rstrip() + "\n"


def _head(report: Mapping[str, Any]) -> Iterator[str]:
    versions = report["versions"]
    yield "# Beside other benchmarks"
    yield ""
    yield (
        "`nox -s peers` (`python tools/peers.py --markdown docs/peers.md --json reports/peers.json`) wrote this page: "
        f"{report['started'][:10]}, streamgauge {versions['streamgauge']}, Python {versions['python']}, "
        f"{report['machine']}."
    )
    yield ""
    yield (
        "One server in a process of its own, the replay server, plays one answer: the role chunk at 20 ms, the first "
        "content at 80 ms, 32 contents 10 ms apart, finish, usage, `[DONE]`. It keeps a send log, and that is the "
        "truth: TTFT is the first content handed to the kernel minus the request received"
        f"{_start(report)}. Each benchmark and "
        "`streamgauge bench --mode wire` run in turn, in processes of their own, without warm-up, called as their "
        "READMEs say and told to give up on silence where they can be told (`tools/peers_known.py` has every command). "
        "A p50 error is the median that was reported minus the true median of the same streams, a p99 error the same "
        "of the 99th percentiles. A tool that starts its clock before it has a connection has the connection in its "
        "error."
    )
    if report["partial"]:
        yield from ("", "**Partial: interrupted.**")


def _start(report: Mapping[str, Any]) -> str:
    """What the true TTFT counts from."""
    sides = [timed for peer in report["peers"] for load in peer["loads"].values() for timed in load.values()]
    if all(timed["kernel"] for timed in sides):
        return ", both by this machine's clock, the request by the kernel's stamp of its first packet"
    return " (as the server read it, after others that came with it: what it waited is in every tool's error)"


def _times(ran: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for streams in dict.fromkeys(load for peer in ran for load in peer["loads"]):
        yield from ("", f"## TTFT and gaps, {streams} stream{'s' if int(streams) > 1 else ''} at a time", "")
        heads = (
            *("benchmark", "TTFT p50 error", "mean", "p99", "the probe's p50, same minutes", "mean", "p99"),
            *("gap mean error", "p99", "the probe's", "p99"),
        )
        yield _row(heads)
        yield _row(["---", *["--:"] * (len(heads) - 1)])
        for peer in ran:
            ours, theirs = (peer["loads"][streams][name] for name in ("streamgauge", peer["name"]))
            cells = [*_ttft(theirs), *_ttft(ours), *_gap(theirs), *_gap(ours)]
            yield _row([f"{peer['name']} {peer['version']}", *cells])
        yield from _beaten(ran, streams)


def _beaten(ran: Sequence[Mapping[str, Any]], streams: str) -> Iterator[str]:
    """Who is nearer to the truth, by the median."""
    worse, better = [], []
    for peer in ran:
        ours, theirs = (median_error(peer["loads"][streams][name]) for name in ("streamgauge", peer["name"]))
        if ours is not None and theirs is not None:
            (worse if abs(theirs) > abs(ours) else better).append(peer["name"])
    yield ""
    yield f"Further from the true TTFT than the probe by the median: {', '.join(worse) or 'none'}."
    if better:
        yield f"Nearer to it, or as near: {', '.join(better)}."


def median_error(timed: Mapping[str, Any]) -> float | None:
    """The reported median TTFT minus the true one, in seconds; None without values."""
    if not timed["ttft"] or not timed["true_ttft"]:
        return None
    return order(timed["ttft"], 0.5) - order(timed["true_ttft"], 0.5)


def _ttft(timed: Mapping[str, Any]) -> list[str]:
    middle = median_error(timed)
    if middle is None:
        return [timed["problem"] or "nothing", "", ""]
    mine, true = timed["ttft"], timed["true_ttft"]
    return [_ms(middle), _ms(fmean(mine) - fmean(true)), _tail(mine, true)]


def _gap(timed: Mapping[str, Any]) -> list[str]:
    mine, true = timed["gaps"], timed["true_gaps"]
    if not mine or not true:
        return ["", ""]
    return [_ms(fmean(mine) - fmean(true)), _tail(mine, true) if timed["every_gap"] else "keeps no single gaps"]


def _tail(mine: Sequence[float], true: Sequence[float]) -> str:
    return _ms(order(mine, 0.99) - order(true, 0.99)) if min(len(mine), len(true)) >= LEAST else "–"


def order(values: Sequence[float], q: float) -> float:
    """The ceil(n q)-th smallest value."""
    return sorted(values)[max(0, math.ceil(round(len(values) * q, 9)) - 1)]


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:+.2f} ms"


def _troubles(report: Mapping[str, Any], ran: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield from ("", "## What counts as a success", "")
    yield (
        "Eight streams of which not one is complete: 16 of the 32 contents, then the end of the HTTP message without a "
        "finish reason or `[DONE]`; the same with an error object before that end; the same and then silence."
    )
    yield ""
    yield _row(["benchmark", *TROUBLES.values()])
    yield _row(["---"] * (1 + len(TROUBLES)))
    yield _row(["**streamgauge**", *(_verdict(report["probe"][trouble]) for trouble in TROUBLES)])
    for peer in ran:
        yield _row([peer["name"], *(_verdict(peer["troubles"][trouble]) for trouble in TROUBLES)])


def _verdict(verdict: Mapping[str, Any]) -> str:
    if verdict["exit_code"] is None:
        return f"ended from outside after {verdict['seconds']:g} s"
    if verdict["problem"]:
        return verdict["problem"]
    counted = f"{verdict['succeeded']} good, {verdict['failed']} failed"
    return f"{counted}; exit code {verdict['exit_code']}, {verdict['seconds']:.0f} s"


def _absent(peers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    missing = [peer for peer in peers if peer["problem"]]
    yield from ("", "## Not measured", "")
    for peer in missing:
        yield f"- {peer['name']}: {peer['problem']}"
    yield "- sglang's `bench_serving` is not in the list: it is part of the engine, which is no small installation."


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
