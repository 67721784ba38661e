"""Where requests go, and what is said when nothing comes back: base URLs, loopback, secrets, advice."""

from __future__ import annotations

import ipaddress
import json
import re
from functools import lru_cache
from urllib.parse import quote

import httpx2

from streamgauge.dialect import Dialect
from streamgauge.errors import BackendError, StreamgaugeError
from streamgauge.trace import TraceEnd
from streamgauge.transport.trust import trust

CONNECT_TIMEOUT = 10.0
"""Seconds for TCP and TLS at most: an http server that is spoken to in TLS often says nothing at all."""

SHORTEST_SECRET = 8
"""Characters of a key that is masked: a made-up one like "x" is no secret, and masking it would deface every text."""

MASK = "*"


class UnreachableError(BackendError):
    """Nothing answered: refused, no such host, TLS failed, no connection in time."""


def join_url(base_url: str, path: str) -> str:
    """The URL of a path below a base URL, which may end in a slash and have a query, which stays behind the path.

    Raises StreamgaugeError where the base URL is not an absolute http or https URL.
    """
    base, mark, query = base_url.partition("?")
    mark = "&" if mark and "?" in path else mark
    try:
        url = httpx2.URL(base.rstrip("/") + path + mark + query)
        url.host.encode("idna")  # what the resolver does first: empty and overlong labels fail there
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise StreamgaugeError(f"{base_url!r} is not a URL ({error}): give one like http://localhost:8000/v1") from None
    if url.scheme not in ("http", "https") or not url.host or (url.port or 0) > 65535:
        raise StreamgaugeError(f"{base_url!r} is not an http URL: give one like http://localhost:8000/v1")
    return str(url)


def patience(timeout: float) -> httpx2.Timeout:
    """httpx2's timeouts for so many seconds of silence."""
    return httpx2.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT))


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine."""
    host = httpx2.URL(url).host
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def shown(url: str) -> str:
    """A URL fit for a message: without user, password and query, where some put a key."""
    return str(httpx2.URL(url).copy_with(userinfo=b"", query=None, fragment=None))


def _in_tls(error: Exception) -> bool:
    """Whether a connection was made and TLS on it failed."""
    return bool(re.search(r"handshake|ssl", str(error), re.IGNORECASE))


def headers_can_carry(api_key: str) -> str:
    """The key, where a header can carry it.

    Raises StreamgaugeError where not: a key has no line ends, and letters of ASCII only.
    """
    if not (api_key.isascii() and api_key.isprintable()):
        raise StreamgaugeError("the API key has characters that an HTTP header can't carry: is it the right one?")
    return api_key


def masked(text: str, *secrets: str) -> str:
    """A text in which each secret is as many asterisks."""
    for spelled in spellings(secrets):
        text = text.replace(spelled, MASK * len(spelled))
    return text


@lru_cache(maxsize=64)
def spellings(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """How secrets may stand in what a backend repeats: as they are, in a JSON string, in a URL.

    The longest first, because one may hold another; short ones not at all.
    """
    found: set[str] = set()
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            in_json = json.dumps(secret)[1:-1]
            found |= {secret, in_json, in_json.replace("/", r"\/"), quote(secret, safe="")}
    return tuple(sorted(found, key=len, reverse=True))


def unreachable(url: str, error: Exception) -> UnreachableError:
    """The error for a connection that did not come about."""
    untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
    hint = "is its authority in SSL_CERT_FILE?" if untrusted else "is the server running, is the URL right?"
    if not untrusted and _in_tls(error):
        hint = "does it speak TLS, or is it http://?"
    return UnreachableError(f"nothing answers at {shown(url)}: {reason(error)}; {hint}")


def advice(base_url: str, dialect: Dialect, status: int | None) -> str:
    """What to do about a 404 whose base URL lacks what the dialect's base URLs end in, else ""."""
    given = shown(base_url).rstrip("/")
    if status != 404 or not dialect.base_path or given.endswith(dialect.base_path):
        return ""
    # A version of another dialect's makes way for it: /v1 for /v1beta.
    right = re.sub(r"/v\d+(?:(?:alpha|beta)\d*)?$", "", given) + dialect.base_path
    return f"the base URL does not end in {dialect.base_path}: try {right}"


def diagnose(base_url: str, dialect: Dialect, *, timeout: float = 5.0) -> BackendError | None:
    """Why nothing comes from a base URL: nothing answers, or it lacks the dialect's base path; None is neither.

    For failures of client libraries, which say it each in their own way. Asks for the list of models, without a key.
    """
    url = join_url(base_url, dialect.models_path or "/")
    try:
        status = httpx2.get(url, timeout=timeout, trust_env=not is_loopback(url), verify=trust()).status_code
    except NEVER_SENT as error:
        return unreachable(url, error)
    except httpx2.RequestError:
        return None
    hint = advice(base_url, dialect, status)
    return BackendError(f"status {status} at {shown(url)}; {hint}") if hint else None


NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol)
"""Failures before a request was sent: they say nothing about a stream."""


def ending(error: httpx2.RequestError) -> TraceEnd:
    """How a response ended that failed with this error of httpx2's."""
    if isinstance(error, httpx2.TimeoutException):
        return "timeout"
    return "reset" if isinstance(error, httpx2.NetworkError) else "incomplete"


def reason(error: Exception) -> str:
    """What an exception says, or is, where it says nothing."""
    return str(error) or type(error).__name__
