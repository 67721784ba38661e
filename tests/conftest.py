"""Fixtures that all tests share, and the table that the client benchmarks end with."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from streamgauge.measurement.library_costs import Cost

try:
    from hypothesis import settings
except ModuleNotFoundError:  # the benchmarks run without it
    pass
else:
    # No deadline: on a loaded machine it flakes. No database: each run draws anew, and prints what failed.
    settings.register_profile("default", deadline=None, max_examples=60, database=None, print_blob=True)
    settings.register_profile("thorough", deadline=None, max_examples=2000, database=None, print_blob=True)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a shell's background job we ignore Ctrl-C, and so would every program that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)

COSTS = pytest.StashKey[list["Cost"]]()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The team's shared material beside the repository (real streams, vectors); skips where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "streams").is_dir():
        pytest.skip("the shared material (../shared) is not on this machine")
    return folder


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port of loopback at which nothing listens, and nobody can while the test lasts."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="session")
def costs(request: pytest.FixtureRequest) -> list[Cost]:
    """What the client benchmarks found so far; shown when the session ends."""
    return request.config.stash.setdefault(COSTS, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What each client costs beside the raw socket."""
    if found := config.stash.get(COSTS, []):
        from streamgauge.report.costs_table import lines

        terminalreporter.section("what a client costs, beside a raw socket in the same run")
        for line in lines(found):
            terminalreporter.write_line(line)
