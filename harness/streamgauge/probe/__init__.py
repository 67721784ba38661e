"""The requests that an endpoint is judged by, and the exchanges that they give.

A server can only be judged by what it was asked: text, text that is cut short, tools, several choices, usage or none,
what is not a request at all, and a caller who goes away. Each request is sent once, one after the other.
"""

from __future__ import annotations

from streamgauge.probe.endpoint import NO_SUCH_MODEL, Target, first_model, need_base_url
from streamgauge.probe.keeping import keep
from streamgauge.probe.replayed import REPLAYED, plays_by_heart, without_requests
from streamgauge.probe.requests import Probe, probes
from streamgauge.probe.sending import count, exchanges

__all__ = [
    "NO_SUCH_MODEL",
    "REPLAYED",
    "Probe",
    "Target",
    "count",
    "exchanges",
    "first_model",
    "keep",
    "need_base_url",
    "plays_by_heart",
    "probes",
    "without_requests",
]
