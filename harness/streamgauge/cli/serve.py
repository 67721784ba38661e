"""`streamgauge serve`: the replay server for any client, in any language."""

from __future__ import annotations

import threading
from typing import Any, cast, get_args
from urllib.parse import quote

import click

from streamgauge.dialect import Dialect
from streamgauge.events import to_json
from streamgauge.faults import apply_faults
from streamgauge.recordings import get_recording, shipped
from streamgauge.registry import all_dialects
from streamgauge.script import Certificate, script_of
from streamgauge.server import ReplayServer

CERTIFICATES = [kind for kind in get_args(Certificate) if kind]


@click.command(name="serve")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port; 0, the default, takes a free one.")
@click.option("--case", default="plain-text", show_default=True, help="What a request gets that names no case itself.")
@click.option("--fault", default="", metavar="SPEC", help="Faults for it, like bom+byte-by-byte (streamgauge faults).")
@click.option("--speed", type=click.FloatRange(0, min_open=True), help="Recorded times: 1 keeps them, 2 halves them.")
@click.option("--pace", type=click.FloatRange(0), metavar="SECONDS", help="So many seconds an event instead.")
@click.option("--tls", type=click.Choice(CERTIFICATES), help="Serve https with this certificate of a throw-away CA.")
@click.option("--http2", is_flag=True, help="Offer HTTP/2 by ALPN (with --tls); in cleartext it is spoken anyway.")
def command(
    port: int, case: str, fault: str, speed: float | None, pace: float | None, tls: str | None, http2: bool
) -> int:
    """Play recordings on loopback until Ctrl-C; prints the base URL as one line of JSON.

    Any client can be pointed at base_url. /play/CASE/v1 and /play/CASE/FAULTS/v1 pick a recording and faults by URL:
    http://127.0.0.1:PORT/play/plain-text/bom+byte-by-byte/v1/chat/completions
    `dialects` has the base URL of each dialect; that of a profile (open-responses) picks its recording so, because it
    is asked at the same path as the dialect that it is one of.

    With TLS, which faults like http2 and tls bring along, ca_file is what clients have to trust.
    """
    if speed is not None and pace is not None:
        raise click.UsageError("--speed keeps the recorded times and --pace replaces them: give one of them")
    # refuse a misspelt name now, not at the first request
    needs = apply_faults(script_of(get_recording(case)), fault).transport
    if needs.missing:
        raise click.UsageError(f"{fault}: nobody is to be there, so there is nothing to serve")
    certificate = cast("Certificate", tls or needs.certificate)
    http2 = http2 or needs.http2
    with ReplayServer(
        port=port, speed=speed, case=case, fault=fault, pace=pace, tls=certificate, http2=http2
    ) as server:
        trust = {"ca_file": str(server.ca_file)} if certificate else {}
        click.echo(to_json(_facts(server.url, case, fault) | trust))
        _until_interrupted()
    return 0


def _facts(url: str, case: str, fault: str) -> dict[str, Any]:
    dialects = {d.name: url + _selected(d, case, fault) + d.base_path for d in all_dialects().values()}
    return {
        "url": url,
        "base_url": dialects[get_recording(case).dialect],
        "dialects": dialects,
        "cases": sorted(shipped()),
    }


def _selected(dialect: Dialect, case: str, fault: str) -> str:
    """What picks the recording of a profile in a URL: the path of its requests is that of the dialect it is one of."""
    name = f"{dialect.name}/{case}"
    return "/play/" + quote(f"{name}/{fault}".rstrip("/")) if dialect.profile_of and name in shipped() else ""


def _until_interrupted() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        click.echo(err=True)  # the shell's prompt goes on a line of its own behind ^C
