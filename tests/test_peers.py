"""The comparison with other benchmarks: its answers, its truth, its page, and a run of the probe through it."""

from __future__ import annotations

from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from streamgauge.registry import get_dialect

TOOLS = Path(__file__).parents[1] / "tools"
CHAT = get_dialect("openai-chat")


@pytest.fixture(scope="module")
def tools() -> Any:
    """The tools' modules, which import each other by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOOLS)
        return {name: import_module(name) for name in ("peers", "peers_known", "peers_page", "peers_server")}


def test_the_answers_are_what_their_names_say(tools: Any) -> None:
    """The good one is complete, with its role at 20 ms, its first content at 80 and 31 gaps of 10; no other one is."""
    answers = tools["peers_server"].answers(CHAT)
    whole = answers["good"]
    message = CHAT.read(whole.body)
    assert message.ended == "complete"
    assert message.choices[0].text == "".join(tools["peers_server"].WORDS)
    at = [sum(piece.delay for piece in whole.pieces[: number + 1]) for number in range(33)]
    assert at[0] == pytest.approx(0.02)
    assert at[1] == pytest.approx(0.08)
    assert [b - a for a, b in pairwise(at[1:])] == pytest.approx([0.01] * 31)
    assert CHAT.read(answers["truncated"].body).ended == "truncated"
    assert CHAT.read(answers["error"].body).ended == "error"
    assert (answers["stalled"].ending, answers["stalled"].body) == ("hold", answers["truncated"].body)


def timed(tools: Any, ttft: list[float], true: list[float]) -> dict[str, Any]:
    return {
        "ttft": ttft,
        "true_ttft": true,
        "gaps": [0.011] * 3,
        "true_gaps": [0.010] * 3,
        "every_gap": False,
        "kernel": True,
        "problem": "",
    }


def test_the_page_tells_errors_and_who_is_nearer(tools: Any) -> None:
    """Errors are reported minus true, with their sign; what could not be installed is there with its error."""
    loads = {
        "1": {
            "streamgauge": timed(tools, [0.081] * 3, [0.080] * 3),
            "early": timed(tools, [0.020] * 3, [0.080, 0.080, 0.080]),
        }
    }
    verdict = {"succeeded": 8, "failed": 0, "exit_code": 0, "seconds": 3.0, "problem": ""}
    hung = {**verdict, "exit_code": None, "seconds": 180.0}
    peers = [
        {
            "name": "early",
            "version": "1.0",
            "problem": "",
            "loads": loads,
            "troubles": {"truncated": verdict, "error": verdict, "stalled": hung},
        },
        {"name": "absent", "version": "", "problem": "not installed: no wheel", "loads": {}, "troubles": {}},
    ]
    failed = {**verdict, "succeeded": 0, "failed": 8, "exit_code": 2}
    report = {
        "started": "2026-11-22T00:00:00",
        "versions": {"streamgauge": "1", "python": "3.11"},
        "machine": "a machine",
        "probe": dict.fromkeys(("truncated", "error", "stalled"), failed),
        "peers": peers,
        "partial": False,
    }
    page = tools["peers_page"].page(report)
    assert (
        "| early 1.0 | -60.00 ms | -60.00 ms | – | +1.00 ms | +1.00 ms | – | +1.00 ms | keeps no single gaps |" in page
    )
    assert "Further from the true TTFT than the probe by the median: early." in page
    assert "| early | 8 good, 0 failed; exit code 0, 3 s |" in page
    assert "ended from outside after 180 s" in page
    assert "absent: not installed: no wheel" in page
    assert "| **streamgauge** | 0 good, 8 failed; exit code 2, 3 s |" in page


def test_a_name_that_is_no_peer_is_refused(tools: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """With the names that there are."""
    with pytest.raises(SystemExit) as stop:
        tools["peers"].main(["nobody"])
    assert stop.value.code == 2
    assert "guidellm" in capsys.readouterr().err


@pytest.mark.slow
def test_the_probe_runs_through_it(tools: Any, tmp_path: Path) -> None:
    """A real run: the streams that the probe reports are those of the send log, and never early by a millisecond."""
    peers, known = tools["peers"], tools["peers_known"]
    with peers.serving() as server:
        task = known.Task(server.urls["good"], 2, 4, tmp_path / "run", tmp_path)
        ran = peers.run(known.OURS, task, None)
        log = server.log("good")
        assert (ran.exit_code, ran.problem) == (0, "")
        assert (ran.reported.succeeded, ran.reported.failed, len(log)) == (4, 0, 4)
        assert len(ran.reported.gaps) == 4 * 31 == sum(len(request["sends"]) - 1 for request in log)
        true = [request["sends"][0] - request["received"] for request in log]
        assert min(ran.reported.ttft) > min(true) - 0.001
        cut = known.Task(server.urls["truncated"], 2, 2, tmp_path / "run", tmp_path)
        verdict = peers.judged(peers.run(known.OURS, cut, None))
    assert (verdict.succeeded, verdict.failed, verdict.exit_code) == (0, 2, 1)
