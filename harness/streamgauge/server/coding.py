"""Content codings (RFC 9110 8.4.1), flushed at each piece, so that no event is held back by its compressor."""

from __future__ import annotations

import sys
import zlib
from dataclasses import dataclass
from typing import Any, Protocol

from streamgauge.script import Script


class Coder(Protocol):
    """One coded body."""

    def piece(self, data: bytes) -> bytes:
        """Bytes from which a client can decode all of this piece."""

    def end(self) -> bytes:
        """What closes the coding."""


def coder(script: Script) -> Coder | None:
    """What codes the body of this answer; None where it goes as it is."""
    match script.coding:
        case "gzip":
            return _Zlib(zlib.compressobj(wbits=31))
        case "deflate":
            return _Zlib(zlib.compressobj(wbits=15))
        case "br":
            import brotli

            return _Brotli(brotli.Compressor())
        case "zstd" if sys.version_info >= (3, 14):
            from compression import zstd

            return _Zstd(zstd.ZstdCompressor())
        case "zstd":
            import zstandard

            return _Zstandard(zstandard.ZstdCompressor().compressobj())
        case _:
            return None


@dataclass(slots=True)
class _Zlib:
    made: Any

    def piece(self, data: bytes) -> bytes:
        coded: bytes = self.made.compress(data) + self.made.flush(zlib.Z_SYNC_FLUSH)
        return coded

    def end(self) -> bytes:
        rest: bytes = self.made.flush()
        return rest


@dataclass(slots=True)
class _Brotli:
    made: Any

    def piece(self, data: bytes) -> bytes:
        coded: bytes = self.made.process(data) + self.made.flush()
        return coded

    def end(self) -> bytes:
        rest: bytes = self.made.finish()
        return rest


@dataclass(slots=True)
class _Zstd:
    """`compression.zstd`."""

    made: Any

    def piece(self, data: bytes) -> bytes:
        coded: bytes = self.made.compress(data, mode=self.made.FLUSH_BLOCK)
        return coded

    def end(self) -> bytes:
        rest: bytes = self.made.flush(self.made.FLUSH_FRAME)
        return rest


@dataclass(slots=True)
class _Zstandard:
    """The `zstandard` distribution."""

    made: Any

    def piece(self, data: bytes) -> bytes:
        import zstandard

        coded: bytes = self.made.compress(data) + self.made.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        return coded

    def end(self) -> bytes:
        rest: bytes = self.made.flush()
        return rest
