"""`streamgauge check`: judges an endpoint, a provider's endpoint, or recorded streams, by the server rules."""

from __future__ import annotations

import difflib
import shlex
from dataclasses import dataclass
from pathlib import Path

import click

from streamgauge.cli import INTERRUPTED
from streamgauge.cli._headers import header_option
from streamgauge.cli._inputs import FRAMING_ONLY, STDIN, capture, reads, recording_of, refuse, shown
from streamgauge.cli._output import complain, json_option, note, writable
from streamgauge.cli._verdicts import finish
from streamgauge.detect import HEAD, detect
from streamgauge.dialect import Dialect
from streamgauge.engine import judge
from streamgauge.errors import StreamgaugeError
from streamgauge.provider import all_providers
from streamgauge.registry import get_dialect
from streamgauge.rules import Exchange, Rule, Verdict, get_rule, rules_for
from streamgauge.trace import Headers, Trace
from streamgauge.verdicts import RunReport, Subject, base_versions, now


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the call says about every target."""

    dialect: str | None = None
    base_url: str | None = None
    model: str | None = None
    api_key: str | None = None
    headers: Headers = ()
    timeout: float = 60.0
    keep: str | None = None
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
class Findings:
    """What a run has come to so far."""

    subjects: list[Subject]
    verdicts: list[Verdict]
    notes: list[str]
    interrupted: bool = False
    refused: int = 0


@click.command(name="check")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("--dialect", metavar="D", help="What it speaks. Default: seen from a file; openai-chat for a URL.")
@click.option("--base-url", metavar="U", help="The endpoint, where TARGET is the name of a provider.")
@click.option("--model", metavar="M", help="The model to ask for. Default: the first that the endpoint lists.")
@click.option(
    "--api-key",
    metavar="K",
    help="The key. Default: the environment variable of the dialect's vendor, unless a --header carries one.",
)
@header_option
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Silence after which a read ends.",
)
@click.option(
    "--keep", metavar="FOLDER", help="Keep what an endpoint answers: `check FOLDER/*/*.json` judges it again."
)
@click.option("--rule", "rules", multiple=True, metavar="ID", help="Judge by this rule only; may be repeated.")
@click.option("-v", "--verbose", is_flag=True, help="Show what passed, and what was not judged and why.")
@json_option
@click.option("--junit", metavar="FILE", callback=writable, help="Write the verdicts as JUnit XML.")
@click.option("--html", metavar="FILE", callback=writable, help="Write the verdicts as one self-contained page.")
@click.option("--markdown", metavar="FILE", callback=writable, help="Write the verdicts as Markdown.")
def command(
    targets: tuple[str, ...],
    dialect: str | None,
    base_url: str | None,
    model: str | None,
    api_key: str | None,
    headers: Headers,
    timeout: float,
    keep: str | None,
    rules: tuple[str, ...],
    verbose: bool,
    json_file: str | None,
    **files: str | None,
) -> int:
    """Judge each TARGET by the rules for servers: the base URL of an endpoint, or a file with a recorded stream.

    An endpoint is sent a set of requests: text, text that is cut, tools, two choices, log probabilities, bad requests,
    a caller who goes away. The name of a provider stands for the endpoint at --base-url, asked in the provider's
    dialect; `streamgauge client` judges client libraries. A file holds a response body, an HTTP response as `curl -i`
    prints it, or is a recording's JSON file.

    Exit code 0: nothing failed. 1: a rule that a standard or the vendor's documents state was broken. 2: the call
    was wrong, or nothing could be judged.
    """
    options = Options(
        dialect=dialect,
        base_url=base_url,
        model=model,
        api_key=api_key,
        headers=headers,
        timeout=timeout,
        keep=keep,
        rules=rules,
    )
    _checked(options, targets)
    found = Findings([], [], [])
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


def _checked(options: Options, targets: tuple[str, ...]) -> None:
    """Raise StreamgaugeError for names that are not there, before anything is asked or read."""
    if options.base_url and (others := [name for name in targets if not is_provider(name)]):
        raise StreamgaugeError(
            f"--base-url goes with the name of a provider (streamgauge providers), not {others[0]}{_close(others[0])}"
        )
    if not any(is_url(name) or is_provider(name) for name in targets):
        if options.keep:
            raise StreamgaugeError("--keep is for endpoints: what files hold is kept already")
        if options.headers:
            raise StreamgaugeError("--header is for endpoints: files are not asked")
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


def is_provider(target: str) -> bool:
    """Whether a target is a provider; a file of that name comes first."""
    return target in all_providers() and not Path(target).exists()


def _judge(target: str, options: Options, found: Findings) -> None:
    # Imported where it is needed: it brings an HTTP client, which files need not.
    if is_url(target):
        from streamgauge.cli._endpoint import judge_endpoint

        judge_endpoint(target, options, found)
    elif is_provider(target):
        from streamgauge.cli._endpoint import judge_provider

        judge_provider(target, options, found)
    else:
        _judge_file(target, options, found)


def _judge_file(name: str, options: Options, found: Findings) -> None:
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
    coding = trace.header("Content-Encoding") or "identity"
    if coding.lower() != "identity":
        raise StreamgaugeError(
            f"{shown(name)} is in Content-Encoding {coding}: record it without (Accept-Encoding: identity)"
        )
    if trace.body and not trace.body.strip():
        raise StreamgaugeError(f"{shown(name)} is empty: it has only blank lines")
    if error_answer and not wanted:
        raise StreamgaugeError(f"{shown(name)} is an HTTP error ({trace.status}): say of which dialect with --dialect")
    if not wanted:
        try:
            guess = detect(trace.body[:HEAD], trace.header("Content-Type") or "")
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
    if "://" in name:
        return f"{name} is neither a file nor an http URL: give one like http://localhost:8000/v1"
    if ":" in name or name.startswith("localhost"):
        return f"no such file: {name}; if it is an endpoint, give its URL: http://{name}"
    return f"no such file: {name}{_close(name)}"


def _close(name: str) -> str:
    close = difflib.get_close_matches(name, all_providers(), n=1)
    return f"; did you mean the provider {close[0]!r}?" if close else ""
