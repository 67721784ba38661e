"""`streamgauge check`: judges an endpoint, a provider's endpoint, or recorded streams, by the server rules."""

from __future__ import annotations

from pathlib import Path

import click

from streamgauge.cli import INTERRUPTED
from streamgauge.cli._headers import header_option
from streamgauge.cli._inputs import FRAMING_ONLY
from streamgauge.cli._judging import Findings, Options
from streamgauge.cli._output import complain, json_option, writable
from streamgauge.cli._recorded import judge_file, meant
from streamgauge.cli._verdicts import finish
from streamgauge.errors import StreamgaugeError
from streamgauge.provider import all_providers
from streamgauge.registry import get_dialect
from streamgauge.rules import get_rule
from streamgauge.trace import Headers
from streamgauge.verdicts import RunReport, base_versions, now


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
    found = Findings()
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
            f"--base-url goes with the name of a provider (streamgauge providers), not {others[0]}{meant(others[0])}"
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
        judge_file(target, options, found)
