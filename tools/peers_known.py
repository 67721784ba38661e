"""The benchmarks that `tools/peers.py` compares with: what is installed, how each is called, where its figures are.

Each is called as its README shows it, with whatever it offers against a stream that stalls. None of them warms up.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

PATIENCE = 10
"""Seconds of silence, or for a whole request, that each tool is told to bear, where it can be told."""
PROMPT = "Say something long"


@dataclass(frozen=True, slots=True)
class Task:
    """One run. base: the URL that ends in /v1. folder: empty, for whatever the tool writes."""

    base: str
    streams: int
    requests: int
    folder: Path
    tokenizer: Path

    @property
    def root(self) -> str:
        return self.base.removesuffix("/v1")


@dataclass(frozen=True, slots=True)
class Reported:
    """What a tool said of one run, in seconds: the TTFT of each request, every gap where it keeps them, else the mean
    gap of each request, and how many requests it counts as good and as failed."""

    ttft: Sequence[float]
    gaps: Sequence[float]
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A benchmark. command: its words, the first of them a program of its environment. every_gap: it keeps each gap.

    python: the least version that it needs.
    """

    name: str
    requires: tuple[str, ...]
    command: Callable[[Task], Sequence[str]]
    read: Callable[[Path], Reported]
    every_gap: bool
    python: str = "3.11"
    environment: Mapping[str, str] = field(default_factory=dict)


def _only(folder: Path, pattern: str) -> Path:
    """The one file of that name below a folder; raises FileNotFoundError where the tool wrote none."""
    found = sorted(folder.rglob(pattern))
    if not found:
        raise FileNotFoundError(f"it wrote no {pattern}")
    return found[-1]


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


# guidellm


def _guidellm(task: Task) -> list[str]:
    backend = f"kind=openai_http,target={task.root},request_format=/v1/chat/completions,model=gpt-4"
    return [
        *("guidellm", "run", "--disable-progress"),
        *("--backend", f"{backend},validate_backend=false,timeout={PATIENCE}"),
        *("--profile", f"kind=concurrent,streams={task.streams}"),
        *("--constraint", f"kind=max_requests,count={task.requests}"),
        *("--data", "kind=synthetic_text,prompt_tokens=20,output_tokens=32"),
        *("--tokenizer", f"kind=huggingface_auto,model={task.tokenizer}"),
        *("--output", f"kind=json,path={task.folder / 'report.json'}"),
    ]


def _read_guidellm(folder: Path) -> Reported:
    (found,) = _json(_only(folder, "report.json"))["benchmarks"]
    good = found["requests"]["successful"]
    totals = found["metrics"]["request_totals"]
    return Reported(
        [r["time_to_first_output_token_ms"] / 1e3 for r in good if r["time_to_first_output_token_ms"] is not None],
        [r["inter_token_latency_ms"] / 1e3 for r in good if r["inter_token_latency_ms"] is not None],
        totals["successful"],
        totals["errored"] + totals["incomplete"],
    )


# aiperf


def _aiperf(task: Task) -> list[str]:
    return [
        *("aiperf", "profile", "--model", "gpt-4", "--streaming", "--endpoint-type", "chat", "--ui", "none"),
        *("--url", task.root, "--tokenizer", str(task.tokenizer), "--use-server-token-count"),
        *("--concurrency", str(task.streams), "--request-count", str(task.requests)),
        *("--prompt-input-tokens-mean", "20", "--request-timeout-seconds", str(PATIENCE)),
        *("--artifact-dir", str(task.folder)),
    ]


def _read_aiperf(folder: Path) -> Reported:
    lines = _only(folder, "profile_export.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    good = [r["metrics"] for r in records if not r.get("error")]
    first = [m["time_to_first_token"]["value"] / 1e3 for m in good if "time_to_first_token" in m]
    gaps = [gap / 1e3 for m in good if "inter_chunk_latency" in m for gap in m["inter_chunk_latency"]["value"]]
    return Reported(first, gaps, len(good), len(records) - len(good))


# evalscope


def _evalscope(task: Task) -> list[str]:
    prompts = task.folder / "prompts.txt"
    prompts.write_text(f"{PROMPT}\n" * task.requests, encoding="utf-8")
    return [
        *("evalscope", "perf", "--url", f"{task.base}/chat/completions", "--api", "openai", "--model", "gpt-4"),
        *("--parallel", str(task.streams), "--number", str(task.requests), "--stream", "--no-test-connection"),
        *("--dataset", "line_by_line", "--dataset-path", str(prompts), "--tokenizer-path", str(task.tokenizer)),
        *("--read-timeout", str(PATIENCE), "--total-timeout", str(PATIENCE), "--max-tokens", "32"),
        *("--outputs-dir", str(task.folder / "out"), "--no-timestamp"),
    ]


def _read_evalscope(folder: Path) -> Reported:
    with sqlite3.connect(_only(folder, "benchmark_data.db")) as kept:
        query = "select success, first_chunk_latency, inter_token_latencies from result"
        rows = kept.execute(query).fetchall()
    good = [(first, json.loads(gaps)) for success, first, gaps in rows if success]
    return Reported(
        [first for first, _ in good], [g for _, gaps in good for g in gaps], len(good), len(rows) - len(good)
    )


# llmeter is a library: a program of a few lines, as its README has it

_LLMETER = f"""
import asyncio, sys
from llmeter.endpoints import OpenAICompletionStreamEndpoint as Endpoint
from llmeter.runner import Runner
url, requests, clients, folder = sys.argv[1:]
endpoint = Endpoint(model_id="gpt-4", api_key="x", base_url=url, timeout={PATIENCE}, max_retries=0)
payload = Endpoint.create_payload({PROMPT!r}, max_tokens=32)
runner = Runner(endpoint, output_path=folder)
asyncio.run(runner.run(payload=payload, n_requests=int(requests), clients=int(clients)))
"""


def _llmeter(task: Task) -> list[str]:
    each = str(max(1, task.requests // task.streams))
    return ["python", "-c", _LLMETER, task.base, each, str(task.streams), str(task.folder)]


def _read_llmeter(folder: Path) -> Reported:
    lines = _only(folder, "responses.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    good = [r for r in records if not r["error"]]
    first = [r["time_to_first_token"] for r in good if r["time_to_first_token"] is not None]
    gaps = [r["time_per_output_token"] for r in good if r["time_per_output_token"] is not None]
    return Reported(first, gaps, len(good), len(records) - len(good))


# inference-perf


def _inference_perf(task: Task) -> list[str]:
    stage = {"num_requests": task.requests, "concurrency_level": task.streams}
    load = {"type": "concurrent", "stages": [stage], "num_workers": 1, "request_timeout": PATIENCE}
    config = {
        "load": load,
        "api": {"type": "chat", "streaming": True},
        "server": {"type": "vllm", "model_name": "gpt-4", "base_url": task.root, "ignore_eos": False},
        "tokenizer": {"pretrained_model_name_or_path": str(task.tokenizer)},
        "data": {"type": "mock"},  # the kind that a chat API and no model hub leave
        "report": {"request_lifecycle": {"summary": True, "per_request": True}},
        "storage": {"local_storage": {"path": str(task.folder / "out")}},
    }
    file = task.folder / "config.yml"
    file.write_text(json.dumps(config), encoding="utf-8")  # YAML has JSON in it
    return ["inference-perf", "--config_file", str(file)]


def _read_inference_perf(folder: Path) -> Reported:
    records = _json(_only(folder, "per_request_lifecycle_metrics.json"))
    good = [r for r in records if not r["error"]]
    times = [(r["start_time"], (r["info"].get("response_metrics") or {}).get("output_token_times")) for r in good]
    first = [at[0] - start for start, at in times if at]
    return Reported(
        first, [b - a for _, at in times if at for a, b in pairwise(at)], len(good), len(records) - len(good)
    )


# genai-bench


def _genai_bench(task: Task) -> list[str]:
    prompts = task.folder / "prompts.txt"
    prompts.write_text(f"{PROMPT}\n" * 20, encoding="utf-8")
    return [
        *("genai-bench", "benchmark", "--api-backend", "openai", "--api-base", task.root, "--api-key", "x"),
        *("--api-model-name", "gpt-4", "--model-tokenizer", str(task.tokenizer), "--task", "text-to-text"),
        *("--traffic-scenario", "D(20,32)", "--num-concurrency", str(task.streams), "--dataset-path", str(prompts)),
        *("--max-time-per-run", "1", "--max-requests-per-run", str(task.requests)),
        *("--experiment-base-dir", str(task.folder), "--experiment-folder-name", "out"),
        *("--server-engine", "vLLM", "--server-version", "1", "--server-gpu-type", "H100", "--server-gpu-count", "1"),
    ]


def _read_genai_bench(folder: Path) -> Reported:
    found = _json(_only(folder, "D20_32_*.json"))
    records = found["individual_request_metrics"]
    good = [r for r in records if not r.get("error_code")]
    first = [r["ttft"] for r in good if r["ttft"] is not None]
    gaps = [r["tpot"] for r in good if r["tpot"] is not None]
    failed = found["aggregated_metrics"]["num_error_requests"]
    return Reported(first, gaps, found["aggregated_metrics"]["num_completed_requests"], failed)


# vLLM's


def _vllm(task: Task) -> list[str]:
    return [
        *("vllm", "bench", "serve", "--backend", "openai-chat", "--base-url", task.root),
        *("--endpoint", "/v1/chat/completions", "--model", "gpt-4", "--tokenizer", str(task.tokenizer)),
        *("--dataset-name", "random", "--random-input-len", "20", "--random-output-len", "32"),
        *("--num-prompts", str(task.requests), "--max-concurrency", str(task.streams), "--num-warmups", "0"),
        *("--ready-check-timeout-sec", "0", "--save-result", "--save-detailed"),
        *("--result-dir", str(task.folder), "--result-filename", "result.json", "--disable-tqdm"),
    ]


def _read_vllm(folder: Path) -> Reported:
    found = _json(_only(folder, "result.json"))
    good = [n for n, error in enumerate(found["errors"]) if not error]
    gaps = [gap for n in good for gap in found["itls"][n]]
    return Reported([found["ttfts"][n] for n in good], gaps, found["completed"], found["failed"])


# our own


def _probe(task: Task) -> list[str]:
    return [
        *("streamgauge", "bench", "--base-url", task.base, "--mode", "wire", "--runs", "1", "--warmup", "0"),
        *("--requests", str(task.requests), "--concurrency", str(task.streams), "--prompt", PROMPT),
        *("--first-timeout", str(PATIENCE), "--idle-timeout", str(PATIENCE)),
        *("--json", str(task.folder / "bench.json")),
    ]


def _read_probe(folder: Path) -> Reported:
    (target,) = _json(_only(folder, "bench.json"))["targets"]
    streams = [s for run in target["runs"] for s in run["streams"]]
    good = [s for s in streams if s["outcome"] == "complete"]
    return Reported(
        [s["ttft"] for s in good], [g for s in good for g in s["gaps"]], len(good), len(streams) - len(good)
    )


OURS = Tool(name="streamgauge", requires=(), command=_probe, read=_read_probe, every_gap=True)

_OFFLINE = {"HF_HUB_OFFLINE": "1"}

PEERS = (
    Tool(
        name="guidellm",
        requires=("guidellm",),
        command=_guidellm,
        read=_read_guidellm,
        every_gap=False,
        environment={**_OFFLINE, "GUIDELLM__MAX_WORKER_PROCESSES": "2"},
    ),
    Tool(name="aiperf", requires=("aiperf",), command=_aiperf, read=_read_aiperf, every_gap=True),
    Tool(
        name="evalscope",
        requires=("evalscope[perf]",),
        command=_evalscope,
        read=_read_evalscope,
        every_gap=True,
        environment=_OFFLINE,
    ),
    Tool(
        name="llmeter",
        # Its extra takes any openai; with openai 3 the endpoint can't be imported, because httpx is no part of it.
        requires=("llmeter[openai]", "openai<3"),
        command=_llmeter,
        read=_read_llmeter,
        every_gap=False,
    ),
    Tool(
        name="inference-perf",
        requires=("inference-perf",),
        command=_inference_perf,
        read=_read_inference_perf,
        every_gap=True,
        python="3.12",
        environment=_OFFLINE,
    ),
    Tool(
        name="genai-bench",
        requires=("genai-bench",),
        command=_genai_bench,
        read=_read_genai_bench,
        every_gap=False,
        environment=_OFFLINE,
    ),
    Tool(name="vllm", requires=("vllm",), command=_vllm, read=_read_vllm, every_gap=True, environment=_OFFLINE),
)
