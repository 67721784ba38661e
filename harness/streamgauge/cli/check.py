"""`streamgauge check`: judges an endpoint, or recorded streams, by the server rules."""

from __future__ import annotations

import os
import shlex
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streamgauge.cli import INTERRUPTED
from streamgauge.cli._inputs import FRAMING_ONLY, STDIN, capture, reads, recording_of, refuse, shown
from streamgauge.cli._output import complain, json_option, note
from streamgauge.cli._verdicts import finish
from streamgauge.detect import HEAD, detect
from streamgauge.dialect import Dialect
from streamgauge.engine import judge
from streamgauge.errors import BackendError, StreamgaugeError
from streamgauge.provider import all_providers
from streamgauge.registry import get_dialect
from streamgauge.rules import Exchange, Rule, Verdict, get_rule, rules_for
from streamgauge.trace import Trace
from streamgauge.verdicts import RunReport, Subject, base_versions, now

if TYPE_CHECKING:
    from streamgauge.probe import Target  # brings an HTTP client, which files need not

USUAL = "openai-chat"
"""The dialect that an endpoint is asked in where none is named: what most model servers speak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the call says about every target."""

    dialect: str | None = None
    model: str | None = None
    api_key: str | None = None
    timeout: float = 60.0
    rules: tuple[str, ...] = ()

    def chosen(self, dialect: Dialect) -> list[Rule]:
        """The server rules to judge by: those that were named, as far as they fit the dialect, else all that fit."""
        fitting = list(rules_for(dialect, "server"))
        if not self.rules:
            return fitting
        named = [rule for rule in fitting if rule.id in self.rules]
        if not named:
            raise StreamgaugeError(f"{' and '.join(self.rules)} does not apply to {dialect.name}")
        return named


@dataclass(slots=True)
class _Findings:
    """What a run has come to so far."""

    subjects: list[Subject]
    verdicts: list[Verdict]
    notes: list[str]
    interrupted: bool = False
    refused: int = 0


@click.command(name="check")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("--dialect", metavar="D", help=f"What it speaks. Default: seen from a file; {USUAL} for an endpoint.")
@click.option("--model", metavar="M", help="The model to ask for. Default: the first that the endpoint lists.")
@click.option("--api-key", metavar="K", help="The key. Default: the environment variable of the dialect's vendor.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Silence after which a read ends.",
)
@click.option("--rule", "rules", multiple=True, metavar="ID", help="Judge by this rule only; may be repeated.")
@click.option("-v", "--verbose", is_flag=True, help="Show what passed, and what was not judged and why.")
@json_option
@click.option("--junit", metavar="FILE", help="Write the verdicts as JUnit XML.")
@click.option("--html", metavar="FILE", help="Write the verdicts as one self-contained page.")
@click.option("--markdown", metavar="FILE", help="Write the verdicts as Markdown.")
def command(
    targets: tuple[str, ...],
    dialect: str | None,
    model: str | None,
    api_key: str | None,
    timeout: float,
    rules: tuple[str, ...],
    verbose: bool,
    json_file: str | None,
    **files: str | None,
) -> int:
    """Judge each TARGET by the rules for servers: the base URL of an endpoint, or a file with a recorded stream.

    An endpoint is sent a set of requests: text, text that is cut, tools, two choices, bad requests, a caller who
    goes away. A file holds a response body, an HTTP response as `curl -i` prints it, or is a recording's JSON file.

    Exit code 0: nothing failed. 1: a rule that a standard or the vendor's documents state was broken. 2: the call
    was wrong, or nothing could be judged.
    """
    options = Options(dialect=dialect, model=model, api_key=api_key, timeout=timeout, rules=rules)
    _checked(options)
    found = _Findings([], [], [])
    started = now()
    for target in targets:
        try:
            _judge(target, options, found)
        except StreamgaugeError as error:
            if len(targets) == 1 and not found.verdicts:
                raise
            complain(str(error))
            found.refused += 1
        if found.interrupted:
            break
    if not found.subjects:
        return 2
    report = RunReport(
        started=started,
        versions=base_versions(),
        subjects=tuple(found.subjects),
        verdicts=tuple(found.verdicts),
        notes=tuple(found.notes),
        partial=found.interrupted,
    )
    code = finish(report, json_file, files, verbose=verbose)
    return INTERRUPTED if found.interrupted else max(code, 2 if found.refused else 0)


def _checked(options: Options) -> None:
    """Raise StreamgaugeError for names that are not there, before anything is asked or read."""
    if options.dialect == FRAMING_ONLY:
        raise StreamgaugeError("sse is a framing: rules are for a dialect, name one (streamgauge dialects)")
    if options.dialect:
        get_dialect(options.dialect)
    for name in options.rules:
        if get_rule(name).role != "server":
            raise StreamgaugeError(f"{name} is a rule for clients: streamgauge client PROVIDER --rule {name}")


def is_url(target: str) -> bool:
    """Whether a target is an endpoint and not a file."""
    return target.lower().startswith(("http://", "https://"))


def _judge(target: str, options: Options, found: _Findings) -> None:
    if is_url(target):
        _judge_endpoint(target, options, found)
    else:
        _judge_file(target, options, found)


def _judge_file(name: str, options: Options, found: _Findings) -> None:
    exchange = _exchange(name, options.dialect)
    found.subjects.append(Subject(name=shown(name), role="server", dialect=exchange.dialect.name))
    again = f"streamgauge check {shlex.quote(name)} --dialect {exchange.dialect.name}"
    for verdict in judge(exchange, options.chosen(exchange.dialect), subject=shown(name)):
        found.verdicts.append(verdict.marked(reproduce=f"{again} --rule {verdict.rule}"))


def _exchange(name: str, wanted: str | None) -> Exchange:
    """The exchange in a file.

    Raises StreamgaugeError where it holds none, or its dialect can't be seen.
    """
    if name != STDIN and not Path(name).exists():
        raise StreamgaugeError(_no_such(name))
    if recording := recording_of(name):
        dialect = get_dialect(wanted or recording.dialect)
        return Exchange(dialect, recording.trace, recording.reference, case=recording.name)
    trace = _trace(name)
    error_answer = trace.status is not None and not 200 <= trace.status < 300
    if not wanted:
        try:
            guess = detect(trace.body[:HEAD])
        except StreamgaugeError as error:
            raise StreamgaugeError(f"{shown(name)} {error}") from None
        note(f"{shown(name)}: {guess.dialect}, as {guess.reason}")
        wanted = guess.dialect
    dialect = get_dialect(wanted)
    if not error_answer:
        refuse(trace.body[:HEAD], dialect, name, final=True)
    return Exchange(dialect, trace)


def _trace(name: str) -> Trace:
    raw = b"".join(reads(name))
    found = capture(raw, name)
    return found or Trace.of(raw)


def _no_such(name: str) -> str:
    if name in all_providers():
        return f"{name} is a client library: streamgauge client {name} judges it; check judges servers and recordings"
    if ":" in name or name.startswith("localhost"):
        return f"no such file: {name}; if it is an endpoint, give its URL: http://{name}"
    return f"no such file: {name}"


def _judge_endpoint(url: str, options: Options, found: _Findings) -> None:
    from streamgauge.probe import Target, first_model, need_base_url
    from streamgauge.transport import shown as shown_url

    dialect = get_dialect(options.dialect or USUAL)
    need_base_url(url, dialect)
    rules = options.chosen(dialect)
    key = options.api_key or os.environ.get(dialect.auth.env, "")
    model = options.model
    if not model:
        model = first_model(url, dialect, api_key=key, timeout=options.timeout)
        note(f"{shown_url(url)}: asking {model}, the first model that it lists")
    target = Target(base_url=url, dialect=dialect, model=model, api_key=key, timeout=options.timeout)
    made = _ask(target, found)
    subject = shown_url(url)
    found.subjects.append(Subject(name=subject, role="server", dialect=dialect.name, version=_server(made)))
    again = f"streamgauge check {shlex.quote(subject)} --dialect {dialect.name} --model {shlex.quote(model)}"
    for exchange in made:
        for verdict in judge(exchange, rules, subject=subject):
            found.verdicts.append(verdict.marked(reproduce=f"{again} --rule {verdict.rule}"))


def _ask(target: Target, found: _Findings) -> list[Exchange]:
    """The exchanges of all requests; those that were made before Ctrl-C, or before the server went away."""
    from streamgauge.probe import exchanges, probes
    from streamgauge.report.progress import Progress

    wanted = probes(target.dialect, target.model)
    total = len(wanted) + sum(p.twin for p in wanted)
    made: list[Exchange] = []
    with Progress("requests") as progress, closing(exchanges(target, wanted)) as asked:
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
    return made


def _server(made: list[Exchange]) -> str:
    """What the server says that it is."""
    return next((s for e in made if (s := e.trace.header("Server"))), "")
