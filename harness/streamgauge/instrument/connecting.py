"""How the wire probe's connections come about: names, TCP, a proxy's tunnel, TLS."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from functools import cache
from typing import cast

from streamgauge.instrument.clocks import stamping
from streamgauge.instrument.link import Endpoint, Link, PlainLink, StreamLink
from streamgauge.instrument.proxies import Proxy
from streamgauge.recorder.response import ResponseReader


async def connect(endpoint: Endpoint) -> Link:
    """A connection to where requests go, through the proxy and TLS where there are any.

    Raises OSError (ssl.SSLError is one) where it does not come about.
    """
    where = (endpoint.proxy.host, endpoint.proxy.port) if endpoint.proxy else (endpoint.host, endpoint.port)
    sock = await _tcp(*where)
    try:
        if endpoint.tls and endpoint.proxy:
            await _tunnel(sock, endpoint, endpoint.proxy)
        if not endpoint.tls and hasattr(sock, "recvmsg"):
            return PlainLink(sock)
        context = _context() if endpoint.tls else None
        _, link = await asyncio.get_running_loop().create_connection(
            StreamLink, sock=sock, ssl=context, server_hostname=endpoint.host if endpoint.tls else None
        )
    except BaseException:
        sock.close()
        raise
    return link


def _context() -> ssl.SSLContext:
    return _trusting(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _trusting(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Made once for what is trusted: to read the authorities takes tens of milliseconds, in which no stream is read."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _tcp(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    failure: OSError = OSError(f"no address for {host}")
    for family, kind, number, _, address in await _addresses(host, port):
        sock = socket.socket(family, kind, number)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stamping(sock)  # before the first packet of an answer can come
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


async def _addresses(host: str, port: int) -> list[tuple[int, int, int, str, tuple[object, ...]]]:
    with contextlib.suppress(OSError):  # no thread for an address that needs no resolver
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return cast("list[tuple[int, int, int, str, tuple[object, ...]]]", found)
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return cast("list[tuple[int, int, int, str, tuple[object, ...]]]", found)


async def _tunnel(sock: socket.socket, endpoint: Endpoint, proxy: Proxy) -> None:
    """Ask a proxy for a tunnel (RFC 9110 9.3.6); raises OSError where it refuses."""
    where = f"{endpoint.host}:{endpoint.port}"
    login = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
    loop, head = asyncio.get_running_loop(), ResponseReader("HEAD")
    await loop.sock_sendall(sock, f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n{login}\r\n".encode())
    while head.status is None and not head.broken:
        data = await loop.sock_recv(sock, 1)  # not a byte of what follows belongs to us
        if not data:
            break
        head.feed(data)
    if head.status is None or not 200 <= head.status < 300:
        said = f"status {head.status}" if head.status else "no answer"
        raise OSError(f"the proxy {proxy.host}:{proxy.port} opens no tunnel to {where}: {said}")
