"""The rule that compares HTTP/2 with HTTP/1.1, over real sockets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamgauge.cli import main
from streamgauge.engine import judge
from streamgauge.faults import apply_faults
from streamgauge.probe import Target, exchanges, probes
from streamgauge.recordings import get_recording
from streamgauge.registry import get_dialect
from streamgauge.rules import Exchange, get_rule
from streamgauge.script import script_of
from streamgauge.server import ReplayServer

pytest.importorskip("h2")
pytest.importorskip("cryptography")
CHAT = get_dialect("openai-chat")


def asked(server: ReplayServer, fault: str, monkeypatch: pytest.MonkeyPatch) -> Exchange:
    """The last exchange of a check of a mount."""
    mount = server.mount(apply_faults(script_of(get_recording("openai-chat/plain-text")), fault))
    monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
    *_, last = exchanges(Target(base_url=mount.base_url, dialect=CHAT, model="gpt-4", timeout=5.0))
    return last


def test_a_server_of_both_versions_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain request is sent once more over HTTP/2 where the server speaks it, and says the same."""
    with ReplayServer() as server:
        last = asked(server, "http2", monkeypatch)
    assert (last.case, last.trace.http_version) == ("http2", "HTTP/2")
    assert last.siblings["plain"].trace.http_version == "HTTP/1.1"
    [verdict] = judge(last, [get_rule("HTTP-017")])
    assert verdict.verdict == "pass", verdict


def test_the_command_asks_over_http2_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`check` of an https URL has the case http2 among its verdicts."""
    with ReplayServer() as server:
        mount = server.mount(apply_faults(script_of(get_recording("openai-chat/plain-text")), "http2"))
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        main(["check", mount.base_url, "--model", "gpt-4", "--rule", "HTTP-017", "--json", str(tmp_path / "r.json")])
    verdicts = json.loads((tmp_path / "r.json").read_text())["verdicts"]
    assert [v["verdict"] for v in verdicts if v["case"] == "http2"] == ["pass"]


def test_a_server_of_one_version_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over TLS without HTTP/2 the answer is HTTP/1.1 again, of which the rule has nothing to say."""
    with ReplayServer() as server:
        last = asked(server, "tls", monkeypatch)
    [verdict] = judge(last, [get_rule("HTTP-017")])
    assert (last.case, verdict.verdict, verdict.reason) == ("http2", "skip", "the answer came over HTTP/1.1")


def test_nothing_more_is_asked_without_tls() -> None:
    """Over plain HTTP nobody can be asked which version it speaks: the requests are those of before."""
    with ReplayServer() as server:
        mount = server.mount(script_of(get_recording("openai-chat/plain-text")))
        found = exchanges(Target(base_url=mount.base_url, dialect=CHAT, model="gpt-4", timeout=5.0))
        *_, last = found
    assert last.case == probes(CHAT, "gpt-4")[-1].name
