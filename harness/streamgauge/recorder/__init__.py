"""Records what a server streams: exact body bytes, cuts, times and request, never a key."""

from __future__ import annotations

from streamgauge.recorder.keep import Keeper, Label
from streamgauge.recorder.once import record_once
from streamgauge.recorder.proxy import Kept, RecordingProxy
from streamgauge.recorder.tap import Upstream

__all__ = ["Keeper", "Kept", "Label", "RecordingProxy", "Upstream", "record_once"]
