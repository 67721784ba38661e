"""HTTP as the harness speaks it: what the wire did wrong is in the trace, not an exception."""

from __future__ import annotations

from streamgauge.transport.address import (
    NEVER_SENT,
    UnreachableError,
    advice,
    diagnose,
    ending,
    headers_can_carry,
    is_loopback,
    join_url,
    masked,
    patience,
    reason,
    shown,
    unreachable,
)
from streamgauge.transport.exchange import TIMEOUT, Outgoing, Recorder, fetch, fetch_json, outgoing
from streamgauge.transport.headers import merged, read_headers, secrets_in
from streamgauge.transport.trust import trust

__all__ = [
    "NEVER_SENT",
    "TIMEOUT",
    "Outgoing",
    "Recorder",
    "UnreachableError",
    "advice",
    "diagnose",
    "ending",
    "fetch",
    "fetch_json",
    "headers_can_carry",
    "is_loopback",
    "join_url",
    "masked",
    "merged",
    "outgoing",
    "patience",
    "read_headers",
    "reason",
    "secrets_in",
    "shown",
    "trust",
    "unreachable",
]
