"""What a result was made with, and when."""

from __future__ import annotations

import importlib.util
import os
import platform
from contextlib import suppress
from datetime import datetime
from importlib.metadata import version

from streamgauge.instrument.response import fast


def stamp(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def versions() -> dict[str, str]:
    """What a result was made with: ours, Python, the platform, the processor, the probe's parser and loop."""
    return {
        "streamgauge": version("streamgauge"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": f"{_processor()}, {os.cpu_count()} cores",
        "http parser": f"httptools {version('httptools')}" if fast() else "streamgauge",
        "event loop of the probe": f"uvloop {version('uvloop')}" if importlib.util.find_spec("uvloop") else "asyncio",
    }


def _processor() -> str:
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
