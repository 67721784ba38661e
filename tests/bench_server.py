"""The replay server in its own process, an answer in one write for each dialect: prints JSON, ends with stdin.

Run by bench_providers.py, whose bursts must not depend on how writes and reads happen to meet; holds no benchmarks.
"""

from __future__ import annotations

import json
import sys

from streamgauge.registry import all_dialects
from streamgauge.server import ReplayServer
from streamgauge.server.standalone import paced


def main() -> None:
    """Serve so many events (the argument) in every dialect until standard input ends."""
    events = int(sys.argv[1])
    with ReplayServer() as server:
        urls = {}
        for name, dialect in all_dialects().items():
            script = paced(dialect, (0.0,) * events)
            urls[name] = server.mount(script.with_body([script.body])).base_url
        print(json.dumps(urls), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
