"""`streamgauge record`: a proxy that keeps what a server streams, or one request of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from pathlib import Path
from typing import Any

import click

from streamgauge.chat import ChatMessage, ChatRequest
from streamgauge.cli._headers import header_option
from streamgauge.cli._output import note
from streamgauge.dialect import Dialect
from streamgauge.errors import StreamgaugeError
from streamgauge.recorder import Keeper, Kept, Label, RecordingProxy, Upstream, record_once
from streamgauge.registry import get_dialect
from streamgauge.trace import Headers

DEFAULT_DIALECT = "openai-chat"


@click.command(name="record")
@click.option("--upstream", required=True, metavar="URL", help="Base URL of the server, as its clients are given it.")
@click.option(
    "--dialect",
    metavar="D",
    help="What the server speaks. Default: seen from the requests; with --prompt, openai-chat.",
)
@click.option("--out", default="recordings", metavar="FOLDER", show_default=True, help="Where recordings go.")
@click.option("--case", default="", metavar="NAME", help="What the first is called; further ones get a number.")
@click.option("--server", default="", metavar="NAME", help="Name of the server's software, for the provenance.")
@click.option("--server-version", default="", metavar="V", help="Its version.")
@click.option("--overwrite", is_flag=True, help="Replace a recording that has the name already.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port to listen on. Default: free.")
@click.option("--prompt", metavar="TEXT", help="Don't listen: ask this, once streaming and once not.")
@click.option("--model", metavar="M", help="With --prompt: the model to ask.")
@click.option("--set", "members", multiple=True, metavar="NAME=JSON", help="With --prompt: a member of the request.")
@click.option("--api-key", default="", metavar="KEY", help="With --prompt: the key. It is never recorded.")
@header_option
@click.option("--no-reference", is_flag=True, help="With --prompt: don't ask for the non-streaming answer.")
def command(
    upstream: str,
    dialect: str | None,
    out: str,
    case: str,
    server: str,
    server_version: str,
    overwrite: bool,
    port: int,
    prompt: str | None,
    model: str | None,
    members: tuple[str, ...],
    api_key: str,
    headers: Headers,
    no_reference: bool,
) -> int:
    """Keep what a server streams: exact bytes, cuts, times and request, without keys and cookies.

    Listens on loopback and prints the base URL to give to clients, as JSON; each recording is a further line. Ctrl-C
    ends it and keeps what had arrived. With --prompt it sends one request itself.
    """
    label = Label(case=case, server=server, version=server_version, overwrite=overwrite)
    source = Upstream(upstream)
    spoken = get_dialect(dialect) if dialect else None
    if prompt is None:
        for option, given in (("--model", model), ("--set", members), ("--api-key", api_key), ("--header", headers)):
            if given:
                raise StreamgaugeError(f"{option} goes with --prompt; clients of the proxy send their own")
        keeper = Keeper(Path(out), label, source.host)
        return asyncio.run(_proxy(RecordingProxy(source, keeper, _report, dialect=spoken, port=port)))
    if model is None:
        raise StreamgaugeError("--prompt needs --model: which model is to answer?")
    request = ChatRequest(messages=(ChatMessage("user", prompt),), model=model, extra=_members(members))
    return asyncio.run(
        _once(
            source,
            spoken or get_dialect(DEFAULT_DIALECT),
            request,
            Keeper(Path(out), label, source.host),
            api_key=api_key,
            headers=headers,
            reference=not no_reference,
        )
    )


async def _proxy(proxy: RecordingProxy) -> int:
    """Run until Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: there Ctrl-C cancels this coroutine
            loop.add_signal_handler(number, stop.set)
    async with proxy:
        _line({"base_url": proxy.base_url})
        await stop.wait()
    return 0


async def _once(source: Upstream, dialect: Dialect, request: ChatRequest, keeper: Keeper, **options: Any) -> int:
    kept = await record_once(source, dialect, request, keeper, **options)
    _report(kept)
    status = kept.recording.trace.status or 0
    if status >= 400:
        note(f"the server answered {status}; that is what was recorded")
    return 0


def _members(given: tuple[str, ...]) -> dict[str, Any]:
    """Members of the request as `NAME=JSON`; raises StreamgaugeError for what is no JSON."""
    found = {}
    for word in given:
        name, equals, value = word.partition("=")
        try:
            found[name] = json.loads(value)
        except ValueError:
            equals = ""
        if not (name and equals):
            raise StreamgaugeError(f"--set {word}: give NAME=JSON, as in temperature=0 or 'stop=[\"END\"]'")
    return found


def _report(what: Kept | str) -> None:
    if isinstance(what, str):
        note(what)
        return
    recording, trace = what.recording, what.recording.trace
    _line(
        {
            "case": recording.name,
            "file": str(what.file),
            "status": trace.status,
            "ended": trace.ended,
            "message": recording.message.ended,
            "bytes": len(trace.body),
            "reads": len(trace.arrivals),
            "seconds": trace.ended_at,
        }
    )


def _line(value: dict[str, Any]) -> None:
    click.echo(json.dumps(value))
