"""The report as JSON: schema `streamgauge.verdicts/1`, one verdict a line so that two files can be compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streamgauge.report.files import save
from streamgauge.verdicts import RunReport

_SURROGATE = re.compile("[\ud800-\udfff]")


def dumps(report: RunReport) -> str:
    r"""The text of the file.

    A lone surrogate is written as the six characters `\ud83d`: as an escape it would be valid by the grammar of
    RFC 8259, "unpredictable" by its section 8.2, and refused by strict readers.
    """
    text = "{" + ",\n ".join(_members(report.to_dict())) + "}\n"
    return _SURROGATE.sub(lambda found: f"\\\\u{ord(found[0]):04x}", text)


def write(report: RunReport, path: str | Path) -> None:
    """Write the file; raises StreamgaugeError where that fails."""
    save(dumps(report), path)


def _members(document: dict[str, Any]) -> Iterator[str]:
    for name, value in document.items():
        text = _lines(value) if isinstance(value, list) else _plain(value)
        yield f"{_plain(name)}: {text}"


def _lines(items: list[Any]) -> str:
    return "[\n  " + ",\n  ".join(map(_plain, items)) + "\n ]" if items else "[]"


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
