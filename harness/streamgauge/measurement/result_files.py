"""Results and calibrations as files: JSON, told apart by their schema."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from streamgauge.errors import StreamgaugeError
from streamgauge.measurement.calibrations import SCHEMA as CALIBRATION_SCHEMA
from streamgauge.measurement.calibrations import Calibration
from streamgauge.measurement.results import SCHEMA, BenchResult

T = TypeVar("T")


def save(result: BenchResult | Calibration, path: Path) -> None:
    """Write the file; raises StreamgaugeError where it can't be."""
    try:
        path.write_bytes(encoded(result))
    except OSError as error:
        raise StreamgaugeError(f"can't write {path}: {error.strerror}") from error


def encoded(result: BenchResult | Calibration) -> bytes:
    """The result as JSON, one line; `schema` is always in it."""
    return msgspec.json.encode({"schema": result.schema, **msgspec.to_builtins(result)}) + b"\n"


def load(path: Path) -> BenchResult:
    """Read the file of a benchmark; raises StreamgaugeError, which says what the file is not."""
    return _load(path, BenchResult, SCHEMA, "a benchmark's result (streamgauge bench --json FILE)")


def load_calibration(path: Path) -> Calibration:
    """Read the file of a calibration; raises StreamgaugeError, which says what the file is not."""
    return _load(path, Calibration, CALIBRATION_SCHEMA, "a calibration (streamgauge calibrate --json FILE)")


def _load(path: Path, kind: type[T], schema: str, what: str) -> T:
    try:
        raw = path.read_bytes()
        head = msgspec.json.decode(raw)
    except OSError as error:
        raise StreamgaugeError(f"can't read {path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StreamgaugeError(f"{path} is not JSON, so not {what}: {error}") from error
    found = head.get("schema") if isinstance(head, dict) else None
    if found != schema:
        said = f"its schema is {found!r}" if found else "it has no schema"
        raise StreamgaugeError(f"{path} is not {what}: {said}, not {schema!r}")
    try:
        return msgspec.convert(head, kind)
    except msgspec.ValidationError as error:
        raise StreamgaugeError(f"{path} is not {what}: {error}") from error
