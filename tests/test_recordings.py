"""Recordings: kept byte for byte with cuts and times, and read back as they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamgauge.errors import StreamgaugeError, UnknownNameError
from streamgauge.message import Message
from streamgauge.recordings import Recording, get_recording, load, load_folder, save, shipped
from streamgauge.registry import all_dialects, get_dialect
from streamgauge.script import script_of
from streamgauge.strategies import cuts, wire_streams
from streamgauge.trace import Arrival, Trace

BODY = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]\r\n\r\n'


def recording(*reads: bytes, name: str = "case", step: float = 0.25, message: Message | None = None) -> Recording:
    """A recording of these reads."""
    body = b"".join(reads)
    return Recording(
        name=name,
        dialect="openai-chat",
        title="A case",
        tags=("text",),
        provenance={"kind": "written", "by": "a test"},
        message=message or get_dialect("openai-chat").read(body),
        reference=get_dialect("openai-chat").read(b""),
        trace=Trace(
            arrivals=tuple(Arrival(i * step, data) for i, data in enumerate(reads)),
            status=200,
            headers=(("Content-Type", "text/event-stream"), ("X-A", "1"), ("X-A", "2")),
            headers_at=0.125,
            ended="eof",
            ended_at=9.5,
            request={"model": "m", "stream": True},
            timed=True,
        ),
    )


def test_saved_and_loaded(tmp_path: Path) -> None:
    """A recording comes back as it was: bytes, cuts, times, headers, request, message, reference."""
    kept = recording(BODY[:3], BODY[3:40], BODY[40:])
    path = save(kept, tmp_path)
    assert path == tmp_path / "openai-chat" / "case.json"
    assert load(path) == kept


def test_bytes_are_kept_as_they_are(tmp_path: Path) -> None:
    """The body lies beside its JSON file, unchanged, line ends and ill-formed bytes included."""
    odd = b"\xef\xbb\xbfdata: \xff\x00\r\n\r\n: \r\r" + BODY
    path = save(recording(odd), tmp_path)
    assert path.with_suffix(".sse").read_bytes() == odd
    assert load(path).trace.body == odd


def test_a_body_is_enough(tmp_path: Path) -> None:
    """Where only the body is known, status and headers stay unknown."""
    message = get_dialect("openai-chat").read(BODY)
    kept = Recording(name="bare", dialect="openai-chat", trace=Trace.of(BODY), message=message)
    assert load(save(kept, tmp_path)) == kept


@given(drawn=wire_streams(), data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_stream_survives(tmp_path: Path, drawn: tuple[bytes, Message], data: st.DataObject) -> None:
    """Any stream with any cuts comes back, whatever characters its message holds."""
    body, message = drawn
    reads = data.draw(cuts(body, empty=False))
    kept = recording(*reads, message=message)
    assert load(save(kept, tmp_path)) == kept


def test_folders_are_read_in_order(tmp_path: Path) -> None:
    """Every recording of a folder is found, in order of path."""
    for name in ("b", "a"):
        save(recording(BODY, name=name), tmp_path)
    assert [r.name for r in load_folder(tmp_path)] == ["a", "b"]
    assert [*load_folder(tmp_path / "none")] == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema": "streamgauge.recording/9"}, "schema 'streamgauge.recording/9' is not 'streamgauge.recording/1'"),
        ({"schema": None}, "schema None is not"),
        ({"reads": [[0.0, 5]]}, "the reads add up to 5 bytes"),
        ({"reads": [[0.0, 10**9]]}, "the reads add up to"),
        ({"reads": [5]}, "is not a recording"),
        ({"dialect": "openai-chta"}, "did you mean 'openai-chat'"),
        ({"message": {"dialect": 5}}, "is not a recording"),
        ({"case": None, "message": None}, "is not a recording"),
    ],
)
def test_broken_files_are_the_callers_mistake(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    """A file that is no recording is refused in one line that says why."""
    path = save(recording(BODY), tmp_path)
    head = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**head, **change}), encoding="utf-8")
    with pytest.raises(StreamgaugeError) as raised:
        load(path)
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '"x"'])
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    """Any other file is refused the same way."""
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(StreamgaugeError, match=r"x\.json"):
        load(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    """A missing JSON file and a missing body are named."""
    with pytest.raises(StreamgaugeError, match="case"):
        load(tmp_path / "case.json")
    path = save(recording(BODY), tmp_path)
    path.with_suffix(".sse").unlink()
    with pytest.raises(StreamgaugeError, match=r"case\.(sse|json)"):
        load(path)


# What is shipped.


def test_there_are_recordings() -> None:
    """The package comes with recordings, each under its dialect and its case."""
    found = shipped()
    assert any(name.startswith("openai-chat/") for name in found)
    assert all(name == f"{r.dialect}/{r.name}" for name, r in found.items())
    assert {r.dialect for r in found.values()} <= set(all_dialects())


@pytest.mark.parametrize("name", shipped())
def test_shipped_recording(name: str) -> None:
    """Each carries the message that its file states, says who made it, and holds no key."""
    kept = shipped()[name]
    assert kept.get_dialect().read(kept.trace.body) == kept.message
    assert kept.provenance["kind"] in ("recorded", "written")
    assert kept.title
    headers = {header.lower() for header, _ in kept.trace.headers or ()}
    assert not headers & {"authorization", "x-api-key", "api-key", "cookie", "set-cookie"}
    times = [arrival.at for arrival in kept.trace.arrivals]
    assert times == sorted(times)


@pytest.mark.parametrize("name", shipped())
def test_shipped_recording_is_one_body(name: str) -> None:
    """Its cuts add up to its body, for playing it and for cutting it by frames."""
    kept = shipped()[name]
    script = script_of(kept)
    assert script.body == kept.trace.body == b"".join(script.frames())
    assert [p.data for p in script.pieces] == [a.data for a in kept.trace.arrivals]


def test_speed_scales_the_delays() -> None:
    """Played with a speed, the recorded times are kept or scaled; without one there are no delays."""
    kept = recording(BODY[:3], BODY[3:40], BODY[40:], step=0.5)
    assert [p.delay for p in script_of(kept).pieces] == [0, 0, 0]
    assert [p.delay for p in script_of(kept, speed=1.0).pieces] == [0, 0.5, 0.5]
    assert [p.delay for p in script_of(kept, speed=2.0).pieces] == [0, 0.25, 0.25]


def test_recordings_by_name() -> None:
    """A case of openai-chat needs no dialect; a wrong name gets the nearest."""
    assert get_recording("plain-text") is get_recording("openai-chat/plain-text")
    with pytest.raises(UnknownNameError, match="did you mean 'openai-chat/plain-text'"):
        get_recording("plain-txt")
