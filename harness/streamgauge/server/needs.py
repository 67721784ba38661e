"""What a script needs that is not installed: said before a client connects, with the command that installs it."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from streamgauge.errors import UnavailableError
from streamgauge.script import Script

ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "zstandard"
"""The standard library's from Python 3.14 on (PEP 784)."""

_EXTRAS = {"h2": "http2", "cryptography": "tls", "brotli": "codings", ZSTD: "codings"}


def require(script: Script) -> None:
    """Raises UnavailableError where a library is missing that playing this script takes."""
    for module in _modules(script):
        need(module)


def need(module: str) -> None:
    """Raises UnavailableError, with the extra that brings it, where this library is missing."""
    if find_spec(module) is None:
        raise UnavailableError(f"this takes {module}, not installed: pip install 'streamgauge[{_EXTRAS[module]}]'")


def _modules(script: Script) -> list[str]:
    found = []
    if script.transport.http2:
        found.append("h2")
    if script.transport.certificate:
        found.append("cryptography")
    if script.coding in ("br", "zstd"):
        found.append("brotli" if script.coding == "br" else ZSTD)
    return found + (_modules(script.then) if script.then else [])
