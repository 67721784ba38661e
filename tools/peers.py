"""Other benchmarks and the wire probe in turn, on one server whose times are known.

    python tools/peers.py [NAME...] [--json FILE] [--markdown FILE]

Installs each benchmark into a virtual environment of its own, runs it and `streamgauge bench` alternately, deletes the
environment. What can't be installed or run is in the page with its error. `nox -s peers` does it all; it takes an hour,
the package index and 12 GB of disk.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import peers_page
import peers_tokenizer
from peers_known import OURS, PEERS, Reported, Task, Tool

LOADS = ((1, 100), (16, 160))
"""Streams at a time, and how many in all, of one run."""
TROUBLES = ("truncated", "error", "stalled")
TROUBLE = (4, 8)
LIMIT = 180.0
"""Seconds after which a run is ended from outside: what a tool that hangs gets."""


@dataclass(slots=True)
class Timed:
    """All runs of one tool at one concurrency, in seconds: what it reported, and what was so.

    kernel: the true TTFT counts from the kernel's stamp of each request; else from the server's reading it.
    """

    ttft: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    true_ttft: list[float] = field(default_factory=list)
    true_gaps: list[float] = field(default_factory=list)
    kernel: bool = True
    every_gap: bool = True
    problem: str = ""


@dataclass(slots=True)
class Verdict:
    """What a tool said of streams that all went wrong. exit_code: None where it had to be ended."""

    succeeded: int
    failed: int
    exit_code: int | None
    seconds: float
    problem: str = ""


@dataclass(slots=True)
class Compared:
    """One peer with the probe beside it. problem: why nothing was measured."""

    name: str
    version: str = ""
    problem: str = ""
    loads: dict[int, dict[str, Timed]] = field(default_factory=dict)
    troubles: dict[str, Verdict] = field(default_factory=dict)


class Server:
    """`peers_server.py` in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.urls: dict[str, str] = self._said()

    def log(self, name: str) -> list[dict[str, Any]]:
        """The streams of that answer since the last time."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        return list(self._said())

    def _said(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """The server while it is wanted."""
    command = [sys.executable, str(Path(__file__).with_name("peers_server.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Server(process)
        assert process.stdin is not None
        process.stdin.close()


def install(tool: Tool, folder: Path) -> str:
    """A virtual environment with the tool; what went wrong, "" where nothing did."""
    python = interpreter(tool.python)
    if python is None:
        return f"not installed: it needs Python {tool.python} or newer, which is not here"
    uv = shutil.which("uv")
    if uv:
        made = [uv, "venv", "--quiet", "--python", python, str(folder)]
        filled = [uv, "pip", "install", "--python", str(folder / "bin" / "python"), *tool.requires]
    else:
        made = [python, "-m", "venv", str(folder)]
        filled = [str(folder / "bin" / "python"), "-m", "pip", "install", *tool.requires]
    for command in (made, filled):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment(None))
        if done.returncode:
            return f"not installed: {_gist(done.stderr)}"
    return ""


def interpreter(least: str) -> str | None:
    """The oldest Python from that version on that starts here: our own, on the path, or kept by pyenv."""
    first = int(least.partition(".")[2])
    if first <= sys.version_info.minor:
        return sys.executable
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in range(first, first + 4):
        name = f"python3.{minor}"
        found = [*filter(None, [shutil.which(name)]), *map(str, kept.glob(f"3.{minor}.*/bin/{name}"))]
        for candidate in found:  # a shim of pyenv's may point nowhere
            if not subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode:
                return candidate
    return None


def _environment(tool: Tool | None, folder: Path | None = None) -> dict[str, str]:
    """Ours without what would leak into another Python, and with the tool's programs in front."""
    kept = {n: v for n, v in os.environ.items() if n not in ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")}
    path = folder / "bin" if folder else Path(sys.executable).parent
    return {**kept, "PATH": f"{path}{os.pathsep}{kept['PATH']}", **(tool.environment if tool else {})}


def _gist(text: str) -> str:
    """The line of an error that says the most: the last that names one, else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if re.search(r"\b\w*(Error|Exception)\b", line)]
    return (named or lines or ["it said nothing"])[-1][:300]


@dataclass(slots=True)
class Ran:
    """One run of a tool."""

    exit_code: int | None
    seconds: float
    reported: Reported | None
    problem: str


def run(tool: Tool, task: Task, venv: Path | None) -> Ran:
    """Run it once; ended from outside after LIMIT seconds, with all that it started."""
    shutil.rmtree(task.folder, ignore_errors=True)
    task.folder.mkdir(parents=True)
    began = time.monotonic()
    process = subprocess.Popen(
        list(tool.command(task)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=task.folder,
        env=_environment(tool, venv),
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=LIMIT)
        code: int | None = process.returncode
    except subprocess.TimeoutExpired:
        code, said = None, ""
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    took = time.monotonic() - began
    try:
        return Ran(code, took, tool.read(task.folder), "")
    except (OSError, LookupError, ValueError, TypeError) as error:
        ended = f"still running after {LIMIT:g} s, ended" if code is None else f"exit code {code}: {_gist(said)}"
        return Ran(code, took, None, f"{ended} ({error})")


def compare(tool: Tool, venv: Path, server: Server, work: Path, repeats: int) -> Compared:
    """The tool and the probe in turn."""
    found = Compared(tool.name, _version(tool, venv))
    sides: tuple[tuple[Tool, Path | None], ...] = ((OURS, None), (tool, venv))
    for streams, requests in LOADS:
        kept = {side.name: Timed(every_gap=side.every_gap) for side, _ in sides}
        found.loads[streams] = kept
        for turn in range(repeats):
            for side, where in sides if turn % 2 == 0 else sides[::-1]:
                task = Task(server.urls["good"], streams, requests, work / "run", work / "tokenizer")
                ran = run(side, task, where)
                _keep(kept[side.name], ran, server.log("good")[:requests])
                _tell(f"{side.name}, {streams} streams, {ran.seconds:.0f} s {ran.problem}")
    for trouble in TROUBLES:
        task = Task(server.urls[trouble], *TROUBLE, work / "run", work / "tokenizer")
        found.troubles[trouble] = judged(run(tool, task, venv))
        server.log(trouble)
        _tell(f"{tool.name}, {trouble}: {found.troubles[trouble]}")
    return found


def judged(ran: Ran) -> Verdict:
    """How a run of streams that all went wrong was seen."""
    said = ran.reported
    good, bad = (said.succeeded, said.failed) if said else (0, 0)
    return Verdict(good, bad, ran.exit_code, round(ran.seconds, 1), ran.problem)


def _keep(timed: Timed, ran: Ran, log: Sequence[dict[str, Any]]) -> None:
    """Add a run whose requests are all good; another one would compare different streams."""
    if ran.reported is None or ran.reported.failed or not ran.reported.ttft:
        timed.problem = ran.problem or f"{ran.reported.failed if ran.reported else 0} good streams counted as failed"
        return
    timed.kernel = timed.kernel and all(request["kernel"] for request in log)
    timed.ttft += ran.reported.ttft
    timed.gaps += ran.reported.gaps
    timed.true_ttft += [request["sends"][0] - request["received"] for request in log if request["sends"]]
    timed.true_gaps += [b - a for request in log for a, b in pairwise(request["sends"])]


def _version(tool: Tool, venv: Path) -> str:
    name = tool.requires[0].partition("[")[0]
    code = f"from importlib.metadata import version; print(version({name!r}))"
    done = subprocess.run([str(venv / "bin" / "python"), "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure(tools: Sequence[Tool], options: argparse.Namespace, found: list[Compared]) -> None:
    """Each tool in turn: installed, run, deleted. What was found is there when an interrupt ends it."""
    with tempfile.TemporaryDirectory(prefix="streamgauge-peers-") as name, serving() as server:
        work = Path(name)
        peers_tokenizer.write(work / "tokenizer")
        for tool in tools:
            venv = (options.venvs or work / "venvs") / tool.name
            _tell(f"installing {tool.name}")
            ready = options.keep and (venv / "bin" / "python").exists()
            problem = "" if ready else install(tool, venv)
            failed = Compared(tool.name, problem=problem)
            found.append(failed if problem else compare(tool, venv, server, work, options.repeats))
            if not options.keep:
                shutil.rmtree(venv, ignore_errors=True)


def troubled_probe() -> dict[str, Verdict]:
    """What the probe says of the streams that went wrong."""
    with tempfile.TemporaryDirectory(prefix="streamgauge-peers-") as name, serving() as server:
        folder = Path(name)
        tasks = {t: Task(server.urls[t], *TROUBLE, folder / "run", folder) for t in TROUBLES}
        return {trouble: judged(run(OURS, task, None)) for trouble, task in tasks.items()}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    known = [tool.name for tool in PEERS]
    parser = argparse.ArgumentParser(description="Compare the wire probe with other benchmarks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(known)} (default: all)")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each side at each concurrency")
    parser.add_argument("--venvs", type=Path, help="where to install (default: a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="keep the environments, and use those that are there")
    parser.add_argument("--json", type=Path, help="the figures")
    parser.add_argument("--markdown", type=Path, help="the page")
    options = parser.parse_args(arguments)
    if wrong := [name for name in options.names if name not in known]:
        parser.error(f"unknown: {', '.join(wrong)}; there are {', '.join(known)}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; 130 where it was interrupted."""
    options = _options(arguments)
    tools = [tool for tool in PEERS if tool.name in (options.names or [t.name for t in PEERS])]
    found: list[Compared] = []
    started, code = datetime.now(UTC), 0
    try:
        measure(tools, options, found)
    except KeyboardInterrupt:
        code = 130
    report = {
        "schema": "streamgauge.peers/1",
        "started": started.isoformat(timespec="seconds"),
        "versions": {"streamgauge": version("streamgauge"), "python": platform.python_version()},
        "machine": f"{platform.system()} {platform.release()}, {os.cpu_count()} cores",
        "probe": {name: asdict(verdict) for name, verdict in troubled_probe().items()},
        "peers": [asdict(one) for one in found],
        "partial": bool(code),
    }
    if options.json:
        options.json.write_text(json.dumps(report), encoding="utf-8")
    page = peers_page.page(report)
    if options.markdown:
        options.markdown.write_text(page, encoding="utf-8")
    print(page)
    return code


if __name__ == "__main__":
    sys.exit(main())
