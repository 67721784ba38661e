"""The environment of clients that talk to the replay server only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from streamgauge.errors import UnavailableError
from streamgauge.server import ReplayServer

TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
"""What OpenSSL and httpx, requests, curl, botocore and Node read for the authorities to trust."""

NO_PROXY = ("NO_PROXY", "no_proxy")


@contextmanager
def surroundings(server: ReplayServer) -> Iterator[None]:
    """Within it, this process and those that it starts trust the server's authority and nobody else, and no proxy is
    used. Client libraries can be told that by environment variables only, which they read when a client is made.

    A bundle of one certificate also spares each client the reading of 150, which takes longer than a stream.
    """
    wanted = dict.fromkeys(NO_PROXY, "*")
    with suppress(UnavailableError):  # faults that need TLS are not run then
        wanted |= dict.fromkeys(TRUST, str(server.ca_file))
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
