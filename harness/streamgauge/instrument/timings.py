"""What a server says of its own streams, beside what we measured of them: llama.cpp's timings, Prometheus metrics.

llama.cpp's server puts `timings` into the last chunk (tools/server/README.md): prompt_ms, until the first token was
sampled, and predicted_ms, from there to the last. vLLM, SGLang (--enable-metrics) and llama.cpp (--metrics)
publish counters at /metrics.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

import httpx2

from streamgauge.dialect import Dialect
from streamgauge.instrument.flight import Flight
from streamgauge.measurement.metrics import StreamMetrics
from streamgauge.measurement.results import ServerTimings
from streamgauge.transport import is_loopback
from streamgauge.wire import count, members, parse

_TAIL = 16 * 1024
_SAMPLE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{[^}]*\})?\s+([-+\d.eE]+|[+-]?Inf|NaN)")

MEANS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "ttft": ("mean TTFT", ("vllm:time_to_first_token_seconds", "sglang:time_to_first_token_seconds")),
    "tpot": ("mean TPOT", ("vllm:request_time_per_output_token_seconds",)),
    "gap": ("mean gap", ("vllm:inter_token_latency_seconds", "sglang:inter_token_latency_seconds")),
    "e2e": ("mean E2E", ("vllm:e2e_request_latency_seconds", "sglang:e2e_request_latency_seconds")),
}
"""Our metric, what it is called, and the histograms whose sum over count is a server's mean of it
(https://docs.vllm.ai/en/stable/usage/metrics/, https://docs.sglang.io/references/production_metrics.html)."""
LLAMA = {
    "tokens": "llamacpp:tokens_predicted_total",
    "seconds": "llamacpp:tokens_predicted_seconds_total",
}
TOKENS = ("vllm:generation_tokens_total", "sglang:generation_tokens_total")

Counters = dict[str, float]
"""Sample values by metric name."""


def all_said(
    flights: Sequence[Flight], found: Sequence[StreamMetrics], looks: Sequence[tuple[Counters, Counters]]
) -> list[ServerTimings]:
    """What the server said of these streams. looks: its counters before and after each run of them."""
    said = [llama_timings(flights, found)]
    if looks:
        before, after = (_sum(side) for side in zip(*looks, strict=True))
        said.append(published(before, after, found))
    return [timing for timing in said if timing is not None]


def _sum(looks: Sequence[Counters]) -> Counters:
    """Counters of several looks added up: the difference of two such sums is that of all pairs of looks."""
    out: Counters = {}
    for counters in looks:
        for name, value in counters.items():
            out[name] = out.get(name, 0.0) + value
    return out


def llama_timings(flights: Sequence[Flight], found: Sequence[StreamMetrics]) -> ServerTimings | None:
    """llama.cpp's own timings of the streams that state them, as means; None where none does."""
    ttft: list[tuple[float, float]] = []
    spans: list[tuple[float, float]] = []
    rates: list[tuple[float, float]] = []
    for flight, metrics in zip(flights, found, strict=True):
        timings = _last_timings(flight.probed.trace.body) if flight.probed else {}
        prompt, predicted = _seconds(timings, "prompt_ms"), _seconds(timings, "predicted_ms")
        if prompt is None or predicted is None or metrics.ttft is None:
            continue
        ttft.append((prompt, metrics.ttft - metrics.schedule_delay))
        span, tokens = sum(metrics.gaps), count(timings.get("predicted_n")) or 0
        if tokens > 1 and metrics.output_events > 1:
            spans.append((predicted, span))
            rates.append(((tokens - 1) / predicted if predicted else 0.0, (tokens - 1) / span if span else 0.0))
    if not ttft:
        return None
    named = {
        "ttft beside prompt_ms": ttft,
        "last - first output beside predicted_ms": spans,
        "tokens per second": rates,
    }
    return ServerTimings(
        source="timings of llama.cpp's last chunk", figures={n: _beside(pairs) for n, pairs in named.items() if pairs}
    )


def _last_timings(body: bytes) -> dict[str, Any]:
    """The `timings` member of the last event that has one, else nothing."""
    for line in reversed(body[-_TAIL:].decode("utf-8", "replace").splitlines()):
        if '"timings"' in line:
            return members(members(parse(line.partition(":")[2].strip())).get("timings"))
    return {}


def _seconds(timings: Mapping[str, Any], name: str) -> float | None:
    value = timings.get(name)
    return value / 1000 if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _beside(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Means of (server, ours); the difference is ours minus theirs."""
    server, ours = fmean(s for s, _ in pairs), fmean(o for _, o in pairs)
    return {"server": server, "ours": ours, "difference": ours - server, "streams": float(len(pairs))}


def scrape(base_url: str, dialect: Dialect, api_key: str = "") -> dict[str, float]:
    """The counters that the server of a base URL publishes at /metrics, labels added up; {} where it has none."""
    url = httpx2.URL(base_url).copy_with(path="/metrics", query=None)
    headers = {dialect.auth.header: dialect.auth.prefix + api_key} if api_key else {}
    try:
        answer = httpx2.get(url, headers=headers, timeout=5.0, trust_env=not is_loopback(base_url))
    except httpx2.HTTPError:
        return {}
    return samples(answer.text) if answer.status_code == 200 else {}


def samples(text: str) -> dict[str, float]:
    """Sample values by metric name, those of all label sets added up (Prometheus' text format)."""
    out: dict[str, float] = {}
    for line in text.splitlines():
        if found := _SAMPLE.match(line):
            out[found[1]] = out.get(found[1], 0.0) + float(found[2])
    return out


def published(
    before: Mapping[str, float], after: Mapping[str, float], found: Sequence[StreamMetrics]
) -> ServerTimings | None:
    """What the server's counters say of the time between two looks, beside our streams; None where they say nothing.

    They count every client's streams: where others stream too, the two are not of the same thing.
    """
    figures = dict(_means(before, after, found))
    figures |= _token_rate(before, after, found)
    return ServerTimings(source="Prometheus metrics at /metrics", figures=figures) if figures else None


def _means(
    before: Mapping[str, float], after: Mapping[str, float], found: Sequence[StreamMetrics]
) -> Iterator[tuple[str, dict[str, float]]]:
    for metric, (name, histograms) in MEANS.items():
        for histogram in histograms:
            total, number = f"{histogram}_sum", f"{histogram}_count"
            streams = after.get(number, 0.0) - before.get(number, 0.0)
            ours = _ours(metric, found)
            if streams > 0 and ours:
                server = (after[total] - before.get(total, 0.0)) / streams
                mean = fmean(ours)
                yield name, {"server": server, "ours": mean, "difference": mean - server, "streams": streams}


def _ours(metric: str, found: Sequence[StreamMetrics]) -> list[float]:
    if metric == "gap":
        return [gap for metrics in found for gap in metrics.gaps]
    shift = 0.0 if metric == "tpot" else 1.0
    values = ((getattr(m, metric), m.schedule_delay) for m in found)
    return [value - shift * delay for value, delay in values if value is not None]


def _token_rate(
    before: Mapping[str, float], after: Mapping[str, float], found: Sequence[StreamMetrics]
) -> dict[str, dict[str, float]]:
    """Tokens, as the server counted them and as the streams stated them; llama.cpp's seconds make a rate of them."""
    counted = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in (*LLAMA.values(), *TOKENS)}
    stated = float(sum(m.output_tokens or 0 for m in found))
    tokens = counted[LLAMA["tokens"]] or sum(counted[name] for name in TOKENS)
    if not tokens or not stated:
        return {}
    out = {"output tokens": {"server": tokens, "ours": stated, "difference": stated - tokens}}
    seconds, span = counted[LLAMA["seconds"]], sum(sum(m.gaps) for m in found)
    if seconds and span:
        ours, server = stated / span, tokens / seconds
        out["tokens per second of generation"] = {"server": server, "ours": ours, "difference": ours - server}
    return out
