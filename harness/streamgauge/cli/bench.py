"""`streamgauge bench`: TTFT, gaps, throughput and cost of providers, sync beside async, with the instrument's error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamgauge.cli import INTERRUPTED
from streamgauge.cli._bench_options import Live, Numbers, Words, calibrated, key_of
from streamgauge.cli._output import json_option, writable, write

if TYPE_CHECKING:
    from streamgauge.instrument.flight import Flight
    from streamgauge.instrument.plan import Plan
    from streamgauge.instrument.run import Measured
    from streamgauge.measurement.calibrations import CalibrationRow
    from streamgauge.measurement.results import BenchResult
    from streamgauge.measurement.thresholds import Threshold

FILE = click.Path(path_type=Path, dir_okay=False)
SECONDS = click.FloatRange(min=0, min_open=True)


@click.command(name="bench")
@click.argument("providers", nargs=-1, metavar="[PROVIDER]...")
@click.option("--base-url", metavar="U", help="What to measure. Default: the built-in server, in another process.")
@click.option("--model", default="gpt-4", show_default=True, metavar="M", help="The model to ask.")
@click.option("--api-key", metavar="K", help="The key. Default: the provider's usual environment variable.")
@click.option("--prompt", default="Say something long", show_default=True, help="What is asked.")
@click.option("--max-tokens", type=click.IntRange(1), metavar="N", help="The longest answer to ask for.")
@click.option("--mode", default="sync,async,wire", type=Words("sync", "async", "wire"), show_default=True)
@click.option(
    "--concurrency", default="1,8", type=Numbers(), show_default=True, help="Streams at a time, each in turn."
)
@click.option("--requests", default=20, type=click.IntRange(1), show_default=True, help="Streams of each run.")
@click.option("--runs", default=6, type=click.IntRange(1), show_default=True, help="Runs of each target, interleaved.")
@click.option("--warmup", type=click.IntRange(0), help="Streams before, not counted. Default: the concurrency.")
@click.option("--rate", type=SECONDS, metavar="R", help="Open loop: R requests a second. Default: closed loop.")
@click.option("--events", default=32, type=click.IntRange(1), show_default=True, help="Of a built-in answer.")
@click.option("--first", default=0.02, type=click.FloatRange(0), show_default=True, help="Seconds before its first.")
@click.option("--pace", default=0.005, type=click.FloatRange(0), show_default=True, help="Seconds between them.")
@click.option("--connect-timeout", default=10.0, type=SECONDS, show_default=True, help="Seconds to connect.")
@click.option("--first-timeout", default=60.0, type=SECONDS, show_default=True, help="Seconds to the first event.")
@click.option("--idle-timeout", default=30.0, type=SECONDS, show_default=True, help="Seconds of silence.")
@click.option("--total-timeout", default=600.0, type=SECONDS, show_default=True, help="Seconds of a whole stream.")
@click.option("--calibration", type=FILE, help="A file of streamgauge calibrate --json. Default: a quick one.")
@click.option("--fail-if", "thresholds", multiple=True, metavar="T", help="Like 'ttft.p99 > 300ms', 'errors > 0'.")
@json_option
@click.option("--html", type=FILE, callback=writable, help="Report as one HTML page.")
@click.option("--csv", type=FILE, callback=writable, help="Report as CSV.")
@click.option("--markdown", type=FILE, callback=writable, help="Report as Markdown.")
def command(**options: Any) -> int:
    """Measure each PROVIDER (default: openai-chat) on its sync path, its async path and by the wire probe.

    The same requests go through the same library on both paths, in turn, run by run. Nothing is retried. A stream
    counts as a success only when its dialect says that it is complete.

    Exit codes: 0 good; 1 a threshold was passed, or no stream was complete; 2 nothing could be measured.
    """
    from streamgauge.instrument.backend import ReplayProcess

    with ReplayProcess() as backend:  # it starts while we import
        from streamgauge.instrument.bench import bench
        from streamgauge.measurement.thresholds import parse

        limits = [parse(text) for text in options["thresholds"]]
        plan = _plan(options)
        live = Live()
        try:
            result = bench(plan, _Watcher(live), backend)
        finally:
            live.close()
    _write(result, options)
    return _judged(result, limits)


def _plan(options: dict[str, Any]) -> Plan:
    from streamgauge.instrument.exchange import Timeouts
    from streamgauge.instrument.plan import Plan
    from streamgauge.measurement.result_files import load_calibration
    from streamgauge.provider import get_provider
    from streamgauge.transport import is_loopback, join_url

    url = options["base_url"]
    if url is not None:
        join_url(url, "")
    specs = [get_provider(name) for name in dict.fromkeys(options["providers"] or ("openai-chat",))]
    calibration = load_calibration(options["calibration"]) if options["calibration"] else None
    find_key = key_of(options["api_key"], needed=url is not None and not is_loopback(url))
    for spec in specs:
        find_key(spec)  # what is missing is said now, not after a calibration
    same = ("runs", "requests", "warmup", "rate", "model", "prompt", "max_tokens", "events", "first", "pace")
    return Plan(
        specs=specs,
        modes=options["mode"],
        concurrencies=options["concurrency"],
        base_url=url,
        api_key=find_key,
        timeouts=Timeouts(
            connect=options["connect_timeout"],
            first_event=options["first_timeout"],
            idle=options["idle_timeout"],
            total=options["total_timeout"],
        ),
        calibration=calibration,
        **{name: options[name] for name in same},
    )


def _write(result: BenchResult, options: dict[str, Any]) -> None:
    from importlib import import_module

    from streamgauge.measurement.result_files import encoded
    from streamgauge.report.bench_terminal import print_bench

    target = options["json_file"]
    if target != "-":
        print_bench(result)
    if target:
        write(target, encoded(result).decode())
    for kind in ("html", "csv", "markdown"):
        if path := options[kind]:
            import_module(f"streamgauge.report.bench_{kind}").write(result, path)


def _judged(result: BenchResult, limits: list[Threshold]) -> int:
    """The exit code; thresholds that were passed are named, and that no stream was complete.

    A backend that refused every request may have been asked wrongly: nothing was measured. One that answered, and
    brought no answer to its end, has fallen short.
    """
    from streamgauge.errors import StreamgaugeError
    from streamgauge.measurement.summaries import outcomes
    from streamgauge.measurement.thresholds import judge

    failed = [judgement for judgement in judge(limits, result) if not judgement.passed]
    for judgement in failed:
        click.echo(f"failed: {judgement.sentence}", err=True)
    if result.partial:
        return INTERRUPTED
    streams = [stream for target in result.targets for stream in target.streams]
    if not any(stream.succeeded for stream in streams):
        found = ", ".join(f"{n} {name}" for name, n in outcomes(streams).items() if n)
        first = next((stream.error for stream in streams if stream.error), "")
        sentence = f"no stream was complete ({found}){f': {first}' if first else ''}"
        if all(stream.outcome == "refused" for stream in streams):
            raise StreamgaugeError(f"nothing was measured: {sentence}")
        click.echo(f"failed: {sentence}", err=True)
        return 1
    return 1 if failed else 0


class _Watcher:
    """Shows how far a benchmark is."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._landed = 0
        self._label = ""

    def calibrated(self, row: CalibrationRow) -> None:
        calibrated(self._live, row)

    def noted(self, note: str) -> None:
        self._live.line(note)

    def warmed(self, label: str, measured: Measured) -> None:
        streams = measured.run.streams
        first = next((s.ttft for s in streams if s.ttft is not None), None)
        shown = "no output" if first is None else f"first TTFT {first * 1e3:.2f} ms"
        self._live.line(f"warm-up: {label}: {len(streams)} streams, {shown}")

    def landed(self, flight: Flight) -> None:
        self._landed += 1
        self._live.now(
            lambda: f"{self._label}{self._landed} streams; the last took {flight.ended - flight.began:.2f} s"
        )

    def ran(self, label: str, measured: Measured, done: int, total: int) -> None:
        self._label = f"{done}/{total} runs, "
        times = sorted(s.ttft for s in measured.run.streams if s.succeeded and s.ttft is not None)
        ttft = f"TTFT median {times[len(times) // 2] * 1e3:.2f} ms" if times else "no stream complete"
        tenth = done * 10 // total != (done - 1) * 10 // total
        self._live.now(lambda: f"run {done}/{total}: {label}: {ttft}", stay=tenth)
