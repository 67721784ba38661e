"""The replay server: an event loop in a thread of its own, listening on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from streamgauge.errors import StreamgaugeError
from streamgauge.script import Certificate, Script, Transport
from streamgauge.server.certificates import authority
from streamgauge.server.ledger import Plan
from streamgauge.server.listeners import HOST, Kind, Listeners
from streamgauge.server.log import Received
from streamgauge.server.mount import Mount
from streamgauge.server.needs import need, require
from streamgauge.server.routes import Player, bad_request, elsewhere, json_script, refusal, without_query


class ReplayServer:
    """Plays scripts to any HTTP client; a context manager.

    port: 0 takes a free one. speed: how recordings that are picked by URL are played, as in `script_of`. case,
    fault, pace: see `Player`. tls: the certificate of the server's own URL, by default none: cleartext. http2: offer
    it there by ALPN; in cleartext a client that begins with it is answered in it anyway, if h2 is installed.

    A script that needs another transport than that is mounted on a listener of its own.

    Raises StreamgaugeError on entering where the port can't be had, or a library is missing.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        speed: float | None = None,
        case: str = "plain-text",
        fault: str = "",
        pace: float | None = None,
        tls: Certificate = "",
        http2: bool = False,
    ) -> None:
        self._wanted = port
        self._player = Player(case, fault, speed, pace, secure=bool(tls))
        self._mounts: dict[str, Mount] = {}
        self._listeners = Listeners(self._plan, bad_request, Kind(tls, http2 and bool(tls)))
        self._needs = (*(("cryptography",) if tls else ()), *(("h2",) if http2 else ()))
        self._thread: threading.Thread | None = None
        self._mounting = threading.Lock()
        self._started = threading.Event()
        self._failure: Exception | None = None
        self._folder: TemporaryDirectory[str] | None = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`; raises StreamgaugeError before the server was started."""
        if self._thread is None:
            raise StreamgaugeError("the replay server does not run: use it in a with statement, or call start()")
        return self._listeners.origin(self._listeners.own)

    @property
    def ca_pem(self) -> bytes:
        """The certificate of the authority that clients must trust; raises UnavailableError without cryptography."""
        return authority().pem

    @property
    def ca_file(self) -> Path:
        """The same as a file, which is there until the server is closed. It raises as ca_pem does."""
        if self._folder is None:
            pem = self.ca_pem  # first: who asks twice must not get the path of a file that was never written
            self._folder = TemporaryDirectory(prefix="streamgauge-ca-")
            (Path(self._folder.name) / "ca.pem").write_bytes(pem)
        return Path(self._folder.name) / "ca.pem"

    @property
    def open_connections(self) -> int:
        """Connections that are open now, mounted or not."""
        return len(self._listeners.alive)

    def start(self) -> Self:
        """Listen; returns when clients can connect."""
        if self._thread is not None:
            raise StreamgaugeError("the replay server runs already")
        if not 0 <= self._wanted <= 65535:
            raise StreamgaugeError(f"{self._wanted} is no port: give one up to 65535, or 0 for a free one")
        for module in self._needs:
            need(module)
        self._started.clear()
        self._thread = threading.Thread(target=self._run, name="streamgauge-replay", daemon=True)
        try:
            self._thread.start()
            self._started.wait()
        except KeyboardInterrupt:  # nobody will close what was never entered
            self.close()
            raise
        if self._failure is not None:
            self.close()
            raise StreamgaugeError(_advice(self._wanted, self._failure)) from self._failure
        return self

    def close(self) -> None:
        """Drop every connection and end the thread; may be called twice."""
        with self._mounting:  # a listener that another thread is opening is one to close
            thread, self._thread = self._thread, None
        if thread is None:
            return
        self._started.wait()
        if self._failure is None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
        thread.join()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def mount(self, script: Script | Callable[[Received], Script], *, base_path: str = "/v1") -> Mount:
        """Offer a script under a URL of its own; a function is asked at each request, in the server's thread.

        base_path: what `base_url` ends in where a function picks the script; a script's dialect knows its own. Such
        scripts are played on the server's own URL, whatever their transport is.

        Raises UnavailableError where a library is missing that the script needs, StreamgaugeError where the server
        does not run (any more).
        """
        token = secrets.token_urlsafe(6)
        with self._mounting:
            origin = self.url
            if isinstance(script, Script):
                require(script)
                origin = self._origin(script.transport)
        url = f"{origin}/m/{token}"
        base = script.dialect.base_path if isinstance(script, Script) else base_path
        mount = self._mounts[token] = Mount(url, url + base, script, self._unmount)
        return mount

    def _origin(self, transport: Transport) -> str:
        if transport.missing:
            return self._listeners.nowhere(transport.missing)
        kind = self._listeners.kind_of(transport)
        asyncio.run_coroutine_threadsafe(self._listeners.open(kind), self._loop).result()
        return self._listeners.origin(kind)

    def _unmount(self, mount: Mount) -> None:
        self._mounts.pop(mount.url.rpartition("/")[2], None)

    def _run(self) -> None:
        self._failure = None
        try:
            with asyncio.Runner() as runner:
                runner.run(self._main())
        except Exception as error:
            if self._started.is_set():
                raise
            self._failure = error  # whatever it is: who waits for the start is told
        finally:
            self._started.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        await self._listeners.open(self._listeners.own, self._wanted)
        self._started.set()
        await self._stop.wait()
        await self._listeners.close()

    def _plan(self, received: Received) -> Plan:
        plan = self._chosen(received)
        return replace(plan, script=elsewhere(plan.script, received))

    def _chosen(self, received: Received) -> Plan:
        if received.method == "OPTIONS":
            allowed = (("Allow", "GET, HEAD, OPTIONS, POST"),)
            return Plan(json_script(204, None, headers=allowed).but(pieces=()))
        parts = without_query(received.path).split("/")
        if parts[1] != "m":
            return Plan(self._player.script(received))
        mount = self._mounts.get(parts[2]) if len(parts) > 2 else None
        if mount is None:
            return Plan(refusal(404, "this mount is not there (any more)"))
        return mount.plan(received)


def _advice(port: int, error: Exception) -> str:
    match error:
        case OSError(errno=errno.EADDRINUSE):
            return f"port {port} on {HOST} is in use: give another --port, or 0 for a free one"
        case OSError(errno=errno.EACCES):
            return f"port {port} needs privileges: give a --port above 1023, or 0 for a free one"
    return f"can't listen on {HOST}:{port}: {getattr(error, 'strerror', None) or error}"
