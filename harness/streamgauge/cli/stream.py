"""`streamgauge stream`: an answer as it arrives, on the sync path, then on the async path."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import aclosing, closing, contextmanager
from typing import Any

import click

from streamgauge import loops
from streamgauge.chat import ChatRequest
from streamgauge.cli._secrets import mask
from streamgauge.errors import BackendError, StreamgaugeError
from streamgauge.events import End, Event, Finish, RefusalDelta, StreamError, TextDelta
from streamgauge.message import join
from streamgauge.provider import Connection, ProviderSpec, get_provider
from streamgauge.registry import get_dialect
from streamgauge.server import ReplayServer
from streamgauge.transport import TIMEOUT, UnreachableError, diagnose, is_loopback, join_url

PACE = 0.04
"""Seconds between the events of the built-in server: about as fast as people read along."""

HEADINGS = {"sync": "Synchronous Stream:", "async": "Asynchronous Stream:"}


@click.command(name="stream")
@click.argument("prompt")
@click.option("--provider", default="openai-chat", show_default=True, metavar="P", help="What to stream through.")
@click.option("--model", default="gpt-4", show_default=True, metavar="M", help="The model to ask.")
@click.option("--base-url", metavar="U", help="Where to stream from. Default: the built-in replay server.")
@click.option("--api-key", metavar="K", help="The key. Default: the provider's usual environment variable.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=TIMEOUT,
    show_default=True,
    metavar="SECONDS",
    help="Silence after which a stream has failed.",
)
@click.option("--sync", "only", flag_value="sync", help="Only the synchronous stream.")
@click.option("--async", "only", flag_value="async", help="Only the asynchronous stream.")
def command(
    prompt: str, provider: str, model: str, base_url: str | None, api_key: str | None, timeout: float, only: str | None
) -> int:
    """Stream the answer to PROMPT, on the sync path and then on the async path, as it arrives.

    Without --base-url it comes from the built-in replay server, which answers every prompt with the same recording.
    What had arrived when a stream failed stays on standard output.
    """
    secrets = ("--api-key", api_key or "")
    try:
        spec = get_provider(provider)
        with _backend(spec, base_url, api_key, timeout) as connection:
            program = _Program(spec, connection, ChatRequest.of(prompt, model=model), built_in=base_url is None)
            return max(program.run(path) for path in _paths(spec, only))
    except StreamgaugeError as error:
        _complain(error, secrets)
        return 2


def _paths(spec: ProviderSpec, only: str | None) -> list[str]:
    wanted = [only] if only else list(HEADINGS)
    for path in wanted:
        if path not in spec.capabilities:
            raise StreamgaugeError(f"{spec.name} has no {path} path: give --{'sync' if path == 'async' else 'async'}")
    return wanted


@contextmanager
def _backend(spec: ProviderSpec, base_url: str | None, api_key: str | None, timeout: float) -> Iterator[Connection]:
    """Where to stream from, and with which key: none is needed on this machine, and none goes to the built-in server.

    Raises StreamgaugeError for a base URL that is none and for a missing key.
    """
    if base_url is None:
        with ReplayServer(pace=PACE) as server:
            url = server.url + get_dialect(spec.dialect).base_path
            yield Connection(base_url=url, api_key="none", timeout=timeout)
        return
    join_url(base_url, "")
    try:
        key = spec.key(api_key)
    except StreamgaugeError:
        if not is_loopback(base_url):
            raise
        key = ""
    yield Connection(base_url=base_url, api_key=key, timeout=timeout)


class _Answer:
    """What of a stream is shown, and what was wrong with it."""

    def __init__(self, spec: ProviderSpec) -> None:
        self._spec = spec
        self._held = ""
        self._finished = False
        self.problem = ""
        self.events = 0

    def text(self, event: Event) -> str:
        """The text that an event adds. One half of a surrogate pair waits for the other."""
        self.events += 1
        match event:
            case TextDelta(choice=0) | RefusalDelta(choice=0):
                text = join([self._held, event.text])
                cut = len(text) - 1 if "\ud800" <= text[-1] <= "\udbff" else len(text)
                self._held = text[cut:]
                return text[:cut]
            case Finish():
                self._finished = True
            case StreamError():
                self.problem = self.problem or event.message or event.error_type or "the stream reported an error"
            case End() if event.ended != "complete":
                self.problem = self.problem or f"the stream ended {event.ended}: {event.reason}"
            case End():
                self._look_for_finish()
        return ""

    def _look_for_finish(self) -> None:
        """A library's word that its iteration ended is no word on whether the answer did."""
        if self._spec.kind == "library" and "finish" in self._spec.capabilities and not self._finished:
            self.problem = self.problem or "the stream ended truncated: no finish_reason came"

    def rest(self) -> str:
        """The half of a surrogate pair whose other half never came."""
        return self._held


class _Program:
    """Streams the same request on either path of one provider."""

    def __init__(self, spec: ProviderSpec, connection: Connection, request: ChatRequest, *, built_in: bool) -> None:
        self._spec = spec
        self._connection = connection
        self._request = request
        self._built_in = built_in
        self._provider = spec.open(connection)
        self._output = _Output()

    def run(self, path: str) -> int:
        """Stream and print; the exit code of this path.

        Raises StreamgaugeError where the call was wrong or nothing answers: the other path would not fare better.
        """
        self._output.section(HEADINGS[path])
        answer = _Answer(self._spec)
        failure: Exception | None = None
        try:
            if path == "sync":
                self._sync(answer)
            else:
                loops.run(self._async(answer))
        except Exception as error:
            if self._output.gone:
                raise
            failure = error
        self._output.write(answer.rest() + "\n")
        if failure is None and not answer.problem:
            return 0
        if failure is not None and not answer.events and (wrong := self._wrong_call(failure)):
            raise wrong
        _complain(failure or answer.problem, ("--api-key", self._connection.api_key))
        return 1

    def _sync(self, answer: _Answer) -> None:
        events: Any = self._provider.stream(self._request)
        try:
            with closing(events):
                for event in events:
                    self._output.write(answer.text(event))
        finally:
            self._provider.close()

    async def _async(self, answer: _Answer) -> None:
        events: Any = self._provider.astream(self._request)
        try:
            async with aclosing(events):
                async for event in events:
                    self._output.write(answer.text(event))
        finally:
            await self._provider.aclose()

    def _wrong_call(self, failure: Exception) -> StreamgaugeError | None:
        """The failure as the caller's mistake, or the backend's absence, where it is either."""
        if isinstance(failure, UnreachableError):
            return failure
        if isinstance(failure, StreamgaugeError) and not isinstance(failure, BackendError):
            return failure
        if self._built_in:
            return None
        return diagnose(self._connection.base_url, get_dialect(self._spec.dialect))


class _Output:
    """Standard output as UTF-8, whatever the terminal's encoding, and flushed at once."""

    def __init__(self) -> None:
        self._sections = 0
        self.gone = False

    def section(self, heading: str) -> None:
        self.write(f"\n{heading}\n" if self._sections else f"{heading}\n")
        self._sections += 1

    def write(self, text: str) -> None:
        if not text:
            return
        try:
            sys.stdout.buffer.write(text.encode("utf-8", "replace"))
            sys.stdout.buffer.flush()
        except OSError:
            self.gone = True
            raise


def _complain(error: Exception | str, secrets: tuple[str, str]) -> None:
    line = " ".join(str(error).split()) or type(error).__name__
    click.echo(mask(f"An error occurred: {line}", secrets), err=True)
