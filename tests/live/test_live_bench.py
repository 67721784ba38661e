"""The benchmark against a real model server: our figures beside those that llama.cpp states of the same streams."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from streamgauge.measurement.result_files import load
from streamgauge.measurement.results import BenchResult
from streamgauge.measurement.summaries import outcomes, summarise

pytestmark = pytest.mark.live

STORY = "Tell me a long story."
TOKENS = 64


def bench(tmp_path: Path, base_url: str, *words: str) -> BenchResult:
    """What a small benchmark measured."""
    file = tmp_path / "bench.json"
    command = [sys.executable, "-m", "streamgauge", "bench", "--base-url", base_url, "--json", str(file), *words]
    small = ["--concurrency", "1", "--runs", "2", "--requests", "4", "--max-tokens", str(TOKENS)]
    done = subprocess.run([*command, *small], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return load(file)


def figures(found: BenchResult, source: str) -> dict[str, dict[str, float]]:
    """What the server says of the wire path's streams."""
    (target,) = (t for t in found.targets if t.path == "wire")
    (timing,) = (t for t in target.server_timings if source in t.source)
    return timing.figures


def told(findings: Any, model: str, named: dict[str, dict[str, float]]) -> None:
    for name, figure in named.items():
        scale, unit = (1.0, "") if "tokens" in name else (1e3, " ms")
        server, ours, off = (f"{figure[part] * scale:,.3f}{unit}" for part in ("server", "ours", "difference"))
        findings.remark(f"{model}: {name}: the server says {server}, we say {ours}, difference {off}")


def test_agrees_with_the_server_s_timings(smollm2_url: str, tmp_path: Path, findings: Any) -> None:
    """TTFT is not before the server had its first token, and the time from the first to the last token is the server's,
    both within the calibrated error; the differences are shown beside it.

    What the server does outside of `prompt_ms` (HTTP, tokenizing, sampling, its queue) has no figure of its own, so
    that TTFT has no upper bound. llama.cpp stamps a token where it was sampled, we where it came: one token's time is
    the most by which that may shift the last against the first.
    """
    found = bench(tmp_path, smollm2_url, "--prompt", STORY, "--mode", "wire")
    (target,) = found.targets
    assert outcomes(target.streams)["complete"] == 8
    assert found.calibration is not None
    error = found.calibration.rows[0].ttft
    assert error is not None
    timings = figures(found, "timings")
    first = timings["ttft beside prompt_ms"]
    assert first["streams"] == 8
    assert first["difference"] >= -error.max
    span = timings["last - first output beside predicted_ms"]
    bound = (error.max - error.min) + span["server"] / (TOKENS - 1)
    assert abs(span["difference"]) <= bound
    rate = timings["tokens per second"]
    assert rate["ours"] == pytest.approx(rate["server"], rel=bound / span["server"])
    told(findings, "SmolLM2-135M, timings", timings)
    of = f"{error.p50 * 1e3:.3f} ms (p50), {error.max * 1e3:.3f} ms (max)"
    findings.remark(f"the calibrated error of our TTFT in this run: {of}; the rest of a difference is the server's")


def test_agrees_with_the_server_s_metrics(smollm2_url: str, tmp_path: Path, findings: Any) -> None:
    """The counters that llama.cpp publishes counted the tokens that our streams state."""
    found = bench(tmp_path, smollm2_url, "--prompt", STORY, "--mode", "wire,async")
    for target in found.targets:
        (published,) = (t for t in target.server_timings if "Prometheus" in t.source)
        tokens = published.figures["output tokens"]
        assert tokens["server"] == tokens["ours"] > 0
    told(findings, "SmolLM2-135M, /metrics", figures(found, "Prometheus"))


def test_tokens_have_a_source(tiny_url: str, tmp_path: Path) -> None:
    """Token counts are the server's usage, on every path; TPOT follows from them."""
    found = bench(tmp_path, tiny_url, "--mode", "wire,sync,async")
    for target in found.targets:
        assert {s.token_source for s in target.streams} == {"usage"}
        assert "tpot" in summarise(target)
    assert json.loads((tmp_path / "bench.json").read_text())["settings"]["max_tokens"] == TOKENS
