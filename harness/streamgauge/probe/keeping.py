"""Keeps what an endpoint answered: the bytes behind each verdict, which `check` judges again as files."""

from __future__ import annotations

from pathlib import Path

from streamgauge.errors import StreamgaugeError
from streamgauge.recordings import Recording, save
from streamgauge.rules import Exchange


def keep(exchange: Exchange, folder: Path, endpoint: str) -> Path:
    """Write one exchange below `<folder>/<dialect>/` and return its path.

    A stream is a recording, with its request, its headers and the time of each read; an answer that was asked for
    whole is a file with its headers, as `curl -i` prints it. No key is in either.
    Raises StreamgaugeError where it can't be written.
    """
    try:
        return _recorded(exchange, folder, endpoint) if exchange.streams else _printed(exchange, folder)
    except OSError as error:
        raise StreamgaugeError(f"can't write to {folder}: {error.strerror}") from error


def _recorded(exchange: Exchange, folder: Path, endpoint: str) -> Path:
    recording = Recording(
        name=exchange.case,
        dialect=exchange.dialect.name,
        trace=exchange.trace,
        message=exchange.message,
        reference=exchange.reference,
        title=f"the answer of {endpoint} to the request {exchange.case}",
        provenance={"kind": "recorded", "from": endpoint, "by": "streamgauge check --keep"},
    )
    return save(recording, folder)


def _printed(exchange: Exchange, folder: Path) -> Path:
    trace = exchange.trace
    # The body is not in the chunked coding any more, and what a cut one lacks is not to be waited for.
    fields = [(n, v) for n, v in trace.headers or () if n.lower() not in ("transfer-encoding", "content-length")]
    head = "\r\n".join([f"HTTP/1.1 {trace.status or 0}", *(f"{n}: {v}" for n, v in fields)])
    path = folder / exchange.dialect.name / f"{exchange.case}.http"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head.encode("latin-1", "replace") + b"\r\n\r\n" + exchange.body)
    return path
