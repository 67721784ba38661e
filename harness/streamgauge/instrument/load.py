"""What a run asks for: how many streams, how many at a time, when each is meant to start."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from streamgauge.chat import ChatMessage, ChatRequest
from streamgauge.instrument.backend import Stage
from streamgauge.instrument.exchange import Timeouts
from streamgauge.tags import tagged


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a run asks for. rate: requests a second in an open loop, None for a closed one, in which each place that
    becomes free starts the next stream. prompt, model, max_tokens: what is asked.
    """

    requests: int
    concurrency: int
    rate: float | None = None
    prompt: str = "Say something long"
    model: str = "gpt-4"
    max_tokens: int | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)

    def request(self, tag: int, stage: Stage | None) -> ChatRequest:
        """The request of one stream; only the built-in server needs to tell streams apart."""
        prompt = self.prompt if stage is None else tagged(self.prompt, tag)
        messages = (ChatMessage("user", prompt),)
        return ChatRequest(messages=messages, model=self.model, max_tokens=self.max_tokens)


def intended_starts(rate: float, *, seed: int) -> Iterator[float]:
    """Seconds after the run's start at which requests are meant to be sent: a Poisson process of that rate.

    The same seed gives the same moments, so that all subjects of a round get the same load.
    """
    draw = random.Random(seed)
    at = 0.0
    while True:
        yield at
        at += draw.expovariate(rate)
