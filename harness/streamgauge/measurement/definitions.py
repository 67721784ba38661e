"""What each figure means, once: for the page docs/metrics.md, for the reports, and for whoever reads the code.

The code of the definitions is in `streamgauge.measurement.metrics` (of one stream) and in `rates` of
`streamgauge.measurement.summaries` (of a whole run). OpenTelemetry's GenAI conventions (status: Development) are at
https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-metrics.md; a name of theirs
stands only where they define the same for a client.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamgauge.measurement.metrics import STALL

OTEL_SERVER = "OpenTelemetry has it as the server's own `gen_ai.server.{}`; this is the same as a client sees it"


@dataclass(frozen=True, slots=True)
class Definition:
    """One figure. name: as in files and thresholds. title: as in tables. source: where the definition comes from.

    otel: OpenTelemetry's name for it, "" where there is none.
    """

    name: str
    title: str
    unit: str
    text: str
    source: str
    otel: str = ""


_STREAM = (
    Definition(
        *("ttfb", "TTFB", "seconds", "from the request's sending to status line and headers"),
        "W3C Resource Timing's responseStart, at the end of the head; a library hides it",
    ),
    Definition(
        *("ttfe", "TTFE", "seconds", "to the first complete event of any kind"),
        "OpenTelemetry: when the first chunk is received in the response stream",
        "gen_ai.client.operation.time_to_first_chunk",
    ),
    Definition(
        *("ttft", "TTFT", "seconds"),
        "to the first event that carries output (text, reasoning, a tool call or a refusal); a role-only or empty "
        "chunk is not a token",
        OTEL_SERVER.format("time_to_first_token"),
    ),
    Definition(
        *("ttft_answer", "TTFT-answer", "seconds", "to the first visible text, after any reasoning"),
        "ours: with a reasoning model TTFT says when it began to think",
    ),
    Definition(
        *("gap", "gap", "seconds", "between consecutive output events; every one is kept"),
        "OpenTelemetry: from the end of the previous chunk to the end of this one, of chunks with output",
        "gen_ai.client.operation.time_per_output_chunk",
    ),
    Definition(
        *("tpot", "TPOT", "seconds"),
        "(last output - first output) / (output tokens - 1), the first output taken for one token; only where the "
        "stream itself says how many tokens, never from the requested length",
        OTEL_SERVER.format("time_per_output_token"),
    ),
    Definition(
        *("e2e", "E2E", "seconds", "to the dialect's terminator; without one, to the end of the stream"),
        "OpenTelemetry: the operation's duration",
        "gen_ai.client.operation.duration",
    ),
    Definition(
        *("schedule_delay", "schedule", "seconds"),
        "from the intended start to the actual send; all other times count from the intended start, too",
        "Gil Tene, How NOT to Measure Latency: else a slow server is asked less often, and its waits are left out",
    ),
    Definition(
        *("delivery_delay", "delivery", "seconds"),
        "from the replay server handing an output event to its kernel to the caller having it: what a client costs",
        "ours, from the send log on one monotonic clock; against the built-in server only",
    ),
    Definition(
        *("connect", "connect", "seconds", "TCP, proxy and TLS together; absent on a kept connection"),
        "W3C Resource Timing's connectStart to connectEnd; the wire probe only",
    ),
    Definition(
        *("client_lag", "client lag", "seconds"),
        "from the kernel's stamp of a read to our process seeing it, the longest of a stream",
        "Linux, SO_TIMESTAMPNS (Documentation/networking/timestamping.rst); the wire probe only",
    ),
)
_RUN = (
    Definition(
        *("events_per_second", "events/s", "per second", "normalised events of all streams by the run's wall time"),
        "throughput as usual, of events: tokens are known of some streams only",
    ),
    Definition(
        *("bytes_per_second", "bytes/s", "per second", "bytes of bodies by the run's wall time"),
        "throughput as usual; the wire probe only, a library hides them",
    ),
    Definition(
        *("streams_per_second", "streams/s", "per second", "streams that are complete by the run's wall time"),
        "goodput: what failed is not counted",
    ),
    Definition(
        *("cpu_per_event", "CPU/event", "seconds"),
        "CPU time of the client's process, all threads, decoding included, by its events",
        "POSIX, CLOCK_PROCESS_CPUTIME_ID; the replay server is another process",
    ),
    Definition(
        *("peak_rss", "memory", "bytes", "the largest resident set seen during the run, of the client's process"),
        "Linux, /proc/self/statm, every 50 ms",
    ),
    Definition(
        *("loop_lag_p99", "loop lag", "seconds"),
        "how late the event loop (on the sync path: a sleeping thread) woke, the 99th percentile of the run",
        "ours: what the process does to itself; past a bound the report is tainted",
    ),
    Definition(
        *("stalls", "stalls", "count"),
        f"gaps of at least {STALL:g} s, and streams that were given up in silence, in a run",
        "ours: about a second breaks a reader's flow of thought (Nielsen, Usability Engineering, 1993, chapter 5)",
    ),
    Definition(
        *("errors", "failed", "streams"),
        "streams that are no success, or of one class: `errors.truncated`, `errors.error`, `errors.stalled`, "
        "`errors.cut`, `errors.refused`",
        "ours: a success is what its dialect says is complete, and nothing else",
    ),
)
DEFINITIONS = {one.name: one for one in (*_STREAM, *_RUN)}
"""By name, those of a stream first."""
OTEL = {one.name: one.otel for one in DEFINITIONS.values() if one.otel}


def page() -> str:
    """The page docs/metrics.md; a test holds the file to it."""
    return "\n".join(
        (
            "# Metrics",
            "",
            "Each figure is defined once, in `streamgauge.measurement.definitions`, from which this page is made",
            "(`python -m streamgauge.measurement.definitions > docs/metrics.md`). The names are those of the files of",
            "`streamgauge bench`, of `--fail-if 'ttft.p99 > 300ms'` and of `streamgauge compare --metric gap.p90`.",
            "",
            "## Of one stream",
            "",
            "Seconds from the moment the request was sent (through a library: from the call). Figures of many streams",
            "are `NAME.p50`, `.p90`, `.p99`, any other `.pNN`, `.mean`, `.min` and `.max`.",
            "",
            *_table(_STREAM),
            "",
            "## Of a run",
            "",
            *_table(_RUN),
            "",
            _RULES,
            "",
        )
    )


def _table(definitions: tuple[Definition, ...]) -> list[str]:
    rows = [f"| `{d.name}` | {d.title} | {d.text} | {d.source} | {_code(d.otel)} |" for d in definitions]
    return ["| name | title | what | source | OpenTelemetry |", "|---|---|---|---|---|", *rows]


def _code(name: str) -> str:
    return f"`{name}`" if name else ""


_RULES = """\
## How streams are counted

A stream went one of six ways: `complete` (its dialect says so), `truncated` (the bytes ended properly, without the
dialect's terminator), `error` (the stream reported one), `stalled` (silence past a timeout), `cut` (the connection
broke), `refused` (no stream at all). Only `complete` is a success. In percentiles a failure is +inf: a backend does
not get faster by failing. Nothing is sent twice, save where a kept connection was closed under the probe's request
before any answer, which is counted.

A quantile is the ceil(n q)-th smallest value, never an interpolation, with a distribution-free 95 % interval between
order statistics (Conover, Practical Nonparametric Statistics, 3.2); where the sample has none far enough out it is
absent: a 99th percentile takes 368 values. Ratios of runs have bootstrap intervals over runs
(`streamgauge.measurement.resampling` names the sources).

Token counts are the stream's own, the last that it states, with the member that stated it as their source (`usage`,
`usageMetadata`, `eval_count` ...); without any the source is `none`, and what needs a count is absent."""

if __name__ == "__main__":
    print(page(), end="")
