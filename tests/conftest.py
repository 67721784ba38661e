"""Fixtures that all tests share, and the table that the provider benchmarks end with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

try:
    from hypothesis import settings
except ModuleNotFoundError:  # the benchmarks run without it
    pass
else:
    # No deadline: on a loaded machine it flakes. No database: each run draws anew, and prints what failed.
    settings.register_profile("default", deadline=None, max_examples=60, database=None, print_blob=True)
    settings.register_profile("thorough", deadline=None, max_examples=2000, database=None, print_blob=True)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

ROWS = pytest.StashKey[dict[tuple[str, str], dict[str, float]]]()
COLUMNS = (
    ("ttft_ms", "TTFT ms", "{:.2f}"),
    ("gap_ms", "gap ms", "{:.2f}"),
    ("chunks_per_second", "chunks/s", "{:,.0f}"),
    ("cpu_us_per_chunk", "CPU us/chunk", "{:.1f}"),
)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The team's shared material beside the repository (real streams, vectors); skips where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "streams").is_dir():
        pytest.skip("the shared material (../shared) is not on this machine")
    return folder


@pytest.fixture(scope="session")
def bench_rows(request: pytest.FixtureRequest) -> dict[tuple[str, str], dict[str, float]]:
    """Figures of the provider benchmarks: (provider, path) to figure by name; shown when the session ends."""
    return request.config.stash.setdefault(ROWS, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Providers, sync beside async, with their CPU per chunk as a multiple of the raw socket's."""
    rows = config.stash.get(ROWS, {})
    if not rows:
        return
    floor = rows.get(("raw socket", "sync"), {}).get("cpu_us_per_chunk")
    terminalreporter.section("providers on the replay server")
    heads = "".join(f"{title:>14}" for _, title, _ in COLUMNS)
    terminalreporter.write_line(f"{'provider':<16}{'path':<7}{heads}{'x floor':>10}")
    for (name, path), facts in rows.items():
        cells = "".join(f"{style.format(facts[key]) if key in facts else '-':>14}" for key, _, style in COLUMNS)
        ratio = f"{facts['cpu_us_per_chunk'] / floor:.1f}" if floor and "cpu_us_per_chunk" in facts else "-"
        terminalreporter.write_line(f"{name:<16}{path:<7}{cells}{ratio:>10}")
