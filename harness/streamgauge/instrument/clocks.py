"""Kernel receive timestamps on the clock that everything else uses.

With SO_TIMESTAMPNS a `recvmsg` tells when the kernel received the data, on the wall clock (socket(7)); of a read that
several segments gave, when it received the last one. Everything else here is on `time.monotonic`, which processes on
one machine share, so that stamps are moved by the measured distance of the two clocks.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Sequence

SO_TIMESTAMPNS = 35
"""asm-generic/socket.h; the same number marks the ancillary data. Python has no name for it."""
ANCILLARY = socket.CMSG_SPACE(16) if hasattr(socket, "CMSG_SPACE") else 0
STEP = 50e-6
"""Seconds by which the distance of the clocks may seem to change before it counts as a step of the wall clock."""

_STAMP = struct.Struct("qq")

Ancillary = Sequence[tuple[int, int, bytes]]


def stamping(sock: socket.socket) -> bool:
    """Ask the kernel to stamp what this socket receives; whether it will."""
    if sys.platform != "linux":
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return True


def stamp_of(ancillary: Ancillary) -> int | None:
    """The kernel's stamp in nanoseconds of the wall clock; None where the read carries none."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) == _STAMP.size:
            seconds, nanoseconds = _STAMP.unpack(data)
            return int(seconds * 1_000_000_000 + nanoseconds)
    return None


def wall_offset() -> int:
    """Nanoseconds from `time.monotonic` to the wall clock: the tightest of a few brackets."""
    best, offset = sys.maxsize, 0
    for _ in range(5):
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if after - before < best:
            best, offset = after - before, wall - (before + after) // 2
    return offset


class KeepStamping:
    """Holds a socket that asks for stamps while it lives.

    The kernel stamps packets only while some socket asks, and takes a moment to begin: the first reads of the first
    connection would have none.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.works = stamping(self._socket)

    def close(self) -> None:
        self._socket.close()
