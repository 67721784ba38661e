"""Which authorities HTTPS connections trust: those of the machine, or of SSL_CERT_FILE and SSL_CERT_DIR."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

import httpx2


def trust() -> ssl.SSLContext:
    """A client's `verify`, shared by all clients: reading the authorities anew takes longer than a stream."""
    return _context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=8)
def _context(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    # The variables count also where no proxy does: a server on loopback may well have an authority of its own.
    return httpx2.create_ssl_context(trust_env=True)
