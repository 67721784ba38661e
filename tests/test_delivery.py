"""The self-test of clients: delivered as data arrives, or held back."""

from __future__ import annotations

import random

import httpx2
import pytest

from streamgauge.chat import ChatRequest
from streamgauge.dialect import Dialect
from streamgauge.events import OUTPUT
from streamgauge.measurement.delivery import held_back, held_back_of, said
from streamgauge.measurement.results import Stream
from streamgauge.registry import get_dialect
from streamgauge.server import ReplayServer
from streamgauge.server.standalone import paced
from streamgauge.transport import outgoing

SENDS = [0.1 + 0.01 * n for n in range(20)]


def test_delivered_as_it_arrives() -> None:
    """Late by less than a gap is not held back, and neither is now and then later than that."""
    rng = random.Random(1)
    assert held_back(SENDS, [at + 0.0005 for at in SENDS]) == 0
    assert held_back(SENDS, [at + (0.025 if rng.random() < 0.2 else 0.001) for at in SENDS]) == 0


@pytest.mark.parametrize("late", [1, 3, 7])
def test_held_back_by_some_events(late: int) -> None:
    """A client that delivers an event only when so many later ones have come."""
    deliveries = [SENDS[min(n + late, len(SENDS) - 1)] + 0.0005 for n in range(len(SENDS))]
    assert held_back(SENDS, deliveries) == late


def test_all_at_the_end() -> None:
    """A client that reads the whole body first has half of the others sent, in the median."""
    assert held_back(SENDS, [SENDS[-1] + 0.001] * 20) == 10


def test_a_buffer_of_four_events() -> None:
    """Delivered in fours: one or two later ones are there, in the median."""
    deliveries = [SENDS[min(n | 3, 19)] + 0.0005 for n in range(20)]
    assert held_back(SENDS, deliveries) in (1, 2)


def test_what_cannot_be_told_is_not() -> None:
    """Sends too close on each other, too few of them, or events that were joined."""
    assert held_back([0.0001 * n for n in range(20)], [0.1] * 20) is None
    assert held_back(SENDS[:3], SENDS[:3]) is None
    assert held_back(SENDS, SENDS[:-1]) is None


def test_of_the_streams_of_a_result() -> None:
    """A result has deliveries and their delays, from which the sends follow."""

    def stream(late: float) -> Stream:
        gaps, delays = [0.01] * 19, [late] * 20
        return Stream(outcome="complete", e2e=0.4, ttft=0.1 + late, gaps=gaps, delivery_delay=delays)

    assert held_back_of([stream(0.001), stream(0.002)]) == 0
    assert held_back_of([stream(0.025)]) == 2
    assert held_back_of([Stream(outcome="complete", e2e=0.4, ttft=0.1, gaps=[0.01] * 19)]) is None
    assert held_back_of([]) is None


def test_in_words() -> None:
    """Singular, plural, and nothing for what can't be told."""
    assert [said(n) for n in (0, 1, 7, None)] == ["as it arrives", "holds back 1 event", "holds back 7 events", ""]


def deliveries_of(dialect: Dialect, base_url: str, chunk_size: int | None) -> list[float]:
    """When a client that reads pieces of that size has each text."""
    import time

    out = outgoing(base_url, dialect, ChatRequest.of("go"), api_key="none")
    decoder, times = dialect.decoder(), []
    with (
        httpx2.Client(timeout=30) as client,
        client.stream("POST", out.url, headers=dict(out.headers), content=out.content) as response,
    ):
        for read in response.iter_bytes(chunk_size):
            at = time.monotonic()
            times += [at for event in decoder.feed(read) if isinstance(event, OUTPUT)]
    return times


def test_a_client_that_buffers_is_found_over_a_socket() -> None:
    """The same library reads what is there, or waits for whole 64 KiB, which are never there before the end."""
    dialect = get_dialect("openai-chat")
    with ReplayServer() as server, server.mount(paced(dialect, [0.05] * 8)) as mount:
        held = {}
        for size in (None, 65536):
            before = len(mount.sends)
            times = deliveries_of(dialect, mount.base_url, size)
            assert mount.wait()
            # One send is the role, before the texts; what comes after them is not counted.
            held[size] = held_back([sent.at for sent in mount.sends[before + 1 : before + 9]], times)
    assert held[None] == 0
    assert held[65536] == 4
