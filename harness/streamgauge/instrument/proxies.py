"""Which proxy the environment names for a URL: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, in either case."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

from streamgauge.errors import StreamgaugeError
from streamgauge.transport import is_loopback, shown


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; `authorization` is the value of Proxy-Authorization, "" for none."""

    host: str
    port: int
    authorization: str = ""


def proxy_for(url: str) -> Proxy | None:
    """The proxy for a URL, None where it is reached directly: this machine always is, as NO_PROXY's hosts are.

    Raises StreamgaugeError for a proxy that speaks anything but plain HTTP to us.
    """
    parts = urlsplit(url)
    if is_loopback(url):
        return None
    known = getproxies_environment()
    named = known.get(parts.scheme) or known.get("all")
    if not named or proxy_bypass_environment(parts.netloc.rpartition("@")[2], known):
        return None
    return _parsed(urlsplit(named if "://" in named else f"http://{named}"))


def _parsed(parts: SplitResult) -> Proxy:
    if parts.scheme != "http" or not parts.hostname:
        where = shown(parts.geturl()) if parts.hostname else "it has no host"
        raise StreamgaugeError(
            f"the environment names a proxy that the wire probe can't use ({where}): it speaks to http:// proxies"
            " only; unset the variable, or name the host in NO_PROXY"
        )
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return Proxy(parts.hostname, parts.port or 80, authorization)
