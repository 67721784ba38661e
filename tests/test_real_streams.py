"""Every real recorded stream is told by its looks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamgauge.detect import HEAD, detect

# What the shared index calls a dialect, where it is not the name of ours.
NAMES = {"bedrock-eventstream": {"bedrock-converse"}, "ollama-chat": {"ollama-chat", "ollama-generate"}}


@pytest.mark.shared
def test_each_stream_is_one_dialect(shared: Path) -> None:
    """Exactly one dialect claims each stream, and it is the one that the stream was recorded from."""
    wrong = []
    for line in (shared / "streams" / "index.jsonl").read_text().splitlines():
        entry = json.loads(line)
        guess = detect((shared / "streams" / entry["file"]).read_bytes()[:HEAD])
        if guess.dialect not in NAMES.get(entry["dialect"], {entry["dialect"]}):
            wrong.append((entry["file"], guess))
    assert wrong == []
