"""`streamgauge compare`: one result judged against another: equal, better, worse, or can't tell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from streamgauge.cli._output import json_option
from streamgauge.measurement.compare import DEFAULT_FIGURES, SMALLEST, Comparison, Method
from streamgauge.measurement.resampling import CONFIDENCE

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def _percent(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    """`5%`, as a part of one."""
    found = _PERCENT.fullmatch(value.strip())
    if not found or not 0 < float(found[1]) < 100:
        raise click.BadParameter(f"{value!r} is no percentage between 0% and 100%: write it like 5%")
    return float(found[1]) / 100


@click.command(name="compare")
@click.argument("subjects", nargs=-1, metavar="BASE.json NEW.json")
@click.option(
    *("--metric", "metrics"),
    multiple=True,
    metavar="M",
    help=f"A figure, like gap.p90. Default: {', '.join(DEFAULT_FIGURES)}.",
)
@click.option(
    *("--smallest", "smallest"),
    default=f"{SMALLEST:.0%}",
    callback=_percent,
    show_default=True,
    metavar="P%",
    help="The smallest effect of interest.",
)
@click.option(
    *("--confidence", "confidence"),
    default=f"{CONFIDENCE:.0%}",
    callback=_percent,
    show_default=True,
    metavar="P%",
    help="Of each interval, below 100%; many figures want more.",
)
@click.option("--seed", default=0, show_default=True, help="Of the bootstrap: the same seed, the same interval.")
@click.option("--interleave", is_flag=True, help="Measure A and B now, in turn: PROVIDER[:sync|async|wire][@BASE_URL].")
@click.option("--runs", default=10, type=click.IntRange(1), show_default=True, help="Interleaved: runs of each.")
@click.option("--requests", default=10, type=click.IntRange(1), show_default=True, help="Interleaved: streams a run.")
@click.option("--concurrency", default=1, type=click.IntRange(1), show_default=True, help="Interleaved: at a time.")
@click.option("--prompt", default="Say something long", show_default=True, help="Interleaved: what is asked.")
@click.option("--model", default="gpt-4", show_default=True, metavar="M", help="Interleaved: the model to ask.")
@click.option("--max-tokens", type=click.IntRange(1), metavar="N", help="Interleaved: the longest answer to ask for.")
@click.option("--api-key", metavar="K", help="Interleaved: the key. Default: each provider's environment variable.")
@click.option("--save", type=click.Path(dir_okay=False), metavar="FILE", help="Interleaved: keep what was measured.")
@click.option("--baseline", metavar="FILE", help="Judge one file of pytest-benchmark by an accepted baseline instead.")
@click.option("--accept", is_flag=True, help="Write the baseline from that file.")
@json_option
def command(subjects: tuple[str, ...], **options: Any) -> int:
    """Judge NEW against BASE, two files of `streamgauge bench --json`, figure by figure.

    \b
    streamgauge compare BASE.json NEW.json
    streamgauge compare --interleave openai:sync openai:async
    streamgauge compare --baseline reports/baselines/bench.json reports/bench.json

    The unit is the run: five of each at least, six where they are interleaved. A figure is better or worse when the
    95 % bootstrap interval of new / base lies wholly beyond the smallest effect of interest, equal when it lies
    wholly within. A baseline holds the ratios of benchmarks to the floor of their own run.

    Exit codes: 0 nothing is worse; 1 something is; 2 the two can't be compared, or nothing could be told; 130 Ctrl-C
    ended the measuring, and what there was is shown.
    """
    from streamgauge.cli import _baseline, _comparison

    if options["baseline"]:
        (measured,) = _named(subjects, "a file of pytest-benchmark")
        if options["accept"]:
            return _baseline.accepted(options["baseline"], measured)
        return _baseline.judged(options["baseline"], measured, options["json_file"])
    if options["accept"]:
        raise click.UsageError("--accept writes a baseline: name it with --baseline FILE")
    if options["interleave"]:
        comparison, interrupted = _alternated(subjects, options)
        return _comparison.finish(comparison, options["json_file"], interrupted=interrupted)
    return _comparison.finish(_compared(subjects, options), options["json_file"])


def _named(subjects: tuple[str, ...], *what: str) -> tuple[str, ...]:
    if len(subjects) != len(what):
        raise click.UsageError(f"give {' and '.join(what)}, not {len(subjects)} of them")
    return subjects


def _compared(subjects: tuple[str, ...], options: dict[str, Any]) -> Comparison:
    from streamgauge.measurement.compare import compare
    from streamgauge.measurement.result_files import load

    base, new = _named(subjects, "BASE.json", "NEW.json")
    method = Method(smallest=options["smallest"], confidence=options["confidence"], seed=options["seed"])
    results = load(Path(base)), load(Path(new))
    return compare(*results, names=(base, new), figures=options["metrics"], method=method)


def _alternated(subjects: tuple[str, ...], options: dict[str, Any]) -> tuple[Comparison, bool]:
    """Measure both in turn, and compare their runs in pairs; and whether Ctrl-C ended that early."""
    from streamgauge.cli._bench_options import Live, key_of
    from streamgauge.instrument.alternate import alternate, parse_rival
    from streamgauge.instrument.load import Load
    from streamgauge.measurement.comparable import notes_of
    from streamgauge.measurement.compare import compare_targets
    from streamgauge.measurement.result_files import save
    from streamgauge.transport import is_loopback

    one, other = (parse_rival(text) for text in _named(subjects, "A", "B"))
    away = any(rival.base_url and not is_loopback(rival.base_url) for rival in (one, other))
    load = Load(**{name: options[name] for name in ("requests", "concurrency", "prompt", "model", "max_tokens")})
    live, runs = Live(), options["runs"]
    try:
        result = alternate(
            (one, other),
            load,
            runs,
            key=key_of(options["api_key"], needed=away),
            ran=lambda name, index: live.now(lambda: f"{name}: run {index + 1} of {runs}"),
        )
    finally:
        live.close()
    if options["save"]:
        save(result, Path(options["save"]))
    base, new = result.targets
    method = Method(smallest=options["smallest"], confidence=options["confidence"], seed=options["seed"], paired=True)
    names = f"{base.name} {base.path}", f"{new.name} {new.path}"
    notes = [note.removeprefix("both is ") for note in notes_of(result, result, ("both", "both"))]
    comparison = compare_targets(
        [(base, new)], names=names, figures=options["metrics"], method=method, notes=list(dict.fromkeys(notes))
    )
    return comparison, result.partial
