"""What only the kernel can do for a connection: say what it has not sent yet, and reset."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys

_SIOCOUTQNSD = 0x894B  # bytes that the kernel has not sent yet (linux/sockios.h)


async def linger_not(sock: socket.socket) -> None:
    """Make the coming close an RST, once the kernel has sent what it has, which an RST would discard."""
    for _ in range(1000):
        if not _unsent(sock):
            break
        await asyncio.sleep(0.001)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _unsent(sock: socket.socket) -> int:
    if sys.platform != "linux":
        return 0
    return int.from_bytes(fcntl.ioctl(sock.fileno(), _SIOCOUTQNSD, b"\0" * 4), sys.byteorder)
