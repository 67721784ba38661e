"""Recordings as an in-process mock for clients on httpx and httpx2, sync and async: no sockets, same scripts and log.

It covers what happens behind the HTTP library: framing, chunk bounds on the wire and content codings do not exist
here. Clients on other HTTP libraries need the replay server. Needs the extra `mock`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from streamgauge.errors import UnavailableError
from streamgauge.faults import apply_faults
from streamgauge.recordings import Recording
from streamgauge.script import Piece, Script, script_of
from streamgauge.server.ledger import Plan
from streamgauge.server.log import Answer, Log, Received, Sent, masked, masked_path, now
from streamgauge.server.mount import Mount

if TYPE_CHECKING:
    import httpx

BASE_URL = "https://mock.invalid/v1"
"""A host that never resolves (RFC 6761 6.4): what is not mocked can't leave the machine by mistake."""


@dataclass(frozen=True, slots=True)
class MockedBackend:
    """Where to point clients, and what they asked. The log is that of the replay server."""

    base_url: str
    _mount: Mount

    @property
    def requests(self) -> list[Received]:
        """Requests so far, look-ups of models included, secrets masked."""
        return self._mount.requests

    @property
    def sends(self) -> list[Sent]:
        """The pieces that clients have read, each with the time at which they asked for it."""
        return self._mount.sends

    @property
    def unfinished(self) -> int:
        """Answers that were neither read to their end nor closed."""
        return self._mount.unfinished


@contextmanager
def mock_provider(
    source: Script | Recording | Callable[[Received], Script], base_url: str = BASE_URL, *, fault: str = ""
) -> Iterator[MockedBackend]:
    """Answer every httpx and httpx2 client that asks the host of `base_url`, until the block ends.

    source: a script, a recording (which is sent without its delays), or a function of the request. fault: a spec
    for the first two. FIN and RST come out as the library's own exceptions, silence as its read timeout, at once.
    Requests to other hosts fail, unless another mock answers them.

    Raises UnavailableError, with the install command, where respx or pytest-httpx2 is missing.
    """
    if isinstance(source, Recording):
        source = script_of(source)
    if isinstance(source, Script):
        source = apply_faults(source, fault)
    parts = urlsplit(base_url)
    mount = Mount(f"{parts.scheme}://{parts.netloc}", base_url, source, lambda _: None)
    with ExitStack() as stack:
        for mocker, library in _stacks():
            stack.enter_context(_registered(mocker, _Answering(mount, library), str(parts.hostname)))
        yield MockedBackend(base_url, mount)


def _stacks() -> list[tuple[Any, ModuleType]]:
    """respx's mockers, each with the library whose exceptions its clients expect."""
    try:
        import httpcore
        import httpcore2
        import pytest_httpx2  # noqa: F401 - registers "httpcore2"; without it nothing is mocked, silently
        from respx.mocks import Mocker
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"the in-process mock needs {error.name}, not installed: pip install 'streamgauge[mock]'"
        ) from error
    return [(Mocker.registry["httpcore"], httpcore), (Mocker.registry["httpcore2"], httpcore2)]


@contextmanager
def _registered(mocker: Any, answer: _Answering, host: str) -> Iterator[None]:
    import respx

    router = respx.Router(assert_all_called=False)
    router.route(host=host).mock(side_effect=answer.respond)
    mocker.register(router)
    mocker.start()
    try:
        yield
    finally:
        mocker.unregister(router)
        mocker.stop()


@dataclass(frozen=True, slots=True)
class _Answering:
    """Makes a fresh response for each request: one that is reused would be empty the second time."""

    mount: Mount
    library: ModuleType

    def respond(self, request: httpx.Request) -> httpx.Response:
        import httpx

        received = Received(
            request.method,
            masked_path(request.url.raw_path.decode("latin-1")),
            masked({name.lower(): value for name, value in request.headers.items()}),
            request.content,
            now(),
            0,
        )
        plan = self.mount.plan(received)
        body = _Body(plan, self.library)
        if plan.log is not None:
            body.record = (plan.log, plan.log.begin(received, look_up=plan.look_up))
            plan.log.close(received.connection, None)  # there are no connections here
        if plan.script.head_delay is None:
            raise body.failure("ReadTimeout", "the mocked backend stays silent")
        if plan.script.head_delay:
            time.sleep(plan.script.head_delay)
        return httpx.Response(plan.script.status, headers=list(plan.script.headers), stream=cast("Any", body))


@dataclass(slots=True)
class _Body:
    """The pieces as given, to sync and async readers alike, then the ending."""

    plan: Plan
    library: ModuleType
    record: tuple[Log, Answer] | None = field(default=None)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces():
            if piece.delay:
                time.sleep(piece.delay)
            yield self._sent(piece)
        self._end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        import anyio  # what httpx and httpx2 sleep with: clients may run on trio

        for piece in self._pieces():
            if piece.delay:
                await anyio.sleep(piece.delay)
            yield self._sent(piece)
        self._end()

    def close(self) -> None:
        if self.record is not None:
            log, answer = self.record
            log.end(answer, "client", now())

    async def aclose(self) -> None:
        self.close()

    def failure(self, name: str, message: str) -> Exception:
        """An exception of the client's HTTP library, noted as the server's end."""
        self._ended()
        error: Exception = getattr(self.library, name)(message)
        return error

    def _pieces(self) -> Iterator[Piece]:
        left = len(self.plan.script.delivered)
        for piece in self.plan.script.pieces:
            data = piece.data[:left]
            left -= len(data)
            if data:
                yield Piece(data, piece.delay)

    def _sent(self, piece: Piece) -> bytes:
        if self.record is not None:
            log, answer = self.record
            log.sends.append(Sent(now(), len(piece.data), answer.request))
        return piece.data

    def _end(self) -> None:
        script = self.plan.script
        # Without framing, the end of the connection is the proper end.
        match script.ending if script.framing != "close" or script.ending != "fin" else "complete":
            case "reset":
                raise self.failure("ReadError", "Connection reset by peer")
            case "fin":
                raise self.failure(
                    "RemoteProtocolError", "peer closed connection without sending complete message body"
                )
            case "hold":
                raise self.failure("ReadTimeout", "the mocked backend stays silent")
        self._ended()

    def _ended(self) -> None:
        if self.record is not None:
            log, answer = self.record
            log.end(answer, "server", now())
