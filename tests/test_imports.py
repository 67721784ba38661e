"""Directions of import, read from the sources: what DESIGN.md says that nothing below may know of what is above."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import streamgauge

ROOT = Path(__file__).parents[1]
SOURCE = Path(streamgauge.__file__).parent
OURS = "streamgauge"

WORLD = {
    *("socket", "socketserver", "ssl", "select", "selectors", "asyncio", "threading", "multiprocessing", "subprocess"),
    *("concurrent", "queue", "signal", "time", "datetime", "sched", "http", "ftplib", "urllib.request"),
    *("httpx", "httpx2", "httpcore", "httpcore2", "aiohttp", "requests", "anyio", "trio", "uvloop", "pycurl"),
}
"""Sockets, clocks, threads, event loops, HTTP libraries: nothing that only reads bytes and records has any of them."""

PURE = (
    *("dialects", "rulebook", "faults", "engine", "measurement", "detect"),
    *("strategies", "recordings", "script", "trace"),
)
"""Where to start: these, and all that they import, are pure."""

ABOVE = {"transport", "server", "recorder", "runner", "conformance", "provider", "http_provider", "report", "cli"}
SHOWING = {"rich", "click", "jinja2", "markupsafe"}
FRAMERS = {"sse", "ndjson", "json_array", "eventstream"}


@dataclass(frozen=True)
class Imports:
    """What one module imports when it is imported itself: ours by module, others by name; and later, in functions."""

    ours: frozenset[str]
    others: frozenset[str]
    later: frozenset[str]


def name_of(path: Path) -> str:
    """The name of a module below the package, "" for the package itself."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def sources() -> dict[str, Path]:
    """Every module of the package."""
    return {name_of(path): path for path in sorted(SOURCE.rglob("*.py"))}


def statements(tree: ast.AST, *, inside: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Import statements, and whether a function holds them; those for type checkers only are left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, inside
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        else:
            yield from statements(node, inside=inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def targets(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The modules that a statement imports: of `from a import b` also `a.b`, where that is a module of ours."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, "imports are absolute here"
    module = node.module or ""
    inner = [f"{module}.{alias.name}" for alias in node.names]
    return [module, *(name for name in inner if name.removeprefix(f"{OURS}.") in sources())]


@cache
def imports(module: str) -> Imports:
    """What a module of ours imports."""
    ours, others, later = set(), set(), set()
    for node, inside in statements(ast.parse(sources()[module].read_text(encoding="utf-8"))):
        for target in targets(node):
            if target == OURS or target.startswith(f"{OURS}."):
                (later if inside else ours).add(target.removeprefix(OURS).removeprefix("."))
            else:
                (later if inside else others).add(target)
    return Imports(frozenset(ours), frozenset(others), frozenset(later))


@cache
def closure(module: str) -> frozenset[str]:
    """A module with everything of ours that importing it imports, in functions too: the packages around it apart."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        known = imports(current)
        waiting += [name for name in known.ours | known.later if name in sources()]
    return frozenset(found)


def below(*packages: str) -> list[str]:
    """The modules of these packages."""
    return [name for name in sources() if name.partition(".")[0] in packages]


def world(module: str) -> set[str]:
    """What a module imports of sockets, clocks and event loops."""
    known = imports(module)
    return {n for n in known.others | known.later if n in WORLD or n.partition(".")[0] in WORLD}


def test_the_reader_reads() -> None:
    """The sources are found, and an import that is known is seen."""
    assert len(sources()) > 30
    assert "events" in imports("ndjson").ours
    assert "asyncio" in world("server.connection")
    assert "events" in closure("dialects.openai_chat")


@pytest.mark.parametrize("package", PURE)
def test_nothing_pure_touches_the_world(package: str) -> None:
    """Decoding, judging, disturbing and measuring are functions of bytes and records: no socket, clock or loop."""
    modules = below(package)
    assert modules
    for module in modules:
        for inner in closure(module):
            assert not world(inner), f"{module} -> {inner}"


@pytest.mark.parametrize("package", PURE)
def test_nothing_pure_knows_what_is_above(package: str) -> None:
    """Neither transport nor server, provider, report or command is imported from below them."""
    for module in below(package):
        above = {inner for inner in closure(module) if inner.partition(".")[0] in ABOVE}
        assert not above, module


def test_events_know_nothing() -> None:
    """The lowest module imports no other of ours."""
    assert imports("events").ours == frozenset()
    assert imports("errors").ours == frozenset()


def test_framers_know_events_only() -> None:
    """Framings are below dialects: they know events, reading JSON, and each other."""
    for module in below(*FRAMERS):
        assert {inner.partition(".")[0] for inner in closure(module)} <= {*FRAMERS, "events", "wire"}, module


def test_decoders_and_encoders_are_below_discovery_and_rules() -> None:
    """A dialect is found; it does not look for others. Rules stand beside its decoder, which doesn't know them."""
    for module in below("dialects"):
        if module.rpartition(".")[2] in ("decoder", "encoder") or module.count(".") == 1:
            assert not closure(module) & {"registry", "rules", "engine", "observation"}, module


def test_a_dialect_is_named_by_no_engine() -> None:
    """No module of the engine imports one dialect: they are found by name."""
    for module in below(
        "engine", "registry", "rules", "verdicts", "measurement", "observation", "recordings", "script"
    ):
        assert not [inner for inner in closure(module) if inner.startswith("dialects.")], module


def test_reports_only_show() -> None:
    """A report knows verdicts; it neither runs nor connects anything."""
    for module in below("report"):
        above = {inner for inner in closure(module) if inner.partition(".")[0] in ABOVE - {"report"}}
        assert not above, module
        assert not world(module) - {"datetime"}, module


def test_only_the_command_line_knows_commands() -> None:
    """Nothing imports the command line but itself."""
    for module in sources():
        if module.partition(".")[0] not in ("cli", "__main__", "plugin"):
            assert not [inner for inner in imports(module).ours | imports(module).later if inner.startswith("cli")], (
                module
            )


def test_the_engine_names_no_provider() -> None:
    """Providers are found by looking: no module of ours imports their package."""
    for module in sources():
        known = imports(module)
        assert not [name for name in known.others | known.later if name.startswith("streamgauge_providers")], module


def test_showing_is_for_commands_and_reports() -> None:
    """rich, click and jinja2 are imported by the command line and by reports only."""
    for module in sources():
        if module.partition(".")[0] not in ("cli", "report", "__main__"):
            known = imports(module)
            assert not {n.partition(".")[0] for n in known.others | known.later} & SHOWING, module


def distributions(requirements: list[str]) -> set[str]:
    """The import names of requirements, for those whose distribution is named like their package."""
    return {r.partition(">")[0].partition("[")[0].strip().replace("-", "_").lower() for r in requirements}


def test_what_is_imported_is_required() -> None:
    """At import time the core needs nothing but its dependencies; what extras bring is imported where it is used."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = distributions(project["dependencies"]) | set(sys.stdlib_module_names)
    core |= {"markupsafe"}  # jinja2's own
    optional = {
        "mock": {"respx", "httpx", "httpcore", "httpcore2", "pytest_httpx2", "anyio"},
        "strategies": {"hypothesis"},
    }
    for module in sources():
        allowed = core | optional.get(module.partition(".")[0], set())
        needed = {name.partition(".")[0] for name in imports(module).others} - {"streamgauge_fixtures"}
        assert needed <= allowed, module


# What importing really loads.


def loaded(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after this code."""
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    return {name for name in run.stdout.split() if name}


HEAVY = {
    *("httpx", "httpx2", "jinja2", "openai", "g4f", "aiohttp", "pydantic", "numpy", "hypothesis", "pytest", "respx"),
    *("asyncio", "ssl", "rich.console", "streamgauge.server", "streamgauge.dialects", "streamgauge.rulebook"),
}


@pytest.mark.parametrize("module", ["streamgauge", "streamgauge.cli", "streamgauge.events", "streamgauge.sse"])
def test_imports_are_light(module: str) -> None:
    """Importing the package or its command line loads no library that only some commands need."""
    assert not loaded(f"import {module}") & HEAVY


def test_decoding_loads_no_network() -> None:
    """All dialects are there without an event loop or an HTTP library being loaded.

    A socket module is: importlib.metadata parses headers with the email package, which imports it.
    """
    found = loaded("from streamgauge.registry import all_dialects; all_dialects()")
    assert "streamgauge.dialects.openai_chat" in found
    assert not found & {"ssl", "asyncio", "httpx", "httpx2", "http.client", "rich", "click", "jinja2"}


def test_looking_for_providers_imports_no_client_library() -> None:
    """Providers are listed without their libraries, which take seconds to import."""
    found = loaded("from streamgauge.provider import all_providers; all_providers()")
    assert not found & {"openai", "g4f", "aiohttp", "anthropic", "litellm", "respx", "pytest"}
