"""The program that streamgauge began as runs as it is, and its text is the recording's.

`Client()` without a provider picks public sites. What its users can set is a route: which provider answers for a
model. g4f loads routes from a `config.yaml` only in its own server, so they are set here, in the process that then
runs the unchanged file; so is the provider `G4FSpace`, which g4f else downloads the address of.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamgauge.faults import apply_faults
from streamgauge.recordings import get_recording
from streamgauge.script import Script, script_of
from streamgauge.server import ReplayServer

pytest.importorskip("g4f", reason="the program is a g4f program")

PROGRAM = Path(__file__).resolve().parents[1] / "examples" / "plain_program.py"
SETTING = """
import runpy, sys
from g4f.client.factory import create_custom_provider
from g4f.Provider import ProviderLoader
from g4f.providers.config_provider import ModelRouteConfig, ProviderRouteConfig, RouterConfig
ProviderLoader.loaded["G4FSpace"] = create_custom_provider(sys.argv[1])
RouterConfig.routes["gpt-4"] = ModelRouteConfig("gpt-4", [ProviderRouteConfig("G4FSpace", "gpt-4")])
runpy.run_path(sys.argv[2], run_name="__main__")
"""
RECORDING = get_recording("plain-text")


def run(script: Script, folder: Path) -> tuple[str, list[str], list[bool]]:
    """What the program prints, and of the requests that it made the models and whether they asked for a stream."""
    environment = os.environ | {"G4F_CONFIG_DIR": str(folder), "PYTHONIOENCODING": "utf-8"}
    with ReplayServer() as server:
        mount = server.mount(script)
        done = subprocess.run(
            [sys.executable, "-c", SETTING, mount.base_url, str(PROGRAM)],
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=True,
            env=environment,
        )
        asked = [r.json for r in mount.requests if r.method == "POST"]
    return done.stdout, [body["model"] for body in asked], [body["stream"] for body in asked]


def test_both_paths_print_the_recording(tmp_path: Path) -> None:
    """Sync and async print the recorded text, but for the space that g4f strips from the beginning."""
    text = RECORDING.message.choices[0].text.lstrip()
    printed, models, streamed = run(script_of(RECORDING), tmp_path)
    assert printed == f"Synchronous Stream:\n{text}\n\nAsynchronous Stream:\n{text}\n"
    assert (models, streamed) == (["gpt-4", "gpt-4"], [True, True])


def test_failure_is_said_behind_what_had_arrived(tmp_path: Path) -> None:
    """Each path prints the partial answer, then that an error occurred."""
    printed, _, streamed = run(apply_faults(script_of(RECORDING), "error-frame"), tmp_path)
    sync_part, _, async_part = printed.partition("Asynchronous Stream:\n")
    for part in (sync_part.removeprefix("Synchronous Stream:\n"), async_part):
        answer, marker, _ = part.partition("An error occurred: ")
        assert marker
        assert answer.strip()
        assert RECORDING.message.choices[0].text.startswith(answer.strip())
    assert streamed == [True, True]
