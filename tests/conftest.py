"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The team's shared material beside the repository (real streams, vectors); skips where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "streams").is_dir():
        pytest.skip("the shared material (../shared) is not on this machine")
    return folder
