"""Asks an endpoint what `streamgauge check` judges it by; apart from files, which need no HTTP client."""

from __future__ import annotations

import os
import shlex
from contextlib import closing
from pathlib import Path

from streamgauge.cli._judging import Findings, Options
from streamgauge.cli._output import note
from streamgauge.dialect import Dialect
from streamgauge.errors import BackendError, StreamgaugeError
from streamgauge.probe import (
    REPLAYED,
    Target,
    count,
    exchanges,
    first_model,
    keep,
    need_base_url,
    plays_by_heart,
    without_requests,
)
from streamgauge.provider import ProviderSpec, get_provider
from streamgauge.registry import get_dialect
from streamgauge.report.progress import Progress
from streamgauge.rules import Exchange
from streamgauge.transport import join_url, shown
from streamgauge.verdicts import Subject

USUAL = "openai-chat"
"""The dialect that an endpoint is asked in where none is named: what most model servers speak."""

KEY_HEADERS = frozenset(("authorization", "api-key", "x-api-key", "x-goog-api-key"))
"""Where APIs want their key: Azure's is the second. A gateway's own token goes elsewhere, beside the vendor's key."""


def judge_provider(name: str, options: Options, found: Findings) -> None:
    """Judge the endpoint behind a provider: in its dialect, with its key; the library itself has no part in it.

    Raises StreamgaugeError where the call says too little, or another dialect than the provider's.
    """
    spec = get_provider(name)
    library = f"streamgauge client {name} judges the library itself" if spec.kind != "http" else ""
    if not options.base_url:
        raise StreamgaugeError(
            f"{name}: which endpoint? give --base-url, in {spec.dialect}" + (library and f"; {library}")
        )
    if options.dialect not in (None, spec.dialect):
        raise StreamgaugeError(f"{name} speaks {spec.dialect}, not {options.dialect}")
    if library:
        note(f"{name}: judged is what {_shown(options.base_url)} answers in {spec.dialect}; {library}")
    _judge(options.base_url, get_dialect(spec.dialect), options, found, spec)


def judge_endpoint(url: str, options: Options, found: Findings) -> None:
    """Judge the endpoint with this base URL.

    Raises StreamgaugeError where there is nothing to judge: it says what to do.
    """
    _judge(url, get_dialect(options.dialect or USUAL), options, found, None)


def _shown(url: str) -> str:
    join_url(url, "")
    return shown(url)


def _judge(url: str, dialect: Dialect, options: Options, found: Findings, spec: ProviderSpec | None) -> None:
    subject = _shown(url)
    need_base_url(url, dialect)
    rules = options.chosen(dialect)
    key = options.api_key or _key_in_environment(dialect, options, spec)
    model = options.model
    if not model:
        model = first_model(url, dialect, api_key=key, timeout=options.timeout, headers=options.headers)
        if model:
            note(f"{subject}: asking {model}, the first model that it lists")
    target = Target(
        base_url=url, dialect=dialect, model=model, api_key=key, timeout=options.timeout, headers=options.headers
    )
    made = _ask(target, found)
    if options.keep:
        for exchange in made:
            keep(exchange, Path(options.keep), subject)
    if plays_by_heart(made):
        found.notes.append(f"{subject}: {REPLAYED}")
        made = without_requests(made)
    named = f" --model {shlex.quote(model)}" if model else ""
    named += "".join(f" --header {shlex.quote(f'{name}: ***')}" for name, _ in options.headers)
    again = f"streamgauge check {shlex.quote(subject)} --dialect {dialect.name}{named}"
    if silent := [exchange.case for exchange in made if exchange.trace.ended == "timeout"]:
        silence = f"{options.timeout:g} s of silence, or five times that in all"
        many = f"{len(silent)} of {len(made)} answers were given up before their end, after {silence}"
        found.notes.append(f"{subject}: {many}: {', '.join(silent[:3])}{' ...' if len(silent) > 3 else ''}")
    server = Subject(name=subject, role="server", dialect=dialect.name, version=_server(made))
    found.judge(server, made, rules, again)


def _key_in_environment(dialect: Dialect, options: Options, spec: ProviderSpec | None) -> str:
    """The vendor's key, unless a header of the caller's own carries one: the endpoint is another's then."""
    if any(name.lower() in KEY_HEADERS for name, _ in options.headers):
        return ""
    variables = (spec.env if spec else "", dialect.auth.env)
    return next((os.environ[name] for name in variables if os.environ.get(name)), "")


def _ask(target: Target, found: Findings) -> list[Exchange]:
    """The exchanges of all requests; those that were made before Ctrl-C, or before the server went away."""
    total = count(target)
    made: list[Exchange] = []
    notes: list[str] = []
    with Progress("requests") as progress, closing(exchanges(target, told=notes.append)) as asked:
        try:
            progress.update(0, total, target.dialect.name)
            for exchange in asked:
                made.append(exchange)
                progress.update(len(made), total, exchange.case)
        except BackendError as error:
            if not made:
                raise
            found.notes.append(f"the run ended early, after {len(made)} of {total} requests: {error}")
            found.refused += 1
        except KeyboardInterrupt:
            found.interrupted = True
    found.notes.extend(f"{shown(target.base_url)}: {note}" for note in notes)
    return made


def _server(made: list[Exchange]) -> str:
    """What the server says that it is."""
    return next((s for e in made if (s := e.trace.header("Server"))), "")
