"""`streamgauge calibrate`: the error of the instrument itself, against times that are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from streamgauge.cli import INTERRUPTED
from streamgauge.cli._bench_options import Live, Numbers, Words, calibrated
from streamgauge.cli._output import json_option, note, write

if TYPE_CHECKING:
    from streamgauge.measurement.calibrations import Calibration, PathName
    from streamgauge.provider import ProviderSpec


PROBE = "probe"
"""How the wire probe is named among providers."""


@click.command(name="calibrate")
@click.argument("providers", nargs=-1, metavar="[probe|PROVIDER]...")
@click.option("--mode", default="sync,async,wire", type=Words("sync", "async", "wire"), show_default=True)
@click.option("--concurrency", default="1,16,64,256", type=Numbers(), show_default=True, help="Streams at a time.")
@click.option("--quick", is_flag=True, help="A fifth of the streams: as a benchmark does it along the way.")
@click.option(
    "--cost",
    is_flag=True,
    help="Also the probe's CPU time an event, beside asyncio and httptools alone (extra `bench`).",
)
@json_option
def command(
    providers: tuple[str, ...],
    mode: tuple[PathName, ...],
    concurrency: tuple[int, ...],
    quick: bool,
    cost: bool,
    json_file: str | None,
) -> int:
    """Stream scripts with known times from another process, and report measured minus true.

    The wire probe comes first, with --mode wire, and alone where only `probe` is named; each PROVIDER (default: all
    that are installed) follows on its sync and its async path. For a library the error is what it adds: from the
    server's sending of an event to its delivery to the caller. Ctrl-C keeps the rows that there are.
    """
    from streamgauge.instrument.calibration import Wish, run
    from streamgauge.provider import all_providers, get_provider

    named = [name for name in dict.fromkeys(providers) if name != PROBE]
    specs = [get_provider(name) for name in (named if providers else all_providers())]
    wish = Wish(
        specs=_installed(specs, named=bool(providers)), modes=mode, concurrencies=concurrency, quick=quick, cost=cost
    )
    if not wish.names:
        raise click.UsageError(f"nothing to calibrate: no {'/'.join(mode)} path of {', '.join(providers)}")
    live = Live()
    try:
        found = run(wish, lambda row: calibrated(live, row), lambda text: live.now(lambda: text))
    finally:
        live.close()
    return _shown(found, json_file)


def _installed(specs: list[ProviderSpec], *, named: bool) -> list[ProviderSpec]:
    """Those that are there; raises UnavailableError where one was named that is not."""
    from streamgauge.errors import UnavailableError

    missing = [spec for spec in specs if spec.missing]
    told = [f"{spec.name} needs {', '.join(spec.missing)}, not installed: {spec.install}" for spec in missing]
    if named and missing:
        raise UnavailableError("; ".join(told))
    for text in told:
        note(f"not calibrated: {text}")
    return [spec for spec in specs if not spec.missing]


def _shown(found: Calibration, json_file: Any) -> int:
    from streamgauge.errors import StreamgaugeError
    from streamgauge.measurement.result_files import encoded
    from streamgauge.report.bench_terminal import print_calibration

    if json_file != "-":
        print_calibration(found)
    if json_file:
        write(json_file, encoded(found).decode())
    if found.partial:
        return INTERRUPTED
    if not any(row.ttft for row in found.rows):
        raise StreamgaugeError("nothing was calibrated: no stream of a known script was complete")
    return 0
