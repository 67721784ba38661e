"""What `streamgauge bench` was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamgauge.instrument.exchange import Timeouts
from streamgauge.instrument.load import Load
from streamgauge.measurement.calibrations import Calibration, PathName
from streamgauge.provider import ProviderSpec
from streamgauge.transport import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Whom a benchmark measures, and under what load.

    base_url: None is the built-in replay server, whose answers have `events` outputs, the first after `first`
    seconds, then one each `pace` seconds. warmup: streams before the first run, None for as many as fly at a time.
    rate: an open loop's requests a second. calibration: one that was made before; None makes a quick one.
    """

    specs: Sequence[ProviderSpec]
    modes: Sequence[PathName] = ("sync", "async", "wire")
    concurrencies: Sequence[int] = (1, 8)
    requests: int = 20
    runs: int = 6
    warmup: int | None = None
    rate: float | None = None
    base_url: str | None = None
    api_key: Callable[[ProviderSpec], str] = lambda _: ""
    model: str = "gpt-4"
    prompt: str = "Say something long"
    max_tokens: int | None = None
    events: int = 32
    first: float = 0.02
    pace: float = 0.005
    timeouts: Timeouts = field(default_factory=Timeouts)
    calibration: Calibration | None = None

    def load(self, concurrency: int, requests: int) -> Load:
        return Load(
            requests=requests,
            concurrency=concurrency,
            rate=self.rate,
            prompt=self.prompt,
            model=self.model,
            max_tokens=self.max_tokens,
            timeouts=self.timeouts,
        )

    def settings(self) -> dict[str, Any]:
        """The call as it goes into the result: no key, no password in a URL."""
        built_in = {"events": self.events, "first": self.first, "pace": self.pace} if self.base_url is None else {}
        limits = self.timeouts
        return {
            "providers": [spec.name for spec in self.specs],
            "modes": list(self.modes),
            "concurrency": list(self.concurrencies),
            "requests": self.requests,
            "runs": self.runs,
            "warmup": self.warmup,
            "loop": "closed" if self.rate is None else "open",
            "rate": self.rate,
            "interleaved": True,
            "base_url": shown(self.base_url) if self.base_url else None,
            "model": self.model,
            "max_tokens": self.max_tokens,
            "retries": 0,
            "timeouts": {
                "connect": limits.connect,
                "first_event": limits.first_event,
                "idle": limits.idle,
                "total": limits.total,
            },
            **built_in,
        }
