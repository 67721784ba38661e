"""Every dialect over HTTP, without a client library: adding a dialect adds its provider."""

from __future__ import annotations

from streamgauge.http_provider import http_provider
from streamgauge.registry import all_dialects

PROVIDERS = tuple(http_provider(dialect) for dialect in all_dialects().values())
