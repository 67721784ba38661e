"""When requests reached this machine's server, by the kernel's stamp of their first packet on loopback.

A server that has sixteen requests at once reads the last of them a millisecond or two after it came. That wait is part
of the TTFT that a client sees, and would be the client's error where TTFT counts from the server's reading. Listening
on loopback takes Linux and root (CAP_NET_RAW); without them there are no stamps, and the page says so.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import threading
from collections import defaultdict
from contextlib import suppress

from streamgauge.instrument.clocks import ANCILLARY, SO_TIMESTAMPNS, stamp_of, wall_offset

SO_ATTACH_FILTER = 26
"""asm-generic/socket.h; Python has no name for it."""
ETH_P_IP = 0x0800
LEAST = 100
"""Bytes of a packet that may be a request: acknowledgements have fewer."""
KEPT = 256


class Arrivals:
    """Stamps of requests to a port, by the mount that their path names; `works` where the kernel lets us listen."""

    def __init__(self, port: int) -> None:
        self._seen: defaultdict[str, list[float]] = defaultdict(list)
        self._filter = ctypes.create_string_buffer(_to_port(port))
        self.works = False
        with suppress(AttributeError, OSError):  # another platform, or not root
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
            self._socket.bind(("lo", 0))
            program = struct.pack("HL", len(self._filter.raw) // 8, ctypes.addressof(self._filter))
            self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            threading.Thread(target=self._listen, daemon=True).start()
            self.works = True

    def of(self, token: str) -> list[float]:
        """Seconds of `time.monotonic` at which requests to that mount came, in order."""
        return list(self._seen[token])

    def _listen(self) -> None:
        while True:
            packet, ancillary, _, _ = self._socket.recvmsg(KEPT, ANCILLARY)
            stamp = stamp_of(ancillary)
            head = (packet[0] & 15) * 4
            text = packet[head + (packet[head + 12] >> 4) * 4 :]
            method, _, target = text.partition(b" ")
            if stamp is not None and method == b"POST" and target.startswith(b"/m/"):
                self._seen[target.split(b"/")[2].decode()].append((stamp - wall_offset()) / 1e9)


def _to_port(port: int) -> bytes:
    """A filter (bpf(4)) for IPv4 packets without options that are long enough and go to a TCP port."""
    program = (
        (0x28, 0, 0, 2),  # the packet's length
        (0x25, 0, 3, LEAST),  # above it: on; else the last line
        (0x28, 0, 0, 22),  # the destination port
        (0x15, 0, 1, port),
        (0x06, 0, 0, KEPT),  # keep so many bytes
        (0x06, 0, 0, 0),
    )
    return b"".join(struct.pack("HBBI", *line) for line in program)
