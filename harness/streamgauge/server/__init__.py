"""The replay server: raw sockets on loopback that play scripts, with a send log."""

from __future__ import annotations

from streamgauge.server.log import Received, Sent
from streamgauge.server.mount import Mount
from streamgauge.server.replay import ReplayServer

__all__ = ["Mount", "Received", "ReplayServer", "Sent"]
