"""The recordings of real servers that are shipped: whole, small, and nothing in them of the machine they ran on."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from streamgauge.recordings import Recording, shipped

RECORDED = [r for r in shipped().values() if r.provenance["kind"] == "recorded"]
FOLDER = Path(str(resources.files("streamgauge_fixtures")))
OF_A_MACHINE = re.compile(
    r"/(home|root|tmp|opt|srv|usr|var|work)/|\b(127\.0\.0\.1|localhost|10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+)\b|[A-Z]:\\\\"
)


def test_there_are_some() -> None:
    """The first fixtures are real ones."""
    assert RECORDED


@pytest.mark.parametrize("recording", RECORDED, ids=lambda r: r.name)
def test_message_is_what_the_bytes_say(recording: Recording) -> None:
    """The stored message is what the dialect reads from the stored bytes, so a changed decoder shows."""
    assert recording.get_dialect().read(recording.trace.body) == recording.message


@pytest.mark.parametrize("recording", RECORDED, ids=lambda r: r.name)
def test_whole_and_small(recording: Recording) -> None:
    """Status, headers, request, times and provenance are there, and the body is small enough to be played often."""
    trace = recording.trace
    assert trace.status == 200
    assert trace.headers
    assert trace.request
    assert trace.timed
    assert trace.ended == "eof"
    assert len(trace.body) < 40_000
    assert {"server", "version", "recorder", "at"} <= recording.provenance.keys()
    assert all(recording.provenance.values())
    assert recording.title


@pytest.mark.parametrize("recording", RECORDED, ids=lambda r: r.name)
def test_cuts_and_times_are_a_server_s(recording: Recording) -> None:
    """The body comes in several reads at times that never go back, the head before them and the end behind."""
    trace = recording.trace
    times = [a.at for a in trace.arrivals]
    assert len(times) > 1
    assert times == sorted(times)
    assert trace.headers_at is not None
    assert 0 < trace.headers_at <= times[0]
    assert trace.ended_at >= times[-1]


@pytest.mark.parametrize("recording", RECORDED, ids=lambda r: r.name)
def test_nothing_of_the_machine(recording: Recording) -> None:
    """No path, address or host name of whoever recorded."""
    files = list((FOLDER / recording.dialect).glob(f"{recording.name}.*"))
    assert len(files) == 2
    for file in files:
        assert not OF_A_MACHINE.search(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("recording", RECORDED, ids=lambda r: r.name)
def test_twin_says_the_same(recording: Recording) -> None:
    """Where the non-streaming answer was kept too, its text, reasoning and end are the stream's."""
    if recording.reference is None:
        pytest.skip("no non-streaming answer was kept")
    streamed = [(c.text, c.reasoning, c.finish_reason) for c in recording.message.choices]
    assert streamed == [(c.text, c.reasoning, c.finish_reason) for c in recording.reference.choices]
